//! A value of any type, as a container of mixed values gives it: what Python stored, for one.

use core::fmt;

use crate::containers::typed::element::mismatch;
use crate::containers::typed::stored::{Items, Stored};
use crate::containers::typed::{BigInt, Deque, Dict, Element, List, Queue, Set, StoredAs};
use crate::error::{Error, Result};
use crate::heap::codec;
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::shareable::{self, Native, Shareable};

/// Tuples are read and written down to this depth; deeper ones are an error.
const DEEPEST: usize = 200;

/// A value of any type.
///
/// `List` without a type parameter is a `List<Dynamic>`, and `Dict` a `Dict<Dynamic, Dynamic>`:
/// that is what Python's lists and dicts are. Most Rust values turn into one with `From`, and
/// back with `TryFrom` or the `as_` methods.
///
/// ```
/// use pumasi::{Dynamic, List};
///
/// # fn main() -> pumasi::Result<()> {
/// let list: List = List::new()?;
/// list.push("rice")?;
/// list.push(3)?;
/// list.push(2.5)?;
/// list.push(Dynamic::None)?;
/// let mut amount = 0.0;
/// for value in list.iter()? {
///     match value? {
///         Dynamic::Int(n) => amount += n as f64,
///         Dynamic::Float(x) => amount += x,
///         other => println!("not a number: {other}"),
///     }
/// }
/// assert_eq!(amount, 5.5);
/// assert_eq!(list.get(0)?.unwrap().as_str(), Some("rice"));
/// # Ok(())
/// # }
/// ```
///
/// Values are equal when they are of the same variant with equal contents; shared objects, when
/// they are the same object.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Dynamic {
    /// Python's `None`.
    #[default]
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer that needs more.
    BigInt(BigInt),
    /// A float.
    Float(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// A text.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A tuple.
    Tuple(Vec<Dynamic>),
    /// A nested list, shared as well.
    List(List),
    /// A nested dictionary, shared as well; Python's Counter, DefaultDict and Namespace are
    /// dictionaries, too.
    Dict(Dict),
    /// A nested set, shared as well.
    Set(Set),
    /// A nested deque, shared as well.
    Deque(Deque),
    /// A shared object of another kind, a [`Queue`] or a lock for instance.
    Object(ObjectRef),
    /// A Python object that only Python can read: its pickle. It cannot be stored from Rust.
    Opaque(Vec<u8>),
    /// A value of a type that derives `Shareable`; [`Typed::get`] reads it.
    Typed(Typed),
}

/// The bytes of a value whose type only its program knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    pub(super) id: u64,
    pub(super) bytes: Vec<u8>,
}

impl Dynamic {
    /// The text, if it is one.
    ///
    /// ```
    /// use pumasi::Dynamic;
    ///
    /// assert_eq!(Dynamic::from("rice").as_str(), Some("rice"));
    /// assert_eq!(Dynamic::from(3).as_str(), None);
    /// ```
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Dynamic::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one of 64 bits.
    ///
    /// ```
    /// use pumasi::Dynamic;
    ///
    /// assert_eq!(Dynamic::from(3).as_int(), Some(3));
    /// assert_eq!(Dynamic::from(3.0).as_int(), None);
    /// assert_eq!(Dynamic::from(u64::MAX).as_int(), None); // a BigInt
    /// ```
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Dynamic::Int(i) => Some(*i),
            _ => None,
        }
    }

    /// The number as a float, if it is a float or an integer of 64 bits.
    ///
    /// ```
    /// use pumasi::Dynamic;
    ///
    /// assert_eq!(Dynamic::from(2.5).as_float(), Some(2.5));
    /// assert_eq!(Dynamic::from(3).as_float(), Some(3.0));
    /// assert_eq!(Dynamic::from("3").as_float(), None);
    /// ```
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Dynamic::Float(float) => Some(*float),
            // Over 53 bits it is rounded, as Python's float() does.
            Dynamic::Int(i) => Some(*i as f64),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    ///
    /// ```
    /// use pumasi::Dynamic;
    ///
    /// assert_eq!(Dynamic::from(true).as_bool(), Some(true));
    /// assert_eq!(Dynamic::from(1).as_bool(), None);
    /// ```
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Dynamic::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// Whether it is Python's `None`.
    ///
    /// ```
    /// use pumasi::Dynamic;
    ///
    /// assert!(Dynamic::from(None::<i64>).is_none());
    /// assert!(!Dynamic::from(0).is_none());
    /// ```
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Dynamic::None)
    }

    fn made_at(depth: usize, stored: Stored<'_>) -> Result<Dynamic> {
        Ok(match stored {
            Stored::None => Dynamic::None,
            Stored::Bool(b) => Dynamic::Bool(b),
            Stored::Int(i) => Dynamic::Int(i),
            Stored::BigInt(bytes) => BigInt::from_le_bytes(bytes),
            Stored::Float(float) => Dynamic::Float(float),
            Stored::Complex(re, im) => Dynamic::Complex(re, im),
            Stored::Str(_) => Dynamic::Str(String::made_of(stored)?),
            Stored::Bytes(bytes) => Dynamic::Bytes(bytes.to_vec()),
            Stored::Pickle(bytes) => Dynamic::Opaque(bytes.to_vec()),
            Stored::Typed(id, bytes) => Dynamic::Typed(Typed {
                id,
                bytes: bytes.to_vec(),
            }),
            Stored::Object(object) => Dynamic::of_object(object.clone())?,
            Stored::Tuple(encoded) => {
                if depth == DEEPEST {
                    return Err(too_deep());
                }
                let mut items = Items::of(encoded)?;
                let mut tuple = Vec::with_capacity(items.left);
                while items.left > 0 {
                    tuple.push(Dynamic::made_at(depth + 1, items.take()?)?);
                }
                Dynamic::Tuple(tuple)
            }
        })
    }

    /// A shared object by its kind.
    pub(super) fn of_object(object: ObjectRef) -> Result<Dynamic> {
        Ok(match object.kind() {
            Kind::List => Dynamic::List(List::made_of(Stored::Object(&object))?),
            Kind::Set => Dynamic::Set(Set::made_of(Stored::Object(&object))?),
            Kind::Deque => Dynamic::Deque(Deque::made_of(Stored::Object(&object))?),
            kind if kind.is_dict() => Dynamic::Dict(Dict::made_of(Stored::Object(&object))?),
            _ => Dynamic::Object(object),
        })
    }

    /// Appends a value as an item of a tuple.
    fn write(&self, depth: usize, out: &mut Vec<u8>) -> Result<()> {
        let Dynamic::Tuple(items) = self else {
            return self.lend(|stored| stored.write(out));
        };
        if depth == DEEPEST {
            return Err(too_deep());
        }
        codec::write(out, codec::Item::Tuple(items.len()));
        items.iter().try_for_each(|item| item.write(depth + 1, out))
    }
}

