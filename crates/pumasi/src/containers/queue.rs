//! A queue of any values, as the untyped face that both languages build on. The file is long because
//! putting and taking, each one by one and by the many, end in the same few stores.
//!
//! ```text
//! header --O_ROOT--> HUB: state, words to wait at, leases --> RING of cells
//! ```
//!
//! What is put is in shared memory when `put` returns, and whoever takes it next has it: there is
//! no thread in between. How the ring lies is in `heap::ring`, what happens to an item whose taker
//! dies in `heap::lease`.
//!
//! QUEUE-5: who finds nothing says so, under the lock, in the word it will sleep at; who brings
//! something takes that note away and wakes one sleeper. A sleeper that was woken and leaves
//! something behind wakes the next and renews the note, so that nobody sleeps beside an item for
//! longer than a slice, one item wakes one process, and a row of puts to one who is still waking
//! up costs one system call.
//!
//! If a process dies in an operation: before the commit word, the state, nothing has happened;
//! after it the log has what is still to do.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::os::fd::RawFd;

use crate::containers::snapshot::Snapshot;
use crate::error::{Error, Fast, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::Cell;
use crate::heap::held::Held;
use crate::heap::layout::{BUFFER_DATA, MAX_PARTICIPANTS, O_AUX, O_META};
use crate::heap::lease::{L_CELL, LAST_FIRST, taken_by};
use crate::heap::lock;
use crate::heap::log::{Action, Doomed};
use crate::heap::node::{Form, LEAF_CELLS, N_LENGTH, NewNode};
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::participant::Death;
use crate::heap::ring::{
    HUB_BELL, HUB_BELL_INODE, HUB_CLOSED, HUB_DONE, HUB_ITEM, HUB_RING, HUB_ROOM, HUB_RUNG,
    HUB_STATE, HUB_TASKS, HUB_UNFINISHED, RING_LEAST, RING_MOST, Ring,
};
use crate::heap::value::{Fetch, Prepared};
use crate::heap::{Heap, Local};
use crate::observer::Op;
use crate::sync::lock::mark_signal;
use crate::sys::{Host, Real, bell};

const FIRST_SLICE: Duration = Duration::from_millis(1);
const LAST_SLICE: Duration = Duration::from_millis(50);
/// How long a wait looks before it sleeps, at most and at least: a sleeper is woken in some 50 µs.
const LONG_LOOK: u32 = 50_000;
const SHORT_LOOK: u32 = 1_000;

/// Which end of a queue is taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// What was put first is taken first.
    #[default]
    FirstFirst,
    /// What was put last is taken first.
    LastFirst,
}

/// A shared queue of any values.
pub struct RawQueue<H: Host = Real> {
    object: ObjectRef<H>,
    /// The root, which is the same as long as the queue lives.
    hub: u64,
    /// Most items, 0 for any number.
    bound: u64,
    order: Order,
    counts_tasks: bool,
    /// For how many nanoseconds the next wait looks before it sleeps.
    look: AtomicU32,
}

/// An item on its way from a queue to its taker. While this lives, the item goes back to the
/// queue if the process dies; when it is dropped the item has arrived.
#[must_use = "the item has arrived when this is dropped"]
pub struct Taken<'a, H: Host = Real> {
    queue: &'a RawQueue<H>,
    /// The value's cell; its block, if it has one, was fetched.
    pub cell: Cell,
    lease: Option<(&'static Local, u64)>,
}

/// How a look at the queue ended that may have found nothing.
enum Looked<T> {
    Done(T),
    /// Nothing, and what the word to sleep at holds.
    Nothing(u32),
}

impl<H: Host> Drop for Taken<'_, H> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some((local, lease)) = self.lease {
            self.queue.heap().end_lease(local, lease);
        }
    }
}

impl<H: Host> Clone for RawQueue<H> {
    fn clone(&self) -> Self {
        RawQueue {
            object: self.object.clone(),
            look: AtomicU32::new(LONG_LOOK),
            ..*self
        }
    }
}

