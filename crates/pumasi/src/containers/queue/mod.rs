//! A queue of any values, as the untyped face that both languages build on.
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

mod patience;
mod put;
mod reader;
mod take;
mod tasks;
mod wait;

use core::sync::atomic::Ordering;

use crate::containers::face::face;
use crate::containers::snapshot::Snapshot;
use crate::error::{Error, Fast, Result};
use crate::heap::Heap;
use crate::heap::cell::Cell;
use crate::heap::held::Held;
use crate::heap::layout::{BUFFER_DATA, MAX_PARTICIPANTS, O_AUX, O_META};
use crate::heap::lease::LAST_FIRST;
use crate::heap::node::{Form, N_LENGTH, NewNode};
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::ring::{
    HUB_CLOSED, HUB_ITEM, HUB_RING, HUB_ROOM, HUB_STATE, HUB_TASKS, HUB_UNFINISHED, RING_LEAST,
    Ring,
};
use crate::heap::value::Fetch;
use crate::observer::Op;
use crate::sys::{Host, Real};

use patience::Patience;

pub use take::Taken;

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
    /// For how long the next wait looks before it sleeps.
    patience: Patience,
}

/// How a look at the queue ended that may have found nothing.
enum Looked<T> {
    Done(T),
    /// Nothing, and what the word to sleep at holds.
    Nothing(u32),
}

impl<H: Host> Clone for RawQueue<H> {
    fn clone(&self) -> Self {
        RawQueue {
            object: self.object.clone(),
            patience: Patience::new(),
            ..*self
        }
    }
}

face!(RawQueue);

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
            patience: Patience::new(),
            object,
        })
    }

    // ---- looking ---------------------------------------------------------------------------

    /// How many items there are at this moment. Never waits.
    #[inline]
    pub fn len(&self) -> usize {
        self.object.tell_of(Op::Len, false);
        self.items()
    }

    #[inline(always)]
    fn items(&self) -> usize {
        (self.heap().get(self.hub + HUB_STATE) & 0xffff_ffff) as usize
    }

    /// Whether there is none at this moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there are as many as there may be.
    pub fn is_full(&self) -> bool {
        self.object.tell_of(Op::Len, false);
        !self.has_room()
    }

    #[inline(always)]
    fn has_room(&self) -> bool {
        self.bound == 0 || (self.items() as u64) < self.bound
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

    fn closed() -> Error {
        Error::Closed {
            what: "the queue is closed",
        }
    }

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
}
