//! A list of any values, as the untyped face that both languages build on.
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
use core::time::Duration;

use crate::containers::locked::{is_locked, lock_container, unlock_container};
use crate::containers::slice::{Slice, Span, index};
use crate::containers::snapshot::Snapshot;
use crate::error::{Error, Fast, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::Cell;
use crate::heap::held::Held;
use crate::heap::layout::O_ROOT;
use crate::heap::log::Action;
use crate::heap::node::{DIR_ENTRIES, DIR_LEAVES, Form, LEAF_CELLS, N_LENGTH, NewNode};
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::value::{Fetch, Prepared};
use crate::heap::{Heap, Local};
use crate::observer::Op;
use crate::sync::Acquired;
use crate::sys::{Host, Real};

/// Cells of the leaves a list grows through: with their 24 bytes of head they fill a class.
const LEAF_SIZES: [u64; 7] = [5, 13, 29, 61, 125, 253, 509];

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

/// Where a position is.
struct Place {
    /// Offset of its cell.
    cell: u64,
    /// Number of its leaf in the directory; 0 when the root is a leaf.
    leaf: u64,
    /// The position itself.
    start: u64,
    /// The position after the last one in the same leaf.
    end: u64,
}

/// The root, read once.
#[derive(Clone, Copy)]
struct Root {
    block: BlockRef,
    form: Form,
    capacity: u64,
    len: u64,
}

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

    /// The handle.
    #[inline(always)]
    pub fn object(&self) -> &ObjectRef<H> {
        &self.object
    }

    #[inline(always)]
    fn heap(&self) -> &Heap<H> {
        self.object.heap()
    }

    #[inline(always)]
    fn enter(&self, op: Op, section: &'static str) -> Fast<Held<'_, H>> {
        self.heap().enter(&self.object, op, section)
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
        let held = self.enter(Op::Get, "list.get")?;
        let root = root(&held)?;
        let Some(i) = index(i, root.len) else {
            return Err(Error::IndexOutOfRange { what: "list" }.into());
        };
        let at = locate(&held, root, i)?.cell;
        held.heap
            .fetch(held.local, at, Cell(held.heap.get(at)), out)
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
        let mut held = self.enter(Op::Set, "list.set")?;
        let root = root(&held)?;
        let i = index(i, root.len).ok_or(Error::IndexOutOfRange {
            what: "list assignment",
        })?;
        let at = locate(&held, root, i)?.cell;
        held.changed();
        replace_cell(&mut held, at, value)
    }

    /// Overwrites the item at `i` if the list still has `version`: the second half of a change
    /// that was computed outside the lock.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed, and as [`RawList::set`].
    pub fn set_if(&self, version: u64, i: isize, value: &mut Prepared<'_, H>) -> Result<()> {
        let mut held = self.enter(Op::Update, "list.set")?;
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
        Ok(replace_cell(&mut held, at, value)?)
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
        let mut held = self.enter(Op::Append, "list.push")?;
        let root = root(&held)?;
        let off = root.block.off;
        let (cells, used, capacity) = last_leaf(&held, root)?;
        if used < capacity {
            held.changed();
            let host = held.host();
            host.store64(cells + used * 8, value.cell().bits(), Ordering::Release);
            match value.publish() {
                None => host.store64(off + N_LENGTH, root.len + 1, Ordering::Release),
                Some(publish) => held.commit(off + N_LENGTH, root.len + 1, &[publish])?,
            }
            value.stored();
            return Ok(());
        }
        Ok(grow(&mut held, root, value)?)
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
        let leaf = new_leaf(held.heap, held.local, LEAF_SIZES[0])?;
        held.changed();
        held.commit(
            held.object + O_ROOT,
            leaf.cell().bits(),
            &[Action::Publish(leaf.block), Action::Destroy(old)],
        )?;
        leaf.used();
        Ok(())
    }

    // ---- the user's lock -------------------------------------------------------------------

    /// Takes the list's own lock: every operation of others waits until it is given up, those of
    /// this thread go through. Re-entrant. Waits at most `timeout` (`None`: for ever).
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait, and what its check says.
    pub fn lock(&self, timeout: Option<Duration>) -> Result<Acquired> {
        lock_container(&self.object, timeout)
    }

    /// Gives it up once.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when it is not this thread's.
    pub fn unlock(&self) -> Result<()> {
        unlock_container(&self.object)
    }

    /// Whether anybody has it.
    pub fn is_user_locked(&self) -> bool {
        is_locked(&self.object)
    }
}

impl Place {
    const NOWHERE: Place = Place {
        cell: 0,
        leaf: 0,
        start: 0,
        end: 0,
    };

    /// The cell of a later position in the same leaf.
    fn cell_of(&self, position: u64) -> u64 {
        self.cell + (position - self.start) * 8
    }
}

// ---- finding -----------------------------------------------------------------------------------

#[inline(always)]
fn root<H: Host>(held: &Held<'_, H>) -> Fast<Root> {
    let block = held.root()?;
    let (form, capacity) = held.heap.node(block.off)?;
    let len = held.heap.get(block.off + N_LENGTH);
    if form == Form::Leaf && len > capacity {
        return Err(Error::corrupt(block.off, "a list longer than its leaf").into());
    }
    Ok(Root {
        block,
        form,
        capacity,
        len,
    })
}

/// Where position `i`, which is below the length, is.
#[inline(always)]
fn locate<H: Host>(held: &Held<'_, H>, root: Root, i: u64) -> Fast<Place> {
    if root.form == Form::Leaf {
        return Ok(Place {
            cell: root.block.off + LEAF_CELLS + i * 8,
            leaf: 0,
            start: i,
            end: root.len,
        });
    }
    locate_leaf(held, root, i)
}

fn leaves<H: Host>(held: &Held<'_, H>, root: Root) -> Fast<u64> {
    let n = held.heap.get(root.block.off + DIR_LEAVES);
    if root.form != Form::Directory || n == 0 || n > root.capacity {
        return Err(Error::corrupt(root.block.off, "not a directory of leaves").into());
    }
    Ok(n)
}

#[inline(never)]
fn locate_leaf<H: Host>(held: &Held<'_, H>, root: Root, i: u64) -> Fast<Place> {
    let n = leaves(held, root)?;
    let entries = root.block.off + DIR_ENTRIES;
    let start = |leaf: u64| held.heap.get(entries + leaf * 16);
    // Full leaves are the rule: the place is guessed first, then searched for by halves.
    let guess = (i / leaf_max(held.heap)).min(n - 1);
    let (mut low, mut high) = (0, n);
    if start(guess) <= i {
        low = guess;
        if guess + 1 < n && start(guess + 1) > i {
            high = guess + 1;
        }
    } else {
        high = guess;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if start(middle) <= i {
            low = middle;
        } else {
            high = middle;
        }
    }
    let first = start(low);
    let end = if low + 1 < n {
        start(low + 1)
    } else {
        root.len
    };
    let leaf = held
        .heap
        .resolve(Cell(held.heap.get(entries + low * 16 + 8)))?;
    let (form, capacity) = held.heap.node(leaf.off)?;
    if form != Form::Leaf || first > i || i >= end || end - first > capacity {
        return Err(Error::corrupt(leaf.off, "a leaf that does not cover its part").into());
    }
    Ok(Place {
        cell: leaf.off + LEAF_CELLS + (i - first) * 8,
        leaf: low,
        start: i,
        end,
    })
}

/// The cells of the last leaf, how many of them are used, and how many there are.
#[inline(always)]
fn last_leaf<H: Host>(held: &Held<'_, H>, root: Root) -> Fast<(u64, u64, u64)> {
    if root.form == Form::Leaf {
        return Ok((root.block.off + LEAF_CELLS, root.len, root.capacity));
    }
    let entry = root.block.off + DIR_ENTRIES + (leaves(held, root)? - 1) * 16;
    let leaf = held.heap.resolve(Cell(held.heap.get(entry + 8)))?;
    let (form, capacity) = held.heap.node(leaf.off)?;
    let start = held.heap.get(entry);
    if form != Form::Leaf || start > root.len || root.len - start > capacity {
        return Err(Error::corrupt(leaf.off, "a last leaf that does not fit").into());
    }
    Ok((leaf.off + LEAF_CELLS, root.len - start, capacity))
}

fn read_cells<H: Host>(held: &Held<'_, H>, root: Root, from: u64, to: u64) -> Result<Vec<Cell>> {
    let mut cells = Vec::with_capacity((to - from) as usize);
    let mut i = from;
    while i < to {
        let place = locate(held, root, i)?;
        let end = place.end.min(to);
        for k in 0..end - i {
            cells.push(Cell(held.heap.get(place.cell + k * 8)));
        }
        i = end;
    }
    Ok(cells)
}

/// Most cells in a leaf; few in test heaps, so that directories are the rule there.
fn leaf_max<H: Host>(heap: &Heap<H>) -> u64 {
    if heap.chunk_size() < 65536 { 13 } else { 509 }
}

// ---- building ----------------------------------------------------------------------------------

fn new_leaf<'a, H: Host>(
    heap: &'a Heap<H>,
    local: &'static Local,
    capacity: u64,
) -> Result<NewNode<'a, H>> {
    heap.new_node(local, Form::Leaf, capacity, LEAF_CELLS + capacity * 8)
}

