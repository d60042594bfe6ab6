//! Leases: what a process has taken out of a Queue and not brought to its caller yet.
//!
//! ```text
//! lease:  state(32) owner(32) | cell | block about to be freed: offset | generation
//! ```
//!
//! QUEUE-3: an item is in the ring, or a lease of a process names it, or its taker has it: the
//! operation that takes an item out fills a free lease before its commit and, by its log, puts
//! its own token into it after the commit. From then on the lease is that process's alone. When
//! the item has arrived, the process first says DONE, then releases the item, then empties the
//! lease, without a lock, but with handles of what the item leads to; if it dies before DONE the item goes back to where it was taken from,
//! and after it what is left of the release is done (`settle_queue`).
//! QUEUE-4: the tasks that a process has taken and not done are counted in a word of its own. If
//! it dies, they count as done, and who waits for the end of all tasks is told; unless another
//! process than the taker has said of a task that it is done, for then nobody knows whose are
//! left.

use core::sync::atomic::Ordering;

use crate::error::Result;
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{Cell, Tag};
use crate::heap::estate::IS_SIGNAL;
use crate::heap::layout::{O_META, O_ROOT};
use crate::heap::log::{Action, Doomed};
use crate::heap::node::{Form, LEAF_CELLS, N_LENGTH};
use crate::heap::object::ObjectRef;
use crate::heap::participant::Death;
use crate::heap::ring::{
    HUB_DONE, HUB_ITEM, HUB_LEASES, HUB_RING, HUB_STATE, HUB_UNFINISHED, LEASE, LEASES,
};
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// The cell of a lease.
pub(crate) const L_CELL: u64 = 8;
/// What it is about to free.
const L_CURSOR: u64 = 16;

const TAKEN: u64 = 1 << 32;
const DONE: u64 = 2 << 32;
const OWNER: u64 = 0xffff_ffff;

/// Flag in the `extra` word of a Queue: items are taken from the end they were put to.
pub(crate) const LAST_FIRST: u64 = 1;

/// The word of a lease that the participant has taken.
pub(crate) const fn taken_by(token: u32) -> u64 {
    TAKEN | token as u64
}

impl<H: Host> Heap<H> {
    /// A lease that nobody has, looked for from a place that depends on who looks. The lock of
    /// the queue is held.
    #[inline(always)]
    pub(crate) fn free_lease(&self, local: &Local, hub: u64) -> Option<u64> {
        // Neighbours in a cache line are those of one process.
        let from = (local.slot * 2) % LEASES;
        (0..LEASES)
            .map(|i| (from + i) % LEASES)
            .map(|i| hub + HUB_LEASES + i * LEASE)
            .find(|&lease| self.host().load64(lease, Ordering::Acquire) == 0)
    }

    /// The item has arrived: releases what the lease names, which is this process's own.
    #[inline(always)]
    pub(crate) fn end_lease(&self, local: &'static Local, lease: u64) {
        if Cell(self.get(lease + L_CELL)).is_inline() {
            self.host().store64(lease, 0, Ordering::Release);
            return;
        }
        self.end_lease_of_block(local, lease);
    }

    #[inline(never)]
    fn end_lease_of_block(&self, local: &'static Local, lease: u64) {
        let mut doomed = Doomed::new();
        // No lock is held from here on, so that handles hold what the lease leads to until its edges
        // are lowered: or the collector could find it unreached in between, and write off an edge
        // that is about to be lowered (GC-4).
        let held = self.handles_of_lease(local, lease);
        self.host()
            .store64(lease, DONE | u64::from(local.token), Ordering::Release);
        // A damaged lease stays: it costs its place and nothing else.
        let _ = self.finish_lease(local, lease, &mut doomed);
        self.destroy_all(local, doomed);
        drop(held);
    }

    /// Handles of the objects that a lease of this process leads to.
    fn handles_of_lease(&self, local: &'static Local, lease: u64) -> Vec<ObjectRef<H>> {
        let mut held = Vec::new();
        let _ = self.each_of_lease(lease, &mut |object| {
            held.extend(self.handle_of(local, object));
        });
        held
    }

    /// Calls `f` with the Object cells that a lease stands for.
    fn each_of_lease(&self, lease: u64, f: &mut impl FnMut(Cell)) -> Result<()> {
        let cell = Cell(self.get(lease + L_CELL));
        if cell.tag() != Tag::Node {
            return self.each_object(cell, f);
        }
        let leaf = self.resolve(cell)?;
        if let (Form::Leaf, capacity) = self.node(leaf.off)? {
            let n = self.get(leaf.off + N_LENGTH).min(capacity);
            for at in (0..n).map(|i| leaf.off + LEAF_CELLS + i * 8) {
                self.each_object(Cell(self.get(at)), f)?;
            }
        }
        Ok(())
    }

