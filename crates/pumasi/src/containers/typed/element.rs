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
//! | [`List`](crate::List), [`Dict`](crate::Dict) | the object itself | List, Dict |
//! | arrays, types with `#[derive(Shareable)]` | their bytes behind their type's id | - |
//! | [`Dynamic`] | any of these | any |
//!
//! Everything passes through [`Stored`], the one form that both directions know. A value is
//! written before any lock is taken and read after it was given up.

use core::any::type_name;
use core::mem::size_of;

use crate::containers::Key;
use crate::containers::snapshot::ItemRef;
use crate::containers::typed::Dynamic;
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::cell::{Cell, Tag};
use crate::heap::codec::{self, Item, Reader};
use crate::heap::object::ObjectRef;
use crate::heap::shareable::{self, Native, Shareable};
use crate::heap::value::{Fetch, Prepared};

/// Bytes of the type's id in front of a `Typed` value.
const ID: usize = 8;

/// A value on its way into a shared container or out of it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Stored<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// Two's complement, least significant byte first.
    BigInt(&'a [u8]),
    Float(f64),
    Complex(f64, f64),
    /// UTF-8, not checked yet.
    Str(&'a [u8]),
    Bytes(&'a [u8]),
    /// The encoding of a whole tuple.
    Tuple(&'a [u8]),
    /// A Python object that only Python reads.
    Pickle(&'a [u8]),
    /// The id and the bytes of a `Shareable` type.
    Typed(u64, &'a [u8]),
    Object(&'a ObjectRef),
}

/// A type that a [`List`](crate::List) or [`Dict`](crate::Dict) can hold.
///
/// Integers, floats, `bool`, `char`, `String`, `Vec<u8>`, options and tuples of these, nested
/// Lists and Dicts, [`Dynamic`], and every type that derives [`Shareable`]. To store a type of
/// your own, derive that; there is nothing to implement here.
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
#[diagnostic::on_unimplemented(
    message = "a `{Self}` cannot be stored where a `{T}` belongs",
    label = "expected `{T}`"
)]
pub trait StoredAs<T> {
    /// Shows the value as it will be stored.
    #[doc(hidden)]
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R>;
}

/// A type that can be the key of a [`Dict`](crate::Dict): integers, `bool`, `char`, `String`,
/// `Vec<u8>`, tuples of these, [`Dynamic`].
///
/// Keys are equal as Python's are: the integer 1 and `true` are one key.
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

/// The items of an encoded tuple, one by one.
pub(crate) struct Items<'a> {
    reader: Reader<'a>,
    /// How many are to come.
    pub(crate) left: usize,
}

impl<'a> Items<'a> {
    pub(crate) fn of(encoded: &'a [u8]) -> Result<Items<'a>> {
        let mut reader = Reader::new(encoded);
        match reader.next() {
            Some(Ok(Item::Tuple(left))) => Ok(Items { reader, left }),
            _ => Err(broken_tuple()),
        }
    }

    /// The next item, a tuple among them as a whole.
    pub(crate) fn take(&mut self) -> Result<Stored<'a>> {
        self.left = self.left.checked_sub(1).ok_or_else(broken_tuple)?;
        let from = self.reader.rest();
        Ok(match self.reader.next().ok_or_else(broken_tuple)?? {
            Item::None => Stored::None,
            Item::Bool(b) => Stored::Bool(b),
            Item::Int(i) => Stored::Int(i),
            Item::BigInt(bytes) => Stored::BigInt(bytes),
            Item::Float(float) => Stored::Float(float),
            Item::Complex(re, im) => Stored::Complex(re, im),
            Item::Str(utf8) => Stored::Str(utf8),
            Item::Bytes(bytes) => Stored::Bytes(bytes),
            Item::Typed(bytes) => typed(bytes)?,
            Item::Tuple(items) => {
                let mut inside = items;
                while inside > 0 {
                    inside -= 1;
                    if let Item::Tuple(more) = self.reader.next().ok_or_else(broken_tuple)?? {
                        inside = inside.checked_add(more).ok_or_else(broken_tuple)?;
                    }
                }
                Stored::Tuple(&from[..from.len() - self.reader.rest().len()])
            }
        })
    }
}

#[cold]
fn broken_tuple() -> Error {
    Error::corrupt(0, "an encoded tuple that is none")
}

fn typed(bytes: &[u8]) -> Result<Stored<'_>> {
    match bytes.split_first_chunk::<ID>() {
        Some((id, bytes)) => Ok(Stored::Typed(u64::from_le_bytes(*id), bytes)),
        None => Err(Error::corrupt(0, "a typed value without its type")),
    }
}

// ---- keys --------------------------------------------------------------------------------------

macro_rules! keys {
    ($($key:ty)*) => {$(impl DictKey for $key {})*};
}

keys! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool char String Vec<u8> Dynamic }

// ---- in and out of the heap --------------------------------------------------------------------

impl<'a> Stored<'a> {
    /// Makes the value ready to be stored.
    #[inline(always)]
    pub(crate) fn prepare<'h>(&self, heap: &'h Heap) -> Result<Prepared<'h>> {
        match *self {
            Stored::None => Ok(Prepared::inline(heap, Cell::NONE)),
            Stored::Bool(b) => Ok(Prepared::inline(heap, Cell::bool(b))),
            Stored::Int(i) => heap.prepare_int(i),
            Stored::Float(float) => heap.prepare_float(float),
            Stored::Str(utf8) => heap.prepare_bytes(Tag::Str, utf8),
            Stored::Bytes(bytes) => heap.prepare_bytes(Tag::Bytes, bytes),
            Stored::Object(object) => heap.prepare_object(object),
            _ => self.prepare_rarely(heap),
        }
    }

    fn prepare_rarely<'h>(&self, heap: &'h Heap) -> Result<Prepared<'h>> {
        match *self {
            Stored::BigInt(bytes) => match codec::small(bytes) {
                Some(small) => heap.prepare_int(small),
                None => heap.prepare_bytes(Tag::BigInt, bytes),
            },
            Stored::Complex(re, im) => heap.prepare_bytes(Tag::Complex, &complex(re, im)),
            Stored::Tuple(encoded) => heap.prepare_bytes(Tag::Tuple, encoded),
            Stored::Typed(id, bytes) => heap.prepare_bytes(Tag::Typed, &with_id(id, bytes)),
            _ => Err(unsupported(
                "a Python object cannot be stored from Rust: store it in Python, or its parts",
            )),
        }
    }

    /// Writes the value down as an item of a tuple.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        let item = match *self {
            Stored::None => Item::None,
            Stored::Bool(b) => Item::Bool(b),
            Stored::Int(i) => Item::Int(i),
            Stored::BigInt(bytes) => Item::BigInt(bytes),
            Stored::Float(float) => Item::Float(float),
            Stored::Complex(re, im) => Item::Complex(re, im),
            Stored::Str(utf8) => Item::Str(utf8),
            Stored::Bytes(bytes) => Item::Bytes(bytes),
            Stored::Tuple(encoded) => {
                out.extend_from_slice(encoded);
                return Ok(());
            }
            Stored::Typed(id, bytes) => {
                codec::write(out, Item::Typed(&with_id(id, bytes)));
                return Ok(());
            }
            Stored::Pickle(_) | Stored::Object(_) => {
                return Err(unsupported(
                    "a tuple holds plain values only: put a shared List, Dict or Python object \
                     beside it, or a List in its place",
                ));
            }
        };
        codec::write(out, item);
        Ok(())
    }

    /// Calls `f` with the value as a key, and with the value itself where the key alone does not
    /// give it back.
    #[inline(always)]
    pub(crate) fn key<R>(
        &self,
        heap: &Heap,
        f: impl FnOnce(&Key<'_>, Option<Stored<'_>>) -> Result<R>,
    ) -> Result<R> {
        match *self {
            Stored::Str(utf8) => f(&text_key(heap, Tag::Str, utf8), None),
            Stored::Int(i) => f(&Key::int(heap, i, &mut [0; 8]), None),
            _ => self.rare_key(heap, f),
        }
    }

    fn rare_key<R>(
        &self,
        heap: &Heap,
        f: impl FnOnce(&Key<'_>, Option<Stored<'_>>) -> Result<R>,
    ) -> Result<R> {
        let item = match *self {
            Stored::None => Item::None,
            Stored::Bool(b) => Item::Bool(b),
            Stored::Int(i) => Item::Int(i),
            Stored::BigInt(bytes) => Item::BigInt(bytes),
            Stored::Float(float) => Item::Float(float),
            Stored::Complex(re, im) => Item::Complex(re, im),
            Stored::Str(utf8) => Item::Str(utf8),
            Stored::Bytes(bytes) => Item::Bytes(bytes),
            Stored::Tuple(encoded) => {
                let (form, same) = canonical_tuple(encoded)?;
                return f(
                    &Key::long(heap, Tag::Tuple, &form),
                    (!same).then_some(*self),
                );
            }
            Stored::Typed(..) | Stored::Pickle(_) | Stored::Object(_) => {
                return Err(unsupported(
                    "keys are numbers, texts, bytes, None and tuples of these",
                ));
            }
        };
        codec::canonical(item, |form, same| {
            let original = (!same).then_some(*self);
            match form {
                Item::None => f(&Key::cell(heap, Cell::NONE), original),
                Item::Int(i) => f(&Key::int(heap, i, &mut [0; 8]), original),
                Item::BigInt(bytes) => f(&Key::long(heap, Tag::BigInt, bytes), original),
                Item::Float(float) => {
                    f(&Key::long(heap, Tag::Float, &float.to_le_bytes()), original)
                }
                Item::Complex(re, im) => {
                    f(&Key::long(heap, Tag::Complex, &complex(re, im)), original)
                }
                Item::Str(utf8) => f(&text_key(heap, Tag::Str, utf8), original),
                Item::Bytes(bytes) => f(&text_key(heap, Tag::Bytes, bytes), original),
                Item::Bool(_) | Item::Tuple(_) | Item::Typed(_) => {
                    Err(Error::corrupt(0, "a canonical form that is none"))
                }
            }
        })
    }

    /// A number as a float, also an integer, as in Python.
    pub(crate) fn as_float(&self) -> Option<f64> {
        match *self {
            Stored::Float(float) => Some(float),
            // Over 53 bits it is rounded, as Python's addition does.
            Stored::Int(i) => Some(i as f64),
            _ => None,
        }
    }

    /// What it is, for an error.
    fn described(&self) -> String {
        match self {
            Stored::None => "None".to_owned(),
            Stored::Bool(b) => format!("the bool {b}"),
            Stored::Int(i) => format!("the integer {i}"),
            Stored::BigInt(bytes) => format!("an integer of {} bytes", bytes.len()),
            Stored::Float(float) => format!("the float {float:?}"),
            Stored::Complex(..) => "a complex number".to_owned(),
            Stored::Str(_) => "a string".to_owned(),
            Stored::Bytes(_) => "bytes".to_owned(),
            Stored::Tuple(_) => "a tuple".to_owned(),
            Stored::Pickle(_) => "a Python object".to_owned(),
            Stored::Typed(id, bytes) => {
                format!(
                    "a value of another type (id {id:016x}, {} bytes)",
                    bytes.len()
                )
            }
            Stored::Object(object) => format!("a shared {}", object.kind().name()),
        }
    }

    fn of_bytes(tag: Tag, bytes: &'a [u8]) -> Result<Stored<'a>> {
        Ok(match tag {
            Tag::Str => Stored::Str(bytes),
            Tag::Bytes => Stored::Bytes(bytes),
            Tag::BigInt => match codec::small(bytes) {
                Some(small) => Stored::Int(small),
                None => Stored::BigInt(bytes),
            },
            Tag::Tuple => Stored::Tuple(bytes),
            Tag::Pickle => Stored::Pickle(bytes),
            Tag::Typed => typed(bytes)?,
            Tag::Complex => match bytes.as_chunks::<8>() {
                ([re, im], []) => Stored::Complex(f64::from_le_bytes(*re), f64::from_le_bytes(*im)),
                _ => return Err(Error::corrupt(0, "a complex number of another size")),
            },
            // A float as the canonical form of a key.
            Tag::Float => match bytes.try_into() {
                Ok(bytes) => Stored::Float(f64::from_le_bytes(bytes)),
                Err(_) => return Err(Error::corrupt(0, "a float of another size")),
            },
            _ => return Err(Error::corrupt(0, "bytes of no known type")),
        })
    }

    /// What a cell that holds its whole value says; short text goes into `short`.
    #[inline(always)]
    fn of_inline(cell: Cell, short: &'a mut [u8; 8]) -> Stored<'a> {
        match cell {
            Cell::NONE => Stored::None,
            Cell::FALSE => Stored::Bool(false),
            Cell::TRUE => Stored::Bool(true),
            _ => {
                let (bytes, n) = cell.as_short();
                match cell.tag() {
                    Tag::Int => Stored::Int(cell.as_int()),
                    tag => {
                        *short = bytes;
                        let bytes = &short[..n];
                        if tag == Tag::ShortStr {
                            Stored::Str(bytes)
                        } else {
                            Stored::Bytes(bytes)
                        }
                    }
                }
            }
        }
    }
}

/// Reads what an operation has fetched.
#[inline(always)]
pub(crate) fn read<T: Element>(cell: Cell, out: &mut Fetch) -> Result<T> {
    if cell.is_inline() {
        return T::made_of(Stored::of_inline(cell, &mut [0; 8]));
    }
    match cell.tag() {
        Tag::Float => T::made_of(Stored::Float(out.float())),
        Tag::Object => {
            let object = out.take_object();
            let object = object.ok_or_else(|| Error::corrupt(0, "an object that was not read"))?;
            T::made_of(Stored::Object(&object))
        }
        tag => T::made_of(Stored::of_bytes(tag, out.bytes())?),
    }
}

/// Reads one value of a snapshot.
pub(crate) fn read_item<T: Element>(item: ItemRef<'_>) -> Result<T> {
    match item {
        ItemRef::Inline(cell) => T::made_of(Stored::of_inline(cell, &mut [0; 8])),
        ItemRef::Float(float) => T::made_of(Stored::Float(float)),
        ItemRef::Bytes(tag, bytes) => T::made_of(Stored::of_bytes(tag, bytes)?),
        ItemRef::Object(object) => T::made_of(Stored::Object(object)),
    }
}

#[inline(always)]
fn text_key<'k>(heap: &Heap, tag: Tag, bytes: &'k [u8]) -> Key<'k> {
    let short = match tag {
        Tag::Str => Cell::short_str(bytes),
        _ => Cell::short_bytes(bytes),
    };
    match short {
        Some(cell) => Key::cell(heap, cell),
        None => Key::long(heap, tag, bytes),
    }
}

/// The canonical form of an encoded tuple, and whether it is the tuple itself.
fn canonical_tuple(encoded: &[u8]) -> Result<(Vec<u8>, bool)> {
    let mut form = Vec::with_capacity(encoded.len());
    let mut reader = Reader::new(encoded);
    let mut same = true;
    while let Some(item) = reader.next() {
        codec::canonical(item?, |item, unchanged| {
            codec::write(&mut form, item);
            same &= unchanged;
        });
    }
    Ok((form, same))
}

fn complex(re: f64, im: f64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&re.to_le_bytes());
    bytes[8..].copy_from_slice(&im.to_le_bytes());
    bytes
}

fn with_id(id: u64, bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(ID + bytes.len());
    whole.extend_from_slice(&id.to_le_bytes());
    whole.extend_from_slice(bytes);
    whole
}

#[cold]
fn unsupported(what: &str) -> Error {
    Error::Unsupported {
        what: what.to_owned(),
    }
}
