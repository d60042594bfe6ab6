//! `Dict`: a dictionary in the heap, with the methods and the exceptions of Python's. The file is
//! long because PyO3 wants all methods of a class, with their docstrings, in one block.

use core::time::Duration;
use std::time::Instant;

use pumasi::containers::{Number, Part, RawDict, Snapshot};
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::{Fetch, Prepared};
use pyo3::PyClassInitializer;
use pyo3::basic::CompareOp;
use pyo3::exceptions::{
    PyKeyError, PyNotImplementedError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::block::{Gate, by_reference};
use crate::errors::OrRaise;
use crate::keyed::made_for_missing;
use crate::keys::key;
use crate::list::{not_implemented, one_argument, truth};
use crate::load::Scratch;
use crate::locked::{Lockable, Locked, insist};
use crate::plain::{Plain, Shown};
use crate::reference::given;
use crate::store::{self, Nested};
use crate::views::{DictIterator, DictView, Yield};
use crate::{heap, load, wait};

/// What shared dicts have in common.
#[pyclass(
    subclass,
    frozen,
    weakref,
    mapping,
    module = "pumasi._core",
    name = "DictBase"
)]
pub struct DictBase {
    raw: RawDict,
    nested: Nested,
    /// Of a manager's dict: refuses once the manager was shut down.
    gate: Option<Py<Gate>>,
}