/// Cells that a leaf for `n` items should have.
fn leaf_size(n: u64, most: u64) -> u64 {
    LEAF_SIZES
        .into_iter()
        .find(|&size| size >= n)
        .unwrap_or(most)
        .min(most)
}

/// New leaves with these cells, evenly filled.
fn fill_leaves<'a, H: Host>(
    heap: &'a Heap<H>,
    local: &'static Local,
    cells: &[Cell],
    most: u64,
) -> Result<Vec<NewNode<'a, H>>> {
    let n = (cells.len() as u64).div_ceil(most).max(1) as usize;
    let mut leaves = Vec::with_capacity(n);
    let mut rest = cells;
    for i in 0..n {
        let (part, after) = rest.split_at(rest.len().div_ceil(n - i));
        rest = after;
        let leaf = new_leaf(heap, local, leaf_size(part.len() as u64, most))?;
        for (k, cell) in part.iter().enumerate() {
            leaf.set(LEAF_CELLS + k as u64 * 8, cell.bits());
        }
        leaf.set(N_LENGTH, part.len() as u64);
        leaves.push(leaf);
    }
    Ok(leaves)
}

/// Overwrites one cell and releases what was in it.
#[inline(always)]
pub(crate) fn replace_cell<H: Host>(
    held: &mut Held<'_, H>,
    at: u64,
    value: &mut Prepared<'_, H>,
) -> Fast<()> {
    let old = Cell(held.heap.get(at));
    let new = value.cell();
    if old.is_inline() && new.is_inline() {
        held.host().store64(at, new.bits(), Ordering::Release);
        value.stored();
        return Ok(());
    }
    replace_block(held, at, old, value)
}

