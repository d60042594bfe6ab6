//! The handles of primitives as parts of values that serde writes down: by reference, on the way to
//! another process; elsewhere it is refused (see [`travel`](crate::heap::travel)).

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::heap::object::ObjectRef;
use crate::sync::{
    Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, RawBarrier, RawBoundedSemaphore,
    RawCondition, RawEvent, RawLock, RawRLock, RawRwLock, RawSemaphore, RwLock, Semaphore,
};

macro_rules! object {
    ($($name:ident, $raw:ident;)+) => {$(
        /// By reference, on the way to another process; elsewhere it is refused.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.raw().object().serialize(to)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let object = ObjectRef::deserialize(from)?;
                let raw = $raw::from_object(object).map_err(D::Error::custom)?;
                Ok(raw.into())
            }
        }
    )+};
}

object! {
    Barrier, RawBarrier;
    BoundedSemaphore, RawBoundedSemaphore;
    Condition, RawCondition;
    Event, RawEvent;
    Lock, RawLock;
    RLock, RawRLock;
    RwLock, RawRwLock;
    Semaphore, RawSemaphore;
}
