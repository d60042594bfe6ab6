//! `locked()`: the user-level lock of a container, in its header beside the internal one.
//!
//! It belongs to a thread and may be taken again by it. Every operation looks at it under the
//! internal lock and waits while it is another's, so that a holder can do several things as one.
//! If the holder ends, in whatever way, it comes free, and what was done so far stays; the next
//! holder is told.

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::error::Result;
use crate::heap::layout::{O_USER, OWNER};
use crate::heap::lock::Rule;
use crate::heap::object::ObjectRef;
use crate::observer::Op;
use crate::sync::Acquired;
use crate::sys::Host;

/// The face of that lock on an untyped container, which has its `object`.
macro_rules! user_lock {
    ($raw:ident) => {
        /// The user's lock.
        impl<H: Host> $raw<H> {
            /// Takes the container's own lock: every operation of others waits until it is given
            /// up, those of this thread go through. Re-entrant. Waits at most `timeout` (`None`:
            /// for ever).
            ///
            /// # Errors
            /// [`Error::WouldBlock`](crate::Error::WouldBlock) where this thread may not wait, and
            /// what its check says.
            pub fn lock(
                &self,
                timeout: Option<core::time::Duration>,
            ) -> $crate::Result<$crate::sync::Acquired> {
                $crate::containers::locked::lock(&self.object, timeout)
            }

            /// Gives it up once.
            ///
            /// # Errors
            /// [`Error::NotHeld`](crate::Error::NotHeld) when it is not this thread's.
            pub fn unlock(&self) -> $crate::Result<()> {
                $crate::containers::locked::unlock(&self.object)
            }

            /// Whether anybody has it.
            pub fn is_user_locked(&self) -> bool {
                $crate::containers::locked::is_locked(&self.object)
            }
        }
    };
}
pub(super) use user_lock;

/// What whoever gives it up without having it is told.
const HELD: &str = "locked() is not held by this thread";

pub(super) fn lock<H: Host>(object: &ObjectRef<H>, timeout: Option<Duration>) -> Result<Acquired> {
    let heap = object.heap();
    let told = object.before(Op::Acquire);
    let contended = told.is_some() && heap.is_of_another(object);
    let Some(death) = heap.take_user(object, timeout, Rule::Internal)? else {
        object.after(told, true);
        return Ok(Acquired::No);
    };
    // Once the internal lock has been ours, no operation that began before is still at work.
    if let Err(interrupted) = heap.drain(object) {
        if let Some(death) = death {
            heap.note_death(object.offset(), death);
        }
        heap.give_user(object, HELD)?;
        return Err(interrupted);
    }
    object.after(told, contended);
    Ok(death.map_or(Acquired::Yes, Acquired::Abandoned))
}

pub(super) fn unlock<H: Host>(object: &ObjectRef<H>) -> Result<()> {
    let told = object.before(Op::Release);
    object.heap().give_user(object, HELD)?;
    object.after(told, false);
    Ok(())
}

pub(super) fn is_locked<H: Host>(object: &ObjectRef<H>) -> bool {
    let at = object.offset() + O_USER;
    object.heap().host().load32(at, Ordering::Relaxed) & OWNER != 0
}
