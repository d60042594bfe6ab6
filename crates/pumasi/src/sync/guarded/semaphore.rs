//! Semaphore and BoundedSemaphore with permits.

use core::fmt;
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::sync::guarded::handle;
use crate::sync::{Acquired, OnDeath, RawBoundedSemaphore, RawSemaphore};

/// A count of permits among threads and processes, which any of them may raise.
///
/// It is a plain count: what a dead process took stays taken, as nobody knows whose it is. For
/// places which come back when their holder dies use a [`BoundedSemaphore`].
///
/// ```
/// use pumasi::Semaphore;
///
/// # fn main() -> pumasi::Result<()> {
/// let jobs = Semaphore::new(0)?;
/// assert!(jobs.try_acquire()?.is_none());
/// jobs.release(1)?; // here, or in another process
/// jobs.acquire()?.keep(); // taken for good
/// assert_eq!(jobs.value(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Semaphore {
    raw: RawSemaphore,
}

/// A fixed number of places among threads and processes; those of a dead process come back.
///
/// It knows how many places each process holds. When one dies, whoever waits has its places
/// within 50 ms. A process which leaves in order keeps them, as in Python's multiprocessing.
///
/// ```
/// use pumasi::BoundedSemaphore;
///
/// # fn main() -> pumasi::Result<()> {
/// let places = BoundedSemaphore::new(2)?;
/// let _one = places.acquire()?;
/// let two = places.acquire()?;
/// assert!(places.try_acquire()?.is_none());
/// drop(two);
/// assert_eq!(places.value(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BoundedSemaphore {
    raw: RawBoundedSemaphore,
}

handle!(Semaphore, RawSemaphore);
handle!(BoundedSemaphore, RawBoundedSemaphore);

/// A permit, given back when it goes.
#[must_use = "the permit is given back when it goes"]
pub struct Permit<'a>(Of<'a>);

#[derive(Clone, Copy)]
enum Of<'a> {
    Plain(&'a RawSemaphore),
    Bounded(&'a RawBoundedSemaphore),
}

impl<'a> Permit<'a> {
    fn when(acquired: Acquired, of: Of<'a>) -> Option<Permit<'a>> {
        // Made only when it is ours: dropping it gives a permit back.
        acquired.is_ours().then(|| Permit(of))
    }

    /// Keeps the permit taken; `release` of the semaphore, in any process, gives one back.
    ///
    /// ```
    /// let jobs = pumasi::Semaphore::new(1)?;
    /// jobs.acquire()?.keep();
    /// assert_eq!(jobs.value(), 0); // though the permit is gone
    /// jobs.release(1)?;
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        // Refused only if others have given back more than they took.
        let _ = match self.0 {
            Of::Plain(raw) => raw.release(1),
            Of::Bounded(raw) => raw.release(),
        };
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = match self.0 {
            Of::Plain(raw) => raw.object(),
            Of::Bounded(raw) => raw.object(),
        };
        f.debug_tuple("Permit").field(object).finish()
    }
}

/// What the two have in common.
macro_rules! acquire {
    ($name:ident, $of:ident) => {
        impl $name {
            /// Takes a permit, waiting until there is one.
            ///
            /// ```
            #[doc = concat!("let permits = pumasi::", stringify!($name), "::new(1)?;")]
            /// let permit = permits.acquire()?;
            /// assert_eq!(permits.value(), 0);
            /// drop(permit);
            /// assert_eq!(permits.value(), 1);
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            /// When this process cannot join the heap.
            pub fn acquire(&self) -> Result<Permit<'_>> {
                // A wait without end does not end without a permit.
                self.take(None)?.ok_or(Error::WouldBlock)
            }

            /// Takes a permit if there is one, else `None`. Never waits.
            ///
            /// ```
            #[doc = concat!("let permits = pumasi::", stringify!($name), "::new(1)?;")]
            /// let _permit = permits.try_acquire()?;
            /// assert!(permits.try_acquire()?.is_none());
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($name), "::acquire`].")]
            pub fn try_acquire(&self) -> Result<Option<Permit<'_>>> {
                self.take(Some(Duration::ZERO))
            }

            /// Takes a permit, waiting at most `timeout`; `None` when there was none.
            ///
            /// ```
            #[doc = concat!("let permits = pumasi::", stringify!($name), "::new(1)?;")]
            /// let _permit = permits.acquire()?;
            /// let soon = std::time::Duration::from_millis(5);
            /// assert!(permits.acquire_timeout(soon)?.is_none());
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($name), "::acquire`].")]
            pub fn acquire_timeout(&self, timeout: Duration) -> Result<Option<Permit<'_>>> {
                self.take(Some(timeout))
            }

            fn take(&self, timeout: Option<Duration>) -> Result<Option<Permit<'_>>> {
                let acquired = self.raw.acquire(timeout)?;
                Ok(Permit::when(acquired, Of::$of(&self.raw)))
            }

            /// How many permits are free now. Never waits.
            ///
            /// ```
            #[doc = concat!("let permits = pumasi::", stringify!($name), "::new(2)?;")]
            /// let _permit = permits.acquire()?;
            /// assert_eq!(permits.value(), 1); // others may have taken it by the next line
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            pub fn value(&self) -> u32 {
                self.raw.value()
            }
        }
    };
}

