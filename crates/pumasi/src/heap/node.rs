//! Nodes: the blocks that containers are built of, as far as destruction walks them.
//!
//! ```text
//! every node:  word | form(8), capacity(48) | length | ...
//! LEAF         word | meta | length | cells[capacity]
//! DIRECTORY    word | meta | length | leaves | (start, leaf)[capacity]
//! TABLE        word | meta | used | live | tail | log2 of index | (hash, key, original, value)[capacity] | index
//! DATA         word | meta | ... bytes from BUFFER_DATA
//! WAITERS      word | meta | 0 | next | places[capacity]: see `waiters`
//! RING, HUB    see `ring`
//! ELEMENTS     see `elements`
//! ```
//!
//! The root node of a List has its length (the commit word of append and pop); a leaf below a
//! directory does not use the word. In a directory, the entries that count are those which start
//! below the length; `leaves` is a cache of their number. In a table, the entries below `used`
//! count (the commit word of an insertion) unless their key is a tombstone (the commit word of a
//! removal); `live`, `tail` and the index are caches.

use core::sync::atomic::Ordering;

use crate::error::{Error, Fast, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{Cell, State, Tag};
use crate::heap::elements::{VEC_CELLS, VEC_CELLS_COUNT};
use crate::heap::layout::{B_META, O_ROOT};
use crate::heap::log::Doomed;
use crate::heap::ring::RING_STATE;
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    Leaf = 16,
    Directory = 17,
    Table = 18,
    Data = 19,
    Waiters = 20,
    Ring = 24,
    Hub = 25,
    Elements = 27,
}

pub(crate) const N_LENGTH: u64 = 16;
/// First cell of a leaf.
pub(crate) const LEAF_CELLS: u64 = 24;
pub(crate) const DIR_LEAVES: u64 = 24;
/// First entry of a directory: two words each.
pub(crate) const DIR_ENTRIES: u64 = 32;
pub(crate) const TABLE_LIVE: u64 = 24;
pub(crate) const TABLE_TAIL: u64 = 32;
pub(crate) const TABLE_INDEX: u64 = 40;
/// First entry of a table: four words each.
pub(crate) const TABLE_ENTRIES: u64 = 64;
pub(crate) const TABLE_ENTRY: u64 = 32;

/// Cells of one entry in a leaf of removals: its number, key, original and value.
pub(crate) const REMOVAL: u64 = 4;

/// What an index slot holds that leads to an entry.
#[inline(always)]
pub(crate) fn index_word(hash: u64, entry: u64) -> u64 {
    (hash & !0xffff_ffff) | (entry + 1)
}

pub(crate) const fn node_meta(form: Form, capacity: u64) -> u64 {
    ((form as u64) << 48) | capacity
}

/// A node that no object leads to yet; dropped before that, it is freed.
pub(crate) struct NewNode<'a, H: Host> {
    heap: &'a Heap<H>,
    local: &'static Local,
    pub(crate) block: BlockRef,
    used: bool,
}

impl<H: Host> NewNode<'_, H> {
    pub(crate) fn cell(&self) -> Cell {
        Cell::block(Tag::Node, self.block.off, self.block.generation)
    }

    pub(crate) fn set(&self, at: u64, value: u64) {
        self.heap
            .host()
            .store64(self.block.off + at, value, Ordering::Relaxed);
    }

    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.heap.node(self.block.off), Ok((Form::Directory, _)))
    }

    /// It is reachable now.
    pub(crate) fn used(mut self) {
        self.used = true;
    }
}

impl<H: Host> Drop for NewNode<'_, H> {
    fn drop(&mut self) {
        if !self.used {
            self.heap.free_pending(self.local, self.block);
        }
    }
}

impl<H: Host> Heap<H> {
    #[inline(always)]
    pub(crate) fn get(&self, at: u64) -> u64 {
        self.host().load64(at, Ordering::Acquire)
    }

    /// Form and capacity of a node.
    #[inline(always)]
    pub(crate) fn node(&self, off: u64) -> Fast<(Form, u64)> {
        self.node_meta(off, self.get(off + B_META))
    }

