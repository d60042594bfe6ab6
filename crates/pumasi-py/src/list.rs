//! `List`: a list in the heap, with the methods and the exceptions of Python's. The file is
//! long because PyO3 wants all methods of a class, with their docstrings, in one block.
//!
//! What compares, calls or builds Python objects works on a copy of the values (`Snapshot`) outside
//! every lock; a change that depends on it is committed only if the list has the same version still.

use core::sync::atomic::{AtomicIsize, Ordering};

use pumasi::Error;
use pumasi::containers::{ItemRef, RawList, Slice, Snapshot};
use pumasi::heap::cell::Cell;
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::{Fetch, Prepared};
use pyo3::PyClassInitializer;
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyNotImplementedError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyNotImplemented, PySlice, PyString, PyTuple};

use crate::block::{Gate, by_reference};
use crate::errors::OrRaise;
use crate::load::Scratch;
use crate::locked::{Lockable, Locked, insist, modified, unless_modified};
use crate::plain::{Plain, Shown};
use crate::reference::given;
use crate::store::{self, Nested};
use crate::{heap, load, wait};

/// What shared lists have in common.
#[pyclass(subclass, frozen, weakref, module = "pumasi._core", name = "ListBase")]
pub struct ListBase {
    raw: RawList,
    nested: Nested,
    /// Of a manager's list: refuses once the manager was shut down.
    gate: Option<Py<Gate>>,
}

impl ListBase {
    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }

    #[inline(always)]
    pub fn raw(&self) -> PyResult<&RawList> {
        match &self.gate {
            None => Ok(&self.raw),
            Some(gate) => gate.get().check().map(|()| &self.raw),
        }
    }

    #[inline(always)]
    fn prepare(&self, value: &Bound<'_, PyAny>) -> PyResult<Prepared<'_>> {
        store::prepare(self.raw.object().heap(), value, self.nested)
    }

    /// Makes every item of an iterable ready, before anything is stored: an exception on the way
    /// leaves the list as it was.
    fn prepare_all(&self, items: &Bound<'_, PyAny>) -> PyResult<Vec<Prepared<'_>>> {
        let mut storing = store::Storing::new(self.raw.object().heap(), self.nested);
        if let Ok(list) = items.cast_exact::<PyList>() {
            return list.iter().map(|item| storing.prepare(&item)).collect();
        }
        if let Ok(tuple) = items.cast_exact::<PyTuple>() {
            return tuple
                .iter_borrowed()
                .map(|item| storing.prepare(&item))
                .collect();
        }
        if let Ok(other) = items.cast::<ListBase>() {
            let copy = other.get().plain_list(items.py())?;
            return copy.iter().map(|item| storing.prepare(&item)).collect();
        }
        items
            .try_iter()?
            .map(|item| storing.prepare(&item?))
            .collect()
    }

    pub fn snapshot_raw(&self, py: Python<'_>) -> PyResult<Snapshot> {
        let raw = self.raw()?;
        wait::run(py, || raw.snapshot())
    }

    /// The items in a plain list; nested shared containers are handles of them.
    pub fn plain_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        to_list(py, &self.snapshot_raw(py)?)
    }

    fn item<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let raw = self.raw()?;
        let mut out = Scratch::new();
        let cell = wait::run(py, || raw.get(index, out.fetch()))?;
        out.value_of(py, cell)
    }

    /// The first position from `from` to `to` whose item equals `value`.
    fn search(
        &self,
        value: &Bound<'_, PyAny>,
        from: isize,
        to: isize,
    ) -> PyResult<Option<(u64, usize)>> {
        let items = self.snapshot_raw(value.py())?;
        let found = position(&items, value, from, to)?;
        Ok(found.map(|index| (items.version, index)))
    }
}

