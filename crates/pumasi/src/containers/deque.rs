//! A list with two ends, of any values, as the untyped face that both languages build on. The file
//! is long because a Python deque has many methods, each one function here.
//!
//! ```text
//! header --O_ROOT--> RING of cells, with the state: first and length (`heap::ring`)
//! ```
//!
//! DEQUE-1: the commit word of an operation at the ends and of a rotation that fits the ring is the
//! ring's state (QUEUE-1, QUEUE-2); of an overwrite, the cell; of everything else, the root cell in
//! the header: a new ring is built beside the old one and takes its place at once.
//! DEQUE-2: what a bounded deque loses at one end and gains at the other is one state, so that
//! nobody finds it longer than its bound, or shorter for a moment. Its ring has room for one item
//! more than the bound: the cell that is filled is never that of the item which goes.
//! DEQUE-3: `O_MOVES` counts the changes that move, add or remove items; iteration compares it.
//!
//! Either end costs the same whatever the length. A ring of which three quarters are empty is
//! replaced by one of half the size, so that the memory comes back.
//!
//! If a process dies in an operation: before the commit word nothing has happened and the new
//! blocks are PENDING of the dead; after it the log has what is still to do.

use core::sync::atomic::Ordering;

use crate::containers::face::face;
use crate::containers::leaves::{fill_trash, release, replace_cell};
use crate::containers::locked::user_lock;
use crate::containers::slice::index;
use crate::containers::snapshot::Snapshot;
use crate::error::{Error, Fast, Result};
use crate::heap::Heap;
use crate::heap::cell::Cell;
use crate::heap::held::Held;
use crate::heap::layout::{O_AUX, O_MOVES, O_ROOT};
use crate::heap::log::Action;
use crate::heap::look::Words;
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::ring::{RING_CELLS, RING_LEAST, RING_STATE, Ring, state};
use crate::heap::value::{Fetch, Prepared};
use crate::observer::Op;
use crate::sys::{Host, Real};

/// How many values are copied in one hold of the lock before others get a turn.
const BATCH: usize = 4096;
/// Smaller rings stay as they are when items go.
const SHRINKS_FROM: u64 = 32;
/// What an index outside is called.
const WHAT: &str = "deque";

/// An end of a deque.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Where the first item is: Python's left.
    Front,
    /// Where the last item is: Python's right.
    Back,
}

/// A shared list with two ends, of any values.
pub struct RawDeque<H: Host = Real> {
    object: ObjectRef<H>,
    /// Most items; `u64::MAX` for any number.
    bound: u64,
}

impl<H: Host> Clone for RawDeque<H> {
    fn clone(&self) -> Self {
        RawDeque {
            object: self.object.clone(),
            bound: self.bound,
        }
    }
}

face!(RawDeque);
user_lock!(RawDeque);

