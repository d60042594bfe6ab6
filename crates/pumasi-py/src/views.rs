//! Iterators and views of dicts.
//!
//! A view shows every later change. Its iteration raises RuntimeError when a key came or went, as
//! the builtin's does; its set operations and comparisons work on a copy of one moment.

use core::sync::atomic::{AtomicU64, Ordering};

use pumasi::containers::Part;
use pumasi::heap::value::Fetch;
use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{
    PyDictItems, PyDictKeys, PyFrozenSet, PyList, PyMapping, PyMappingProxy, PySet, PyString,
    PyTuple,
};

use crate::dict::DictBase;
use crate::list::{not_implemented, truth};
use crate::set::Set;
use crate::{load, wait};

/// What an iteration gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    Keys,
    Values,
    Items,
}

impl Yield {
    fn part(self) -> Part {
        match self {
            Yield::Keys => Part::Keys,
            Yield::Values => Part::Values,
            Yield::Items => Part::Items,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Yield::Keys => "dict_keys",
            Yield::Values => "dict_values",
            Yield::Items => "dict_items",
        }
    }
}

/// Goes through the entries of a dict in order, or backwards.
#[pyclass(frozen, module = "pumasi._core")]
pub struct DictIterator {
    dict: Py<DictBase>,
    gives: Yield,
    backwards: bool,
    keys_version: u64,
    position: AtomicU64,
    /// Entries still to come, for those who want to know beforehand.
    left: AtomicU64,
}

/// The position of an iteration that has ended.
const ENDED: u64 = u64::MAX - 1;

impl DictIterator {
    pub fn new(
        dict: &Bound<'_, DictBase>,
        gives: Yield,
        backwards: bool,
    ) -> PyResult<DictIterator> {
        let raw = dict.get().raw()?;
        let keys_version = raw.keys_version();
        let left = dict.get().count(dict.py())? as u64;
        Ok(DictIterator {
            dict: dict.clone().unbind(),
            gives,
            backwards,
            keys_version,
            position: AtomicU64::new(if backwards { u64::MAX } else { 0 }),
            left: AtomicU64::new(left),
        })
    }
}

#[pymethods]
impl DictIterator {
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut position = self.position.load(Ordering::Relaxed);
        if position == ENDED {
            return Ok(None);
        }
        let raw = self.dict.get().raw()?;
        let (mut key, mut value) = (Fetch::new(), Fetch::new());
        let (wants_key, wants_value) = (self.gives != Yield::Values, self.gives != Yield::Keys);
        let found = wait::run(py, || {
            raw.next_entry(
                &mut position,
                self.keys_version,
                self.backwards,
                wants_key.then_some(&mut key),
                wants_value.then_some(&mut value),
            )
        })?;
        let Some((k, v)) = found else {
            self.position.store(ENDED, Ordering::Relaxed);
            self.left.store(0, Ordering::Relaxed);
            return Ok(None);
        };
        self.position.store(position, Ordering::Relaxed);
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        Ok(Some(match self.gives {
            Yield::Keys => load::to_python(py, k, &mut key)?,
            Yield::Values => load::to_python(py, v, &mut value)?,
            Yield::Items => {
                let pair = [
                    load::to_python(py, k, &mut key)?,
                    load::to_python(py, v, &mut value)?,
                ];
                PyTuple::new(py, pair)?.into_any()
            }
        }))
    }

    fn __length_hint__(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }
}

/// A view of the keys, the values or the pairs of a Dict.
#[pyclass(frozen, module = "pumasi._core")]
pub struct DictView {
    dict: Py<DictBase>,
    gives: Yield,
}

impl DictView {
    pub fn new(dict: &Bound<'_, DictBase>, gives: Yield) -> DictView {
        DictView {
            dict: dict.clone().unbind(),
            gives,
        }
    }

