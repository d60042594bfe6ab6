//! Which Rust types lie in a List or Dict, and as what.
//!
//! | Rust | in the heap | Python |
//! |---|---|---|
//! | integers of every size | integer of any size | int |
//! | `f32`, `f64` | float | float |
//! | `bool` | truth value | bool |
//! | `char`, `String` | string | str |
//! | `Vec<u8>` | bytes | bytes |
//! | `Option<T>` | None or the value | None or the value |
//! | tuples | tuple | tuple |
//! | [`List`](crate::List), [`Dict`](crate::Dict), [`Set`](crate::Set), [`Deque`](crate::Deque), [`Queue`](crate::Queue) | the object itself | List, Dict, Set, Deque, a queue |
//! | arrays, types with `#[derive(Shareable)]` | their bytes behind their type's id | - |
//! | [`Dynamic`] | any of these | any |
//!
//! Everything passes through `Stored`, the one form that both directions know.

use core::any::type_name;
use core::mem::size_of;

use crate::containers::typed::Dynamic;
use crate::containers::typed::stored::{Items, Stored};
use crate::error::{Error, Result};
use crate::heap::codec::{self, Item};
use crate::heap::shareable::{self, Native, Shareable};

/// A type that a [`List`](crate::List) or [`Dict`](crate::Dict) can hold.
///
/// Integers, floats, `bool`, `char`, `String`, `Vec<u8>`, options and tuples of these, nested
/// containers (Lists, Dicts and Dicts with habits, Sets, Deques, Vectors, Queues), [`Dynamic`], and
/// every type that derives [`Shareable`]. To store a type of your own, derive that; there is nothing
/// to implement here.
///
/// ```
/// use pumasi::{List, Shareable};
///
/// #[derive(Clone, Copy, Debug, PartialEq, Shareable)]
/// #[repr(C)]
/// struct Point {
///     x: f64,
///     y: f64,
/// }
///
/// # fn main() -> pumasi::Result<()> {
/// let points = List::of([Point { x: 1.0, y: 2.0 }])?;
/// assert_eq!(points.get(0)?, Some(Point { x: 1.0, y: 2.0 }));
///
/// let pairs = List::of([("rice".to_owned(), Some(3)), ("salt".to_owned(), None)])?;
/// assert_eq!(pairs.last()?, Some(("salt".to_owned(), None)));
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an element of a shared List or Dict",
    label = "not an `Element`",
    note = "elements are integers, floats, `bool`, `char`, `String`, `Vec<u8>`, options and tuples of these, `List`, `Dict`, `Dynamic`, and types with `#[derive(Clone, Copy, Shareable)]` and `#[repr(C)]`",
    note = "a collection becomes a nested `List` or `Dict`; a struct with such parts becomes a tuple or a `Dict`"
)]
pub trait Element: Sized {
    /// Shows the value as it will be stored.
    #[doc(hidden)]
    fn lend<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R>;

    /// Makes a value of what was stored.
    #[doc(hidden)]
    fn made_of(stored: Stored<'_>) -> Result<Self>;
}

/// A type of which values can be stored where a `T` belongs: `T` itself, `&T`, `&str` for
/// `String`, and almost everything for [`Dynamic`].
///
/// It lets `list.push("rice")` copy the text straight into shared memory.
///
/// ```
/// use pumasi::containers::StoredAs;
/// use pumasi::List;
///
/// fn note(log: &List<String>, text: impl StoredAs<String>) -> pumasi::Result<()> {
///     log.push(text)
/// }
///
/// let log = List::new()?;
/// note(&log, "rice")?;
/// note(&log, format!("{} sheaves", 3))?;
/// assert_eq!(log.to_vec()?, ["rice", "3 sheaves"]);
/// # Ok::<(), pumasi::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a `{Self}` cannot be stored where a `{T}` belongs",
    label = "expected `{T}`"
)]
pub trait StoredAs<T> {
    /// Shows the value as it will be stored.
    #[doc(hidden)]
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R>;
}

