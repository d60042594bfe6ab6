//! `Vector`: a typed array in the heap that grows, with the methods and the exceptions of the one in
//! `array`. The file is long because PyO3 wants all methods of a class, with their docstrings, in one
//! block.
//!
//! Numbers become words here; for its errors, and for many at once, `array` itself is asked. What
//! other elements are is known to `pumasi._elements`.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicIsize, Ordering};
use std::ffi::CString;

use pumasi::Error;
use pumasi::containers::{Export, RawVector, Slice};
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::Fetch;
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyBufferError, PyEOFError, PyMemoryError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyInt, PyList, PySlice, PyString, PyType};

use crate::block::by_reference;
use crate::errors::OrRaise;
use crate::list::{clamped, not_implemented, slice};
use crate::locked::{Lockable, Locked, insist, modified, unless_modified};
use crate::number::{Number, Step};
use crate::reference::given;
use crate::store::{self, Nested};
use crate::{heap, load, wait};

/// What the elements are.
enum Items {
    /// Numbers with this type code.
    Numbers(Number, char),
    /// An instance of `pumasi._elements.Elements`.
    Others(Py<PyAny>),
}

/// A typed array in shared memory that grows, for processes and threads alike, with what
/// `array.array` has.
///
/// `typecode_or_type` is a type code of `array`, `"?"`, a type of ctypes (structures, too), `int`,
/// `float`, `bool`, or what NumPy takes for a dtype. `size_or_initializer` is a number of zeros, bytes
/// as `tobytes` gives them, or anything whose items become the elements.
///
/// Each operation is atomic. `memoryview(v)` and `numpy.asarray(v)` are views of the elements
/// themselves; while there is one, in any process, what would move or remove elements raises
/// BufferError, and `append` and `extend` do so where there is no room (see `reserve`). Copies and
/// slices are plain arrays. A Vector passes to other processes by reference.
///
/// >>> import pumasi
/// >>> v = pumasi.Vector("d", [1.5, 2.5])
/// >>> v.append(4)
/// >>> v
/// Vector('d', [1.5, 2.5, 4.0])
/// >>> v.add(0, 0.25)
/// 1.75
/// >>> v[1:]
/// array('d', [2.5, 4.0])
#[pyclass(subclass, frozen, weakref, generic, module = "pumasi", name = "Vector")]
pub struct Vector {
    raw: RawVector,
    items: Items,
    /// As the buffer protocol has it.
    format: CString,
}

/// A function of `pumasi._elements`.
macro_rules! helper {
    ($py:expr, $name:literal) => {{
        static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        FUNCTION.import($py, "pumasi._elements", $name)
    }};
}

impl Items {
    fn format(&self, py: Python<'_>) -> PyResult<CString> {
        let text = match self {
            Items::Numbers(_, code) => code.to_string(),
            Items::Others(others) => others.bind(py).getattr("format")?.extract()?,
        };
        CString::new(text).map_err(|_| PyTypeError::new_err("a format with a zero in it"))
    }

