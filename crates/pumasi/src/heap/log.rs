//! The operation log in each object's header: what recovery does with a half-done operation.
//!
//! An operation that is more than one store arms the log before its commit word and disarms it
//! when all is done. The log says where the commit word is, what it holds once committed, and
//! the actions which belong to the committed operation. Recovery (whoever takes the lock from a
//! dead owner) looks at the commit word, which nobody else can have changed meanwhile:
//!
//! - committed: run the actions. Each may run again from the start (LOG-1).
//! - not committed: nothing to undo in the object (LOG-2: before the commit, an operation writes
//!   only what no reader looks at). The blocks it had allocated are PENDING and are freed with
//!   the estate of the dead.
//!
//! LOG-3: the armed word is stored last (Release) and cleared first, so that a log is read whole
//! or not at all. LOG-4: lowering an in-edge count cannot be repeated; the action is erased
//! before it is done, so that a kill between leaves the count too high, never too low.

use core::sync::atomic::Ordering;

use crate::error::{Error, Fast, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{BlockWord, Cell, State, Tag};
use crate::heap::layout::{LOG_ACTIONS, O_LOG, O_LOG_ACTIONS, O_LOG_AT, O_LOG_CURSOR, O_LOG_VALUE};
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// One thing to do after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Put a value into a word (a cache that follows from the committed word).
    Store(u64, u64),
    /// A PENDING block becomes LIVE.
    Publish(BlockRef),
    /// A value that was replaced or removed: free its block, or lower the edge to its object.
    Release(Cell, u64),
    /// A node that was replaced: free the block, not what its cells lead to.
    FreeNode(BlockRef),
    /// A root that was replaced with all that is below it: nodes and values.
    Destroy(Cell),
    /// New leaves in a directory and the blocks of their cells become LIVE: the first of their
    /// entries, number.
    PublishLeaves(u64, u64),
    /// The blocks of a range of cells become LIVE: start, number.
    PublishCells(u64, u64),
    /// The values of a range of cells that nothing reaches any more: start, number.
    ReleaseCells(u64, u64),
    /// The entries of the object's table from this one on: their blocks become LIVE, and the
    /// index leads to them.
    EnterEntries(u64),
    /// The entries that a leaf of removals names become tombstones.
    Entomb(BlockRef),
    /// The elements that a block of new ones names are overwritten with them.
    Overwrite(BlockRef),
}

impl Action {
    #[inline(always)]
    fn pack(self) -> [u64; 3] {
        match self {
            Action::Store(off, value) => [1, off, value],
            Action::Publish(b) => [2, b.off, b.generation],
            Action::Release(cell, generation) => [3, cell.bits(), generation],
            Action::FreeNode(b) => [4, b.off, b.generation],
            Action::Destroy(cell) => [5, cell.bits(), 0],
            Action::PublishLeaves(entry, n) => [8, entry, n],
            Action::PublishCells(start, n) => [6, start, n],
            Action::ReleaseCells(start, n) => [7, start, n],
            Action::EnterEntries(first) => [9, first, 0],
            Action::Entomb(leaf) => [10, leaf.off, leaf.generation],
            Action::Overwrite(new) => [14, new.off, new.generation],
        }
    }

    fn unpack(words: [u64; 3]) -> Option<Action> {
        let [verb, a, b] = words;
        let block = BlockRef {
            off: a,
            generation: b,
        };
        Some(match verb {
            1 => Action::Store(a, b),
            2 => Action::Publish(block),
            3 => Action::Release(Cell(a), b),
            4 => Action::FreeNode(block),
            5 => Action::Destroy(Cell(a)),
            8 => Action::PublishLeaves(a, b),
            6 => Action::PublishCells(a, b),
            7 => Action::ReleaseCells(a, b),
            9 => Action::EnterEntries(a),
            10 => Action::Entomb(block),
            14 => Action::Overwrite(block),
            _ => return None,
        })
    }
}

/// Objects whose last edge an operation has taken away; destroyed once no lock is held.
pub(crate) type Doomed = Vec<u64>;

