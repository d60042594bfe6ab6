//! A worker of a pool: how it finds its tasks, and a processor of its own.

use core::sync::atomic::Ordering;

use crate::containers::{ItemRef, Slice};
use crate::error::{Error, Result};
use crate::heap::lock;
use crate::heap::participant::Fate;
use crate::heap::value::Prepared;
use crate::pool::batch::{Outcome, RawBatch};
use crate::pool::board::{
    BELL, DONE, DRAIN, OWNER_TOKEN, PLACES, PLACES_COUNT, R_DONE, R_LEAVE, R_PID, R_SINCE, R_START,
    R_TASK, R_WAITING, R_WORKING, RawBoard, SLEEPERS, SLICE, STATE, STOP, WANTED, WOKEN,
};
use crate::sys::{Host, Real};

/// Milliseconds for which a worker is taken to be where it began.
const RECENT: u32 = 4;

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
        let mut slept = false;
        loop {
            let host = self.board.host();
            let state = host.load32(at + STATE, Ordering::Acquire);
            if state == STOP || host.load64(row + R_LEAVE, Ordering::Acquire) != 0 {
                return Ok(None);
            }
            let bell = host.load32(at + BELL, Ordering::Acquire);
            if let Some(found) = self.search(bell)? {
                if slept {
                    self.find_place();
                }
                self.begin(row, found);
                if slept {
                    self.let_others_begin();
                }
                return Ok(Some(found));
            }
            if state == DRAIN {
                return Ok(None);
            }
            if !lock::waiting_allowed() {
                return Err(Error::WouldBlock);
            }
            let host = self.board.host();
            slept = true;
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

    /// Notes at its processor that it begins there after a sleep. If another worker did so a moment
    /// ago, it goes where none did: two that are woken on one processor share it for some 10 ms,
    /// until the kernel looks at whether others are idle.
    #[cold]
    #[inline(never)]
    fn find_place(&self) {
        let host = self.board.host();
        let now = (self.board.now() / 1_000_000) as u32;
        let mut here = host.processor();
        if self.is_taken(here, now) {
            host.change_processor(|other| !self.is_taken(other, now));
            here = host.processor();
        }
        let note = u64::from(now) << 32 | (u64::from(self.id) + 1);
        host.store64(self.place(here), note, Ordering::Release);
    }

    /// Where the notes at a processor are.
    fn place(&self, processor: usize) -> u64 {
        self.board.at + PLACES + processor as u64 % PLACES_COUNT * 8
    }

    /// Whether another worker has begun at a processor a moment ago, and is at a task. Times are
    /// milliseconds.
    fn is_taken(&self, processor: usize, now: u32) -> bool {
        let (host, board) = (self.board.host(), &self.board);
        let note = host.load64(self.place(processor), Ordering::Acquire);
        let (then, worker) = ((note >> 32) as u32, note as u32);
        worker != 0
            && worker - 1 != self.id
            && now.wrapping_sub(then) <= RECENT
            && host.load64(board.row(worker - 1) + R_TASK, Ordering::Acquire) != 0
    }

    /// Lets those who were woken with it and wait for its processor see that it is there.
    #[cold]
    #[inline(never)]
    fn let_others_begin(&self) {
        let (host, at) = (self.board.host(), self.board.at);
        if host.load32(at + WOKEN, Ordering::Acquire) > 1
            && host.load32(at + SLEEPERS, Ordering::Acquire) > 0
        {
            host.give_way();
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

#[cfg(test)]
mod tests {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use super::*;
    use crate::heap::Heap;

    #[test]
    fn a_processor_is_taken_while_another_worker_that_began_there_is_at_a_task() {
        let heap = Heap::builder().create().unwrap();
        let board = RawBoard::create(&heap, 2).unwrap();
        let [mut first, second] = [0, 1].map(|id| RawWorker::new(board.clone(), id));
        let taken = |worker: &RawWorker, now| worker.is_taken(5, now);
        assert!(!taken(&second, 0), "nobody was there");
        let then = u32::MAX - 1;
        let note = u64::from(then) << 32 | 1;
        board
            .host()
            .store64(first.place(5), note, Ordering::Release);
        assert!(!taken(&second, then), "who was there is at no task");
        let found = Found {
            task: 0,
            new_batch: true,
        };
        first.begin(board.row(0), found);
        assert!(taken(&second, then));
        assert!(!taken(&first, then), "that is oneself");
        assert!(!second.is_taken(6, then), "another processor");
        // Where the time begins anew.
        assert!(taken(&second, then.wrapping_add(RECENT)));
        assert!(!taken(&second, then.wrapping_add(RECENT + 1)));
        assert!(!taken(&second, then - 1), "before it");
    }

    #[test]
    fn who_begins_notes_where() {
        let heap = Heap::builder().create().unwrap();
        let board = RawBoard::create(&heap, 2).unwrap();
        let worker = RawWorker::new(board.clone(), 1);
        worker.find_place();
        let notes: Vec<u64> = (0..64)
            .map(|cpu| board.host().load64(worker.place(cpu), Ordering::Acquire) & 0xffff_ffff)
            .filter(|&worker| worker != 0)
            .collect();
        assert_eq!(notes, [2]);
    }

    #[test]
    fn who_changes_the_processor_may_use_the_same_ones_afterwards() {
        let heap = Heap::builder().create().unwrap();
        let allowed = sched_getaffinity(None).unwrap();
        let mut one = CpuSet::new();
        let first = (0..CpuSet::MAX_CPU)
            .find(|&cpu| allowed.is_set(cpu))
            .unwrap();
        one.set(first);
        sched_setaffinity(None, &one).unwrap();
        heap.host().change_processor(|cpu| cpu != first);
        assert!(sched_getaffinity(None).unwrap() == one, "was pinned");
        assert_eq!(heap.host().processor(), first);
        sched_setaffinity(None, &allowed).unwrap();
        heap.host().change_processor(|cpu| cpu != first);
        assert!(sched_getaffinity(None).unwrap() == allowed);
        heap.host().change_processor(|_| false);
        assert!(sched_getaffinity(None).unwrap() == allowed);
    }
}
