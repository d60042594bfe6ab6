//! Keys of shared dicts: the form in which they are compared. The file is long because what keys
//! look like and how those are found that compare themselves is one contract.
//!
//! The core compares keys as bytes; `pumasi::containers::Key` has the table of forms. Numbers,
//! strings, bytes and tuples are put into form here, further types by `pumasi._keys`, which says
//! what native value or marked tuple stands for them. The key as it was given is stored beside the
//! form where the form alone would not give it back.
//!
//! Keys of other classes compare themselves: by their own `__eq__`, under the table's user lock
//! (`locked()`), never under the internal one (PY-1), among those of one hash.

use std::hash::{BuildHasher, Hasher, RandomState};

use pumasi::Heap;
use pumasi::containers::{Found, Key, RawDict, RawSet};
use pumasi::heap::cell::{Cell, Tag};
use pumasi::heap::codec::{self, Item};
use pumasi::heap::value::Prepared;
use pumasi::sync::Acquired;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PySet, PyString, PyTuple};

use crate::load::{self, Recursion};
use crate::store::{self, Nested};
use crate::{deaths, wait};

/// What keys are looked up in.
pub trait Table: Lock {
    /// Where it is.
    fn heap(&self) -> &Heap;
    /// The keys of a bucket.
    fn bucket(&self, bucket: &[u8]) -> pumasi::Result<Vec<Found>>;
    /// All keys that begin so.
    fn keys_beginning(&self, prefix: &[u8]) -> pumasi::Result<Vec<Found>>;
}

/// The user's lock of a table.
pub trait Lock: Sync {
    fn lock(&self) -> pumasi::Result<Acquired>;
    fn unlock(&self) -> pumasi::Result<()>;
}

macro_rules! tables {
    ($($raw:ty)*) => {$(
        impl Lock for $raw {
            fn lock(&self) -> pumasi::Result<Acquired> {
                self.lock(None)
            }

            fn unlock(&self) -> pumasi::Result<()> {
                self.unlock()
            }
        }

        impl Table for $raw {
            #[inline(always)]
            fn heap(&self) -> &Heap {
                self.object().heap()
            }

            fn bucket(&self, bucket: &[u8]) -> pumasi::Result<Vec<Found>> {
                self.bucket(bucket)
            }

            fn keys_beginning(&self, prefix: &[u8]) -> pumasi::Result<Vec<Found>> {
                self.keys_beginning(prefix)
            }
        }
    )*};
}

tables! { RawDict RawSet }

/// What a key looked like.
pub struct Original<'a, 'py> {
    /// None if the form alone gives the key back.
    given: Option<&'a Bound<'py, PyAny>>,
    /// Of a key that was compared by its own `__eq__`: the table is this thread's until the
    /// operation is done, so that no equal key comes in between.
    alone: Option<Alone<'a>>,
}

impl Original<'_, '_> {
    /// The key as it was given, ready to be stored beside its form, if that is needed.
    #[inline(always)]
    pub fn prepare<'h>(&self, heap: &'h Heap) -> PyResult<Option<Prepared<'h>>> {
        match self.given {
            None => Ok(None),
            Some(given) => store::prepare(heap, given, Nested::Copy).map(Some),
        }
    }

    /// Whether the key was compared by its own `__eq__`.
    pub fn compared(&self) -> bool {
        self.alone.is_some()
    }
}

/// The user's lock of a table, held.
struct Alone<'a>(&'a dyn Lock);

impl<'a> Alone<'a> {
    fn take(py: Python<'_>, table: &'a dyn Lock) -> PyResult<Alone<'a>> {
        let taken = wait::run(py, || table.lock())?;
        let alone = Alone(table);
        match taken {
            Acquired::Abandoned(death) => deaths::warn_of(py, death).map(|()| alone),
            _ => Ok(alone),
        }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        // It is held by this thread, so that giving it back cannot be refused.
        let _ = self.0.unlock();
    }
}

/// The form of a key, whose bytes may be put into `buffer`.
///
/// Raises TypeError for what cannot be a key.
#[inline(always)]
pub fn key<'a, 'py>(
    table: &'a impl Table,
    object: &'a Bound<'py, PyAny>,
    buffer: &'a mut Vec<u8>,
) -> PyResult<(Key<'a>, Original<'a, 'py>)> {
    const SAME: Original<'static, 'static> = Original {
        given: None,
        alone: None,
    };
    let heap = table.heap();
    let pointer = object.as_ptr();
    // SAFETY: a live object, and attached; each accessor is called on the exact type it is for.
    unsafe {
        if ffi::PyUnicode_CheckExact(pointer) != 0 {
            if let Some(utf8) = store::utf8(object) {
                let key = match Cell::short_str(utf8) {
                    Some(cell) => Key::cell(heap, cell),
                    None => Key::long(heap, Tag::Str, utf8),
                };
                return Ok((key, SAME));
            }
        } else if ffi::PyLong_CheckExact(pointer) != 0 {
            let mut overflow = 0;
            let i = ffi::PyLong_AsLongLongAndOverflow(pointer, &raw mut overflow);
            if overflow == 0
                && let Some(cell) = Cell::int(i)
            {
                return Ok((Key::cell(heap, cell), SAME));
            }
        }
    }
    slow_key(table, object, buffer)
}

