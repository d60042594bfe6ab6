//! The board of a pool: where workers learn of batches, and the owner of finished tasks.
//!
//! ```text
//! words: bell(32) sleepers(32) | heard(32) state(32) | done | wanted | owner(32) woken(32) |
//!        from 64, a word for each of 64 processors: `milliseconds(32) worker + 1(32)` |
//!        from 576, 64 bytes for each worker: see `Row`
//! ```
//!
//! The owner appends a batch to the list and *rings*: it changes `bell`, which idle workers sleep
//! at. A worker counts a finished task in `done` and wakes the owner, by changing `heard`, once
//! that has reached what the owner has said it wants: one wake for a thousand results, if the
//! owner waits for a thousand. All of these are hints (POOL-2); what a killed worker has not
//! counted, or a killed sleeper leaves counted, costs the owner or a releaser a look more.

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::containers::{RawBuffer, RawList};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::lock;
use crate::heap::object::ObjectRef;
use crate::pool::batch::{RawBatch, first_buffer};
use crate::sys::{Host, Real};

pub(super) const BELL: u64 = 0;
pub(super) const SLEEPERS: u64 = 4;
const HEARD: u64 = 8;
pub(super) const STATE: u64 = 12;
pub(super) const DONE: u64 = 16;
pub(super) const WANTED: u64 = 24;
pub(super) const OWNER_TOKEN: u64 = 32;
pub(super) const WOKEN: u64 = 36;
pub(super) const PLACES: u64 = 64;
/// So many of them; on a machine with more processors several share a word.
pub(super) const PLACES_COUNT: u64 = 64;
const ROWS: u64 = PLACES + PLACES_COUNT * 8;
const ROW: u64 = 64;

pub(super) const R_PID: u64 = 0;
pub(super) const R_TASK: u64 = 8;
pub(super) const R_SINCE: u64 = 16;
pub(super) const R_DONE: u64 = 24;
pub(super) const R_WORKING: u64 = 32;
pub(super) const R_WAITING: u64 = 40;
pub(super) const R_LEAVE: u64 = 48;
pub(super) const R_START: u64 = 56;

// State 0: workers go on.
/// Workers end when they find nothing.
pub(super) const DRAIN: u32 = 1;
/// Workers end after the task they are at.
pub(super) const STOP: u32 = 2;

pub(super) const SLICE: Duration = Duration::from_millis(50);

/// What is known of one worker. Times are nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its process, 0 before it has come up.
    pub pid: u64,
    /// `batch number << 32 | task`, plus one, of the task it is at; 0 when it is at none.
    pub task: u64,
    /// Since when it is at that task, or has been idle.
    pub since: u64,
    /// How many tasks it has finished.
    pub done: u64,
    /// How long it has worked on finished tasks.
    pub working: u64,
    /// How long it has waited for tasks that came.
    pub waiting: u64,
    /// When it came up.
    pub started: u64,
}

/// The shared part of a pool.
pub struct RawBoard<H: Host = Real> {
    pub(super) queue: RawList<H>,
    words: RawBuffer<H>,
    pub(super) at: u64,
    rows: u64,
}

impl<H: Host> core::fmt::Debug for RawBoard<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RawBoard")
            .field("queue", &self.queue)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<H: Host> Clone for RawBoard<H> {
    fn clone(&self) -> Self {
        RawBoard {
            queue: self.queue.clone(),
            words: self.words.clone(),
            ..*self
        }
    }
}