/// A type that can be the key of a [`Dict`](crate::Dict) or an element of a
/// [`Set`](crate::Set): integers, `bool`, `char`, `String`,
/// `Vec<u8>`, tuples of these, [`Dynamic`].
///
/// Keys are equal as Python's are: the integer 1 and `true` are one key.
///
/// ```
/// let found = pumasi::Set::of([(1, "rice".to_owned()), (2, "salt".to_owned())])?;
/// assert!(found.contains((1, "rice".to_owned()))?);
/// assert!(!found.contains((1, "salt".to_owned()))?);
/// # Ok::<(), pumasi::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a shared Dict",
    label = "not a `DictKey`",
    note = "keys are integers, `bool`, `char`, `String`, `Vec<u8>`, tuples of these, and `Dynamic`"
)]
pub trait DictKey: Element {}

impl<T: Element> StoredAs<T> for T {
    #[inline(always)]
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        self.lend(f)
    }
}

impl<T: Element> StoredAs<T> for &T {
    #[inline(always)]
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        (*self).lend(f)
    }
}

impl StoredAs<String> for &str {
    #[inline(always)]
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        f(Stored::Str(self.as_bytes()))
    }
}

impl StoredAs<Vec<u8>> for &[u8] {
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        f(Stored::Bytes(self))
    }
}

// ---- numbers, and types with a layout of their own ---------------------------------------------

impl<T: Shareable> Element for T {
    #[inline(always)]
    fn lend<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        let bytes = shareable::to_bytes(self);
        match T::NATIVE {
            Native::Signed => {
                let i = i128::from_le_bytes(widened(bytes, bytes[bytes.len() - 1] & 0x80 != 0));
                match i64::try_from(i) {
                    Ok(small) => f(Stored::Int(small)),
                    Err(_) => f(Stored::BigInt(codec::trimmed(&i.to_le_bytes()))),
                }
            }
            Native::Unsigned => {
                let wide = widened(bytes, false);
                match i64::try_from(u128::from_le_bytes(wide)) {
                    Ok(small) => f(Stored::Int(small)),
                    Err(_) => {
                        // One byte more, for the sign.
                        let mut signed = [0; 17];
                        signed[..16].copy_from_slice(&wide);
                        f(Stored::BigInt(codec::trimmed(&signed)))
                    }
                }
            }
            Native::Float => f(Stored::Float(float_of(bytes))),
            Native::Bool => f(Stored::Bool(bytes[0] != 0)),
            Native::Char => {
                let code = u32::from_le_bytes(widened(bytes, false));
                let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                f(Stored::Str(letter.encode_utf8(&mut [0; 4]).as_bytes()))
            }
            Native::No => f(Stored::Typed(T::TYPE_ID, bytes)),
        }
    }

    #[inline(always)]
    fn made_of(stored: Stored<'_>) -> Result<Self> {
        let size = size_of::<T>();
        let mut small = [0; 16];
        let bytes: Option<&[u8]> = match (T::NATIVE, stored) {
            (Native::Signed, Stored::Int(i)) => {
                small = i128::from(i).to_le_bytes();
                let unused = 64u32.saturating_sub(size as u32 * 8);
                ((i << unused) >> unused == i).then_some(&small[..size])
            }
            (Native::Unsigned, Stored::Int(i)) => {
                small = i128::from(i).to_le_bytes();
                let fits = i >= 0 && (size >= 8 || i >> (size as u32 * 8 % 64) == 0);
                fits.then_some(&small[..size])
            }
            (Native::Signed | Native::Unsigned, Stored::BigInt(big)) => {
                resized(big, size, T::NATIVE == Native::Signed, &mut small)
            }
            (Native::Float, stored) => stored.as_float().map(|float| {
                if size == 4 {
                    small[..4].copy_from_slice(&(float as f32).to_le_bytes());
                } else {
                    small[..8].copy_from_slice(&float.to_le_bytes());
                }
                &small[..size]
            }),
            (Native::Bool, Stored::Bool(b)) => {
                small[0] = u8::from(b);
                Some(&small[..1])
            }
            (Native::Char, Stored::Str(utf8)) => one_letter(utf8).map(|letter| {
                small[..4].copy_from_slice(&u32::from(letter).to_le_bytes());
                &small[..4]
            }),
            (Native::No, Stored::Typed(id, bytes)) if id == T::TYPE_ID => Some(bytes),
            _ => None,
        };
        bytes
            .and_then(shareable::from_bytes)
            .ok_or_else(|| mismatch::<T>(stored))
    }
}

