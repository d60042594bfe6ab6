//! `Counter`: a shared dict with the habits of the one in `collections`.
//!
//! What Python's own type computes from the whole (most_common, arithmetic, comparisons), it
//! computes here from a plain copy of one moment.

use pumasi::containers::RawDict;
use pumasi::heap::object::{Kind, ObjectRef};
use pyo3::PyClassInitializer;
use pyo3::basic::CompareOp;
use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyMapping, PyString, PyTuple, PyType};

use crate::dict::{Dict, DictBase};
use crate::errors::OrRaise;
use crate::heap;
use crate::keyed::{object_is, plain_counter};
use crate::list::{not_implemented, one_argument};
use crate::locked::Lockable;
use crate::plain::Shown;
use crate::reference::given;

/// A shared dict of counts, with everything that `collections.Counter` has.
///
/// `c[k] += 1` is a read and a write, between which another process may come: `c.add(k)` is one
/// step. `update` and `subtract` are one step for each key, the operators in place keep others out
/// for as long as they take, and those that make a new counter return a plain one.
///
/// >>> import pumasi
/// >>> c = pumasi.Counter("radish")
/// >>> c.add("r", 2)
/// 3
/// >>> c.update("sea")
/// >>> c.most_common(2), c["z"]
/// ([('r', 3), ('a', 2)], 0)
#[pyclass(
    extends = Dict,
    subclass,
    frozen,
    generic,
    mapping,
    module = "pumasi",
    name = "Counter"
)]
pub struct Counter {}

impl Counter {
    /// A handle of a shared one.
    pub fn of_object(py: Python<'_>, object: ObjectRef) -> PyResult<Bound<'_, Counter>> {
        let raw = RawDict::from_object(object).or_raise()?;
        Bound::new(py, Dict::made(raw).add_subclass(Counter {}))
    }

    fn base<'a>(slf: &'a Bound<'_, Self>) -> &'a DictBase {
        slf.as_super().as_super().get()
    }

    fn plain<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        plain_counter(&Self::base(slf).plain_dict(slf.py())?)
    }

    /// A plain counter of what may stand on the other side of an operator.
    fn operand<'py>(other: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        static COUNTER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        if let Ok(counter) = other.cast::<Counter>() {
            return Self::plain(counter).map(Some);
        }
        let class = COUNTER.import(other.py(), "collections", "Counter")?;
        Ok(other.is_instance(class)?.then(|| other.clone()))
    }

    fn operate<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        method: &str,
        reflected: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(other) = Self::operand(other)? else {
            return Ok(not_implemented(slf.py()));
        };
        let own = Self::plain(slf)?;
        let (left, right) = if reflected {
            (other, own)
        } else {
            (own, other)
        };
        left.call_method1(method, (right,))
    }

    /// Lets a plain counter change itself by `method(other)` and takes over what changed, with
    /// everybody else kept out.
    fn operate_in_place(
        slf: &Bound<'_, Self>,
        other: &Bound<'_, PyAny>,
        method: &str,
    ) -> PyResult<()> {
        let py = slf.py();
        let base = Self::base(slf);
        let other = Self::operand(other)?.unwrap_or_else(|| other.clone());
        let container = Lockable::Dict(base.raw()?.clone());
        let _held = container.hold(py)?;
        let before = base.plain_dict(py)?;
        let after = plain_counter(&before)?;
        after.call_method1(method, (other,))?;
        let after = after.cast_into::<PyDict>()?;
        for (key, count) in &after {
            let unchanged = match before.get_item(&key)? {
                Some(old) => old.is(&count) || old.eq(&count)?,
                None => false,
            };
            if !unchanged {
                base.insert(&key, &count)?;
            }
        }
        for (key, _) in &before {
            if !after.contains(&key)? {
                base.take(&key)?;
            }
        }
        Ok(())
    }

    /// Adds the counts of what `update` and `subtract` take, each times `sign`, key by key.
    fn count<'py>(
        dict: &Bound<'py, DictBase>,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
        name: &str,
        negative: bool,
    ) -> PyResult<()> {
        let py = dict.py();
        let add = |key: &Bound<'py, PyAny>, n: &Bound<'py, PyAny>| -> PyResult<()> {
            let n = if negative { n.neg()? } else { n.clone() };
            DictBase::add(dict, key, Some(&n)).map(|_| ())
        };
        match one_argument(name, args)? {
            None => {}
            Some(none) if none.is_none() => {}
            Some(other) => {
                let counts = if let Ok(counts) = other.cast::<DictBase>() {
                    counts.get().plain_dict(py)?.into_any()
                } else if other.cast::<PyMapping>().is_ok() {
                    other.clone()
                } else {
                    // Counted here first, then added key by key.
                    let counted = plain_counter(&PyDict::new(py))?;
                    counted.call_method1("update", (other,))?;
                    counted
                };
                for pair in counts.call_method0("items")?.try_iter()? {
                    let (key, n): (Bound<'py, PyAny>, Bound<'py, PyAny>) = pair?.extract()?;
                    add(&key, &n)?;
                }
            }
        }
        for (key, n) in keywords.into_iter().flatten() {
            add(&key, &n)?;
        }
        Ok(())
    }
}