impl<H: Host> RawBoard<H> {
    /// A board without batches, with a row for each of `rows` workers, owned by this process.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>, rows: u64) -> Result<Self> {
        let words = RawBuffer::create(heap, ROWS + rows.saturating_mul(ROW), 0)?;
        let queue = RawList::create(heap)?;
        queue.push(&mut heap.prepare_object(words.object())?)?;
        let board = RawBoard {
            at: words.start(),
            queue,
            words,
            rows,
        };
        let token = heap.local()?.token;
        let host = board.host();
        host.store32(board.at + OWNER_TOKEN, token, Ordering::Release);
        host.store64(board.at + WANTED, u64::MAX, Ordering::Release);
        Ok(board)
    }

    /// The board that a handle leads to.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`], [`Error::Corrupt`] when it is something else.
    pub fn from_object(object: ObjectRef<H>) -> Result<Self> {
        let queue = RawList::from_object(object)?;
        let words = first_buffer(&queue)?;
        let Some(rest) = (words.len() as u64).checked_sub(ROWS) else {
            return Err(Error::corrupt(words.start(), "a pool without its words"));
        };
        Ok(RawBoard {
            at: words.start(),
            rows: rest / ROW,
            queue,
            words,
        })
    }

    /// The handle.
    pub fn object(&self) -> &ObjectRef<H> {
        self.queue.object()
    }

    pub(super) fn heap(&self) -> &Heap<H> {
        self.queue.object().heap()
    }

    pub(super) fn host(&self) -> &H {
        self.heap().host()
    }

    /// How many workers have room.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn row(&self, worker: u32) -> u64 {
        self.at + ROWS + u64::from(worker) % self.rows.max(1) * ROW
    }

    // ---- the owner -------------------------------------------------------------------------

    /// Lets workers find a batch, after all that are there.
    ///
    /// # Errors
    /// As every operation on a list.
    pub fn publish(&self, batch: &RawBatch<H>) -> Result<()> {
        let mut entry = self.heap().prepare_object(batch.object())?;
        self.queue.push(&mut entry)
    }

    /// Takes the batch at `place`, counted from 0, out again.
    ///
    /// # Errors
    /// As every operation on a list.
    pub fn retire(&self, place: usize) -> Result<()> {
        self.queue.remove(place as isize + 1)
    }

    /// Wakes up to `n` idle workers: there is something to find.
    pub fn ring(&self, n: u32) {
        let host = self.host();
        host.add32(self.at + BELL, 1);
        host.fence();
        if host.load32(self.at + SLEEPERS, Ordering::SeqCst) != 0 {
            host.store32(self.at + WOKEN, n, Ordering::Release);
            host.futex_wake(self.at + BELL, n);
        }
    }

    /// How many tasks workers have finished, as far as they came to count them.
    pub fn done(&self) -> u64 {
        self.host().load64(self.at + DONE, Ordering::Acquire)
    }

    /// Waits until [`RawBoard::done`] has reached `wanted`, or somebody calls
    /// [`RawBoard::disturb`], at most `timeout`. For one thread of the owner at a time.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait, and what its check says.
    pub fn wait(&self, wanted: u64, timeout: Duration) -> Result<()> {
        let host = self.host();
        let heard = host.load32(self.at + HEARD, Ordering::Acquire);
        host.store64(self.at + WANTED, wanted, Ordering::Release);
        host.fence();
        let mut left = timeout;
        let started = host.now();
        loop {
            if self.done() >= wanted || left.is_zero() {
                break;
            }
            if host.load32(self.at + HEARD, Ordering::Acquire) != heard {
                break;
            }
            if !lock::waiting_allowed() {
                return Err(Error::WouldBlock);
            }
            host.futex_wait(self.at + HEARD, heard, left.min(SLICE));
            lock::check()?;
            left = timeout.saturating_sub(host.now().saturating_sub(started));
        }
        host.store64(self.at + WANTED, u64::MAX, Ordering::Release);
        Ok(())
    }

    /// Ends a [`RawBoard::wait`] of another thread, or the next one.
    pub fn disturb(&self) {
        self.host().add32(self.at + HEARD, 1);
        self.host().futex_wake(self.at + HEARD, u32::MAX >> 1);
    }

    /// Has workers end when they find nothing more.
    pub fn drain(&self) {
        self.set_state(DRAIN);
    }

    /// Has workers end after the task they are at.
    pub fn stop(&self) {
        self.set_state(STOP);
    }

    fn set_state(&self, state: u32) {
        self.host()
            .store32(self.at + STATE, state, Ordering::Release);
        self.ring(u32::MAX >> 1);
    }

    /// Has one worker end after the task it is at.
    pub fn dismiss(&self, worker: u32) {
        self.host()
            .store64(self.row(worker) + R_LEAVE, 1, Ordering::Release);
        self.ring(u32::MAX >> 1);
    }

    /// Empties a worker's row, for one that is about to be started.
    pub fn reset(&self, worker: u32) {
        for word in 0..ROW / 8 {
            let at = self.row(worker) + word * 8;
            self.host().store64(at, 0, Ordering::Release);
        }
    }

    /// What is known of a worker.
    pub fn look(&self, worker: u32) -> Row {
        let get = |at| self.host().load64(self.row(worker) + at, Ordering::Acquire);
        Row {
            pid: get(R_PID),
            task: get(R_TASK),
            since: get(R_SINCE),
            done: get(R_DONE),
            working: get(R_WORKING),
            waiting: get(R_WAITING),
            started: get(R_START),
        }
    }

    /// Now, on the clock of [`Row`].
    pub fn now(&self) -> u64 {
        nanoseconds(self.host().now())
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