#[inline(never)]
fn slow_key<'a, 'py>(
    table: &'a impl Table,
    object: &'a Bound<'py, PyAny>,
    buffer: &'a mut Vec<u8>,
) -> PyResult<(Key<'a>, Original<'a, 'py>)> {
    let heap = table.heap();
    let mut own = Vec::new();
    let same = write_form(object, buffer, &mut own)?;
    if !own.is_empty() {
        return own_key(table, object, buffer, &own);
    }
    let original = Original {
        given: (!same).then_some(object),
        alone: None,
    };
    let mut reader = codec::Reader::new(buffer);
    // What was just written has a first item.
    let item = reader.next().and_then(Result::ok).unwrap_or(Item::None);
    let key = match item {
        Item::None => Key::cell(heap, Cell::NONE),
        Item::Int(i) => match Cell::int(i) {
            Some(cell) => Key::cell(heap, cell),
            None => {
                buffer.clear();
                buffer.extend_from_slice(&i.to_le_bytes());
                Key::long(heap, Tag::BigInt, buffer)
            }
        },
        Item::Bool(_) => unreachable!("a canonical form has no truth values"),
        Item::Float(f) => {
            buffer.clear();
            buffer.extend_from_slice(&f.to_le_bytes());
            Key::long(heap, Tag::Float, buffer)
        }
        Item::Complex(re, im) => {
            buffer.clear();
            buffer.extend_from_slice(&re.to_le_bytes());
            buffer.extend_from_slice(&im.to_le_bytes());
            Key::long(heap, Tag::Complex, buffer)
        }
        Item::Tuple(_) => Key::long(heap, Tag::Tuple, buffer),
        _ => bytes_key(heap, buffer),
    };
    Ok((key, original))
}

// ---- keys that compare themselves --------------------------------------------------------------

/// The bytes of a key that compares itself: this mark, the length of what follows (32 bits), the
/// form with the hashes of such keys in the place of theirs, the seed that its process hashes
/// strings with (64 bits), and a number by which it is told from others of the bucket (64 bits).
/// The first three are the bucket. No encoded item begins with the mark.
const MARK: u8 = 0xff;
/// Seed and number.
const TAIL: usize = 16;

/// The form of a key that compares itself: that of the key in the table which equals it, or a new
/// one.
#[cold]
fn own_key<'a, 'py>(
    table: &'a impl Table,
    object: &'a Bound<'py, PyAny>,
    buffer: &'a mut Vec<u8>,
    types: &[Bound<'py, PyAny>],
) -> PyResult<(Key<'a>, Original<'a, 'py>)> {
    let py = object.py();
    let bucket = bucket_of(buffer)?;
    let alone = Alone::take(py, table)?;
    let seed = seed(py)?;
    if table.heap().note_hash_seed(seed) {
        look_at_other_seeds(py, table, seed, types)?;
    }
    *buffer = bucket.clone();
    let mut found = None;
    for mut candidate in wait::run(py, || table.bucket(&bucket))? {
        let other = load::to_python(py, candidate.cell, &mut candidate.original)?;
        if other.eq(object)? {
            found = Some(candidate.form);
            break;
        }
    }
    match found {
        Some(form) => *buffer = form,
        None => {
            buffer.extend_from_slice(&seed.to_le_bytes());
            // Never used before in this table: of two keys one must not be taken for the other.
            buffer.extend_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes());
        }
    }
    let key = Key::in_bucket(table.heap(), buffer, bucket.len());
    let original = Original {
        given: Some(object),
        alone: Some(alone),
    };
    Ok((key, original))
}

fn bucket_of(form: &[u8]) -> PyResult<Vec<u8>> {
    let len = u32::try_from(form.len()).map_err(|_| PyTypeError::new_err("a key of 4 GiB"))?;
    let mut bucket = Vec::with_capacity(5 + form.len() + TAIL);
    bucket.push(MARK);
    bucket.extend_from_slice(&len.to_le_bytes());
    bucket.extend_from_slice(form);
    Ok(bucket)
}

/// What tells whether two processes hash strings alike.
fn seed(py: Python<'_>) -> PyResult<u64> {
    let hash = PyString::new(py, "with which seed strings are hashed").hash()?;
    Ok(hash.cast_unsigned() as u64 | 1)
}