impl<H: Host> RawDeque<H> {
    /// An empty deque of at most `bound` items (`None`: any number). What comes in at one end of a
    /// full one pushes out what is at the other.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>, bound: Option<usize>) -> Result<Self> {
        let local = heap.local()?;
        let ring = heap.new_ring(local, RING_LEAST)?;
        let root = (ring.cell(), ring.block);
        ring.used();
        let aux = bound.map_or(0, |bound| (bound as u64).wrapping_add(1));
        RawDeque::from_object(heap.create_object(Kind::Deque, 0, Some(root), aux)?)
    }

    /// The deque that a handle leads to.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] when it is something else.
    pub fn from_object(object: ObjectRef<H>) -> Result<Self> {
        object.expect(Kind::Deque)?;
        // 0 wraps to no bound.
        let bound = object.heap().get(object.offset() + O_AUX).wrapping_sub(1);
        Ok(RawDeque { object, bound })
    }

    #[inline(always)]
    fn ring(&self, held: &Held<'_, H>) -> Fast<Ring> {
        let block = held.root()?;
        held.heap.ring_in(block, block.off + RING_STATE)
    }

    // ---- reading ---------------------------------------------------------------------------

    /// How many items there may be; `None` for any number.
    pub fn bound(&self) -> Option<usize> {
        (self.bound < u64::MAX).then_some(self.bound as usize)
    }

    /// How many items there are.
    ///
    /// # Errors
    /// As every operation: [`Error::StaleReference`], [`Error::Corrupt`], [`Error::WouldBlock`].
    pub fn len(&self) -> Result<usize> {
        let held = self.enter(Op::Len, "deque.len")?;
        Ok(self.ring(&held)?.len as usize)
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// As [`RawDeque::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The item at `i`; negative counts from the end.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], and as [`RawDeque::len`].
    #[inline]
    pub fn get(&self, i: isize, out: &mut Fetch<H>) -> Result<Cell> {
        let held = self.enter(Op::Get, "deque.get")?;
        Ok(self.item(&held, i, out)?)
    }

    #[inline(always)]
    fn item(&self, held: &Held<'_, H>, i: isize, out: &mut Fetch<H>) -> Fast<Cell> {
        let ring = self.ring(held)?;
        let i = index(i, ring.len).ok_or(Error::IndexOutOfRange { what: WHAT })?;
        let at = ring.at(i as i64);
        held.heap.fetch(held.local, at, Cell(held.get(at)), out)
    }

    /// One step of an iteration: the item at `i`, `None` past the end, if no item has come, gone
    /// or moved since [`RawDeque::moves`] was `moves`.
    ///
    /// # Errors
    /// [`Error::Modified`] when one has, and as [`RawDeque::len`].
    pub fn step(&self, moves: u64, i: usize, out: &mut Fetch<H>) -> Result<Option<Cell>> {
        let held = self.enter(Op::Iterate, "deque.step")?;
        if held.get(held.object + O_MOVES) != moves {
            return Err(Error::Modified {
                what: "deque mutated during iteration",
            });
        }
        match self.item(&held, i as isize, out) {
            Ok(cell) => Ok(Some(cell)),
            Err(error) => match Error::from(error) {
                Error::IndexOutOfRange { .. } => Ok(None),
                other => Err(other),
            },
        }
    }

    /// A number that changes with every change but the overwriting of an item.
    pub fn moves(&self) -> u64 {
        self.heap().get(self.object.offset() + O_MOVES)
    }

    /// The version: it changes with every change.
    pub fn version(&self) -> u64 {
        self.object.version()
    }

    /// A consistent copy of all items.
    ///
    /// # Errors
    /// As [`RawDeque::len`].
    pub fn snapshot(&self) -> Result<Snapshot<H>> {
        let mut snapshot = Snapshot::new();
        let mut fetch = Fetch::new();
        'again: for round in 0.. {
            snapshot.clear();
            let mut version = None;
            loop {
                let held = self.enter(Op::Snapshot, "deque.snapshot")?;
                let ring = self.ring(&held)?;
                if *version.get_or_insert(held.version()) != held.version() {
                    continue 'again;
                }
                // One that changes all the time is copied in one hold in the end.
                let most = if round < 3 { BATCH } else { usize::MAX };
                let until = (ring.len as usize).min(snapshot.len().saturating_add(most));
                for i in snapshot.len()..until {
                    let at = ring.at(i as i64);
                    let cell = Cell(held.heap.get(at));
                    let cell = held.heap.fetch(held.local, at, cell, &mut fetch)?;
                    snapshot.push(cell, &mut fetch);
                }
                snapshot.version = held.version();
                if snapshot.len() as u64 == ring.len {
                    drop(held);
                    return snapshot.finish();
                }
            }
        }
        unreachable!("the loop above ends by returning")
    }

    // ---- the ends --------------------------------------------------------------------------

    /// The operation moves, adds or removes items (DEQUE-3).
    #[inline(always)]
    fn moved(held: &Held<'_, H>) {
        held.changed();
        let at = held.object + O_MOVES;
        let moves = held.host().load64(at, Ordering::Relaxed);
        held.host()
            .store64(at, moves.wrapping_add(1), Ordering::Relaxed);
    }

    /// Adds an item at an end. If the deque is full, the item at the other end goes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawDeque::len`]; `value` stays with the caller.
    #[inline]
    pub fn push(&self, end: End, value: &mut Prepared<'_, H>) -> Result<()> {
        let mut held = self.enter(Op::Append, "deque.push")?;
        let ring = self.ring(&held)?;
        Ok(self.push_in(&mut held, ring, end, value)?)
    }

    #[inline(always)]
    fn push_in(
        &self,
        held: &mut Held<'_, H>,
        mut ring: Ring,
        end: End,
        value: &mut Prepared<'_, H>,
    ) -> Fast<()> {
        if self.bound == 0 {
            return Ok(());
        }
        if ring.len == ring.capacity {
            ring = self.resize(held, &ring, ring.len + 1)?;
        }
        let less = -i64::from(ring.len >= self.bound);
        let (at, other, new) = match end {
            End::Back => (ring.len as i64, 0, ring.moved(less, 1)),
            End::Front => (-1, ring.len as i64 - 1, ring.moved(1, less)),
        };
        let gone = match less {
            0 => None,
            _ => release(held, Cell(held.get(ring.at(other))))?,
        };
        Self::moved(held);
        let word = ring.block.off + RING_STATE;
        held.host()
            .store64(ring.at(at), value.cell().bits(), Ordering::Release);
        match (value.publish(), gone) {
            (None, None) => held.host().store64(word, new, Ordering::Release),
            (Some(action), None) | (None, Some(action)) => held.commit(word, new, &[action])?,
            (Some(publish), Some(release)) => held.commit(word, new, &[publish, release])?,
        }
        value.stored();
        Ok(())
    }

    /// Takes the item at an end out.
    ///
    /// # Errors
    /// [`Error::Empty`], and as [`RawDeque::len`].
    #[inline]
    pub fn pop(&self, end: End, out: &mut Fetch<H>) -> Result<Cell> {
        let mut held = self.enter(Op::Pop, "deque.pop")?;
        let ring = self.ring(&held)?;
        if ring.len == 0 {
            return Err(Error::Empty {
                what: "pop from an empty deque",
            });
        }
        let at = match end {
            End::Front => ring.at(0),
            End::Back => ring.at(ring.len as i64 - 1),
        };
        let cell = Cell(held.get(at));
        held.heap.fetch(held.local, at, cell, out)?;
        self.take(&mut held, ring, end)?;
        Ok(cell)
    }

    /// Removes the item at an end of a deque that has one.
    #[inline(always)]
    fn take(&self, held: &mut Held<'_, H>, mut ring: Ring, end: End) -> Fast<()> {
        if ring.capacity >= SHRINKS_FROM && ring.len * 4 <= ring.capacity {
            ring = self.shrink(held, ring);
        }
        let (at, new) = match end {
            End::Front => (ring.at(0), ring.moved(-1, 0)),
            End::Back => (ring.at(ring.len as i64 - 1), ring.moved(0, -1)),
        };
        let gone = release(held, Cell(held.get(at)))?;
        Self::moved(held);
        let word = ring.block.off + RING_STATE;
        match gone {
            None => held.host().store64(word, new, Ordering::Release),
            Some(action) => held.commit(word, new, &[action])?,
        }
        Ok(())
    }

    /// Puts the items into a ring with room for `n`: at the same positions, in the same state.
    #[cold]
    #[inline(never)]
    fn resize(&self, held: &mut Held<'_, H>, ring: &Ring, n: u64) -> Result<Ring> {
        let node = held.heap.resized_ring(held.local, ring, n)?;
        let actions = [Action::Publish(node.block), Action::FreeNode(ring.block)];
        held.commit(held.object + O_ROOT, node.cell().bits(), &actions)?;
        node.used();
        Ok(self.ring(held)?)
    }

    /// A ring of half the size, if there is memory for it now.
    #[cold]
    #[inline(never)]
    fn shrink(&self, held: &mut Held<'_, H>, ring: Ring) -> Ring {
        self.resize(held, &ring, ring.capacity / 2).unwrap_or(ring)
    }

    /// Adds items at an end one after the other, all in one step: at the front the last of them is
    /// the first item in the end. If they are more than there is room for, as many go at the other
    /// end, the first of the new ones in the end.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawDeque::len`]; the items stay with the caller, and so do
    /// those that found no room.
    pub fn extend(&self, end: End, items: &mut [Prepared<'_, H>]) -> Result<()> {
        let mut held = self.enter(Op::Extend, "deque.extend")?;
        self.extend_in(&mut held, end, items)
    }

    /// The same if the deque still has `version`.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed, and as [`RawDeque::extend`].
    pub fn extend_if(&self, version: u64, end: End, items: &mut [Prepared<'_, H>]) -> Result<()> {
        let mut held = self.enter(Op::Extend, "deque.extend")?;
        if held.version() != version {
            return Err(modified());
        }
        self.extend_in(&mut held, end, items)
    }

    fn extend_in(
        &self,
        held: &mut Held<'_, H>,
        end: End,
        items: &mut [Prepared<'_, H>],
    ) -> Result<()> {
        let n = (items.len() as u64).min(self.bound);
        if n == 0 {
            return Ok(());
        }
        // Of more than there is room for, the last ones stay.
        let without = items.len() - n as usize;
        let items = &mut items[without..];
        let mut ring = self.ring(held)?;
        if ring.len + n > ring.capacity {
            ring = self.resize(held, &ring, ring.len + n)?;
        }
        let gone = (ring.len + n).saturating_sub(self.bound);
        let (len, more, less) = (ring.len as i64, n as i64, gone as i64);
        // Where the new ones lie, where those that go, and what is left.
        let (new, old, word) = match end {
            End::Back => (len, 0, ring.moved(-less, more)),
            End::Front => (-more, len - less, ring.moved(more, -less)),
        };
        Self::moved(held);
        for (i, item) in items.iter().enumerate() {
            let at = match end {
                End::Back => ring.at(len + i as i64),
                End::Front => ring.at(-1 - i as i64),
            };
            held.host()
                .store64(at, item.cell().bits(), Ordering::Relaxed);
        }
        let publish = ring
            .stretches(new, n)
            .map(|(start, n)| Action::PublishCells(start, n));
        let release = ring
            .stretches(old, gone)
            .map(|(start, n)| Action::ReleaseCells(start, n));
        let at = ring.block.off + RING_STATE;
        held.commit(at, word, &[publish, release].concat())?;
        items.iter_mut().for_each(Prepared::stored);
        Ok(())
    }

    // ---- in between ------------------------------------------------------------------------

    /// Overwrites the item at `i`.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], [`Error::OutOfMemory`], and as [`RawDeque::len`]; `value` stays
    /// with the caller.
    #[inline]
    pub fn set(&self, i: isize, value: &mut Prepared<'_, H>) -> Result<()> {
        let held = self.enter(Op::Set, "deque.set")?;
        Ok(self.overwrite(held, i, value)?)
    }

    /// Overwrites the item at `i` if the deque still has `version`: the second half of a change
    /// that was computed outside the lock.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed, and as [`RawDeque::set`].
    pub fn set_if(&self, version: u64, i: isize, value: &mut Prepared<'_, H>) -> Result<()> {
        let held = self.enter(Op::Update, "deque.set")?;
        if held.version() != version {
            return Err(modified());
        }
        Ok(self.overwrite(held, i, value)?)
    }

    #[inline(always)]
    fn overwrite(&self, held: Held<'_, H>, i: isize, value: &mut Prepared<'_, H>) -> Fast<()> {
        let ring = self.ring(&held)?;
        let i = index(i, ring.len).ok_or(Error::IndexOutOfRange { what: WHAT })?;
        held.changed();
        replace_cell(held, ring.at(i as i64), value)
    }

    /// Adds an item before the one at `i`, by Python's rules: an index outside is the nearest end.
    ///
    /// # Errors
    /// [`Error::Full`] when there are as many items as there may be; [`Error::OutOfMemory`], and as
    /// [`RawDeque::len`]; `value` stays with the caller.
    pub fn insert(&self, i: isize, value: &mut Prepared<'_, H>) -> Result<()> {
        let mut held = self.enter(Op::Insert, "deque.insert")?;
        let ring = self.ring(&held)?;
        if ring.len >= self.bound {
            return Err(Error::Full {
                what: "deque already at its maximum size",
            });
        }
        let len = ring.len as isize;
        let i = match i {
            i if i < 0 => i.saturating_add(len).max(0),
            i => i.min(len),
        };
        let end = match i {
            i if i == len => Some(End::Back),
            0 => Some(End::Front),
            _ => None,
        };
        if let Some(end) = end {
            return Ok(self.push_in(&mut held, ring, end, value)?);
        }
        let mut cells = read(&held, &ring);
        cells.insert(i as usize, value.cell());
        Self::moved(&held);
        renew(&mut held, &ring, &cells, &[])?;
        value.stored();
        Ok(())
    }

    /// Takes the item at `i` out.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], and as [`RawDeque::len`].
    pub fn take_out(&self, i: isize, out: &mut Fetch<H>) -> Result<Cell> {
        let mut held = self.enter(Op::Remove, "deque.remove")?;
        let cell = self.item(&held, i, out)?;
        self.remove_in(&mut held, i)?;
        Ok(cell)
    }

    /// Removes the item at `i`.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], and as [`RawDeque::len`].
    pub fn remove(&self, i: isize) -> Result<()> {
        let mut held = self.enter(Op::Remove, "deque.remove")?;
        self.remove_in(&mut held, i)
    }

    /// Removes the item at `i` if the deque still has `version`: the second half of a search that
    /// compared outside the lock.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed, and as [`RawDeque::remove`].
    pub fn remove_if(&self, version: u64, i: usize) -> Result<()> {
        let mut held = self.enter(Op::Remove, "deque.remove")?;
        if held.version() != version {
            return Err(modified());
        }
        self.remove_in(&mut held, i as isize)
    }

    fn remove_in(&self, held: &mut Held<'_, H>, i: isize) -> Result<()> {
        let ring = self.ring(held)?;
        let i = index(i, ring.len).ok_or(Error::IndexOutOfRange { what: WHAT })?;
        if i == 0 {
            return Ok(self.take(held, ring, End::Front)?);
        }
        if i + 1 == ring.len {
            return Ok(self.take(held, ring, End::Back)?);
        }
        let mut cells = read(held, &ring);
        let gone = cells.remove(i as usize);
        Self::moved(held);
        renew(held, &ring, &cells, &[gone])
    }

    /// Moves the last `n` items to the front, one by one; a negative `n`, the first to the back.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawDeque::len`].
    pub fn rotate(&self, n: isize) -> Result<()> {
        let mut held = self.enter(Op::Reorder, "deque.rotate")?;
        let ring = self.ring(&held)?;
        let len = ring.len as i64;
        if len < 2 {
            return Ok(());
        }
        // Whichever way is shorter.
        let right = (n as i64).rem_euclid(len);
        let n = if right * 2 > len { right - len } else { right };
        if n == 0 {
            return Ok(());
        }
        Self::moved(&held);
        if ring.len == ring.capacity {
            // What comes after the last item is the first: the positions move, and no item.
            let word = state(ring.first.wrapping_sub(n as u32), ring.len);
            held.host()
                .store64(ring.block.off + RING_STATE, word, Ordering::Release);
            return Ok(());
        }
        if n.unsigned_abs() > ring.capacity - ring.len {
            let mut cells = read(&held, &ring);
            cells.rotate_right(right as usize);
            return renew(&mut held, &ring, &cells, &[]);
        }
        // QUEUE-2: into cells that are nobody's; what is left behind becomes that.
        for i in 0..n.abs() {
            let (from, to) = if n > 0 {
                (len - 1 - i, -1 - i)
            } else {
                (i, len + i)
            };
            let cell = held.get(ring.at(from));
            held.host().store64(ring.at(to), cell, Ordering::Relaxed);
        }
        held.host().store64(
            ring.block.off + RING_STATE,
            ring.moved(n, -n),
            Ordering::Release,
        );
        Ok(())
    }

    /// Reverses the order.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawDeque::len`].
    pub fn reverse(&self) -> Result<()> {
        let mut held = self.enter(Op::Reorder, "deque.reverse")?;
        let ring = self.ring(&held)?;
        let mut cells = read(&held, &ring);
        cells.reverse();
        Self::moved(&held);
        renew(&mut held, &ring, &cells, &[])
    }

    /// Removes all items.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawDeque::len`].
    pub fn clear(&self) -> Result<()> {
        let mut held = self.enter(Op::Clear, "deque.clear")?;
        let old = Cell(held.get(held.object + O_ROOT));
        let heap = held.heap;
        let node = heap.a_little_beyond(|| heap.new_ring(held.local, RING_LEAST))?;
        Self::moved(&held);
        held.commit(
            held.object + O_ROOT,
            node.cell().bits(),
            &[Action::Publish(node.block), Action::Destroy(old)],
        )?;
        node.used();
        Ok(())
    }
}

fn modified() -> Error {
    Error::Modified {
        what: "deque modified during the operation",
    }
}

/// All cells in order.
fn read<H: Host>(held: &Held<'_, H>, ring: &Ring) -> Vec<Cell> {
    (0..ring.len as i64)
        .map(|i| Cell(held.get(ring.at(i))))
        .collect()
}

/// Puts a ring with these cells in the place of the old one, and releases the values `old`. What
/// makes the deque no longer than it was does not fail at the heap's limit.
fn renew<H: Host>(held: &mut Held<'_, H>, ring: &Ring, cells: &[Cell], old: &[Cell]) -> Result<()> {
    let heap = held.heap;
    let n = cells.len() as u64;
    if n <= ring.len {
        return heap.a_little_beyond(|| install(held, ring, cells, old));
    }
    install(held, ring, cells, old)
}

fn install<H: Host>(
    held: &mut Held<'_, H>,
    ring: &Ring,
    cells: &[Cell],
    old: &[Cell],
) -> Result<()> {
    let n = cells.len() as u64;
    let node = held.heap.new_ring(held.local, n)?;
    for (i, cell) in cells.iter().enumerate() {
        node.set(RING_CELLS + i as u64 * 8, cell.bits());
    }
    node.set(RING_STATE, state(0, n));
    let old: Vec<u64> = old
        .iter()
        .filter(|cell| !cell.is_inline())
        .map(|cell| cell.bits())
        .collect();
    let trash = fill_trash(held, &old)?;
    let mut actions = vec![
        Action::Publish(node.block),
        Action::PublishCells(node.block.off + RING_CELLS, n),
        Action::FreeNode(ring.block),
    ];
    if let Some((trash, n)) = &trash {
        let cells = trash.block.off + crate::heap::node::LEAF_CELLS;
        actions.push(Action::ReleaseCells(cells, *n));
    }
    held.commit(held.object + O_ROOT, node.cell().bits(), &actions)?;
    node.used();
    Ok(())
}
