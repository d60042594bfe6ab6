//! Keys of shared dicts: the form in which they are compared.
//!
//! The core compares keys as bytes; `pumasi::containers::Key` has the table of forms. Numbers,
//! strings, bytes and tuples are put into form here, further types by `pumasi._keys`, which says
//! what native value or marked tuple stands for them. The key as it was given is stored beside the
//! form where the form alone would not give it back.

use pumasi::Heap;
use pumasi::containers::Key;
use pumasi::heap::cell::{Cell, Tag};
use pumasi::heap::value::Prepared;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyTuple};

use crate::load::Recursion;
use crate::store::{self, Nested};
use pumasi::heap::codec::{self, Item};

/// What a key looked like.
#[derive(Clone, Copy)]
pub struct Original<'a, 'py> {
    /// None if the form alone gives the key back.
    given: Option<&'a Bound<'py, PyAny>>,
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
}

/// The form of a key, whose bytes may be put into `buffer`.
///
/// Raises TypeError for what cannot be a key.
#[inline(always)]
pub fn key<'a, 'py>(
    heap: &Heap,
    object: &'a Bound<'py, PyAny>,
    buffer: &'a mut Vec<u8>,
) -> PyResult<(Key<'a>, Original<'a, 'py>)> {
    const SAME: Original<'static, 'static> = Original { given: None };
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
    slow_key(heap, object, buffer)
}

#[inline(never)]
fn slow_key<'a, 'py>(
    heap: &Heap,
    object: &'a Bound<'py, PyAny>,
    buffer: &'a mut Vec<u8>,
) -> PyResult<(Key<'a>, Original<'a, 'py>)> {
    let same = write_form(object, buffer)?;
    let original = Original {
        given: (!same).then_some(object),
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

/// Appends the form of a key; whether the form alone gives the key back.
fn write_form(key: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<bool> {
    if let Ok(tuple) = key.cast_exact::<PyTuple>() {
        let _deeper = Recursion::enter(key.py())?;
        codec::write(out, Item::Tuple(tuple.len()));
        let mut same = true;
        for item in tuple.iter_borrowed() {
            same &= write_form(&item, out)?;
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
        write_foreign_form(key, out)?;
    }
    Ok(native && same)
}

/// Appends the form of a key of a type that `pumasi._keys` knows.
fn write_foreign_form(key: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
    static FORM: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static MARKED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = key.py();
    let form = FORM.import(py, "pumasi._keys", "form")?.call1((key,))?;
    if !form.is_instance(MARKED.import(py, "pumasi._keys", "Marked")?)? {
        return write_form(&form, out).map(|_| ());
    }
    let mut typed = Vec::new();
    // A Marked is a tuple: its kind and its values.
    let plain = form.cast::<PyTuple>()?.as_slice().to_vec();
    write_form(PyTuple::new(py, plain)?.as_any(), &mut typed)?;
    codec::write(out, Item::Typed(&typed));
    Ok(())
}

/// Return the bytes by which a key is compared, apart from those which fit a cell.
#[pyfunction]
#[pyo3(signature = (key, /))]
pub fn key_form<'py>(key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let mut form = Vec::new();
    write_form(key, &mut form)?;
    Ok(PyBytes::new(key.py(), &form))
}