impl DictBase {
    /// Of a dict which turns nested plain containers into shared ones.
    pub fn sharing(raw: RawDict) -> DictBase {
        DictBase {
            raw,
            nested: Nested::Share,
            gate: None,
        }
    }

    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }

    #[inline(always)]
    pub fn raw(&self) -> PyResult<&RawDict> {
        match &self.gate {
            None => Ok(&self.raw),
            Some(gate) => gate.get().check().map(|()| &self.raw),
        }
    }

    #[inline(always)]
    fn heap(&self) -> &pumasi::Heap {
        self.raw.object().heap()
    }

    #[inline(always)]
    fn prepare(&self, value: &Bound<'_, PyAny>) -> PyResult<Prepared<'_>> {
        store::prepare(self.heap(), value, self.nested)
    }

    #[inline(always)]
    fn find<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let raw = self.raw()?;
        let mut buffer = Vec::new();
        let (key, _) = key(raw, object, &mut buffer)?;
        let mut out = Scratch::new();
        match wait::run(object.py(), || raw.get(&key, out.fetch()))? {
            Some(cell) => out.value_of(object.py(), cell).map(Some),
            None => Ok(None),
        }
    }

    pub fn has(&self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        let raw = self.raw()?;
        let mut buffer = Vec::new();
        let (key, _) = key(raw, object, &mut buffer)?;
        wait::run(object.py(), || raw.contains(&key))
    }

    pub fn value_of<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.find(key)
    }

    #[inline(always)]
    pub fn insert(&self, object: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut ready = self.prepare(value)?;
        let raw = self.raw()?;
        let mut buffer = Vec::new();
        let (key, original) = key(raw, object, &mut buffer)?;
        let mut original = original.prepare(self.heap())?;
        wait::run(object.py(), || {
            raw.insert(&key, original.as_mut(), &mut ready)
        })
    }

    /// Takes a key out; None if it is not there.
    pub fn take<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let raw = self.raw()?;
        let mut buffer = Vec::new();
        let (key, _) = key(raw, object, &mut buffer)?;
        let mut out = Scratch::new();
        match wait::run(object.py(), || raw.remove(&key, out.fetch()))? {
            Some(cell) => out.value_of(object.py(), cell).map(Some),
            None => Ok(None),
        }
    }

    pub fn count(&self, py: Python<'_>) -> PyResult<usize> {
        let raw = self.raw()?;
        wait::run(py, || raw.len())
    }

    pub fn snapshot_raw(&self, py: Python<'_>, part: Part) -> PyResult<Snapshot> {
        let raw = self.raw()?;
        wait::run(py, || raw.snapshot(part))
    }

    /// The entries in a plain dict; nested shared containers are handles of them.
    pub fn plain_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let items = self.snapshot_raw(py, Part::Items)?;
        let dict = PyDict::new(py);
        let mut items = items.iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            dict.set_item(load::item_of(py, key)?, load::item_of(py, value)?)?;
        }
        Ok(dict)
    }

    /// `update`'s rules: a mapping, an object with `keys()`, or pairs; then the keywords.
    pub fn merge(
        &self,
        other: Option<&Bound<'_, PyAny>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        if let Some(other) = other {
            if let Ok(dict) = other.cast_exact::<PyDict>() {
                self.merge_dict(dict)?;
            } else if let Ok(dict) = other.cast::<DictBase>() {
                self.merge_dict(&dict.get().plain_dict(other.py())?)?;
            } else if other.hasattr("keys")? {
                for key in other.call_method0("keys")?.try_iter()? {
                    let key = key?;
                    self.insert(&key, &other.get_item(&key)?)?;
                }
            } else {
                self.merge_pairs(other)?;
            }
        }
        match keywords {
            Some(keywords) => self.merge_dict(keywords),
            None => Ok(()),
        }
    }

    /// One conversion for the whole dict, so that what it shares among its values stays shared.
    fn merge_dict(&self, dict: &Bound<'_, PyDict>) -> PyResult<()> {
        let mut storing = store::Storing::new(self.heap(), self.nested);
        for (object, value) in dict {
            let mut ready = storing.prepare(&value)?;
            let raw = self.raw()?;
            let mut buffer = Vec::new();
            let (key, original) = key(raw, &object, &mut buffer)?;
            let mut original = original.prepare(self.heap())?;
            wait::run(dict.py(), || {
                raw.insert(&key, original.as_mut(), &mut ready)
            })?;
        }
        Ok(())
    }

    fn merge_pairs(&self, pairs: &Bound<'_, PyAny>) -> PyResult<()> {
        for (number, pair) in pairs.try_iter()?.enumerate() {
            let pair = pair?;
            let pair: Vec<Bound<'_, PyAny>> = match pair.try_iter() {
                Ok(items) => items.collect::<PyResult<_>>()?,
                Err(_) => {
                    return Err(PyTypeError::new_err(format!(
                        "cannot convert dictionary update sequence element #{number} to a sequence"
                    )));
                }
            };
            let [key, value] = pair.as_slice() else {
                return Err(PyValueError::new_err(format!(
                    "dictionary update sequence element #{number} has length {}; 2 is required",
                    pair.len()
                )));
            };
            self.insert(key, value)?;
        }
        Ok(())
    }
}

#[cold]
pub fn missing(key: &Bound<'_, PyAny>) -> PyErr {
    PyKeyError::new_err((key.clone().unbind(),))
}