impl<H: Host> Heap<H> {
    /// Writes the log of `object`: the operation is committed once the word `at` holds `value`.
    #[inline(always)]
    pub(crate) fn arm(&self, object: u64, at: u64, value: u64, actions: &[Action]) {
        debug_assert!(actions.len() as u64 <= LOG_ACTIONS);
        let host = self.host();
        for (i, action) in actions.iter().enumerate() {
            host.store_row(object + O_LOG_ACTIONS + i as u64 * 24, &action.pack());
        }
        host.store_row(object + O_LOG_AT, &[at, value]);
        host.store64(object + O_LOG, 1 + actions.len() as u64, Ordering::Release);
    }

    /// As [`Heap::commit`], where all there is to do afterwards is to put values into words.
    #[inline(always)]
    pub(crate) fn commit_stores<const N: usize>(
        &self,
        object: u64,
        at: u64,
        value: u64,
        stores: [(u64, u64); N],
    ) {
        let host = self.host();
        self.arm(
            object,
            at,
            value,
            &stores.map(|(off, value)| Action::Store(off, value)),
        );
        host.store64(at, value, Ordering::Release);
        for (off, value) in stores {
            host.store64(off, value, Ordering::Release);
        }
        host.store64(object + O_LOG, 0, Ordering::Release);
    }

    /// Arms, commits, does the actions, disarms.
    #[inline]
    pub(crate) fn commit(
        &self,
        local: &Local,
        object: u64,
        at: u64,
        value: u64,
        actions: &[Action],
        doomed: &mut Doomed,
    ) -> Result<()> {
        self.arm(object, at, value, actions);
        self.host().store64(at, value, Ordering::Release);
        let result = actions
            .iter()
            .enumerate()
            .try_for_each(|(i, &action)| self.act(local, object, i as u64, action, doomed));
        self.host().store64(object + O_LOG, 0, Ordering::Release);
        result
    }

    /// Settles the log of an object whose lock was taken from a dead owner.
    pub(crate) fn settle_log(&self, local: &Local, object: u64, doomed: &mut Doomed) {
        let host = self.host();
        let get = |at| host.load64(at, Ordering::Acquire);
        let cursor = BlockRef {
            off: get(object + O_LOG_CURSOR),
            generation: get(object + O_LOG_CURSOR + 8),
        };
        if cursor.off != 0 {
            let _ = self.free_value(local, cursor, doomed);
            host.store64(object + O_LOG_CURSOR, 0, Ordering::Release);
        }
        let armed = get(object + O_LOG);
        if armed == 0 {
            return;
        }
        let (at, value) = (get(object + O_LOG_AT), get(object + O_LOG_VALUE));
        // What does not make sense in a damaged log is left out; the lock must come free.
        let sane = armed <= 1 + LOG_ACTIONS && at % 8 == 0 && at < host.size();
        if sane && get(at) == value {
            for i in 0..armed - 1 {
                let from = object + O_LOG_ACTIONS + i * 24;
                if let Some(action) = Action::unpack([get(from), get(from + 8), get(from + 16)]) {
                    let _ = self.act(local, object, i, action, doomed);
                }
            }
        }
        host.store64(object + O_LOG, 0, Ordering::Release);
    }

    #[inline]
    fn act(
        &self,
        local: &Local,
        object: u64,
        index: u64,
        action: Action,
        doomed: &mut Doomed,
    ) -> Result<()> {
        match action {
            Action::Store(off, value) => self.host().store64(off, value, Ordering::Release),
            Action::Publish(block) => self.publish(block),
            Action::Release(cell, generation) if cell.tag() == Tag::Object => {
                // LOG-4.
                self.host()
                    .store64(object + O_LOG_ACTIONS + index * 24, 0, Ordering::Release);
                let _ = generation;
                self.lower_edge(cell, doomed)?;
            }
            Action::Release(cell, generation) if !cell.is_inline() => {
                let block = BlockRef {
                    off: cell.offset(),
                    generation,
                };
                self.free_value(local, block, doomed)?;
            }
            Action::Release(..) => {}
            Action::FreeNode(block) => self.free(local, block),
            Action::Destroy(cell) => self.destroy_node(local, object, cell, doomed)?,
            Action::PublishLeaves(entry, n) => self.publish_leaves(entry, n)?,
            Action::PublishCells(start, n) => {
                for i in 0..n {
                    let cell = Cell(self.host().load64(start + i * 8, Ordering::Acquire));
                    self.publish_cell(cell);
                }
            }
            Action::ReleaseCells(start, n) => {
                self.release_cells(local, object, start, n, doomed)?;
            }
            Action::EnterEntries(first) => self.enter_entries(object, first)?,
            Action::Entomb(leaf) => self.entomb(object, leaf)?,
            Action::Overwrite(new) => self.overwrite(object, new)?,
        }
        Ok(())
    }