fn too_deep() -> Error {
    Error::Unsupported {
        what: format!("tuples nested more than {DEEPEST} deep"),
    }
}

impl Element for Dynamic {
    fn lend<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        let mut encoded = Vec::new();
        f(match self {
            Dynamic::None => Stored::None,
            Dynamic::Bool(b) => Stored::Bool(*b),
            Dynamic::Int(i) => Stored::Int(*i),
            Dynamic::BigInt(big) => Stored::BigInt(&big.0),
            Dynamic::Float(float) => Stored::Float(*float),
            Dynamic::Complex(re, im) => Stored::Complex(*re, *im),
            Dynamic::Str(text) => Stored::Str(text.as_bytes()),
            Dynamic::Bytes(bytes) => Stored::Bytes(bytes),
            Dynamic::List(list) => Stored::Object(list.raw().object()),
            Dynamic::Dict(dict) => Stored::Object(dict.raw().object()),
            Dynamic::Set(set) => Stored::Object(set.raw().object()),
            Dynamic::Deque(deque) => Stored::Object(deque.raw().object()),
            Dynamic::Object(object) => Stored::Object(object),
            Dynamic::Opaque(pickle) => Stored::Pickle(pickle),
            Dynamic::Typed(Typed { id, bytes }) => Stored::Typed(*id, bytes),
            Dynamic::Tuple(_) => {
                self.write(0, &mut encoded)?;
                Stored::Tuple(&encoded)
            }
        })
    }

    fn made_of(stored: Stored<'_>) -> Result<Self> {
        Dynamic::made_at(0, stored)
    }
}

impl StoredAs<Dynamic> for &str {
    #[inline]
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        f(Stored::Str(self.as_bytes()))
    }
}

impl StoredAs<Dynamic> for &[u8] {
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        f(Stored::Bytes(self))
    }
}

impl<T: Shareable> StoredAs<Dynamic> for T {
    #[inline]
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        self.lend(f)
    }
}

/// Of an `Element` that is no number, the same value as a Dynamic.
macro_rules! also_dynamic {
    ($([$($p:ident),*] $t:ty;)*) => {$(
        impl<$($p: Element),*> StoredAs<Dynamic> for $t {
            fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
                self.lend(f)
            }
        }

        impl<$($p: Element),*> StoredAs<Dynamic> for &$t {
            fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
                (*self).lend(f)
            }
        }
    )*};
}

also_dynamic! {
    [] String;
    [] Vec<u8>;
    [T] Option<T>;
    [A] (A,);
    [A, B] (A, B);
    [A, B, C] (A, B, C);
    [A, B, C, D] (A, B, C, D);
}

// ---- from and into Rust's own ------------------------------------------------------------------

macro_rules! from {
    ($($t:ty => $variant:ident;)*) => {$(
        impl From<$t> for Dynamic {
            fn from(value: $t) -> Dynamic {
                Dynamic::$variant(value.into())
            }
        }
    )*};
}

