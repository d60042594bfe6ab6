//! From Python's values to what the heap holds.
//!
//! Everything here runs before an operation takes its lock: serialising may run anybody's code.
//!
//! None, bool, int, float, complex, str, bytes and tuples of these have a form that Rust reads as
//! well; subclasses of them do not, for they would come back as their base. In a `List` or `Dict`
//! a nested plain list, dict or set becomes a shared one; a manager's list or dict holds a copy.
//! Anything else is pickled.

use std::collections::HashMap;

use pumasi::Heap;
use pumasi::containers::{Algebra, RawDict, RawList, RawSet};
use pumasi::heap::cell::{Cell, Tag};
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::Prepared;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyComplex, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple};

use crate::counter::Counter;
use crate::deque::Deque;
use crate::dict::Dict;
use crate::errors::OrRaise;
use crate::keyed::DefaultDict;
use crate::list::List;
use crate::load::Recursion;
use crate::namespace::Namespace;
use crate::reference::object_of;
use crate::set::{self, Set};
use crate::vector::Vector;
use crate::{keys, pickles, wait};
use pumasi::heap::codec::{self, Item};

/// What becomes of a plain list, dict or set that is stored in a shared container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    /// It is turned into a shared one.
    Share,
    /// A copy of it is stored, as multiprocessing's managers do.
    Copy,
    /// The same, and what can be received only once may be in it: a queue's items are.
    Send,
    /// The same of a task's function or arguments: if the standard pickle refuses it, code.
    Argument,
    /// The same of a task's result.
    Outcome,
}

/// Makes a value ready to be stored.
#[inline(always)]
pub fn prepare<'h>(
    heap: &'h Heap,
    value: &Bound<'_, PyAny>,
    nested: Nested,
) -> PyResult<Prepared<'h>> {
    match inline(value) {
        Some(cell) => Ok(Prepared::inline(heap, cell)),
        None => Storing::new(heap, nested).prepare(value),
    }
}

/// The cell of a value that fits one.
#[inline(always)]
pub fn inline(value: &Bound<'_, PyAny>) -> Option<Cell> {
    let object = value.as_ptr();
    // SAFETY: a live object, and attached; each accessor is called on the exact type it is for.
    unsafe {
        if ffi::PyLong_CheckExact(object) != 0 {
            let mut overflow = 0;
            let i = ffi::PyLong_AsLongLongAndOverflow(object, &raw mut overflow);
            return if overflow == 0 { Cell::int(i) } else { None };
        }
        if ffi::PyUnicode_CheckExact(object) != 0 {
            return utf8(value).and_then(Cell::short_str);
        }
        if object == ffi::Py_None() {
            return Some(Cell::NONE);
        }
        if ffi::PyBool_Check(object) != 0 {
            return Some(Cell::bool(object == ffi::Py_True()));
        }
    }
    None
}

/// The UTF-8 of an exact str; None if it has lone surrogates.
#[inline(always)]
pub fn utf8<'a>(value: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    let mut len = 0;
    // SAFETY: a live str, and attached. The bytes belong to the str, which `value` keeps; on
    // failure an exception is set, which is cleared here.
    unsafe {
        let start = ffi::PyUnicode_AsUTF8AndSize(value.as_ptr(), &raw mut len);
        if start.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        Some(core::slice::from_raw_parts(start.cast(), len as usize))
    }
}

/// The two's complement of an exact int, least significant byte first, one that needs 64 bits or
/// more.
pub fn big_int(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let bits: usize = value.call_method0("bit_length")?.extract()?;
    let kwargs = PyDict::new(value.py());
    kwargs.set_item("signed", true)?;
    let bytes = value.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&kwargs))?;
    bytes.extract()
}

/// One conversion: what it has turned into shared containers so far, so that cycles and values
/// which occur more than once keep their shape.
pub struct Storing<'h> {
    heap: &'h Heap,
    nested: Nested,
    /// By address of the plain container, which the value under conversion keeps alive.
    shared: HashMap<usize, ObjectRef>,
}

