//! Lock, RLock, RwLock, the semaphores, Event, Condition and Barrier as Rust programs use them:
//! handles, guards, and the news of a death.
//!
//! The untyped faces (`RawLock` and so on) do the work. Here an acquisition becomes a guard which
//! gives up what it holds when it goes, and a dead holder becomes [`LockError::Abandoned`], which
//! carries the guard. The news stays with the lock until somebody accepts it: an [`Abandoned`]
//! that is dropped leaves word of the death before it releases, so that a `?` on the way out of a
//! program does not hide it from the next.

mod barrier;
#[cfg(feature = "serde")]
mod by_reference;
mod condition;
mod event;
mod lock;
mod rwlock;
mod semaphore;

pub use barrier::{Barrier, Passed};
pub use condition::{Condition, Waitable};
pub use event::Event;
pub use lock::{Lock, LockGuard, RLock, RLockGuard};
pub use rwlock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{BoundedSemaphore, Permit, Semaphore};

use core::fmt;

use crate::error::Error;
use crate::heap::object::ObjectRef;
use crate::sync::{Acquired, Death};

/// What holds a lock: a guard. Implemented by this crate's own.
pub trait Guard {
    /// The object whose lock is held.
    #[doc(hidden)]
    fn object(&self) -> &ObjectRef;
}

/// Why there is no plain guard: the last holder died, or nothing was taken.
///
/// [`LockError::accept`] goes on in spite of a death, and `?` in a function which returns this
/// crate's [`Error`] (or a `Box<dyn std::error::Error>`) gives up: then the lock is released, and
/// the next who takes it gets the news.
///
/// ```
/// use pumasi::{Lock, sync::LockError};
///
/// # fn main() -> pumasi::Result<()> {
/// let lock = Lock::new()?;
/// let _guard = match lock.acquire() {
///     Ok(guard) => guard,
///     Err(LockError::Abandoned(abandoned)) => {
///         eprintln!("process {} died, repairing", abandoned.death().pid);
///         // ... put into order what the lock protects ...
///         abandoned.accept()
///     }
///     Err(LockError::Failed(error)) => return Err(error),
/// };
/// # Ok(())
/// # }
/// ```
///
/// It is no `std::error::Error` itself, because it holds the lock, and so cannot outlive it.
#[must_use]
pub enum LockError<G: Guard> {
    /// The lock is held, by us: the process that held it before died.
    Abandoned(Abandoned<G>),
    /// Nothing was taken.
    Failed(Error),
}

impl<G: Guard> LockError<G> {
    /// Takes the guard in spite of a death; for `lock.acquire().or_else(LockError::accept)?`.
    ///
    /// ```
    /// use pumasi::{Lock, sync::LockError};
    ///
    /// let lock = Lock::new()?;
    /// let _guard = lock.acquire().or_else(LockError::accept)?; // whoever died before
    /// assert!(lock.is_locked());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// When nothing was taken.
    pub fn accept(self) -> Result<G, Error> {
        match self {
            LockError::Abandoned(abandoned) => Ok(abandoned.accept()),
            LockError::Failed(error) => Err(error),
        }
    }

    /// Who died, if that is the news.
    ///
    /// ```
    /// use pumasi::{Error, sync::{LockError, LockGuard}};
    ///
    /// let nothing_taken = LockError::<LockGuard<'_>>::Failed(Error::WouldBlock);
    /// assert!(nothing_taken.death().is_none());
    /// ```
    pub fn death(&self) -> Option<Death> {
        match self {
            LockError::Abandoned(abandoned) => Some(abandoned.death()),
            LockError::Failed(_) => None,
        }
    }
}

impl<G: Guard> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Abandoned(abandoned) => abandoned.fmt(f),
            LockError::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<G: Guard> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Abandoned(abandoned) => abandoned.as_error().fmt(f),
            LockError::Failed(error) => error.fmt(f),
        }
    }
}

impl<G: Guard> From<Error> for LockError<G> {
    fn from(error: Error) -> Self {
        LockError::Failed(error)
    }
}

/// Gives the lock up if it is held, and leaves word of the death for its next holder.
impl<G: Guard> From<LockError<G>> for Error {
    fn from(error: LockError<G>) -> Self {
        match error {
            LockError::Abandoned(abandoned) => abandoned.as_error(),
            LockError::Failed(error) => error,
        }
    }
}

impl<G: Guard> From<LockError<G>> for Box<dyn std::error::Error> {
    fn from(error: LockError<G>) -> Self {
        Error::from(error).into()
    }
}

