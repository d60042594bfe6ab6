//! RwLock: many who read or one who writes.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use pumasi::heap::object::ObjectRef;
use pumasi::sync::{Acquired, Announced, RawRwLock};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::block::by_new;
use crate::deaths::{LastDeath, OwnerDied, warn_of};
use crate::errors::OrRaise;
use crate::reference::{assert_spawning, given};
use crate::{heap, wait};

/// A lock between processes and threads which many may hold to read, or one to write.
///
/// Readers of different processes do not slow each other down; neither readers nor writers
/// starve. A thread that reads must not ask to read again, nor to write. When a process is killed
/// while it writes, the lock comes free, and all who acquire it get an `OwnerDiedWarning` until
/// somebody has written; when it was reading, its share comes back.
///
/// >>> import pumasi
/// >>> lock = pumasi.RwLock()
/// >>> with lock.read(), lock.read():
/// ...     lock.acquire_write(block=False)
/// False
/// >>> with lock.write():
/// ...     lock.acquire_read(timeout=0.01)
/// False
#[pyclass(subclass, frozen, dict, weakref, module = "pumasi.synchronize")]
pub struct RwLock {
    raw: RawRwLock,
    died: LastDeath,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Read,
    Write,
}

impl RwLock {
    /// The one that lives in a shared object.
    pub fn of_object(object: ObjectRef) -> PyResult<RwLock> {
        Ok(RwLock {
            raw: RawRwLock::from_object(object).or_raise()?,
            died: LastDeath::default(),
        })
    }

    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }

    fn take(&self, py: Python<'_>, side: Side, limit: Option<Duration>) -> PyResult<bool> {
        let acquired = wait::run(py, || match side {
            Side::Read => self.raw.acquire_read(limit),
            Side::Write => self.raw.acquire_write(limit),
        })?;
        self.told(py, side, acquired)
    }

    /// Whether the lock is ours; keeps the news of a death, and warns of it.
    fn told(&self, py: Python<'_>, side: Side, acquired: Acquired) -> PyResult<bool> {
        match acquired {
            Acquired::No => return Ok(false),
            Acquired::Yes => self.died.forget(),
            Acquired::Abandoned(death) => {
                self.died.keep(death);
                // As for a Lock: where warnings are errors, the caller must not have it.
                if let Err(raised) = warn_of(py, death) {
                    if side == Side::Write {
                        object_note(self.raw.object(), death);
                    }
                    self.give(side)?;
                    return Err(raised);
                }
            }
        }
        Ok(true)
    }

    fn give(&self, side: Side) -> PyResult<()> {
        match side {
            Side::Read => self.raw.release_read().or_raise(),
            Side::Write => self.raw.release_write().or_raise(),
        }
    }

    fn limit(block: Option<&Bound<'_, PyAny>>, timeout: Option<f64>) -> PyResult<Option<Duration>> {
        match block {
            Some(block) if !block.is_truthy()? => Ok(Some(Duration::ZERO)),
            _ => wait::timeout(timeout),
        }
    }
}

