//! The estate of a dead participant: what is done, once and for all, with what it left.
//!
//! PART-5: settling is one pass over the heap, run by one process at a time under the slot's own
//! lock, and it can be run again from the start by another when the first dies in it. The order
//! matters: every log is settled before any PENDING block is freed, for a committed operation
//! may still have to make its blocks LIVE; the slot is freed last.
//!
//! PART-6: nobody settles while it holds an internal lock: settling waits for the locks of
//! objects whose log is armed.

use core::ops::ControlFlow;
use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{BlockWord, Cell, State, Tag};
use crate::heap::chunk::{Chunk, Use};
use crate::heap::layout::{
    CLASSES, KEPT, MAX_PARTICIPANTS, O_DEPTH, O_LOCK, O_LOG, O_META, O_ROOT, O_THREAD, O_USER,
    OWNER, P_SETTLER, P_STACK, P_START, SB_ORPHANS, reader_cell, token,
};
use crate::heap::lock::{self, Rule, Taken};
use crate::heap::log::{Action, Doomed};
use crate::heap::node::Form;
use crate::heap::object::Kind;
use crate::heap::participant::{Claim, Death, Fate, Slot, slot_at};
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// Flag in an object's meta: a death leaves the lock or semaphore as it is.
pub(crate) const KEEP_ON_DEATH: u64 = 1 << 48;
/// Flag in an object's meta: another process than the acquirer has released it, so that it is a
/// signal and not a mutex (D 8).
pub(crate) const IS_SIGNAL: u64 = 1 << 49;
/// Flag in an object's meta: `on_death` was chosen by the user, so that use changes nothing.
pub(crate) const CHOSEN: u64 = 1 << 50;

/// One more in the upper part of the word that counts sleepers (`sync::semaphore`); below it is
/// their number.
pub(crate) const SLEEPERS_EPOCH: u32 = 1 << 20;

/// What is being settled.
#[derive(Clone, Copy)]
struct Estate {
    slot: u64,
    token: u32,
    death: Death,
    left: bool,
}

impl<H: Host> Heap<H> {
    /// Settles the estates of all participants that have ended; how many there were. Otherwise
    /// that happens bit by bit: by whoever waits for a lock of the dead, by whoever attaches.
    pub fn recover(&self) -> usize {
        (1..MAX_PARTICIPANTS)
            .filter(|&slot| self.has_ended(slot) && self.settle(slot))
            .count()
    }

    /// Settles a few, starting somewhere else each time, so that attaching stays cheap; all of
    /// them once three quarters of the slots are taken.
    pub(crate) fn settle_some(&self) {
        if self.participants() as u64 > MAX_PARTICIPANTS / 4 * 3 {
            self.recover();
            return;
        }
        let start = self.host().identity().pid as u64;
        let mut looked = 0;
        for i in 0..MAX_PARTICIPANTS - 1 {
            let slot = 1 + (start + i) % (MAX_PARTICIPANTS - 1);
            if self.claim(slot).state == Slot::Free {
                continue;
            }
            if self.has_ended(slot) {
                self.settle(slot);
            }
            looked += 1;
            if looked == 8 {
                return;
            }
        }
    }

    /// Settles one participant if it has ended.
    pub(crate) fn settle_if_ended(&self, slot: u64) {
        if self.has_ended(slot) {
            self.settle(slot);
        }
    }

    /// Settles one participant if it has ended; where another is at it, waits for that one.
    pub(crate) fn settle_dead(&self, slot: u64) -> Result<()> {
        while self.has_ended(slot) && !self.settle(slot) {
            if !lock::waiting_allowed() {
                return Err(Error::WouldBlock);
            }
            lock::check()?;
            let at = slot_at(slot) + P_SETTLER;
            let word = self.host().load32(at, Ordering::Acquire);
            if word & OWNER != 0 {
                self.host().futex_wait(at, word, Duration::from_millis(1));
            }
        }
        Ok(())
    }

    pub(crate) fn has_ended(&self, slot: u64) -> bool {
        let claim = self.claim(slot);
        match claim.state {
            Slot::Free => false,
            Slot::Dying | Slot::DyingLeft => true,
            _ => !self.host().alive(self.identity_of(slot, claim)),
        }
    }