impl<'h> Storing<'h> {
    pub fn new(heap: &'h Heap, nested: Nested) -> Self {
        Storing {
            heap,
            nested,
            shared: HashMap::new(),
        }
    }

    /// Makes a value ready to be stored.
    pub fn prepare(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Prepared<'h>> {
        if let Some(cell) = inline(value) {
            return Ok(Prepared::inline(self.heap, cell));
        }
        let heap = self.heap;
        if value.is_exact_instance_of::<PyString>() {
            if let Some(utf8) = utf8(value) {
                return heap.prepare_bytes(Tag::Str, utf8).or_raise();
            }
        } else if let Ok(float) = value.cast_exact::<PyFloat>() {
            return heap.prepare_float(float.value()).or_raise();
        } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            return heap.prepare_bytes(Tag::Bytes, bytes.as_bytes()).or_raise();
        } else if value.is_exact_instance_of::<PyInt>() {
            let bytes = big_int(value)?;
            return heap.prepare_bytes(Tag::BigInt, &bytes).or_raise();
        } else if let Ok(complex) = value.cast_exact::<PyComplex>() {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&complex.real().to_le_bytes());
            bytes[8..].copy_from_slice(&complex.imag().to_le_bytes());
            return heap.prepare_bytes(Tag::Complex, &bytes).or_raise();
        } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            let mut encoded = Vec::new();
            if encode_tuple(tuple, &mut encoded)? {
                return heap.prepare_bytes(Tag::Tuple, &encoded).or_raise();
            }
        } else if let Some(object) = self.shared_object(value)? {
            return heap.prepare_object(&object).or_raise();
        }
        pickles::prepare(heap, value, self.nested)
    }

    /// The shared container that stands for `value`, if it is one or becomes one.
    fn shared_object(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Option<ObjectRef>> {
        if let Ok(list) = value.cast_exact::<List>() {
            return Ok(Some(list.as_super().get().object().clone()));
        }
        if let Ok(dict) = value.cast_exact::<Dict>() {
            return Ok(Some(dict.as_super().get().object().clone()));
        }
        if let Ok(set) = value.cast_exact::<Set>() {
            return Ok(Some(set.get().object().clone()));
        }
        if let Ok(deque) = value.cast_exact::<Deque>() {
            return Ok(Some(deque.get().object().clone()));
        }
        if let Ok(vector) = value.cast_exact::<Vector>() {
            return Ok(Some(vector.get().object().clone()));
        }
        if value.is_exact_instance_of::<Counter>() || value.is_exact_instance_of::<DefaultDict>() {
            return Ok(object_of(value).cloned());
        }
        if let Ok(namespace) = value.cast_exact::<Namespace>() {
            return Ok(Some(namespace.get().object().clone()));
        }
        if self.nested != Nested::Share {
            return Ok(None);
        }
        if let Ok(list) = value.cast_exact::<PyList>() {
            return self.share_list(list).map(Some);
        }
        if let Ok(dict) = value.cast_exact::<PyDict>() {
            return self.share_dict(dict).map(Some);
        }
        if let Ok(set) = value.cast_exact::<PySet>() {
            return self.share_set(set).map(Some);
        }
        Ok(None)
    }

    fn share_list(&mut self, list: &Bound<'_, PyList>) -> PyResult<ObjectRef> {
        if let Some(known) = self.shared.get(&(list.as_ptr() as usize)) {
            return Ok(known.clone());
        }
        let _deeper = Recursion::enter(list.py())?;
        let raw = RawList::create(self.heap).or_raise()?;
        self.shared
            .insert(list.as_ptr() as usize, raw.object().clone());
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            items.push(self.prepare(&item)?);
        }
        // Nobody else knows the list, but a collector may be looking at it.
        wait::run(list.py(), || raw.extend(&mut items))?;
        Ok(raw.object().clone())
    }

    fn share_set(&mut self, set: &Bound<'_, PySet>) -> PyResult<ObjectRef> {
        if let Some(known) = self.shared.get(&(set.as_ptr() as usize)) {
            return Ok(known.clone());
        }
        let raw = RawSet::create(self.heap).or_raise()?;
        let elements: Vec<Bound<'_, PyAny>> = set.try_iter()?.collect::<PyResult<_>>()?;
        set::combine(set.py(), &raw, Algebra::Union, &elements)?;
        self.shared
            .insert(set.as_ptr() as usize, raw.object().clone());
        Ok(raw.object().clone())
    }

    fn share_dict(&mut self, dict: &Bound<'_, PyDict>) -> PyResult<ObjectRef> {
        if let Some(known) = self.shared.get(&(dict.as_ptr() as usize)) {
            return Ok(known.clone());
        }
        let _deeper = Recursion::enter(dict.py())?;
        let raw = RawDict::create(self.heap).or_raise()?;
        self.shared
            .insert(dict.as_ptr() as usize, raw.object().clone());
        for (key, value) in dict {
            let mut value = self.prepare(&value)?;
            let mut buffer = Vec::new();
            let (key, original) = keys::key(&raw, &key, &mut buffer)?;
            let mut original = original.prepare(self.heap)?;
            wait::run(dict.py(), || {
                raw.insert(&key, original.as_mut(), &mut value)
            })?;
        }
        Ok(raw.object().clone())
    }
}

