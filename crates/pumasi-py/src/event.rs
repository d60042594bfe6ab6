//! Events.

use pumasi::heap::object::ObjectRef;
use pumasi::sync::RawEvent;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::block::by_new;
use crate::condition::Counted;
use crate::errors::OrRaise;
use crate::reference::{assert_spawning, given};
use crate::{heap, wait};

/// A flag that processes and threads can wait for.
///
/// >>> import pumasi
/// >>> event = pumasi.Event()
/// >>> event.wait(timeout=0.01)
/// False
/// >>> event.set()
/// >>> event.wait()
/// True
#[pyclass(subclass, frozen, dict, weakref, module = "pumasi.synchronize")]
pub struct Event {
    raw: RawEvent,
}

impl Event {
    /// The one that lives in a shared object.
    pub fn of_object(object: ObjectRef) -> PyResult<Event> {
        Ok(Event {
            raw: RawEvent::from_object(object).or_raise()?,
        })
    }

    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }
}

#[pymethods]
impl Event {
    #[new]
    #[pyo3(
        signature = (reference=None, /, *more, **others),
        text_signature = "(reference=None, /, *, ctx=None)"
    )]
    fn new(
        reference: Option<&Bound<'_, PyAny>>,
        more: &Bound<'_, PyTuple>,
        others: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Event> {
        let _of_which_init_judges = (more, others);
        match given(reference) {
            Some(object) => Event::of_object(object),
            None => Ok(Event {
                raw: RawEvent::create(&*heap::target()?).or_raise()?,
            }),
        }
    }

    /// Takes what multiprocessing's takes; every Event is made alike.
    #[pyo3(signature = (reference=None, /, *, ctx=None))]
    fn __init__(&self, reference: Option<&Bound<'_, PyAny>>, ctx: Option<&Bound<'_, PyAny>>) {
        let _one_kind_for_every_start_method = (reference, ctx);
    }

    /// Return whether the flag is set.
    fn is_set(&self) -> bool {
        self.raw.is_set()
    }

    /// Set the flag, and wake all who wait for it.
    fn set(&self) {
        self.raw.set();
    }

    /// Clear the flag.
    fn clear(&self) {
        self.raw.clear();
    }

    /// Wait until the flag is set, at most `timeout` seconds; return whether it is.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let limit = wait::timeout(timeout)?;
        wait::run(py, || self.raw.wait(limit))
    }

    /// What multiprocessing keeps the flag in.
    #[getter]
    fn _flag(&self) -> Counted {
        Counted::new(u32::from(self.raw.is_set()))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let state = if slf.get().raw.is_set() {
            "set"
        } else {
            "unset"
        };
        let name = slf.get_type().qualname()?;
        Ok(format!("<{name} at {:#x} {state}>", slf.as_ptr() as usize))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        assert_spawning(slf)?;
        by_new(slf)
    }
}