/// The first position from `from` to `to`, by the rules of slices, whose item equals `value`.
pub fn position(
    items: &Snapshot,
    value: &Bound<'_, PyAny>,
    from: isize,
    to: isize,
) -> PyResult<Option<usize>> {
    let place = |i: isize| {
        let i = if i < 0 {
            i.saturating_add_unsigned(items.len())
        } else {
            i
        };
        i.clamp(0, items.len() as isize) as usize
    };
    let wanted = store::inline(value);
    for index in place(from)..place(to) {
        if let Some(item) = items.get(index)
            && equals(item, value, wanted)?
        {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// The values of a snapshot in a plain list.
pub fn to_list<'py>(py: Python<'py>, items: &Snapshot) -> PyResult<Bound<'py, PyList>> {
    let values = items
        .iter()
        .map(|item| load::item_of(py, item))
        .collect::<PyResult<Vec<_>>>()?;
    PyList::new(py, values)
}

/// Whether an item of a snapshot equals a value, of which `wanted` is the cell if it fits one.
pub fn equals(item: ItemRef<'_>, value: &Bound<'_, PyAny>, wanted: Option<Cell>) -> PyResult<bool> {
    if let (ItemRef::Inline(cell), Some(wanted)) = (&item, wanted)
        && cell.tag() == wanted.tag()
    {
        // Two small ints, two short strings or two of None, True, False: equal if the same bits.
        return Ok(*cell == wanted);
    }
    load::item_of(value.py(), item)?.eq(value)
}

/// What stands between the brackets.
enum Subscript {
    At(isize),
    Part(Slice),
}

#[inline(always)]
fn subscript(key: &Bound<'_, PyAny>) -> PyResult<Subscript> {
    // SAFETY: a live object, and attached; the first accessor is called on an exact int. The
    // conversion of an index sets an exception where it returns -1 without meaning it.
    unsafe {
        if ffi::PyLong_CheckExact(key.as_ptr()) != 0 {
            let mut overflow = 0;
            let index = ffi::PyLong_AsLongAndOverflow(key.as_ptr(), &raw mut overflow);
            if overflow == 0 {
                return Ok(Subscript::At(index as isize));
            }
        }
        if ffi::PyIndex_Check(key.as_ptr()) != 0 {
            let index = ffi::PyNumber_AsSsize_t(key.as_ptr(), ffi::PyExc_IndexError);
            if index == -1
                && let Some(raised) = PyErr::take(key.py())
            {
                return Err(raised);
            }
            return Ok(Subscript::At(index));
        }
    }
    slice(key).map(Subscript::Part)
}

/// An index, of which one beyond all lists is the largest there is.
pub fn clamped(index: &Bound<'_, PyAny>) -> PyResult<isize> {
    // SAFETY: a live object, and attached. Without an exception to raise the value is clamped; -1
    // with one set means that the object is no index.
    let n = unsafe { ffi::PyNumber_AsSsize_t(index.as_ptr(), core::ptr::null_mut()) };
    match PyErr::take(index.py()) {
        Some(raised) if n == -1 => Err(raised),
        _ => Ok(n),
    }
}

/// What a slice says.
pub fn slice(key: &Bound<'_, PyAny>) -> PyResult<Slice> {
    if key.cast::<PySlice>().is_err() {
        return Err(PyTypeError::new_err(format!(
            "list indices must be integers or slices, not {}",
            key.get_type().name()?
        )));
    }
    let (mut start, mut stop, mut step) = (0, 0, 0);
    // SAFETY: `key` is a slice, and attached.
    if unsafe { ffi::PySlice_Unpack(key.as_ptr(), &raw mut start, &raw mut stop, &raw mut step) }
        < 0
    {
        return Err(PyErr::fetch(key.py()));
    }
    Ok(Slice {
        start: Some(start),
        stop: Some(stop),
        step,
    })
}

/// A plain list of what may stand on the other side of `+`.
fn operand<'py>(other: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
    if let Ok(list) = other.cast::<PyList>() {
        return Ok(Some(list.clone()));
    }
    match other.cast::<ListBase>() {
        Ok(list) => list.get().plain_list(other.py()).map(Some),
        Err(_) => Ok(None),
    }
}

/// The one positional argument of `list(...)`, `dict(...)` and the like, if there is one.
pub fn one_argument<'a, 'py>(
    name: &str,
    args: &'a Bound<'py, PyTuple>,
) -> PyResult<Option<&'a Bound<'py, PyAny>>> {
    match args.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        more => Err(PyTypeError::new_err(format!(
            "{name} expected at most 1 argument, got {}",
            more.len()
        ))),
    }
}