    /// PENDING to LIVE; done already, nothing.
    #[inline]
    pub(crate) fn publish(&self, block: BlockRef) {
        let word = self.word(block.off);
        if word.generation() == block.generation && word.state() == Some(State::Pending) {
            self.host().store64(
                block.off,
                BlockWord::live(block.generation).0,
                Ordering::Release,
            );
        }
    }

    /// The same for a cell, which knows 20 bits of the generation.
    #[inline]
    pub(crate) fn publish_cell(&self, cell: Cell) {
        if cell.is_inline() || cell.tag() == Tag::Object || cell.offset() >= self.host().size() {
            return;
        }
        let word = self.word(cell.offset());
        if word.generation() & 0xf_ffff == cell.generation20()
            && word.state() == Some(State::Pending)
        {
            self.publish(BlockRef {
                off: cell.offset(),
                generation: word.generation(),
            });
        }
    }

    /// Releases the values of cells that nothing reaches any more, each at most once whoever
    /// runs this and however often: a cell is emptied before its value goes, and the log's
    /// cursor names the block meanwhile.
    pub(crate) fn release_cells(
        &self,
        local: &Local,
        object: u64,
        start: u64,
        n: u64,
        doomed: &mut Doomed,
    ) -> Result<()> {
        self.release_each(local, object + O_LOG_CURSOR, start, n, doomed)
    }

    /// The same with a cursor elsewhere, of two words.
    pub(crate) fn release_each(
        &self,
        local: &Local,
        cursor: u64,
        start: u64,
        n: u64,
        doomed: &mut Doomed,
    ) -> Result<()> {
        let host = self.host();
        if !start.is_multiple_of(8) || n > host.size() / 8 {
            return Err(Error::corrupt(start, "an impossible range of cells"));
        }
        for at in (0..n).map(|i| start + i * 8) {
            let cell = Cell(host.load64(at, Ordering::Acquire));
            if cell.is_inline() {
                continue;
            }
            if cell.tag() == Tag::Object {
                host.store64(at, 0, Ordering::Release);
                self.lower_edge(cell, doomed)?;
                continue;
            }
            if let Ok(block) = self.resolve(cell) {
                host.store64(cursor + 8, block.generation, Ordering::Relaxed);
                host.store64(cursor, block.off, Ordering::Release);
                host.store64(at, 0, Ordering::Release);
                self.free_value(local, block, doomed)?;
                host.store64(cursor, 0, Ordering::Release);
            }
        }
        Ok(())
    }

    /// The block that a cell leads to, if it is LIVE and of the cell's generation.
    #[inline]
    pub(crate) fn resolve(&self, cell: Cell) -> Fast<BlockRef> {
        self.resolve_word(cell, |off| self.word(off).0)
    }

    /// The same, with the reading of the block's word left to the caller.
    #[inline(always)]
    pub(crate) fn resolve_word(&self, cell: Cell, read: impl FnOnce(u64) -> u64) -> Fast<BlockRef> {
        const COMPARED: u64 = (0x3f << 58) | 0xf_ffff;
        let off = cell.offset();
        if off >= self.host().size() {
            return Err(Error::corrupt(off, "a reference outside the heap").into());
        }
        let word = BlockWord(read(off));
        // State and generation in one comparison.
        if word.0 & COMPARED != BlockWord::live(cell.generation20()).0 {
            return Err(Error::StaleReference {
                offset: off,
                generation: cell.generation20(),
            }
            .into());
        }
        Ok(BlockRef {
            off,
            generation: word.generation(),
        })
    }
}
