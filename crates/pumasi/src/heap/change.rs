//! Waiting until a container changes.
//!
//! CHANGE-1: who waits for a change takes the internal lock, sees that the version is still the one
//! it knows, sets WAITED in the header and remembers the word `O_CHANGE`; then it sleeps at that
//! word without the lock. Who changes the object raises the version under the same lock, and where
//! WAITED is set changes the word, clears WAITED and wakes all, before the commit: whoever is woken
//! looks under the lock, and so after it. So no change comes between the look and the sleep, and
//! while nobody waits a change costs one read of the header.
//!
//! A waiter that dies leaves WAITED behind, which the next change takes away. A writer that dies
//! before it has woken the others has not committed either; the sleep is sliced all the same.

use core::time::Duration;

use crate::error::Result;
use crate::heap::Heap;
use crate::heap::layout::{O_CHANGE, O_LOCK, O_META, O_VERSION};
use crate::heap::lock;
use crate::heap::object::ObjectRef;
use crate::sys::Host;

/// A bit of `O_META`: somebody sleeps until the object changes.
pub(crate) const WAITED: u64 = 1 << 53;

const SLICE: Duration = Duration::from_millis(50);

/// What the word to sleep at held when nothing had changed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "whoever changes the object wakes who sleeps now"]
pub struct Expected(u32);

impl<H: Host> ObjectRef<H> {
    /// Says that this thread will sleep until the object has another version than `seen`, which
    /// was read from [`ObjectRef::version`]. `None`: it has another already.
    ///
    /// # Errors
    /// [`Error::WouldBlock`](crate::Error::WouldBlock) where this thread may not wait for others at
    /// work on the object, and what its check says.
    #[doc(hidden)]
    pub fn expect_change(&self, seen: u64) -> Result<Option<Expected>> {
        let (heap, off) = (self.heap(), self.offset());
        let local = heap.local()?;
        let mut estate = 0;
        if !heap.try_take(local, off + O_LOCK) {
            estate = heap.take_slowly(local, off)?;
        }
        let host = heap.host();
        host.section("change.expect");
        let same = heap.get(off + O_VERSION) == seen;
        if same {
            host.or64(off + O_META, WAITED);
        }
        let word = host.load32(off + O_CHANGE, core::sync::atomic::Ordering::Relaxed);
        heap.give(local, off + O_LOCK);
        host.section("");
        if estate != 0 {
            heap.settle(estate);
        }
        Ok(same.then_some(Expected(word)))
    }

    /// Whether whoever sleeps since `expected` has been called.
    #[doc(hidden)]
    pub fn is_called(&self, expected: Expected) -> bool {
        let at = self.offset() + O_CHANGE;
        self.heap()
            .host()
            .load32(at, core::sync::atomic::Ordering::Acquire)
            != expected.0
    }

    /// Waits until a container has another version than `seen`, at most `timeout` (`None`: for
    /// ever). Whether it has. To wait for more than any change: read the version, then look, and
    /// wait here where what was found is not it, again and again.
    ///
    /// Does not look at `locked()`: another's changes nothing, and in one's own nobody else can
    /// change the container.
    ///
    /// # Errors
    /// [`Error::WouldBlock`](crate::Error::WouldBlock) where this thread may not wait, and what its
    /// check says.
    pub fn wait_for_change(&self, seen: u64, timeout: Option<Duration>) -> Result<bool> {
        let changed = || self.version() != seen;
        if changed() || timeout == Some(Duration::ZERO) {
            return Ok(changed());
        }
        if !lock::waiting_allowed() {
            return Err(crate::Error::WouldBlock);
        }
        let host = self.heap().host();
        let started = host.now();
        loop {
            let Some(expected) = self.expect_change(seen)? else {
                return Ok(true);
            };
            let waited = host.now().saturating_sub(started);
            let left = timeout.map_or(SLICE, |t| t.saturating_sub(waited));
            if left.is_zero() {
                return Ok(false);
            }
            host.futex_wait(self.offset() + O_CHANGE, expected.0, SLICE.min(left));
            lock::check()?;
            if changed() {
                return Ok(true);
            }
        }
    }
}

/// The same for what a user's lock guards, the bytes of a Value (CHANGE-2).
impl<H: Host> ObjectRef<H> {
    /// Says that this thread will sleep until somebody has written. Before it takes the guard to
    /// look, or while it has it.
    #[doc(hidden)]
    pub fn expect_write(&self) -> Expected {
        let host = self.heap().host();
        host.or64(self.offset() + O_META, WAITED);
        let at = self.offset() + O_CHANGE;
        Expected(host.load32(at, core::sync::atomic::Ordering::Acquire))
    }

    /// Wakes who sleeps, after something was written. While the guard is held.
    #[doc(hidden)]
    #[inline(always)]
    pub fn written(&self) {
        if self.heap().get(self.offset() + O_META) & WAITED != 0 {
            self.heap().call_who_waits(self.offset());
        }
    }

    /// Sleeps until somebody has written since, at most `slice` and at most 50 ms: what is
    /// written past the guard, or by one who dies before it calls, is to be looked for again.
    ///
    /// # Errors
    /// [`Error::WouldBlock`](crate::Error::WouldBlock) where this thread may not wait, and what its
    /// check says.
    #[doc(hidden)]
    pub fn sleep_until_written(&self, expected: Expected, slice: Duration) -> Result<()> {
        if self.is_called(expected) {
            return Ok(());
        }
        if !lock::waiting_allowed() {
            return Err(crate::Error::WouldBlock);
        }
        let at = self.offset() + O_CHANGE;
        let host = self.heap().host();
        host.futex_wait(at, expected.0, slice.min(SLICE));
        lock::check()
    }
}

impl<H: Host> Heap<H> {
    /// Wakes who sleeps until the object changes: that is under way, and its lock is held.
    #[cold]
    #[inline(never)]
    pub(crate) fn call_who_waits(&self, object: u64) {
        let host = self.host();
        host.add32(object + O_CHANGE, 1);
        host.and64(object + O_META, !WAITED);
        host.futex_wake(object + O_CHANGE, u32::MAX >> 1);
    }
}