    /// The same, of the meta word once read.
    #[inline(always)]
    pub(crate) fn node_meta(&self, off: u64, meta: u64) -> Fast<(Form, u64)> {
        let form = match meta >> 48 {
            16 => Form::Leaf,
            17 => Form::Directory,
            18 => Form::Table,
            19 => Form::Data,
            20 => Form::Waiters,
            24 => Form::Ring,
            25 => Form::Hub,
            27 => Form::Elements,
            _ => return Err(Error::corrupt(off, "not a node").into()),
        };
        let capacity = meta & ((1 << 48) - 1);
        // No entry is smaller than a word: this bounds every loop and every product below.
        if capacity > self.host().size() / 8 {
            return Err(Error::corrupt(off, "an impossible capacity").into());
        }
        Ok((form, capacity))
    }

    /// Makes new leaves and what their cells lead to LIVE. A leaf is published after its cells,
    /// so that one which is LIVE needs no second look.
    pub(crate) fn publish_leaves(&self, entry: u64, n: u64) -> Result<()> {
        for at in (0..n).map(|i| entry + i * 16 + 8) {
            let cell = Cell(self.get(at));
            if self.resolve(cell).is_ok() || cell.tag() != Tag::Node {
                continue;
            }
            let (_, capacity) = self.node(cell.offset())?;
            let cells = self.get(cell.offset() + N_LENGTH).min(capacity);
            for i in 0..cells {
                self.publish_cell(Cell(self.get(cell.offset() + LEAF_CELLS + i * 8)));
            }
            self.publish_cell(cell);
        }
        Ok(())
    }

    /// The table of an object: offset, entries in use, offset and mask of the index.
    fn table_of(&self, object: u64) -> Result<(u64, u64, u64, u64)> {
        let off = self.resolve(Cell(self.get(object + O_ROOT)))?.off;
        let (form, capacity) = self.node(off)?;
        let (used, bits) = (self.get(off + N_LENGTH), self.get(off + TABLE_INDEX));
        if form != Form::Table || used > capacity || bits > 40 {
            return Err(Error::corrupt(off, "not a table"));
        }
        let index = off + TABLE_ENTRIES + capacity * TABLE_ENTRY;
        Ok((off, used, index, (1 << bits) - 1))
    }

    /// Makes what the entries from `first` on lead to LIVE and has the index lead to them. May
    /// run again: an entry that the index leads to is left alone.
    pub(crate) fn enter_entries(&self, object: u64, first: u64) -> Result<()> {
        let (off, used, index, mask) = self.table_of(object)?;
        for i in first..used {
            let entry = off + TABLE_ENTRIES + i * TABLE_ENTRY;
            for at in [8, 16, 24] {
                self.publish_cell(Cell(self.get(entry + at)));
            }
            let hash = self.get(entry);
            let word = index_word(hash, i);
            let mut probes = (0..=mask).map(|n| index + ((hash.wrapping_add(n)) & mask) * 8);
            // Up to the first free slot: it is the entry's, unless the entry came before it.
            let Some(at) =
                probes.find(|at| matches!(self.get(*at), found if found == 0 || found == word))
            else {
                return Err(Error::corrupt(index, "an index without a free slot"));
            };
            self.host().store64(at, word, Ordering::Release);
        }
        Ok(())
    }

    /// Makes tombstones of the entries that a leaf of removals names: number, key, original,
    /// value of each, of which the cells are the leaf's from now on. May run again; once the leaf
    /// is gone, all of it was done.
    pub(crate) fn entomb(&self, object: u64, leaf: BlockRef) -> Result<()> {
        let word = self.word(leaf.off);
        if word.generation() != leaf.generation
            || !matches!(word.state(), Some(State::Pending | State::Live))
        {
            return Ok(());
        }
        let (off, used, ..) = self.table_of(object)?;
        let (form, capacity) = self.node(leaf.off)?;
        let cells = self.get(leaf.off + N_LENGTH);
        if form != Form::Leaf || cells > capacity {
            return Err(Error::corrupt(leaf.off, "not a leaf of removals"));
        }
        for at in (0..cells / REMOVAL).map(|i| leaf.off + LEAF_CELLS + i * REMOVAL * 8) {
            let i = Cell(self.get(at)).as_int().cast_unsigned();
            if i >= used {
                return Err(Error::corrupt(leaf.off, "a removal of no entry"));
            }
            let key = off + TABLE_ENTRIES + i * TABLE_ENTRY + 8;
            self.host()
                .store64(key, Cell::TOMBSTONE.bits(), Ordering::Release);
        }
        Ok(())
    }