#[pymethods]
impl DictBase {
    #[inline]
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.count(py)
    }

    #[inline]
    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.find(key)? {
            Some(value) => Ok(value),
            None => Err(missing(key)),
        }
    }

    #[inline]
    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.insert(key, value)
    }

    fn __delitem__(&self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        let raw = self.raw()?;
        let mut buffer = Vec::new();
        let (key, _) = key(raw, object, &mut buffer)?;
        // What the value was is nobody's business any more.
        match wait::run(object.py(), || raw.remove(&key, &mut Fetch::new()))? {
            Some(_) => Ok(()),
            None => Err(missing(object)),
        }
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.has(key)
    }

    fn __iter__(slf: &Bound<'_, Self>) -> PyResult<DictIterator> {
        DictIterator::new(slf, Yield::Keys, false)
    }

    fn __reversed__(slf: &Bound<'_, Self>) -> PyResult<DictIterator> {
        DictIterator::new(slf, Yield::Keys, true)
    }

    /// Return the value under `key`, or `default`.
    #[inline]
    #[pyo3(signature = (key, default=None, /))]
    pub fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.find(key)?.or(default))
    }

    /// Return the value under `key`, storing `default` there first if the key is missing.
    ///
    /// One atomic step: of several processes one stores its default, and all get that value.
    #[pyo3(signature = (key, default=None, /))]
    pub fn setdefault<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        if let Some(found) = self.find(key)? {
            return Ok(found);
        }
        let default = default.unwrap_or_else(|| py.None().into_bound(py));
        let mut ready = self.prepare(&default)?;
        let cell = ready.cell();
        let raw = self.raw()?;
        let mut buffer = Vec::new();
        let (form, original) = self::key(raw, key, &mut buffer)?;
        let mut original = original.prepare(self.heap())?;
        let mut out = Fetch::new();
        let found = wait::run(py, || {
            raw.setdefault(&form, original.as_mut(), &mut ready, &mut out)
        })?;
        match found {
            Some(found) => load::to_python(py, found, &mut out),
            // A plain list or dict was turned into a shared one, which is what the caller wants.
            None if !cell.is_inline() => Ok(self.find(key)?.unwrap_or(default)),
            None => Ok(default),
        }
    }

    /// Remove `key` and return its value, or `default` if it is missing.
    ///
    /// Raises KeyError if it is missing and no default was given.
    #[pyo3(signature = (key, *default), text_signature = "($self, key, default=<unrepresentable>, /)")]
    fn pop<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if default.len() > 1 {
            return Err(PyTypeError::new_err(format!(
                "pop expected at most 2 arguments, got {}",
                default.len() + 1
            )));
        }
        match self.take(key)? {
            Some(value) => Ok(value),
            None => default.get_item(0).map_err(|_| missing(key)),
        }
    }

    /// Remove the newest entry and return it as a pair.
    ///
    /// Raises KeyError if the dict is empty.
    fn popitem<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let raw = self.raw()?;
        let (mut key, mut value) = (Fetch::new(), Fetch::new());
        match wait::run(py, || raw.popitem(&mut key, &mut value))? {
            Some((k, v)) => Ok((
                load::to_python(py, k, &mut key)?,
                load::to_python(py, v, &mut value)?,
            )),
            None => Err(PyKeyError::new_err("popitem(): dictionary is empty")),
        }
    }

    /// Remove everything.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        let raw = self.raw()?;
        wait::run(py, || raw.clear())
    }

    /// Set the entries of a mapping or of an iterable of pairs, then the keywords, key by key.
    #[pyo3(signature = (*args, **keywords))]
    fn update(
        &self,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        self.merge(one_argument("update", args)?, keywords)
    }

    /// Return a plain dict with the entries; nested shared containers stay shared.
    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.plain_dict(py)
    }

    /// Return the entries as they were at one moment, in a plain dict.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.plain_dict(py)
    }

    /// Return a plain dict in which nested shared containers are plain, too: for json, pprint, files.
    ///
    /// >>> import pumasi
    /// >>> pumasi.Dict(a=[1, {"b": []}]).to_plain()
    /// {'a': [1, {'b': []}]}
    fn to_plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.raw()?;
        Plain::new(py).dict(&self.raw)
    }

    fn __copy__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.plain_dict(py)
    }

    #[pyo3(signature = (memo, /))]
    fn __deepcopy__<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.to_plain(memo.py())
    }

    /// Add `n` to the number under `key` in one atomic step, and return the sum.
    ///
    /// A missing key counts from 0.
    ///
    /// >>> import pumasi
    /// >>> d = pumasi.Dict()
    /// >>> d.add("a"), d.add("a", 2), d.add("a", 0.5)
    /// (1, 3, 3.5)
    #[inline]
    #[pyo3(signature = (key, n=None, /), text_signature = "($self, key, n=1, /)")]
    pub fn add<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        n: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let dict = slf.get();
        let number = match n {
            None => Some(Number::Int(1)),
            Some(n) => number(n),
        };
        if let Some(number) = number {
            let raw = dict.raw()?;
            let mut buffer = Vec::new();
            let (form, original) = self::key(raw, key, &mut buffer)?;
            let mut original = original.prepare(dict.heap())?;
            let sum = wait::run(py, || match raw.add(&form, original.as_mut(), number) {
                Err(pumasi::Error::NotANumber) => Ok(None),
                sum => sum.map(Some),
            })?;
            match sum {
                Some(Number::Int(i)) => return Ok(i.into_pyobject(py)?.into_any()),
                Some(Number::Float(f)) => return Ok(f.into_pyobject(py)?.into_any()),
                None => {}
            }
        }
        // Numbers beyond 64 bits, Fractions, arrays: whatever Python can add.
        let one = PyInt::new(py, 1).into_any();
        let n = n.unwrap_or(&one);
        let zero = PyInt::new(py, 0).into_any();
        Self::change(slf, key, |old| old.unwrap_or(zero.clone()).add(n))
    }

    /// Wait until there is a value under `key`, or until `predicate(value)` is true.
    ///
    /// With a predicate it is given `default` while the key is missing. Return True, or False when
    /// `timeout` seconds are over (None: never; zero or less: look once). Any process may bring the
    /// change about; what comes and goes between two looks is not seen. Not for a `with
    /// d.locked()` block, in which nobody else can change anything.
    ///
    /// >>> import pumasi, threading
    /// >>> d = pumasi.Dict()
    /// >>> d.wait("ready", timeout=0)
    /// False
    /// >>> threading.Timer(0.01, d.update, [{"ready": 1}]).start()
    /// >>> d.wait("ready")
    /// True
    #[pyo3(signature = (key, predicate=None, default=None, timeout=None))]
    fn wait(
        &self,
        key: &Bound<'_, PyAny>,
        predicate: Option<&Bound<'_, PyAny>>,
        default: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        let py = key.py();
        let timeout = wait::timeout(timeout)?;
        let started = Instant::now();
        let object = self.raw()?.object();
        loop {
            // The version first: a change after it ends the wait.
            let version = object.version();
            let value = self.value_of(key)?;
            let done = match (predicate, value) {
                (None, value) => value.is_some(),
                (Some(predicate), Some(value)) => predicate.call1((value,))?.is_truthy()?,
                (Some(predicate), None) => predicate.call1((default,))?.is_truthy()?,
            };
            let left = timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
            if done || left == Some(Duration::ZERO) {
                return Ok(done);
            }
            wait::run(py, || object.wait_for_change(version, left))?;
        }
    }

    /// Replace the value under `key` by `function(value)`, in one step, and return the new value.
    ///
    /// For a missing key the function is given `default`; without one a Counter gives it 0, and a
    /// DefaultDict what its factory makes. It runs outside the dict's lock and is called again if
    /// another changed the value meanwhile, after a few times under `locked()`: let it do nothing
    /// but compute.
    ///
    /// >>> import pumasi
    /// >>> d = pumasi.Dict(best=3)
    /// >>> d.update_with("best", lambda best: max(best, 7), default=0)
    /// 7
    #[pyo3(signature = (key, function, default=None))]
    pub fn update_with<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::change(slf, key, |old| {
            let old = match (old, &default) {
                (Some(old), _) => old,
                (None, Some(default)) => default.clone(),
                (None, None) => made_for_missing(slf.py(), slf.get().raw()?)?,
            };
            function.call1((old,))
        })
    }

    /// Return a context manager that keeps every other thread and process out of the dict.
    ///
    /// Single operations need it not, they are atomic by themselves. If a process is killed
    /// inside, what it did so far stays, and the next one in is warned.
    ///
    /// >>> import pumasi
    /// >>> d = pumasi.Dict(a=1, b=2)
    /// >>> with d.locked():
    /// ...     d["a"], d["b"] = d["b"], d["a"]
    fn locked(slf: &Bound<'_, Self>) -> PyResult<Locked> {
        Ok(Locked::of(
            slf.as_any(),
            Lockable::Dict(slf.get().raw()?.clone()),
        ))
    }
}

