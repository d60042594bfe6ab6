//! Barrier for Rust programs.

use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::sync::guarded::handle;
use crate::sync::{Arrival, RawBarrier};

/// Where so many threads and processes wait until all of them have come; then it opens, and is
/// ready for the next time.
///
/// It breaks when one who waits there dies, or waits longer than it wants to, or calls
/// [`Barrier::abort`]: then nobody waits any more, and everybody gets [`Error::BrokenBarrier`],
/// until [`Barrier::reset`].
///
/// ```
/// use pumasi::{Barrier, List};
///
/// #[pumasi::task]
/// fn player(ready: Barrier, log: List<String>) -> pumasi::Result<()> {
///     log.push("here".to_owned())?;
///     if ready.wait()?.is_last() {
///         log.push("all here".to_owned())?;
///     }
///     Ok(())
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let (ready, log) = (Barrier::new(2)?, List::new()?);
///     let one = player::spawn(ready.clone(), log.clone())?;
///     let two = player::spawn(ready, log.clone())?;
///     one.join()??;
///     two.join()??;
///     assert_eq!(log.to_vec()?, ["here", "here", "all here"]);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Barrier {
    raw: RawBarrier,
}

handle!(Barrier, RawBarrier);

/// What one is told who has passed a [`Barrier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    index: u32,
    last: bool,
}

impl Passed {
    /// How many had come before: a different number for each of those who pass together.
    ///
    /// ```
    /// let alone = pumasi::Barrier::new(1)?;
    /// assert_eq!(alone.wait()?.index(), 0); // of three who pass together: 0, 1 and 2
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// Whether this one came last, for what is to be done once.
    ///
    /// ```
    /// let alone = pumasi::Barrier::new(1)?;
    /// assert!(alone.wait()?.is_last()); // of those who pass together exactly one
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn is_last(self) -> bool {
        self.last
    }
}

impl Barrier {
    /// A barrier for so many, in the default heap.
    ///
    /// ```
    /// use pumasi::Barrier;
    ///
    /// assert_eq!(Barrier::new(3)?.parties(), 3);
    /// assert!(Barrier::new(0).is_err());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsupported`] for none; [`Error::OutOfMemory`]; as [`Heap::global`].
    pub fn new(parties: u32) -> Result<Barrier> {
        Barrier::new_in(Heap::global()?, parties)
    }

    /// A barrier in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let barrier = pumasi::Barrier::new_in(&heap, 2)?;
    /// assert_eq!(heap.objects(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Barrier::new`].
    pub fn new_in(heap: &Heap, parties: u32) -> Result<Barrier> {
        RawBarrier::create(heap, parties).map(Barrier::from)
    }

    /// Waits until all have come.
    ///
    /// ```
    /// let start = pumasi::Barrier::new(2)?;
    /// std::thread::scope(|scope| {
    ///     let other = scope.spawn(|| start.wait());
    ///     let (here, there) = (start.wait()?, other.join().unwrap()?);
    ///     assert_ne!(here.is_last(), there.is_last());
    /// #   Ok::<(), pumasi::Error>(())
    /// })?; // and is ready for the next time
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BrokenBarrier`]; within 50 ms after one who waits here has died. When this thread
    /// may not wait ([`crate::sync::without_waiting`]).
    pub fn wait(&self) -> Result<Passed> {
        self.pass(None)
    }

    /// Waits until all have come, at most `timeout`; then the barrier breaks.
    ///
    /// ```
    /// use pumasi::{Barrier, Error};
    ///
    /// let barrier = Barrier::new(2)?;
    /// let alone = barrier.wait_timeout(std::time::Duration::from_millis(5));
    /// assert!(matches!(alone, Err(Error::BrokenBarrier)));
    /// assert!(barrier.wait().is_err()); // for the one who comes late, too
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Barrier::wait`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Passed> {
        self.pass(Some(timeout))
    }

    fn pass(&self, timeout: Option<Duration>) -> Result<Passed> {
        match self.raw.wait(timeout, false)? {
            Arrival::Open(index) => Ok(Passed {
                index,
                last: index + 1 == self.parties(),
            }),
            // A wait without an action ends with an open barrier or an error.
            _ => Err(Error::WouldBlock),
        }
    }

    /// Waits until all have come; the one who comes last runs `action` before the others go on.
    /// All of them should bring one.
    ///
    /// ```
    /// let (barrier, phases) = (pumasi::Barrier::new(1)?, pumasi::Value::new(0)?);
    /// let passed = barrier.wait_then(|| phases.fetch_add(1).map(drop))?;
    /// assert!(passed.is_last()); // so that the action ran here
    /// assert_eq!(phases.get()?, 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Barrier::wait`]. If `action` fails or panics the barrier breaks, and the one who ran
    /// it gets its error.
    pub fn wait_then(&self, action: impl FnOnce() -> Result<()>) -> Result<Passed> {
        struct Breaks<'a>(&'a RawBarrier, Option<crate::sync::Come>);
        impl Drop for Breaks<'_> {
            fn drop(&mut self) {
                if let Some(come) = self.1.take() {
                    let _ = self.0.fail(come);
                }
            }
        }
        match self.raw.wait(None, true)? {
            Arrival::Open(index) => Ok(Passed { index, last: false }),
            Arrival::Act(come) => {
                let mut unless_open = Breaks(&self.raw, Some(come));
                action()?;
                unless_open.1 = None;
                self.raw.open(come)?;
                Ok(Passed {
                    index: come.index,
                    last: true,
                })
            }
            _ => Err(Error::WouldBlock),
        }
    }

    /// How many must come.
    ///
    /// ```
    /// assert_eq!(pumasi::Barrier::new(4)?.parties(), 4);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn parties(&self) -> u32 {
        self.raw.parties()
    }

    /// How many have come and wait for the others; 0 while it is broken. Never waits.
    ///
    /// ```
    /// let barrier = pumasi::Barrier::new(2)?;
    /// let other = barrier.clone();
    /// let thread = std::thread::spawn(move || other.wait().is_ok());
    /// while barrier.waiting()? == 0 {} // until it has come
    /// barrier.wait()?;
    /// assert!(thread.join().unwrap());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn waiting(&self) -> Result<u32> {
        self.raw.waiting()
    }

    /// Whether it is broken. Never waits.
    ///
    /// ```
    /// let barrier = pumasi::Barrier::new(2)?;
    /// barrier.abort()?;
    /// assert!(barrier.is_broken());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.raw.is_broken()
    }

    /// Breaks it, for those who wait and those who come.
    ///
    /// ```
    /// use pumasi::{Barrier, Error};
    ///
    /// let barrier = Barrier::new(2)?;
    /// barrier.abort()?;
    /// assert!(matches!(barrier.wait(), Err(Error::BrokenBarrier))); // at once
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// When this process cannot join the heap.
    pub fn abort(&self) -> Result<()> {
        self.raw.abort()
    }

    /// Makes it whole and empty; those who wait get [`Error::BrokenBarrier`].
    ///
    /// ```
    /// let barrier = pumasi::Barrier::new(1)?;
    /// barrier.abort()?;
    /// barrier.reset()?;
    /// assert!(barrier.wait()?.is_last());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Barrier::abort`].
    pub fn reset(&self) -> Result<()> {
        self.raw.reset()
    }
}