    /// Releases what a lease names, as far as that is not done, and empties it.
    pub(crate) fn finish_lease(
        &self,
        local: &Local,
        lease: u64,
        doomed: &mut Doomed,
    ) -> Result<()> {
        if self.get(lease) == 0 {
            return Ok(());
        }
        let host = self.host();
        let cursor = lease + L_CURSOR;
        self.free_at_cursor(local, cursor, doomed);
        let cell = Cell(self.get(lease + L_CELL));
        if cell.tag() == Tag::Node {
            if let Ok(leaf) = self.resolve(cell) {
                let (form, capacity) = self.node(leaf.off)?;
                if form == Form::Leaf {
                    let n = self.get(leaf.off + N_LENGTH).min(capacity);
                    self.release_each(local, cursor, leaf.off + LEAF_CELLS, n, doomed)?;
                }
                host.store64(cursor + 8, leaf.generation, Ordering::Relaxed);
                host.store64(cursor, leaf.off, Ordering::Release);
                host.store64(lease + L_CELL, 0, Ordering::Release);
                self.free(local, leaf);
                host.store64(cursor, 0, Ordering::Release);
            }
        } else {
            self.release_each(local, cursor, lease + L_CELL, 1, doomed)?;
        }
        host.store64(lease, 0, Ordering::Release);
        Ok(())
    }

    /// Whether a lease or a task of the participant is left in a queue.
    fn has_part_in(&self, hub: u64, slot: u64, token: u32) -> bool {
        (0..LEASES).any(|i| self.get(hub + HUB_LEASES + i * LEASE) & OWNER == u64::from(token))
            || matches!(self.tasks(hub), Ok(Some(tasks)) if self.get(tasks + slot * 8) != 0)
    }