impl DictBase {
    /// Replaces a value by what `compute` makes of it (None: no such key), until nobody came in
    /// between.
    fn change<'py>(
        slf: &Bound<'py, Self>,
        object: &Bound<'py, PyAny>,
        compute: impl Fn(Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let dict = slf.get();
        let raw = dict.raw()?;
        let mut buffer = Vec::new();
        let (form, original) = key(raw, object, &mut buffer)?;
        let attempt = || -> PyResult<Option<Bound<'py, PyAny>>> {
            let mut out = Fetch::new();
            let expected = wait::run(py, || raw.get(&form, &mut out))?;
            let old = expected
                .map(|cell| load::to_python(py, cell, &mut out))
                .transpose()?;
            let new = compute(old)?;
            let mut ready = dict.prepare(&new)?;
            let mut original = original.prepare(dict.heap())?;
            let stored = wait::run(py, || {
                raw.insert_if(&form, expected, original.as_mut(), &mut ready)
            })?;
            Ok(stored.then_some(new))
        };
        let updated = insist(py, || Lockable::Dict(raw.clone()), attempt)?;
        updated.ok_or_else(|| {
            PyRuntimeError::new_err("the function of update_with changes the very key it is for")
        })
    }
}

/// The number that an exact int or float is, if the core can add it.
#[inline(always)]
fn number(n: &Bound<'_, PyAny>) -> Option<Number> {
    if let Ok(int) = n.cast_exact::<PyInt>() {
        return int.extract().ok().map(Number::Int);
    }
    n.cast_exact::<PyFloat>()
        .ok()
        .map(|float| Number::Float(float.value()))
}

