//! The handles of containers as parts of values that serde writes down: by reference, on the way to
//! another process; elsewhere it is refused (see [`travel`](crate::heap::travel)).

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::containers::typed::{
    Array, Counter, DefaultDict, Deque, Dict, List, Namespace, Queue, Set, Value, Vector,
};
use crate::containers::{RawDeque, RawDict, RawList, RawQueue, RawSet, RawVector};
use crate::heap::object::ObjectRef;
use crate::heap::shareable::Shareable;

/// A handle of one object.
macro_rules! object {
    ($name:ident<$($p:ident),+>, $raw:ident) => {
        /// By reference, on the way to another process; elsewhere it is refused.
        impl<$($p),+> Serialize for $name<$($p),+> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.raw().object().serialize(to)
            }
        }

        impl<'de, $($p),+> Deserialize<'de> for $name<$($p),+> {
            fn deserialize<De: Deserializer<'de>>(from: De) -> Result<Self, De::Error> {
                let object = ObjectRef::deserialize(from)?;
                let raw = $raw::from_object(object).map_err(De::Error::custom)?;
                Ok(raw.into())
            }
        }
    };
}

object!(Deque<T>, RawDeque);
object!(Dict<K, V>, RawDict);
object!(List<T>, RawList);
object!(Queue<T>, RawQueue);
object!(Set<K>, RawSet);

/// A dictionary with habits of its own.
macro_rules! dict {
    ($name:ident $(<$($p:ident),+>)?) => {
        /// By reference, on the way to another process; elsewhere it is refused.
        impl $(<$($p),+>)? Serialize for $name $(<$($p),+>)? {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.as_dict().serialize(to)
            }
        }

        impl<'de, $($($p),+)?> Deserialize<'de> for $name $(<$($p),+>)? {
            fn deserialize<De: Deserializer<'de>>(from: De) -> Result<Self, De::Error> {
                Dict::deserialize(from).map(Self::from)
            }
        }
    };
}

dict!(Counter<K>);
dict!(DefaultDict<K, V>);
dict!(Namespace);

/// A handle of plain data and of the lock beside it.
macro_rules! locked {
    ($name:ident) => {
        /// By reference, on the way to another process; elsewhere it is refused.
        impl<T: Shareable> Serialize for $name<T> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.objects().serialize(to)
            }
        }

        impl<'de, T: Shareable> Deserialize<'de> for $name<T> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let (buffer, lock) = Deserialize::deserialize(from)?;
                $name::from_objects(buffer, lock).map_err(D::Error::custom)
            }
        }
    };
}

locked!(Array);
locked!(Value);

/// By reference, on the way to another process; elsewhere it is refused.
impl<T> Serialize for Vector<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.raw().object().serialize(to)
    }
}

impl<'de, T: Shareable> Deserialize<'de> for Vector<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = RawVector::from_object(ObjectRef::deserialize(from)?);
        raw.and_then(Vector::from_raw).map_err(D::Error::custom)
    }
}
