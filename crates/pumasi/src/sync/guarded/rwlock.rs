//! RwLock for Rust programs.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use crate::error::Result;
use crate::heap::Heap;
use crate::heap::object::ObjectRef;
use crate::sync::RawRwLock;
use crate::sync::guarded::{Guard, LockError, guarded, handle, surely};

/// A lock among threads and processes which many may hold to read, or one to write.
///
/// Readers of different processes write to no memory in common, so that they do not slow each
/// other down. A writer that waits keeps new readers out, and a reader that had to wait takes its
/// turn among the writers: neither starves. A thread that reads must therefore not ask to read
/// again.
///
/// When a process that writes is killed the lock comes free, and whoever comes is told
/// ([`LockError::Abandoned`]) until somebody has written. The share of a reader that is killed
/// comes back within 50 ms. Both come back from a process which leaves in order, too.
///
/// ```
/// use pumasi::RwLock;
///
/// # fn main() -> pumasi::Result<()> {
/// let lock = RwLock::new()?;
/// let (one, two) = (lock.read()?, lock.read()?);
/// assert!(lock.try_write()?.is_none());
/// drop((one, two));
/// let _alone = lock.write()?;
/// assert!(lock.try_read()?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RwLock {
    raw: RawRwLock,
}

handle!(RwLock, RawRwLock);

/// Holds an [`RwLock`] to read, and gives that up when it goes.
///
/// It stays in the thread that has it.
#[must_use = "the lock is given up when the guard goes"]
pub struct ReadGuard<'a> {
    lock: &'a RwLock,
    not_send: PhantomData<*const ()>,
}

/// Holds an [`RwLock`] to write, and gives that up when it goes.
///
/// It stays in the thread that has it.
#[must_use = "the lock is given up when the guard goes"]
pub struct WriteGuard<'a> {
    lock: &'a RwLock,
    not_send: PhantomData<*const ()>,
}

impl RwLock {
    /// A free lock in the default heap.
    ///
    /// ```
    /// let lock = pumasi::RwLock::new()?;
    /// assert!(!lock.is_written());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new() -> Result<RwLock> {
        RwLock::new_in(Heap::global()?)
    }

    /// A free lock in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let lock = pumasi::RwLock::new_in(&heap)?;
    /// assert_eq!(heap.objects(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new_in(heap: &Heap) -> Result<RwLock> {
        RawRwLock::create(heap).map(RwLock::from)
    }

    /// Whether anybody writes now. Never waits.
    ///
    /// ```
    /// let lock = pumasi::RwLock::new()?;
    /// let reading = lock.read()?;
    /// assert!(!lock.is_written());
    /// drop(reading);
    /// let _writing = lock.write()?;
    /// assert!(lock.is_written());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.raw.is_written()
    }
}

macro_rules! side {
    ($guard:ident, $take:ident, $try_take:ident, $take_timeout:ident, $raw:ident, $release:ident, $to:literal) => {
        impl RwLock {
            #[doc = concat!("Takes the lock to ", $to, ", waiting until it can be had.")]
            ///
            /// ```
            /// let lock = pumasi::RwLock::new()?;
            #[doc = concat!("let guard = lock.", stringify!($take), "()?;")]
            /// assert!(lock.try_write()?.is_none());
            /// drop(guard);
            /// assert!(lock.try_write()?.is_some());
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            /// [`LockError::Abandoned`], with the guard, when one died who wrote, and nobody has
            /// written since; [`LockError::Failed`] when this process cannot join the heap.
            pub fn $take(&self) -> Result<$guard<'_>, LockError<$guard<'_>>> {
                surely(guarded(self.raw.$raw(None)?, || $guard::of(self))?)
            }

            #[doc = concat!("Takes the lock to ", $to, " if it can be had at once, else `None`.")]
            ///
            /// ```
            /// let lock = pumasi::RwLock::new()?;
            /// let writing = lock.write()?;
            #[doc = concat!("assert!(lock.", stringify!($try_take), "()?.is_none());")]
            /// drop(writing);
            #[doc = concat!("assert!(lock.", stringify!($try_take), "()?.is_some());")]
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            #[doc = concat!("As [`RwLock::", stringify!($take), "`].")]
            pub fn $try_take(&self) -> Result<Option<$guard<'_>>, LockError<$guard<'_>>> {
                guarded(self.raw.$raw(Some(Duration::ZERO))?, || $guard::of(self))
            }

            #[doc = concat!("Takes the lock to ", $to, ", waiting at most `timeout`.")]
            ///
            /// ```
            /// let lock = pumasi::RwLock::new()?;
            /// let _writing = lock.write()?;
            /// let soon = std::time::Duration::from_millis(5);
            #[doc = concat!("assert!(lock.", stringify!($take_timeout), "(soon)?.is_none());")]
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            #[doc = concat!("As [`RwLock::", stringify!($take), "`].")]
            pub fn $take_timeout(
                &self,
                timeout: Duration,
            ) -> Result<Option<$guard<'_>>, LockError<$guard<'_>>> {
                guarded(self.raw.$raw(Some(timeout))?, || $guard::of(self))
            }
        }

        impl<'a> $guard<'a> {
            fn of(lock: &'a RwLock) -> $guard<'a> {
                $guard {
                    lock,
                    not_send: PhantomData,
                }
            }
        }

        impl Guard for $guard<'_> {
            fn object(&self) -> &ObjectRef {
                self.lock.raw.object()
            }
        }

        impl Drop for $guard<'_> {
            fn drop(&mut self) {
                let _ = self.lock.raw.$release();
            }
        }

        impl fmt::Debug for $guard<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($guard)).field(self.lock).finish()
            }
        }
    };
}

side!(
    ReadGuard,
    read,
    try_read,
    read_timeout,
    acquire_read,
    release_read,
    "read"
);
side!(
    WriteGuard,
    write,
    try_write,
    write_timeout,
    acquire_write,
    release_write,
    "write"
);