#[pymethods]
impl RwLock {
    #[new]
    #[pyo3(
        signature = (reference=None, /, *more, **others),
        text_signature = "(reference=None, /, *, ctx=None)"
    )]
    fn new(
        reference: Option<&Bound<'_, PyAny>>,
        more: &Bound<'_, PyTuple>,
        others: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<RwLock> {
        let _of_which_init_judges = (more, others);
        match given(reference) {
            Some(object) => RwLock::of_object(object),
            None => {
                let raw = RawRwLock::create(&*heap::target()?).or_raise()?;
                RwLock::of_object(raw.object().clone())
            }
        }
    }

    /// Takes what a Lock's takes; every RwLock is made alike.
    #[pyo3(signature = (reference=None, /, *, ctx=None))]
    fn __init__(&self, reference: Option<&Bound<'_, PyAny>>, ctx: Option<&Bound<'_, PyAny>>) {
        let _one_kind_for_every_start_method = (reference, ctx);
    }

    /// Acquire to read and return True, or False if that took longer than `timeout` seconds.
    ///
    /// With `block=False` it does not wait at all.
    #[pyo3(
        signature = (block=None, timeout=None),
        text_signature = "($self, block=True, timeout=None)"
    )]
    fn acquire_read(
        &self,
        py: Python<'_>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        self.take(py, Side::Read, RwLock::limit(block, timeout)?)
    }

    /// Acquire to write and return True, or False if that took longer than `timeout` seconds.
    ///
    /// With `block=False` it does not wait at all.
    #[pyo3(
        signature = (block=None, timeout=None),
        text_signature = "($self, block=True, timeout=None)"
    )]
    fn acquire_write(
        &self,
        py: Python<'_>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        self.take(py, Side::Write, RwLock::limit(block, timeout)?)
    }

    /// Stop reading; raises ValueError if no thread of this process reads.
    fn release_read(&self) -> PyResult<()> {
        self.give(Side::Read)
    }

    /// Stop writing; raises ValueError if no thread of this process writes.
    fn release_write(&self) -> PyResult<()> {
        self.give(Side::Write)
    }

    /// Return a context manager which reads.
    fn read(slf: &Bound<'_, Self>) -> RwLockSide {
        RwLockSide {
            lock: slf.clone().unbind(),
            side: Side::Read,
        }
    }

    /// Return a context manager which writes.
    fn write(slf: &Bound<'_, Self>) -> RwLockSide {
        RwLockSide {
            lock: slf.clone().unbind(),
            side: Side::Write,
        }
    }

    /// Announce a writer, for `pumasi.aio`, which does not sleep: from now on those who come to read
    /// wait for it. None where another one writes or is about to.
    fn _announce(slf: &Bound<'_, Self>) -> PyResult<Option<AnnouncedWriter>> {
        let this = slf.get();
        let announced = wait::run(slf.py(), || this.raw.announce())?;
        Ok(announced.map(|writer| AnnouncedWriter {
            lock: slf.clone().unbind(),
            writer: Mutex::new(Some(writer)),
        }))
    }

    /// Return whether anybody writes.
    fn locked(&self) -> bool {
        self.raw.is_written()
    }

    /// How many threads of all processes read.
    #[getter]
    fn readers(&self) -> PyResult<u64> {
        self.raw.readers().or_raise()
    }

    /// The process that died writing, if the last acquire here told of one, else None.
    #[getter]
    fn owner_died(&self) -> Option<OwnerDied> {
        self.died.get()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let raw = &slf.get().raw;
        let name = slf.get_type().name()?;
        if raw.is_written() {
            return Ok(format!("<{name}(written)>"));
        }
        Ok(format!("<{name}(readers={})>", raw.readers().or_raise()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        assert_spawning(slf)?;
        by_new(slf)
    }
}

/// A writer which keeps new readers out and has not begun. It is withdrawn at the latest when it is
/// dropped.
#[pyclass(frozen, module = "pumasi._core")]
pub struct AnnouncedWriter {
    lock: Py<RwLock>,
    writer: Mutex<Option<Announced>>,
}

#[pymethods]
impl AnnouncedWriter {
    /// Acquire the lock to write, if nobody reads any more.
    fn begin(&self, py: Python<'_>) -> PyResult<bool> {
        let lock = self.lock.get();
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(announced) = writer.as_ref() else {
            return Ok(false);
        };
        let acquired = lock.raw.begin(announced).or_raise()?;
        if acquired.is_ours() {
            *writer = None;
        }
        drop(writer);
        lock.told(py, Side::Write, acquired)
    }

    /// Let readers in again, without having written; a second time does nothing.
    fn withdraw(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(announced) = writer.take() {
            self.lock.get().raw.withdraw(announced);
        }
    }
}

impl Drop for AnnouncedWriter {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// Leaves word of a death to the next, where a writer gives up without having written.
fn object_note(object: &ObjectRef, death: pumasi::sync::Death) {
    object.heap().leave_word_of(object, death);
}

/// One side of an RwLock, for a `with` statement.
#[pyclass(frozen, module = "pumasi._core")]
pub struct RwLockSide {
    lock: Py<RwLock>,
    side: Side,
}

#[pymethods]
impl RwLockSide {
    fn __enter__(&self, py: Python<'_>) -> PyResult<bool> {
        self.lock.get().take(py, self.side, None)
    }

    #[pyo3(signature = (exc_type=None, exc=None, traceback=None, /))]
    fn __exit__(
        &self,
        exc_type: Option<&Bound<'_, PyAny>>,
        exc: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _whatever_happened = (exc_type, exc, traceback);
        self.lock.get().give(self.side)
    }
}