    /// What a constructor's first argument means.
    fn of<'py>(kind: &Bound<'py, PyAny>) -> PyResult<Items> {
        let found = helper!(kind.py(), "of")?.call1((kind,))?;
        Ok(match found.cast::<PyString>() {
            Ok(code) => Items::coded(code.to_str()?)
                .ok_or_else(|| PyTypeError::new_err(format!("{code} is no number's type code")))?,
            Err(_) => Items::Others(found.unbind()),
        })
    }

    fn coded(code: &str) -> Option<Items> {
        let letter = code.chars().next().filter(|_| code.len() == 1)?;
        let number = Number::of_format(code).filter(|number| *number != Number::Bool)?;
        Some(Items::Numbers(number, letter))
    }

    /// What the maker of a vector has stored.
    fn stored(py: Python<'_>, raw: &RawVector) -> PyResult<Items> {
        let mut out = Fetch::new();
        let cell = wait::run(py, || raw.kind(&mut out))?;
        let kind = load::to_python(py, cell, &mut out)?;
        if let Ok(code) = kind.cast::<PyString>()
            && let Some(items) = Items::coded(code.to_str()?)
        {
            return Ok(items);
        }
        let others = helper!(py, "stored")?.call1((kind, raw.item_size()))?;
        Ok(Items::Others(others.unbind()))
    }

    /// What Rust calls the numbers.
    fn tag(&self) -> u32 {
        match self {
            Items::Numbers(Number::I8, _) => RawVector::<pumasi::sys::Real>::tag_of::<i8>(),
            Items::Numbers(Number::U8, _) => RawVector::<pumasi::sys::Real>::tag_of::<u8>(),
            Items::Numbers(Number::I16, _) => RawVector::<pumasi::sys::Real>::tag_of::<i16>(),
            Items::Numbers(Number::U16, _) => RawVector::<pumasi::sys::Real>::tag_of::<u16>(),
            Items::Numbers(Number::I32, _) => RawVector::<pumasi::sys::Real>::tag_of::<i32>(),
            Items::Numbers(Number::U32, _) => RawVector::<pumasi::sys::Real>::tag_of::<u32>(),
            Items::Numbers(Number::I64, _) => RawVector::<pumasi::sys::Real>::tag_of::<i64>(),
            Items::Numbers(Number::U64, _) => RawVector::<pumasi::sys::Real>::tag_of::<u64>(),
            Items::Numbers(Number::F32, _) => RawVector::<pumasi::sys::Real>::tag_of::<f32>(),
            Items::Numbers(Number::F64, _) => RawVector::<pumasi::sys::Real>::tag_of::<f64>(),
            Items::Numbers(Number::Bool, _) | Items::Others(_) => 0,
        }
    }

    /// The bytes of an element.
    fn one(&self, value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        match self {
            Items::Numbers(number, code) => {
                if let Some(bits) = in_range(*number, value) {
                    return Ok(bits.to_le_bytes()[..number.size()].to_vec());
                }
                // Its conversions, and its words where there is none.
                bytes_of(&helper!(value.py(), "numbers")?.call1((*code, (value,)))?)
            }
            Items::Others(others) => {
                bytes_of(&others.bind(value.py()).call_method1("one", (value,))?)
            }
        }
    }

    /// The bytes of all elements of an iterable.
    fn many(&self, values: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        let py = values.py();
        bytes_of(&match self {
            Items::Numbers(_, code) => helper!(py, "numbers")?.call1((*code, values))?,
            Items::Others(others) => others.bind(py).call_method1("many", (values,))?,
        })
    }

    fn value<'py>(&self, py: Python<'py>, element: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Items::Numbers(number, _) => {
                let mut whole = [0; 8];
                whole[..element.len()].copy_from_slice(element);
                number.to_python(py, u64::from_le_bytes(whole))
            }
            Items::Others(others) => {
                let element = PyBytes::new(py, element);
                others.bind(py).call_method1("value", (element,))
            }
        }
    }

    fn values<'py>(&self, py: Python<'py>, elements: &[u8]) -> PyResult<Bound<'py, PyList>> {
        match self {
            Items::Numbers(number, _) => {
                let list = PyList::empty(py);
                for element in elements.chunks_exact(number.size()) {
                    list.append(self.value(py, element)?)?;
                }
                Ok(list)
            }
            Items::Others(others) => {
                let elements = PyBytes::new(py, elements);
                let list = others.bind(py).call_method1("values", (elements,))?;
                Ok(list.cast_into()?)
            }
        }
    }

    /// A plain array, or what stands for one.
    fn plain<'py>(&self, py: Python<'py>, elements: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let elements = PyBytes::new(py, elements);
        match self {
            Items::Numbers(_, code) => helper!(py, "plain")?.call1((*code, elements)),
            Items::Others(others) => others.bind(py).call_method1("plain", (elements,)),
        }
    }

    /// What a repr says.
    fn name(&self, py: Python<'_>) -> PyResult<String> {
        match self {
            Items::Numbers(_, code) => Ok(code.to_string()),
            Items::Others(others) => others.bind(py).getattr("name")?.extract(),
        }
    }
}

/// The bits of a plain int or float that the type can hold.
fn in_range(number: Number, value: &Bound<'_, PyAny>) -> Option<u64> {
    match number {
        Number::F32 | Number::F64 => number.bits_of(value),
        _ if value.is_exact_instance_of::<PyInt>() => {
            let unused = 64 - 8 * number.size() as u32;
            match number {
                Number::U64 => value.extract::<u64>().ok(),
                Number::U8 | Number::U16 | Number::U32 => value
                    .extract::<u64>()
                    .ok()
                    .filter(|n| (n << unused) >> unused == *n),
                _ => {
                    let n: i64 = value.extract().ok()?;
                    ((n << unused) >> unused == n).then_some(n.cast_unsigned())
                }
            }
        }
        _ => None,
    }
}

