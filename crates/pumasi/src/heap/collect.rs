//! The collector: what nothing reaches any more comes back, also in circles and after kills.
//!
//! Counts and handle bits free an object promptly once nothing leads to it. They cannot free
//! objects that lead to each other, nor one whose count a kill has left too high (HEAP-4). Those
//! are found here: by a mark from the handles of all processes, while everybody works on.
//!
//! The marks are private to whoever collects, and no operation does anything for it. What it leans
//! on is the word REFS (`object`): its sequence changes with every edge raised and every handle
//! bit set.
//!
//! GC-1: nobody comes by a reference to an object without its sequence changing, and only by way
//! of a reference that is in force meanwhile. GC-2: what a value on its way into a container leads
//! to is held by a handle until the value is stored or given up. GC-3: cells move between
//! containers only by way of a new edge, and within a container only under its lock, with its
//! version raised. From these follows (docs/design/0005-collector.md): an object that a mark has
//! not reached, and whose sequence is afterwards what it was before the mark, but for edges
//! lowered, is reached by nothing and never will be again.
//!
//! GC-4: the collector frees by ordinary operations. It empties what it has found, under its lock
//! and with its log, by which the counts fall as at any removal; what is counted all the same was
//! left by a kill, and is written off once no operation that was under way can still lower it.
//! So a collector that is killed leaves a heap like any other killed process, and whoever comes
//! next begins again.
//!
//! One process collects at a time, under a lock in the superblock. While it collects no chunk of
//! headers is given back (`chunk::trim`), so that a header stays a header.

use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::cell::BlockWord;
use crate::heap::layout::{
    O_LOCK, O_REFS, OWNER, SB_BEGUN, SB_COLLECTOR, SB_ENDED, SB_LOOKED_AT, STARVED, WAITERS,
};
use crate::heap::lock::{self, Rule, Taken};
use crate::heap::log::Doomed;
use crate::heap::mark::Mark;
use crate::heap::object::EDGES;
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// A process that has made so many more objects than it has seen destroyed collects by itself.
const FIRST: i64 = 10_000;
/// One more object may be made before the next collection for so many cells that the last one
/// had to look at: the cost of collecting stays a small part of the cost of making.
const CELLS_AN_OBJECT: u64 = 8;
/// How often one who does not wait lets others run before it gives up.
const YIELDS: u32 = 20;

/// What a collection has freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Objects that nothing reached any more.
    pub objects: usize,
    /// Bytes of the blocks they took, what they held included.
    pub bytes: u64,
    /// Bytes that went back to the system.
    pub returned: u64,
}

/// What this process does by itself, and when.
pub(crate) struct Due {
    /// Objects made here, less those destroyed here, since the last collection.
    made: AtomicI64,
    at: AtomicI64,
    /// The last collection that was taken notice of.
    ended: AtomicU64,
    /// More memory lies idle than is kept: what is made ready next gives some back.
    idle: AtomicBool,
}

impl Due {
    #[inline(always)]
    pub(crate) fn has_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed)
    }

    pub(crate) fn idle_if(&self, idle: bool) {
        self.idle.store(idle, Ordering::Relaxed);
    }
}

impl Default for Due {
    fn default() -> Self {
        Due {
            made: AtomicI64::new(0),
            at: AtomicI64::new(FIRST),
            ended: AtomicU64::new(0),
            idle: AtomicBool::new(false),
        }
    }
}

/// What is done when a lock is held by a process that lives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Wait for it.
    Wait,
    /// Give up and let another time do.
    None,
}

/// The collector's lock, given up when dropped.
pub(crate) struct Collecting<'a, H: Host>(pub(crate) &'a Heap<H>, pub(crate) &'static Local);

impl<H: Host> Drop for Collecting<'_, H> {
    fn drop(&mut self) {
        self.0.give(self.1, SB_COLLECTOR);
        self.0.host().section("");
    }
}

