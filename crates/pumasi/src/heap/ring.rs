//! Rings: the block in which a Deque or a Queue keeps its cells, and the block above a Queue's.
//!
//! ```text
//! RING  word | meta | state | cells[capacity]              capacity: a power of two
//! HUB   word | meta | state | ring | tasks | unfinished | closed | words to wait at | leases
//! state: first(32) | length(32)
//! ```
//!
//! QUEUE-1: the state is the commit word of every operation at an end: one store moves both the
//! position of the first item and the length. A position counts for ever, modulo 2^32, and its
//! cell is the one at `position mod capacity`; so a ring of another size with the same items has
//! the same state, and replacing it needs to commit nothing but the cell that leads to it.
//! QUEUE-2: cells outside `first .. first + length` are nobody's: an operation fills them before
//! its commit, and what they held before is never looked at.
//!
//! QUEUE-6: who waits in `poll` for an item has a pipe, which holds a byte while there is one: who
//! changes the state from or to nothing sees to it before the lock is given up.
//!
//! A Deque's root is the ring, which holds the state; a Queue's root is the hub, which holds the
//! state of the ring below it, so that both the state and the words to wait at never move.

use core::sync::atomic::Ordering;

use crate::error::{Error, Fast, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::Cell;
use crate::heap::layout::MAX_PARTICIPANTS;
use crate::heap::log::Doomed;
use crate::heap::node::{Form, NewNode};
use crate::heap::{Heap, Local};
use crate::sys::{Bell, Host};

/// The state word of a ring that is a root.
pub(crate) const RING_STATE: u64 = 16;
/// First cell of a ring.
pub(crate) const RING_CELLS: u64 = 24;
/// Cells of the smallest ring: with the head it fills a class.
pub(crate) const RING_LEAST: u64 = 8;
/// The most items there can be: positions must not wrap into each other.
pub(crate) const RING_MOST: u64 = 1 << 31;

/// The state word of the ring below a hub.
pub(crate) const HUB_STATE: u64 = 16;
/// The cell of the ring.
pub(crate) const HUB_RING: u64 = 24;
/// The cell of a DATA node with one word per participant: the tasks it has taken and not done.
/// EMPTY where nobody counts tasks.
pub(crate) const HUB_TASKS: u64 = 32;
/// How many items were put whose task is not done.
pub(crate) const HUB_UNFINISHED: u64 = 40;
/// Not 0: nothing may be put any more.
pub(crate) const HUB_CLOSED: u64 = 48;
/// Three 32-bit words to wait at, `times(31) | somebody may sleep(1)`, changed under the lock only:
/// for an item, for room, and for the end of all tasks.
pub(crate) const HUB_ITEM: u64 = 56;
pub(crate) const HUB_ROOM: u64 = 60;
pub(crate) const HUB_DONE: u64 = 64;
/// `pid(32) fd(32)` of the pipe which is readable while there is an item, 0 where nobody asked;
/// its inode; and whether it is readable. See [`Heap::tell_reader`].
pub(crate) const HUB_BELL: u64 = 72;
pub(crate) const HUB_BELL_INODE: u64 = 80;
pub(crate) const HUB_RUNG: u64 = 88;
/// First lease, see `lease`.
pub(crate) const HUB_LEASES: u64 = 128;
/// Bytes of a lease.
pub(crate) const LEASE: u64 = 32;
/// How many leases there are: with them the hub fills a class, and a page.
pub(crate) const LEASES: u64 = 120;
/// Bytes of a hub.
pub(crate) const HUB_SIZE: u64 = HUB_LEASES + LEASES * LEASE;

/// A ring and its state, read once and checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    pub(crate) block: BlockRef,
    pub(crate) capacity: u64,
    pub(crate) first: u32,
    pub(crate) len: u64,
}

/// A state word.
#[inline(always)]
pub(crate) const fn state(first: u32, len: u64) -> u64 {
    ((first as u64) << 32) | len
}

