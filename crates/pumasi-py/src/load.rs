//! From what the heap holds to Python's values.
//!
//! Everything here runs after the operation that read the value has let go of its locks: making
//! a Python object may run anybody's finalisers.

use core::mem::ManuallyDrop;

use pumasi::containers::ItemRef;
use pumasi::heap::cell::{Cell, Tag};
use pumasi::heap::object::{Kind, ObjectRef};
use pumasi::heap::value::Fetch;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyTuple};

use crate::errors::{CorruptHeap, OrRaise};
use crate::{
    barrier, block, counter, deque, dict, event, keyed, list, locks, namespace, pickles, queue,
    rwlock, set, vector,
};
use pumasi::heap::codec::{Item, Reader};

/// The Python value of a cell, whose block, if it has one, was fetched into `out`.
#[inline(always)]
pub fn to_python<'py>(py: Python<'py>, cell: Cell, out: &mut Fetch) -> PyResult<Bound<'py, PyAny>> {
    match cell.tag() {
        Tag::Int => int(py, cell.as_int()),
        Tag::ShortStr => {
            let (bytes, n) = cell.as_short();
            text(py, &bytes[..n])
        }
        Tag::Special => Ok(special(py, cell)),
        _ => block_to_python(py, cell, out),
    }
}

/// A place to fetch one value into, which costs nothing to leave when the value fits a cell.
pub struct Scratch {
    fetch: ManuallyDrop<Fetch>,
    /// Whether there may be something in it to give back.
    holds: bool,
}

impl Scratch {
    #[inline(always)]
    pub fn new() -> Scratch {
        Scratch {
            fetch: ManuallyDrop::new(Fetch::new()),
            holds: true,
        }
    }

    /// For the operation that fetches.
    #[inline(always)]
    pub fn fetch(&mut self) -> &mut Fetch {
        &mut self.fetch
    }

    /// The Python value of the cell which the operation returned.
    #[inline(always)]
    pub fn value_of<'py>(&mut self, py: Python<'py>, cell: Cell) -> PyResult<Bound<'py, PyAny>> {
        self.holds = !cell.is_inline();
        to_python(py, cell, &mut self.fetch)
    }

    /// The same for a value that nobody else can reach any more: large buffers in it are left
    /// where they are.
    #[inline(always)]
    pub fn received<'py>(&mut self, py: Python<'py>, cell: Cell) -> PyResult<Bound<'py, PyAny>> {
        self.holds = !cell.is_inline();
        if cell.tag() == Tag::Pickle
            && let Some(pinned) = self.fetch.take_pinned()
        {
            return pickles::load_in_place(py, pinned);
        }
        to_python(py, cell, &mut self.fetch)
    }
}

impl Drop for Scratch {
    #[inline(always)]
    fn drop(&mut self) {
        if self.holds {
            // SAFETY: dropped here and nowhere else, at the end of its life.
            unsafe { ManuallyDrop::drop(&mut self.fetch) };
        }
    }
}

#[inline(always)]
fn special(py: Python<'_>, cell: Cell) -> Bound<'_, PyAny> {
    // SAFETY: the three constants live as long as the interpreter.
    unsafe {
        let constant = match cell {
            Cell::TRUE => ffi::Py_True(),
            Cell::FALSE => ffi::Py_False(),
            _ => ffi::Py_None(),
        };
        Bound::from_borrowed_ptr(py, constant)
    }
}

#[inline(always)]
fn int(py: Python<'_>, i: i64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: gives a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromLongLong(i)) }
}

#[inline(always)]
fn text<'py>(py: Python<'py>, utf8: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the bytes are there for the call, which gives a new reference or null with an
    // exception set (for bytes which are no UTF-8: a damaged heap).
    unsafe {
        Bound::from_owned_ptr_or_err(
            py,
            ffi::PyUnicode_DecodeUTF8(
                utf8.as_ptr().cast(),
                utf8.len() as ffi::Py_ssize_t,
                core::ptr::null(),
            ),
        )
    }
}

#[inline(never)]
fn block_to_python<'py>(
    py: Python<'py>,
    cell: Cell,
    out: &mut Fetch,
) -> PyResult<Bound<'py, PyAny>> {
    match cell.tag() {
        Tag::Float => float(py, out.float()),
        Tag::ShortBytes => {
            let (bytes, n) = cell.as_short();
            Ok(PyBytes::new(py, &bytes[..n]).into_any())
        }
        Tag::Object => match out.take_object() {
            Some(object) => handle(py, object),
            None => Err(unreadable(Tag::Object)),
        },
        tag => bytes_to_python(py, tag, out.bytes()),
    }
}

/// The Python value of one item of a snapshot.
pub fn item_of<'py>(py: Python<'py>, item: ItemRef<'_>) -> PyResult<Bound<'py, PyAny>> {
    match item {
        ItemRef::Inline(cell) => to_python(py, cell, &mut Fetch::new()),
        ItemRef::Float(f) => float(py, f),
        ItemRef::Bytes(tag, bytes) => bytes_to_python(py, tag, bytes),
        ItemRef::Object(object) => handle(py, object.clone()),
    }
}

