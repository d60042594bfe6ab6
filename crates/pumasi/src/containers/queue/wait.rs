//! How one waits at a queue: looks, says so under the lock, sleeps in slices (QUEUE-5).

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::containers::queue::{Looked, RawQueue};
use crate::error::{Error, Result};
use crate::heap::lock;
use crate::heap::ring::{HUB_CLOSED, HUB_ITEM, HUB_ROOM};
use crate::observer::Op;
use crate::sys::Host;

const FIRST_SLICE: Duration = Duration::from_millis(1);
const LAST_SLICE: Duration = Duration::from_millis(50);
/// How long a wait looks before it sleeps, at most and at least: a sleeper is woken in some 50 µs.
pub(super) const LONG_LOOK: u32 = 50_000;
const SHORT_LOOK: u32 = 1_000;

impl<H: Host> RawQueue<H> {
    /// Tries `look`, told whether it is to leave a note when it finds nothing; then looks from
    /// outside with `hint`, then sleeps at `word`. `None` when the time is up.
    pub(super) fn wait<T>(
        &self,
        word: u64,
        timeout: Option<Duration>,
        mut look: impl FnMut(bool) -> Result<Looked<T>>,
        hint: impl Fn() -> bool,
    ) -> Result<Option<T>> {
        if let Looked::Done(done) = look(false)? {
            return Ok(Some(done));
        }
        if timeout == Some(Duration::ZERO) {
            return Ok(None);
        }
        let host = self.heap().host();
        // A caller who holds what others need looks shortly, and comes again without it.
        let mut spins = host.spins();
        while spins > 0 && !hint() {
            spins -= 1;
            core::hint::spin_loop();
        }
        if spins > 0
            && let Looked::Done(done) = look(false)?
        {
            return Ok(Some(done));
        }
        if !lock::waiting_allowed() {
            return Err(Error::WouldBlock);
        }
        let started = host.now();
        if let Some(done) = self.look_longer(started, timeout, &mut look, hint)? {
            return Ok(Some(done));
        }
        let mut slice = FIRST_SLICE;
        loop {
            let seen = match look(true)? {
                Looked::Done(done) => return Ok(Some(done)),
                Looked::Nothing(seen) => seen,
            };
            let waited = host.now().saturating_sub(started);
            let left = timeout.map_or(LAST_SLICE, |t| t.saturating_sub(waited));
            if left.is_zero() {
                return Ok(None);
            }
            host.futex_wait(word, seen, slice.min(left));
            lock::check()?;
            if host.load32(word, Ordering::Relaxed) == seen {
                slice = (slice * 2).min(LAST_SLICE);
                self.look_for_dead();
            }
        }
    }

    /// Looks for as long as has paid off lately.
    fn look_longer<T>(
        &self,
        started: Duration,
        timeout: Option<Duration>,
        look: &mut impl FnMut(bool) -> Result<Looked<T>>,
        hint: impl Fn() -> bool,
    ) -> Result<Option<T>> {
        let host = self.heap().host();
        let long = self.look.load(Ordering::Relaxed);
        let until = Duration::from_nanos(u64::from(long)).min(timeout.unwrap_or(Duration::MAX));
        let mut round = 0u32;
        loop {
            if hint()
                && let Looked::Done(done) = look(false)?
            {
                let longer = long.saturating_mul(2).min(LONG_LOOK);
                self.look.store(longer, Ordering::Relaxed);
                return Ok(Some(done));
            }
            core::hint::spin_loop();
            round += 1;
            if round.is_multiple_of(8) && host.now().saturating_sub(started) >= until {
                break;
            }
        }
        self.look
            .store((long / 2).max(SHORT_LOOK), Ordering::Relaxed);
        Ok(None)
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
            self.hub + HUB_ROOM,
            timeout,
            |note| {
                let held = self.enter(Op::Wait, "queue.wait")?;
                if held.heap.get(self.hub + HUB_CLOSED) != 0 {
                    return Err(Self::closed());
                }
                if !self.is_full() {
                    return Ok(Looked::Done(()));
                }
                Ok(Looked::Nothing(self.note(self.hub + HUB_ROOM, note)))
            },
            || !self.is_full(),
        )?;
        Ok(found.is_some())
    }

    /// Waits until there is an item, at most `timeout`. Whether there is; another may be faster.
    ///
    /// # Errors
    /// As [`RawQueue::get`].
    pub fn wait_for_item(&self, timeout: Option<Duration>) -> Result<bool> {
        let found = self.wait(
            self.hub + HUB_ITEM,
            timeout,
            |note| {
                let held = self.enter(Op::Wait, "queue.wait")?;
                if !self.is_empty() {
                    // Who only looks must not keep the item from one who takes.
                    held.heap.call(self.hub + HUB_ITEM);
                    drop(held);
                    self.heap().host().futex_wake(self.hub + HUB_ITEM, 1);
                    return Ok(Looked::Done(()));
                }
                if held.heap.get(self.hub + HUB_CLOSED) != 0 {
                    return Err(Self::closed());
                }
                Ok(Looked::Nothing(self.note(self.hub + HUB_ITEM, note)))
            },
            || !self.is_empty(),
        )?;
        Ok(found.is_some())
    }
}