fn replace_block<H: Host>(
    held: &mut Held<'_, H>,
    at: u64,
    old: Cell,
    value: &mut Prepared<'_, H>,
) -> Fast<()> {
    let release = release(held, old)?;
    let new = value.cell().bits();
    match (value.publish(), release) {
        (Some(publish), Some(release)) => held.commit(at, new, &[publish, release])?,
        (Some(action), None) | (None, Some(action)) => held.commit(at, new, &[action])?,
        (None, None) => held.host().store64(at, new, Ordering::Release),
    }
    value.stored();
    Ok(())
}

/// The action that releases a value, if it needs one.
pub(crate) fn release<H: Host>(held: &Held<'_, H>, cell: Cell) -> Fast<Option<Action>> {
    if cell.is_inline() {
        return Ok(None);
    }
    let block = held.heap.resolve(cell)?;
    Ok(Some(Action::Release(cell, block.generation)))
}

fn pop_last<H: Host>(held: &mut Held<'_, H>, root: Root, place: &Place, cell: Cell) -> Result<()> {
    let off = root.block.off;
    let mut actions = [Action::Store(0, 0); 3];
    let mut n = 0;
    let mut add = |action| {
        actions[n] = action;
        n += 1;
    };
    if root.form == Form::Directory {
        let entry = off + DIR_ENTRIES + place.leaf * 16;
        if held.heap.get(entry) == root.len - 1 && place.leaf > 0 {
            // The last leaf is empty now.
            let leaf = held.heap.resolve(Cell(held.heap.get(entry + 8)))?;
            add(Action::Store(off + DIR_LEAVES, place.leaf));
            add(Action::FreeNode(leaf));
        }
    }
    if let Some(release) = release(held, cell)? {
        add(release);
    }
    if n == 0 {
        held.host()
            .store64(off + N_LENGTH, root.len - 1, Ordering::Release);
        return Ok(());
    }
    held.commit(off + N_LENGTH, root.len - 1, &actions[..n])
}