    /// What the view shows at this moment, in a plain list.
    pub fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let entries = self.dict.get().snapshot_raw(py, self.gives.part())?;
        let list = PyList::empty(py);
        let mut entries = entries.iter();
        while let Some(first) = entries.next() {
            let first = load::item_of(py, first)?;
            if self.gives != Yield::Items {
                list.append(first)?;
            } else if let Some(second) = entries.next() {
                list.append((first, load::item_of(py, second)?))?;
            }
        }
        Ok(list)
    }

    fn set<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PySet>>> {
        if self.gives == Yield::Values {
            return Ok(None);
        }
        PySet::new(py, self.plain(py)?.iter()).map(Some)
    }

    /// `set(left)` changed by `method(right)`, one of them being the view.
    fn operate<'py>(
        &self,
        other: &Bound<'py, PyAny>,
        method: &str,
        reflected: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        let Some(own) = self.set(py)? else {
            return Ok(not_implemented(py));
        };
        let (left, right) = if reflected {
            let left = PySet::empty(py)?;
            left.call_method1("update", (other,))?;
            (left, own.into_any())
        } else {
            (own, other.clone())
        };
        left.call_method1(method, (right,))?;
        Ok(left.into_any())
    }
}

/// The set that the other side of a comparison is, if it is one or a view of one.
pub fn other_set<'py>(other: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if other.cast::<PySet>().is_ok() || other.cast::<PyFrozenSet>().is_ok() {
        return Ok(Some(other.clone()));
    }
    if let Ok(set) = other.cast::<Set>() {
        return Ok(Some(set.get().plain_set(other.py())?.into_any()));
    }
    if let Ok(view) = other.cast::<DictView>() {
        return Ok(view.get().set(other.py())?.map(Bound::into_any));
    }
    if other.cast::<PyDictKeys>().is_ok() || other.cast::<PyDictItems>().is_ok() {
        let set = PySet::empty(other.py())?;
        set.call_method1("update", (other,))?;
        return Ok(Some(set.into_any()));
    }
    Ok(None)
}

#[pymethods]
impl DictView {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.dict.get().count(py)
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<DictIterator> {
        DictIterator::new(self.dict.bind(py), self.gives, false)
    }

    fn __reversed__(&self, py: Python<'_>) -> PyResult<DictIterator> {
        DictIterator::new(self.dict.bind(py), self.gives, true)
    }

    fn __contains__(&self, wanted: &Bound<'_, PyAny>) -> PyResult<bool> {
        match self.gives {
            Yield::Keys => self.dict.get().has(wanted),
            Yield::Values => self.plain(wanted.py())?.contains(wanted),
            Yield::Items => {
                let Ok(pair) = wanted.cast::<PyTuple>() else {
                    return Ok(false);
                };
                let [key, value] = pair.as_slice() else {
                    return Ok(false);
                };
                match self.dict.get().value_of(key)? {
                    Some(found) => found.eq(value),
                    None => Ok(false),
                }
            }
        }
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        match (slf.get().set(slf.py())?, other_set(other)?) {
            (Some(own), Some(other)) => own.rich_compare(other, op),
            // Views of values compare by identity, as the builtin's do.
            (None, _) if matches!(op, CompareOp::Eq | CompareOp::Ne) => Ok(truth(
                slf.py(),
                slf.is(other) == matches!(op, CompareOp::Eq),
            )),
            _ => Ok(not_implemented(slf.py())),
        }
    }

    #[classattr]
    const __hash__: Option<Py<PyAny>> = None;

    fn __and__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "intersection_update", false)
    }

    fn __rand__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "intersection_update", true)
    }

    fn __or__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "update", false)
    }

    fn __ror__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "update", true)
    }

    fn __sub__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "difference_update", false)
    }

    fn __rsub__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "difference_update", true)
    }

    fn __xor__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "symmetric_difference_update", false)
    }

    fn __rxor__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "symmetric_difference_update", true)
    }

    /// Return whether the view and an iterable have no element in common.
    #[pyo3(signature = (other, /))]
    fn isdisjoint(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        for element in other.try_iter()? {
            if self.__contains__(&element?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A read-only mapping of the dict that the view is of.
    #[getter]
    fn mapping<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMappingProxy>> {
        let dict = self.dict.bind(py).clone().into_any();
        Ok(PyMappingProxy::new(py, dict.cast::<PyMapping>()?))
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let shown = self.plain(py)?.repr()?;
        Ok(PyString::new(
            py,
            &format!("{}({shown})", self.gives.name()),
        ))
    }
}