    /// Settles one participant that has ended. `false` when another is at it or did it.
    pub(crate) fn settle(&self, slot: u64) -> bool {
        let claim = self.claim(slot);
        let state = match claim.state {
            Slot::Free => return false,
            Slot::Left | Slot::DyingLeft => Slot::DyingLeft,
            _ => Slot::Dying,
        };
        let dying = Claim { state, ..claim };
        if claim != dying {
            if self.host().alive(self.identity_of(slot, claim)) {
                return false;
            }
            if !self.change_claim(slot, claim, dying) {
                return false;
            }
        }
        let Ok(local) = self.local() else {
            return false;
        };
        let word = slot_at(slot) + P_SETTLER;
        if !matches!(
            self.take_now(local, word),
            Ok(Taken::Ours | Taken::FromDead(..))
        ) {
            return false;
        }
        // Another may have finished before we had the lock.
        let ours = self.claim(slot) == dying;
        if ours {
            let estate = Estate {
                slot,
                token: token(slot, claim.generation),
                death: self.death_of(slot, claim.pid),
                left: state == Slot::DyingLeft,
            };
            self.host().section("settle");
            self.settle_objects(local, estate);
            self.settle_chunks(local, estate);
            self.recount();
            self.host()
                .store64(slot_at(slot) + P_START, 0, Ordering::Release);
            self.host()
                .store64(slot_at(slot) + P_STACK, 0, Ordering::Release);
            let free = Claim {
                state: Slot::Free,
                pid: 0,
                ..claim
            };
            self.change_claim(slot, dying, free);
            self.host().section("");
        }
        self.give(local, word);
        ours
    }

    // ---- objects ---------------------------------------------------------------------------

    fn settle_objects(&self, local: &'static Local, estate: Estate) {
        let mut unheld = Doomed::new();
        self.for_each_object(|off, _| self.settle_object(local, off, estate, &mut unheld));
        // What the dead alone held, and what its half-done operations had let go.
        self.destroy_all(local, unheld);
    }

    fn settle_object(&self, local: &'static Local, off: u64, estate: Estate, unheld: &mut Doomed) {
        if !self.settle_lock(local, off, estate, unheld) {
            return;
        }
        let kind = Kind::of(self.get(off + O_META) >> 56);
        if kind == Some(Kind::RwLock) {
            self.settle_shares(off, estate);
        } else {
            self.settle_user(local, off, estate);
        }
        match kind {
            Some(Kind::BoundedSemaphore) => self.settle_ledger(local, off, estate),
            Some(kind @ (Kind::Condition | Kind::Barrier)) => {
                self.settle_places(local, off, kind, estate);
            }
            Some(Kind::Queue) => {
                let death = (!estate.left).then_some(estate.death);
                // A damaged queue stays as it is: nothing else may wait for it.
                let _ = self.settle_queue(local, off, (estate.slot, estate.token), death, unheld);
            }
            _ => {}
        }
        self.forget_sleepers(off);
        self.clear_handle_bit(off, estate.slot);
        unheld.push(off);
    }

    /// Sees to it that no log of a dead owner is left in an object. `false` when the object was
    /// being destroyed and is gone now.
    ///
    /// Not only the logs of this one: another who died may have taken its lock over and not come
    /// to the log, and one who lives may be at it now. Both still need what is PENDING.
    fn settle_lock(&self, local: &Local, off: u64, estate: Estate, unheld: &mut Doomed) -> bool {
        let word = self.host().load32(off + O_LOCK, Ordering::Acquire);
        let owner = word & OWNER;
        if owner == 0 || (owner != estate.token && self.get(off + O_LOG) == 0 && self.lives(word)) {
            return true;
        }
        if self.take_or_wait(local, off, unheld).is_err() {
            return true;
        }
        if self.is_dead(off) {
            self.finish_destroying(local, off, unheld);
            return false;
        }
        self.give(local, off + O_LOCK);
        true
    }

    fn lives(&self, word: u32) -> bool {
        self.fate(word) == Fate::Holds
    }

    /// A user lock that the dead held: free, or kept, as D 8 says.
    ///
    /// One that comes free is taken over first, as by anybody who waits for it: whoever wins has
    /// the death to tell, and nobody else has. Thread and depth stay as they are: they mean
    /// something to the owner alone, and the next one writes its own.
    fn settle_user(&self, local: &Local, off: u64, estate: Estate) {
        let (host, at) = (self.host(), off + O_USER);
        let mut word = host.load32(at, Ordering::Acquire);
        while word & OWNER == estate.token {
            let meta = self.get(off + O_META);
            let container = Kind::of(meta >> 56).is_some_and(Kind::is_container);
            // `locked()` of a container comes free in any case.
            let keep = !container && (estate.left || meta & (KEEP_ON_DEATH | IS_SIGNAL) != 0);
            let to = if keep { KEPT } else { local.token } | (word & !OWNER);
            match host.cas32(at, word, to) {
                Ok(_) if keep => return,
                Ok(_) => {
                    // Before the word comes free: the next owner must find it.
                    self.note_death(off, estate.death);
                    self.give(local, at);
                    host.futex_wake(at, u32::MAX >> 1);
                    return;
                }
                Err(found) => word = found,
            }
        }
    }

