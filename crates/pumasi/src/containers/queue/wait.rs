//! How one waits at a queue: looks, says so under the lock, sleeps in slices (QUEUE-5).

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::containers::queue::{Looked, RawQueue};
use crate::error::{Error, Result};
use crate::heap::held::Held;
use crate::heap::lock;
use crate::heap::ring::{HUB_CLOSED, HUB_ITEM, HUB_ROOM};
use crate::observer::Op;
use crate::sys::Host;

/// How long one sleeps at most. From the first time on: a short slice ends in vain mostly, and who
/// has run in vain is woken later (see `patience`).
const SLICE: Duration = Duration::from_millis(50);

/// Which look of an operation this is.
#[derive(Clone, Copy, Default)]
pub(super) struct Turn {
    /// It is to leave a note when it finds nothing, for the sleep that follows.
    pub(super) note: bool,
    /// It comes after such a sleep.
    pub(super) slept: bool,
    /// It is not the first.
    again: bool,
}

impl Turn {
    /// What the observer is to know when this look has found something.
    #[inline(always)]
    pub(super) fn tell<H: Host>(self, held: &mut Held<'_, H>) {
        if self.again {
            held.had_waited();
        }
    }
}

impl<H: Host> RawQueue<H> {
    /// Tries `look`; then looks from outside with `hint`, then sleeps at `word`. `None` when the
    /// time is up. To the observer all looks together are one operation, `op`: a look that finds
    /// nothing is not told of.
    pub(super) fn wait<T>(
        &self,
        op: Op,
        word: u64,
        timeout: Option<Duration>,
        mut look: impl FnMut(Turn) -> Result<Looked<T>>,
        hint: impl Fn() -> bool,
    ) -> Result<Option<T>> {
        let mut turn = Turn::default();
        if let Looked::Done(done) = look(turn)? {
            return Ok(Some(done));
        }
        if timeout == Some(Duration::ZERO) {
            self.object.tell_of(op, true);
            return Ok(None);
        }
        turn.again = true;
        let host = self.heap().host();
        let sleeps_at_once = self.patience.look().is_zero();
        if !sleeps_at_once {
            // A caller who holds what others need looks shortly, and comes again without it.
            let mut spins = host.spins();
            while spins > 0 && !hint() {
                spins -= 1;
                core::hint::spin_loop();
            }
            if spins > 0
                && let Looked::Done(done) = look(turn)?
            {
                return Ok(Some(done));
            }
        }
        if !lock::waiting_allowed() {
            return Err(Error::WouldBlock);
        }
        let started = host.now();
        if !sleeps_at_once
            && let Some(done) = self.look_longer(started, timeout, &mut look, hint)?
        {
            return Ok(Some(done));
        }
        turn.note = true;
        loop {
            let looked = look(turn)?;
            let waited = host.now().saturating_sub(started);
            let seen = match looked {
                Looked::Done(done) => {
                    self.patience.slept(waited);
                    return Ok(Some(done));
                }
                Looked::Nothing(seen) => seen,
            };
            if turn.slept {
                // After the look: who was woken for an item has it as soon as can be, and keeps it
                // from nobody who sleeps on when this one is interrupted.
                lock::check()?;
            }
            turn.slept = true;
            let left = timeout.map_or(SLICE, |t| t.saturating_sub(waited));
            if left.is_zero() {
                self.patience.slept(Duration::MAX);
                self.object.tell_of(op, true);
                return Ok(None);
            }
            host.futex_wait(word, seen, SLICE.min(left));
            if host.load32(word, Ordering::Relaxed) == seen {
                self.look_for_dead();
            }
        }
    }

    /// Looks for as long as has paid off lately.
    fn look_longer<T>(
        &self,
        started: Duration,
        timeout: Option<Duration>,
        look: &mut impl FnMut(Turn) -> Result<Looked<T>>,
        hint: impl Fn() -> bool,
    ) -> Result<Option<T>> {
        let host = self.heap().host();
        let until = self.patience.look().min(timeout.unwrap_or(Duration::MAX));
        let mut round = 0u32;
        loop {
            if hint()
                && let Looked::Done(done) = look(Turn {
                    again: true,
                    ..Turn::default()
                })?
            {
                self.patience.found();
                return Ok(Some(done));
            }
            core::hint::spin_loop();
            round += 1;
            if round.is_multiple_of(8) && host.now().saturating_sub(started) >= until {
                return Ok(None);
            }
        }
    }

    /// What a look that found nothing says: what the word to sleep at holds, where it has left a
    /// note if this is the turn for that.
    #[inline(always)]
    pub(super) fn nothing<T>(&self, mut held: Held<'_, H>, word: u64, turn: Turn) -> Looked<T> {
        held.untold();
        Looked::Nothing(self.note(word, turn.note))
    }

    /// Notes that somebody will sleep at the word; what it holds then.
    #[inline(always)]
    pub(super) fn note(&self, word: u64, note: bool) -> u32 {
        let host = self.heap().host();
        let seen = host.load32(word, Ordering::Relaxed);
        if note && seen & 1 == 0 {
            host.store32(word, seen | 1, Ordering::Relaxed);
        }
        seen | 1
    }

    /// What came for several may have woken one: who was woken sees to the others.
    pub(super) fn pass_on(&self, word: u64, more: bool) -> bool {
        self.note(word, true);
        more
    }

    /// A taker that died has left an item which goes back, or tasks that are counted as done.
    pub(super) fn look_for_dead(&self) {
        let heap = self.heap();
        let Ok(local) = heap.local() else { return };
        for slot in heap.takers(self.hub, local) {
            heap.settle_if_ended(slot);
        }
    }

    /// Waits until there is room, at most `timeout`. Whether there is; another may be faster.
    ///
    /// # Errors
    /// As [`RawQueue::put`].
    pub fn wait_for_room(&self, timeout: Option<Duration>) -> Result<bool> {
        let found = self.wait(
            Op::Wait,
            self.hub + HUB_ROOM,
            timeout,
            |turn| {
                let mut held = self.enter(Op::Wait, "queue.wait")?;
                if held.heap.get(self.hub + HUB_CLOSED) != 0 {
                    return Err(Self::closed());
                }
                if self.has_room() {
                    turn.tell(&mut held);
                    return Ok(Looked::Done(()));
                }
                Ok(self.nothing(held, self.hub + HUB_ROOM, turn))
            },
            || self.has_room(),
        )?;
        Ok(found.is_some())
    }

    /// Waits until there is an item, at most `timeout`. Whether there is; another may be faster.
    ///
    /// # Errors
    /// As [`RawQueue::get`].
    pub fn wait_for_item(&self, timeout: Option<Duration>) -> Result<bool> {
        let found = self.wait(
            Op::Wait,
            self.hub + HUB_ITEM,
            timeout,
            |turn| {
                let mut held = self.enter(Op::Wait, "queue.wait")?;
                if self.items() > 0 {
                    // Who only looks must not keep the item from one who takes.
                    held.heap.call(self.hub + HUB_ITEM);
                    turn.tell(&mut held);
                    drop(held);
                    self.heap().host().futex_wake(self.hub + HUB_ITEM, 1);
                    return Ok(Looked::Done(()));
                }
                if held.heap.get(self.hub + HUB_CLOSED) != 0 {
                    return Err(Self::closed());
                }
                Ok(self.nothing(held, self.hub + HUB_ITEM, turn))
            },
            || self.items() > 0,
        )?;
        Ok(found.is_some())
    }
}
