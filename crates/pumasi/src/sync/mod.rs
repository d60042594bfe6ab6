//! Locks, semaphores and events among threads and processes, which a death does not block.
//!
//! What a *death* (by a signal, a crash, `_exit`) does: a lock that the dead held is free and its
//! next owner is told; a bounded semaphore gets its permits back; a plain semaphore is a count
//! and keeps it. A process which leaves *in order* ([`crate::Heap::leave`]) changes nothing: what
//! it held stays held, as in Python's multiprocessing. A lock or bounded semaphore that another
//! process than its acquirer has released is a signal and not a mutex: a death leaves it alone.
//! [`OnDeath`] chooses otherwise.
//!
//! SYNC-1: every wait sleeps in slices of at most 50 ms and asks between them whether whoever it
//! waits for lives. SYNC-2: no wait holds an internal lock. SYNC-3: deadlines follow the monotonic clock.

mod barrier;
mod condition;
mod event;
pub(crate) mod guarded;
pub(crate) mod lock;
mod rwlock;
mod semaphore;

pub use crate::heap::lock::{wait_by_default, waiting, with_check, without_waiting};
pub use crate::heap::participant::Death;
pub use barrier::{Arrival, Come, RawBarrier};
pub use condition::{Enlisted, RawCondition, Relock, Waited};
pub use event::RawEvent;
pub use guarded::{
    Abandoned, Barrier, BoundedSemaphore, Condition, Event, Guard, Lock, LockError, LockGuard,
    Passed, Permit, RLock, RLockGuard, ReadGuard, RwLock, Semaphore, Waitable, WriteGuard,
};
pub use lock::{Hold, RawLock, RawRLock};
pub use rwlock::{Announced, RawRwLock};
pub use semaphore::{RawBoundedSemaphore, RawSemaphore};

/// Which locks a wait can give up is this crate's to say.
mod relock {
    pub trait Sealed {}
}

/// How a try or a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Acquired {
    /// It is ours.
    Yes,
    /// It was not to be had in the time.
    No,
    /// It is ours; the last one who had it died with it.
    Abandoned(Death),
}

impl Acquired {
    /// Whether it is ours.
    ///
    /// ```
    /// use pumasi::sync::Acquired;
    ///
    /// assert!(Acquired::Yes.is_ours() && !Acquired::No.is_ours());
    /// ```
    pub fn is_ours(self) -> bool {
        self != Acquired::No
    }
}

/// What a death does to what the dead held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDeath {
    /// It comes free, unless use has shown it to be a signal.
    #[default]
    Auto,
    /// It comes free in any case.
    Release,
    /// It stays as it is.
    Keep,
}

impl OnDeath {
    pub(crate) fn flags(self) -> u64 {
        use crate::heap::estate::{CHOSEN, KEEP_ON_DEATH};
        match self {
            OnDeath::Auto => 0,
            OnDeath::Release => CHOSEN,
            OnDeath::Keep => CHOSEN | KEEP_ON_DEATH,
        }
    }
}
