//! The board of a pool: where workers learn of batches, and the owner of finished tasks.
//!
//! ```text
//! words: bell(32) sleepers(32) | heard(32) state(32) | done | wanted | owner(32) |
//!        from 64, 64 bytes for each worker: see `Row`
//! ```
//!
//! The owner appends a batch to the list and *rings*: it changes `bell`, which idle workers sleep
//! at. A worker counts a finished task in `done` and wakes the owner, by changing `heard`, once
//! that has reached what the owner has said it wants: one wake for a thousand results, if the
//! owner waits for a thousand. All of these are hints (POOL-2); what a killed worker has not
//! counted, or a killed sleeper leaves counted, costs the owner or a releaser a look more.

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::containers::{ItemRef, RawBuffer, RawList, Slice};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::lock;
use crate::heap::object::ObjectRef;
use crate::heap::participant::Fate;
use crate::heap::value::Prepared;
use crate::pool::batch::{Outcome, RawBatch, first_buffer};
use crate::sys::{Host, Real};

const BELL: u64 = 0;
const SLEEPERS: u64 = 4;
const HEARD: u64 = 8;
const STATE: u64 = 12;
const DONE: u64 = 16;
const WANTED: u64 = 24;
const OWNER_TOKEN: u64 = 32;
const ROWS: u64 = 64;
const ROW: u64 = 64;

const R_PID: u64 = 0;
const R_TASK: u64 = 8;
const R_SINCE: u64 = 16;
const R_DONE: u64 = 24;
const R_WORKING: u64 = 32;
const R_WAITING: u64 = 40;
const R_LEAVE: u64 = 48;
const R_START: u64 = 56;

// State 0: workers go on.
/// Workers end when they find nothing.
const DRAIN: u32 = 1;
/// Workers end after the task they are at.
const STOP: u32 = 2;

const SLICE: Duration = Duration::from_millis(50);

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
    queue: RawList<H>,
    words: RawBuffer<H>,
    at: u64,
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

    fn heap(&self) -> &Heap<H> {
        self.queue.object().heap()
    }

    fn host(&self) -> &H {
        self.heap().host()
    }

    /// How many workers have room.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn row(&self, worker: u32) -> u64 {
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

/// A task that a worker has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number in the batch.
    pub task: u64,
    /// Whether the batch is another one than that of the task before.
    pub new_batch: bool,
}

/// A worker of a pool, in its process.
pub struct RawWorker<H: Host = Real> {
    board: RawBoard<H>,
    id: u32,
    batch: Option<RawBatch<H>>,
    /// What the bell was when nothing was found anywhere.
    searched: Option<u32>,
    /// Since when it works, or is idle.
    since: u64,
}

impl<H: Host> core::fmt::Debug for RawWorker<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RawWorker")
            .field("id", &self.id)
            .field("board", &self.board)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

impl<H: Host> RawWorker<H> {
    /// The worker `id`, which notes in its row that it has come up.
    pub fn new(board: RawBoard<H>, id: u32) -> Self {
        let host = board.host();
        let since = board.now();
        let row = board.row(id);
        host.store64(row + R_START, since, Ordering::Release);
        host.store64(row + R_SINCE, since, Ordering::Release);
        let pid = u64::from(host.identity().pid);
        host.store64(row + R_PID, pid, Ordering::Release);
        RawWorker {
            board,
            id,
            batch: None,
            searched: None,
            since,
        }
    }

    /// The batch of the last task.
    pub fn batch(&self) -> Option<&RawBatch<H>> {
        self.batch.as_ref()
    }

