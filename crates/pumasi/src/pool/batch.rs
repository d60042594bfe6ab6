//! A batch: tasks for one function, in the order in which they were added.
//!
//! ```text
//! words: head | count | number | mode | spare ... | from 64: state per task | finished, 1 bit each
//! state: step(8) spare(24) worker(32)
//! ```
//!
//! POOL-1 is what the states promise, POOL-2 what the rest does not. The owner alone adds, and it
//! publishes a task by its state (Release), which the claim reads (Acquire). A result is published
//! by the state as well, after the list has stored it.
//!
//! If a worker dies: a task it had TAKEN stays TAKEN by it until the owner settles it; one whose
//! result was stored before the state had changed is done again or reported as lost, for nobody
//! can tell. If it died between the state and the bit, `orphaned` sets the bit.

use core::sync::atomic::Ordering;

use crate::containers::{RawBuffer, RawList};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::cell::Cell;
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::value::{Fetch, Prepared};
use crate::sys::{Host, Real};

const HEAD: u64 = 0;
const COUNT: u64 = 8;
const NUMBER: u64 = 16;
const MODE: u64 = 24;
const STATES: u64 = 64;

/// Cells of the list that are no tasks: the words, and the function.
const RESERVED: u64 = 2;

const READY: u64 = 1 << 56;
const TAKEN: u64 = 2 << 56;
const RETURNED: u64 = 3 << 56;
const RAISED: u64 = 4 << 56;
const SETTLED: u64 = 5 << 56;
const STEP: u64 = 0xff << 56;
const WORKER: u64 = 0xffff_ffff;

/// How a task ended in its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Returned,
    /// With an exception.
    Raised,
}

/// Tasks for one function.
pub struct RawBatch<H: Host = Real> {
    cells: RawList<H>,
    words: RawBuffer<H>,
    at: u64,
    capacity: u64,
}

impl<H: Host> core::fmt::Debug for RawBatch<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RawBatch")
            .field("cells", &self.cells)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl<H: Host> Clone for RawBatch<H> {
    fn clone(&self) -> Self {
        RawBatch {
            cells: self.cells.clone(),
            words: self.words.clone(),
            at: self.at,
            capacity: self.capacity,
        }
    }
}

fn words_for(capacity: u64) -> u64 {
    capacity
        .saturating_add(capacity.div_ceil(64))
        .saturating_mul(8)
        .saturating_add(STATES)
}

