//! Putting: one value, many, and in between.

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::containers::queue::wait::Turn;
use crate::containers::queue::{Looked, RawQueue};
use crate::error::{Error, Fast, Result};
use crate::heap::held::Held;
use crate::heap::log::{Action, Doomed};
use crate::heap::node::NewNode;
use crate::heap::ring::{
    HUB_CLOSED, HUB_ITEM, HUB_RING, HUB_ROOM, HUB_STATE, HUB_UNFINISHED, RING_MOST, Ring,
};
use crate::heap::value::Prepared;
use crate::observer::Op;
use crate::sys::Host;

impl<H: Host> RawQueue<H> {
    /// Puts a value, waiting at most `timeout` (`None`: for ever; zero: not at all) for room.
    /// Whether it was put.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::OutOfMemory`]; [`Error::WouldBlock`] where this thread may not
    /// wait, and what its check says. The value stays with the caller.
    #[inline]
    pub fn put(&self, value: &mut Prepared<'_, H>, timeout: Option<Duration>) -> Result<bool> {
        let put = self.wait(
            Op::Append,
            self.hub + HUB_ROOM,
            timeout,
            |turn| Ok(self.put_now(value, turn)?),
            || self.has_room(),
        )?;
        Ok(put.is_some())
    }

    #[inline]
    fn put_now(&self, value: &mut Prepared<'_, H>, turn: Turn) -> Fast<Looked<()>> {
        let mut held = self.enter(Op::Append, "queue.put")?;
        let heap = held.heap;
        let mut ring = self.ring(&held)?;
        if heap.get(self.hub + HUB_CLOSED) != 0 {
            return Err(Self::closed().into());
        }
        if self.bound > 0 && ring.len >= self.bound {
            return Ok(self.nothing(held, self.hub + HUB_ROOM, turn));
        }
        if ring.len == ring.capacity {
            ring = self.grow(&mut held, &ring, ring.len + 1)?;
        }
        turn.tell(&mut held);
        held.changed();
        let host = held.host();
        host.store64(
            ring.at(ring.len as i64),
            value.cell().bits(),
            Ordering::Release,
        );
        let new = ring.moved(0, 1);
        match (value.publish(), self.counts_tasks) {
            (None, false) => host.store64(self.hub + HUB_STATE, new, Ordering::Release),
            (Some(publish), false) => held.commit(self.hub + HUB_STATE, new, &[publish])?,
            (None, true) => held.commit(self.hub + HUB_STATE, new, &[self.more_tasks(1)])?,
            (Some(publish), true) => {
                let more = self.more_tasks(1);
                held.commit(self.hub + HUB_STATE, new, &[publish, more])?;
            }
        }
        value.stored();
        heap.tell_reader(self.hub);
        let item = heap.call(self.hub + HUB_ITEM);
        let room = turn.slept && self.pass_on(self.hub + HUB_ROOM, self.has_room());
        drop(held);
        if item {
            heap.host().futex_wake(self.hub + HUB_ITEM, 1);
        }
        if room {
            heap.host().futex_wake(self.hub + HUB_ROOM, 1);
        }
        Ok(Looked::Done(()))
    }

    pub(super) fn more_tasks(&self, n: u64) -> Action {
        let at = self.hub + HUB_UNFINISHED;
        Action::Store(at, self.heap().get(at).wrapping_add(n))
    }

    /// Another ring with room for `n` items. The lock is held.
    #[cold]
    #[inline(never)]
    pub(super) fn grow(&self, held: &mut Held<'_, H>, ring: &Ring, n: u64) -> Result<Ring> {
        let node = held.heap.resized_ring(held.local, ring, n)?;
        let mut doomed = Doomed::new();
        let (heap, object) = (held.heap, held.object);
        heap.replace_ring(held.local, object, self.hub, ring, node, &mut doomed)?;
        Ok(self.ring(held)?)
    }

