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
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// Whether this one came last, for what is to be done once.
    #[must_use]
    pub fn is_last(self) -> bool {
        self.last
    }
}

impl Barrier {
    /// A barrier for so many, in the default heap.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for none; [`Error::OutOfMemory`]; as [`Heap::global`].
    pub fn new(parties: u32) -> Result<Barrier> {
        Barrier::new_in(Heap::global()?, parties)
    }

    /// A barrier in a heap of your choice.
    ///
    /// # Errors
    /// As [`Barrier::new`].
    pub fn new_in(heap: &Heap, parties: u32) -> Result<Barrier> {
        RawBarrier::create(heap, parties).map(Barrier::from)
    }

    /// Waits until all have come.
    ///
    /// # Errors
    /// [`Error::BrokenBarrier`]; within 50 ms after one who waits here has died. When this thread
    /// may not wait ([`crate::sync::without_waiting`]).
    pub fn wait(&self) -> Result<Passed> {
        self.pass(None)
    }

    /// Waits until all have come, at most `timeout`; then the barrier breaks.
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
    #[must_use]
    pub fn parties(&self) -> u32 {
        self.raw.parties()
    }

    /// How many have come and wait for the others; 0 while it is broken. Never waits.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn waiting(&self) -> Result<u32> {
        self.raw.waiting()
    }

    /// Whether it is broken. Never waits.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.raw.is_broken()
    }

    /// Breaks it, for those who wait and those who come.
    ///
    /// # Errors
    /// When this process cannot join the heap.
    pub fn abort(&self) -> Result<()> {
        self.raw.abort()
    }

    /// Makes it whole and empty; those who wait get [`Error::BrokenBarrier`].
    ///
    /// # Errors
    /// As [`Barrier::abort`].
    pub fn reset(&self) -> Result<()> {
        self.raw.reset()
    }
}