/// Adds an item when the last leaf is full.
#[cold]
#[inline(never)]
fn grow<H: Host>(held: &mut Held<'_, H>, root: Root, value: &mut Prepared<'_, H>) -> Result<()> {
    let most = leaf_max(held.heap);
    let off = root.block.off;
    if root.form == Form::Leaf && root.capacity < most {
        let cell = value.cell();
        held.changed();
        // A leaf that grows is renewed whole: at most 509 cells.
        return replace_range(
            held,
            root,
            root.len,
            root.len,
            &[cell],
            &[],
            core::slice::from_mut(value),
        );
    }
    // The new last leaf is about to be filled: it gets its full size at once.
    let leaf = new_leaf(held.heap, held.local, most)?;
    leaf.set(LEAF_CELLS, value.cell().bits());
    leaf.set(N_LENGTH, 1);
    held.changed();
    if root.form == Form::Directory && leaves(held, root)? < root.capacity {
        let n = leaves(held, root)?;
        let entry = off + DIR_ENTRIES + n * 16;
        let host = held.host();
        host.store64(entry, root.len, Ordering::Relaxed);
        host.store64(entry + 8, leaf.cell().bits(), Ordering::Release);
        held.commit(
            off + N_LENGTH,
            root.len + 1,
            &[
                Action::PublishLeaves(entry, 1),
                Action::Store(off + DIR_LEAVES, n + 1),
            ],
        )?;
        leaf.used();
        value.stored();
        return Ok(());
    }
    install(
        held,
        root,
        (root.len, root.len),
        vec![leaf],
        1,
        Vec::new(),
        &[],
        core::slice::from_mut(value),
    )
}

