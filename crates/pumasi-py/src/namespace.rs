//! `Namespace`: attributes in shared memory.

use pumasi::containers::RawDict;
use pumasi::heap::object::{Kind, ObjectRef};
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::block::by_reference;
use crate::dict::DictBase;
use crate::errors::OrRaise;
use crate::heap;
use crate::keyed::object_is;
use crate::list::{not_implemented, truth};
use crate::locked::{Lockable, Locked};
use crate::plain::{Plain, Shown};
use crate::reference::given;

/// An object in shared memory with any attributes, as `multiprocessing.managers.Namespace`.
///
/// Reading, setting and deleting an attribute is one step each; `ns.n += 1` is two, `ns.add("n")`
/// is one. Nested plain lists, dicts and sets become shared ones. The names of the methods
/// (`add`, `update_with`, `snapshot`, `to_plain`, `locked`) are no attributes to be set.
///
/// >>> import pumasi
/// >>> field = pumasi.Namespace(crop="rice", rows=[])
/// >>> field.rows.append(1)
/// >>> field.add("visits")
/// 1
/// >>> field
/// Namespace(crop='rice', rows=[1], visits=1)
#[pyclass(subclass, frozen, weakref, module = "pumasi", name = "Namespace")]
pub struct Namespace {
    dict: Py<DictBase>,
}

impl Namespace {
    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.dict.get().object()
    }

    fn made(py: Python<'_>, raw: RawDict) -> PyResult<Namespace> {
        let dict = Py::new(py, DictBase::sharing(raw))?;
        Ok(Namespace { dict })
    }

    /// A handle of a shared namespace.
    pub fn of_object(py: Python<'_>, object: ObjectRef) -> PyResult<Bound<'_, Namespace>> {
        let raw = RawDict::from_object(object).or_raise()?;
        Bound::new(py, Namespace::made(py, raw)?)
    }

    pub fn raw(&self) -> PyResult<&RawDict> {
        self.dict.get().raw()
    }
}

/// The error for an attribute that is not there.
fn no_attribute(name: &Bound<'_, PyString>) -> PyErr {
    PyAttributeError::new_err(format!("'Namespace' object has no attribute '{name}'"))
}

/// Whether a name is the interpreter's own.
fn is_special(name: &Bound<'_, PyString>) -> bool {
    name.to_str()
        .is_ok_and(|name| name.len() > 4 && name.starts_with("__") && name.ends_with("__"))
}

/// Refuses names that the class has a use for.
fn check_name(slf: &Bound<'_, Namespace>, name: &Bound<'_, PyString>) -> PyResult<()> {
    if slf.get_type().hasattr(name)? || is_special(name) {
        return Err(PyAttributeError::new_err(format!(
            "'{name}' belongs to the class Namespace, and cannot be an attribute of its own"
        )));
    }
    Ok(())
}

#[pymethods]
impl Namespace {
    #[new]
    #[pyo3(signature = (*args, **keywords), text_signature = "(*args, **keywords)")]
    fn new(args: &Bound<'_, PyTuple>, keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Namespace> {
        let py = args.py();
        if let [reference] = args.as_slice()
            && let Some(object) = given(Some(reference))
        {
            object_is(&object, Kind::Namespace)?;
            return Namespace::made(py, RawDict::from_object(object).or_raise()?);
        }
        if !args.is_empty() {
            return Err(PyTypeError::new_err(
                "Namespace() takes keyword arguments only",
            ));
        }
        let raw = RawDict::create_of(&*heap::target()?, Kind::Namespace).or_raise()?;
        let namespace = Namespace::made(py, raw)?;
        for name in keywords.into_iter().flat_map(|keywords| keywords.keys()) {
            let name = name.cast_into::<PyString>()?;
            if py.get_type::<Namespace>().hasattr(&name)? || is_special(&name) {
                return Err(PyAttributeError::new_err(format!(
                    "'{name}' belongs to the class Namespace, and cannot be an attribute of its own"
                )));
            }
        }
        namespace.dict.get().merge(None, keywords)?;
        Ok(namespace)
    }