impl<H: Host> Heap<H> {
    /// Frees every object that nothing reaches any more: containers that lead to each other in a
    /// circle, and what the killed have left; settles their estates first. Then gives free memory
    /// back to the system.
    ///
    /// Everybody else works on meanwhile. It waits for operations that others have under way, so
    /// that it takes as long as a process stopped in the middle of one stays stopped; and it looks
    /// at every cell of every container, some nanoseconds each. What is unreachable when it is
    /// called is gone when it returns.
    ///
    /// It also happens by itself: when a value finds no memory, and when a process has made many
    /// objects (10,000; more where the last collection had to look at much, or left much) that
    /// were not destroyed since the last collection. It is then done by the one who makes the next
    /// object, which never waits for it: where somebody is at work, it lets another time do.
    ///
    /// ```
    /// # use pumasi::containers::RawList;
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let list = RawList::create(&heap)?;
    /// list.push(&mut heap.prepare_object(list.object())?)?;
    /// drop(list);
    /// assert_eq!(heap.objects(), 1);
    /// assert_eq!(heap.collect()?.objects, 1);
    /// assert_eq!(heap.objects(), 0);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooManyParticipants`]; [`Error::Corrupt`] for a heap in which not everything can
    /// be followed, where nothing is freed; what the caller's check says while it waits, and
    /// [`Error::WouldBlock`] where this thread may not wait.
    pub fn collect(&self) -> Result<Collected> {
        self.recover();
        let local = self.local()?;
        let begun = self.get(SB_BEGUN);
        let collecting = match self.take_now(local, SB_COLLECTOR)? {
            Taken::TimedOut => {
                self.take_contended(local, SB_COLLECTOR, None, Rule::Internal)?;
                Collecting(self, local)
            }
            _ => Collecting(self, local),
        };
        // Another's that began after we were called has found what we would find.
        let mut collected = Collected::default();
        if self.get(SB_ENDED) <= begun {
            collected = self.collect_once(local, Patience::Wait)?;
        }
        drop(collecting);
        collected.returned = self.trim();
        Ok(collected)
    }

    /// Looks for memory where an allocation has found none; whether there may be some now.
    #[cold]
    pub(crate) fn make_room(&self, local: &'static Local) -> bool {
        let settled = self.recover() > 0;
        settled | self.try_collect(local).is_some_and(|c| c.objects > 0)
    }

    fn try_collect(&self, local: &'static Local) -> Option<Collected> {
        let taken = self.take_now(local, SB_COLLECTOR);
        if !matches!(taken, Ok(Taken::Ours | Taken::FromDead(..))) {
            return None;
        }
        let _collecting = Collecting(self, local);
        self.collect_once(local, Patience::None).ok()
    }

    // ---- when ------------------------------------------------------------------------------

    /// An object was made by this process.
    #[inline]
    pub(crate) fn made_one(&self, local: &'static Local) {
        // Not one step: what two threads lose to each other does not matter.
        let made = local.due.made.load(Ordering::Relaxed) + 1;
        local.due.made.store(made, Ordering::Relaxed);
        if made >= local.due.at.load(Ordering::Relaxed) {
            self.collect_when_due(local);
        }
    }

    /// An object was destroyed by this process.
    #[inline]
    pub(crate) fn unmade_one(&self, local: &Local) {
        let made = local.due.made.load(Ordering::Relaxed);
        local.due.made.store(made - 1, Ordering::Relaxed);
    }

