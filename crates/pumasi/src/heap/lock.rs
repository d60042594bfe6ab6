//! The internal lock: the only lock in shared memory, one futex word.
//!
//! ```text
//! waiters(1) | starved(1) | slot(10) | generation(20)        0: free
//! ```
//!
//! LOCK-1: whoever puts its token into a word that names nobody holds the lock; the owner is in
//! the lock itself, so that a waiter can ask whether it lives. LOCK-2: a dead owner's token is
//! replaced by compare-and-swap, by one waiter, who settles the operation log before anything
//! else. LOCK-3: while it is held no code of a user runs, nothing blocks, no Python object is
//! made or dropped. LOCK-4: every sleep is sliced (1 to 50 ms), so that neither a wake lost
//! with a killed waiter nor a death goes unnoticed for longer.
//!
//! Taking publishes with Acquire what the last holder's Release store of the free word published.
//!
//! Fairness: a waiter that has slept over half a millisecond sets STARVED; the release then
//! leaves `STARVED | WAITERS` with no owner, which only one who has slept may take. Without it
//! one process of two was seen to wait 626 ms of a second (barging); this is the hand-off of
//! "A futex-based lock with fairness", the idea of parking_lot's eventual fairness.

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::layout::{OWNER, STARVED, WAITERS};
use crate::heap::participant::{Death, Fate};
use crate::heap::{Heap, Local};
use crate::sys::Host;

const FIRST_SLICE: Duration = Duration::from_millis(1);
const LAST_SLICE: Duration = Duration::from_millis(50);
const STARVING: Duration = Duration::from_micros(500);

/// What waiting for a word was ended by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The word names us now.
    Ours,
    /// It names us now instead of a participant that died.
    FromDead(u64, Death),
    /// It still names another.
    TimedOut,
}

/// What an owner's end means for a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// An internal lock: free, however its owner ended.
    Internal,
    /// A user's lock: free when its owner died, still held when it left in order.
    Free,
    /// A user's lock that stays held in any case.
    Keep,
}

thread_local! {
    /// Counts failed tries, of which only some ask the system whether the owner lives.
    static TRIES: Cell<u32> = const { Cell::new(0) };
    /// `None`: as the process does by default.
    static WAIT: Cell<Option<bool>> = const { Cell::new(None) };
    static CHECK: Cell<Option<&'static dyn Fn() -> Result<()>>> = const { Cell::new(None) };
}

/// Whether operations of this process wait by default.
static WAIT_BY_DEFAULT: AtomicBool = AtomicBool::new(true);

/// Sets whether an operation that would have to sleep for an internal lock or for another's
/// `locked()` sleeps (the default) or fails with [`Error::WouldBlock`], having changed nothing.
///
/// For a process whose callers hold something that others need, such as Python's global lock:
/// they try first, let go, and do it again under [`waiting`]. Only the contended path looks.
///
/// ```
/// use pumasi::sync::{wait_by_default, waiting};
///
/// let event = pumasi::Event::new()?;
/// wait_by_default(false);
/// assert!(event.wait().is_err()); // at once
/// # let other = event.clone();
/// # let thread = std::thread::spawn(move || other.set());
/// waiting(|| event.wait())?; // until somebody sets it
/// # thread.join().unwrap();
/// # Ok::<(), pumasi::Error>(())
/// ```
pub fn wait_by_default(wait: bool) {
    WAIT_BY_DEFAULT.store(wait, Ordering::Relaxed);
}

/// Runs `f`, in which this thread may wait.
///
/// ```
/// use pumasi::sync::{waiting, without_waiting};
///
/// let event = pumasi::Event::new()?;
/// event.set();
/// without_waiting(|| waiting(|| event.wait()))?; // the inner one counts
/// # Ok::<(), pumasi::Error>(())
/// ```
pub fn waiting<R>(f: impl FnOnce() -> R) -> R {
    with_wait(Some(true), f)
}

/// Runs `f`, in which this thread does not wait.
///
/// ```
/// use pumasi::{Error, Event, sync::without_waiting};
///
/// let event = Event::new()?;
/// let waited = without_waiting(|| event.wait());
/// assert!(matches!(waited, Err(Error::WouldBlock)));
/// # Ok::<(), pumasi::Error>(())
/// ```
pub fn without_waiting<R>(f: impl FnOnce() -> R) -> R {
    with_wait(Some(false), f)
}

fn with_wait<R>(wait: Option<bool>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<bool>);
    impl Drop for Restore {
        fn drop(&mut self) {
            WAIT.with(|c| c.set(self.0));
        }
    }
    let _restore = Restore(WAIT.with(|c| c.replace(wait)));
    f()
}

/// Runs `f`; every wait in it calls `check` between its slices, while nothing is held, and ends
/// with the error of `check`. That is how a signal ends a wait.
///
/// ```
/// use pumasi::{Error, Event, sync::with_check};
///
/// let event = Event::new()?;
/// let interrupted = || Err(Error::Unsupported { what: "somebody pressed Ctrl-C".to_owned() });
/// let waited = with_check(&interrupted, || event.wait());
/// assert!(waited.unwrap_err().to_string().contains("Ctrl-C"));
/// # Ok::<(), pumasi::Error>(())
/// ```
pub fn with_check<R>(check: &dyn Fn() -> Result<()>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<&'static dyn Fn() -> Result<()>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CHECK.with(|c| c.set(self.0.take()));
        }
    }
    // SAFETY: only the lifetime changes. The reference is taken out again by `Restore` before
    // this function returns or unwinds, and no other thread can see the thread-local.
    let check: &'static dyn Fn() -> Result<()> =
        unsafe { core::mem::transmute::<&dyn Fn() -> Result<()>, _>(check) };
    let _restore = Restore(CHECK.with(|c| c.replace(Some(check))));
    f()
}

