//! RwLock: many who read or one who writes.
//!
//! Each participant has a cell, how often its threads read, in a node of its own; 128 of them lie
//! in 128 different cache lines, so that readers of different processes write to nothing in
//! common. The user word of the header (`O_USER`) names the writer, and `O_DEPTH` is 1 while it
//! writes. A reader raises its cell and then looks for a writer; a writer puts its name there and
//! then waits until all cells are 0 (SYNC-7). Between the two lies a fence on both sides, so that
//! at least one sees the other.
//!
//! A writer keeps new readers out from the moment at which its name stands there, so that readers
//! cannot starve it. A reader that finds a name there lowers its cell, waits for the word in the
//! same queue as the writers do, raises its cell and passes the word on, so that writers cannot
//! starve it either.
//!
//! A dead reader's cell is emptied with its estate, for which a writer that waits asks. The word
//! of a dead writer is taken over as that of a Lock; only if it had begun to write is that news,
//! and the news stays until somebody writes, for those who read cannot mend anything.

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::layout::{
    BUFFER_DATA, MAX_PARTICIPANTS, O_DEPTH, O_ROOT, O_THREAD, O_USER, OWNER, reader_cell,
};
use crate::heap::lock::{Rule, Taken};
use crate::heap::node::Form;
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::{Local, cell::Cell};
use crate::observer::Op;
use crate::sync::Acquired;
use crate::sync::lock::face;
use crate::sync::semaphore::wait_at;
use crate::sys::{Host, Real};

/// A lock that many may hold to read, or one to write.
pub struct RawRwLock<H: Host = Real> {
    object: ObjectRef<H>,
}

face!(RawRwLock, Kind::RwLock);

/// A writer that keeps new readers out and has not begun: made by [`RawRwLock::announce`], given
/// up with [`RawRwLock::withdraw`].
#[derive(Debug)]
#[must_use = "readers wait for it until it has written or is withdrawn"]
pub struct Announced {
    /// The process's, as it stands in the word.
    token: u32,
}

