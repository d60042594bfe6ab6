//! A value between Rust's types and the heap's cells: the one form that both directions know.
//!
//! A value is written before any lock is taken and read after it was given up. Bytes that come
//! out of the heap are outside input: what does not follow the format is an error.

use crate::containers::Key;
use crate::containers::snapshot::ItemRef;
use crate::containers::typed::Element;
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::cell::{Cell, Tag};
use crate::heap::codec::{self, Item, Reader};
use crate::heap::object::ObjectRef;
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
    pub(crate) fn described(&self) -> String {
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

// ---- tuples ------------------------------------------------------------------------------------

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