    /// Takes the next task; waits for one. `None` when this worker is to end: the pool has ended
    /// or has no more for it, or its owner has died.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait, and what its check says.
    pub fn take(&mut self) -> Result<Option<Found>> {
        let (at, row) = (self.board.at, self.board.row(self.id));
        loop {
            let host = self.board.host();
            let state = host.load32(at + STATE, Ordering::Acquire);
            if state == STOP || host.load64(row + R_LEAVE, Ordering::Acquire) != 0 {
                return Ok(None);
            }
            let bell = host.load32(at + BELL, Ordering::Acquire);
            if let Some(found) = self.search(bell)? {
                self.begin(row, found);
                return Ok(Some(found));
            }
            if state == DRAIN {
                return Ok(None);
            }
            if !lock::waiting_allowed() {
                return Err(Error::WouldBlock);
            }
            let host = self.board.host();
            host.add32(at + SLEEPERS, 1);
            // Whoever rings from here on sees a sleeper; a ring before ends the sleep at once.
            host.futex_wait(at + BELL, bell, SLICE);
            host.add32(at + SLEEPERS, 1u32.wrapping_neg());
            lock::check()?;
            if host.load32(at + BELL, Ordering::Acquire) == bell {
                let owner = host.load32(at + OWNER_TOKEN, Ordering::Acquire);
                if self.board.heap().fate(owner) != Fate::Holds {
                    return Ok(None);
                }
            }
        }
    }

    fn begin(&mut self, row: u64, found: Found) {
        let (host, now) = (self.board.host(), self.board.now());
        let number = self.batch.as_ref().map_or(0, RawBatch::number);
        let waited =
            host.load64(row + R_WAITING, Ordering::Relaxed) + now.saturating_sub(self.since);
        host.store64(row + R_WAITING, waited, Ordering::Relaxed);
        host.store64(row + R_SINCE, now, Ordering::Release);
        host.store64(
            row + R_TASK,
            (number << 32 | found.task) + 1,
            Ordering::Release,
        );
        self.since = now;
    }

    fn search(&mut self, bell: u32) -> Result<Option<Found>> {
        if let Some(task) = self.batch.as_ref().and_then(|batch| batch.claim(self.id)) {
            return Ok(Some(Found {
                task,
                new_batch: false,
            }));
        }
        if self.searched == Some(bell) {
            return Ok(None);
        }
        // The first of them, and if that does not do, more of them each time, from the first on:
        // a look at several is a look at one moment (POOL-4).
        let mut looked_at = 1;
        loop {
            let several = self.board.queue.get_slice(Slice {
                start: Some(1),
                stop: Some(1 + looked_at),
                step: 1,
            })?;
            for item in several.iter() {
                let ItemRef::Object(object) = item else {
                    return Err(Error::corrupt(self.board.at, "a pool without its batches"));
                };
                let batch = RawBatch::from_object(object.clone())?;
                if let Some(task) = batch.claim(self.id) {
                    let before = self.batch.replace(batch);
                    let new_batch = before.is_none_or(|b| b.object().token() != object.token());
                    return Ok(Some(Found { task, new_batch }));
                }
            }
            if several.len() < looked_at as usize {
                break;
            }
            looked_at *= 8;
        }
        // The batch is let go of, so that its memory goes back when the owner is done with it.
        self.batch = None;
        self.searched = Some(bell);
        Ok(None)
    }

    /// Puts the result of the task in place and wakes the owner if it waits for so many; false
    /// when the owner has given the task up.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as every operation on a list; the task stays taken and the
    /// value with the caller.
    pub fn finish(
        &mut self,
        task: u64,
        outcome: Outcome,
        value: &mut Prepared<'_, H>,
    ) -> Result<bool> {
        let Some(batch) = &self.batch else {
            return Err(Error::IndexOutOfRange { what: "batch" });
        };
        let counted = batch.finish(task, self.id, outcome, value)?;
        let (host, row) = (self.board.host(), self.board.row(self.id));
        let now = self.board.now();
        let add = |at, n| {
            let sum = host.load64(row + at, Ordering::Relaxed) + n;
            host.store64(row + at, sum, Ordering::Relaxed);
        };
        add(R_DONE, 1);
        add(R_WORKING, now.saturating_sub(self.since));
        host.store64(row + R_TASK, 0, Ordering::Release);
        host.store64(row + R_SINCE, now, Ordering::Release);
        self.since = now;
        if counted {
            let at = self.board.at;
            let done = host.add64(at + DONE, 1) + 1;
            let wanted = host.load64(at + WANTED, Ordering::SeqCst);
            // Of several that reach it one wakes.
            if done >= wanted && host.cas64(at + WANTED, wanted, u64::MAX).is_ok() {
                self.board.disturb();
            }
        }
        Ok(counted)
    }
}