/// The first 16 bytes of a little-endian number as wide as `N`.
#[inline(always)]
fn widened<const N: usize>(bytes: &[u8], negative: bool) -> [u8; N] {
    let mut wide = [if negative { 0xff } else { 0 }; N];
    let n = bytes.len().min(N);
    wide[..n].copy_from_slice(&bytes[..n]);
    wide
}

fn float_of(bytes: &[u8]) -> f64 {
    match *bytes {
        [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
        _ => f64::from_le_bytes(widened(bytes, false)),
    }
}

/// A big integer in `size` bytes, if it fits.
fn resized<'s>(big: &[u8], size: usize, signed: bool, small: &'s mut [u8; 16]) -> Option<&'s [u8]> {
    let mut bytes = codec::trimmed(big);
    let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    if !signed {
        if negative {
            return None;
        }
        // Without the byte that only says that it is positive.
        if let [rest @ .., 0] = bytes {
            bytes = rest;
        }
    }
    if bytes.len() > size {
        return None;
    }
    *small = widened(bytes, negative);
    Some(&small[..size])
}

fn one_letter(utf8: &[u8]) -> Option<char> {
    let mut letters = core::str::from_utf8(utf8).ok()?.chars();
    letters.next().filter(|_| letters.next().is_none())
}

#[cold]
pub(crate) fn mismatch<T>(found: Stored<'_>) -> Error {
    Error::TypeMismatch {
        expected: type_name::<T>(),
        found: found.described(),
    }
}

// ---- text, bytes, options ----------------------------------------------------------------------

impl Element for String {
    #[inline(always)]
    fn lend<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        f(Stored::Str(self.as_bytes()))
    }

    fn made_of(stored: Stored<'_>) -> Result<Self> {
        match stored {
            Stored::Str(utf8) => core::str::from_utf8(utf8)
                .map(str::to_owned)
                .map_err(|_| Error::corrupt(0, "a string that is not UTF-8")),
            other => Err(mismatch::<String>(other)),
        }
    }
}

impl Element for Vec<u8> {
    fn lend<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        f(Stored::Bytes(self))
    }

    fn made_of(stored: Stored<'_>) -> Result<Self> {
        match stored {
            Stored::Bytes(bytes) => Ok(bytes.to_vec()),
            other => Err(mismatch::<Vec<u8>>(other)),
        }
    }
}

impl<T: Element> Element for Option<T> {
    fn lend<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        match self {
            None => f(Stored::None),
            Some(value) => value.lend(f),
        }
    }

    fn made_of(stored: Stored<'_>) -> Result<Self> {
        match stored {
            Stored::None => Ok(None),
            other => T::made_of(other).map(Some),
        }
    }
}

// ---- tuples ------------------------------------------------------------------------------------

macro_rules! tuples {
    ($($n:literal: $($t:ident $i:tt),+;)*) => {$(
        impl<$($t: Element),+> Element for ($($t,)+) {
            fn lend<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
                let mut encoded = Vec::new();
                codec::write(&mut encoded, Item::Tuple($n));
                $(self.$i.lend(|item| item.write(&mut encoded))?;)+
                f(Stored::Tuple(&encoded))
            }

            fn made_of(stored: Stored<'_>) -> Result<Self> {
                let Stored::Tuple(encoded) = stored else {
                    return Err(mismatch::<Self>(stored));
                };
                let mut items = Items::of(encoded)?;
                if items.left != $n {
                    return Err(mismatch::<Self>(stored));
                }
                Ok(($($t::made_of(items.take()?)?,)+))
            }
        }

        impl<$($t: DictKey),+> DictKey for ($($t,)+) {}
    )*};
}

tuples! {
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, F 5;
    7: A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
}

// ---- keys --------------------------------------------------------------------------------------

macro_rules! keys {
    ($($key:ty)*) => {$(impl DictKey for $key {})*};
}

keys! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool char String Vec<u8> Dynamic }