/// What an operator returns that leaves the other side to try.
pub fn not_implemented(py: Python<'_>) -> Bound<'_, PyAny> {
    PyNotImplemented::get(py).to_owned().into_any()
}

/// True or False.
pub fn truth(py: Python<'_>, value: bool) -> Bound<'_, PyAny> {
    PyBool::new(py, value).to_owned().into_any()
}

#[pymethods]
impl ListBase {
    #[inline]
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let raw = self.raw()?;
        wait::run(py, || raw.len())
    }

    #[inline]
    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match subscript(key)? {
            Subscript::At(index) => self.item(key.py(), index),
            Subscript::Part(slice) => {
                let raw = self.raw()?;
                let items = wait::run(key.py(), || raw.get_slice(slice))?;
                Ok(to_list(key.py(), &items)?.into_any())
            }
        }
    }

    #[inline]
    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match subscript(key)? {
            Subscript::At(index) => {
                let mut ready = self.prepare(value)?;
                let raw = self.raw()?;
                wait::run(key.py(), || raw.set(index, &mut ready))
            }
            Subscript::Part(slice) => {
                let mut ready = self.prepare_all(value).map_err(|raised| {
                    if value.try_iter().is_ok() {
                        return raised;
                    }
                    PyTypeError::new_err(if slice.step == 1 {
                        "can only assign an iterable"
                    } else {
                        "must assign iterable to extended slice"
                    })
                })?;
                let raw = self.raw()?;
                wait::run(key.py(), || raw.set_slice(slice, &mut ready))
            }
        }
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let raw = self.raw()?;
        match subscript(key)? {
            Subscript::At(index) => wait::run(key.py(), || raw.remove(index)),
            Subscript::Part(slice) => wait::run(key.py(), || raw.del_slice(slice)),
        }
    }

    fn __contains__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.search(value, 0, isize::MAX)?.is_some())
    }

    fn __iter__(slf: &Bound<'_, Self>) -> ListIterator {
        ListIterator {
            list: slf.clone().unbind(),
            next: AtomicIsize::new(0),
        }
    }

    fn __reversed__(slf: &Bound<'_, Self>) -> PyResult<ListReverseIterator> {
        let last = slf.get().__len__(slf.py())? as isize - 1;
        Ok(ListReverseIterator {
            list: slf.clone().unbind(),
            next: AtomicIsize::new(last),
        })
    }

    fn __add__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match operand(other)? {
            Some(other) => Ok(self
                .plain_list(other.py())?
                .as_sequence()
                .concat(other.as_sequence())?
                .into_any()),
            None => Ok(not_implemented(other.py())),
        }
    }

    fn __radd__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match operand(other)? {
            Some(other) => Ok(other
                .as_sequence()
                .concat(self.plain_list(other.py())?.as_sequence())?
                .into_any()),
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
        self.plain_list(times.py())?.mul(times)
    }

    fn __rmul__<'py>(&self, times: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.__mul__(times)
    }

    fn __imul__(&self, times: isize, py: Python<'_>) -> PyResult<()> {
        let raw = self.raw()?;
        if times <= 0 {
            return wait::run(py, || raw.clear());
        }
        let container = || Lockable::List(raw.clone());
        let multiplied = insist(py, container, || {
            let items = self.snapshot_raw(py)?;
            // Each copy is a value of its own.
            let values = to_list(py, &items)?;
            let mut ready = Vec::new();
            for _ in 1..times {
                for value in &values {
                    ready.push(self.prepare(&value)?);
                }
            }
            unless_modified(py, || raw.extend_if(items.version, &mut ready))
        })?;
        multiplied.ok_or_else(|| modified("list", "multiplied"))
    }

    /// Add an item at the end.
    #[inline]
    #[pyo3(signature = (item, /))]
    pub fn append(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut ready = self.prepare(item)?;
        let raw = self.raw()?;
        wait::run(item.py(), || raw.push(&mut ready))
    }

    /// Add the items of an iterable at the end, all in one step.
    ///
    /// If the iterable raises, nothing is added.
    #[pyo3(signature = (items, /))]
    fn extend(&self, items: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut ready = self.prepare_all(items)?;
        let raw = self.raw()?;
        wait::run(items.py(), || raw.extend(&mut ready))
    }

    /// Add an item before the one at `index`.
    #[pyo3(signature = (index, item, /))]
    fn insert(&self, index: isize, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut ready = self.prepare(item)?;
        let raw = self.raw()?;
        wait::run(item.py(), || raw.insert(index, &mut ready))
    }

    /// Remove the item at `index` and return it.
    ///
    /// Raises IndexError if the list is empty or the index out of range.
    #[inline]
    #[pyo3(signature = (index=-1, /), text_signature = "($self, index=-1, /)")]
    pub fn pop<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let raw = self.raw()?;
        let mut out = Scratch::new();
        let cell = wait::run(py, || raw.pop(index, out.fetch()))?;
        out.value_of(py, cell)
    }

    /// Remove the first item that equals `value`.
    ///
    /// Raises ValueError if there is none. Items are compared outside the list's lock, and the
    /// search begins again if the list was changed meanwhile.
    #[pyo3(signature = (value, /))]
    fn remove(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let raw = self.raw()?;
        let py = value.py();
        let removed = insist(
            py,
            || Lockable::List(raw.clone()),
            || {
                let Some((version, index)) = self.search(value, 0, isize::MAX)? else {
                    return Err(PyValueError::new_err("list.remove(x): x not in list"));
                };
                unless_modified(py, || raw.remove_if(version, index))
            },
        )?;
        removed.ok_or_else(|| modified("list", "searched"))
    }

    /// Remove all items.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        let raw = self.raw()?;
        wait::run(py, || raw.clear())
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
            None => Err(PyValueError::new_err(format!(
                "{} is not in list",
                value.repr()?
            ))),
        }
    }

    /// Return how many items equal `value`.
    #[pyo3(signature = (value, /))]
    fn count(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        let wanted = store::inline(value);
        let mut count = 0;
        for item in self.snapshot_raw(value.py())?.iter() {
            count += usize::from(equals(item, value, wanted)?);
        }
        Ok(count)
    }

    /// Reverse the order of the items.
    fn reverse(&self, py: Python<'_>) -> PyResult<()> {
        let raw = self.raw()?;
        wait::run(py, || raw.reverse())
    }

    /// Sort the items, keeping the order of those that are equal.
    ///
    /// `key` is called once for each item. Raises ValueError if the list was changed meanwhile.
    #[pyo3(signature = (*, key=None, reverse=false))]
    fn sort(&self, py: Python<'_>, key: Option<&Bound<'_, PyAny>>, reverse: bool) -> PyResult<()> {
        let raw = self.raw()?;
        let items = self.snapshot_raw(py)?;
        let mut keys = to_list(py, &items)?;
        if let Some(key) = key {
            let mapped = keys
                .iter()
                .map(|item| key.call1((item,)))
                .collect::<PyResult<Vec<_>>>()?;
            keys = PyList::new(py, mapped)?;
        }
        // The interpreter sorts the positions by their items: its rules, and its speed.
        let order = PyList::new(py, 0..keys.len())?;
        let arguments = PyDict::new(py);
        arguments.set_item("key", keys.getattr("__getitem__")?)?;
        arguments.set_item("reverse", reverse)?;
        order.call_method("sort", (), Some(&arguments))?;
        let order: Vec<usize> = order.extract()?;
        wait::run(py, || raw.reorder_if(items.version, &order))
    }

    /// Return a plain list with the items; nested shared containers stay shared.
    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.plain_list(py)
    }

    /// Return the items as they were at one moment, in a plain list.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.plain_list(py)
    }

    /// Return a plain list in which nested shared containers are plain, too: for json, pprint, files.
    ///
    /// >>> import pumasi
    /// >>> pumasi.List([1, [2, {"a": []}]]).to_plain()
    /// [1, [2, {'a': []}]]
    fn to_plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.raw()?;
        Plain::new(py).list(&self.raw)
    }

    fn __copy__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.plain_list(py)
    }

    #[pyo3(signature = (memo, /))]
    fn __deepcopy__<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.to_plain(memo.py())
    }

    /// Replace the item at `index` by `function(item)`, in one step, and return the new item.
    ///
    /// The function runs outside the list's lock and is called again if the list was changed
    /// meanwhile, after a few times under `locked()`: let it do nothing but compute.
    #[pyo3(signature = (index, function, /))]
    fn update_with<'py>(
        slf: &Bound<'py, Self>,
        index: isize,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let list = slf.get();
        let raw = list.raw()?;
        let attempt = || -> PyResult<Option<Bound<'py, PyAny>>> {
            let mut out = Fetch::new();
            let (version, cell) = wait::run(py, || {
                // The version first: a change after it is noticed when the new item is stored.
                let version = raw.version();
                raw.get(index, &mut out).map(|cell| (version, cell))
            })?;
            let new = function.call1((load::to_python(py, cell, &mut out)?,))?;
            let mut ready = list.prepare(&new)?;
            let stored = unless_modified(py, || raw.set_if(version, index, &mut ready))?;
            Ok(stored.map(|()| new))
        };
        let updated = insist(py, || Lockable::List(raw.clone()), attempt)?;
        updated.ok_or_else(|| modified("list", "updated"))
    }

    /// Return a context manager that keeps every other thread and process out of the list.
    ///
    /// Single operations need it not, they are atomic by themselves. If a process is killed
    /// inside, what it did so far stays, and the next one in is warned.
    ///
    /// >>> import pumasi
    /// >>> values = pumasi.List([1, 2])
    /// >>> with values.locked():
    /// ...     values.append(sum(values))
    /// >>> values
    /// [1, 2, 3]
    fn locked(slf: &Bound<'_, Self>) -> PyResult<Locked> {
        Ok(Locked::of(
            slf.as_any(),
            Lockable::List(slf.get().raw()?.clone()),
        ))
    }
}