impl<H: Host> RawBatch<H> {
    /// An empty batch with room for `capacity` tasks. `number` and `mode` are the caller's, for
    /// the workers to read.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(
        heap: &Heap<H>,
        capacity: u64,
        number: u64,
        mode: u64,
        function: Prepared<'_, H>,
    ) -> Result<Self> {
        let words = RawBuffer::create(heap, words_for(capacity), 0)?;
        let cells = RawList::create(heap)?;
        let mut first = [heap.prepare_object(words.object())?, function];
        cells.extend(&mut first)?;
        let batch = RawBatch {
            at: words.start(),
            cells,
            words,
            capacity,
        };
        batch.store(NUMBER, number);
        batch.store(MODE, mode);
        Ok(batch)
    }

    /// The batch that a handle leads to.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`], [`Error::Corrupt`] when it is something else.
    pub fn from_object(object: ObjectRef<H>) -> Result<Self> {
        let cells = RawList::from_object(object)?;
        let words = first_buffer(&cells)?;
        let len = words.len() as u64;
        // 64 tasks take 65 words.
        let rest = len.checked_sub(STATES).map(|rest| rest / 8);
        let capacity = rest.map(|words| words - words.div_ceil(65));
        let Some(capacity) = capacity.filter(|&n| words_for(n) <= len) else {
            return Err(Error::corrupt(words.start(), "a batch without its words"));
        };
        Ok(RawBatch {
            at: words.start(),
            cells,
            words,
            capacity,
        })
    }

    /// The handle.
    pub fn object(&self) -> &ObjectRef<H> {
        self.cells.object()
    }

    fn host(&self) -> &H {
        self.words.object().heap().host()
    }

    fn load(&self, at: u64) -> u64 {
        self.host().load64(self.at + at, Ordering::Acquire)
    }

    fn store(&self, at: u64, value: u64) {
        self.host().store64(self.at + at, value, Ordering::Release);
    }

    fn state(&self, task: u64) -> u64 {
        self.at + STATES + task * 8
    }

    /// The word with the task's bit among the finished ones, and the bit.
    fn bit(&self, task: u64) -> (u64, u64) {
        let at = self.at + STATES + (self.capacity + task / 64) * 8;
        (at, 1 << (task % 64))
    }

    /// The number given by its maker.
    pub fn number(&self) -> u64 {
        self.load(NUMBER)
    }

    /// What its maker noted about its tasks.
    pub fn mode(&self) -> u64 {
        self.load(MODE)
    }

    /// How many tasks it has room for.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// How many tasks were added.
    pub fn count(&self) -> u64 {
        self.load(COUNT).min(self.capacity)
    }

    fn check(&self, task: u64) -> Result<()> {
        if task < self.capacity {
            return Ok(());
        }
        Err(Error::IndexOutOfRange { what: "batch" })
    }

    // ---- the owner -------------------------------------------------------------------------

    /// Adds tasks, which workers may find from then on; the number of the first. One process and
    /// thread at a time.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] when there is no room, [`Error::OutOfMemory`], and as every
    /// operation on a list; the arguments stay with the caller.
    pub fn add(&self, arguments: &mut [Prepared<'_, H>]) -> Result<u64> {
        let first = self.count();
        let more = arguments.len() as u64;
        if more > self.capacity - first {
            return Err(Error::IndexOutOfRange { what: "batch" });
        }
        self.cells.extend(arguments)?;
        for task in first..first + more {
            self.host()
                .store64(self.state(task), READY, Ordering::Release);
        }
        self.store(COUNT, first + more);
        Ok(first)
    }

    /// The tasks that were finished since the last call, as far as their bits say.
    pub fn finished(&self, mut each: impl FnMut(u64)) {
        let words = self.count().div_ceil(64);
        for word in 0..words {
            let (at, _) = self.bit(word * 64);
            if self.host().load64(at, Ordering::Acquire) == 0 {
                continue;
            }
            let mut bits = self.host().and64(at, 0);
            while bits != 0 {
                each(word * 64 + u64::from(bits.trailing_zeros()));
                bits &= bits - 1;
            }
        }
    }

    /// Settles a finished task; how it ended, or `None` when it is not finished or was settled
    /// before. Its result stays until [`RawBatch::clear`].
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`].
    pub fn settle(&self, task: u64) -> Result<Option<Outcome>> {
        self.check(task)?;
        let word = self.host().load64(self.state(task), Ordering::Acquire);
        let outcome = match word & STEP {
            RETURNED => Outcome::Returned,
            RAISED => Outcome::Raised,
            _ => return Ok(None),
        };
        let swapped = self.host().cas64(self.state(task), word, SETTLED);
        Ok(swapped.is_ok().then_some(outcome))
    }

    /// Settles a task that nobody has begun; false when somebody has.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`].
    pub fn cancel(&self, task: u64) -> Result<bool> {
        self.check(task)?;
        Ok(self.host().cas64(self.state(task), READY, SETTLED).is_ok())
    }

    /// Settles a task that `worker` is doing: what it puts there later is not looked at.
    /// False when it is not doing it.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`].
    pub fn give_up(&self, task: u64, worker: u32) -> Result<bool> {
        self.check(task)?;
        let taken = TAKEN | u64::from(worker);
        Ok(self.host().cas64(self.state(task), taken, SETTLED).is_ok())
    }

    /// Settles and names the tasks that a dead worker had begun, and sees to it that
    /// [`RawBatch::finished`] names those which it had finished.
    pub fn orphaned(&self, worker: u32) -> Vec<u64> {
        let mut lost = Vec::new();
        for task in 0..self.count() {
            let word = self.host().load64(self.state(task), Ordering::Acquire);
            if word & WORKER != u64::from(worker) {
                continue;
            }
            match word & STEP {
                TAKEN if self.host().cas64(self.state(task), word, SETTLED).is_ok() => {
                    lost.push(task);
                }
                RETURNED | RAISED => {
                    let (at, bit) = self.bit(task);
                    self.host().or64(at, bit);
                }
                _ => {}
            }
        }
        lost
    }

    /// The arguments of a task, or its result.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], and as every operation on a list.
    #[inline]
    pub fn get(&self, task: u64, out: &mut Fetch<H>) -> Result<Cell> {
        self.cells.get((task + RESERVED) as isize, out)
    }

    /// Gives back what the task's cell holds.
    ///
    /// # Errors
    /// As [`RawBatch::get`].
    pub fn clear(&self, task: u64) -> Result<()> {
        let heap = self.object().heap();
        let mut nothing = Prepared::inline(heap, Cell::NONE);
        self.cells.set((task + RESERVED) as isize, &mut nothing)
    }

    // ---- the workers -----------------------------------------------------------------------

    /// The function.
    ///
    /// # Errors
    /// As [`RawBatch::get`].
    pub fn function(&self, out: &mut Fetch<H>) -> Result<Cell> {
        self.cells.get(1, out)
    }

    /// Takes the first task that nobody has begun.
    pub fn claim(&self, worker: u32) -> Option<u64> {
        let host = self.host();
        let from = self.load(HEAD);
        let count = self.count();
        for task in from..count {
            let state = self.state(task);
            if host.load64(state, Ordering::Acquire) == READY
                && host.cas64(state, READY, TAKEN | u64::from(worker)).is_ok()
            {
                // Only if nobody has moved it: it may lag behind, and never runs ahead.
                let _ = host.cas64(self.at + HEAD, from, task + 1);
                return Some(task);
            }
        }
        if from < count {
            let _ = host.cas64(self.at + HEAD, from, count);
        }
        None
    }

    /// Puts the result of a task that `worker` has taken in place; false when the owner has given
    /// the task up meanwhile.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as every operation on a list; the task stays taken and the
    /// value with the caller.
    pub fn finish(
        &self,
        task: u64,
        worker: u32,
        outcome: Outcome,
        value: &mut Prepared<'_, H>,
    ) -> Result<bool> {
        self.check(task)?;
        let (host, state) = (self.host(), self.state(task));
        let taken = TAKEN | u64::from(worker);
        if host.load64(state, Ordering::Acquire) != taken {
            return Ok(false);
        }
        self.cells.set((task + RESERVED) as isize, value)?;
        let done = match outcome {
            Outcome::Returned => RETURNED,
            Outcome::Raised => RAISED,
        };
        if host.cas64(state, taken, done | u64::from(worker)).is_err() {
            return Ok(false);
        }
        let (at, bit) = self.bit(task);
        host.or64(at, bit);
        Ok(true)
    }
}

/// The buffer that the first cell of a list leads to.
pub(super) fn first_buffer<H: Host>(cells: &RawList<H>) -> Result<RawBuffer<H>> {
    let mut out = Fetch::new();
    cells.get(0, &mut out)?;
    match out.take_object() {
        Some(object) if object.kind() == Kind::Buffer => RawBuffer::from_object(object),
        _ => Err(Error::corrupt(
            cells.object().offset(),
            "a pool or batch without its words",
        )),
    }
}