/// Replaces positions `from..to` by `new`, and releases the values `old`. `new` may hold values
/// that stay; `items` are those that are new to the heap.
fn replace_range<H: Host>(
    held: &mut Held<'_, H>,
    root: Root,
    from: u64,
    to: u64,
    new: &[Cell],
    old: &[Cell],
    items: &mut [Prepared<'_, H>],
) -> Result<()> {
    // The leaves that the range touches are renewed whole.
    let (mut first, mut last) = (from, to);
    let mut replaced = empty_leaves(held, root)?;
    if root.len == 0 {
        // Nothing is left beside what is new.
    } else if root.form == Form::Leaf {
        (first, last) = (0, root.len);
        replaced.push(held.heap.get(held.object + O_ROOT));
    } else {
        let entries = root.block.off + DIR_ENTRIES;
        let low = locate(held, root, from.min(root.len - 1))?.leaf;
        let high = if to > from {
            locate(held, root, to - 1)?.leaf
        } else {
            low
        };
        for leaf in low..=high {
            replaced.push(held.heap.get(entries + leaf * 16 + 8));
        }
        first = held.heap.get(entries + low * 16);
        last = if high + 1 < leaves(held, root)? {
            held.heap.get(entries + (high + 1) * 16)
        } else {
            root.len
        };
    }
    let mut cells = read_cells(held, root, first, from)?;
    cells.extend_from_slice(new);
    cells.extend(read_cells(held, root, to, last)?);
    let leaves = if cells.is_empty() {
        Vec::new()
    } else {
        fill_leaves(held.heap, held.local, &cells, leaf_max(held.heap))?
    };
    let n = cells.len() as u64;
    install(held, root, (first, last), leaves, n, replaced, old, items)
}

/// The leaves of a list with no items, which nothing may stand behind.
fn empty_leaves<H: Host>(held: &Held<'_, H>, root: Root) -> Result<Vec<u64>> {
    if root.len > 0 {
        return Ok(Vec::new());
    }
    if root.form == Form::Leaf {
        return Ok(vec![held.heap.get(held.object + O_ROOT)]);
    }
    let entries = root.block.off + DIR_ENTRIES;
    Ok((0..leaves(held, root)?)
        .map(|i| held.heap.get(entries + i * 16 + 8))
        .collect())
}

/// Puts new leaves with `n` items in the place of positions `span`, whose leaves are `replaced`
/// (cells of nodes), and releases the values `old`.
#[allow(clippy::too_many_arguments, reason = "the two halves of one operation")]
fn install<H: Host>(
    held: &mut Held<'_, H>,
    root: Root,
    span: (u64, u64),
    new: Vec<NewNode<'_, H>>,
    n: u64,
    mut replaced: Vec<u64>,
    old: &[Cell],
    items: &mut [Prepared<'_, H>],
) -> Result<()> {
    let (heap, local) = (held.heap, held.local);
    // The directory as it will be: leaves before, new ones, leaves after.
    let mut entries: Vec<(u64, u64)> = Vec::new();
    let len = root.len - (span.1 - span.0) + n;
    let mut after = Vec::new();
    if root.form == Form::Directory {
        let count = leaves(held, root)?;
        for i in 0..count {
            let at = root.block.off + DIR_ENTRIES + i * 16;
            let (start, leaf) = (heap.get(at), heap.get(at + 8));
            if start >= span.1 && root.len > 0 {
                after.push((start - (span.1 - span.0) + n, leaf));
            } else if start < span.0 {
                entries.push((start, leaf));
            }
        }
        replaced.push(heap.get(held.object + O_ROOT));
    } else if span.0 > 0 {
        // The root leaf stays, as the first leaf of a directory.
        entries.push((0, heap.get(held.object + O_ROOT)));
    }
    let first_new = entries.len() as u64;
    let mut start = span.0;
    for leaf in &new {
        entries.push((start, leaf.cell().bits()));
        start += heap.get(leaf.block.off + N_LENGTH);
    }
    entries.append(&mut after);

    let mut trash: Vec<u64> = replaced;
    trash.extend(old.iter().filter(|c| !c.is_inline()).map(|c| c.bits()));
    let trash = fill_trash(held, &trash)?;
    let mut actions = Vec::with_capacity(4);
    let node = match entries.as_slice() {
        [] => Some(new_leaf(heap, local, LEAF_SIZES[0])?),
        [_] => None,
        _ => Some(new_directory(heap, local, &entries, len)?),
    };
    let target = match &node {
        Some(node) => {
            actions.push(Action::Publish(node.block));
            if node.is_directory() {
                actions.push(Action::PublishLeaves(
                    node.block.off + DIR_ENTRIES + first_new * 16,
                    new.len() as u64,
                ));
            }
            node.cell().bits()
        }
        // One leaf is its own root; its length word counts from now on.
        None => {
            let cell = Cell(entries[0].1);
            if let [leaf] = new.as_slice() {
                actions.push(Action::PublishCells(leaf.block.off + LEAF_CELLS, n));
                actions.push(Action::Publish(leaf.block));
            } else {
                // What is left of a directory: nobody reads the word before the commit.
                heap.host()
                    .store64(cell.offset() + N_LENGTH, len, Ordering::Relaxed);
            }
            cell.bits()
        }
    };
    if let Some((trash, n)) = &trash {
        actions.push(Action::ReleaseCells(trash.block.off + LEAF_CELLS, *n));
    }
    held.commit(held.object + O_ROOT, target, &actions)?;
    if let Some(node) = node {
        node.used();
    }
    new.into_iter().for_each(NewNode::used);
    items.iter_mut().for_each(Prepared::stored);
    Ok(())
}

/// What an operation leaves behind, where recovery can find it. The block itself stays PENDING:
/// it is freed when it is dropped, or with the estate.
fn fill_trash<'a, H: Host>(
    held: &Held<'a, H>,
    cells: &[u64],
) -> Result<Option<(NewNode<'a, H>, u64)>> {
    if cells.is_empty() {
        return Ok(None);
    }
    let n = cells.len() as u64;
    let trash = new_leaf(held.heap, held.local, n)?;
    for (i, &cell) in cells.iter().enumerate() {
        trash.set(LEAF_CELLS + i as u64 * 8, cell);
    }
    Ok(Some((trash, n)))
}

fn new_directory<'a, H: Host>(
    heap: &'a Heap<H>,
    local: &'static Local,
    entries: &[(u64, u64)],
    len: u64,
) -> Result<NewNode<'a, H>> {
    let n = entries.len() as u64;
    let capacity = (n + n / 2).max(6);
    let node = heap.new_node(
        local,
        Form::Directory,
        capacity,
        DIR_ENTRIES + capacity * 16,
    )?;
    node.set(N_LENGTH, len);
    node.set(DIR_LEAVES, n);
    for (i, &(start, leaf)) in entries.iter().enumerate() {
        let at = DIR_ENTRIES + i as u64 * 16;
        node.set(at, start);
        node.set(at + 8, leaf);
    }
    Ok(node)
}