    #[cold]
    #[inline(never)]
    fn collect_when_due(&self, local: &'static Local) {
        let due = &local.due;
        // Should it not come to anything, then again after half as many.
        due.made
            .store(due.at.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        if due.ended.load(Ordering::Relaxed) == self.get(SB_ENDED)
            && self.try_collect(local).is_none()
        {
            return;
        }
        let cells = self.get(SB_LOOKED_AT) / CELLS_AN_OBJECT;
        let at = i64::try_from(cells).unwrap_or(i64::MAX).max(FIRST);
        due.at.store(at, Ordering::Relaxed);
        due.made.store(0, Ordering::Relaxed);
        due.ended.store(self.get(SB_ENDED), Ordering::Relaxed);
    }

    // ---- how -------------------------------------------------------------------------------

    /// One collection, under the collector's lock.
    fn collect_once(&self, local: &'static Local, patience: Patience) -> Result<Collected> {
        let number = self.get(SB_BEGUN) + 1;
        self.host().store64(SB_BEGUN, number, Ordering::Release);
        self.host().section("collect");
        let mut mark = Mark::new(self, local, patience);
        mark.reach_all()?;
        let (objects, bytes) = mark.free()?;
        // Each object left costs some cells, too: a heap of many is not looked at too often.
        let left = mark.objects().saturating_sub(objects) as u64;
        let looked_at = mark.looked_at + left * CELLS_AN_OBJECT;
        self.host()
            .store64(SB_LOOKED_AT, looked_at, Ordering::Relaxed);
        self.host().store64(SB_ENDED, number, Ordering::Release);
        Ok(Collected {
            objects,
            bytes,
            returned: 0,
        })
    }

    /// Takes the lock of an object of which we have no handle. `false`: it is gone, or about to
    /// be.
    pub(crate) fn open_up(
        &self,
        local: &'static Local,
        off: u64,
        word: BlockWord,
        patience: Patience,
    ) -> Result<bool> {
        let (mut tries, mut slice) = (0, Duration::from_millis(1));
        loop {
            // Looked at each time: the lock of what is being destroyed is never given up.
            if self.word(off) != word {
                return Ok(false);
            }
            if self.try_take(local, off + O_LOCK) {
                break;
            }
            tries += 1;
            // Asking whether the owner lives is dear, so that it comes after the tries.
            if tries <= self.host().spins() {
                core::hint::spin_loop();
                continue;
            }
            match self.take_now(local, off + O_LOCK)? {
                Taken::Ours => break,
                Taken::FromDead(..) => {
                    if self.word(off) == word {
                        self.settle_log(local, off, &mut Doomed::new());
                    }
                    break;
                }
                Taken::TimedOut => {}
            }
            if patience == Patience::None && tries <= self.host().spins() + YIELDS {
                // An owner that was interrupted in the middle gets its turn.
                std::thread::yield_now();
                continue;
            }
            if patience == Patience::None || !lock::waiting_allowed() {
                return Err(Error::WouldBlock);
            }
            lock::check()?;
            let found = self.host().load32(off + O_LOCK, Ordering::Relaxed);
            if found & OWNER != 0 {
                self.host().futex_wait(off + O_LOCK, found, slice);
            }
            slice = (slice * 2).min(Duration::from_millis(50));
        }
        if self.word(off) != word {
            self.give_if_ours(local, off + O_LOCK);
            return Ok(false);
        }
        if self.is_dead(off) {
            // Whoever destroys it holds the lock till the end: that one has died.
            let mut doomed = Doomed::new();
            self.finish_destroying(local, off, &mut doomed);
            self.destroy_all(local, doomed);
            return Ok(false);
        }
        Ok(true)
    }

    /// Gives up the lock of an object of which we have no handle. Whoever let it go meanwhile
    /// found the lock held and left it to us.
    pub(crate) fn close_up(&self, local: &'static Local, off: u64, mut doomed: Doomed) {
        self.give(local, off + O_LOCK);
        self.host().fence();
        if self.get(off + O_REFS) & EDGES == 0 {
            doomed.push(off);
        }
        self.destroy_all(local, doomed);
    }

    /// The same where the header may be another object's by now: its lock is left alone.
    fn give_if_ours(&self, local: &Local, at: u64) {
        loop {
            let word = self.host().load32(at, Ordering::Relaxed);
            if word & OWNER != local.token {
                return;
            }
            let left = if word & STARVED != 0 {
                STARVED | WAITERS
            } else {
                0
            };
            if self.host().cas32(at, word, left).is_ok() {
                if word & WAITERS != 0 {
                    self.host().futex_wake(at, 1);
                }
                return;
            }
        }
    }
}
