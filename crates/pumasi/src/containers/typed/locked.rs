//! `locked()`: several operations on one container, value or array as one.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::object::ObjectRef;
use crate::sync::guarded::{guarded, surely};
use crate::sync::{Acquired, Guard, LockError, RawRLock};
use crate::sys::Host;

/// What has a lock of its own. Implemented by this crate's containers.
pub trait Lockable {
    /// Takes the lock; re-entrant.
    #[doc(hidden)]
    fn enter(&self, timeout: Option<Duration>) -> Result<Acquired>;
    /// Gives it up once.
    #[doc(hidden)]
    fn leave(&self) -> Result<()>;
    /// The object in whose header the lock is.
    #[doc(hidden)]
    fn lock_object(&self) -> &ObjectRef;
}

/// A container that this thread has for itself, until the guard goes.
///
/// All operations of others, in this process and elsewhere, wait meanwhile; those of this thread
/// go through, by the guard or by any other handle. It stays in its thread.
///
/// ```
/// let list = pumasi::List::of([1, 2])?;
/// let held = list.locked()?;
/// let sum: i32 = held.to_vec()?.into_iter().sum();
/// list.push(sum)?; // by any handle: it is this thread's
/// drop(held); // from here on others go on
/// assert_eq!(list.to_vec()?, [1, 2, 3]);
/// # Ok::<(), pumasi::Error>(())
/// ```
#[must_use = "the container is free again when the guard goes"]
pub struct Locked<'a, C: Lockable> {
    container: &'a C,
    not_send: PhantomData<*const ()>,
}

impl<C: Lockable> Deref for Locked<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.container
    }
}

impl<C: Lockable> Guard for Locked<'_, C> {
    fn object(&self) -> &ObjectRef {
        self.container.lock_object()
    }
}

impl<C: Lockable> Drop for Locked<'_, C> {
    fn drop(&mut self) {
        // It is this thread's, so that giving it up cannot be refused.
        let _ = self.container.leave();
    }
}

impl<C: Lockable> fmt::Debug for Locked<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Locked")
            .field(self.container.lock_object())
            .finish()
    }
}

/// Takes the lock of a container, waiting at most `timeout`.
pub(crate) fn lock_timeout<C: Lockable>(
    container: &C,
    timeout: Option<Duration>,
) -> Result<Option<Locked<'_, C>>, LockError<Locked<'_, C>>> {
    guarded(container.enter(timeout)?, || Locked {
        container,
        not_send: PhantomData,
    })
}

/// Takes the lock of a container, waiting for as long as it takes.
pub(crate) fn lock<C: Lockable>(container: &C) -> Result<Locked<'_, C>, LockError<Locked<'_, C>>> {
    surely(lock_timeout(container, None)?)
}

/// Takes it for an operation of this crate, to which a death is no news: the next who asks for
/// the lock is told.
pub(crate) fn lock_quietly<C: Lockable>(container: &C) -> Result<Locked<'_, C>> {
    match lock(container) {
        Err(LockError::Abandoned(abandoned)) => {
            let object = container.lock_object();
            object.heap().note_death(object.offset(), abandoned.death());
            Ok(abandoned.accept())
        }
        other => other.or_else(LockError::accept),
    }
}

/// What a value or array has to itself while one of its own operations is done: as
/// [`lock_quietly`], over any host.
pub(crate) struct Alone<'a, H: Host>(&'a RawRLock<H>);

impl<H: Host> Drop for Alone<'_, H> {
    fn drop(&mut self) {
        // It is this thread's, so that giving it up cannot be refused.
        let _ = self.0.give();
    }
}

/// The hold, and whether another had it before.
pub(crate) fn alone<H: Host>(lock: &RawRLock<H>) -> Result<(Alone<'_, H>, bool)> {
    let contended = lock.object().heap().is_of_another(lock.object());
    match lock.take(None)? {
        Acquired::Yes => {}
        Acquired::Abandoned(death) => {
            let object = lock.object();
            object.heap().note_death(object.offset(), death);
        }
        Acquired::No => return Err(Error::WouldBlock),
    }
    Ok((Alone(lock), contended))
}

/// `locked` and `locked_timeout`, documented once, with an example of a container that is called
/// `$it`, is made by `$made`, and of what is done with it, line by line.
macro_rules! locked {
    () => {
        // Of what has no lines of its own to show.
        locked!(
            value: "Value::new(3)?",
            "if held.get()? > 2 {",
            "    held.set(0)?; // it has not changed since",
            "}",
            "drop(held);",
            "assert_eq!(value.get()?, 0);",
        );
    };
    ($it:ident: $made:literal, $($line:literal),+ $(,)?) => {
        /// Has this container to itself: operations of others wait until the guard goes, those of
        /// this thread go through. Waits until no other has it; re-entrant.
        ///
        /// ```
        #[doc = concat!("let ", stringify!($it), " = pumasi::", $made, ";")]
        #[doc = concat!("let held = ", stringify!($it), ".locked()?;")]
        $(#[doc = $line])+
        /// # Ok::<(), pumasi::Error>(())
        /// ```
        ///
        /// # Errors
        /// [`LockError::Abandoned`](crate::sync::LockError::Abandoned), with the guard, when a
        /// process died in its own `locked`: what it did so far is there, and the rest is not.
        pub fn locked(&self) -> Result<Locked<'_, Self>, LockError<Locked<'_, Self>>> {
            locked::lock(self)
        }

        /// As `locked`, waiting at most `timeout`; `None` when another has it still.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        #[doc = concat!("let ", stringify!($it), " = pumasi::", $made, ";")]
        /// let timeout = Duration::from_millis(1);
        #[doc = concat!(
            "let free = || ", stringify!($it), ".locked_timeout(timeout).is_ok_and(|held| held.is_some());"
        )]
        #[doc = concat!("let held = ", stringify!($it), ".locked()?;")]
        /// assert!(!std::thread::scope(|scope| scope.spawn(free).join().unwrap()));
        /// drop(held);
        /// assert!(free());
        /// # Ok::<(), pumasi::Error>(())
        /// ```
        ///
        /// # Errors
        /// As `locked`.
        pub fn locked_timeout(
            &self,
            timeout: Duration,
        ) -> Result<Option<Locked<'_, Self>>, LockError<Locked<'_, Self>>> {
            locked::lock_timeout(self, Some(timeout))
        }
    };
}
pub(crate) use locked;
