//! Barrier: where processes and threads wait for each other.

use core::ops::Deref;
use std::sync::{Mutex, PoisonError};

use pumasi::heap::object::ObjectRef;
use pumasi::sync::{Arrival, Come, RawBarrier};
use pyo3::PyTraverseError;
use pyo3::exceptions::PyValueError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyTuple, PyType};

use crate::errors::OrRaise;
use crate::made::{Made, initializes};
use crate::reference::{Reference, assert_spawning, given};
use crate::{heap, wait};

/// Where so many processes and threads wait until all of them have come; then all go on.
///
/// One of them calls `action` before that. The barrier breaks when a wait takes longer than
/// `timeout` seconds, when the action raises, at `abort()`, and when a process is killed while it
/// waits here; then `wait` raises `threading.BrokenBarrierError`, until `reset()`.
///
/// >>> import pumasi
/// >>> barrier = pumasi.Barrier(1)
/// >>> barrier.wait()
/// 0
/// >>> barrier.abort()
/// >>> barrier.broken
/// True
#[pyclass(subclass, frozen, dict, weakref, module = "pumasi.synchronize")]
pub struct Barrier {
    made: Made<Parts>,
}

/// What a barrier is made of.
pub struct Parts {
    raw: RawBarrier,
    action: Option<Py<PyAny>>,
    timeout: Option<f64>,
}

impl Deref for Barrier {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.made
    }
}

impl Parts {
    fn make(
        parties: Option<&Bound<'_, PyAny>>,
        action: Option<Py<PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<Parts> {
        wait::timeout(timeout)?;
        let raw = match given(parties) {
            Some(object) => RawBarrier::from_object(object).or_raise()?,
            None => {
                let parties = parties.map_or(Ok(1), PyAnyMethods::extract::<i64>)?;
                let fits = u32::try_from(parties)
                    .ok()
                    .filter(|n| (1..=i32::MAX as u32).contains(n));
                let parties = fits.ok_or_else(|| {
                    PyValueError::new_err("parties must be greater than 0 and at most 2147483647")
                })?;
                RawBarrier::create(&*heap::target()?, parties).or_raise()?
            }
        };
        Ok(Parts {
            raw,
            action,
            timeout,
        })
    }
}

impl Barrier {
    /// The one that lives in a shared object, without an action.
    pub fn of_object(object: ObjectRef) -> PyResult<Barrier> {
        let raw = RawBarrier::from_object(object).or_raise()?;
        let parts = Parts {
            raw,
            action: None,
            timeout: None,
        };
        Ok(Barrier {
            made: Made::new(parts),
        })
    }

    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }

    /// Runs the action where it is ours to run; the number of one who passes.
    fn act(&self, py: Python<'_>, arrival: Arrival) -> PyResult<u32> {
        match (arrival, &self.action) {
            (Arrival::Act(come), Some(action)) => {
                if let Err(raised) = action.call0(py) {
                    wait::sleep_in(py, || self.raw.fail(come))?;
                    return Err(raised);
                }
                wait::sleep_in(py, || self.raw.open(come))?;
                Ok(come.index)
            }
            (Arrival::Open(index), _) => Ok(index),
            _ => Err(pumasi::Error::BrokenBarrier).or_raise(),
        }
    }
}

/// The place of one who has come to a Barrier, for `pumasi.aio`, which does not sleep there.
///
/// It is left at the latest when it is dropped.
#[pyclass(frozen, module = "pumasi._core")]
pub struct BarrierPlace {
    barrier: Py<Barrier>,
    come: Mutex<Option<Come>>,
    /// Whose place it is: a fork inherits the object and not the place.
    pid: u32,
}

impl BarrierPlace {
    fn come(&self) -> Option<Come> {
        let come = *self.come.lock().unwrap_or_else(PoisonError::into_inner);
        come.filter(|_| std::process::id() == self.pid)
    }

    fn passed(&self, outcome: Option<()>, come: Come) -> Option<u32> {
        outcome.map(|()| {
            self.leave();
            come.index
        })
    }
}

#[pymethods]
impl BarrierPlace {
    /// How many had come before, once all have; None until then.
    fn outcome(&self) -> PyResult<Option<u32>> {
        let Some(come) = self.come() else {
            return Ok(None);
        };
        let outcome = self.barrier.get().raw.outcome(&come).or_raise()?;
        Ok(self.passed(outcome, come))
    }

    /// End a wait whose time is up: the barrier breaks, unless it has opened.
    fn time_out(&self, py: Python<'_>) -> PyResult<Option<u32>> {
        let Some(come) = self.come() else {
            return Ok(None);
        };
        let outcome = wait::run(py, || self.barrier.get().raw.time_out(&come))?;
        Ok(self.passed(outcome, come))
    }

    /// Leave; a second time does nothing.
    fn leave(&self) {
        if let Some(come) = self.come() {
            *self.come.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.barrier.get().raw.leave(come);
        }
    }
}

