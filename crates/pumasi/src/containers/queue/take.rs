//! Taking, one value or many, and what one who has taken holds.

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::containers::queue::wait::Turn;
use crate::containers::queue::{Looked, Order, RawQueue};
use crate::containers::snapshot::Snapshot;
use crate::error::{Fast, Result};
use crate::heap::Local;
use crate::heap::alloc::BlockRef;
use crate::heap::cell::Cell;
use crate::heap::held::Held;
use crate::heap::lease::{L_CELL, taken_by};
use crate::heap::lock;
use crate::heap::log::Action;
use crate::heap::node::{Form, LEAF_CELLS, N_LENGTH};
use crate::heap::ring::{HUB_CLOSED, HUB_ITEM, HUB_ROOM, HUB_STATE, Ring};
use crate::heap::value::Fetch;
use crate::observer::Op;
use crate::sys::{Host, Real};

/// An item on its way from a queue to its taker. While this lives, the item goes back to the
/// queue if the process dies; when it is dropped the item has arrived. Of all processes together
/// 120 can have one at a time: who wants another waits until one has arrived.
#[must_use = "the item has arrived when this is dropped"]
pub struct Taken<'a, H: Host = Real> {
    queue: &'a RawQueue<H>,
    /// The value's cell; its block, if it has one, was fetched.
    pub cell: Cell,
    lease: (&'static Local, u64),
}

impl<H: Host> core::fmt::Debug for Taken<'_, H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Taken")
            .field("queue", &self.queue)
            .field("cell", &self.cell)
            .finish_non_exhaustive()
    }
}

impl<H: Host> Drop for Taken<'_, H> {
    #[inline(always)]
    fn drop(&mut self) {
        let (local, lease) = self.lease;
        self.queue.heap().end_lease(local, lease);
    }
}