/// A list in shared memory, for processes and threads alike, with everything that `list` has.
///
/// Each operation is atomic. Nested plain lists, dicts and sets become shared ones; other values are
/// copied in and out. A List passes to other processes by reference.
///
/// >>> import pumasi
/// >>> l = pumasi.List([3, 1])
/// >>> l.append([2])
/// >>> l[2].append(5)
/// >>> l
/// [3, 1, [2, 5]]
#[pyclass(extends = ListBase, subclass, frozen, generic, module = "pumasi", name = "List")]
pub struct List {}

impl List {
    fn made(raw: RawList) -> PyClassInitializer<List> {
        PyClassInitializer::from(ListBase {
            raw,
            nested: Nested::Share,
            gate: None,
        })
        .add_subclass(List {})
    }

    /// A handle of a shared list.
    pub fn of_object(py: Python<'_>, object: ObjectRef) -> PyResult<Bound<'_, List>> {
        Bound::new(py, List::made(RawList::from_object(object).or_raise()?))
    }
}

#[pymethods]
impl List {
    #[new]
    #[pyo3(signature = (*args), text_signature = "(iterable=(), /)")]
    fn new(args: &Bound<'_, PyTuple>) -> PyResult<PyClassInitializer<List>> {
        let iterable = one_argument("list", args)?;
        if let Some(object) = given(iterable) {
            return Ok(List::made(RawList::from_object(object).or_raise()?));
        }
        let base = ListBase {
            raw: RawList::create(&*heap::target()?).or_raise()?,
            nested: Nested::Share,
            gate: None,
        };
        if let Some(iterable) = iterable {
            base.extend(iterable)?;
        }
        Ok(PyClassInitializer::from(base).add_subclass(List {}))
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let base = slf.as_super().get();
        if let Ok(list) = other.cast::<List>()
            && list.as_super().get().object() == base.object()
            && matches!(op, CompareOp::Eq | CompareOp::Ne)
        {
            return Ok(truth(slf.py(), matches!(op, CompareOp::Eq)));
        }
        let other = if let Ok(list) = other.cast::<List>() {
            list.as_super().get().plain_list(slf.py())?
        } else if let Ok(list) = other.cast::<PyList>() {
            list.clone()
        } else {
            return Ok(not_implemented(slf.py()));
        };
        base.plain_list(slf.py())?.rich_compare(other, op)
    }

