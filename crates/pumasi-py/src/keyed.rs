//! `DefaultDict`: a shared dict with the habits of the one in `collections`, and what it has in
//! common with `Counter`.

use pumasi::containers::{Factory, RawDeque, RawDict};
use pumasi::heap::object::{Kind, ObjectRef};
use pumasi::heap::value::Fetch;
use pyo3::PyClassInitializer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple};

use crate::counter::Counter;
use crate::deque::Deque;
use crate::dict::{Dict, DictBase, missing};
use crate::errors::OrRaise;
use crate::list::{not_implemented, one_argument};
use crate::namespace::Namespace;
use crate::plain::Shown;
use crate::reference::given;
use crate::store::{self, Nested};
use crate::{heap, load, wait};

/// A plain `collections.Counter` with these counts.
pub fn plain_counter<'py>(counts: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    static COUNTER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let counter = COUNTER.import(counts.py(), "collections", "Counter")?;
    counter.call1((counts,))
}

/// A plain `collections.defaultdict` with these items.
pub fn plain_default<'py>(
    factory: &Bound<'py, PyAny>,
    items: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    static DEFAULT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let default = DEFAULT.import(factory.py(), "collections", "defaultdict")?;
    default.call1((factory, items))
}

/// What a DefaultDict makes missing values with. One that was made in Rust says which sort of value.
pub fn factory_of<'py>(py: Python<'py>, raw: &RawDict) -> PyResult<Bound<'py, PyAny>> {
    let mut out = Fetch::new();
    let cell = wait::run(py, || raw.factory(&mut out))?;
    let factory = load::to_python(py, cell, &mut out)?;
    match factory.cast::<PyInt>() {
        Ok(code) => Ok(made_in_rust(py, code.extract()?)),
        Err(_) => Ok(factory),
    }
}

fn made_in_rust(py: Python<'_>, code: i64) -> Bound<'_, PyAny> {
    let class = match Factory::of_code(code) {
        Some(Factory::Integer) => py.get_type::<PyInt>(),
        Some(Factory::Float) => py.get_type::<PyFloat>(),
        Some(Factory::Truth) => py.get_type::<PyBool>(),
        Some(Factory::Text) => py.get_type::<PyString>(),
        Some(Factory::Bytes) => py.get_type::<PyBytes>(),
        // Plain ones become shared ones when they are stored.
        Some(Factory::Object(Kind::List)) => py.get_type::<PyList>(),
        Some(Factory::Object(Kind::Dict)) => py.get_type::<PyDict>(),
        Some(Factory::Object(Kind::Set)) => py.get_type::<PySet>(),
        Some(Factory::Object(Kind::Deque)) => py.get_type::<Deque>(),
        Some(Factory::Object(Kind::Counter)) => py.get_type::<Counter>(),
        Some(Factory::Object(Kind::Namespace)) => py.get_type::<Namespace>(),
        Some(Factory::Object(_)) | None => return py.None().into_bound(py),
    };
    class.into_any()
}

/// What these classes make, in the heap of the dictionary: it need not be the default one of this
/// process. What is plain goes there when it is stored.
fn made_beside(raw: &RawDict, factory: &Bound<'_, PyAny>) -> PyResult<Option<ObjectRef>> {
    let (py, heap) = (factory.py(), raw.object().heap());
    let dict = |kind| RawDict::create_of(heap, kind).map(|dict| dict.object().clone());
    let object = if factory.is(py.get_type::<Deque>()) {
        RawDeque::create(heap, None).map(|deque| deque.object().clone())
    } else if factory.is(py.get_type::<Counter>()) {
        dict(Kind::Counter)
    } else if factory.is(py.get_type::<Namespace>()) {
        dict(Kind::Namespace)
    } else {
        return Ok(None);
    };
    object.map(Some).or_raise()
}

/// What a factory makes, beside the dictionary where it can.
fn made_by<'py>(raw: &RawDict, factory: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match made_beside(raw, factory)? {
        Some(object) => load::handle(factory.py(), object),
        None => factory.call0(),
    }
}

/// What a dictionary has for a key that is not there: a Counter 0, a DefaultDict what its factory
/// makes, others None.
pub fn made_for_missing<'py>(py: Python<'py>, raw: &RawDict) -> PyResult<Bound<'py, PyAny>> {
    match raw.object().kind() {
        Kind::Counter => Ok(PyInt::new(py, 0).into_any()),
        Kind::DefaultDict => {
            let factory = factory_of(py, raw)?;
            if factory.is_none() {
                return Ok(factory);
            }
            made_by(raw, &factory)
        }
        _ => Ok(py.None().into_bound(py)),
    }
}

