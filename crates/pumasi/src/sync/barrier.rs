//! Barrier: where threads wait until so many have come.
//!
//! Those who have come have places in the table of `heap::waiters`, their ticket being the number
//! of the phase: how often the barrier has opened or was reset. One word, `O_AUX`, is all that
//! changes when it opens, breaks or is reset:
//!
//! ```text
//! phase(61) | acting(1) | the last phase ended by a reset(1) | broken(1)
//! ```
//!
//! SYNC-6: a waiter finds its outcome there while its own phase lasts and in the one after it.
//! Whoever ends a phase therefore first writes the outcome of the last one into the places of
//! those who have not left yet. So nobody waits for another to have left, as they must where a
//! barrier "drains".
//!
//! The last to come runs the action, without any lock, while the word says so; others who come
//! meanwhile wait for the next phase. Sleepers wait at `O_THREAD`, a counter of changes. When one
//! who waits or acts here dies, `estate` breaks the barrier. For each waiter to look after all
//! others would be a system call for every pair of them in every slice; so it looks after the one
//! in the place behind it each time, and after one of the rest in turn, for those behind one who
//! is stopped or acts.

use core::cell::Cell;
use core::ops::ControlFlow;
use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::held::Held;
use crate::heap::layout::{O_AUX, O_META, O_THREAD};
use crate::heap::lock;
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::waiters::{
    ACTING, BROKEN, CALLED, PHASE, Place, STATE, TURNED_AWAY, WAITING, WAS_RESET,
};
use crate::observer::Op;
use crate::sync::lock::face;
use crate::sync::semaphore::{wait_until, wake};
use crate::sys::{Host, Real};

/// Where threads wait for each other.
pub struct RawBarrier<H: Host = Real> {
    object: ObjectRef<H>,
}

face!(RawBarrier, Kind::Barrier);

/// A place at the barrier, for callers that do not sleep in [`RawBarrier::wait`].
#[derive(Clone, Copy, Debug)]
pub struct Come {
    place: Place,
    /// How many had come before.
    pub index: u32,
}

/// What happens to one who comes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub enum Arrival {
    /// The last one, and the barrier has opened: how many had come before.
    Open(u32),
    /// The last one, who is to run the action and then call [`RawBarrier::open`] or, if that
    /// failed, [`RawBarrier::fail`].
    Act(Come),
    /// Others are missing. To be followed by [`RawBarrier::leave`].
    Wait(Come),
    /// The action is being run, and the next phase not open yet.
    Full,
}