    #[classattr]
    const __hash__: Option<Py<PyAny>> = None;

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        let base = slf.as_super().get();
        match Shown::enter(base.object()) {
            Some(_shown) => base.plain_list(slf.py())?.repr(),
            None => Ok(PyString::new(slf.py(), "[...]")),
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        by_reference(slf)
    }
}

/// A manager's list, which holds copies of what is stored in it.
#[pyclass(extends = ListBase, subclass, frozen, module = "pumasi._core", name = "ManagedList")]
pub struct ManagedList {}

#[pymethods]
impl ManagedList {
    #[new]
    #[pyo3(signature = (gate, /, *args), text_signature = "(gate, iterable=(), /)")]
    fn new(
        gate: &Bound<'_, Gate>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<PyClassInitializer<ManagedList>> {
        let iterable = one_argument("list", args)?;
        let reference = given(iterable);
        let fresh = reference.is_none();
        let raw = match reference {
            Some(object) => RawList::from_object(object),
            None => RawList::create(&*heap::target()?),
        };
        let base = ListBase {
            raw: raw.or_raise()?,
            nested: Nested::Copy,
            gate: Some(gate.clone().unbind()),
        };
        if fresh && let Some(iterable) = iterable {
            base.extend(iterable)?;
        }
        Ok(PyClassInitializer::from(base).add_subclass(ManagedList {}))
    }