impl<H: Host> RawQueue<H> {
    /// Takes the next value out, waiting at most `timeout` (`None`: for ever; zero: not at all).
    /// `None` when there was none.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) when the queue is closed and empty;
    /// [`Error::WouldBlock`](crate::Error::WouldBlock) where this thread may not wait, and what its
    /// check says.
    #[inline]
    pub fn get(
        &self,
        timeout: Option<Duration>,
        out: &mut Fetch<H>,
    ) -> Result<Option<Taken<'_, H>>> {
        self.wait(
            Op::Pop,
            self.hub + HUB_ITEM,
            timeout,
            |turn| Ok(self.get_now(out, turn)?),
            || self.items() > 0,
        )
    }

    #[inline]
    fn get_now(&self, out: &mut Fetch<H>, turn: Turn) -> Fast<Looked<Taken<'_, H>>> {
        let mut held = self.enter(Op::Pop, "queue.get")?;
        let (heap, local) = (held.heap, held.local);
        let mut ring = self.ring(&held)?;
        if ring.len == 0 {
            if heap.get(self.hub + HUB_CLOSED) != 0 {
                return Err(Self::closed().into());
            }
            heap.tell_reader(self.hub);
            return Ok(self.nothing(held, self.hub + HUB_ITEM, turn));
        }
        let Some(lease) = heap.free_lease(local, self.hub) else {
            return Ok(self.crowded(held, turn));
        };
        if ring.capacity >= 1024 && ring.len * 8 < ring.capacity {
            ring = self.shrink(&mut held, ring);
        }
        let (at, new) = match self.order {
            Order::FirstFirst => (ring.at(0), ring.moved(-1, 0)),
            Order::LastFirst => (ring.at(ring.len as i64 - 1), ring.moved(0, -1)),
        };
        let cell = Cell(heap.get(at));
        heap.fetch(local, at, cell, out)?;
        turn.tell(&mut held);
        held.changed();
        self.take(&mut held, new, cell, lease, 1, None)?;
        heap.tell_reader(self.hub);
        let room = self.bound > 0 && heap.call(self.hub + HUB_ROOM);
        let more = turn.slept && self.pass_on(self.hub + HUB_ITEM, ring.len > 1);
        drop(held);
        if room {
            heap.host().futex_wake(self.hub + HUB_ROOM, 1);
        }
        if more {
            heap.host().futex_wake(self.hub + HUB_ITEM, 1);
        }
        Ok(Looked::Done(Taken {
            queue: self,
            cell,
            lease: (local, lease),
        }))
    }

    /// As many items are on their way as there are leases: nothing can be taken until one of them
    /// has arrived, or its taker is found dead. To take it all the same would lose it at a death.
    #[cold]
    #[inline(never)]
    fn crowded<T>(&self, held: Held<'_, H>, turn: Turn) -> Looked<T> {
        let looked = self.nothing(held, self.hub + HUB_ITEM, turn);
        // Settling may wait for others at work.
        if lock::waiting_allowed() {
            self.look_for_dead();
        }
        looked
    }

    /// The commit of a taking: `cell` goes to the lease, `n` items in all.
    #[inline(always)]
    pub(super) fn take(
        &self,
        held: &mut Held<'_, H>,
        new: u64,
        cell: Cell,
        lease: u64,
        n: u64,
        leaf: Option<BlockRef>,
    ) -> Result<()> {
        let heap = held.heap;
        let mut actions = [Action::Store(0, 0); 3];
        let mut count = 0;
        let mut add = |action| {
            actions[count] = action;
            count += 1;
        };
        if let Some(leaf) = leaf {
            add(Action::Publish(leaf));
        }
        // Nobody looks at a lease that is nobody's.
        heap.host()
            .store64(lease + L_CELL, cell.bits(), Ordering::Release);
        add(Action::Store(lease, taken_by(held.local.token)));
        if self.counts_tasks
            && let Some(tasks) = heap.tasks(self.hub)?
        {
            let at = tasks + held.local.slot * 8;
            add(Action::Store(at, heap.get(at).wrapping_add(n)));
        }
        held.commit(self.hub + HUB_STATE, new, &actions[..count])
    }

    /// A smaller ring, if there is memory for it now. The lock is held.
    #[cold]
    #[inline(never)]
    pub(super) fn shrink(&self, held: &mut Held<'_, H>, ring: Ring) -> Ring {
        self.grow(held, &ring, ring.len * 2).unwrap_or(ring)
    }

    /// Takes up to `most` values out, waiting at most `timeout` for the first. None when there
    /// was none.
    ///
    /// # Errors
    /// As [`RawQueue::get`].
    pub fn get_many(
        &self,
        most: usize,
        timeout: Option<Duration>,
    ) -> Result<(Snapshot<H>, Option<Taken<'_, H>>)> {
        let taken = self.wait(
            Op::Pop,
            self.hub + HUB_ITEM,
            timeout,
            |turn| self.get_some(most, turn),
            || self.items() > 0,
        )?;
        match taken {
            Some((items, taken)) => Ok((items.finish()?, Some(taken))),
            None => Ok((Snapshot::new(), None)),
        }
    }

    fn get_some(&self, most: usize, turn: Turn) -> Result<Looked<(Snapshot<H>, Taken<'_, H>)>> {
        // Most of the work of a leaf is done before the lock is taken.
        let guess = self.items().clamp(1, most.max(1)) as u64;
        let local = self.heap().local()?;
        let leaf = self
            .heap()
            .new_node(local, Form::Leaf, guess, LEAF_CELLS + guess * 8)?;
        let mut held = self.enter(Op::Pop, "queue.get_many")?;
        let heap = held.heap;
        let ring = self.ring(&held)?;
        if ring.len == 0 {
            if heap.get(self.hub + HUB_CLOSED) != 0 {
                return Err(Self::closed());
            }
            heap.tell_reader(self.hub);
            return Ok(self.nothing(held, self.hub + HUB_ITEM, turn));
        }
        let Some(lease) = heap.free_lease(local, self.hub) else {
            return Ok(self.crowded(held, turn));
        };
        let n = guess.min(ring.len);
        let mut items = Snapshot::new();
        let mut fetch = Fetch::new();
        let mut last = Cell::EMPTY;
        for i in 0..n {
            let at = match self.order {
                Order::FirstFirst => ring.at(i as i64),
                Order::LastFirst => ring.at((ring.len - 1 - i) as i64),
            };
            last = Cell(heap.get(at));
            heap.fetch(local, at, last, &mut fetch)?;
            items.push(last, &mut fetch);
            leaf.set(LEAF_CELLS + i * 8, last.bits());
        }
        leaf.set(N_LENGTH, n);
        let new = match self.order {
            Order::FirstFirst => ring.moved(-(n as i64), 0),
            Order::LastFirst => ring.moved(0, -(n as i64)),
        };
        turn.tell(&mut held);
        held.changed();
        if n == 1 {
            self.take(&mut held, new, last, lease, n, None)?;
        } else {
            self.take(&mut held, new, leaf.cell(), lease, n, Some(leaf.block))?;
            leaf.used();
        }
        heap.tell_reader(self.hub);
        let room = self.bound > 0 && heap.call(self.hub + HUB_ROOM);
        let more = turn.slept && self.pass_on(self.hub + HUB_ITEM, ring.len > n);
        drop(held);
        if room {
            heap.host().futex_wake(self.hub + HUB_ROOM, n as u32);
        }
        if more {
            heap.host().futex_wake(self.hub + HUB_ITEM, 1);
        }
        let taken = Taken {
            queue: self,
            cell: last,
            lease: (local, lease),
        };
        Ok(Looked::Done((items, taken)))
    }
}