    /// Permits of a BoundedSemaphore that the dead held go back, or to nobody's cell when they
    /// are kept. Its root is a DATA node of one 64-bit cell per slot; the cells are the truth,
    /// the count of free permits in `O_AUX` a cache.
    fn settle_ledger(&self, local: &Local, off: u64, estate: Estate) {
        let Ok(root) = self.resolve(Cell(self.get(off + O_ROOT))) else {
            return;
        };
        if !matches!(self.node(root.off), Ok((Form::Data, n)) if n >= MAX_PARTICIPANTS) {
            return;
        }
        let cell = root.off + crate::heap::layout::BUFFER_DATA + estate.slot * 8;
        if self.get(cell) == 0 {
            return;
        }
        let mut doomed = Doomed::new();
        if self.take_or_wait(local, off, &mut doomed).is_err() {
            return;
        }
        let held = self.get(cell);
        let keep = estate.left || self.get(off + O_META) & (KEEP_ON_DEATH | IS_SIGNAL) != 0;
        let (at, value) = if keep {
            let kept = root.off + crate::heap::layout::BUFFER_DATA;
            (kept, self.get(kept).wrapping_add(held))
        } else {
            let free = off + crate::heap::layout::O_AUX;
            (free, self.get(free).wrapping_add(held))
        };
        if held != 0 {
            let _ = self.commit(
                local,
                off,
                cell,
                0,
                &[Action::Store(at, value)],
                &mut doomed,
            );
        }
        self.give(local, off + O_LOCK);
        if !keep {
            self.host().add32(off + O_THREAD, 1);
            self.host().futex_wake(off + O_THREAD, u32::MAX >> 1);
        }
    }

    /// An RwLock that the dead read or wrote: both come free, however it ended, for nobody else
    /// could give them up. Its root is a DATA node of one cell per slot.
    fn settle_shares(&self, off: u64, estate: Estate) {
        let host = self.host();
        loop {
            let word = host.load32(off + O_USER, Ordering::Acquire);
            if word & OWNER != estate.token {
                break;
            }
            // Only one who had begun to write leaves something half done. The mark stays: whoever
            // takes the word next clears it.
            if host.load32(off + O_DEPTH, Ordering::Acquire) != 0 {
                self.note_death(off, estate.death);
            }
            if host.cas32(off + O_USER, word, 0).is_ok() {
                host.futex_wake(off + O_USER, u32::MAX >> 1);
                break;
            }
        }
        let Ok(root) = self.resolve(Cell(self.get(off + O_ROOT))) else {
            return;
        };
        if !matches!(self.node(root.off), Ok((Form::Data, n)) if n >= MAX_PARTICIPANTS) {
            return;
        }
        let cell = root.off + crate::heap::layout::BUFFER_DATA + reader_cell(estate.slot);
        if self.get(cell) != 0 {
            host.store64(cell, 0, Ordering::Release);
            host.add32(off + O_THREAD, 1);
            host.futex_wake(off + O_THREAD, 1);
        }
    }