impl Drop for BarrierPlace {
    fn drop(&mut self) {
        self.leave();
    }
}

#[pymethods]
impl Barrier {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (parties=None, action=None, timeout=None, *more, **others),
        text_signature = "(parties, action=None, timeout=None, *, ctx=None)"
    )]
    fn new(
        cls: &Bound<'_, PyType>,
        parties: Option<&Bound<'_, PyAny>>,
        action: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
        more: &Bound<'_, PyTuple>,
        others: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Barrier> {
        let _of_which_init_judges = (more, others);
        let parts = if given(parties).is_none() && initializes::<Barrier>(cls) {
            Parts::make(None, None, None)?
        } else {
            let timeout = timeout.map(PyAnyMethods::extract::<f64>).transpose()?;
            Parts::make(
                parties,
                action.map(|action| action.clone().unbind()),
                timeout,
            )?
        };
        Ok(Barrier {
            made: Made::new(parts),
        })
    }

    #[pyo3(signature = (parties, action=None, timeout=None, *, ctx=None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        parties: &Bound<'_, PyAny>,
        action: Option<Py<PyAny>>,
        timeout: Option<f64>,
        ctx: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _one_kind_for_every_start_method = ctx;
        let make = || Parts::make(Some(parties), action, timeout);
        slf.get().made.again::<Self>(&slf.get_type(), make)
    }

    /// Wait until as many have come as the barrier is for; return how many had come before.
    ///
    /// The numbers from 0 to `parties - 1` are each returned to one of those who pass together.
    /// Raises `threading.BrokenBarrierError` if the barrier is broken or reset meanwhile, and
    /// breaks it if that takes longer than `timeout` seconds (by default the barrier's own).
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<u32> {
        let limit = wait::timeout(timeout.or(self.timeout))?;
        // Not tried first: coming and sleeping is one step.
        let arrival = wait::sleep_in(py, || self.raw.wait(limit, self.action.is_some()))?;
        self.act(py, arrival)
    }

    /// Come to the barrier without waiting there. Returns how many had come before if it is open now,
    /// None where an action is being run, else the place of this one.
    fn _come<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (py, this) = (slf.py(), slf.get());
        let arrival = wait::run(py, || this.raw.arrive(this.action.is_some()))?;
        Ok(Some(match arrival {
            Arrival::Full => return Ok(None),
            Arrival::Wait(come) => {
                let place = BarrierPlace {
                    barrier: slf.clone().unbind(),
                    come: Mutex::new(Some(come)),
                    pid: std::process::id(),
                };
                Bound::new(py, place)?.into_any()
            }
            done => PyInt::new(py, this.act(py, done)?).into_any(),
        }))
    }

    /// Make the barrier whole and empty; for those who wait it is broken.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        wait::run(py, || self.raw.reset())
    }

    /// Break the barrier: whoever waits, and whoever comes, gets BrokenBarrierError.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        wait::run(py, || self.raw.abort())
    }

    /// How many must come.
    #[getter]
    fn parties(&self) -> u32 {
        self.raw.parties()
    }

    /// How many wait for the others now.
    #[getter]
    fn n_waiting(&self) -> PyResult<u32> {
        self.raw.waiting().or_raise()
    }

    /// Whether the barrier is broken.
    #[getter]
    fn broken(&self) -> bool {
        self.raw.is_broken()
    }

    #[getter]
    fn _parties(&self) -> u32 {
        self.raw.parties()
    }

    #[getter]
    fn _count(&self) -> PyResult<u32> {
        self.n_waiting()
    }

    #[getter]
    fn _action(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.action.as_ref().map(|action| action.clone_ref(py))
    }

    #[getter]
    fn _timeout(&self) -> Option<f64> {
        self.timeout
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let raw = &slf.get().raw;
        let class = slf.get_type();
        let name = format!("{}.{}", class.module()?, class.qualname()?);
        let at = slf.as_ptr() as usize;
        if raw.is_broken() {
            return Ok(format!("<{name} at {at:#x}: broken>"));
        }
        let (come, parties) = (raw.waiting().or_raise()?, raw.parties());
        Ok(format!("<{name} at {at:#x}: waiters={come}/{parties}>"))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        assert_spawning(slf)?;
        let py = slf.py();
        let reference = py.get_type::<Reference>().call1((slf,))?;
        let this = slf.get();
        let class = slf.as_any().get_type();
        let arguments = (class, reference, this._action(py), this.timeout);
        // As `by_new`: a subclass's own `__init__` is not called for what arrives.
        let new = py.import("copyreg")?.getattr("__newobj__")?;
        (new, arguments).into_pyobject(py).map(Bound::into_any)
    }

    /// Called by the interpreter's collector of cycles.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.made
            .each()
            .try_for_each(|parts| visit.call(&parts.action))
    }
}