/// The Python value whose kind and bytes these are.
fn bytes_to_python<'py>(py: Python<'py>, tag: Tag, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    match tag {
        Tag::Str => text(py, bytes),
        Tag::Bytes => Ok(PyBytes::new(py, bytes).into_any()),
        Tag::BigInt => big_int(py, bytes),
        Tag::Complex => match bytes.as_chunks::<8>() {
            ([re, im], []) => complex(py, f64::from_le_bytes(*re), f64::from_le_bytes(*im)),
            _ => Err(unreadable(tag)),
        },
        Tag::Tuple => {
            let mut reader = Reader::new(bytes);
            match reader.next() {
                Some(item) => item_to_python(py, item.or_raise()?, &mut reader),
                None => Err(unreadable(tag)),
            }
        }
        Tag::Pickle => pickles::load(py, bytes),
        _ => Err(unreadable(tag)),
    }
}

#[cold]
fn unreadable(tag: Tag) -> PyErr {
    PyTypeError::new_err(format!(
        "a value of kind {tag:?}, as a program in Rust has stored it, has no Python type"
    ))
}

/// The Python object through which this process uses a shared object.
pub fn handle(py: Python<'_>, object: ObjectRef) -> PyResult<Bound<'_, PyAny>> {
    match object.kind() {
        Kind::List => list::List::of_object(py, object).map(Bound::into_any),
        Kind::Dict => dict::Dict::of_object(py, object).map(Bound::into_any),
        Kind::Set => set::Set::of_object(py, object).map(Bound::into_any),
        Kind::Deque => deque::Deque::of_object(py, object).map(Bound::into_any),
        Kind::Vector => vector::Vector::of_object(py, object).map(Bound::into_any),
        Kind::Counter => counter::Counter::of_object(py, object).map(Bound::into_any),
        Kind::DefaultDict => keyed::DefaultDict::of_object(py, object).map(Bound::into_any),
        Kind::Namespace => namespace::Namespace::of_object(py, object).map(Bound::into_any),
        Kind::Buffer => Bound::new(py, block::Block::of_object(object)?).map(Bound::into_any),
        Kind::Lock => Bound::new(py, locks::Lock::of_object(object)?).map(Bound::into_any),
        Kind::RLock => Bound::new(py, locks::RLock::of_object(object)?).map(Bound::into_any),
        Kind::Semaphore => {
            Bound::new(py, locks::Semaphore::of_object(object)?).map(Bound::into_any)
        }
        Kind::BoundedSemaphore => {
            Bound::new(py, locks::BoundedSemaphore::of_object(object)?).map(Bound::into_any)
        }
        Kind::Event => Bound::new(py, event::Event::of_object(object)?).map(Bound::into_any),
        Kind::Barrier => Bound::new(py, barrier::Barrier::of_object(object)?).map(Bound::into_any),
        Kind::RwLock => Bound::new(py, rwlock::RwLock::of_object(object)?).map(Bound::into_any),
        Kind::Condition => Err(PyTypeError::new_err(
            "a Condition is nothing without its lock: give it to the process that is to use it",
        )),
        Kind::Queue => Bound::new(py, queue::SharedQueue::of_object(object)?).map(Bound::into_any),
        other => Err(PyTypeError::new_err(format!(
            "a shared {} has no Python type",
            other.name()
        ))),
    }
}

fn float(py: Python<'_>, f: f64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: gives a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyFloat_FromDouble(f)) }
}

fn complex(py: Python<'_>, re: f64, im: f64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: gives a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyComplex_FromDoubles(re, im)) }
}

fn big_int<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    // The C function for this differs between the versions of Python; the method does not.
    let signed = PyDict::new(py);
    signed.set_item("signed", true)?;
    let bytes = PyBytes::new(py, bytes);
    py.get_type::<PyInt>()
        .call_method("from_bytes", (bytes, "little"), Some(&signed))
}

fn item_to_python<'py>(
    py: Python<'py>,
    item: Item<'_>,
    reader: &mut Reader<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    match item {
        Item::None => Ok(py.None().into_bound(py)),
        Item::Bool(b) => Ok(special(py, Cell::bool(b))),
        Item::Int(i) => int(py, i),
        Item::BigInt(bytes) => big_int(py, bytes),
        Item::Float(f) => float(py, f),
        Item::Complex(re, im) => complex(py, re, im),
        Item::Str(utf8) => text(py, utf8),
        Item::Bytes(bytes) => Ok(PyBytes::new(py, bytes).into_any()),
        Item::Tuple(n) => {
            let _deeper = Recursion::enter(py)?;
            let mut items = Vec::with_capacity(n);
            for _ in 0..n {
                let next = match reader.next() {
                    Some(item) => item.or_raise()?,
                    None => return Err(CorruptHeap::new_err("a tuple that ends early")),
                };
                items.push(item_to_python(py, next, reader)?);
            }
            Ok(PyTuple::new(py, items)?.into_any())
        }
        // Only keys have these, and of those keys the original is stored as well.
        Item::Typed(_) => Err(unreadable(Tag::Typed)),
    }
}

/// One level of Python's recursion limit, given back when dropped.
pub struct Recursion<'py>(Python<'py>);

impl<'py> Recursion<'py> {
    /// Raises RecursionError at the limit.
    pub fn enter(py: Python<'py>) -> PyResult<Recursion<'py>> {
        // SAFETY: attached; the text is a C string. Left again by the drop.
        if unsafe { ffi::Py_EnterRecursiveCall(c" in a shared container".as_ptr()) } != 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(Recursion(py))
    }
}

impl Drop for Recursion<'_> {
    fn drop(&mut self) {
        let _attached = self.0;
        // SAFETY: attached, and entered once for this value.
        unsafe { ffi::Py_LeaveRecursiveCall() };
    }
}