/// Raises TypeError if keys of these types are hashed otherwise by other processes, as far as the
/// keys in the table show; of a type that was shown to be hashed alike nobody asks again.
///
/// Where the table has no key of another process, there is none that could be missed.
fn look_at_other_seeds<'py>(
    py: Python<'py>,
    table: &impl Table,
    seed: u64,
    types: &[Bound<'py, PyAny>],
) -> PyResult<()> {
    static PROVEN: PyOnceLock<Py<PySet>> = PyOnceLock::new();
    static DIFFERS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let proven = PROVEN.get_or_try_init(py, || PySet::empty(py).map(Bound::unbind))?;
    let proven = proven.bind(py);
    let unproven = |types: &[Bound<'py, PyAny>]| -> PyResult<bool> {
        for one in types {
            if !proven.contains(one)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if !unproven(types)? {
        return Ok(());
    }
    for mut other in wait::run(py, || table.keys_beginning(&[MARK]))? {
        let (bucket, tail) = other.form.split_at(other.form.len().saturating_sub(TAIL));
        if tail.first_chunk() == Some(&seed.to_le_bytes()) {
            continue;
        }
        let key = load::to_python(py, other.cell, &mut other.original)?;
        let (mut form, mut its_types) = (Vec::new(), Vec::new());
        write_form(&key, &mut form, &mut its_types)?;
        let alike = bucket_of(&form)? == bucket;
        for one in its_types {
            if alike {
                proven.add(one)?;
            } else if types.iter().any(|wanted| wanted.is(&one)) {
                let differs = DIFFERS.import(py, "pumasi._keys", "hash_differs")?;
                return Err(PyErr::from_value(differs.call1((one,))?));
            }
        }
        if !unproven(types)? {
            break;
        }
    }
    Ok(())
}

/// The key of an encoded big int, str, bytes or typed item.
fn bytes_key<'a>(heap: &Heap, encoded: &'a [u8]) -> Key<'a> {
    match codec::Reader::new(encoded).next() {
        Some(Ok(Item::BigInt(bytes))) => Key::long(heap, Tag::BigInt, bytes),
        Some(Ok(Item::Str(utf8))) => match Cell::short_str(utf8) {
            Some(cell) => Key::cell(heap, cell),
            None => Key::long(heap, Tag::Str, utf8),
        },
        Some(Ok(Item::Bytes(bytes))) => match Cell::short_bytes(bytes) {
            Some(cell) => Key::cell(heap, cell),
            None => Key::long(heap, Tag::Bytes, bytes),
        },
        Some(Ok(Item::Typed(bytes))) => Key::long(heap, Tag::Typed, bytes),
        _ => unreachable!("the form of a key is one item"),
    }
}

/// Appends the form of a key; whether the form alone gives the key back. `own` gets the types of
/// the parts that compare themselves, whose hashes stand for them.
fn write_form<'py>(
    key: &Bound<'py, PyAny>,
    out: &mut Vec<u8>,
    own: &mut Vec<Bound<'py, PyAny>>,
) -> PyResult<bool> {
    if let Ok(tuple) = key.cast_exact::<PyTuple>() {
        let _deeper = Recursion::enter(key.py())?;
        codec::write(out, Item::Tuple(tuple.len()));
        let mut same = true;
        for item in tuple.iter_borrowed() {
            same &= write_form(&item, out, own)?;
        }
        return Ok(same);
    }
    let mut same = true;
    let native = store::with_item(key, |item| {
        codec::canonical(item, |form, unchanged| {
            codec::write(out, form);
            same = unchanged;
        });
    })?;
    if !native {
        let _deeper = Recursion::enter(key.py())?;
        write_foreign_form(key, out, own)?;
    }
    Ok(native && same)
}

/// Appends the form of a key of a type that `pumasi._keys` knows.
fn write_foreign_form<'py>(
    key: &Bound<'py, PyAny>,
    out: &mut Vec<u8>,
    own: &mut Vec<Bound<'py, PyAny>>,
) -> PyResult<()> {
    static FORM: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static MARKED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static OWN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = key.py();
    let form = FORM.import(py, "pumasi._keys", "form")?.call1((key,))?;
    if form.is_instance(OWN.import(py, "pumasi._keys", "Own")?)? {
        own.push(form.getattr("cls")?);
    } else if !form.is_instance(MARKED.import(py, "pumasi._keys", "Marked")?)? {
        return write_form(&form, out, own).map(|_| ());
    }
    let mut typed = Vec::new();
    // A Marked is a tuple: its kind and its values. So is an Own: its class's name and its hash.
    let plain = match own.last() {
        Some(_) if form.hasattr("cls")? => form.call_method0("plain")?.cast_into::<PyTuple>()?,
        _ => {
            let items = form.cast::<PyTuple>()?.as_slice().to_vec();
            PyTuple::new(py, items)?
        }
    };
    write_form(plain.as_any(), &mut typed, own)?;
    codec::write(out, Item::Typed(&typed));
    Ok(())
}

/// Return the bytes by which a key is compared, apart from those which fit a cell.
#[pyfunction]
#[pyo3(signature = (key, /))]
pub fn key_form<'py>(key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let (mut form, mut own) = (Vec::new(), Vec::new());
    write_form(key, &mut form, &mut own)?;
    match own.first() {
        None => Ok(PyBytes::new(key.py(), &form)),
        // A frozenset of them would need an order of theirs.
        Some(class) => Err(PyTypeError::new_err(format!(
            "a frozenset of {} cannot be a key of a shared dict: call pumasi.register_key(type, f) \
             for the type",
            class.repr()?
        ))),
    }
}