impl<G: Guard> From<LockError<G>> for Box<dyn std::error::Error + Send + Sync> {
    fn from(error: LockError<G>) -> Self {
        Error::from(error).into()
    }
}

/// A lock that is held now and whose last holder died with it: its guard, and who died.
///
/// Dropped without [`Abandoned::accept`], it gives the lock up, and the next gets the news.
#[must_use = "dropping it gives the lock up again"]
pub struct Abandoned<G: Guard> {
    /// `None` once accepted.
    guard: Option<G>,
    death: Death,
}

impl<G: Guard> Abandoned<G> {
    /// Who died, and of which signal where that is known.
    ///
    /// ```
    /// use pumasi::{Event, RLock, sync::LockError};
    ///
    /// #[pumasi::task]
    /// fn worker(lock: RLock, working: Event) -> pumasi::Result<()> {
    ///     let _guard = lock.acquire()?;
    ///     working.set();
    ///     loop {
    ///         std::thread::park(); // until it is killed
    ///     }
    /// }
    ///
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (lock, working) = (RLock::new()?, Event::new()?);
    /// let mut child = worker::spawn(lock.clone(), working.clone())?;
    /// working.wait()?;
    /// child.kill()?;
    /// let Err(LockError::Abandoned(abandoned)) = lock.acquire() else { panic!() };
    /// assert_eq!(abandoned.death().pid, child.pid());
    /// # Ok(())
    /// # }
    /// ```
    pub fn death(&self) -> Death {
        self.death
    }

    /// Takes the guard: what the lock protects is in order, or will be when the guard goes.
    ///
    /// ```
    /// use pumasi::{Lock, sync::LockError};
    ///
    /// let lock = Lock::new()?;
    /// let _guard = match lock.acquire() {
    ///     Err(LockError::Abandoned(abandoned)) => abandoned.accept(), // no news for the next one
    ///     other => other?,
    /// };
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Panics
    /// Never: the guard is taken out only here, once.
    pub fn accept(mut self) -> G {
        self.guard.take().expect("nobody else takes the guard out")
    }

    fn as_error(&self) -> Error {
        Error::Abandoned {
            what: self
                .guard
                .as_ref()
                .map_or("lock", |g| g.object().kind().name()),
            pid: self.death.pid,
            signal: self.death.signal,
        }
    }
}

impl<G: Guard> Drop for Abandoned<G> {
    fn drop(&mut self) {
        if let Some(guard) = &self.guard {
            let object = guard.object();
            object.heap().note_death(object.offset(), self.death);
        }
    }
}

impl<G: Guard> fmt::Debug for Abandoned<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Abandoned")
            .field("death", &self.death)
            .finish_non_exhaustive()
    }
}

/// What became of an acquisition, with `guard` made when there is something to guard.
pub(crate) fn guarded<G: Guard>(
    acquired: Acquired,
    guard: impl FnOnce() -> G,
) -> Result<Option<G>, LockError<G>> {
    match acquired {
        Acquired::Yes => Ok(Some(guard())),
        Acquired::No => Ok(None),
        Acquired::Abandoned(death) => Err(LockError::Abandoned(Abandoned {
            guard: Some(guard()),
            death,
        })),
    }
}

/// For a wait without end: it does not end without the lock.
pub(crate) fn surely<G: Guard>(taken: Option<G>) -> Result<G, LockError<G>> {
    taken.ok_or(LockError::Failed(Error::WouldBlock))
}

/// What every handle has: its untyped face, and a comparison. (How it is sent to other processes
/// is in `by_reference`.)
macro_rules! handle {
    ($name:ident, $raw:ident) => {
        impl $name {
            /// The untyped face, for what this one leaves out.
            ///
            /// ```
            #[doc = concat!("fn place_in_the_heap(of: &pumasi::", stringify!($name), ") -> u64 {")]
            ///     of.raw().object().offset()
            /// }
            /// ```
            pub fn raw(&self) -> &$raw {
                &self.raw
            }
        }

        impl From<$raw> for $name {
            fn from(raw: $raw) -> Self {
                $name { raw }
            }
        }

        /// Two handles are equal when they lead to the same object.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.raw.object() == other.raw.object()
            }
        }

        impl Eq for $name {}

        impl core::hash::Hash for $name {
            fn hash<S: core::hash::Hasher>(&self, state: &mut S) {
                self.raw.object().hash(state);
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.raw.object().fmt(f)
            }
        }
    };
}
pub(crate) use handle;