acquire!(Semaphore, Plain);
acquire!(BoundedSemaphore, Bounded);

impl Semaphore {
    /// A semaphore with so many permits, in the default heap.
    ///
    /// ```
    /// use pumasi::Semaphore;
    ///
    /// assert_eq!(Semaphore::new(3)?.value(), 3);
    /// assert!(Semaphore::new(u32::MAX).is_err());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsupported`] for more than 2147483647; [`Error::OutOfMemory`]; as
    /// [`Heap::global`].
    pub fn new(permits: u32) -> Result<Semaphore> {
        Semaphore::new_in(Heap::global()?, permits)
    }

    /// A semaphore in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let jobs = pumasi::Semaphore::new_in(&heap, 0)?;
    /// assert_eq!(heap.objects(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Semaphore::new`].
    pub fn new_in(heap: &Heap, permits: u32) -> Result<Semaphore> {
        RawSemaphore::create(heap, permits).map(Semaphore::from)
    }

    /// Gives `n` permits, whoever took them or nobody, and wakes as many. Never waits.
    ///
    /// ```
    /// let jobs = pumasi::Semaphore::new(0)?;
    /// jobs.release(2)?; // there is no most of it
    /// assert_eq!(jobs.value(), 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotHeld`] when there would be more than 2147483647.
    pub fn release(&self, n: u32) -> Result<()> {
        self.raw.release(n)
    }
}

impl BoundedSemaphore {
    /// A semaphore with so many places, in the default heap.
    ///
    /// ```
    /// let places = pumasi::BoundedSemaphore::new(2)?;
    /// let _one = places.acquire()?;
    /// assert_eq!(places.value(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Semaphore::new`].
    pub fn new(places: u32) -> Result<BoundedSemaphore> {
        BoundedSemaphore::new_in(Heap::global()?, places, OnDeath::Auto)
    }

    /// A semaphore in a heap of your choice. `on_death` says what happens to the places of a
    /// process that dies.
    ///
    /// ```
    /// use pumasi::{BoundedSemaphore, Heap, sync::OnDeath};
    ///
    /// let heap = Heap::builder().limit(64 << 20).create()?;
    /// let places = BoundedSemaphore::new_in(&heap, 2, OnDeath::Keep)?; // the dead keep theirs
    /// assert_eq!(places.value(), 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Semaphore::new`].
    pub fn new_in(heap: &Heap, places: u32, on_death: OnDeath) -> Result<BoundedSemaphore> {
        RawBoundedSemaphore::create(heap, places, on_death).map(BoundedSemaphore::from)
    }

    /// Gives one place back: one of this process's if it has any, else another's.
    ///
    /// ```
    /// let places = pumasi::BoundedSemaphore::new(1)?;
    /// places.acquire()?.keep();
    /// places.release()?;
    /// assert!(places.release().is_err()); // all are free
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotHeld`] when all are free.
    pub fn release(&self) -> Result<()> {
        self.raw.release()
    }
}
