//! Condition for Rust programs.

use core::time::Duration;

use crate::error::Result;
use crate::heap::Heap;
use crate::heap::object::ObjectRef;
use crate::sync::guarded::{Guard, LockError, LockGuard, RLockGuard, guarded, handle, surely};
use crate::sync::{RawCondition, RawLock, RawRLock, Waited};

/// Where threads and processes wait, without the lock they hold otherwise, to be notified.
///
/// A wait takes the guard of a [`Lock`](crate::Lock) or [`RLock`](crate::RLock) and gives it back
/// when somebody has notified, holding the lock again. A notification made while the lock is held
/// is not lost to those who wait, also when one of them is killed: then it goes to the next. The
/// condition does not belong to a lock; use it with one lock only.
///
/// ```
/// use pumasi::{Condition, List, Lock};
///
/// #[pumasi::task]
/// fn consumer(lock: Lock, filled: Condition, items: List<i64>) -> pumasi::Result<i64> {
///     let mut guard = lock.acquire()?;
///     loop {
///         if let Some(item) = items.pop()? {
///             return Ok(item);
///         }
///         guard = filled.wait(guard)?;
///     }
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let (lock, filled, items) = (Lock::new()?, Condition::new()?, List::new()?);
///     let consumer = consumer::spawn(lock.clone(), filled.clone(), items.clone())?;
///     {
///         let _guard = lock.acquire()?;
///         items.push(7)?;
///         filled.notify_one()?;
///     }
///     assert_eq!(consumer.join()??, 7);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Condition {
    raw: RawCondition,
}

handle!(Condition, RawCondition);

/// The guard of a lock that a wait can give up: of a Lock or an RLock.
pub trait Waitable: Guard + Sized {
    #[doc(hidden)]
    fn wait_at(&self, condition: &RawCondition, timeout: Option<Duration>) -> Result<Waited>;
}

impl Waitable for LockGuard<'_> {
    fn wait_at(&self, condition: &RawCondition, timeout: Option<Duration>) -> Result<Waited> {
        let lock = RawLock::from_object(ObjectRef::clone(self.object()))?;
        condition.wait(&lock, timeout)
    }
}

impl Waitable for RLockGuard<'_> {
    fn wait_at(&self, condition: &RawCondition, timeout: Option<Duration>) -> Result<Waited> {
        let lock = RawRLock::from_object(ObjectRef::clone(self.object()))?;
        condition.wait(&lock, timeout)
    }
}

impl Condition {
    /// A condition at which nobody waits, in the default heap.
    ///
    /// ```
    /// let filled = pumasi::Condition::new()?; // without a lock: `wait` brings one
    /// assert!(!filled.notify_one()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new() -> Result<Condition> {
        Condition::new_in(Heap::global()?)
    }

    /// A condition in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let condition = pumasi::Condition::new_in(&heap)?;
    /// assert_eq!(heap.objects(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new_in(heap: &Heap) -> Result<Condition> {
        RawCondition::create(heap).map(Condition::from)
    }

    fn wait_with<G: Waitable>(
        &self,
        guard: G,
        timeout: Option<Duration>,
    ) -> Result<(Option<G>, bool), LockError<G>> {
        let waited = guard.wait_at(&self.raw, timeout)?;
        let taken = guarded(waited.lock, || guard)?;
        Ok((taken, waited.notified))
    }

    /// Gives the lock up, sleeps until notified, and takes the lock again.
    ///
    /// An RLock is given up however often this thread has it, and taken as often.
    ///
    /// ```
    /// use pumasi::{Condition, List, Lock};
    ///
    /// let (lock, filled, items) = (Lock::new()?, Condition::new()?, List::new()?);
    /// # let theirs = (lock.clone(), filled.clone(), items.clone());
    /// # let other = std::thread::spawn(move || {
    /// #     let _guard = theirs.0.acquire()?;
    /// #     theirs.2.push(7)?;
    /// #     theirs.1.notify_one()
    /// # });
    /// let mut guard = lock.acquire()?;
    /// while items.is_empty()? {
    ///     guard = filled.wait(guard)?; // meanwhile others have the lock, and push
    /// }
    /// assert_eq!(items.pop()?, Some(7));
    /// # drop(guard);
    /// # other.join().unwrap()?;
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`LockError::Abandoned`], with the guard, when the one who had the lock meanwhile died;
    /// [`LockError::Failed`], and the lock is given up, when there is no memory for one more who
    /// waits or this thread may not wait ([`crate::sync::without_waiting`]).
    pub fn wait<G: Waitable>(&self, guard: G) -> Result<G, LockError<G>> {
        surely(self.wait_with(guard, None)?.0)
    }

    /// The same for at most `timeout`, the time until the lock is free again not counted; the
    /// guard, and whether there was a notification.
    ///
    /// ```
    /// use pumasi::{Condition, Lock};
    ///
    /// let (lock, told) = (Lock::new()?, Condition::new()?);
    /// let soon = std::time::Duration::from_millis(5);
    /// let (_guard, notified) = told.wait_timeout(lock.acquire()?, soon)?;
    /// assert!(!notified && lock.is_locked()); // the lock is held again in any case
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Condition::wait`].
    pub fn wait_timeout<G: Waitable>(
        &self,
        guard: G,
        timeout: Duration,
    ) -> Result<(G, bool), LockError<G>> {
        let (taken, notified) = self.wait_with(guard, Some(timeout))?;
        Ok((surely(taken)?, notified))
    }

    /// Waits as long as `condition` is true; it is asked with the lock held, before the first
    /// wait too.
    ///
    /// ```
    /// use pumasi::{Condition, List, Lock};
    ///
    /// let (lock, filled, items) = (Lock::new()?, Condition::new()?, List::of([7])?);
    /// let _guard = filled.wait_while(lock.acquire()?, || items.is_empty())?;
    /// assert_eq!(items.pop()?, Some(7)); // it was there: no wait
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Condition::wait`], and what `condition` says.
    pub fn wait_while<G: Waitable>(
        &self,
        mut guard: G,
        mut condition: impl FnMut() -> Result<bool>,
    ) -> Result<G, LockError<G>> {
        while condition()? {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Notifies the one who has waited longest, if anybody waits; whether somebody did. Does not
    /// wait for it.
    ///
    /// ```
    /// let told = pumasi::Condition::new()?;
    /// assert!(!told.notify_one()?); // nobody waits, and nothing is kept for whoever comes
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// When this process cannot join the heap.
    pub fn notify_one(&self) -> Result<bool> {
        Ok(self.raw.notify(1)? == 1)
    }

    /// Notifies up to `n` who wait, in the order in which they came; how many.
    ///
    /// ```
    /// let told = pumasi::Condition::new()?;
    /// assert_eq!(told.notify(3)?, 0); // nobody waits
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Condition::notify_one`].
    pub fn notify(&self, n: u32) -> Result<u32> {
        self.raw.notify(n)
    }

    /// Notifies all who wait; how many.
    ///
    /// ```
    /// use pumasi::{Condition, Error, Lock};
    ///
    /// let (lock, go) = (Lock::new()?, Condition::new()?);
    /// std::thread::scope(|scope| {
    ///     let other = scope.spawn(|| go.wait(lock.acquire()?).map(drop).map_err(Error::from));
    ///     while go.notify_all()? == 0 {} // until it waits
    ///     other.join().unwrap()
    /// })?;
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Condition::notify_one`].
    pub fn notify_all(&self) -> Result<u32> {
        self.raw.notify_all()
    }
}
