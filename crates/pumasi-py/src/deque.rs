//! `Deque`: a deque in the heap, with the methods and the exceptions of the one in `collections`. The
//! file is long because PyO3 wants all methods of a class, with their docstrings, in one block.
//!
//! What compares, calls or builds Python objects works on a copy of the values (`Snapshot`) outside
//! every lock; a change that depends on it is committed only if the deque has the same version still.

use core::sync::atomic::{AtomicUsize, Ordering};

use pumasi::containers::{End, RawDeque, Snapshot};
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::{Fetch, Prepared};
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::block::by_reference;
use crate::errors::OrRaise;
use crate::list::{ListBase, clamped, equals, not_implemented, position, to_list, truth};
use crate::load::Scratch;
use crate::locked::{Lockable, Locked, insist, modified, unless_modified};
use crate::plain::{Plain, Shown};
use crate::reference::given;
use crate::store::{self, Nested, Storing};
use crate::{heap, load, wait};

/// A deque in shared memory, for processes and threads alike, with everything that
/// `collections.deque` has.
///
/// Each operation is atomic, and as fast at the left as at the right. With `maxlen` what comes in
/// at one end of a full one pushes out what is at the other. Nested plain lists, dicts and sets
/// become shared ones. Copies and what operators make are plain deques. A Deque passes to other
/// processes by reference.
///
/// >>> import pumasi
/// >>> latest = pumasi.Deque([1, 2], maxlen=3)
/// >>> latest.extend([3, 4])
/// >>> latest
/// deque([2, 3, 4], maxlen=3)
/// >>> latest.popleft()
/// 2
#[pyclass(subclass, frozen, weakref, generic, module = "pumasi", name = "Deque")]
pub struct Deque {
    raw: RawDeque,
}

/// The class in `collections`.
fn plain_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "collections", "deque")
}

/// A plain deque with these items.
pub fn plain_deque<'py>(
    items: &Bound<'py, PyAny>,
    bound: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    plain_class(items.py())?.call1((items, bound))
}

/// A plain deque of what may stand on the other side of an operator.
fn operand<'py>(other: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Ok(deque) = other.cast::<Deque>() {
        return deque.get().plain(other.py()).map(Some);
    }
    let plain = other.is_instance(plain_class(other.py())?)?;
    Ok(plain.then(|| other.clone()))
}

impl Deque {
    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }

    pub fn raw(&self) -> &RawDeque {
        &self.raw
    }

    /// A handle of a shared deque.
    pub fn of_object(py: Python<'_>, object: ObjectRef) -> PyResult<Bound<'_, Deque>> {
        let raw = RawDeque::from_object(object).or_raise()?;
        Bound::new(py, Deque { raw })
    }

    /// The items in a plain deque; nested shared containers are handles of them.
    fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let items = to_list(py, &self.items(py)?)?;
        plain_deque(items.as_any(), self.raw.bound())
    }

    fn items(&self, py: Python<'_>) -> PyResult<Snapshot> {
        wait::run(py, || self.raw.snapshot())
    }

    fn prepare(&self, value: &Bound<'_, PyAny>) -> PyResult<Prepared<'_>> {
        store::prepare(self.raw.object().heap(), value, Nested::Share)
    }

    fn put(&self, end: End, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut ready = self.prepare(item)?;
        wait::run(item.py(), || self.raw.push(end, &mut ready))
    }

    fn take<'py>(&self, py: Python<'py>, end: End) -> PyResult<Bound<'py, PyAny>> {
        let mut out = Scratch::new();
        let cell = wait::run(py, || self.raw.pop(end, out.fetch()))?;
        out.value_of(py, cell)
    }

    /// Every item is made ready before anything is stored: an exception on the way leaves the
    /// deque as it was. Of more items than there is room for only the last ones are kept.
    fn put_all(&self, end: End, items: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = items.py();
        let items = if let Ok(deque) = items.cast::<Deque>() {
            to_list(py, &deque.get().items(py)?)?.into_any()
        } else if let Ok(list) = items.cast::<ListBase>() {
            list.get().plain_list(py)?.into_any()
        } else {
            items.clone()
        };
        let mut storing = Storing::new(self.raw.object().heap(), Nested::Share);
        let most = self.raw.bound().unwrap_or(usize::MAX);
        let mut ready = std::collections::VecDeque::new();
        for item in items.try_iter()? {
            let item = storing.prepare(&item?)?;
            if ready.len() == most {
                ready.pop_front();
            }
            if most > 0 {
                ready.push_back(item);
            }
        }
        let ready = ready.make_contiguous();
        wait::run(py, || self.raw.extend(end, ready))
    }

    /// The first position from `from` to `to` whose item equals `value`, and the version.
    fn search(
        &self,
        value: &Bound<'_, PyAny>,
        from: isize,
        to: isize,
    ) -> PyResult<Option<(u64, usize)>> {
        let items = self.items(value.py())?;
        let found = position(&items, value, from, to)?;
        Ok(found.map(|index| (items.version, index)))
    }

    /// An end of an iteration.
    fn iterate(slf: &Bound<'_, Self>, backwards: bool) -> PyResult<DequeIterator> {
        // A change after this is noticed, also one before the length is read.
        let moves = slf.get().raw.moves();
        let len = slf.get().__len__(slf.py())?;
        Ok(DequeIterator {
            deque: slf.clone().unbind(),
            moves,
            backwards,
            len,
            done: AtomicUsize::new(0),
        })
    }
}

