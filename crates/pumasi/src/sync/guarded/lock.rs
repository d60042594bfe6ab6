//! Lock and RLock with guards.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use crate::error::Result;
use crate::heap::Heap;
use crate::heap::object::ObjectRef;
use crate::sync::guarded::{Guard, LockError, guarded, handle, surely};
use crate::sync::{OnDeath, RawLock, RawRLock};

/// A lock among threads and processes, which a killed holder does not block.
///
/// When the process that holds it dies, the lock comes free, and the next who takes it is told:
/// see [`LockError`]. A process which leaves in order (its task returns or panics, it calls
/// `exit` through [`Heap::leave`]) keeps what it holds, as in Python's multiprocessing. A process
/// that is stopped (SIGSTOP) is alive.
///
/// Cloning gives another handle of the same lock, and a handle can be sent to other processes.
/// Unlike a `std::sync::Mutex` it owns no data, and a panic does not poison it; for data which
/// brings its lock along see [`Value`](crate::Value) and [`Array`](crate::Array).
///
/// ```
/// use pumasi::{List, Lock};
///
/// #[pumasi::task]
/// fn withdraw(lock: Lock, accounts: List<i64>) -> pumasi::Result<()> {
///     let _guard = lock.acquire()?; // both or none
///     accounts.set(0, accounts.get(0)?.unwrap_or(0) - 10)?;
///     accounts.set(1, accounts.get(1)?.unwrap_or(0) + 10)
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let (lock, accounts) = (Lock::new()?, List::of([100, 0])?);
///     let one = withdraw::spawn(lock.clone(), accounts.clone())?;
///     let two = withdraw::spawn(lock, accounts.clone())?;
///     one.join()??;
///     two.join()??;
///     assert_eq!(accounts.to_vec()?, [80, 20]);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Lock {
    raw: RawLock,
}

/// A lock which the thread that holds it can take again.
///
/// It comes free when its guards are gone. What a death means is said at [`Lock`].
///
/// ```
/// use pumasi::RLock;
///
/// # fn main() -> pumasi::Result<()> {
/// let lock = RLock::new()?;
/// let _outer = lock.acquire()?;
/// let _inner = lock.acquire()?; // a Lock would wait for ever
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RLock {
    raw: RawRLock,
}

handle!(Lock, RawLock);
handle!(RLock, RawRLock);

/// Holds a [`Lock`], and gives it up when it goes.
///
/// It stays in the thread that has it.
#[must_use = "the lock is given up when the guard goes"]
pub struct LockGuard<'a> {
    lock: &'a Lock,
    not_send: PhantomData<*const ()>,
}

/// Holds an [`RLock`] once, and gives it up when it goes.
///
/// It stays in the thread that has it.
#[must_use = "the lock is given up when the guard goes"]
pub struct RLockGuard<'a> {
    lock: &'a RLock,
    not_send: PhantomData<*const ()>,
}