#[pymethods]
impl Counter {
    #[new]
    #[pyo3(signature = (*args, **keywords), text_signature = "(iterable=None, /, **keywords)")]
    fn new(
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Counter>> {
        let argument = one_argument("Counter", args)?;
        if let Some(object) = given(argument) {
            object_is(&object, Kind::Counter)?;
            let raw = RawDict::from_object(object).or_raise()?;
            return Ok(Dict::made(raw).add_subclass(Counter {}));
        }
        let raw = RawDict::create_of(&*heap::target()?, Kind::Counter).or_raise()?;
        let dict = Bound::new(args.py(), DictBase::sharing(raw.clone()))?;
        Self::count(&dict, args, keywords, "Counter", false)?;
        Ok(Dict::made(raw).add_subclass(Counter {}))
    }

    fn __getitem__<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match Self::base(slf).value_of(key)? {
            Some(count) => Ok(count),
            None => slf.call_method1("__missing__", (key,)),
        }
    }

    /// The count of what was never counted: 0. It is not stored.
    #[pyo3(signature = (key, /))]
    fn __missing__<'py>(&self, key: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
        PyInt::new(key.py(), 0).into_any()
    }

    fn __setitem__(
        slf: &Bound<'_, Self>,
        key: &Bound<'_, PyAny>,
        count: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        Self::base(slf).insert(key, count)
    }

    /// Remove a key; nothing happens if it is not there.
    fn __delitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::base(slf).take(key).map(|_| ())
    }

    /// Return the `n` most common keys with their counts, most common first; all if `n` is None.
    #[pyo3(signature = (n=None))]
    fn most_common<'py>(
        slf: &Bound<'py, Self>,
        n: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::plain(slf)?.call_method1("most_common", (n,))
    }

    /// Return an iterator over the keys, each as often as it was counted at this moment.
    fn elements<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::plain(slf)?.call_method0("elements")
    }

    /// Return the sum of all counts.
    fn total<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::plain(slf)?.call_method0("total")
    }

    /// Add the counts of a mapping, or one for each item of an iterable; one step for each key.
    #[pyo3(signature = (*args, **keywords), text_signature = "($self, iterable=None, /, **keywords)")]
    fn update(
        slf: &Bound<'_, Self>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        Self::count(slf.as_super().as_super(), args, keywords, "update", false)
    }

    /// Subtract the counts of a mapping, or one for each item of an iterable; one step for each
    /// key. Counts may fall below 0.
    #[pyo3(signature = (*args, **keywords), text_signature = "($self, iterable=None, /, **keywords)")]
    fn subtract(
        slf: &Bound<'_, Self>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        Self::count(slf.as_super().as_super(), args, keywords, "subtract", true)
    }

    /// Refuse, as `collections.Counter` does: use `Counter(iterable)`.
    #[classmethod]
    #[pyo3(signature = (iterable, v=None))]
    fn fromkeys(
        cls: &Bound<'_, PyType>,
        iterable: &Bound<'_, PyAny>,
        v: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _refused = (cls, iterable, v);
        Err(PyNotImplementedError::new_err(
            "Counter.fromkeys() is undefined.  Use Counter(iterable) instead.",
        ))
    }

    /// Return a plain `collections.Counter`.
    fn copy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::plain(slf)
    }

    /// Return the counts as they were at one moment, in a plain `collections.Counter`.
    fn snapshot<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::plain(slf)
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::plain(slf)
    }

    fn __add__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::operate(slf, other, "__add__", false)
    }

    fn __radd__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::operate(slf, other, "__add__", true)
    }

    fn __sub__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::operate(slf, other, "__sub__", false)
    }

    fn __rsub__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::operate(slf, other, "__sub__", true)
    }

    fn __or__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::operate(slf, other, "__or__", false)
    }

    fn __ror__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::operate(slf, other, "__or__", true)
    }

    fn __and__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::operate(slf, other, "__and__", false)
    }

    fn __rand__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::operate(slf, other, "__and__", true)
    }

    fn __iadd__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::operate_in_place(slf, other, "__iadd__")
    }

    fn __isub__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::operate_in_place(slf, other, "__isub__")
    }

    fn __ior__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::operate_in_place(slf, other, "__ior__")
    }

    fn __iand__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::operate_in_place(slf, other, "__iand__")
    }

    fn __pos__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::plain(slf)?.pos()
    }

    fn __neg__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::plain(slf)?.neg()
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(other) = Self::operand(other)? {
            return Self::plain(slf)?.rich_compare(other, op);
        }
        // With a dict of another sort as dicts are compared: a missing count is not 0 there.
        match Dict::operand(other)? {
            Some(other) if matches!(op, CompareOp::Eq | CompareOp::Ne) => Self::base(slf)
                .plain_dict(slf.py())?
                .rich_compare(other, op),
            _ => Ok(not_implemented(slf.py())),
        }
    }

    #[classattr]
    const __hash__: Option<Py<PyAny>> = None;

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        match Shown::enter(Self::base(slf).object()) {
            Some(_shown) => Self::plain(slf)?.repr(),
            None => Ok(PyString::new(slf.py(), "Counter({...})")),
        }
    }
}