/// A dict in shared memory, for processes and threads alike, with everything that `dict` has.
///
/// Each operation is atomic. Nested plain lists, dicts and sets become shared ones; other values are
/// copied in and out. A Dict passes to other processes by reference.
///
/// >>> import pumasi
/// >>> d = pumasi.Dict({"a": {}}, b=1)
/// >>> d["a"]["deep"] = True
/// >>> d
/// {'a': {'deep': True}, 'b': 1}
#[pyclass(extends = DictBase, subclass, frozen, generic, mapping, module = "pumasi", name = "Dict")]
pub struct Dict {}

impl Dict {
    pub fn made(raw: RawDict) -> PyClassInitializer<Dict> {
        PyClassInitializer::from(DictBase::sharing(raw)).add_subclass(Dict {})
    }

    /// A handle of a shared dict.
    pub fn of_object(py: Python<'_>, object: ObjectRef) -> PyResult<Bound<'_, Dict>> {
        Bound::new(py, Dict::made(RawDict::from_object(object).or_raise()?))
    }

    /// A plain dict of what may stand on the other side of an operator.
    pub fn operand<'py>(other: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
        if let Ok(dict) = other.cast::<PyDict>() {
            return Ok(Some(dict.clone()));
        }
        match other.cast::<Dict>() {
            Ok(dict) => dict.as_super().get().plain_dict(other.py()).map(Some),
            Err(_) => Ok(None),
        }
    }
}

#[pymethods]
impl Dict {
    #[new]
    #[pyo3(signature = (*args, **keywords))]
    fn new(
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Dict>> {
        let argument = one_argument("dict", args)?;
        if let Some(object) = given(argument) {
            return Ok(Dict::made(RawDict::from_object(object).or_raise()?));
        }
        let base = DictBase::sharing(RawDict::create(&*heap::target()?).or_raise()?);
        base.merge(argument, keywords)?;
        Ok(PyClassInitializer::from(base).add_subclass(Dict {}))
    }

    /// Make a dict with the keys of an iterable and one value for all.
    #[classmethod]
    #[pyo3(signature = (iterable, value=None, /))]
    fn fromkeys<'py>(
        cls: &Bound<'py, PyType>,
        iterable: &Bound<'py, PyAny>,
        value: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let dict = cls.call0()?;
        for key in iterable.try_iter()? {
            dict.set_item(key?, &value)?;
        }
        Ok(dict)
    }