/// What the two have in common.
macro_rules! acquire {
    ($name:ident, $raw:ident, $guard:ident) => {
        impl $name {
            /// A free lock in the default heap.
            ///
            /// ```
            #[doc = concat!("let lock = pumasi::", stringify!($name), "::new()?;")]
            /// assert!(!lock.is_locked());
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            /// [`crate::Error::OutOfMemory`], and as [`Heap::global`].
            pub fn new() -> Result<$name> {
                $name::new_in(Heap::global()?, OnDeath::Auto)
            }

            /// A free lock in a heap of your choice. `on_death` says what happens to it when its
            /// holder dies.
            ///
            /// ```
            #[doc = concat!("use pumasi::{Heap, ", stringify!($name), ", sync::OnDeath};")]
            ///
            /// let heap = Heap::builder().limit(64 << 20).create()?;
            #[doc = concat!("let lock = ", stringify!($name), "::new_in(&heap, OnDeath::Keep)?;")]
            /// assert!(!lock.is_locked()); // held, it stays so when its holder dies
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            /// [`crate::Error::OutOfMemory`].
            pub fn new_in(heap: &Heap, on_death: OnDeath) -> Result<$name> {
                $raw::create(heap, on_death).map($name::from)
            }

            /// Takes the lock, waiting until it is free. The death of its holder ends the wait
            /// within 50 ms.
            ///
            /// ```
            #[doc = concat!("let lock = pumasi::", stringify!($name), "::new()?;")]
            /// let guard = lock.acquire()?; // the news of a death is an error here, too
            /// assert!(lock.is_locked());
            /// drop(guard);
            /// assert!(!lock.is_locked());
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            /// [`LockError::Abandoned`], with the guard, when the last holder died;
            /// [`LockError::Failed`] when this process cannot join the heap.
            #[inline]
            pub fn acquire(&self) -> Result<$guard<'_>, LockError<$guard<'_>>> {
                surely(self.take(None)?)
            }

            /// Takes the lock if it can be had at once, else `None`. Never waits.
            ///
            /// ```
            #[doc = concat!("let lock = pumasi::", stringify!($name), "::new()?;")]
            /// let (guard, other) = (lock.try_acquire()?, lock.clone());
            /// assert!(guard.is_some());
            /// let thread = std::thread::spawn(move || other.try_acquire().unwrap().is_none());
            /// assert!(thread.join().unwrap()); // another thread does not get it
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($name), "::acquire`].")]
            #[inline]
            pub fn try_acquire(&self) -> Result<Option<$guard<'_>>, LockError<$guard<'_>>> {
                self.take(Some(Duration::ZERO))
            }

            /// Takes the lock, waiting at most `timeout`; `None` when it was not to be had.
            ///
            /// ```
            /// use std::time::Duration;
            ///
            #[doc = concat!("let lock = pumasi::", stringify!($name), "::new()?;")]
            /// let guard = lock.acquire_timeout(Duration::from_secs(1))?;
            /// assert!(guard.is_some());
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($name), "::acquire`].")]
            pub fn acquire_timeout(
                &self,
                timeout: Duration,
            ) -> Result<Option<$guard<'_>>, LockError<$guard<'_>>> {
                self.take(Some(timeout))
            }

            #[inline]
            fn take(
                &self,
                timeout: Option<Duration>,
            ) -> Result<Option<$guard<'_>>, LockError<$guard<'_>>> {
                guarded(self.raw.acquire(timeout)?, || $guard {
                    lock: self,
                    not_send: PhantomData,
                })
            }

            /// Whether anybody holds it now. Never waits.
            ///
            /// ```
            #[doc = concat!("let lock = pumasi::", stringify!($name), "::new()?;")]
            /// let _guard = lock.acquire()?;
            /// assert!(lock.is_locked()); // by this thread or any other
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            pub fn is_locked(&self) -> bool {
                self.raw.is_locked()
            }
        }

        impl Guard for $guard<'_> {
            fn object(&self) -> &ObjectRef {
                self.lock.raw.object()
            }
        }

        impl Drop for $guard<'_> {
            #[inline]
            fn drop(&mut self) {
                // Refused only if somebody else has given it up already.
                let _ = self.lock.raw.release();
            }
        }

        impl fmt::Debug for $guard<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($guard)).field(self.lock).finish()
            }
        }
    };
}

acquire!(Lock, RawLock, LockGuard);
acquire!(RLock, RawRLock, RLockGuard);

impl Lock {
    /// Gives the lock up, whoever took it: for a lock that one process takes and another gives
    /// up. From then on it counts as a signal, and a death leaves it as it is, unless its maker
    /// chose otherwise.
    ///
    /// ```
    /// let lock = pumasi::Lock::new()?;
    /// lock.acquire()?.keep();
    /// lock.release()?; // here, or in another process
    /// assert!(lock.release().is_err()); // it is free
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::NotHeld`] when it is free.
    pub fn release(&self) -> Result<()> {
        self.raw.release()
    }
}

impl LockGuard<'_> {
    /// Leaves the lock held; whoever is meant to gives it up with [`Lock::release`].
    ///
    /// ```
    /// let lock = pumasi::Lock::new()?;
    /// lock.acquire()?.keep();
    /// assert!(lock.is_locked()); // though the guard is gone
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn keep(self) {
        core::mem::forget(self);
    }
}

impl<'a> LockGuard<'a> {
    /// Gives the lock up and says so if that was refused, because somebody else did it before.
    ///
    /// ```
    /// let lock = pumasi::Lock::new()?;
    /// let guard = lock.acquire()?;
    /// lock.release()?; // somebody else's doing
    /// assert!(guard.release().is_err()); // dropping the guard would not say so
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::NotHeld`].
    pub fn release(self) -> Result<()> {
        let lock: &'a Lock = self.lock;
        core::mem::forget(self);
        lock.raw.release()
    }
}
