//! The containers as Rust programs use them: typed handles over the untyped faces.

mod addend;
mod array;
mod big_int;
#[cfg(feature = "serde")]
mod by_reference;
mod counter;
mod default_dict;
mod deque;
mod dict;
mod dict_watch;
mod dynamic;
#[cfg(feature = "serde")]
mod dynamic_serde;
mod element;
mod fresh;
mod iter;
mod list;
mod locked;
mod namespace;
mod plain;
mod queue;
mod set;
mod stored;
mod value;
mod vector;

pub use addend::Addend;
pub use array::Array;
pub use big_int::BigInt;
pub use counter::Counter;
pub use default_dict::DefaultDict;
pub use deque::Deque;
pub use dict::Dict;
pub use dynamic::{Dynamic, Typed};
pub use element::{DictKey, Element, StoredAs};
pub use fresh::{Factory, Fresh};
pub use iter::{DequeIter, DictIter, ListIter, SetIter};
pub use list::List;
pub use locked::{Lockable, Locked};
pub use namespace::Namespace;
pub use plain::Arithmetic;
pub use queue::{Drain, Joined, Queue, QueueBuilder, QueueIter, UntilClosed};
pub use set::Set;
pub use value::Value;
pub use vector::Vector;

/// What every container handle has: it is cloned, compared and nested by reference. (How it is
/// sent to other processes is in `by_reference`.)
macro_rules! handle {
    ($name:ident<$($p:ident),+>, $raw:ident) => {
        impl<$($p),+> $name<$($p),+> {
            /// The untyped face, for what this one leaves out.
            ///
            /// ```
            #[doc = concat!("use pumasi::", stringify!($name), ";")]
            ///
            #[doc = concat!("let one: ", stringify!($name), " = ", stringify!($name), "::new()?;")]
            #[doc = concat!("let same: ", stringify!($name), " = one.raw().clone().into();")]
            /// assert_eq!(one, same); // another handle of the same object
            /// # Ok::<(), pumasi::Error>(())
            /// ```
            pub fn raw(&self) -> &$raw {
                &self.raw
            }
        }

        impl<$($p),+> From<$raw> for $name<$($p),+> {
            fn from(raw: $raw) -> Self {
                $name { raw, types: PhantomData }
            }
        }

        impl<$($p),+> Clone for $name<$($p),+> {
            fn clone(&self) -> Self {
                $name::from(self.raw.clone())
            }
        }

        /// Two handles are equal when they lead to the same object; compare copies for contents.
        impl<$($p),+> PartialEq for $name<$($p),+> {
            fn eq(&self, other: &Self) -> bool {
                self.raw.object() == other.raw.object()
            }
        }

        impl<$($p),+> Eq for $name<$($p),+> {}

        impl<$($p),+> core::hash::Hash for $name<$($p),+> {
            fn hash<S: core::hash::Hasher>(&self, state: &mut S) {
                self.raw.object().hash(state);
            }
        }

        impl<$($p),+> fmt::Debug for $name<$($p),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.raw.object().fmt(f)
            }
        }

        /// Nested by reference.
        impl<$($p: Element),+> Element for $name<$($p),+> {
            fn lend<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
                f(Stored::Object(self.raw.object()))
            }

            fn made_of(stored: Stored<'_>) -> Result<Self> {
                match stored {
                    Stored::Object(object) => $raw::from_object(object.clone()).map(Self::from),
                    other => Err(mismatch::<Self>(other)),
                }
            }
        }

        impl<$($p: Element),+> StoredAs<Dynamic> for $name<$($p),+> {
            fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
                self.lend(f)
            }
        }

        impl<$($p: Element),+> StoredAs<Dynamic> for &$name<$($p),+> {
            fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
                (*self).lend(f)
            }
        }
    };
}
use handle;

/// A container that a thread can have to itself.
macro_rules! lockable {
    ($name:ident<$($p:ident),+>) => {
        impl<$($p),+> Lockable for $name<$($p),+> {
            fn enter(&self, timeout: Option<Duration>) -> Result<Acquired> {
                self.raw.lock(timeout)
            }

            fn leave(&self) -> Result<()> {
                self.raw.unlock()
            }

            fn lock_object(&self) -> &ObjectRef {
                self.raw.object()
            }
        }
    };
}
use lockable;

/// What a handle has that is a dictionary with habits of its own, as [`handle`] for the others.
macro_rules! of_dict {
    ($name:ident $(<$($p:ident),+>)?, $dict:ty) => {
        /// A dictionary, read as one of these.
        impl $(<$($p),+>)? From<$dict> for $name $(<$($p),+>)? {
            fn from(dict: $dict) -> Self {
                $name { dict }
            }
        }

        impl $(<$($p),+>)? From<RawDict> for $name $(<$($p),+>)? {
            fn from(raw: RawDict) -> Self {
                Dict::from(raw).into()
            }
        }

        impl $(<$($p),+>)? Clone for $name $(<$($p),+>)? {
            fn clone(&self) -> Self {
                self.dict.clone().into()
            }
        }

        /// Two handles are equal when they lead to the same object; compare copies for contents.
        impl $(<$($p),+>)? PartialEq for $name $(<$($p),+>)? {
            fn eq(&self, other: &Self) -> bool {
                self.dict == other.dict
            }
        }

        impl $(<$($p),+>)? Eq for $name $(<$($p),+>)? {}

        impl $(<$($p),+>)? core::hash::Hash for $name $(<$($p),+>)? {
            fn hash<S: core::hash::Hasher>(&self, state: &mut S) {
                self.dict.hash(state);
            }
        }

        impl $(<$($p),+>)? fmt::Debug for $name $(<$($p),+>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.dict.fmt(f)
            }
        }

        /// Nested by reference.
        impl $(<$($p: Element),+>)? Element for $name $(<$($p),+>)? {
            fn lend<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
                self.dict.lend(f)
            }

            fn made_of(stored: Stored<'_>) -> Result<Self> {
                Dict::made_of(stored).map(Self::from)
            }
        }

        impl $(<$($p: Element),+>)? StoredAs<Dynamic> for $name $(<$($p),+>)? {
            fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
                self.lend(f)
            }
        }

        impl $(<$($p: Element),+>)? StoredAs<Dynamic> for &$name $(<$($p),+>)? {
            fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
                (*self).lend(f)
            }
        }
    };
}
use of_dict;