from! {
    bool => Bool;
    u8 => Int; u16 => Int; u32 => Int;
    i8 => Int; i16 => Int; i32 => Int; i64 => Int;
    f32 => Float; f64 => Float;
    char => Str; &str => Str; String => Str;
    &[u8] => Bytes; Vec<u8> => Bytes;
    Vec<Dynamic> => Tuple;
}

/// Of the integers that may need more than 64 bits.
macro_rules! from_wide {
    ($($t:ty)*) => {$(
        impl From<$t> for Dynamic {
            fn from(value: $t) -> Dynamic {
                match i64::try_from(value) {
                    Ok(small) => Dynamic::Int(small),
                    Err(_) => {
                        let mut bytes = value.to_le_bytes().to_vec();
                        // The sign of a number without one.
                        if value > 0 {
                            bytes.push(0);
                        }
                        Dynamic::BigInt(BigInt(codec::trimmed(&bytes).to_vec()))
                    }
                }
            }
        }
    )*};
}

from_wide! { u64 usize isize u128 i128 }

impl<T: Element> From<List<T>> for Dynamic {
    fn from(list: List<T>) -> Dynamic {
        Dynamic::List(list.cast())
    }
}

impl<K: Element, V: Element> From<Dict<K, V>> for Dynamic {
    fn from(dict: Dict<K, V>) -> Dynamic {
        Dynamic::Dict(dict.cast())
    }
}

impl<K: Element> From<Set<K>> for Dynamic {
    fn from(set: Set<K>) -> Dynamic {
        Dynamic::Set(set.cast())
    }
}

impl<T: Element> From<Deque<T>> for Dynamic {
    fn from(deque: Deque<T>) -> Dynamic {
        Dynamic::Deque(deque.cast())
    }
}

impl<T: Into<Dynamic>> From<Option<T>> for Dynamic {
    fn from(value: Option<T>) -> Dynamic {
        value.map_or(Dynamic::None, Into::into)
    }
}

/// A value back as a Rust type; [`Error::TypeMismatch`] when it is another.
macro_rules! try_into {
    ($($t:ty)*) => {$(
        impl TryFrom<Dynamic> for $t {
            type Error = Error;

            fn try_from(value: Dynamic) -> Result<$t> {
                value.lend(<$t>::made_of)
            }
        }
    )*};
}

try_into! {
    bool char u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 String Vec<u8>
    List Dict Set Deque Queue
}

impl Typed {
    /// The value, if `T` is its type.
    ///
    /// ```
    /// use pumasi::{Dynamic, Error, List};
    ///
    /// let list: List = List::new()?;
    /// list.push([1.0, 2.0])?; // an array, as a type that derives Shareable
    /// let Some(Dynamic::Typed(typed)) = list.get(0)? else { unreachable!() };
    /// assert_eq!(typed.get::<[f64; 2]>()?, [1.0, 2.0]);
    /// assert!(matches!(typed.get::<[u64; 2]>(), Err(Error::TypeMismatch { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TypeMismatch`].
    pub fn get<T: Shareable>(&self) -> Result<T> {
        let stored = Stored::Typed(self.id, &self.bytes);
        if T::NATIVE != Native::No || self.id != T::TYPE_ID {
            return Err(mismatch::<T>(stored));
        }
        shareable::from_bytes(&self.bytes).ok_or_else(|| mismatch::<T>(stored))
    }
}

// ---- in words ----------------------------------------------------------------------------------

/// As Python prints it, but for shared objects, which are only named.
impl fmt::Display for Dynamic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dynamic::None => f.write_str("None"),
            Dynamic::Bool(true) => f.write_str("True"),
            Dynamic::Bool(false) => f.write_str("False"),
            Dynamic::Int(i) => i.fmt(f),
            Dynamic::BigInt(big) => big.fmt(f),
            Dynamic::Float(float) => write!(f, "{float:?}"),
            Dynamic::Complex(re, im) => write!(f, "({re:?}{im:+?}j)"),
            Dynamic::Str(text) => f.pad(text),
            Dynamic::Bytes(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            Dynamic::Tuple(items) => {
                f.write_str("(")?;
                for (i, item) in items.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    match item {
                        Dynamic::Str(text) => write!(f, "{comma}{text:?}")?,
                        item => write!(f, "{comma}{item}")?,
                    }
                }
                f.write_str(if items.len() == 1 { ",)" } else { ")" })
            }
            Dynamic::List(list) => write!(f, "<{list:?}>"),
            Dynamic::Dict(dict) => write!(f, "<{dict:?}>"),
            Dynamic::Set(set) => write!(f, "<{set:?}>"),
            Dynamic::Deque(deque) => write!(f, "<{deque:?}>"),
            Dynamic::Object(object) => write!(f, "<{object:?}>"),
            Dynamic::Opaque(pickle) => write!(f, "<Python object of {} bytes>", pickle.len()),
            Dynamic::Typed(typed) => write!(f, "<Rust value of {} bytes>", typed.bytes.len()),
        }
    }
}