    /// The participants that have leases or tasks, for those who wait for an item or for the end
    /// of the tasks: one of them may be dead.
    pub(crate) fn takers(&self, hub: u64, local: &Local) -> Vec<u64> {
        let mut slots: Vec<u64> = (0..LEASES)
            .map(|i| self.get(hub + HUB_LEASES + i * LEASE) & OWNER)
            .filter(|&owner| owner != 0 && owner != u64::from(local.token))
            .map(|owner| owner >> 20)
            .collect();
        if let Ok(Some(tasks)) = self.tasks(hub) {
            slots.extend(
                (1..crate::heap::layout::MAX_PARTICIPANTS)
                    .filter(|&slot| slot != local.slot && self.get(tasks + slot * 8) != 0),
            );
        }
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Settles the part that a participant which has ended had in a queue.
    pub(crate) fn settle_queue(
        &self,
        local: &'static Local,
        off: u64,
        (slot, token): (u64, u32),
        death: Option<Death>,
        doomed: &mut Doomed,
    ) -> Result<()> {
        let hub = self.resolve(Cell(self.get(off + O_ROOT)))?.off;
        if self.node(hub)?.0 != Form::Hub || !self.has_part_in(hub, slot, token) {
            return Ok(());
        }
        self.take_or_wait(local, off, doomed)?;
        let settled = self.settle_part(local, off, hub, (slot, token), death, doomed);
        self.tell_reader(hub);
        let (item, done) = (
            self.call(hub + HUB_ITEM),
            self.get(hub + HUB_UNFINISHED) == 0 && self.call(hub + HUB_DONE),
        );
        self.give(local, off + crate::heap::layout::O_LOCK);
        if item {
            self.host().futex_wake(hub + HUB_ITEM, u32::MAX >> 1);
        }
        if done {
            self.host().futex_wake(hub + HUB_DONE, u32::MAX >> 1);
        }
        settled
    }

    fn settle_part(
        &self,
        local: &'static Local,
        off: u64,
        hub: u64,
        (slot, token): (u64, u32),
        death: Option<Death>,
        doomed: &mut Doomed,
    ) -> Result<()> {
        // What was taken last goes back first, so that the order is what it was.
        let mut taken: Vec<u64> = Vec::new();
        for lease in (0..LEASES).map(|i| hub + HUB_LEASES + i * LEASE) {
            let word = self.get(lease);
            if word & OWNER != u64::from(token) {
                continue;
            }
            if word & !OWNER == TAKEN {
                taken.push(lease);
            } else {
                self.finish_lease(local, lease, doomed)?;
            }
        }
        // Two threads of one process: which of them took first is not known, and does not matter.
        for lease in taken.into_iter().rev() {
            self.return_lease(local, off, hub, slot, lease, doomed)?;
        }
        let Some(tasks) = self.tasks(hub)? else {
            return Ok(());
        };
        let (cell, mine) = (tasks + slot * 8, self.get(tasks + slot * 8));
        if mine == 0 {
            return Ok(());
        }
        let left = self.get(hub + HUB_UNFINISHED);
        let left = match death {
            Some(_) if self.get(off + O_META) & IS_SIGNAL == 0 => left.saturating_sub(mine),
            _ => left,
        };
        if let Some(death) = death {
            self.note_death(off, death);
        }
        let actions = [Action::Store(hub + HUB_UNFINISHED, left)];
        self.commit(local, off, cell, 0, &actions, doomed)
    }

    /// Puts the items of a lease back where they came from. The lock is held.
    pub(crate) fn return_lease(
        &self,
        local: &'static Local,
        off: u64,
        hub: u64,
        slot: u64,
        lease: u64,
        doomed: &mut Doomed,
    ) -> Result<()> {
        let host = self.host();
        let cell = Cell(self.get(lease + L_CELL));
        let mut leaf = None;
        let mut cells = vec![cell];
        if cell.tag() == Tag::Node {
            let block = self.resolve(cell)?;
            let (form, capacity) = self.node(block.off)?;
            let n = self.get(block.off + N_LENGTH).min(capacity);
            cells.clear();
            if form == Form::Leaf {
                cells.extend((0..n).map(|i| Cell(self.get(block.off + LEAF_CELLS + i * 8))));
            }
            leaf = Some(block);
        }
        let n = cells.len() as u64;
        let mut ring = self.ring(Cell(self.get(hub + HUB_RING)), hub + HUB_STATE)?;
        if ring.len + n > ring.capacity {
            // What is given back must not be lost for want of memory.
            let wanted = ring.len + n;
            let node = self.a_little_beyond(|| self.resized_ring(local, &ring, wanted))?;
            self.replace_ring(local, off, hub, &ring, node, doomed)?;
            ring = self.ring(Cell(self.get(hub + HUB_RING)), hub + HUB_STATE)?;
        }
        let last_first = self.get(off + O_META) & LAST_FIRST != 0;
        for (i, cell) in cells.iter().enumerate() {
            let at = if last_first {
                // Taken from the end: the first one taken was the last one in the ring.
                ring.at((ring.len + n - 1) as i64 - i as i64)
            } else {
                ring.at(i as i64 - n as i64)
            };
            host.store64(at, cell.bits(), Ordering::Release);
        }
        let new = if last_first {
            ring.moved(0, n as i64)
        } else {
            ring.moved(n as i64, 0)
        };
        let mut actions = vec![Action::Store(lease, 0)];
        if let Some(leaf) = leaf {
            actions.push(Action::FreeNode(leaf));
        }
        if let Some(tasks) = self.tasks(hub)? {
            let at = tasks + slot * 8;
            actions.push(Action::Store(at, self.get(at).saturating_sub(n)));
        }
        self.commit(local, off, hub + HUB_STATE, new, &actions, doomed)
    }

    /// Puts another ring with the same items in the place of a queue's. The lock is held.
    pub(crate) fn replace_ring(
        &self,
        local: &Local,
        off: u64,
        hub: u64,
        ring: &crate::heap::ring::Ring,
        node: crate::heap::node::NewNode<'_, H>,
        doomed: &mut Doomed,
    ) -> Result<()> {
        let actions = [Action::Publish(node.block), Action::FreeNode(ring.block)];
        let cell = node.cell().bits();
        self.commit(local, off, hub + HUB_RING, cell, &actions, doomed)?;
        node.used();
        Ok(())
    }

    /// Frees the block that a release was about to free when its process died.
    pub(crate) fn free_at_cursor(&self, local: &Local, cursor: u64, doomed: &mut Doomed) {
        let block = BlockRef {
            off: self.get(cursor),
            generation: self.get(cursor + 8),
        };
        if block.off != 0 && self.chunk_of(block.off).is_ok() {
            let _ = self.free_value(local, block, doomed);
        }
        if block.off != 0 {
            self.host().store64(cursor, 0, Ordering::Release);
        }
    }
}
