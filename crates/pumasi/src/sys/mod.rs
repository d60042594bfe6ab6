//! Where the crate touches the machine: memory that processes share, and the operating system.
//!
//! Everything above is written against one trait, [`Host`], so that the same algorithms run on a
//! real mapping ([`Real`]), in the crash simulator (`sim`) and under a model checker. Nothing
//! in here knows what the bytes mean.

pub(crate) mod bell;
pub mod fork;
mod host;
mod mem;
pub(crate) mod names;
pub mod process;
mod real;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
#[cfg(feature = "process")]
pub(crate) mod spawn;

pub use fork::ForkHook;
pub use host::{Bell, Host, Identity};
pub use mem::Mem;
pub use real::Real;

use std::sync::atomic::{AtomicU32, Ordering};

/// A lock among the threads of one process, for the few private words beside a mapping.
///
/// It is held for a few instructions only and no code of a user runs under it, so that it spins.
/// A fork leaves it behind: the child builds its private state anew (see [`fork`]).
pub struct SpinLock<T> {
    word: AtomicU32,
    value: core::cell::UnsafeCell<T>,
}

// SAFETY: the value is reached only through `with`, by one thread at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> core::fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SpinLock").finish_non_exhaustive()
    }
}

impl<T: Default> Default for SpinLock<T> {
    fn default() -> Self {
        SpinLock::new(T::default())
    }
}

impl<T> SpinLock<T> {
    /// A free lock around `value`.
    pub const fn new(value: T) -> SpinLock<T> {
        SpinLock {
            word: AtomicU32::new(0),
            value: core::cell::UnsafeCell::new(value),
        }
    }

    /// Runs `f` with the value, alone. `f` must not panic half-way through a change, block, or
    /// take the same lock again.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        struct Unlock<'a, T>(&'a SpinLock<T>);
        impl<T> Drop for Unlock<'_, T> {
            #[inline]
            fn drop(&mut self) {
                self.0.let_go();
            }
        }
        self.hold();
        let _unlock = Unlock(self);
        // SAFETY: the word is ours until `_unlock` is dropped, so nobody else reaches the value.
        f(unsafe { &mut *self.value.get() })
    }

    /// Takes the lock and keeps it, across a fork: a child then finds the value whole. No other
    /// thread gets on until [`SpinLock::let_go`].
    #[inline]
    pub fn hold(&self) {
        let mut tries = 0u32;
        while self
            .word
            .compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            tries += 1;
            if tries.is_multiple_of(64) {
                std::thread::yield_now();
            } else {
                core::hint::spin_loop();
            }
        }
    }

    /// Gives up what [`SpinLock::hold`] took.
    #[inline]
    pub fn let_go(&self) {
        self.word.store(0, Ordering::Release);
    }

    /// The value, for one who holds the lock and does not call `with`.
    ///
    /// # Safety
    /// The calling thread took the lock with `hold` (or is the child of a fork by one which did),
    /// and nobody lets go while the reference is used.
    pub unsafe fn held(&self) -> &T {
        // SAFETY: the caller has the lock, so nobody changes the value.
        unsafe { &*self.value.get() }
    }
}