pub(crate) fn waiting_allowed() -> bool {
    WAIT.with(Cell::get)
        .unwrap_or_else(|| WAIT_BY_DEFAULT.load(Ordering::Relaxed))
}

/// Between two slices of a wait.
pub(crate) fn check() -> Result<()> {
    CHECK.with(|c| c.get().map_or(Ok(()), |check| check()))
}

impl<H: Host> Heap<H> {
    /// Takes the lock word at `off` if it is free.
    #[inline(always)]
    pub(crate) fn try_take(&self, local: &Local, off: u64) -> bool {
        self.host().cas32(off, 0, local.token).is_ok()
    }

    /// Gives up a lock word that names us, and wakes a sleeper.
    #[inline(always)]
    pub(crate) fn give(&self, local: &Local, off: u64) {
        if self.host().cas32(off, local.token, 0).is_err() {
            self.give_contended(off);
        }
    }

    /// Gives up a lock word with flags, whoever it names.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_contended(&self, off: u64) {
        let mut word = self.host().load32(off, Ordering::Relaxed);
        loop {
            let left = if word & STARVED != 0 {
                STARVED | WAITERS
            } else {
                0
            };
            match self.host().cas32(off, word, left) {
                Ok(_) => break,
                Err(found) => word = found,
            }
        }
        if word & WAITERS != 0 {
            self.host().futex_wake(off, 1);
        }
    }

    /// Takes the lock word at `off`, sleeping at most `timeout` (`None`: for ever).
    ///
    /// # Errors
    /// [`Error::WouldBlock`] under [`without_waiting`]; what the caller's check says.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_contended(
        &self,
        local: &Local,
        off: u64,
        timeout: Option<Duration>,
        rule: Rule,
    ) -> Result<Taken> {
        let host = self.host();
        let (mut spins, mut slice) = (0, FIRST_SLICE);
        let mut started = None;
        let mut slept = false;
        loop {
            let word = host.load32(off, Ordering::Relaxed);
            if word & OWNER == 0 && (word == 0 || slept) {
                // Others may sleep: whoever has slept leaves the flag for them.
                let flags = if slept { WAITERS } else { 0 };
                if host.cas32(off, word, local.token | flags).is_ok() {
                    return Ok(Taken::Ours);
                }
                continue;
            }
            if spins < host.spins() {
                spins += 1;
                core::hint::spin_loop();
                continue;
            }
            if timeout == Some(Duration::ZERO) && word & OWNER == 0 {
                // Left for one who sleeps, and who may have given up or been killed since: a
                // try takes what nobody has. The flag wakes the sleeper, if there is one.
                if host.cas32(off, word, local.token | WAITERS).is_ok() {
                    return Ok(Taken::Ours);
                }
                continue;
            }
            if timeout == Some(Duration::ZERO) {
                // A loop around a try would never learn that the owner is dead; asking each time
                // would make a failed try a hundred times dearer.
                let tries = TRIES.with(|t| t.replace(t.get().wrapping_add(1)));
                if !tries.is_multiple_of(32) {
                    return Ok(Taken::TimedOut);
                }
                return self.take_from_dead(local, off, word, rule);
            }
            if !waiting_allowed() {
                return Err(Error::WouldBlock);
            }
            let now = host.now();
            let since = *started.get_or_insert(now);
            let waited = now.saturating_sub(since);
            let left = timeout.map_or(LAST_SLICE, |t| t.saturating_sub(waited));
            if left.is_zero() {
                return self.take_from_dead(local, off, word, rule);
            }
            let starving = if waited > STARVING { STARVED } else { 0 };
            let marked = word | WAITERS | starving;
            if marked != word && host.cas32(off, word, marked).is_err() {
                continue;
            }
            host.futex_wait(off, marked, slice.min(left));
            slept = true;
            check()?;
            let after = host.load32(off, Ordering::Relaxed);
            if after & OWNER == word & OWNER && after & OWNER != 0 {
                match self.take_from_dead(local, off, after, rule)? {
                    Taken::TimedOut => slice = (slice * 2).min(LAST_SLICE),
                    taken => return Ok(taken),
                }
            }
        }
    }

    /// Takes an internal lock that is free or whose owner has ended; never waits.
    pub(crate) fn take_now(&self, local: &Local, off: u64) -> Result<Taken> {
        if self.try_take(local, off) {
            return Ok(Taken::Ours);
        }
        let word = self.host().load32(off, Ordering::Relaxed);
        if word & OWNER == 0 {
            // Free, but left to those who sleep; they may all be dead.
            let taken = self.host().cas32(off, word, local.token | WAITERS);
            return Ok(taken.map_or(Taken::TimedOut, |_| Taken::Ours));
        }
        self.take_from_dead(local, off, word, Rule::Internal)
    }

    /// Takes the word over when the owner it names has died, or says that it still holds.
    fn take_from_dead(&self, local: &Local, off: u64, word: u32, rule: Rule) -> Result<Taken> {
        if word & OWNER == 0 || rule == Rule::Keep {
            return Ok(Taken::TimedOut);
        }
        let fate = match self.fate(word) {
            // One of its threads was in the middle of an operation when the process left.
            Fate::Kept if rule == Rule::Internal => Fate::Died(Death {
                pid: 0,
                signal: None,
            }),
            other => other,
        };
        match fate {
            Fate::Holds | Fate::Kept => Ok(Taken::TimedOut),
            Fate::Died(death) => {
                if self.host().cas32(off, word, local.token | WAITERS).is_ok() {
                    Ok(Taken::FromDead(u64::from((word & OWNER) >> 20), death))
                } else {
                    Ok(Taken::TimedOut)
                }
            }
        }
    }
}