impl<H: Host> RawQueue<H> {
    /// An empty queue of at most `bound` items (0: any number). With `counts_tasks` it counts the
    /// items whose task is not done, for [`RawQueue::join`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>, bound: u64, order: Order, counts_tasks: bool) -> Result<Self> {
        let local = heap.local()?;
        let ring = heap.new_ring(local, RING_LEAST)?;
        let tasks = if counts_tasks {
            let bytes = BUFFER_DATA + MAX_PARTICIPANTS * 8;
            let node = heap.new_node(local, Form::Data, MAX_PARTICIPANTS, bytes)?;
            node.set(N_LENGTH, MAX_PARTICIPANTS * 8);
            heap.host()
                .zero_words(node.block.off + BUFFER_DATA, MAX_PARTICIPANTS);
            Some(node)
        } else {
            None
        };
        let tasks_cell = tasks.as_ref().map_or(Cell::EMPTY, NewNode::cell);
        let hub = heap.new_hub(local, ring.cell(), tasks_cell)?;
        let root = (hub.cell(), hub.block);
        hub.used();
        let extra = match order {
            Order::FirstFirst => 0,
            Order::LastFirst => LAST_FIRST as u32,
        };
        let object = heap.create_object(Kind::Queue, extra, Some(root), bound)?;
        // Nobody else knows the object yet; if we die here the estate frees what is PENDING.
        for node in [Some(ring), tasks].into_iter().flatten() {
            heap.publish(node.block);
            node.used();
        }
        RawQueue::from_object(object)
    }

    /// The queue that a handle leads to.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] when it is something else, [`Error::Corrupt`] when it has no hub.
    pub fn from_object(object: ObjectRef<H>) -> Result<Self> {
        object.expect(Kind::Queue)?;
        let heap = object.heap();
        let root = heap.root_of(object.offset()).unwrap_or(Cell::EMPTY);
        let hub = heap.resolve(root)?.off;
        if heap.node(hub)?.0 != Form::Hub {
            return Err(Error::corrupt(hub, "a queue without its hub"));
        }
        let meta = heap.get(object.offset() + O_META);
        Ok(RawQueue {
            hub,
            bound: heap.get(object.offset() + O_AUX),
            order: if meta & LAST_FIRST == 0 {
                Order::FirstFirst
            } else {
                Order::LastFirst
            },
            counts_tasks: Cell(heap.get(hub + HUB_TASKS)) != Cell::EMPTY,
            look: AtomicU32::new(LONG_LOOK),
            object,
        })
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

    // ---- looking ---------------------------------------------------------------------------

    /// How many items there are at this moment. Never waits.
    #[inline]
    pub fn len(&self) -> usize {
        (self.heap().get(self.hub + HUB_STATE) & 0xffff_ffff) as usize
    }

    /// Whether there is none at this moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there are as many as there may be.
    pub fn is_full(&self) -> bool {
        self.bound > 0 && self.len() as u64 >= self.bound
    }

    /// The most items there may be; 0 for any number.
    pub fn bound(&self) -> u64 {
        self.bound
    }

    /// Which end is taken from.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Whether tasks are counted.
    pub fn counts_tasks(&self) -> bool {
        self.counts_tasks
    }

    /// How many items were put whose task is not done.
    pub fn unfinished(&self) -> u64 {
        self.heap().get(self.hub + HUB_UNFINISHED)
    }

    #[inline(always)]
    fn ring(&self, held: &Held<'_, H>) -> Fast<Ring> {
        let cell = Cell(held.heap.get(self.hub + HUB_RING));
        held.heap.ring(cell, self.hub + HUB_STATE)
    }

    // ---- waiting ---------------------------------------------------------------------------

    /// Tries `look`, told whether it is to leave a note when it finds nothing; then looks from
    /// outside with `hint`, then sleeps at `word`. `None` when the time is up.
    fn wait<T>(
        &self,
        word: u64,
        timeout: Option<Duration>,
        mut look: impl FnMut(bool) -> Result<Looked<T>>,
        hint: impl Fn() -> bool,
    ) -> Result<Option<T>> {
        if let Looked::Done(done) = look(false)? {
            return Ok(Some(done));
        }
        if timeout == Some(Duration::ZERO) {
            return Ok(None);
        }
        let host = self.heap().host();
        // A caller who holds what others need looks shortly, and comes again without it.
        let mut spins = host.spins();
        while spins > 0 && !hint() {
            spins -= 1;
            core::hint::spin_loop();
        }
        if spins > 0
            && let Looked::Done(done) = look(false)?
        {
            return Ok(Some(done));
        }
        if !lock::waiting_allowed() {
            return Err(Error::WouldBlock);
        }
        let started = host.now();
        if let Some(done) = self.look_longer(started, timeout, &mut look, hint)? {
            return Ok(Some(done));
        }
        let mut slice = FIRST_SLICE;
        loop {
            let seen = match look(true)? {
                Looked::Done(done) => return Ok(Some(done)),
                Looked::Nothing(seen) => seen,
            };
            let waited = host.now().saturating_sub(started);
            let left = timeout.map_or(LAST_SLICE, |t| t.saturating_sub(waited));
            if left.is_zero() {
                return Ok(None);
            }
            host.futex_wait(word, seen, slice.min(left));
            lock::check()?;
            if host.load32(word, Ordering::Relaxed) == seen {
                slice = (slice * 2).min(LAST_SLICE);
                self.look_for_dead();
            }
        }
    }

    /// Looks for as long as has paid off lately.
    fn look_longer<T>(
        &self,
        started: Duration,
        timeout: Option<Duration>,
        look: &mut impl FnMut(bool) -> Result<Looked<T>>,
        hint: impl Fn() -> bool,
    ) -> Result<Option<T>> {
        let host = self.heap().host();
        let long = self.look.load(Ordering::Relaxed);
        let until = Duration::from_nanos(u64::from(long)).min(timeout.unwrap_or(Duration::MAX));
        let mut round = 0u32;
        loop {
            if hint()
                && let Looked::Done(done) = look(false)?
            {
                let longer = long.saturating_mul(2).min(LONG_LOOK);
                self.look.store(longer, Ordering::Relaxed);
                return Ok(Some(done));
            }
            core::hint::spin_loop();
            round += 1;
            if round.is_multiple_of(8) && host.now().saturating_sub(started) >= until {
                break;
            }
        }
        self.look
            .store((long / 2).max(SHORT_LOOK), Ordering::Relaxed);
        Ok(None)
    }

    /// Notes that somebody will sleep at the word; what it holds then.
    #[inline(always)]
    fn note(&self, word: u64, note: bool) -> u32 {
        let host = self.heap().host();
        let seen = host.load32(word, Ordering::Relaxed);
        if note && seen & 1 == 0 {
            host.store32(word, seen | 1, Ordering::Relaxed);
        }
        seen | 1
    }

    /// What came for several may have woken one: who was woken sees to the others.
    fn pass_on(&self, word: u64, more: bool) -> bool {
        self.note(word, true);
        more
    }

    /// A taker that died has left an item which goes back, or tasks that are counted as done.
    fn look_for_dead(&self) {
        let heap = self.heap();
        let Ok(local) = heap.local() else { return };
        for slot in heap.takers(self.hub, local) {
            heap.settle_if_ended(slot);
        }
    }

    fn closed() -> Error {
        Error::Closed {
            what: "the queue is closed",
        }
    }

    // ---- putting ---------------------------------------------------------------------------

    /// Puts a value, waiting at most `timeout` (`None`: for ever; zero: not at all) for room.
    /// Whether it was put.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::OutOfMemory`]; [`Error::WouldBlock`] where this thread may not
    /// wait, and what its check says. The value stays with the caller.
    #[inline]
    pub fn put(&self, value: &mut Prepared<'_, H>, timeout: Option<Duration>) -> Result<bool> {
        let put = self.wait(
            self.hub + HUB_ROOM,
            timeout,
            {
                let mut slept = false;
                move |note| {
                    let looked = self.put_now(value, note, slept)?;
                    slept |= note;
                    Ok(looked)
                }
            },
            || !self.is_full(),
        )?;
        Ok(put.is_some())
    }

    #[inline]
    fn put_now(&self, value: &mut Prepared<'_, H>, note: bool, slept: bool) -> Fast<Looked<()>> {
        let mut held = self.enter(Op::Append, "queue.put")?;
        let heap = held.heap;
        let mut ring = self.ring(&held)?;
        if heap.get(self.hub + HUB_CLOSED) != 0 {
            return Err(Self::closed().into());
        }
        if self.bound > 0 && ring.len >= self.bound {
            return Ok(Looked::Nothing(self.note(self.hub + HUB_ROOM, note)));
        }
        if ring.len == ring.capacity {
            ring = self.grow(&mut held, &ring, ring.len + 1)?;
        }
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
        let room = slept && self.pass_on(self.hub + HUB_ROOM, !self.is_full());
        drop(held);
        if item {
            heap.host().futex_wake(self.hub + HUB_ITEM, 1);
        }
        if room {
            heap.host().futex_wake(self.hub + HUB_ROOM, 1);
        }
        Ok(Looked::Done(()))
    }

    fn more_tasks(&self, n: u64) -> Action {
        let at = self.hub + HUB_UNFINISHED;
        Action::Store(at, self.heap().get(at).wrapping_add(n))
    }

    /// Another ring with room for `n` items. The lock is held.
    #[cold]
    #[inline(never)]
    fn grow(&self, held: &mut Held<'_, H>, ring: &Ring, n: u64) -> Result<Ring> {
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
            let mut slept = false;
            let put = self.wait(
                self.hub + HUB_ROOM,
                left,
                |note| {
                    let looked = self.put_some(rest, note, slept)?;
                    slept |= note;
                    Ok(looked)
                },
                || !self.is_full(),
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

    fn put_some(
        &self,
        values: &mut [Prepared<'_, H>],
        note: bool,
        slept: bool,
    ) -> Fast<Looked<usize>> {
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
            return Ok(Looked::Nothing(self.note(self.hub + HUB_ROOM, note)));
        }
        if ring.len + n > ring.capacity {
            ring = self.grow(&mut held, &ring, ring.len + n)?;
        }
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
        let room = slept && self.pass_on(self.hub + HUB_ROOM, !self.is_full());
        drop(held);
        if item {
            heap.host().futex_wake(self.hub + HUB_ITEM, n as u32);
        }
        if room {
            heap.host().futex_wake(self.hub + HUB_ROOM, 1);
        }
        Ok(Looked::Done(n as usize))
    }

    // ---- taking ----------------------------------------------------------------------------

    /// Takes the next value out, waiting at most `timeout` (`None`: for ever; zero: not at all).
    /// `None` when there was none.
    ///
    /// # Errors
    /// [`Error::Closed`] when the queue is closed and empty; [`Error::WouldBlock`] where this
    /// thread may not wait, and what its check says.
    #[inline]
    pub fn get(
        &self,
        timeout: Option<Duration>,
        out: &mut Fetch<H>,
    ) -> Result<Option<Taken<'_, H>>> {
        let mut slept = false;
        self.wait(
            self.hub + HUB_ITEM,
            timeout,
            |note| {
                let looked = self.get_now(out, note, slept)?;
                slept |= note;
                Ok(looked)
            },
            || !self.is_empty(),
        )
    }

    #[inline]
    fn get_now(&self, out: &mut Fetch<H>, note: bool, slept: bool) -> Fast<Looked<Taken<'_, H>>> {
        let mut held = self.enter(Op::Pop, "queue.get")?;
        let (heap, local) = (held.heap, held.local);
        let mut ring = self.ring(&held)?;
        if ring.len == 0 {
            if heap.get(self.hub + HUB_CLOSED) != 0 {
                return Err(Self::closed().into());
            }
            heap.tell_reader(self.hub);
            return Ok(Looked::Nothing(self.note(self.hub + HUB_ITEM, note)));
        }
        if ring.capacity >= 1024 && ring.len * 8 < ring.capacity {
            ring = self.shrink(&mut held, ring);
        }
        let (at, new) = match self.order {
            Order::FirstFirst => (ring.at(0), ring.moved(-1, 0)),
            Order::LastFirst => (ring.at(ring.len as i64 - 1), ring.moved(0, -1)),
        };
        let cell = Cell(heap.get(at));
        heap.fetch(local, at, cell, out)?;
        held.changed();
        let lease = heap.free_lease(local, self.hub);
        self.take(&mut held, new, cell, lease, 1, None)?;
        heap.tell_reader(self.hub);
        let room = self.bound > 0 && heap.call(self.hub + HUB_ROOM);
        let more = slept && self.pass_on(self.hub + HUB_ITEM, ring.len > 1);
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
            lease: lease.map(|lease| (local, lease)),
        }))
    }

    /// The commit of a taking: `cell` goes to the lease, if there is one, `n` items in all.
    #[inline(always)]
    fn take(
        &self,
        held: &mut Held<'_, H>,
        new: u64,
        cell: Cell,
        lease: Option<u64>,
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
        match lease {
            Some(lease) => {
                // Nobody looks at a lease that is nobody's.
                heap.host()
                    .store64(lease + L_CELL, cell.bits(), Ordering::Release);
                add(Action::Store(lease, taken_by(held.local.token)));
            }
            // As many takers at once as there are leases: a death now would lose the item.
            None if cell.is_inline() => {}
            None => {
                let block = heap.resolve(cell)?;
                add(Action::Release(cell, block.generation));
            }
        }
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
    fn shrink(&self, held: &mut Held<'_, H>, ring: Ring) -> Ring {
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
        let mut slept = false;
        let taken = self.wait(
            self.hub + HUB_ITEM,
            timeout,
            |note| {
                let looked = self.get_some(most, note, slept)?;
                slept |= note;
                Ok(looked)
            },
            || !self.is_empty(),
        )?;
        match taken {
            Some((items, taken)) => Ok((items.finish()?, Some(taken))),
            None => Ok((Snapshot::new(), None)),
        }
    }

    fn get_some(
        &self,
        most: usize,
        note: bool,
        slept: bool,
    ) -> Result<Looked<(Snapshot<H>, Taken<'_, H>)>> {
        // Most of the work of a leaf is done before the lock is taken.
        let guess = self.len().clamp(1, most.max(1)) as u64;
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
            return Ok(Looked::Nothing(self.note(self.hub + HUB_ITEM, note)));
        }
        let lease = heap.free_lease(local, self.hub);
        // Without a lease one value at a time, which the log can release.
        let n = if lease.is_some() {
            guess.min(ring.len)
        } else {
            1
        };
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
        held.changed();
        if n == 1 {
            self.take(&mut held, new, last, lease, n, None)?;
        } else {
            self.take(&mut held, new, leaf.cell(), lease, n, Some(leaf.block))?;
            leaf.used();
        }
        heap.tell_reader(self.hub);
        let room = self.bound > 0 && heap.call(self.hub + HUB_ROOM);
        let more = slept && self.pass_on(self.hub + HUB_ITEM, ring.len > n);
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
            lease: lease.map(|lease| (local, lease)),
        };
        Ok(Looked::Done((items, taken)))
    }

    // ---- tasks -----------------------------------------------------------------------------

    /// Says of one item that what was to be done with it is done.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when that was said of all that were put.
    pub fn task_done(&self) -> Result<()> {
        let mut held = self.enter(Op::Release, "queue.task_done")?;
        let heap = held.heap;
        let at = self.hub + HUB_UNFINISHED;
        let left = heap.get(at);
        let tasks = heap.tasks(self.hub)?;
        let (Some(tasks), true) = (tasks, left > 0) else {
            return Err(Error::NotHeld {
                what: "task_done() called too many times",
            });
        };
        let own = tasks + held.local.slot * 8;
        match heap.get(own) {
            // Another has taken it: from now on nobody knows whose the tasks are.
            0 => {
                mark_signal(&self.object);
                held.host().store64(at, left - 1, Ordering::Release);
            }
            mine => held.commit(at, left - 1, &[Action::Store(own, mine - 1)])?,
        }
        let done = left == 1 && heap.call(self.hub + HUB_DONE);
        drop(held);
        if done {
            heap.host().futex_wake(self.hub + HUB_DONE, u32::MAX >> 1);
        }
        Ok(())
    }

    /// Waits until every task is done, at most `timeout`. Whether they are. The second is the
    /// last process that died with tasks it had not done, which nobody was told of yet.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait, and what its check says.
    pub fn join(&self, timeout: Option<Duration>) -> Result<(bool, Option<Death>)> {
        let done = self.wait(
            self.hub + HUB_DONE,
            timeout,
            |note| {
                let held = self.enter(Op::Wait, "queue.join")?;
                if held.heap.get(self.hub + HUB_UNFINISHED) == 0 {
                    return Ok(Looked::Done(held.heap.take_death(held.object)));
                }
                Ok(Looked::Nothing(self.note(self.hub + HUB_DONE, note)))
            },
            || self.unfinished() == 0,
        )?;
        Ok((done.is_some(), done.flatten()))
    }

    // ---- the end ---------------------------------------------------------------------------

    /// Closes the queue for all processes: what is in it can still be taken, and nothing be put.
    /// Closing twice is harmless.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait.
    pub fn close(&self) -> Result<()> {
        let held = self.enter(Op::Raise, "queue.close")?;
        let heap = held.heap;
        held.host()
            .store64(self.hub + HUB_CLOSED, 1, Ordering::Release);
        let words = [self.hub + HUB_ITEM, self.hub + HUB_ROOM];
        let called = words.map(|word| heap.call(word));
        drop(held);
        for (word, called) in words.into_iter().zip(called) {
            if called {
                heap.host().futex_wake(word, u32::MAX >> 1);
            }
        }
        Ok(())
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.heap().get(self.hub + HUB_CLOSED) != 0
    }

    /// A copy of the items at this moment, in the order in which they were put.
    ///
    /// # Errors
    /// As [`RawQueue::get`].
    pub fn snapshot(&self) -> Result<Snapshot<H>> {
        let mut items = Snapshot::new();
        let mut fetch = Fetch::new();
        let held = self.enter(Op::Snapshot, "queue.snapshot")?;
        let ring = self.ring(&held)?;
        for i in 0..ring.len {
            let at = ring.at(i as i64);
            let cell = Cell(held.heap.get(at));
            held.heap.fetch(held.local, at, cell, &mut fetch)?;
            items.push(cell, &mut fetch);
        }
        items.version = held.version();
        drop(held);
        items.finish()
    }

    /// The version and the number of items at one moment, for [`RawQueue::peek`].
    ///
    /// # Errors
    /// [`Error::WouldBlock`] and whatever else taking the internal lock meets.
    pub fn moment(&self) -> Result<(u64, u64)> {
        let held = self.enter(Op::Len, "queue.peek")?;
        let ring = self.ring(&held)?;
        Ok((held.version(), ring.len))
    }

    /// Fetches the `i`-th item of those there are, which stays where it is; `None` if something has
    /// changed since the moment that had this version.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], and what fetching a value meets.
    pub fn peek(&self, version: u64, i: u64, out: &mut Fetch<H>) -> Result<Option<Cell>> {
        let held = self.enter(Op::Get, "queue.peek")?;
        if held.version() != version {
            return Ok(None);
        }
        let ring = self.ring(&held)?;
        if i >= ring.len {
            return Err(Error::IndexOutOfRange { what: "queue" });
        }
        let at = ring.at(i as i64);
        let cell = Cell(held.heap.get(at));
        held.heap.fetch(held.local, at, cell, out)?;
        Ok(Some(cell))
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

    /// Waits until there is room, at most `timeout`. Whether there is; another may be faster.
    ///
    /// # Errors
    /// As [`RawQueue::put`].
    pub fn wait_for_room(&self, timeout: Option<Duration>) -> Result<bool> {
        let found = self.wait(
            self.hub + HUB_ROOM,
            timeout,
            |note| {
                let held = self.enter(Op::Wait, "queue.wait")?;
                if held.heap.get(self.hub + HUB_CLOSED) != 0 {
                    return Err(Self::closed());
                }
                if !self.is_full() {
                    return Ok(Looked::Done(()));
                }
                Ok(Looked::Nothing(self.note(self.hub + HUB_ROOM, note)))
            },
            || !self.is_full(),
        )?;
        Ok(found.is_some())
    }

    /// Waits until there is an item, at most `timeout`. Whether there is; another may be faster.
    ///
    /// # Errors
    /// As [`RawQueue::get`].
    pub fn wait_for_item(&self, timeout: Option<Duration>) -> Result<bool> {
        let found = self.wait(
            self.hub + HUB_ITEM,
            timeout,
            |note| {
                let held = self.enter(Op::Wait, "queue.wait")?;
                if !self.is_empty() {
                    // Who only looks must not keep the item from one who takes.
                    held.heap.call(self.hub + HUB_ITEM);
                    drop(held);
                    self.heap().host().futex_wake(self.hub + HUB_ITEM, 1);
                    return Ok(Looked::Done(()));
                }
                if held.heap.get(self.hub + HUB_CLOSED) != 0 {
                    return Err(Self::closed());
                }
                Ok(Looked::Nothing(self.note(self.hub + HUB_ITEM, note)))
            },
            || !self.is_empty(),
        )?;
        Ok(found.is_some())
    }

    /// Commits a ring that has one item more before the first. Ring and state cannot change in
    /// one store: the ring goes first, in which the items of the old state are the same but for
    /// their places being one lower, which nobody sees under the lock; so the state is logged.
    fn install(
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

impl RawQueue<Real> {
    /// A descriptor that is readable exactly while there is an item, for `poll` and its relatives;
    /// nobody may read from it. It is this process's until [`RawQueue::close_reader`], which is to
    /// be called once for each call of this.
    ///
    /// Other processes that put and take reach it through `/proc`, by the process that made it. If
    /// that one has ended, those who have not used it yet cannot: then a new one is made here, and
    /// whoever waits at the old one is not woken by them.
    ///
    /// # Errors
    /// [`Error::Os`] when the process has no descriptor left; [`Error::WouldBlock`] where this
    /// thread may not wait.
    pub fn reader(&self) -> Result<(RawFd, u64)> {
        let held = self.enter(Op::Wait, "queue.reader")?;
        let heap = held.heap;
        if let Some(bell) = heap.bell(self.hub)
            && let Some(fd) = bell::take(bell)
        {
            return Ok((fd, bell.inode));
        }
        let bell = bell::make()?;
        let word = (u64::from(bell.pid) << 32) | u64::from(bell.fd);
        held.host()
            .store64(self.hub + HUB_RUNG, 0, Ordering::Release);
        held.host()
            .store64(self.hub + HUB_BELL_INODE, bell.inode, Ordering::Release);
        held.host()
            .store64(self.hub + HUB_BELL, word, Ordering::Release);
        heap.tell_reader(self.hub);
        Ok((bell.fd.cast_signed(), bell.inode))
    }

    /// Closes what [`RawQueue::reader`] has opened, named by the second that it gave.
    pub fn close_reader(inode: u64) {
        bell::give_up(inode);
    }
}
