//! Participants: the processes attached to a heap.
//!
//! ```text
//! claim word: state(4) | generation(28) | pid(32)
//! FREE -> JOINING (identity being written) -> LIVE -> LEFT (left in order)
//! FREE -> RESERVED (by a parent, for the child of a fork) -> LIVE
//! JOINING, RESERVED, LIVE -> DYING -> FREE, LEFT -> DYING_LEFT -> FREE (see `estate`)
//! ```
//!
//! PART-1: the private word of a process is null, ATTACHING, or a `Local` of that very process.
//! PART-2: the low 20 bits of a generation are never zero, so that no owner word is zero; each
//! claim of a slot raises the generation.
//! PART-3: slot 0 is nobody's. As an owner it means "kept by one who left in order".
//! PART-4: a slot is only freed by whoever settles the estate after the process has ended, or after
//! it has left the heap and nothing in it leads there any more; so that none of its threads can
//! still be at work under a token that others already call dead.
//!
//! The claim is one compare-and-swap; a process killed right after it is known by pid, and one
//! killed before its identity was written is told by the pid alone.

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::heap::alloc::Allocator;
use crate::heap::collect::Due;
use crate::heap::hash::OffsetMap;
use crate::heap::layout::{
    KEPT, MAX_PARTICIPANTS, OWNER, P_CLAIM, P_PEAK, P_STACK, P_START, P_STATUS, PARTICIPANT_SIZE,
    PARTICIPANTS, token,
};
use crate::heap::object::Handles;
use crate::heap::{Heap, Local};
use crate::sys::{Host, Identity, SpinLock};

/// In the private word while a thread attaches.
pub(crate) const ATTACHING: *mut Local = ptr::without_provenance_mut(1);

/// The state of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Slot {
    Free = 0,
    Reserved = 1,
    Joining = 2,
    Live = 3,
    Left = 4,
    Dying = 5,
    /// Like `Dying`, of one who had left in order.
    DyingLeft = 6,
}

/// A claim word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) state: Slot,
    pub(crate) generation: u64,
    pub(crate) pid: u32,
}

impl Claim {
    fn pack(self) -> u64 {
        ((self.state as u64) << 60) | ((self.generation & 0xfff_ffff) << 32) | u64::from(self.pid)
    }
    fn unpack(word: u64) -> Claim {
        Claim {
            state: match word >> 60 {
                1 => Slot::Reserved,
                2 => Slot::Joining,
                3 => Slot::Live,
                4 => Slot::Left,
                5 => Slot::Dying,
                6 => Slot::DyingLeft,
                // A state that no version writes is treated as free: it holds nothing.
                _ => Slot::Free,
            },
            generation: (word >> 32) & 0xfff_ffff,
            pid: word as u32,
        }
    }
    /// The generation of the next claim (PART-2).
    fn next_generation(self) -> u64 {
        let next = (self.generation + 1) & 0xfff_ffff;
        if next & 0xf_ffff == 0 { next + 1 } else { next }
    }
}

/// What is known of a participant that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// Its process id.
    pub pid: u32,
    /// The signal that ended it, where somebody who may know has recorded it.
    pub signal: Option<i32>,
}

/// How the owner of a lock word fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Alive, or not a process at all (KEPT).
    Holds,
    /// Left in order and has ended since: what it held stays held.
    Kept,
    /// Died.
    Died(Death),
}

pub(crate) const fn slot_at(slot: u64) -> u64 {
    PARTICIPANTS + slot * PARTICIPANT_SIZE
}

/// Gives the slot up that this process has left, when nothing in it leads to the heap any more:
/// whoever comes next settles it as that of one who has ended (PART-4).
pub(crate) fn give_slot_up(host: &impl Host, local: &Local) {
    let at = slot_at(local.slot) + P_CLAIM;
    let word = host.load64(at, Ordering::Acquire);
    let claim = Claim::unpack(word);
    if claim.state == Slot::Left && claim.generation == local.generation {
        let dying = Claim {
            state: Slot::DyingLeft,
            ..claim
        };
        // Nobody else changes the claim of one who lives.
        let _ = host.cas64(at, word, dying.pack());
    }
}

impl<H: Host> Heap<H> {
    pub(crate) fn claim(&self, slot: u64) -> Claim {
        Claim::unpack(
            self.host()
                .load64(slot_at(slot) + P_CLAIM, Ordering::Acquire),
        )
    }

    pub(crate) fn change_claim(&self, slot: u64, from: Claim, to: Claim) -> bool {
        self.host()
            .cas64(slot_at(slot) + P_CLAIM, from.pack(), to.pack())
            .is_ok()
    }

    pub(crate) fn identity_of(&self, slot: u64, claim: Claim) -> Identity {
        let at = slot_at(slot);
        Identity {
            pid: claim.pid,
            start: self.host().load64(at + P_START, Ordering::Acquire),
            stack: self.host().load64(at + P_STACK, Ordering::Acquire),
        }
    }