impl Ring {
    /// Where the cell of the `i`-th item is; from the length on, those that come next. A negative
    /// `i` is before the first.
    #[inline(always)]
    pub(crate) fn at(&self, i: i64) -> u64 {
        let position = u64::from(self.first).wrapping_add_signed(i);
        self.block.off + RING_CELLS + (position & (self.capacity - 1)) * 8
    }

    /// The state with `front` items more (or less) before the first, and `back` after the last.
    #[inline(always)]
    pub(crate) fn moved(&self, front: i64, back: i64) -> u64 {
        state(
            self.first.wrapping_sub(front as u32),
            self.len.wrapping_add_signed(front + back),
        )
    }

    /// The one or two stretches of memory in which `n` items from the `i`-th on lie: offset of
    /// the first cell, number.
    pub(crate) fn stretches(&self, i: i64, n: u64) -> [(u64, u64); 2] {
        let start = u64::from(self.first).wrapping_add_signed(i) & (self.capacity - 1);
        let one = n.min(self.capacity - start);
        let cells = self.block.off + RING_CELLS;
        [(cells + start * 8, one), (cells, n - one)]
    }
}

impl<H: Host> Heap<H> {
    /// The ring that `cell` leads to, whose state is at `state_at`.
    #[inline(always)]
    pub(crate) fn ring(&self, cell: Cell, state_at: u64) -> Fast<Ring> {
        let block = self.resolve(cell)?;
        self.ring_in(block, state_at)
    }

    #[inline(always)]
    pub(crate) fn ring_in(&self, block: BlockRef, state_at: u64) -> Fast<Ring> {
        let (form, capacity) = self.node(block.off)?;
        let word = self.get(state_at);
        let len = word & 0xffff_ffff;
        if form != Form::Ring
            || !capacity.is_power_of_two()
            || len > capacity
            || block.off + RING_CELLS + capacity * 8 > self.host().size()
        {
            return Err(Error::corrupt(block.off, "not a ring of cells").into());
        }
        Ok(Ring {
            block,
            capacity,
            first: (word >> 32) as u32,
            len,
        })
    }

    /// The block at an offset as it is now.
    pub(crate) fn block_at(&self, off: u64) -> BlockRef {
        BlockRef {
            off,
            generation: self.word(off).generation(),
        }
    }

    /// An empty ring with room for `n` items.
    pub(crate) fn new_ring(&self, local: &'static Local, n: u64) -> Result<NewNode<'_, H>> {
        if n > RING_MOST {
            return Err(Error::Unsupported {
                what: format!("{n} items in one deque or queue: the most is {RING_MOST}"),
            });
        }
        let capacity = n.max(RING_LEAST).next_power_of_two();
        let node = self.new_node(local, Form::Ring, capacity, RING_CELLS + capacity * 8)?;
        node.set(RING_STATE, 0);
        Ok(node)
    }

    /// A ring with room for `n` items, and those of `ring` in it at the same positions.
    pub(crate) fn resized_ring(
        &self,
        local: &'static Local,
        ring: &Ring,
        n: u64,
    ) -> Result<NewNode<'_, H>> {
        let node = self.new_ring(local, n.max(ring.len))?;
        let (_, capacity) = self.node(node.block.off)?;
        let new = Ring {
            block: node.block,
            capacity,
            ..*ring
        };
        // Both parts of the old one, cut where the new one wraps.
        let mut i = 0;
        while i < ring.len {
            let from = ring.stretches(i as i64, ring.len - i)[0];
            let to = new.stretches(i as i64, from.1)[0];
            self.host().copy_words(from.0, to.0, to.1);
            i += to.1;
        }
        node.set(RING_STATE, state(ring.first, ring.len));
        Ok(node)
    }