    /// Destroys a node with all that is below it; done already, nothing.
    pub(crate) fn destroy_node(
        &self,
        local: &Local,
        object: u64,
        cell: Cell,
        doomed: &mut Doomed,
    ) -> Result<()> {
        if let Ok(block) = self.resolve(cell) {
            self.release_node(local, object, block, doomed)?;
            self.free(local, block);
        }
        Ok(())
    }

    /// Destroys what an object holds. The caller holds its lock and nobody else reaches it; runs
    /// again from the start when the one who did it died.
    pub(crate) fn destroy_root(
        &self,
        local: &Local,
        object: u64,
        doomed: &mut Doomed,
    ) -> Result<()> {
        let root = Cell(self.get(object + O_ROOT));
        if root.tag() != Tag::Node {
            return Ok(());
        }
        self.destroy_node(local, object, root, doomed)
    }

    fn release_node(
        &self,
        local: &Local,
        object: u64,
        block: BlockRef,
        doomed: &mut Doomed,
    ) -> Result<()> {
        let off = block.off;
        let (form, capacity) = self.node(off)?;
        let length = self.get(off + N_LENGTH);
        match form {
            Form::Data => {}
            // From the last to the first, so that who runs this again still finds the rest.
            Form::Waiters => {
                for next in self.waiters_after(off).into_iter().rev() {
                    self.free(local, next);
                }
            }
            Form::Ring => {
                let ring = self.ring_in(block, off + RING_STATE)?;
                self.release_ring(local, object, &ring, doomed)?;
            }
            Form::Hub => self.release_hub(local, object, off, doomed)?,
            Form::Elements => {
                self.release_cells(local, object, off + VEC_CELLS, VEC_CELLS_COUNT, doomed)?;
            }
            Form::Leaf => {
                self.release_cells(
                    local,
                    object,
                    off + LEAF_CELLS,
                    length.min(capacity),
                    doomed,
                )?;
            }
            Form::Table => {
                for i in 0..length.min(capacity) {
                    let entry = off + TABLE_ENTRIES + i * TABLE_ENTRY;
                    // Key, original and value; a removed entry's are gone already.
                    if Cell(self.get(entry + 8)) != Cell::TOMBSTONE {
                        self.release_cells(local, object, entry + 8, 3, doomed)?;
                    }
                }
            }
            Form::Directory => {
                let leaves = self.get(off + DIR_LEAVES).min(capacity);
                for i in 0..leaves {
                    let entry = off + DIR_ENTRIES + i * 16;
                    let start = self.get(entry);
                    let end = if i + 1 < leaves {
                        self.get(entry + 16)
                    } else {
                        length
                    };
                    let Ok(leaf) = self.resolve(Cell(self.get(entry + 8))) else {
                        continue;
                    };
                    let (_, cells) = self.node(leaf.off)?;
                    let n = end.saturating_sub(start).min(cells);
                    self.release_cells(local, object, leaf.off + LEAF_CELLS, n, doomed)?;
                    self.free(local, leaf);
                }
            }
        }
        Ok(())
    }

    /// A new node, PENDING: meta and length are set, the rest is whatever it was.
    pub(crate) fn new_node(
        &self,
        local: &'static Local,
        form: Form,
        capacity: u64,
        bytes: u64,
    ) -> Result<NewNode<'_, H>> {
        let block = self.allocate(local, bytes)?;
        Ok(self.node_in(local, form, capacity, block))
    }

    /// The same where no lock is held.
    pub(crate) fn new_node_outside(
        &self,
        local: &'static Local,
        form: Form,
        capacity: u64,
        bytes: u64,
    ) -> Result<NewNode<'_, H>> {
        let block = self.allocate_outside(local, bytes)?;
        Ok(self.node_in(local, form, capacity, block))
    }

    fn node_in(
        &self,
        local: &'static Local,
        form: Form,
        capacity: u64,
        block: BlockRef,
    ) -> NewNode<'_, H> {
        let host = self.host();
        host.store64(
            block.off + B_META,
            node_meta(form, capacity),
            Ordering::Relaxed,
        );
        host.store64(block.off + N_LENGTH, 0, Ordering::Relaxed);
        NewNode {
            heap: self,
            local,
            block,
            used: false,
        }
    }

    /// Whether a block holds a value (not a node or an object header), told by its meta word.
    pub(crate) fn is_value(&self, off: u64) -> bool {
        off.is_multiple_of(16)
            && self.chunk_of(off).is_ok()
            && self.get(off + B_META) >> 48 < Form::Leaf as u64
            && matches!(self.word(off).state(), Some(State::Live | State::Limbo))
    }
}