/// What stands between the brackets.
fn subscript(key: &Bound<'_, PyAny>) -> PyResult<isize> {
    // SAFETY: a live object, and attached; -1 with an exception set means that it is no index.
    unsafe {
        if ffi::PyIndex_Check(key.as_ptr()) == 0 {
            return Err(PyTypeError::new_err(format!(
                "sequence index must be integer, not '{}'",
                key.get_type().name()?
            )));
        }
        let index = ffi::PyNumber_AsSsize_t(key.as_ptr(), ffi::PyExc_IndexError);
        match PyErr::take(key.py()) {
            Some(raised) if index == -1 => Err(raised),
            _ => Ok(index),
        }
    }
}

/// The two arguments of `deque(iterable=(), maxlen=None)`, of which None is no iterable.
fn arguments<'py>(
    args: &Bound<'py, PyTuple>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<[Option<Bound<'py, PyAny>>; 2]> {
    if args.len() > 2 {
        return Err(PyTypeError::new_err(format!(
            "Deque() takes at most 2 arguments ({} given)",
            args.len()
        )));
    }
    let mut found = [args.get_item(0).ok(), args.get_item(1).ok()];
    for (name, value) in keywords.into_iter().flatten() {
        let name: String = name.extract()?;
        let place = match name.as_str() {
            "iterable" => &mut found[0],
            "maxlen" => &mut found[1],
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "Deque() got an unexpected keyword argument '{name}'"
                )));
            }
        };
        if place.replace(value).is_some() {
            return Err(PyTypeError::new_err(format!(
                "Deque() got multiple values for argument '{name}'"
            )));
        }
    }
    Ok(found)
}

#[pymethods]
impl Deque {
    #[new]
    #[pyo3(signature = (*args, **keywords), text_signature = "(iterable=(), maxlen=None)")]
    fn new(args: &Bound<'_, PyTuple>, keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Deque> {
        let [iterable, maxlen] = arguments(args, keywords)?;
        if let Some(object) = given(iterable.as_ref()) {
            let raw = RawDeque::from_object(object).or_raise()?;
            return Ok(Deque { raw });
        }
        let bound = match maxlen {
            Some(maxlen) if !maxlen.is_none() => {
                let bound: isize = maxlen.extract()?;
                let bound = usize::try_from(bound)
                    .map_err(|_| PyValueError::new_err("maxlen must be non-negative"))?;
                Some(bound)
            }
            _ => None,
        };
        let raw = RawDeque::create(&*heap::target()?, bound).or_raise()?;
        let deque = Deque { raw };
        if let Some(iterable) = iterable {
            deque.put_all(End::Back, &iterable)?;
        }
        Ok(deque)
    }

    /// The most items there may be, or None.
    #[getter]
    fn maxlen(&self) -> Option<usize> {
        self.raw.bound()
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        wait::run(py, || self.raw.len())
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let index = subscript(key)?;
        let mut out = Scratch::new();
        let cell = wait::run(key.py(), || self.raw.get(index, out.fetch()))?;
        out.value_of(key.py(), cell)
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let index = subscript(key)?;
        let mut ready = self.prepare(value)?;
        wait::run(key.py(), || self.raw.set(index, &mut ready))
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let index = subscript(key)?;
        wait::run(key.py(), || self.raw.remove(index))
    }

