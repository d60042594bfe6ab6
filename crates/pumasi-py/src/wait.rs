//! Waiting without keeping the interpreter from others.
//!
//! An operation is tried while attached to the interpreter; only if it would have to sleep does
//! it let go, and then every wait in it is sliced: between two slices Python's signal handlers
//! run, so that Ctrl-C ends any wait, also one that could never end by itself.

use core::time::Duration;
use std::sync::Mutex;

use pumasi::Error;
use pumasi::sync::{wait_by_default, waiting, with_check};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::{OrRaise, to_exception};

/// Runs an operation of the core. It may be run twice: once without waiting, and if it would have
/// had to wait, having changed nothing, once more with waiting.
#[inline(always)]
pub fn run<T, F>(py: Python<'_>, mut operation: F) -> PyResult<T>
where
    T: Send,
    F: FnMut() -> pumasi::Result<T> + Send,
{
    match operation() {
        Err(Error::WouldBlock) => sleep_in(py, operation),
        done => done.or_raise(),
    }
}

/// Runs an operation that must not be left undone, such as a release: if it has to wait for others
/// at work on the same object, which never takes long, no signal ends that wait.
#[inline(always)]
pub fn complete<T, F>(mut operation: F) -> PyResult<T>
where
    T: Send,
    F: FnMut() -> pumasi::Result<T> + Send,
{
    match operation() {
        Err(Error::WouldBlock) => Python::attach(|py| py.detach(|| waiting(operation))).or_raise(),
        done => done.or_raise(),
    }
}

/// Runs an operation that sleeps, detached from the interpreter.
#[cold]
#[inline(never)]
pub fn sleep_in<T, F>(py: Python<'_>, operation: F) -> PyResult<T>
where
    T: Send,
    F: FnOnce() -> pumasi::Result<T> + Send,
{
    let raised: Mutex<Option<PyErr>> = Mutex::new(None);
    let done = py.detach(|| {
        let check = || {
            Python::attach(|py| py.check_signals()).map_err(|exception| {
                if let Ok(mut raised) = raised.lock() {
                    *raised = Some(exception);
                }
                Error::Interrupted
            })
        };
        with_check(&check, || waiting(operation))
    });
    done.map_err(|error| {
        let exception = raised.into_inner().ok().flatten();
        match (error, exception) {
            (Error::Interrupted, Some(exception)) => exception,
            (error, _) => to_exception(error),
        }
    })
}

/// From now on an operation which would have to sleep says so instead, unless it is in
/// [`sleep_in`]: most of them run while attached.
pub fn never_wait_by_default() {
    wait_by_default(false);
}

/// The time that a `timeout=` argument allows: None for ever, and a negative one is zero.
pub fn timeout(seconds: Option<f64>) -> PyResult<Option<Duration>> {
    match seconds {
        None => Ok(None),
        Some(seconds) if seconds.is_nan() => {
            Err(PyValueError::new_err("the timeout is not a number"))
        }
        Some(seconds) if seconds <= 0.0 => Ok(Some(Duration::ZERO)),
        // What is longer than the clock can tell is for ever.
        Some(seconds) => Ok(Duration::try_from_secs_f64(seconds).ok()),
    }
}