/// A shared dict that makes missing values, as `collections.defaultdict` does.
///
/// Storing what the factory made is one step, as in `setdefault`: of several processes that miss
/// the same key all get one value, though each may have called its factory. The factory is stored
/// as a pickle, so it is a class or a function of a module.
///
/// >>> import pumasi
/// >>> groups = pumasi.DefaultDict(list)
/// >>> for word in ["rice", "salt", "radish"]:
/// ...     groups[word[0]].append(word)
/// >>> groups["r"]
/// ['rice', 'radish']
#[pyclass(
    extends = Dict,
    subclass,
    frozen,
    generic,
    mapping,
    module = "pumasi",
    name = "DefaultDict"
)]
pub struct DefaultDict {}

impl DefaultDict {
    /// A handle of a shared one.
    pub fn of_object(py: Python<'_>, object: ObjectRef) -> PyResult<Bound<'_, DefaultDict>> {
        let raw = RawDict::from_object(object).or_raise()?;
        Bound::new(py, Dict::made(raw).add_subclass(DefaultDict {}))
    }

    fn base<'a>(slf: &'a Bound<'_, Self>) -> &'a DictBase {
        slf.as_super().as_super().get()
    }

    fn set_factory(raw: &RawDict, factory: &Bound<'_, PyAny>) -> PyResult<()> {
        if !factory.is_none() && !factory.is_callable() {
            return Err(PyTypeError::new_err(
                "first argument must be callable or None",
            ));
        }
        let mut ready = store::prepare(raw.object().heap(), factory, Nested::Copy)?;
        wait::run(factory.py(), || raw.set_factory(&mut ready))
    }

    fn plain<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let base = Self::base(slf);
        let items = base.plain_dict(slf.py())?;
        plain_default(&factory_of(slf.py(), base.raw()?)?, &items)
    }
}

#[pymethods]
impl DefaultDict {
    #[new]
    #[pyo3(signature = (*args, **keywords), text_signature = "(default_factory=None, /, *args, **keywords)")]
    fn new(
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<DefaultDict>> {
        let py = args.py();
        let first = args.get_item(0).ok();
        if let Some(object) = given(first.as_ref()) {
            object_is(&object, Kind::DefaultDict)?;
            let raw = RawDict::from_object(object).or_raise()?;
            return Ok(Dict::made(raw).add_subclass(DefaultDict {}));
        }
        let raw = RawDict::create_of(&*heap::target()?, Kind::DefaultDict).or_raise()?;
        if let Some(factory) = first {
            Self::set_factory(&raw, &factory)?;
        }
        let base = DictBase::sharing(raw);
        let rest = args.get_slice(1, args.len());
        base.merge(one_argument("dict", &rest)?, keywords)?;
        let _attached = py;
        Ok(PyClassInitializer::from(base)
            .add_subclass(Dict {})
            .add_subclass(DefaultDict {}))
    }

    /// What is called for a missing value, or None; assigning changes it for all processes.
    #[getter]
    fn default_factory<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        factory_of(slf.py(), Self::base(slf).raw()?)
    }

    #[setter]
    fn set_default_factory(slf: &Bound<'_, Self>, factory: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::set_factory(Self::base(slf).raw()?, factory)
    }

    fn __getitem__<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match Self::base(slf).value_of(key)? {
            Some(value) => Ok(value),
            // A subclass may have its own.
            None => slf.call_method1("__missing__", (key,)),
        }
    }

    /// Store what the factory makes under `key`, unless there is something now, and return that.
    ///
    /// Raises KeyError if there is no factory.
    #[pyo3(signature = (key, /))]
    fn __missing__<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let base = Self::base(slf);
        let factory = factory_of(slf.py(), base.raw()?)?;
        if factory.is_none() {
            return Err(missing(key));
        }
        base.setdefault(key, Some(made_by(base.raw()?, &factory)?))
    }

    /// Return a plain `collections.defaultdict`; nested shared containers stay shared.
    fn copy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::plain(slf)
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::plain(slf)
    }

    fn __or__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match Dict::operand(other)? {
            Some(other) => Self::plain(slf)?.bitor(other),
            None => Ok(not_implemented(slf.py())),
        }
    }

    fn __ror__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match Dict::operand(other)? {
            Some(other) => other.bitor(Self::plain(slf)?),
            None => Ok(not_implemented(slf.py())),
        }
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        let base = Self::base(slf);
        match Shown::enter(base.object()) {
            Some(_shown) => Self::plain(slf)?.repr(),
            None => {
                let factory = factory_of(slf.py(), base.raw()?)?.repr()?;
                Ok(PyString::new(
                    slf.py(),
                    &format!("defaultdict({factory}, {{...}})"),
                ))
            }
        }
    }
}

/// Raises TypeError unless a reference leads to an object of this kind.
pub fn object_is(object: &ObjectRef, kind: Kind) -> PyResult<()> {
    if object.kind() == kind {
        return Ok(());
    }
    Err(PyTypeError::new_err(format!(
        "a reference to a shared {}, where one to a {} was expected",
        object.kind().name(),
        kind.name()
    )))
}
