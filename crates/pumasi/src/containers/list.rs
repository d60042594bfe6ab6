//! A list of any values, as the untyped face that both languages build on. The file is long because
//! a Python list has many methods, each one function here; how the leaves lie is in `leaves`.
//!
//! ```text
//! header --O_ROOT--> LEAF (up to LEAF_MAX cells)      or
//!                    DIRECTORY of (start, leaf) --> LEAF, LEAF, ...
//! ```
//!
//! LIST-1: the commit word of an append or a pop at the end is the length in the root node; of
//! an overwrite, the cell; of everything else, the root cell in the header: new leaves and a new
//! directory are built beside the old ones and take their place at once.
//! LIST-2: cells at or above the length are nobody's: an append fills one before its commit.
//! LIST-3: no operation copies more under the lock than the leaves it touches and the directory
//! (16 bytes for every leaf of up to 509 cells), except those that reorder or renew everything.
//! Long additions fill their leaves before they take the lock.
//!
//! If a process dies in an operation: before the commit word the list is as it was and the new
//! blocks are PENDING of the dead; after it, the log has what is still to do (`heap::log`).

use core::sync::atomic::Ordering;

use crate::containers::face::face;
use crate::containers::leaves::{
    LEAF_SIZES, Place, Root, append_block, empty_leaves, fill_leaves, grow, install, last_leaf,
    leaf_max, locate, new_leaf, pop_last, read_cells, replace_cell, replace_range, root,
};
use crate::containers::locked::user_lock;
use crate::containers::slice::{Slice, Span, index};
use crate::containers::snapshot::Snapshot;
use crate::error::{Error, Fast, Result};
use crate::heap::Heap;
use crate::heap::cell::Cell;
use crate::heap::held::Held;
use crate::heap::layout::O_ROOT;
use crate::heap::log::Action;
use crate::heap::look::Words;
use crate::heap::node::N_LENGTH;
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::value::{Fetch, Prepared};
use crate::observer::Op;
use crate::sys::{Host, Real};

/// How many values are copied in one hold of the lock before others get a turn.
const BATCH: usize = 4096;

/// A shared list of any values.
pub struct RawList<H: Host = Real> {
    object: ObjectRef<H>,
}

impl<H: Host> Clone for RawList<H> {
    fn clone(&self) -> Self {
        RawList {
            object: self.object.clone(),
        }
    }
}

face!(RawList);
user_lock!(RawList);

