//! `with c.locked():`, the user's lock of a container.

use core::time::Duration;

use pumasi::Error;
use pumasi::containers::{RawDeque, RawDict, RawList, RawSet, RawVector};
use pumasi::sync::Acquired;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::errors::OrRaise;
use crate::{deaths, wait};

/// How often an operation that computes outside the lock begins again when the container was
/// changed meanwhile, before it takes `locked()`.
const MAX_TRIES: usize = 16;

/// What `attempt` gives, which begins again when it gives None because another has changed the
/// container meanwhile; in the end with the container locked. None is left then only if `attempt`
/// itself changes the container.
pub fn insist<R>(
    py: Python<'_>,
    container: impl FnOnce() -> Lockable,
    mut attempt: impl FnMut() -> PyResult<Option<R>>,
) -> PyResult<Option<R>> {
    for _ in 0..MAX_TRIES {
        if let Some(result) = attempt()? {
            return Ok(Some(result));
        }
    }
    let container = container();
    let _held = container.hold(py)?;
    attempt()
}

/// Some if a change that depends on a version was made, None if another was faster.
pub fn unless_modified(
    py: Python<'_>,
    mut change: impl FnMut() -> pumasi::Result<()> + Send,
) -> PyResult<Option<()>> {
    wait::run(py, || match change() {
        Err(Error::Modified { .. }) => Ok(None),
        done => done.map(Some),
    })
}

/// For what [`insist`] leaves at None.
#[cold]
pub fn modified(container: &str, what: &str) -> PyErr {
    PyValueError::new_err(format!(
        "{container} modified by what was called while it was {what}"
    ))
}

/// Keeps every other thread and process out of a container while a `with` block runs.
///
/// The same thread may enter again; its own operations go through.
#[pyclass(frozen, module = "pumasi._core")]
pub struct Locked {
    container: Py<PyAny>,
    raw: Lockable,
}

/// A container with a user's lock.
#[derive(Clone)]
pub enum Lockable {
    List(RawList),
    Dict(RawDict),
    Set(RawSet),
    Deque(RawDeque),
    Vector(RawVector),
}

impl Lockable {
    fn lock(&self, timeout: Option<Duration>) -> pumasi::Result<Acquired> {
        match self {
            Lockable::List(list) => list.lock(timeout),
            Lockable::Dict(dict) => dict.lock(timeout),
            Lockable::Set(set) => set.lock(timeout),
            Lockable::Deque(deque) => deque.lock(timeout),
            Lockable::Vector(vector) => vector.lock(timeout),
        }
    }

    fn unlock(&self) -> pumasi::Result<()> {
        match self {
            Lockable::List(list) => list.unlock(),
            Lockable::Dict(dict) => dict.unlock(),
            Lockable::Set(set) => set.unlock(),
            Lockable::Deque(deque) => deque.unlock(),
            Lockable::Vector(vector) => vector.unlock(),
        }
    }

    /// Takes the lock, waiting for as long as it takes.
    pub fn hold(&self, py: Python<'_>) -> PyResult<Holding<'_>> {
        self.enter(py, None)?;
        Ok(Holding(self))
    }

    fn enter(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<bool> {
        match wait::run(py, || self.lock(timeout))? {
            Acquired::No => Ok(false),
            Acquired::Yes => Ok(true),
            Acquired::Abandoned(death) => {
                if let Err(raised) = deaths::warn_of(py, death) {
                    let _ = self.unlock();
                    return Err(raised);
                }
                Ok(true)
            }
        }
    }
}

/// The lock of a container, held until this is dropped.
pub struct Holding<'a>(&'a Lockable);

impl Locked {
    pub fn of(container: &Bound<'_, PyAny>, raw: Lockable) -> Locked {
        Locked {
            container: container.clone().unbind(),
            raw,
        }
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        // It is held by this thread, so that giving it back cannot be refused.
        let _ = self.0.unlock();
    }
}

#[pymethods]
impl Locked {
    /// Wait until no other holds the container; return True, or False after `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn acquire(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.raw.enter(py, wait::timeout(timeout)?)
    }

    /// Let others in again; raises RuntimeError in a thread that does not hold the container.
    fn release(&self) -> PyResult<()> {
        match self.raw.unlock() {
            Err(Error::NotHeld { .. }) => Err(PyRuntimeError::new_err(
                "this thread does not hold the container's lock",
            )),
            done => done.or_raise(),
        }
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.raw.enter(py, None)?;
        Ok(self.container.clone_ref(py))
    }

    #[pyo3(signature = (exc_type=None, exc=None, traceback=None, /))]
    fn __exit__(
        &self,
        exc_type: Option<&Bound<'_, PyAny>>,
        exc: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _whatever_happened = (exc_type, exc, traceback);
        self.release()
    }
}