    /// The gate of the list's manager.
    #[getter]
    fn _gate<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Gate>> {
        match &slf.as_super().get().gate {
            Some(gate) => Ok(gate.bind(slf.py()).clone()),
            None => Err(PyNotImplementedError::new_err("a list without a manager")),
        }
    }
}

/// Goes through a list by index, so that what is appended meanwhile is met as well.
#[pyclass(frozen, module = "pumasi._core")]
pub struct ListIterator {
    list: Py<ListBase>,
    /// Negative at the end.
    next: AtomicIsize,
}

#[pymethods]
impl ListIterator {
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let index = self.next.load(Ordering::Relaxed);
        if index < 0 {
            return Ok(None);
        }
        let found = step(py, &self.list, index)?;
        let next = if found.is_some() { index + 1 } else { -1 };
        self.next.store(next, Ordering::Relaxed);
        Ok(found)
    }

    fn __length_hint__(&self, py: Python<'_>) -> PyResult<usize> {
        let index = self.next.load(Ordering::Relaxed);
        let left = self.list.get().__len__(py)? as isize - index;
        Ok(if index < 0 { 0 } else { left.max(0) as usize })
    }
}

/// Goes through a list by index, backwards.
#[pyclass(frozen, module = "pumasi._core")]
pub struct ListReverseIterator {
    list: Py<ListBase>,
    next: AtomicIsize,
}

#[pymethods]
impl ListReverseIterator {
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let index = self.next.load(Ordering::Relaxed);
        if index < 0 {
            return Ok(None);
        }
        let found = step(py, &self.list, index)?;
        let next = if found.is_some() { index - 1 } else { -1 };
        self.next.store(next, Ordering::Relaxed);
        Ok(found)
    }

    fn __length_hint__(&self) -> usize {
        (self.next.load(Ordering::Relaxed) + 1).max(0) as usize
    }
}

/// The item at an index, None past the end.
fn step<'py>(
    py: Python<'py>,
    list: &Py<ListBase>,
    index: isize,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let raw = list.get().raw()?;
    let mut out = Scratch::new();
    let found = wait::run(py, || match raw.get(index, out.fetch()) {
        Err(Error::IndexOutOfRange { .. }) => Ok(None),
        found => found.map(Some),
    })?;
    found.map(|cell| out.value_of(py, cell)).transpose()
}