impl<H: Host> RawBarrier<H> {
    /// A barrier for so many.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for none or more than 2147483647; [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>, parties: u32) -> Result<Self> {
        if parties == 0 || parties > i32::MAX as u32 {
            return Err(Error::Unsupported {
                what: format!("a barrier for {parties}: at least 1, at most {}", i32::MAX),
            });
        }
        let node = heap.new_places(heap.local()?, 0)?;
        let root = (node.cell(), node.block);
        node.used();
        Ok(RawBarrier {
            object: heap.create_object(Kind::Barrier, parties, Some(root), 0)?,
        })
    }

    fn word(&self) -> u64 {
        self.heap().get(self.at(O_AUX))
    }

    /// How often it has opened or was reset.
    pub fn phase(&self) -> u64 {
        self.word() >> PHASE
    }

    /// How many must come.
    pub fn parties(&self) -> u32 {
        self.heap().get(self.at(O_META)) as u32
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.word() & BROKEN != 0
    }

    /// How many have come and wait for the others; 0 when it is broken.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn waiting(&self) -> Result<u32> {
        let word = self.word();
        if word & BROKEN != 0 {
            return Ok(0);
        }
        self.came(word >> PHASE)
    }

    fn came(&self, phase: u64) -> Result<u32> {
        let mut n = 0;
        self.heap()
            .each_waiter::<()>(self.object.offset(), |place| {
                n += u32::from(place.word & STATE == WAITING && place.ticket == phase);
                ControlFlow::Continue(())
            })?;
        Ok(n)
    }

    /// Changes the word, and wakes all; the internal lock is held.
    fn change(&self, held: &Held<'_, H>, word: u64) {
        held.changed();
        held.host().store64(self.at(O_AUX), word, Ordering::Release);
        held.host().add32(self.at(O_THREAD), 1);
    }

    /// Ends the phase, SYNC-6.
    fn end_phase(&self, held: &Held<'_, H>, flags: u64) -> Result<()> {
        let word = self.word();
        let phase = word >> PHASE;
        let outcome = if word & WAS_RESET == 0 {
            CALLED
        } else {
            TURNED_AWAY
        };
        held.heap.each_waiter::<()>(held.object, |place| {
            if place.word & STATE == WAITING && place.ticket != phase {
                held.heap.call_waiter(place, outcome, place.ticket);
            }
            ControlFlow::Continue(())
        })?;
        self.change(held, ((phase + 1) << PHASE) | flags);
        Ok(())
    }

    fn wake_all(&self) {
        wake(&self.object, u32::MAX >> 1);
    }

    /// Comes to the barrier. `acts`: there is an action, which the last to come runs.
    ///
    /// # Errors
    /// [`Error::BrokenBarrier`]; [`Error::OutOfMemory`]; [`Error::WouldBlock`] where this thread
    /// may not wait for others at work here.
    pub fn arrive(&self, acts: bool) -> Result<Arrival> {
        let heap = self.heap();
        let arrival =
            heap.with_free_place(&self.object, Op::Wait, "barrier.wait", |held, at| {
                let word = self.word();
                if word & BROKEN != 0 {
                    return Err(Error::BrokenBarrier);
                }
                if word & ACTING != 0 {
                    return Ok(Arrival::Full);
                }
                let phase = word >> PHASE;
                let index = self.came(phase)?;
                let last = index + 1 >= self.parties();
                if last && !acts {
                    self.end_phase(held, 0)?;
                    return Ok(Arrival::Open(index));
                }
                let place = heap.take_place(held.local, at, phase);
                if !last {
                    return Ok(Arrival::Wait(Come { place, index }));
                }
                self.change(held, word | ACTING);
                Ok(Arrival::Act(Come { place, index }))
            })?;
        if matches!(arrival, Arrival::Open(_)) {
            self.wake_all();
        }
        Ok(arrival)
    }

    /// What has become of the phase in which one came: `None` while others are missing.
    ///
    /// # Errors
    /// [`Error::BrokenBarrier`].
    pub fn outcome(&self, come: &Come) -> Result<Option<()>> {
        let host = self.heap().host();
        // Whoever ended the second phase had written the outcome into the place before: who finds
        // it ended and the place still waiting looks once more.
        for _ in 0..2 {
            let state = host.load32(come.place.at, Ordering::Acquire) & STATE;
            let word = self.word();
            let behind = (word >> PHASE).wrapping_sub(come.place.ticket);
            let open = match (state, behind) {
                (CALLED, _) => true,
                (TURNED_AWAY, _) => false,
                (_, 0) if word & BROKEN == 0 => return Ok(None),
                (_, 0) => false,
                (_, 1) => word & WAS_RESET == 0,
                _ => continue,
            };
            return if open {
                Ok(Some(()))
            } else {
                Err(Error::BrokenBarrier)
            };
        }
        Err(Error::corrupt(come.place.at, "a place without its outcome"))
    }

    /// Ends a wait whose time is up: what it came to before, else the barrier breaks. To be
    /// followed by [`RawBarrier::leave`].
    ///
    /// # Errors
    /// [`Error::BrokenBarrier`]; [`Error::WouldBlock`] where this thread may not wait for others
    /// at work here.
    pub fn time_out(&self, come: &Come) -> Result<Option<()>> {
        self.break_phase(come.place.ticket)?;
        self.outcome(come)
    }

    /// Gives a place up.
    pub fn leave(&self, come: Come) {
        let _ = self.heap().leave_place(come.place);
    }

    /// Opens the barrier after its action.
    ///
    /// # Errors
    /// [`Error::BrokenBarrier`] when it was broken or reset meanwhile.
    pub fn open(&self, come: Come) -> Result<()> {
        let opened = lock::waiting(|| {
            let mut held = self.heap().enter(&self.object, Op::Wait, "barrier.open")?;
            held.untold();
            let word = self.word();
            if word & BROKEN != 0 || word >> PHASE != come.place.ticket {
                return Err(Error::BrokenBarrier);
            }
            self.end_phase(&held, 0)
        });
        self.leave(come);
        self.wake_all();
        opened
    }

    /// Breaks the barrier after its action failed.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn fail(&self, come: Come) -> Result<()> {
        let failed = lock::waiting(|| self.break_phase(come.place.ticket));
        self.leave(come);
        failed
    }

    fn break_phase(&self, phase: u64) -> Result<()> {
        let held = self
            .heap()
            .enter(&self.object, Op::Raise, "barrier.break")?;
        let word = self.word();
        if word >> PHASE == phase && word & BROKEN == 0 {
            self.change(&held, (word | BROKEN) & !ACTING);
        }
        drop(held);
        self.wake_all();
        Ok(())
    }

    /// Breaks the barrier: whoever waits and whoever comes finds it broken, until a reset.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait for others at work here.
    pub fn abort(&self) -> Result<()> {
        self.break_phase(self.word() >> PHASE)
    }

    /// Makes the barrier whole and empty again: whoever waits finds it broken.
    ///
    /// # Errors
    /// As [`RawBarrier::abort`].
    pub fn reset(&self) -> Result<()> {
        let held = self
            .heap()
            .enter(&self.object, Op::Lower, "barrier.reset")?;
        let word = self.word();
        if word & (BROKEN | ACTING) != 0 || self.came(word >> PHASE)? > 0 {
            self.end_phase(&held, WAS_RESET)?;
        }
        drop(held);
        self.wake_all();
        Ok(())
    }

    /// Whether one of the others who wait has died: then the barrier breaks. `turn` counts the
    /// calls during one wait.
    pub fn look_for_dead(&self, come: Option<&Come>, turn: usize) {
        let own = come.map(|come| come.place);
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        let _ = self
            .heap()
            .each_waiter::<()>(self.object.offset(), |place| {
                if own.is_none_or(|own| own.slot() != place.slot()) {
                    let later = own.is_none_or(|own| own.at < place.at);
                    (if later { &mut behind } else { &mut before }).push(place.slot());
                }
                ControlFlow::Continue(())
            });
        behind.append(&mut before);
        behind.dedup();
        let Some((&next, rest)) = behind.split_first() else {
            return;
        };
        self.heap().settle_if_ended(next);
        if !rest.is_empty() {
            self.heap().settle_if_ended(rest[turn % rest.len()]);
        }
    }

    /// Comes and waits until all have come, at most `timeout` (`None`: for ever); then the
    /// barrier breaks. `acts` as for [`RawBarrier::arrive`].
    ///
    /// # Errors
    /// [`Error::BrokenBarrier`]; as [`RawBarrier::arrive`]; what this thread's check says, which
    /// takes it out of those who have come.
    pub fn wait(&self, timeout: Option<Duration>, acts: bool) -> Result<Arrival> {
        let host = self.heap().host();
        let seen = || host.load32(self.at(O_THREAD), Ordering::Acquire);
        let begin = host.now();
        let left = || timeout.map(|t| t.saturating_sub(host.now().saturating_sub(begin)));
        if !lock::waiting_allowed() {
            return Err(Error::WouldBlock);
        }
        let turns = Cell::new(0);
        let next_turn = || turns.replace(turns.get() + 1);
        let come = loop {
            let before = seen();
            match self.arrive(acts)? {
                Arrival::Wait(come) => break come,
                Arrival::Full => {
                    let changed = || Ok((seen() != before).then_some(()));
                    let dead = Some(|| self.look_for_dead(None, next_turn()));
                    if wait_until(&self.object, left(), changed, seen, dead)?.is_none() {
                        self.abort()?;
                        return Err(Error::BrokenBarrier);
                    }
                }
                done => return Ok(done),
            }
        };
        let waited = wait_until(
            &self.object,
            left(),
            || self.outcome(&come),
            seen,
            Some(|| self.look_for_dead(Some(&come), next_turn())),
        );
        let outcome = match waited {
            Ok(None) => self.time_out(&come),
            other => other,
        };
        self.leave(come);
        outcome.map(|_| Arrival::Open(come.index))
    }
}