    fn __getattr__<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        if is_special(name) {
            return Err(no_attribute(name));
        }
        let found = self.dict.get().value_of(name.as_any())?;
        found.ok_or_else(|| no_attribute(name))
    }

    fn __setattr__(
        slf: &Bound<'_, Self>,
        name: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        check_name(slf, name)?;
        slf.get().dict.get().insert(name.as_any(), value)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        check_name(slf, name)?;
        match slf.get().dict.get().take(name.as_any())? {
            Some(_) => Ok(()),
            None => Err(no_attribute(name)),
        }
    }

    fn __contains__(&self, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.dict.get().has(name)
    }

    fn __dir__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let names = slf.get_type().dir()?;
        for name in slf.get().dict.get().plain_dict(slf.py())?.keys() {
            names.append(name)?;
        }
        Ok(names)
    }

    /// Add `n` to the number in an attribute in one atomic step, and return the sum.
    ///
    /// A missing attribute counts from 0.
    #[pyo3(signature = (name, n=None, /), text_signature = "($self, name, n=1, /)")]
    fn add<'py>(
        &self,
        name: &Bound<'py, PyString>,
        n: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        DictBase::add(self.dict.bind(name.py()), name.as_any(), n)
    }

    /// Replace an attribute by `function(value)`, in one step, and return the new value.
    ///
    /// For a missing one the function is given `default`. It runs outside every lock, and again
    /// if another changed the attribute meanwhile: let it do nothing but compute.
    #[pyo3(signature = (name, function, default=None))]
    fn update_with<'py>(
        &self,
        name: &Bound<'py, PyString>,
        function: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        DictBase::update_with(self.dict.bind(name.py()), name.as_any(), function, default)
    }

    /// Return the attributes as they were at one moment, in a plain dict.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.dict.get().plain_dict(py)
    }

    /// Return a plain dict of the attributes in which nested shared containers are plain, too.
    fn to_plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Plain::new(py).dict(self.raw()?)
    }

    fn __deepcopy__<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // As the standard library's: an object with the same attributes.
        let attributes = self.to_plain(memo.py())?.cast_into::<PyDict>()?;
        plain_namespace(&attributes)
    }

    fn __copy__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain_namespace(&self.snapshot(py)?)
    }

    /// Return a context manager that keeps every other thread and process out of the namespace.
    ///
    /// >>> import pumasi
    /// >>> ns = pumasi.Namespace(a=1, b=2)
    /// >>> with ns.locked():
    /// ...     ns.a, ns.b = ns.b, ns.a
    fn locked(slf: &Bound<'_, Self>) -> PyResult<Locked> {
        let raw = slf.get().raw()?.clone();
        Ok(Locked::of(slf.as_any(), Lockable::Dict(raw)))
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match other.cast::<Namespace>() {
            Ok(other) if matches!(op, CompareOp::Eq | CompareOp::Ne) => {
                if other.get().object() == slf.get().object() {
                    return Ok(truth(py, matches!(op, CompareOp::Eq)));
                }
                let own = slf.get().snapshot(py)?;
                own.rich_compare(other.get().snapshot(py)?, op)
            }
            _ => Ok(not_implemented(py)),
        }
    }

    #[classattr]
    const __hash__: Option<Py<PyAny>> = None;

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        match Shown::enter(self.object()) {
            Some(_shown) => plain_namespace(&self.snapshot(py)?)?.repr(),
            None => Ok(PyString::new(py, "Namespace(...)")),
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        by_reference(slf)
    }
}

/// The standard library's namespace with these attributes, which knows how to print them.
fn plain_namespace<'py>(attributes: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    let managers = attributes.py().import("multiprocessing.managers")?;
    managers.getattr("Namespace")?.call((), Some(attributes))
}