/// Appends the encoding of a tuple; false if something in it has no native form.
pub fn encode_tuple(tuple: &Bound<'_, PyTuple>, out: &mut Vec<u8>) -> PyResult<bool> {
    let _deeper = Recursion::enter(tuple.py())?;
    codec::write(out, Item::Tuple(tuple.len()));
    for item in tuple.iter_borrowed() {
        if let Ok(inner) = item.cast_exact::<PyTuple>() {
            if !encode_tuple(&inner, out)? {
                return Ok(false);
            }
        } else if !with_item(&item, |item| codec::write(out, item))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Calls `f` with the item of a value that is no tuple; false if it has no native form.
pub fn with_item(value: &Bound<'_, PyAny>, f: impl FnOnce(Item<'_>)) -> PyResult<bool> {
    let object = value.as_ptr();
    // SAFETY: a live object, and attached; each accessor is called on the exact type it is for.
    unsafe {
        if ffi::PyLong_CheckExact(object) != 0 {
            let mut overflow = 0;
            let i = ffi::PyLong_AsLongLongAndOverflow(object, &raw mut overflow);
            if overflow == 0 {
                f(Item::Int(i));
            } else {
                f(Item::BigInt(&big_int(value)?));
            }
        } else if ffi::PyUnicode_CheckExact(object) != 0 {
            match utf8(value) {
                Some(utf8) => f(Item::Str(utf8)),
                None => return Ok(false),
            }
        } else if object == ffi::Py_None() {
            f(Item::None);
        } else if ffi::PyBool_Check(object) != 0 {
            f(Item::Bool(object == ffi::Py_True()));
        } else if ffi::PyFloat_CheckExact(object) != 0 {
            f(Item::Float(ffi::PyFloat_AS_DOUBLE(object)));
        } else if ffi::PyBytes_CheckExact(object) != 0 {
            let start = ffi::PyBytes_AsString(object).cast::<u8>();
            let len = ffi::PyBytes_Size(object) as usize;
            f(Item::Bytes(core::slice::from_raw_parts(start, len)));
        } else if ffi::PyComplex_CheckExact(object) != 0 {
            let parts = ffi::PyComplex_AsCComplex(object);
            f(Item::Complex(parts.real, parts.imag));
        } else {
            return Ok(false);
        }
    }
    Ok(true)
}