    /// Puts values in their order, as many at once as there is room for, waiting at most
    /// `timeout` for room for the next. How many were put.
    ///
    /// # Errors
    /// As [`RawQueue::put`], when none was put.
    pub fn put_many(
        &self,
        values: &mut [Prepared<'_, H>],
        timeout: Option<Duration>,
    ) -> Result<usize> {
        let mut done = 0;
        let started = self.heap().host().now();
        while done < values.len() {
            let waited = self.heap().host().now().saturating_sub(started);
            let left = timeout.map(|t| t.saturating_sub(waited));
            let rest = &mut values[done..];
            let put = self.wait(
                Op::Extend,
                self.hub + HUB_ROOM,
                left,
                |turn| Ok(self.put_some(rest, turn)?),
                || self.has_room(),
            );
            match put {
                Ok(Some(n)) => done += n,
                Ok(None) => break,
                // What was put stays put; who has to wait comes again with the rest.
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn put_some(&self, values: &mut [Prepared<'_, H>], turn: Turn) -> Fast<Looked<usize>> {
        let mut held = self.enter(Op::Extend, "queue.put_many")?;
        let heap = held.heap;
        let mut ring = self.ring(&held)?;
        if heap.get(self.hub + HUB_CLOSED) != 0 {
            return Err(Self::closed().into());
        }
        let mut n = values.len() as u64;
        if self.bound > 0 {
            n = n.min(self.bound.saturating_sub(ring.len));
        }
        if n == 0 {
            return Ok(self.nothing(held, self.hub + HUB_ROOM, turn));
        }
        if ring.len + n > ring.capacity {
            ring = self.grow(&mut held, &ring, ring.len + n)?;
        }
        turn.tell(&mut held);
        held.changed();
        let values = &mut values[..n as usize];
        for (i, value) in values.iter().enumerate() {
            let at = ring.at((ring.len + i as u64) as i64);
            held.host()
                .store64(at, value.cell().bits(), Ordering::Release);
        }
        let mut actions: Vec<Action> = ring
            .stretches(ring.len as i64, n)
            .into_iter()
            .map(|(start, n)| Action::PublishCells(start, n))
            .collect();
        if self.counts_tasks {
            actions.push(self.more_tasks(n));
        }
        held.commit(self.hub + HUB_STATE, ring.moved(0, n as i64), &actions)?;
        values.iter_mut().for_each(Prepared::stored);
        heap.tell_reader(self.hub);
        let item = heap.call(self.hub + HUB_ITEM);
        let room = turn.slept && self.pass_on(self.hub + HUB_ROOM, self.has_room());
        drop(held);
        if item {
            heap.host().futex_wake(self.hub + HUB_ITEM, n as u32);
        }
        if room {
            heap.host().futex_wake(self.hub + HUB_ROOM, 1);
        }
        Ok(Looked::Done(n as usize))
    }

    /// Puts a value before the `i`-th item if nothing has changed since the moment that found
    /// the place: for queues whose order the caller knows. Whether there was room.
    ///
    /// # Errors
    /// [`Error::Modified`] when something has changed, and as [`RawQueue::put`].
    pub fn put_at(&self, version: u64, i: usize, value: &mut Prepared<'_, H>) -> Result<bool> {
        let mut held = self.enter(Op::Insert, "queue.put_at")?;
        let heap = held.heap;
        let ring = self.ring(&held)?;
        if heap.get(self.hub + HUB_CLOSED) != 0 {
            return Err(Self::closed());
        }
        if held.version() != version || i as u64 > ring.len {
            return Err(Error::Modified {
                what: "queue modified during put",
            });
        }
        if self.bound > 0 && ring.len >= self.bound {
            return Ok(false);
        }
        // Beside the old ring, with one place before the first item: what stands in front of the
        // new one moves there, and the rest keeps its position.
        let wanted = (ring.len + 1).max(ring.capacity.min(RING_MOST));
        let node = heap.resized_ring(held.local, &ring, wanted)?;
        let new = heap.ring_in(node.block, node.block.off + crate::heap::ring::RING_STATE)?;
        for k in 0..i as i64 {
            let cell = heap.get(ring.at(k));
            held.host().store64(new.at(k - 1), cell, Ordering::Relaxed);
        }
        held.host()
            .store64(new.at(i as i64 - 1), value.cell().bits(), Ordering::Relaxed);
        held.changed();
        self.install(&mut held, &ring, &new, node, value)?;
        value.stored();
        heap.tell_reader(self.hub);
        let item = heap.call(self.hub + HUB_ITEM);
        drop(held);
        if item {
            heap.host().futex_wake(self.hub + HUB_ITEM, 1);
        }
        Ok(true)
    }

    /// Commits a ring that has one item more before the first. Ring and state cannot change in
    /// one store: the ring goes first, in which the items of the old state are the same but for
    /// their places being one lower, which nobody sees under the lock; so the state is logged.
    pub(super) fn install(
        &self,
        held: &mut Held<'_, H>,
        ring: &Ring,
        new: &Ring,
        node: NewNode<'_, H>,
        value: &Prepared<'_, H>,
    ) -> Result<()> {
        let mut actions = vec![
            Action::Publish(node.block),
            Action::FreeNode(ring.block),
            Action::Store(self.hub + HUB_STATE, new.moved(1, 0)),
        ];
        actions.extend(value.publish());
        if self.counts_tasks {
            actions.push(self.more_tasks(1));
        }
        held.commit(self.hub + HUB_RING, node.cell().bits(), &actions)?;
        node.used();
        Ok(())
    }
}