    /// A hub above a ring.
    pub(crate) fn new_hub(
        &self,
        local: &'static Local,
        ring: Cell,
        tasks: Cell,
    ) -> Result<NewNode<'_, H>> {
        let node = self.new_node(local, Form::Hub, LEASES, HUB_SIZE)?;
        self.host()
            .zero_words(node.block.off + HUB_STATE, (HUB_SIZE - HUB_STATE) / 8);
        node.set(HUB_RING, ring.bits());
        node.set(HUB_TASKS, tasks.bits());
        Ok(node)
    }

    /// Destroys what is in a ring; see `node`.
    pub(crate) fn release_ring(
        &self,
        local: &Local,
        object: u64,
        ring: &Ring,
        doomed: &mut Doomed,
    ) -> Result<()> {
        for (start, n) in ring.stretches(0, ring.len) {
            self.release_cells(local, object, start, n, doomed)?;
        }
        Ok(())
    }

    /// Destroys what is below a hub; done in part already, the rest.
    pub(crate) fn release_hub(
        &self,
        local: &Local,
        object: u64,
        hub: u64,
        doomed: &mut Doomed,
    ) -> Result<()> {
        if let Ok(block) = self.resolve(Cell(self.get(hub + HUB_RING))) {
            let ring = self.ring_in(block, hub + HUB_STATE)?;
            self.release_ring(local, object, &ring, doomed)?;
            self.free(local, block);
        }
        if let Ok(block) = self.resolve(Cell(self.get(hub + HUB_TASKS))) {
            self.free(local, block);
        }
        for lease in (0..LEASES).map(|i| hub + HUB_LEASES + i * LEASE) {
            self.finish_lease(local, lease, doomed)?;
        }
        Ok(())
    }

    /// The counters of tasks below a hub, where there are any.
    pub(crate) fn tasks(&self, hub: u64) -> Result<Option<u64>> {
        let cell = Cell(self.get(hub + HUB_TASKS));
        if cell == Cell::EMPTY {
            return Ok(None);
        }
        let block = self.resolve(cell)?;
        match self.node(block.off)? {
            (Form::Data, n) if n >= MAX_PARTICIPANTS => {
                Ok(Some(block.off + crate::heap::layout::BUFFER_DATA))
            }
            _ => Err(Error::corrupt(block.off, "not the tasks of a queue")),
        }
    }

    /// The pipe which is readable while there is an item, where somebody has asked for it.
    pub(crate) fn bell(&self, hub: u64) -> Option<Bell> {
        let word = self.get(hub + HUB_BELL);
        (word != 0).then(|| Bell {
            pid: (word >> 32) as u32,
            fd: word as u32,
            inode: self.get(hub + HUB_BELL_INODE),
        })
    }

    /// Brings that pipe up to date with the state. The lock is held.
    #[inline(always)]
    pub(crate) fn tell_reader(&self, hub: u64) {
        if self.host().load64(hub + HUB_BELL, Ordering::Relaxed) != 0 {
            self.tell_reader_now(hub);
        }
    }

    /// While the note says that the pipe is readable, it is; a kill in between leaves it
    /// readable at most, until one finds nothing, or the next change.
    #[cold]
    #[inline(never)]
    fn tell_reader_now(&self, hub: u64) {
        let Some(bell) = self.bell(hub) else { return };
        let (items, rung) = (
            self.get(hub + HUB_STATE) & 0xffff_ffff > 0,
            self.get(hub + HUB_RUNG) != 0,
        );
        if items && !rung {
            self.host().ring(bell, true);
            self.host().store64(hub + HUB_RUNG, 1, Ordering::Release);
        } else if !items {
            self.host().store64(hub + HUB_RUNG, 0, Ordering::Release);
            self.host().ring(bell, false);
        }
    }

    /// Notes under the lock that what is waited for at the word has come. Whether somebody may
    /// sleep there, who is to be woken once the lock is given up.
    #[inline(always)]
    pub(crate) fn call(&self, at: u64) -> bool {
        let host = self.host();
        let word = host.load32(at, Ordering::Relaxed);
        if word & 1 == 0 {
            return false;
        }
        host.store32(at, (word & !1).wrapping_add(2), Ordering::Release);
        true
    }
}