    /// Where the dead waited: its place comes free, a call that it has not answered goes to
    /// another, and a barrier breaks, for those who wait there wait for the dead.
    fn settle_places(&self, local: &Local, off: u64, kind: Kind, estate: Estate) {
        let found = self.each_waiter(off, |place| {
            if place.word & OWNER == estate.token {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let mut doomed = Doomed::new();
        if !matches!(found, Ok(Some(()))) || self.take_or_wait(local, off, &mut doomed).is_err() {
            return;
        }
        let (called, all) = self.clear_places(off, kind, estate.token);
        self.give(local, off + O_LOCK);
        for at in called {
            self.host().futex_wake(at, 1);
        }
        if all {
            self.host().add32(off + O_THREAD, 1);
            self.host().futex_wake(off + O_THREAD, u32::MAX >> 1);
        }
    }

    /// Who was killed in its sleep at a semaphore, an event or a barrier is still counted there, and
    /// nothing says who it was: all are forgotten and woken, and those who live count themselves anew.
    fn forget_sleepers(&self, off: u64) {
        let kind = Kind::of(self.get(off + O_META) >> 56);
        if !matches!(
            kind,
            Some(Kind::Semaphore | Kind::BoundedSemaphore | Kind::Event | Kind::Barrier)
        ) {
            return;
        }
        let host = self.host();
        let mut word = host.load32(off + O_DEPTH, Ordering::SeqCst);
        while !word.is_multiple_of(SLEEPERS_EPOCH) {
            let next = (word - word % SLEEPERS_EPOCH).wrapping_add(SLEEPERS_EPOCH);
            match host.cas32(off + O_DEPTH, word, next) {
                Ok(_) => {
                    host.futex_wake(off + O_THREAD, u32::MAX >> 1);
                    return;
                }
                Err(found) => word = found,
            }
        }
    }

    /// Takes an internal lock, waiting for it, also when its owner turns out to be dead.
    pub(crate) fn take_or_wait(&self, local: &Local, off: u64, doomed: &mut Doomed) -> Result<()> {
        let at = off + O_LOCK;
        let taken = match self.take_now(local, at)? {
            Taken::TimedOut => {
                lock::waiting(|| self.take_contended(local, at, None, Rule::Internal))?
            }
            taken => taken,
        };
        if let Taken::FromDead(..) = taken {
            self.settle_log(local, off, doomed);
        }
        Ok(())
    }

    // ---- memory ----------------------------------------------------------------------------

    fn settle_chunks(&self, local: &Local, estate: Estate) {
        let high = self.high_water();
        let mut chunk = 0;
        while chunk < high {
            let found = self.chunk(chunk);
            let dead = found.slot == estate.slot;
            let mut next = chunk + 1;
            match found.used {
                Use::Claimed if dead => self.free_chunk(chunk, found.committed),
                Use::Small | Use::Orphan => {
                    self.settle_small(local, chunk, found, estate);
                }
                Use::Head => {
                    next = chunk + found.run.clamp(1, high - chunk);
                    self.settle_run(local, chunk, found, estate);
                }
                Use::Freeing if dead => {
                    next = chunk + found.run.clamp(1, high - chunk);
                    self.finish_run(chunk, found);
                }
                _ => {}
            }
            chunk = next;
        }
    }

    fn settle_small(&self, local: &Local, chunk: u64, found: Chunk, estate: Estate) {
        if found.class >= CLASSES.len() {
            return;
        }
        let size = CLASSES[found.class];
        let dead = found.used == Use::Small && found.slot == estate.slot;
        let pinnable = found.class != 0 && size > crate::heap::layout::COPY_LIMIT;
        if !dead && !pinnable {
            return;
        }
        for i in 0..self.blocks_in(found.class) {
            let off = self.chunk_start(chunk) + i * size;
            let word = self.word(off);
            if dead && word.state() == Some(State::Pending) && word.slot() == estate.slot {
                let free = BlockWord::new(State::Free, 0, word.generation());
                let _ = self.host().cas64(off, word.0, free.0);
            } else if pinnable {
                self.unpin_dead(local, off, estate.slot);
            }
        }
        if dead {
            let orphan = Chunk {
                used: Use::Orphan,
                slot: 0,
                ..found
            };
            if self.change_chunk(chunk, found, orphan) {
                self.host().add64(SB_ORPHANS, 1);
            }
        }
    }

    fn settle_run(&self, local: &Local, chunk: u64, found: Chunk, estate: Estate) {
        let off = self.chunk_start(chunk);
        let word = self.word(off);
        match word.state() {
            Some(State::Pending) if word.slot() == estate.slot => {
                let block = BlockRef {
                    off,
                    generation: word.generation(),
                };
                let free = BlockWord::new(State::Free, 0, block.generation);
                self.mark_tails(chunk, found, estate.slot);
                if self.host().cas64(off, word.0, free.0).is_ok() {
                    self.free_run(local, chunk, found);
                }
            }
            // Its freeing was begun and not finished.
            Some(State::Free) => self.free_run(local, chunk, found),
            Some(State::Live | State::Limbo) => self.unpin_dead(local, off, estate.slot),
            _ => {}
        }
    }

    /// What an object holds, when it is a node: for checks.
    pub(crate) fn root_of(&self, off: u64) -> Option<Cell> {
        let root = Cell(self.get(off + O_ROOT));
        (root.tag() == Tag::Node).then_some(root)
    }
}