    /// Return a view of the keys, which shows every later change.
    fn keys(slf: &Bound<'_, Self>) -> DictView {
        DictView::new(slf.as_super(), Yield::Keys)
    }

    /// Return a view of the values, which shows every later change.
    fn values(slf: &Bound<'_, Self>) -> DictView {
        DictView::new(slf.as_super(), Yield::Values)
    }

    /// Return a view of the pairs of key and value, which shows every later change.
    fn items(slf: &Bound<'_, Self>) -> DictView {
        DictView::new(slf.as_super(), Yield::Items)
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let base = slf.as_super().get();
        if !matches!(op, CompareOp::Eq | CompareOp::Ne) {
            return Ok(not_implemented(slf.py()));
        }
        if let Ok(dict) = other.cast::<Dict>()
            && dict.as_super().get().object() == base.object()
        {
            return Ok(truth(slf.py(), matches!(op, CompareOp::Eq)));
        }
        match Dict::operand(other)? {
            Some(other) => base.plain_dict(slf.py())?.rich_compare(other, op),
            None => Ok(not_implemented(slf.py())),
        }
    }

    #[classattr]
    const __hash__: Option<Py<PyAny>> = None;

    fn __or__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match Dict::operand(other)? {
            Some(other) => slf.as_super().get().plain_dict(slf.py())?.bitor(other),
            None => Ok(not_implemented(slf.py())),
        }
    }

    fn __ror__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match Dict::operand(other)? {
            Some(other) => other.bitor(slf.as_super().get().plain_dict(slf.py())?),
            None => Ok(not_implemented(slf.py())),
        }
    }

    fn __ior__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.as_super().get().merge(Some(other), None)
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        let base = slf.as_super().get();
        match Shown::enter(base.object()) {
            Some(_shown) => base.plain_dict(slf.py())?.repr(),
            None => Ok(PyString::new(slf.py(), "{...}")),
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        by_reference(slf)
    }
}

/// A manager's dict, which holds copies of what is stored in it.
#[pyclass(extends = DictBase, subclass, frozen, mapping, module = "pumasi._core", name = "ManagedDict")]
pub struct ManagedDict {}

#[pymethods]
impl ManagedDict {
    #[new]
    #[pyo3(signature = (gate, /, *args, **keywords))]
    fn new(
        gate: &Bound<'_, Gate>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<ManagedDict>> {
        let argument = one_argument("dict", args)?;
        let reference = given(argument);
        let fresh = reference.is_none();
        let raw = match reference {
            Some(object) => RawDict::from_object(object),
            None => RawDict::create(&*heap::target()?),
        };
        let base = DictBase {
            raw: raw.or_raise()?,
            nested: Nested::Copy,
            gate: Some(gate.clone().unbind()),
        };
        if fresh {
            base.merge(argument, keywords)?;
        }
        Ok(PyClassInitializer::from(base).add_subclass(ManagedDict {}))
    }

    /// The gate of the dict's manager.
    #[getter]
    fn _gate<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Gate>> {
        match &slf.as_super().get().gate {
            Some(gate) => Ok(gate.bind(slf.py()).clone()),
            None => Err(PyNotImplementedError::new_err("a dict without a manager")),
        }
    }

    /// Return a plain list of the keys.
    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        DictView::new(slf.as_super(), Yield::Keys).plain(slf.py())
    }

    /// Return a plain list of the values.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        DictView::new(slf.as_super(), Yield::Values).plain(slf.py())
    }

    /// Return a plain list of the pairs of key and value.
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        DictView::new(slf.as_super(), Yield::Items).plain(slf.py())
    }
}
