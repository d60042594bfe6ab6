//! Event for Rust programs.

use core::time::Duration;

use crate::error::Result;
use crate::heap::Heap;
use crate::sync::RawEvent;
use crate::sync::guarded::handle;

/// A flag which threads and processes raise, lower and wait for.
///
/// ```
/// use pumasi::Event;
///
/// #[pumasi::task]
/// fn runner(start: Event) -> pumasi::Result<()> {
///     start.wait()
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let start = Event::new()?;
///     let runners = [runner::spawn(start.clone())?, runner::spawn(start.clone())?];
///     start.set();
///     for runner in runners {
///         runner.join()??;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Event {
    raw: RawEvent,
}

handle!(Event, RawEvent);

impl Event {
    /// A lowered flag in the default heap.
    ///
    /// ```
    /// let event = pumasi::Event::new()?;
    /// assert!(!event.is_set());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new() -> Result<Event> {
        Event::new_in(Heap::global()?)
    }

    /// A lowered flag in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let event = pumasi::Event::new_in(&heap)?;
    /// assert_eq!(heap.objects(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new_in(heap: &Heap) -> Result<Event> {
        RawEvent::create(heap).map(Event::from)
    }

    /// Whether the flag is up. Never waits.
    ///
    /// ```
    /// let event = pumasi::Event::new()?;
    /// event.set();
    /// assert!(event.is_set());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.raw.is_set()
    }

    /// Raises the flag and wakes everyone who waits. Never waits.
    ///
    /// ```
    /// let event = pumasi::Event::new()?;
    /// event.set();
    /// event.set(); // changes nothing
    /// event.wait()?; // at once, for all who come, until somebody clears it
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn set(&self) {
        self.raw.set();
    }

    /// Lowers the flag. Never waits.
    ///
    /// ```
    /// let event = pumasi::Event::new()?;
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn clear(&self) {
        self.raw.clear();
    }

    /// Waits until the flag is raised, for ever if nobody does.
    ///
    /// ```
    /// let event = pumasi::Event::new()?;
    /// let other = event.clone();
    /// let thread = std::thread::spawn(move || other.set());
    /// event.wait()?;
    /// assert!(event.is_set()); // it stays up
    /// # thread.join().unwrap();
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// When this thread may not wait ([`crate::sync::without_waiting`]).
    pub fn wait(&self) -> Result<()> {
        while !self.raw.wait(None)? {}
        Ok(())
    }

    /// Waits until the flag is raised, at most `timeout`; whether it was.
    ///
    /// ```
    /// let event = pumasi::Event::new()?;
    /// let soon = std::time::Duration::from_millis(5);
    /// assert!(!event.wait_timeout(soon)?); // nobody set it
    /// event.set();
    /// assert!(event.wait_timeout(soon)?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Event::wait`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool> {
        self.raw.wait(Some(timeout))
    }
}