impl<H: Host> RawList<H> {
    /// An empty list.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>) -> Result<Self> {
        let local = heap.local()?;
        let leaf = new_leaf(heap, local, LEAF_SIZES[0])?;
        let root = (leaf.cell(), leaf.block);
        leaf.used();
        let object = heap.create_object(Kind::List, 0, Some(root), 0)?;
        Ok(RawList { object })
    }

    /// The list that a handle leads to.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] when it is something else.
    pub fn from_object(object: ObjectRef<H>) -> Result<Self> {
        object.expect(Kind::List)?;
        Ok(RawList { object })
    }

    // ---- reading ---------------------------------------------------------------------------

    /// How many items there are.
    ///
    /// # Errors
    /// As every operation: [`Error::StaleReference`], [`Error::Corrupt`], [`Error::WouldBlock`].
    pub fn len(&self) -> Result<usize> {
        let held = self.enter(Op::Len, "list.len")?;
        Ok(root(&held)?.len as usize)
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// As [`RawList::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The item at `i`; negative counts from the end.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], and as [`RawList::len`].
    #[inline(always)]
    pub fn get(&self, i: isize, out: &mut Fetch<H>) -> Result<Cell> {
        Ok(self.get_fast(i, out)?)
    }

    #[inline]
    fn get_fast(&self, i: isize, out: &mut Fetch<H>) -> Fast<Cell> {
        if let Some(cell) = self.glance(i, out) {
            return Ok(cell);
        }
        let held = self.enter(Op::Get, "list.get")?;
        let root = root(&held)?;
        let Some(i) = index(i, root.len) else {
            return Err(Error::IndexOutOfRange { what: "list" }.into());
        };
        let at = locate(&held, root, i)?.cell;
        held.heap.fetch(held.local, at, Cell(held.get(at)), out)
    }

    /// The item at `i`, without the lock (LOOK-1); `None` where that did not do.
    #[inline(always)]
    fn glance(&self, i: isize, out: &mut Fetch<H>) -> Option<Cell> {
        let look = self.heap().look(&self.object)?;
        let root = root(&look).ok()?;
        let at = locate(&look, root, index(i, root.len)?).ok()?.cell;
        let cell = look.fetch(at, Cell(look.get(at)), out)?;
        look.end(cell)
    }

    /// A consistent copy of the items of a slice.
    ///
    /// # Errors
    /// [`Error::ZeroStep`], and as [`RawList::len`].
    pub fn get_slice(&self, slice: Slice) -> Result<Snapshot<H>> {
        let mut snapshot = Snapshot::new();
        let mut fetch = Fetch::new();
        'again: for round in 0.. {
            snapshot.clear();
            let mut version = None;
            loop {
                let held = self.enter(Op::Snapshot, "list.snapshot")?;
                let root = root(&held)?;
                let span = slice.resolve(root.len as usize)?;
                if *version.get_or_insert(held.version()) != held.version() {
                    continue 'again;
                }
                // A list that changes all the time is copied in one hold in the end.
                let most = if round < 3 { BATCH } else { usize::MAX };
                let until = span.count.min(snapshot.len().saturating_add(most));
                let mut place = Place::NOWHERE;
                for i in snapshot.len()..until {
                    let position = span.at(i) as u64;
                    if position < place.start || position >= place.end {
                        place = locate(&held, root, position)?;
                    }
                    let at = place.cell_of(position);
                    let cell =
                        held.heap
                            .fetch(held.local, at, Cell(held.heap.get(at)), &mut fetch)?;
                    snapshot.push(cell, &mut fetch);
                }
                snapshot.version = held.version();
                if snapshot.len() == span.count {
                    drop(held);
                    return snapshot.finish();
                }
            }
        }
        unreachable!("the loop above ends by returning")
    }

    /// A consistent copy of all items.
    ///
    /// # Errors
    /// As [`RawList::len`].
    pub fn snapshot(&self) -> Result<Snapshot<H>> {
        self.get_slice(Slice::ALL)
    }

    /// The version: it changes with every change of the list.
    pub fn version(&self) -> u64 {
        self.object.version()
    }

    // ---- changing one item -----------------------------------------------------------------

    /// Overwrites the item at `i`.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], and as [`RawList::len`]; `value` stays with the caller.
    #[inline(always)]
    pub fn set(&self, i: isize, value: &mut Prepared<'_, H>) -> Result<()> {
        Ok(self.set_fast(i, value)?)
    }

    #[inline]
    fn set_fast(&self, i: isize, value: &mut Prepared<'_, H>) -> Fast<()> {
        let held = self.enter(Op::Set, "list.set")?;
        let root = root(&held)?;
        let i = index(i, root.len).ok_or(Error::IndexOutOfRange {
            what: "list assignment",
        })?;
        let at = locate(&held, root, i)?.cell;
        held.changed();
        replace_cell(held, at, value)
    }

    /// Overwrites the item at `i` if the list still has `version`: the second half of a change
    /// that was computed outside the lock.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed, and as [`RawList::set`].
    pub fn set_if(&self, version: u64, i: isize, value: &mut Prepared<'_, H>) -> Result<()> {
        let held = self.enter(Op::Update, "list.set")?;
        if held.version() != version {
            return Err(Error::Modified {
                what: "list modified during an update",
            });
        }
        let root = root(&held)?;
        let i = index(i, root.len).ok_or(Error::IndexOutOfRange {
            what: "list assignment",
        })?;
        let at = locate(&held, root, i)?.cell;
        held.changed();
        Ok(replace_cell(held, at, value)?)
    }

    /// Adds an item at the end.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawList::len`]; `value` stays with the caller.
    #[inline(always)]
    pub fn push(&self, value: &mut Prepared<'_, H>) -> Result<()> {
        Ok(self.push_fast(value)?)
    }

    #[inline]
    fn push_fast(&self, value: &mut Prepared<'_, H>) -> Fast<()> {
        let held = self.enter(Op::Append, "list.push")?;
        let root = root(&held)?;
        let (cells, used, capacity) = last_leaf(&held, root)?;
        if used == capacity {
            return self.push_full(held, root, value);
        }
        held.changed();
        let (at, cell) = (cells + used * 8, value.cell());
        if !cell.is_inline() {
            return append_block(held, root, at, value);
        }
        let host = held.host();
        host.store64(at, cell.bits(), Ordering::Release);
        host.store64(root.block.off + N_LENGTH, root.len + 1, Ordering::Release);
        value.stored();
        Ok(())
    }

    /// The same where the last leaf is full. Near the limit what was taken from the system for one
    /// block may go back to make room for another: the last try takes it under the lock.
    #[cold]
    #[inline(never)]
    fn push_full<'s>(
        &'s self,
        mut held: Held<'s, H>,
        mut root: Root,
        value: &mut Prepared<'_, H>,
    ) -> Fast<()> {
        let mut tries = 3;
        while let Some(again) = grow(&self.object, held, root, value, tries > 0)? {
            held = again;
            tries -= 1;
            root = self::root(&held)?;
            let (cells, used, capacity) = last_leaf(&held, root)?;
            if used < capacity {
                held.changed();
                return append_block(held, root, cells + used * 8, value);
            }
        }
        Ok(())
    }

    /// Takes the item at `i` out.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::IndexOutOfRange`], and as [`RawList::len`].
    pub fn pop(&self, i: isize, out: &mut Fetch<H>) -> Result<Cell> {
        let mut held = self.enter(Op::Pop, "list.pop")?;
        let root = root(&held)?;
        if root.len == 0 {
            return Err(Error::Empty {
                what: "pop from empty list",
            });
        }
        let i = index(i, root.len).ok_or(Error::IndexOutOfRange { what: "pop" })?;
        let place = locate(&held, root, i)?;
        let cell = Cell(held.heap.get(place.cell));
        held.heap.fetch(held.local, place.cell, cell, out)?;
        held.changed();
        if i + 1 == root.len {
            pop_last(&mut held, root, &place, cell)?;
        } else {
            replace_range(&mut held, root, i, i + 1, &[], &[cell], &mut [])?;
        }
        Ok(cell)
    }

    /// Adds an item before the one at `i`, by Python's rules: an index outside is the nearest end.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawList::len`]; `value` stays with the caller.
    pub fn insert(&self, i: isize, value: &mut Prepared<'_, H>) -> Result<()> {
        let mut held = self.enter(Op::Insert, "list.insert")?;
        let root = root(&held)?;
        let len = root.len as isize;
        let i = if i < 0 {
            i.saturating_add(len).max(0)
        } else {
            i.min(len)
        } as u64;
        held.changed();
        let cell = value.cell();
        replace_range(
            &mut held,
            root,
            i,
            i,
            &[cell],
            &[],
            core::slice::from_mut(value),
        )
    }

    // ---- changing several ------------------------------------------------------------------

    /// Adds items at the end, all at once.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawList::len`]; the items stay with the caller.
    pub fn extend(&self, items: &mut [Prepared<'_, H>]) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let heap = self.heap();
        let local = heap.local()?;
        // LIST-3: leaves for a long addition are filled before the lock is taken.
        let leaf_max = leaf_max(heap);
        let cells: Vec<Cell> = items.iter().map(Prepared::cell).collect();
        let leaves = if cells.len() as u64 > leaf_max {
            fill_leaves(heap, local, &cells, leaf_max)?
        } else {
            Vec::new()
        };
        let mut held = self.enter(Op::Extend, "list.extend")?;
        let root = root(&held)?;
        held.changed();
        let (at, used, capacity) = last_leaf(&held, root)?;
        if used + cells.len() as u64 <= capacity {
            let start = at + used * 8;
            for (i, cell) in cells.iter().enumerate() {
                held.host()
                    .store64(start + i as u64 * 8, cell.bits(), Ordering::Relaxed);
            }
            held.commit(
                root.block.off + N_LENGTH,
                root.len + cells.len() as u64,
                &[Action::PublishCells(start, cells.len() as u64)],
            )?;
            items.iter_mut().for_each(Prepared::stored);
            return Ok(());
        }
        if leaves.is_empty() {
            return replace_range(&mut held, root, root.len, root.len, &cells, &[], items);
        }
        let span = (root.len, root.len);
        let old = empty_leaves(&held, root)?;
        install(
            &mut held,
            root,
            span,
            leaves,
            cells.len() as u64,
            old,
            &[],
            items,
        )
    }

    /// Replaces a slice; see Python's rules for extended slices.
    ///
    /// # Errors
    /// [`Error::SliceSize`], [`Error::ZeroStep`], [`Error::OutOfMemory`], and as
    /// [`RawList::len`]; the items stay with the caller.
    pub fn set_slice(&self, slice: Slice, items: &mut [Prepared<'_, H>]) -> Result<()> {
        let mut held = self.enter(Op::Splice, "list.splice")?;
        let root = root(&held)?;
        let span = slice.resolve(root.len as usize)?;
        let cells: Vec<Cell> = items.iter().map(Prepared::cell).collect();
        held.changed();
        if span.step == 1 {
            let (from, to) = (span.first as u64, (span.first + span.count) as u64);
            let old = read_cells(&held, root, from, to)?;
            return replace_range(&mut held, root, from, to, &cells, &old, items);
        }
        if span.count != cells.len() {
            return Err(Error::SliceSize {
                found: cells.len(),
                expected: span.count,
            });
        }
        self.edit(&mut held, root, span, Some(&cells), items)
    }

    /// Removes the item at `i`.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], and as [`RawList::len`].
    pub fn remove(&self, i: isize) -> Result<()> {
        let mut held = self.enter(Op::Remove, "list.remove")?;
        let root = root(&held)?;
        let i = index(i, root.len).ok_or(Error::IndexOutOfRange {
            what: "list assignment",
        })?;
        let place = locate(&held, root, i)?;
        let old = Cell(held.heap.get(place.cell));
        held.changed();
        if i + 1 == root.len {
            pop_last(&mut held, root, &place, old)
        } else {
            replace_range(&mut held, root, i, i + 1, &[], &[old], &mut [])
        }
    }

    /// Removes the items of a slice.
    ///
    /// # Errors
    /// [`Error::ZeroStep`], [`Error::OutOfMemory`], and as [`RawList::len`].
    pub fn del_slice(&self, slice: Slice) -> Result<()> {
        let mut held = self.enter(Op::Splice, "list.splice")?;
        let root = root(&held)?;
        let span = slice.resolve(root.len as usize)?;
        held.changed();
        self.edit(&mut held, root, span, None, &mut [])
    }

    /// Replaces (`new`) or removes the items of a span.
    fn edit(
        &self,
        held: &mut Held<'_, H>,
        root: Root,
        span: Span,
        new: Option<&[Cell]>,
        items: &mut [Prepared<'_, H>],
    ) -> Result<()> {
        if span.count == 0 {
            return Ok(());
        }
        let rising = span.rising();
        let (from, to) = (rising.first as u64, rising.at(rising.count - 1) as u64 + 1);
        let mut cells = read_cells(held, root, from, to)?;
        let mut old = Vec::with_capacity(span.count);
        for i in 0..span.count {
            let at = span.at(i) - from as usize;
            let with = new.map_or(Cell::EMPTY, |new| new[i]);
            old.push(core::mem::replace(&mut cells[at], with));
        }
        cells.retain(|&cell| cell != Cell::EMPTY);
        replace_range(held, root, from, to, &cells, &old, items)
    }

    /// Removes the item at `index` if the list still has `version`: the second half of a search
    /// that compared outside the lock.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed, and as [`RawList::len`].
    pub fn remove_if(&self, version: u64, index: usize) -> Result<()> {
        let mut held = self.enter(Op::Remove, "list.remove")?;
        let root = root(&held)?;
        let i = index as u64;
        if held.version() != version || i >= root.len {
            return Err(Error::Modified {
                what: "list modified during the operation",
            });
        }
        let old = [Cell(held.heap.get(locate(&held, root, i)?.cell))];
        held.changed();
        replace_range(&mut held, root, i, i + 1, &[], &old, &mut [])
    }

    /// Puts the items into another order, `order[i]` being the old place of the new `i`-th, if
    /// the list still has `version`.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed, and as [`RawList::len`].
    pub fn reorder_if(&self, version: u64, order: &[usize]) -> Result<()> {
        let mut held = self.enter(Op::Reorder, "list.reorder")?;
        let root = root(&held)?;
        let modified = Error::Modified {
            what: "list modified during sort",
        };
        if held.version() != version || order.len() as u64 != root.len {
            return Err(modified);
        }
        let old = read_cells(&held, root, 0, root.len)?;
        let mut seen = vec![false; old.len()];
        let mut new = Vec::with_capacity(old.len());
        for &i in order {
            match seen.get_mut(i) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(modified),
            }
            new.push(old[i]);
        }
        held.changed();
        replace_range(&mut held, root, 0, root.len, &new, &[], &mut [])
    }

    /// Adds items at the end if the list still has `version`.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed, and as [`RawList::extend`].
    pub fn extend_if(&self, version: u64, items: &mut [Prepared<'_, H>]) -> Result<()> {
        let mut held = self.enter(Op::Extend, "list.extend")?;
        let root = root(&held)?;
        if held.version() != version {
            return Err(Error::Modified {
                what: "list modified during the operation",
            });
        }
        let cells: Vec<Cell> = items.iter().map(Prepared::cell).collect();
        held.changed();
        replace_range(&mut held, root, root.len, root.len, &cells, &[], items)
    }

    /// Reverses the order.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawList::len`].
    pub fn reverse(&self) -> Result<()> {
        let mut held = self.enter(Op::Reorder, "list.reorder")?;
        let root = root(&held)?;
        let mut cells = read_cells(&held, root, 0, root.len)?;
        cells.reverse();
        held.changed();
        replace_range(&mut held, root, 0, root.len, &cells, &[], &mut [])
    }

    /// Removes all items.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawList::len`].
    pub fn clear(&self) -> Result<()> {
        let mut held = self.enter(Op::Clear, "list.clear")?;
        let old = Cell(held.heap.get(held.object + O_ROOT));
        let heap = held.heap;
        let leaf = heap.a_little_beyond(|| new_leaf(heap, held.local, LEAF_SIZES[0]))?;
        held.changed();
        held.commit(
            held.object + O_ROOT,
            leaf.cell().bits(),
            &[Action::Publish(leaf.block), Action::Destroy(old)],
        )?;
        leaf.used();
        Ok(())
    }
}