impl<H: Host> RawRwLock<H> {
    /// A free lock.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>) -> Result<Self> {
        let local = heap.local()?;
        let bytes = BUFFER_DATA + MAX_PARTICIPANTS * 8;
        let node = heap.new_node(local, Form::Data, MAX_PARTICIPANTS, bytes)?;
        heap.host()
            .zero_words(node.block.off + BUFFER_DATA, MAX_PARTICIPANTS);
        let root = (node.cell(), node.block);
        node.used();
        Ok(RawRwLock {
            object: heap.create_object(Kind::RwLock, 0, Some(root), 0)?,
        })
    }

    fn cells(&self) -> Result<u64> {
        let heap = self.heap();
        let root = heap.resolve(Cell(heap.get(self.at(O_ROOT))))?;
        match heap.node(root.off)? {
            (Form::Data, n) if n >= MAX_PARTICIPANTS => Ok(root.off + BUFFER_DATA),
            _ => Err(Error::corrupt(root.off, "not the cells of a lock")),
        }
    }

    fn writer(&self) -> u32 {
        let host = self.heap().host();
        host.load32(self.at(O_USER), Ordering::Acquire) & OWNER
    }

    /// Acquires to read, waiting at most `timeout` (`None`: for ever) for a writer to be done.
    /// The death of a writer ends the wait within 50 ms; all who read after it are told, until
    /// somebody writes.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait, and what its check says.
    #[inline]
    pub fn acquire_read(&self, timeout: Option<Duration>) -> Result<Acquired> {
        let told = self.object.before(Op::Acquire);
        let heap = self.heap();
        let local = heap.local()?;
        let cell = self.cells()? + reader_cell(local.slot);
        self.enter_as_reader(cell);
        if self.writer() == 0 {
            self.object.after(told, false);
            return Ok(self.news());
        }
        self.lower(cell);
        let taken = heap.take_contended(local, self.at(O_USER), timeout, Rule::Internal)?;
        if taken != Taken::TimedOut {
            self.taken_over(taken);
            self.enter_as_reader(cell);
            heap.give(local, self.at(O_USER));
        }
        self.object.after(told, true);
        if let Taken::FromDead(slot, _) = taken {
            heap.settle(slot);
        }
        Ok(if taken == Taken::TimedOut {
            Acquired::No
        } else {
            self.news()
        })
    }

    fn enter_as_reader(&self, cell: u64) {
        let host = self.heap().host();
        host.add64(cell, 1);
        // SYNC-7: first our share, then the look for a writer.
        host.fence();
    }

    fn news(&self) -> Acquired {
        self.heap()
            .word_of_death(self.object.offset())
            .map_or(Acquired::Yes, Acquired::Abandoned)
    }

    /// The word is ours now: one who died with it, or whom others have settled since, may have
    /// left the mark of a writer.
    fn taken_over(&self, taken: Taken) {
        let host = self.heap().host();
        if host.load32(self.at(O_DEPTH), Ordering::Relaxed) == 0 {
            return;
        }
        if let Taken::FromDead(_, death) = taken {
            self.heap().note_death(self.object.offset(), death);
        }
        host.store32(self.at(O_DEPTH), 0, Ordering::Release);
    }

    /// Lowers a cell that is not 0, and tells a writer that may wait for it.
    fn lower(&self, cell: u64) -> bool {
        let host = self.heap().host();
        let mut share = host.load64(cell, Ordering::Relaxed);
        loop {
            if share == 0 {
                return false;
            }
            match host.cas64(cell, share, share - 1) {
                Ok(_) => break,
                Err(found) => share = found,
            }
        }
        // SYNC-7: the writer names itself and then looks at the cells, we the other way round.
        host.fence();
        if share == 1 && self.writer() != 0 && host.load32(self.at(O_DEPTH), Ordering::Acquire) == 0
        {
            host.add32(self.at(O_THREAD), 1);
            host.futex_wake(self.at(O_THREAD), 1);
        }
        true
    }

    /// Gives up reading once.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when no thread of this process reads.
    #[inline]
    pub fn release_read(&self) -> Result<()> {
        let told = self.object.before(Op::Release);
        let local = self.heap().local()?;
        if !self.lower(self.cells()? + reader_cell(local.slot)) {
            return Err(Error::NotHeld {
                what: "release_read() of a lock that this process does not read",
            });
        }
        self.object.after(told, false);
        Ok(())
    }

    /// Acquires to write, waiting at most `timeout` (`None`: for ever) for all others to be done.
    /// The death of one of them ends the wait for it within 50 ms.
    ///
    /// # Errors
    /// As [`RawRwLock::acquire_read`].
    pub fn acquire_write(&self, timeout: Option<Duration>) -> Result<Acquired> {
        let told = self.object.before(Op::Acquire);
        let heap = self.heap();
        let host = heap.host();
        let local = heap.local()?;
        let cells = self.cells()?;
        let begin = timeout.map(|_| host.now());
        let mut estate = None;
        let free = heap.try_take(local, self.at(O_USER));
        let taken = if free {
            Taken::Ours
        } else {
            heap.take_contended(local, self.at(O_USER), timeout, Rule::Internal)?
        };
        match taken {
            Taken::TimedOut => {
                self.object.after(told, true);
                return Ok(Acquired::No);
            }
            Taken::FromDead(slot, _) => estate = Some(slot),
            Taken::Ours => {}
        }
        self.taken_over(taken);
        let reads = |slot| heap.get(cells + reader_cell(slot)) != 0;
        let crowded = told.is_some() && (1..MAX_PARTICIPANTS).any(reads);
        let drained = self.drain(local, cells, timeout, begin);
        if matches!(drained, Ok(true)) {
            host.store32(self.at(O_DEPTH), 1, Ordering::Release);
        } else {
            heap.give(local, self.at(O_USER));
        }
        if drained.is_ok() {
            self.object.after(told, !free || crowded);
        }
        if let Some(slot) = estate {
            heap.settle(slot);
        }
        if !drained? {
            return Ok(Acquired::No);
        }
        Ok(heap
            .take_death(self.object.offset())
            .map_or(Acquired::Yes, Acquired::Abandoned))
    }

    /// Announces a writer that does not sleep in [`RawRwLock::acquire_write`]: from now on those
    /// who come to read wait for it. `None` where another one writes, or is about to.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where settling the estate of a dead writer has to wait and may not.
    pub fn announce(&self) -> Result<Option<Announced>> {
        let heap = self.heap();
        let local = heap.local()?;
        let word = self.at(O_USER);
        let taken = if heap.try_take(local, word) {
            Taken::Ours
        } else {
            heap.take_contended(local, word, Some(Duration::ZERO), Rule::Internal)?
        };
        if taken == Taken::TimedOut {
            return Ok(None);
        }
        self.taken_over(taken);
        // SYNC-7: first our name, then the look for readers.
        heap.host().fence();
        if let Taken::FromDead(slot, _) = taken {
            heap.settle(slot);
        }
        Ok(Some(Announced { token: local.token }))
    }

    /// Begins to write, once nobody reads; until then the writer stays announced.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; [`Error::NotHeld`] in another process than the one which announced.
    pub fn begin(&self, writer: &Announced) -> Result<Acquired> {
        let told = self.object.before(Op::Acquire);
        let heap = self.heap();
        if !self.is_announced(writer) {
            return Err(Error::NotHeld {
                what: "begin() of a writer that is not announced",
            });
        }
        let cells = self.cells()?;
        if (1..MAX_PARTICIPANTS).any(|slot| heap.get(cells + reader_cell(slot)) != 0) {
            return Ok(Acquired::No);
        }
        // What the readers did is seen from here on.
        heap.host().fence();
        heap.host().store32(self.at(O_DEPTH), 1, Ordering::Release);
        self.object.after(told, true);
        Ok(heap
            .take_death(self.object.offset())
            .map_or(Acquired::Yes, Acquired::Abandoned))
    }

    /// Takes the announcement of a writer back, unless it has begun to write since.
    pub fn withdraw(&self, writer: Announced) {
        if self.is_announced(&writer)
            && !self.is_written()
            && let Ok(local) = self.heap().local()
        {
            self.heap().give(local, self.at(O_USER));
        }
    }

    fn is_announced(&self, writer: &Announced) -> bool {
        let local = self.heap().local();
        local.is_ok_and(|local| local.token == writer.token) && self.writer() == writer.token
    }

    /// Waits until nobody reads; this process's name stands in the word.
    fn drain(
        &self,
        local: &'static Local,
        cells: u64,
        timeout: Option<Duration>,
        begin: Option<Duration>,
    ) -> Result<bool> {
        let heap = self.heap();
        let host = heap.host();
        // SYNC-7: first our name, then the look for readers.
        host.fence();
        let reads = |slot: u64| heap.get(cells + reader_cell(slot)) != 0;
        let nobody = || Ok((!(1..MAX_PARTICIPANTS).any(reads)).then_some(()));
        if nobody()?.is_some() {
            return Ok(true);
        }
        let left = timeout
            .zip(begin)
            .map(|(t, begin)| t.saturating_sub(host.now().saturating_sub(begin)));
        let drained = wait_at(
            &self.object,
            self.at(O_THREAD),
            None,
            left,
            nobody,
            || host.load32(self.at(O_THREAD), Ordering::Acquire),
            Some(|| {
                for slot in (1..MAX_PARTICIPANTS).filter(|&slot| reads(slot)) {
                    if slot != local.slot {
                        heap.settle_if_ended(slot);
                    }
                }
            }),
        )?;
        Ok(drained.is_some())
    }

    /// Gives up writing.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when no thread of this process writes.
    pub fn release_write(&self) -> Result<()> {
        let told = self.object.before(Op::Release);
        if !self.is_written_here() {
            return Err(Error::NotHeld {
                what: "release_write() of a lock that this process does not write",
            });
        }
        let heap = self.heap();
        heap.host().store32(self.at(O_DEPTH), 0, Ordering::Release);
        heap.give(heap.local()?, self.at(O_USER));
        self.object.after(told, false);
        Ok(())
    }

    /// Whether anybody writes.
    pub fn is_written(&self) -> bool {
        self.writer() != 0
            && self
                .heap()
                .host()
                .load32(self.at(O_DEPTH), Ordering::Acquire)
                != 0
    }

    /// Whether this process writes.
    pub fn is_written_here(&self) -> bool {
        let local = self.heap().local();
        self.is_written() && local.is_ok_and(|local| self.writer() == local.token)
    }

    /// How many read, dead ones that nobody has settled included.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn readers(&self) -> Result<u64> {
        let cells = self.cells()?;
        let share = |slot| self.heap().get(cells + reader_cell(slot));
        Ok((1..MAX_PARTICIPANTS)
            .map(share)
            .fold(0, u64::saturating_add))
    }
}