fn bytes_of(made: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    Ok(made.cast::<PyBytes>()?.as_bytes().to_vec())
}

fn is_plain_array(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    value.is_instance(CLASS.import(value.py(), "array", "array")?)
}

/// What stands between the brackets.
enum Subscript {
    At(isize),
    Part(Slice),
}

fn subscript(key: &Bound<'_, PyAny>) -> PyResult<Subscript> {
    if key.is_instance_of::<PySlice>() {
        return slice(key).map(Subscript::Part);
    }
    // SAFETY: a live object, and attached; -1 with an exception set means that it is no index.
    unsafe {
        if ffi::PyIndex_Check(key.as_ptr()) == 0 {
            return Err(PyTypeError::new_err("vector indices must be integers"));
        }
        let index = ffi::PyNumber_AsSsize_t(key.as_ptr(), ffi::PyExc_IndexError);
        match PyErr::take(key.py()) {
            Some(raised) if index == -1 => Err(raised),
            _ => Ok(Subscript::At(index)),
        }
    }
}

impl Vector {
    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }

    /// A handle of a shared vector.
    pub fn of_object(py: Python<'_>, object: ObjectRef) -> PyResult<Bound<'_, Vector>> {
        Bound::new(py, Vector::made(py, object)?)
    }

    fn made(py: Python<'_>, object: ObjectRef) -> PyResult<Vector> {
        let raw = RawVector::from_object(object).or_raise()?;
        let items = Items::stored(py, &raw)?;
        let format = items.format(py)?;
        Ok(Vector { raw, items, format })
    }

    fn all(&self, py: Python<'_>) -> PyResult<(Vec<u8>, u64)> {
        wait::run(py, || self.raw.read(Slice::ALL))
    }

    fn get<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let size = self.raw.item_size();
        let mut small = [0; 16];
        if size <= small.len() {
            wait::run(py, || self.raw.get(index, &mut small[..size]))?;
            return self.items.value(py, &small[..size]);
        }
        let mut element = vec![0; size];
        wait::run(py, || self.raw.get(index, &mut element))?;
        self.items.value(py, &element)
    }

    /// The bytes of elements to add or to put in the place of others: of a Vector or of what offers
    /// them in a buffer they are taken as they are.
    fn elements(&self, values: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        let py = values.py();
        if let Ok(other) = values.cast::<Vector>() {
            let other = other.get();
            let (bytes, _) = other.all(py)?;
            if other.format == self.format && other.raw.item_size() == self.raw.item_size() {
                return Ok(bytes);
            }
            return self.items.many(other.items.values(py, &bytes)?.as_any());
        }
        match self.bytes_in(values)? {
            Some(bytes) => Ok(bytes),
            None => self.items.many(values),
        }
    }

    /// The bytes in a buffer of the same elements.
    fn bytes_in(&self, values: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
        // SAFETY: a live object, and attached.
        let offers = unsafe { ffi::PyObject_CheckBuffer(values.as_ptr()) } != 0;
        if !offers || values.is_instance_of::<PyBytes>() {
            return Ok(None);
        }
        // One that cannot be had, or is of another sort, is gone through item by item.
        let Ok(view) = pyo3::types::PyMemoryView::from(values) else {
            return Ok(None);
        };
        let format: String = view.getattr("format")?.extract()?;
        let size: usize = view.getattr("itemsize")?.extract()?;
        let dimensions: usize = view.getattr("ndim")?.extract()?;
        let same = match &self.items {
            Items::Numbers(number, _) => Number::of_format(&format) == Some(*number),
            Items::Others(_) => self.format.to_str().is_ok_and(|own| own == format),
        };
        if !same || size != self.raw.item_size() || dimensions != 1 {
            return Ok(None);
        }
        let bytes = view.call_method0("tobytes")?;
        view.call_method0("release")?;
        bytes_of(&bytes).map(Some)
    }

    /// The first position from `from` to `to` whose element equals `value`, and the version.
    fn search(
        &self,
        value: &Bound<'_, PyAny>,
        from: isize,
        to: isize,
    ) -> PyResult<Option<(u64, usize)>> {
        let py = value.py();
        let (bytes, version) = self.all(py)?;
        let size = self.raw.item_size();
        let len = bytes.len() / size;
        let place = |i: isize| {
            let i = if i < 0 {
                i.saturating_add_unsigned(len)
            } else {
                i
            };
            i.clamp(0, len as isize) as usize
        };
        for i in place(from)..place(to) {
            let element = self.items.value(py, &bytes[i * size..][..size])?;
            if element.eq(value)? {
                return Ok(Some((version, i)));
            }
        }
        Ok(None)
    }

    fn lockable(&self) -> Lockable {
        Lockable::Vector(self.raw.clone())
    }

    /// Does what `change` makes of all elements, as often as others have changed them meanwhile.
    fn changed(
        &self,
        py: Python<'_>,
        what: &str,
        change: impl Fn(Vec<u8>) -> PyResult<Vec<u8>>,
    ) -> PyResult<()> {
        let changed = insist(
            py,
            || self.lockable(),
            || {
                let (bytes, version) = self.all(py)?;
                let len = bytes.len() / self.raw.item_size();
                let new = change(bytes)?;
                unless_modified(py, || self.raw.splice(Some(version), 0, len, &new))
            },
        )?;
        changed.ok_or_else(|| modified("vector", what))
    }

    fn word(&self, value: &Bound<'_, PyAny>) -> PyResult<(Number, u64)> {
        let Items::Numbers(number, _) = self.items else {
            return Err(PyTypeError::new_err("this type has no atomic arithmetic"));
        };
        let mut whole = [0; 8];
        whole[..number.size()].copy_from_slice(&self.items.one(value)?);
        Ok((number, u64::from_le_bytes(whole)))
    }

    fn step<'py>(
        &self,
        index: isize,
        step: Step,
        n: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (number, operand) = self.word(n)?;
        let (_, new) = wait::run(n.py(), || {
            self.raw.step(index, |old| number.step(step, old, operand))
        })?;
        number.to_python(n.py(), new)
    }

    /// What may stand on the other side of an operator, as a plain array or list.
    fn operand<'py>(other: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Ok(vector) = other.cast::<Vector>() {
            return vector.get().to_plain(other.py()).map(Some);
        }
        Ok(is_plain_array(other)?.then(|| other.clone()))
    }
}