    /// Attaches this process: once, whatever the number of threads that ask.
    #[cold]
    #[inline(never)]
    pub(crate) fn attach(&self) -> Result<&'static Local> {
        let word = self.host().private();
        loop {
            let swapped = word.compare_exchange(
                ptr::null_mut(),
                ATTACHING.cast(),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match swapped {
                Ok(_) => break,
                Err(found) if found == ATTACHING.cast() => std::thread::yield_now(),
                // SAFETY: PART-1: neither null nor ATTACHING, so a `Local` of this process, which is
                // never freed.
                Err(found) => return Ok(unsafe { &*found.cast::<Local>() }),
            }
        }
        match self.claim_slot() {
            Ok((slot, generation)) => {
                let local = self.install(slot, generation, Handles::default(), None);
                // Settling takes locks, for which we had to be somebody first.
                self.settle_some();
                Ok(local)
            }
            Err(error) => {
                word.store(ptr::null_mut(), Ordering::Release);
                Err(error)
            }
        }
    }

    /// Makes `slot` this process's own in its private word. `pins` are those of the process it
    /// was forked from, which holds its table meanwhile, as a copy.
    pub(crate) fn install(
        &self,
        slot: u64,
        generation: u64,
        handles: Handles,
        pins: Option<(OffsetMap<u32>, &Local)>,
    ) -> &'static Local {
        let (pins, heir_of) = pins.map_or_else(Default::default, |(pins, parent)| {
            let mut heir_of = parent.heir_of.clone();
            heir_of.push(parent.slot);
            (pins, heir_of)
        });
        // Leaked on purpose: other threads may hold the reference until the process ends.
        let local: &'static Local = Box::leak(Box::new(Local {
            slot,
            generation,
            token: token(slot, generation),
            allocator: SpinLock::new(Allocator::default()),
            handles: SpinLock::new(handles),
            due: Due::default(),
            pins: SpinLock::new(pins),
            heir_of,
        }));
        let raw = ptr::from_ref(local).cast_mut();
        self.host().private().store(raw.cast(), Ordering::Release);
        if let Some(named) = self.0.named.get() {
            named.enrol(slot, self.host().identity());
        }
        local
    }

    /// Claims a free slot for this process.
    fn claim_slot(&self) -> Result<(u64, u64)> {
        let me = self.host().identity();
        for slot in 1..MAX_PARTICIPANTS {
            let found = self.claim(slot);
            if found.state != Slot::Free {
                continue;
            }
            let mine = Claim {
                state: Slot::Joining,
                generation: found.next_generation(),
                pid: me.pid,
            };
            if self.change_claim(slot, found, mine) {
                self.write_identity(slot, me);
                let live = Claim {
                    state: Slot::Live,
                    ..mine
                };
                self.change_claim(slot, mine, live);
                return Ok((slot, mine.generation));
            }
        }
        Err(Error::TooManyParticipants {
            limit: MAX_PARTICIPANTS as usize - 1,
        })
    }

    fn write_identity(&self, slot: u64, me: Identity) {
        let at = slot_at(slot);
        let host = self.host();
        host.store64(at + P_STATUS, 0, Ordering::Relaxed);
        host.store64(at + P_PEAK, 0, Ordering::Relaxed);
        host.store64(at + P_START, me.start, Ordering::Release);
        host.store64(at + P_STACK, me.stack, Ordering::Release);
    }

    /// Settles up to two before a fork, once many slots are taken: a child takes over the slot that
    /// its parent reserves for it, and a child without one could not settle to get one. `next` is
    /// where to look on.
    pub(crate) fn make_place(&self, next: &AtomicU64) {
        // They are claimed from below, so that while this one is free there is one.
        if self.claim(MAX_PARTICIPANTS / 2).state == Slot::Free {
            return;
        }
        let mut settled = 0;
        for _ in 0..64 {
            let slot = 1 + next.fetch_add(1, Ordering::Relaxed) % (MAX_PARTICIPANTS - 1);
            settled += u32::from(self.has_ended(slot) && self.settle(slot));
            if settled == 2 {
                return;
            }
        }
    }

    /// Before a fork: a slot for the child, with a bit for every handle that it will inherit, so
    /// that nothing it has is freed between the fork and its first step. Public for tests.
    #[doc(hidden)]
    pub fn reserve_for_child(&self) -> Option<(u64, u64)> {
        let raw = self.host().private().load(Ordering::Acquire);
        if raw.is_null() {
            return None;
        }
        let local = self.local().ok()?;
        let (slot, generation) = self.reserve_slot()?;
        local.handles.with(|handles| {
            for &off in handles.keys() {
                self.set_handle_bit(off, slot);
            }
        });
        Some((slot, generation))
    }

    /// Reserves a slot for the child of a fork that is about to happen; `None` when none is
    /// free, and then the child attaches by itself.
    pub(crate) fn reserve_slot(&self) -> Option<(u64, u64)> {
        let parent = self.host().identity();
        for slot in 1..MAX_PARTICIPANTS {
            let found = self.claim(slot);
            if found.state != Slot::Free {
                continue;
            }
            let reserved = Claim {
                state: Slot::Reserved,
                generation: found.next_generation(),
                pid: parent.pid,
            };
            if self.change_claim(slot, found, reserved) {
                // Until the child has taken it over, the slot lives as long as the parent.
                self.write_identity(slot, parent);
                return Some((slot, reserved.generation));
            }
        }
        None
    }

    /// In the parent: takes back a slot that no child has taken over. Public for tests.
    #[doc(hidden)]
    pub fn unreserve(&self, slot: u64, generation: u64) {
        let found = self.claim(slot);
        if found.state != Slot::Reserved || found.generation != generation {
            return;
        }
        let dying = Claim {
            state: Slot::Dying,
            ..found
        };
        if self.change_claim(slot, found, dying) {
            self.settle(slot);
        }
    }

    /// In the child: takes over the slot that the parent reserved. `false` when it is gone.
    /// Public for tests.
    #[doc(hidden)]
    pub fn adopt_slot(&self, slot: u64, generation: u64) -> bool {
        let me = self.host().identity();
        let found = self.claim(slot);
        if found.state != Slot::Reserved || found.generation != generation {
            return false;
        }
        let joining = Claim {
            state: Slot::Joining,
            generation,
            pid: me.pid,
        };
        if !self.change_claim(slot, found, joining) {
            return false;
        }
        self.write_identity(slot, me);
        self.change_claim(
            slot,
            joining,
            Claim {
                state: Slot::Live,
                ..joining
            },
        )
    }

    /// Leaves in order: what this process still holds stays held when it ends (D 8). Its slot
    /// and its memory are given back after it has ended. Operations still work.
    ///
    /// ```
    /// let heap = pumasi::Heap::global()?;
    /// let lock = pumasi::Lock::new()?;
    /// lock.acquire()?.keep();
    /// heap.leave(); // at our end the lock stays held, while a death would free it
    /// assert!(lock.is_locked());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn leave(&self) {
        let raw = self
            .host()
            .private()
            .load(Ordering::Acquire)
            .cast::<Local>();
        if raw.is_null() || raw == ATTACHING {
            return;
        }
        // SAFETY: PART-1: neither null nor ATTACHING, so a `Local` of this process, which is
        // never freed.
        let local = unsafe { &*raw };
        let claim = self.claim(local.slot);
        if claim.state == Slot::Live && claim.generation == local.generation {
            self.change_claim(
                local.slot,
                claim,
                Claim {
                    state: Slot::Left,
                    ..claim
                },
            );
        }
    }

    /// Records how a child of the calling process ended, for those who find its locks. Whoever
    /// reaps a process calls this; `status` is the wait status, `peak` bytes or 0.
    pub fn record_exit(&self, pid: u32, status: i32, peak: u64) {
        for slot in 1..MAX_PARTICIPANTS {
            let claim = self.claim(slot);
            if claim.pid == pid && !matches!(claim.state, Slot::Free | Slot::Reserved) {
                let at = slot_at(slot);
                self.host().store64(at + P_PEAK, peak, Ordering::Relaxed);
                let word = (1 << 63) | u64::from(status.cast_unsigned());
                self.host().store64(at + P_STATUS, word, Ordering::Release);
            }
        }
    }

    /// How the owner named by a lock word fares. Asks the system, so it is for slow paths.
    pub(crate) fn fate(&self, word: u32) -> Fate {
        let owner = word & OWNER;
        let (slot, generation) = (u64::from(owner >> 20), u64::from(owner & 0xf_ffff));
        if owner == KEPT || owner == 0 {
            return Fate::Holds;
        }
        let claim = self.claim(slot);
        let unknown = Fate::Died(Death {
            pid: 0,
            signal: None,
        });
        // Another generation: the slot was settled and claimed again, and this word overlooked,
        // which only a damaged heap or a word outside every object could bring about.
        if claim.generation & 0xf_ffff != generation || claim.state == Slot::Free {
            return unknown;
        }
        let settling = matches!(claim.state, Slot::Dying | Slot::DyingLeft);
        if !settling && self.host().alive(self.identity_of(slot, claim)) {
            return Fate::Holds;
        }
        // Looked at after the death, so that a last-moment `leave` counts.
        let state = self.claim(slot).state;
        if matches!(state, Slot::Left | Slot::DyingLeft) {
            return Fate::Kept;
        }
        Fate::Died(self.death_of(slot, claim.pid))
    }

    /// What is known of the end of the process in `slot`.
    pub(crate) fn death_of(&self, slot: u64, pid: u32) -> Death {
        let status = self
            .host()
            .load64(slot_at(slot) + P_STATUS, Ordering::Acquire);
        let signal = (status >> 63 == 1)
            .then_some((status & 0x7f) as i32)
            .filter(|&s| s != 0)
            .or_else(|| self.host().ended_by(pid));
        Death { pid, signal }
    }

    /// How many processes are attached, dead ones that nobody has settled yet included.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().create()?;
    /// let list = pumasi::List::<u32>::new_in(&heap)?;
    /// list.push(1)?; // with its first operation this process is one
    /// assert_eq!(heap.participants(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn participants(&self) -> usize {
        (1..MAX_PARTICIPANTS)
            .filter(|&slot| self.claim(slot).state != Slot::Free)
            .count()
    }
}
