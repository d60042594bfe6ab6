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
use crate::sync::Acquired;
use crate::sys::Host;

pub(crate) fn lock_container<H: Host>(
    object: &ObjectRef<H>,
    timeout: Option<Duration>,
) -> Result<Acquired> {
    // Once the internal lock has been ours, no operation that began before is still at work.
    let taken = object.heap().take_user(object, timeout, Rule::Internal)?;
    if taken.is_some() {
        object.heap().drain(object)?;
    }
    Ok(match taken {
        None => Acquired::No,
        Some(None) => Acquired::Yes,
        Some(Some(death)) => Acquired::Abandoned(death),
    })
}

pub(crate) fn unlock_container<H: Host>(object: &ObjectRef<H>) -> Result<()> {
    let what = "locked() is not held by this thread";
    object.heap().give_user(object, what)
}

pub(crate) fn is_locked<H: Host>(object: &ObjectRef<H>) -> bool {
    let at = object.offset() + O_USER;
    object.heap().host().load32(at, Ordering::Relaxed) & OWNER != 0
}