#[pymethods]
impl Vector {
    #[new]
    #[pyo3(signature = (typecode_or_type, size_or_initializer=None, /))]
    fn new(
        typecode_or_type: &Bound<'_, PyAny>,
        size_or_initializer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vector> {
        let py = typecode_or_type.py();
        if let Some(object) = given(Some(typecode_or_type)) {
            return Vector::made(py, object);
        }
        let items = Items::of(typecode_or_type)?;
        let heap = &*heap::target()?;
        let size: usize = match &items {
            Items::Numbers(number, _) => number.size(),
            Items::Others(others) => others.bind(py).getattr("itemsize")?.extract()?,
        };
        let kind = match &items {
            Items::Numbers(_, code) => PyString::new(py, &code.to_string()).into_any(),
            Items::Others(others) => others.bind(py).getattr("kind")?,
        };
        let mut kind = store::prepare(heap, &kind, Nested::Copy)?;
        let raw = RawVector::create(heap, size, items.tag(), &mut kind).or_raise()?;
        let format = items.format(py)?;
        let vector = Vector { raw, items, format };
        let Some(given) = size_or_initializer else {
            return Ok(vector);
        };
        if given.is_instance_of::<PyInt>() {
            let n: isize = given.extract()?;
            let n = usize::try_from(n)
                .map_err(|_| PyValueError::new_err("the size of a Vector must be non-negative"))?;
            // An error before anything is made that large here.
            wait::run(py, || vector.raw.reserve(n))?;
            let zeros = vec![0; n * size];
            wait::run(py, || vector.raw.extend(&zeros))?;
        } else if let Ok(bytes) = given.cast::<PyBytes>() {
            vector.frombytes(bytes.as_any())?;
        } else {
            vector.extend(given)?;
        }
        Ok(vector)
    }

    /// The type code of numbers and truth values; None of other elements.
    #[getter]
    fn typecode(&self, py: Python<'_>) -> PyResult<Option<String>> {
        match &self.items {
            Items::Numbers(_, code) => Ok(Some(code.to_string())),
            Items::Others(others) => others.bind(py).getattr("typecode")?.extract(),
        }
    }

    /// How many bytes an element has.
    #[getter]
    fn itemsize(&self) -> usize {
        self.raw.item_size()
    }

    /// How many elements there is room for before the vector has to move.
    #[getter]
    fn capacity(&self, py: Python<'_>) -> PyResult<usize> {
        wait::run(py, || self.raw.capacity())
    }

    /// Make room for `n` more elements, so that views do not keep `append` and `extend` from adding
    /// as many.
    ///
    /// Raises BufferError where there is no room and somebody has a view.
    #[pyo3(signature = (n, /))]
    fn reserve(&self, py: Python<'_>, n: usize) -> PyResult<()> {
        wait::run(py, || self.raw.reserve(n))
    }

    /// Give the room behind the last element back.
    ///
    /// Raises BufferError while somebody has a view.
    fn shrink(&self, py: Python<'_>) -> PyResult<()> {
        wait::run(py, || self.raw.shrink())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        wait::run(py, || self.raw.len())
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        match subscript(key)? {
            Subscript::At(index) => self.get(py, index),
            Subscript::Part(slice) => {
                let (bytes, _) = wait::run(py, || self.raw.read(slice))?;
                self.items.plain(py, &bytes)
            }
        }
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match subscript(key)? {
            Subscript::At(index) => {
                let element = self.items.one(value)?;
                wait::run(key.py(), || self.raw.set(index, &element))
            }
            Subscript::Part(slice) => {
                let elements = self.elements(value)?;
                wait::run(key.py(), || self.raw.set_slice(slice, &elements))
            }
        }
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = key.py();
        let size = self.raw.item_size();
        match subscript(key)? {
            Subscript::At(index) => {
                let mut gone = vec![0; size];
                wait::run(py, || self.raw.pop(index, &mut gone))
            }
            Subscript::Part(slice) if slice.step == 1 => {
                wait::run(py, || self.raw.set_slice(slice, &[]))
            }
            Subscript::Part(slice) => self.changed(py, "cut", |bytes| {
                let span = slice.resolve(bytes.len() / size).or_raise()?.rising();
                let mut rest = Vec::with_capacity(bytes.len());
                let mut gone = (0..span.count).map(|i| span.at(i)).peekable();
                for (i, element) in bytes.chunks_exact(size).enumerate() {
                    if gone.next_if_eq(&i).is_none() {
                        rest.extend_from_slice(element);
                    }
                }
                Ok(rest)
            }),
        }
    }

    fn __contains__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.search(value, 0, isize::MAX)?.is_some())
    }

    fn __iter__(slf: &Bound<'_, Self>) -> VectorIterator {
        VectorIterator {
            vector: slf.clone().unbind(),
            step: 1,
            next: AtomicIsize::new(0),
        }
    }

    fn __reversed__(slf: &Bound<'_, Self>) -> PyResult<VectorIterator> {
        let len = slf.get().__len__(slf.py())?;
        Ok(VectorIterator {
            vector: slf.clone().unbind(),
            step: -1,
            next: AtomicIsize::new(len as isize - 1),
        })
    }

    /// Add an element at the end.
    #[pyo3(signature = (value, /))]
    fn append(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let element = self.items.one(value)?;
        wait::run(value.py(), || self.raw.push(&element))
    }

    /// Add the items of an iterable at the end, all in one step.
    ///
    /// If the iterable raises, or one of its items is no element, nothing is added.
    #[pyo3(signature = (iterable, /))]
    fn extend(&self, iterable: &Bound<'_, PyAny>) -> PyResult<()> {
        let elements = self.elements(iterable)?;
        wait::run(iterable.py(), || self.raw.extend(&elements))
    }

    /// Add elements at the end whose bytes these are, as `tobytes` gives them.
    #[pyo3(signature = (buffer, /))]
    fn frombytes(&self, buffer: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = buffer.py();
        let bytes = py
            .get_type::<PyBytes>()
            .call1((pyo3::types::PyMemoryView::from(buffer)?,))?;
        let bytes = bytes_of(&bytes)?;
        if !bytes.len().is_multiple_of(self.raw.item_size()) {
            return Err(PyValueError::new_err(
                "bytes length not a multiple of item size",
            ));
        }
        wait::run(py, || self.raw.extend(&bytes))
    }

    /// Add an element before the one at `index`.
    #[pyo3(signature = (index, value, /))]
    fn insert(&self, index: isize, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let element = self.items.one(value)?;
        wait::run(value.py(), || self.raw.insert(index, &element))
    }

    /// Remove the element at `index` and return it; raises IndexError if there is none.
    #[pyo3(signature = (index=-1, /))]
    fn pop<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let mut element = vec![0; self.raw.item_size()];
        wait::run(py, || self.raw.pop(index, &mut element))?;
        self.items.value(py, &element)
    }

    /// Remove the first element that equals `value`.
    ///
    /// Raises ValueError if there is none.
    #[pyo3(signature = (value, /))]
    fn remove(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = value.py();
        let removed = insist(
            py,
            || self.lockable(),
            || {
                let Some((version, index)) = self.search(value, 0, isize::MAX)? else {
                    return Err(PyValueError::new_err("vector.remove(x): x not in vector"));
                };
                unless_modified(py, || self.raw.splice(Some(version), index, index + 1, &[]))
            },
        )?;
        removed.ok_or_else(|| modified("vector", "searched"))
    }

    /// Remove all elements.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        wait::run(py, || self.raw.clear())
    }

    /// Return the first index of `value`.
    ///
    /// Raises ValueError if it is not there.
    #[pyo3(signature = (value, start=0, stop=isize::MAX, /))]
    fn index(
        &self,
        value: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = clamped)] start: isize,
        #[pyo3(from_py_with = clamped)] stop: isize,
    ) -> PyResult<usize> {
        match self.search(value, start, stop)? {
            Some((_, index)) => Ok(index),
            None => Err(PyValueError::new_err("vector.index(x): x not in vector")),
        }
    }

    /// Return how many elements equal `value`.
    #[pyo3(signature = (value, /))]
    fn count(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut count = 0;
        for element in self.tolist(value.py())? {
            count += usize::from(element.eq(value)?);
        }
        Ok(count)
    }

    /// Reverse the order of the elements, in one step.
    fn reverse(&self, py: Python<'_>) -> PyResult<()> {
        let size = self.raw.item_size();
        let reversed = insist(
            py,
            || self.lockable(),
            || {
                let (bytes, version) = self.all(py)?;
                let turned: Vec<u8> = bytes.chunks_exact(size).rev().flatten().copied().collect();
                unless_modified(py, || self.raw.reorder(version, &turned))
            },
        )?;
        reversed.ok_or_else(|| modified("vector", "reversed"))
    }

    /// Swap the bytes of each element, in one step: for numbers from a machine of the other order.
    ///
    /// Raises TypeError where elements are no numbers.
    fn byteswap(&self, py: Python<'_>) -> PyResult<()> {
        let Items::Numbers(number, _) = self.items else {
            return Err(PyTypeError::new_err(
                "byteswap is for numbers: what else is in an element has bytes of its own order",
            ));
        };
        let swapped = insist(
            py,
            || self.lockable(),
            || {
                let (mut bytes, version) = self.all(py)?;
                for element in bytes.chunks_exact_mut(number.size()) {
                    element.reverse();
                }
                unless_modified(py, || self.raw.reorder(version, &bytes))
            },
        )?;
        swapped.ok_or_else(|| modified("vector", "swapped"))
    }

    /// Append the items of a list, in one step: all or, where one is no element, none.
    #[pyo3(signature = (list, /))]
    fn fromlist(&self, list: &Bound<'_, PyAny>) -> PyResult<()> {
        if !list.is_instance_of::<PyList>() {
            return Err(PyTypeError::new_err("arg must be list"));
        }
        self.extend(list)
    }

    /// Write the bytes of the elements to a binary file.
    #[pyo3(signature = (file, /))]
    fn tofile(&self, file: &Bound<'_, PyAny>) -> PyResult<()> {
        file.call_method1("write", (self.tobytes(file.py())?,))?;
        Ok(())
    }

    /// Read `n` elements from a binary file and append them, in one step.
    ///
    /// Raises EOFError where the file has fewer; those that there are have been appended then.
    #[pyo3(signature = (file, n, /))]
    fn fromfile(&self, file: &Bound<'_, PyAny>, n: isize) -> PyResult<()> {
        let size = self.raw.item_size();
        let bytes = usize::try_from(n)
            .map_err(|_| PyValueError::new_err("negative count"))?
            .checked_mul(size)
            .ok_or_else(|| PyMemoryError::new_err(()))?;
        let read = file.call_method1("read", (bytes,))?;
        let read = read
            .cast::<PyBytes>()
            .map_err(|_| PyTypeError::new_err("read() didn't return bytes"))?;
        let whole = read.as_bytes().len() / size * size;
        self.frombytes(&PyBytes::new(file.py(), &read.as_bytes()[..whole]))?;
        if whole < bytes {
            return Err(PyEOFError::new_err("read() returned not enough bytes"));
        }
        Ok(())
    }

    /// Return the elements in a list.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let (bytes, _) = self.all(py)?;
        self.items.values(py, &bytes)
    }

    /// Return the bytes of the elements, as the machine has them.
    fn tobytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.all(py)?.0))
    }

    /// Return the elements as they are at one moment in a plain array: an `array.array` of numbers, a
    /// NumPy array where the elements are named by a dtype that is none of a number, else a list.
    ///
    /// >>> import pumasi
    /// >>> pumasi.Vector("i", 3).to_plain()
    /// array('i', [0, 0, 0])
    pub fn to_plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (bytes, _) = self.all(py)?;
        self.items.plain(py, &bytes)
    }

    /// Return the elements as they are at one moment, as `to_plain` does.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.to_plain(py)
    }

    /// Return a plain array with the elements, as `to_plain` does.
    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.to_plain(py)
    }

    fn __copy__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.to_plain(py)
    }

    #[pyo3(signature = (memo, /))]
    fn __deepcopy__<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.to_plain(memo.py())
    }

    /// Add `n` to the number at `index` in one step and return the new one, which wraps around at the
    /// limits of its type.
    ///
    /// >>> import pumasi
    /// >>> hits = pumasi.Vector("q", 4)
    /// >>> hits.add(2)
    /// 1
    #[pyo3(signature = (index, n=None, /))]
    fn add<'py>(
        &self,
        py: Python<'py>,
        index: isize,
        n: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match n {
            Some(n) => self.step(index, Step::Add, n),
            None => self.step(index, Step::Add, PyInt::new(py, 1).as_any()),
        }
    }

    /// Make the number at `index` at least `n` in one step and return it.
    #[pyo3(signature = (index, n, /))]
    fn max<'py>(&self, index: isize, n: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.step(index, Step::Max, n)
    }

    /// Make the number at `index` at most `n` in one step and return it.
    #[pyo3(signature = (index, n, /))]
    fn min<'py>(&self, index: isize, n: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.step(index, Step::Min, n)
    }

    /// Replace the number at `index` by `new` if it is `old`, in one step; return whether it was.
    #[pyo3(signature = (index, old, new, /))]
    fn compare_exchange(
        &self,
        index: isize,
        old: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let py = new.py();
        let ((number, old), (_, new)) = (self.word(old)?, self.word(new)?);
        let (found, _) = wait::run(py, || {
            self.raw.step(
                index,
                |bits| if number.same(bits, old) { new } else { bits },
            )
        })?;
        Ok(number.same(found, old))
    }

    /// Replace the element at `index` by `function(element)`, in one step, and return the new one.
    ///
    /// The function runs outside the vector's lock and is called again if the vector was changed
    /// meanwhile, after a few times under `locked()`: let it do nothing but compute.
    #[pyo3(signature = (index, function, /))]
    fn update_with<'py>(
        slf: &Bound<'py, Self>,
        index: isize,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let vector = slf.get();
        let attempt = || -> PyResult<Option<Bound<'py, PyAny>>> {
            // The version first: a change after it is noticed when the new element is stored.
            let version = vector.raw.version();
            let new = function.call1((vector.get(py, index)?,))?;
            let element = vector.items.one(&new)?;
            let stored = unless_modified(py, || vector.raw.set_if(version, index, &element))?;
            Ok(stored.map(|()| new))
        };
        let updated = insist(py, || vector.lockable(), attempt)?;
        updated.ok_or_else(|| modified("vector", "updated"))
    }

    /// Return a context manager that keeps every other thread and process out of the vector. Views
    /// take no part in it.
    fn locked(slf: &Bound<'_, Self>) -> Locked {
        Locked::of(slf.as_any(), slf.get().lockable())
    }

    fn __add__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match Self::operand(other)? {
            Some(other) => self.to_plain(other.py())?.add(other),
            None => Ok(not_implemented(other.py())),
        }
    }

    fn __radd__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match Self::operand(other)? {
            Some(other) => other.add(self.to_plain(other.py())?),
            None => Ok(not_implemented(other.py())),
        }
    }

    fn __iadd__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.extend(other)
    }

    fn __mul__<'py>(&self, times: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: a live object, and attached.
        if unsafe { ffi::PyIndex_Check(times.as_ptr()) } == 0 {
            return Ok(not_implemented(times.py()));
        }
        self.to_plain(times.py())?.mul(times)
    }

    fn __rmul__<'py>(&self, times: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.__mul__(times)
    }

    fn __imul__(&self, times: isize, py: Python<'_>) -> PyResult<()> {
        let times = times.max(0).unsigned_abs();
        self.changed(py, "multiplied", |bytes| Ok(bytes.repeat(times)))
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let theirs = if let Ok(vector) = other.cast::<Vector>() {
            vector.get().tolist(py)?.into_any()
        } else if is_plain_array(other)? {
            other.call_method0("tolist")?
        } else {
            return Ok(not_implemented(py));
        };
        slf.get().tolist(py)?.rich_compare(theirs, op)
    }

    #[classattr]
    const __hash__: Option<Py<PyAny>> = None;

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let vector = slf.get();
        let class = slf.get_type().name()?;
        let name = vector.items.name(py)?;
        let name = match vector.typecode(py)? {
            Some(code) => format!("'{code}'"),
            None => name,
        };
        let elements = vector.tolist(py)?;
        Ok(if elements.is_empty() {
            format!("{class}({name})")
        } else {
            format!("{class}({name}, {})", elements.repr()?)
        })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        by_reference(slf)
    }

    /// Fills in the view.
    ///
    /// # Safety
    /// Called by the interpreter with a view to fill.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("there is no view to fill"));
        }
        let vector = slf.get();
        let export = wait::run(slf.py(), || vector.raw.export())?;
        let len = export.len() as ffi::Py_ssize_t;
        let size = vector.raw.item_size() as ffi::Py_ssize_t;
        let made = Box::new(View {
            shape: len,
            stride: size,
            export,
        });
        let made = Box::into_raw(made);
        // SAFETY: `view` is the interpreter's to fill. What it points to lives in the box, which it
        // has until `__releasebuffer__`, and in `slf`, which it keeps; the elements stay where they
        // are as long as the export in the box lives (VEC-3). Other processes write them meanwhile,
        // which is what the user asked for: nothing here makes a reference of them.
        unsafe {
            (*view).buf = (*made).export.ptr().cast();
            (*view).len = len * size;
            (*view).readonly = 0;
            (*view).itemsize = size;
            (*view).ndim = 1;
            (*view).format = if flags & ffi::PyBUF_FORMAT != 0 {
                vector.format.as_ptr().cast_mut()
            } else {
                core::ptr::null_mut()
            };
            (*view).shape = if flags & ffi::PyBUF_ND != 0 {
                &raw mut (*made).shape
            } else {
                core::ptr::null_mut()
            };
            (*view).strides = if flags & ffi::PyBUF_STRIDES == ffi::PyBUF_STRIDES {
                &raw mut (*made).stride
            } else {
                core::ptr::null_mut()
            };
            (*view).suboffsets = core::ptr::null_mut();
            (*view).internal = made.cast::<c_void>();
            (*view).obj = slf.into_ptr();
        }
        Ok(())
    }

    /// Takes the view back.
    ///
    /// # Safety
    /// Called by the interpreter with a view that `__getbuffer__` has filled.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: it is the box that `__getbuffer__` has put there, given back once.
        drop(unsafe { Box::from_raw((*view).internal.cast::<View>()) });
    }
}

/// What a view points to.
struct View {
    shape: ffi::Py_ssize_t,
    stride: ffi::Py_ssize_t,
    export: Export,
}

/// Goes through a vector by index: what is added meanwhile is met, too.
#[pyclass(frozen, module = "pumasi._core")]
pub struct VectorIterator {
    vector: Py<Vector>,
    step: isize,
    /// Negative at the end.
    next: AtomicIsize,
}

#[pymethods]
impl VectorIterator {
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let index = self.next.load(Ordering::Relaxed);
        if index < 0 {
            return Ok(None);
        }
        let vector = self.vector.get();
        let mut element = vec![0; vector.raw.item_size()];
        let found = wait::run(py, || match vector.raw.get(index, &mut element) {
            Err(Error::IndexOutOfRange { .. }) => Ok(false),
            done => done.map(|()| true),
        })?;
        let next = if found { index + self.step } else { -1 };
        self.next.store(next, Ordering::Relaxed);
        if !found {
            return Ok(None);
        }
        vector.items.value(py, &element).map(Some)
    }
}