    fn __contains__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.search(value, 0, isize::MAX)?.is_some())
    }

    fn __iter__(slf: &Bound<'_, Self>) -> PyResult<DequeIterator> {
        Self::iterate(slf, false)
    }

    fn __reversed__(slf: &Bound<'_, Self>) -> PyResult<DequeIterator> {
        Self::iterate(slf, true)
    }

    /// Add an item at the right end.
    #[pyo3(signature = (item, /))]
    pub fn append(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(End::Back, item)
    }

    /// Add an item at the left end.
    #[pyo3(signature = (item, /))]
    pub fn appendleft(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(End::Front, item)
    }

    /// Remove the rightmost item and return it; raises IndexError if there is none.
    fn pop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.take(py, End::Back)
    }

    /// Remove the leftmost item and return it; raises IndexError if there is none.
    fn popleft<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.take(py, End::Front)
    }

    /// Add the items of an iterable at the right end, all in one step.
    ///
    /// If the iterable raises, nothing is added.
    #[pyo3(signature = (iterable, /))]
    fn extend(&self, iterable: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put_all(End::Back, iterable)
    }

    /// Add the items of an iterable at the left end one after the other, all in one step.
    ///
    /// The last of them is the leftmost in the end. If the iterable raises, nothing is added.
    #[pyo3(signature = (iterable, /))]
    fn extendleft(&self, iterable: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put_all(End::Front, iterable)
    }

    /// Move the last `n` items to the left end; with a negative `n`, the first ones to the right.
    #[pyo3(signature = (n=1, /))]
    fn rotate(&self, py: Python<'_>, n: isize) -> PyResult<()> {
        wait::run(py, || self.raw.rotate(n))
    }

    /// Add an item before the one at `index`.
    ///
    /// Raises IndexError if there are `maxlen` items.
    #[pyo3(signature = (index, item, /))]
    fn insert(&self, index: isize, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut ready = self.prepare(item)?;
        wait::run(item.py(), || self.raw.insert(index, &mut ready))
    }

    /// Remove the first item that equals `value`.
    ///
    /// Raises ValueError if there is none. Items are compared outside the deque's lock, and the
    /// search begins again if the deque was changed meanwhile.
    #[pyo3(signature = (value, /))]
    fn remove(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = value.py();
        let removed = insist(
            py,
            || Lockable::Deque(self.raw.clone()),
            || {
                let Some((version, index)) = self.search(value, 0, isize::MAX)? else {
                    return Err(PyValueError::new_err("deque.remove(x): x not in deque"));
                };
                unless_modified(py, || self.raw.remove_if(version, index))
            },
        )?;
        removed.ok_or_else(|| modified("deque", "searched"))
    }

    /// Remove all items.
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
            None => Err(PyValueError::new_err(format!(
                "{} is not in deque",
                value.repr()?
            ))),
        }
    }

    /// Return how many items equal `value`.
    #[pyo3(signature = (value, /))]
    fn count(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        let wanted = store::inline(value);
        let mut count = 0;
        for item in self.items(value.py())?.iter() {
            count += usize::from(equals(item, value, wanted)?);
        }
        Ok(count)
    }

    /// Reverse the order of the items.
    fn reverse(&self, py: Python<'_>) -> PyResult<()> {
        wait::run(py, || self.raw.reverse())
    }

    /// Return a plain `collections.deque` with the items; nested shared containers stay shared.
    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.plain(py)
    }

    /// Return the items as they were at one moment, in a plain `collections.deque`.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.plain(py)
    }

    /// Return a plain `collections.deque` in which nested shared containers are plain, too.
    ///
    /// >>> import pumasi
    /// >>> pumasi.Deque([1, [2]]).to_plain()
    /// deque([1, [2]])
    fn to_plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Plain::new(py).deque(&self.raw)
    }

    fn __copy__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.plain(py)
    }

    #[pyo3(signature = (memo, /))]
    fn __deepcopy__<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.to_plain(memo.py())
    }

    fn __add__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match operand(other)? {
            Some(other) => self.plain(other.py())?.add(other),
            None => Ok(not_implemented(other.py())),
        }
    }

    fn __radd__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match operand(other)? {
            Some(other) => other.add(self.plain(other.py())?),
            None => Ok(not_implemented(other.py())),
        }
    }

    fn __iadd__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put_all(End::Back, other)
    }

    fn __mul__<'py>(&self, times: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: a live object, and attached.
        if unsafe { ffi::PyIndex_Check(times.as_ptr()) } == 0 {
            return Ok(not_implemented(times.py()));
        }
        self.plain(times.py())?.mul(times)
    }

    fn __rmul__<'py>(&self, times: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.__mul__(times)
    }

    fn __imul__(&self, times: isize, py: Python<'_>) -> PyResult<()> {
        if times <= 0 {
            return self.clear(py);
        }
        let container = || Lockable::Deque(self.raw.clone());
        let multiplied = insist(py, container, || {
            let items = self.items(py)?;
            // Each copy is a value of its own; of a bounded deque only the last ones stay.
            let values = to_list(py, &items)?;
            let most = self.raw.bound().unwrap_or(usize::MAX);
            let more = values
                .len()
                .saturating_mul(times.unsigned_abs() - 1)
                .min(most);
            let mut ready = Vec::new();
            for i in (1..=more).rev() {
                let value = values.get_item((values.len() - i % values.len()) % values.len())?;
                ready.push(self.prepare(&value)?);
            }
            let end = End::Back;
            unless_modified(py, || self.raw.extend_if(items.version, end, &mut ready))
        })?;
        multiplied.ok_or_else(|| modified("deque", "multiplied"))
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(deque) = other.cast::<Deque>()
            && deque.get().object() == slf.get().object()
            && matches!(op, CompareOp::Eq | CompareOp::Ne)
        {
            return Ok(truth(slf.py(), matches!(op, CompareOp::Eq)));
        }
        match operand(other)? {
            Some(other) => slf.get().plain(slf.py())?.rich_compare(other, op),
            None => Ok(not_implemented(slf.py())),
        }
    }

    #[classattr]
    const __hash__: Option<Py<PyAny>> = None;

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        match Shown::enter(self.raw.object()) {
            Some(_shown) => self.plain(py)?.repr(),
            None => Ok(PyString::new(py, "[...]")),
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        by_reference(slf)
    }

    /// Replace the item at `index` by `function(item)`, in one step, and return the new item.
    ///
    /// The function runs outside the deque's lock and is called again if the deque was changed
    /// meanwhile, after a few times under `locked()`: let it do nothing but compute.
    #[pyo3(signature = (index, function, /))]
    fn update_with<'py>(
        slf: &Bound<'py, Self>,
        index: isize,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let deque = slf.get();
        let raw = &deque.raw;
        let attempt = || -> PyResult<Option<Bound<'py, PyAny>>> {
            let mut out = Fetch::new();
            let (version, cell) = wait::run(py, || {
                // The version first: a change after it is noticed when the new item is stored.
                let version = raw.version();
                raw.get(index, &mut out).map(|cell| (version, cell))
            })?;
            let new = function.call1((load::to_python(py, cell, &mut out)?,))?;
            let mut ready = deque.prepare(&new)?;
            let stored = unless_modified(py, || raw.set_if(version, index, &mut ready))?;
            Ok(stored.map(|()| new))
        };
        let updated = insist(py, || Lockable::Deque(raw.clone()), attempt)?;
        updated.ok_or_else(|| modified("deque", "updated"))
    }

    /// Return a context manager that keeps every other thread and process out of the deque.
    ///
    /// >>> import pumasi
    /// >>> d = pumasi.Deque([1, 2])
    /// >>> with d.locked():
    /// ...     d.append(d.popleft() + d[0])
    /// >>> d
    /// deque([2, 3])
    fn locked(slf: &Bound<'_, Self>) -> Locked {
        Locked::of(slf.as_any(), Lockable::Deque(slf.get().raw.clone()))
    }
}

/// Goes through a deque, in one direction or the other.
#[pyclass(frozen, module = "pumasi._core")]
pub struct DequeIterator {
    deque: Py<Deque>,
    moves: u64,
    len: usize,
    backwards: bool,
    /// How many were given; `len` at the end.
    done: AtomicUsize,
}

#[pymethods]
impl DequeIterator {
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let done = self.done.load(Ordering::Relaxed);
        // At the end, too, it is looked whether anything has moved.
        let index = match self.backwards {
            true if done < self.len => self.len - 1 - done,
            _ => done,
        };
        let raw = &self.deque.get().raw;
        let mut out = Scratch::new();
        let found = wait::run(py, || raw.step(self.moves, index, out.fetch()));
        let next = match &found {
            Ok(Some(_)) => done + 1,
            _ => self.len,
        };
        self.done.store(next, Ordering::Relaxed);
        found?.map(|cell| out.value_of(py, cell)).transpose()
    }

    fn __length_hint__(&self) -> usize {
        self.len - self.done.load(Ordering::Relaxed).min(self.len)
    }
}
