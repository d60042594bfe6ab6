//! Condition: a lock of ours and, in the heap, those who wait without it.

use core::ops::Deref;
use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use pumasi::heap::object::ObjectRef;
use pumasi::sync::{Acquired, Enlisted, RawCondition, RawRLock, Waited};
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyAssertionError, PyTypeError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::deaths::warn_of;
use crate::errors::OrRaise;
use crate::locks::{Acquire, Lock, RLock};
use crate::made::{Made, initializes};
use crate::reference::{Reference, assert_spawning, given};
use crate::{heap, wait};

/// Where processes and threads wait, without the lock they hold otherwise, to be notified.
///
/// `lock` is a Lock or RLock of pumasi's; without one it makes an RLock. A process that is killed
/// while it waits takes no notification with it: it goes to the next who waits.
///
/// >>> import pumasi
/// >>> condition = pumasi.Condition()
/// >>> with condition:
/// ...     condition.wait(timeout=0.01)
/// False
#[pyclass(subclass, frozen, dict, weakref, module = "pumasi.synchronize")]
pub struct Condition {
    made: Made<Parts>,
}

/// What a condition is made of.
pub struct Parts {
    raw: RawCondition,
    lock: Held,
}

impl Deref for Condition {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.made
    }
}

/// The lock of a condition, as it was given.
pub enum Held {
    Lock(Py<Lock>),
    RLock(Py<RLock>),
}

impl Held {
    fn of(lock: &Bound<'_, PyAny>) -> PyResult<Held> {
        if let Ok(lock) = lock.cast::<RLock>() {
            return Ok(Held::RLock(lock.clone().unbind()));
        }
        if let Ok(lock) = lock.cast::<Lock>() {
            return Ok(Held::Lock(lock.clone().unbind()));
        }
        Err(PyTypeError::new_err(format!(
            "the lock of a Condition must be a Lock or RLock of pumasi, not {}",
            lock.get_type().name()?
        )))
    }

    fn any<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self {
            Held::Lock(lock) => lock.bind(py).clone().into_any(),
            Held::RLock(lock) => lock.bind(py).clone().into_any(),
        }
    }

    fn is_mine(&self) -> bool {
        match self {
            Held::Lock(lock) => lock.get().raw().is_mine(),
            Held::RLock(lock) => lock.get().raw().is_mine(),
        }
    }

    fn wait(&self, raw: &RawCondition, timeout: Option<Duration>) -> pumasi::Result<Waited> {
        match self {
            Held::Lock(lock) => raw.wait(lock.get().raw(), timeout),
            Held::RLock(lock) => raw.wait(lock.get().raw(), timeout),
        }
    }

    /// Keeps the news of a death, and warns of it. The lock stays held, also where the warning
    /// is an error: the caller is inside it.
    fn told(&self, py: Python<'_>, lock: Acquired) -> PyResult<()> {
        let Acquired::Abandoned(death) = lock else {
            return Ok(());
        };
        match self {
            Held::Lock(lock) => lock.get().last_death().keep(death),
            Held::RLock(lock) => lock.get().last_death().keep(death),
        }
        warn_of(py, death)
    }
}

/// A place among those who wait at a Condition, for `pumasi.aio`, which does not sleep there.
///
/// It is left at the latest when it is dropped; a notification that had come for it goes to another.
#[pyclass(frozen, module = "pumasi._core")]
pub struct ConditionPlace {
    condition: Py<Condition>,
    place: Mutex<Option<Enlisted>>,
    /// Whose place it is: a fork inherits the object and not the place.
    pid: u32,
}

impl ConditionPlace {
    fn take(&self) -> Option<Enlisted> {
        if std::process::id() != self.pid {
            return None;
        }
        self.place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

#[pymethods]
impl ConditionPlace {
    /// Whether the notification has come.
    fn notified(&self) -> bool {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let raw = &self.condition.get().raw;
        place.as_ref().is_some_and(|place| raw.is_notified(place))
    }

    /// Leave, holding the lock again; whether a notification had come.
    fn leave(&self) -> bool {
        let raw = &self.condition.get().raw;
        self.take().is_some_and(|place| raw.leave(place))
    }

    /// Leave without an answer: a notification that had come goes to another.
    fn pass_on(&self) {
        if let Some(place) = self.take() {
            self.condition.get().raw.leave_for(place);
        }
    }
}

impl Drop for ConditionPlace {
    fn drop(&mut self) {
        self.pass_on();
    }
}

/// A number at one moment, where multiprocessing has a semaphore.
#[pyclass(frozen, module = "pumasi._core")]
pub struct Counted(u32);

impl Counted {
    /// That number.
    pub fn new(number: u32) -> Counted {
        Counted(number)
    }
}

#[pymethods]
impl Counted {
    /// What the standard library's looks at.
    #[getter]
    fn _semlock<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn _get_value(&self) -> u32 {
        self.0
    }

    fn _is_zero(&self) -> bool {
        self.0 == 0
    }

    /// Return the number.
    fn get_value(&self) -> u32 {
        self.0
    }
}

impl Parts {
    fn make(
        py: Python<'_>,
        lock: Option<&Bound<'_, PyAny>>,
        arrived: Option<ObjectRef>,
    ) -> PyResult<Parts> {
        let lock = match lock {
            Some(lock) => Held::of(lock)?,
            None => {
                let raw = RawRLock::create(&*heap::target()?, pumasi::sync::OnDeath::Auto);
                let object = raw.or_raise()?.object().clone();
                Held::RLock(Py::new(py, RLock::of_object(object)?)?)
            }
        };
        let raw = match arrived {
            Some(object) => RawCondition::from_object(object),
            None => RawCondition::create(&*heap::target()?),
        };
        Ok(Parts {
            raw: raw.or_raise()?,
            lock,
        })
    }
}

impl Condition {
    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }

    fn assert_mine(&self, otherwise: &'static str) -> PyResult<()> {
        if self.lock.is_mine() {
            return Ok(());
        }
        Err(PyAssertionError::new_err(otherwise))
    }

    fn wait_once(&self, py: Python<'_>, limit: Option<Duration>) -> PyResult<bool> {
        self.assert_mine("must acquire() condition before using wait()")?;
        // Not tried first: giving the lock up and sleeping is one step.
        let waited = wait::sleep_in(py, || self.lock.wait(&self.raw, limit))?;
        self.lock.told(py, waited.lock)?;
        Ok(waited.notified)
    }

    fn notify_some(&self, py: Python<'_>, n: u32) -> PyResult<()> {
        self.assert_mine("lock is not owned")?;
        wait::run(py, || self.raw.notify(n)).map(|_| ())
    }
}

#[pymethods]
impl Condition {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (lock=None, reference=None, *more, **others),
        text_signature = "(lock=None, reference=None, *, ctx=None)"
    )]
    fn new(
        cls: &Bound<'_, PyType>,
        lock: Option<&Bound<'_, PyAny>>,
        reference: Option<&Bound<'_, PyAny>>,
        more: &Bound<'_, PyTuple>,
        others: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Condition> {
        let _of_which_init_judges = (more, others);
        let arrived = given(reference);
        let lock = lock.filter(|_| arrived.is_some() || !initializes::<Condition>(cls));
        let parts = Parts::make(cls.py(), lock, arrived)?;
        Ok(Condition {
            made: Made::new(parts),
        })
    }

    #[pyo3(signature = (lock=None, reference=None, *, ctx=None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        lock: Option<&Bound<'_, PyAny>>,
        reference: Option<&Bound<'_, PyAny>>,
        ctx: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _one_kind_for_every_start_method = ctx;
        let make = || Parts::make(slf.py(), lock, given(reference));
        slf.get().made.again::<Self>(&slf.get_type(), make)
    }

    /// Acquire the lock: `lock.acquire(block=True, timeout=None)`.
    #[pyo3(signature = (*args, **kwargs), text_signature = "($self, block=True, timeout=None)")]
    fn acquire<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.lock
            .any(args.py())
            .call_method("acquire", args, kwargs)
    }

    /// Release the lock.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.lock.any(py).call_method0("release").map(|_| ())
    }

    fn __enter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.lock.any(py).call_method0("__enter__")
    }

    #[pyo3(signature = (*args))]
    fn __exit__<'py>(&self, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        self.lock.any(args.py()).call_method1("__exit__", args)
    }

    /// Release the lock, wait to be notified, and acquire the lock again, as often as it was held.
    ///
    /// Returns True, or False if there was no notification within `timeout` seconds. Waiting for
    /// the lock afterwards may take longer. Raises AssertionError if the lock is not held here.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let limit = wait::timeout(timeout)?;
        self.wait_once(py, limit)
    }

    /// Wait until `predicate()` is true, at most `timeout` seconds; return what it returned last.
    #[pyo3(signature = (predicate, timeout=None))]
    fn wait_for<'py>(
        slf: &Bound<'py, Self>,
        predicate: &Bound<'py, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let limit = wait::timeout(timeout)?;
        let begin = std::time::Instant::now();
        loop {
            let result = predicate.call0()?;
            let left = limit.map(|limit| limit.saturating_sub(begin.elapsed()));
            if left == Some(Duration::ZERO) || result.is_truthy()? {
                return Ok(result);
            }
            // By way of the method, which a subclass may have made its own.
            let left = left.map(|left| left.as_secs_f64());
            slf.call_method1("wait", (left,))?;
        }
    }

    /// Notify `n` of those who wait, in the order in which they came.
    ///
    /// Raises AssertionError if the lock is not held here.
    #[pyo3(signature = (n=1))]
    fn notify(&self, py: Python<'_>, n: i64) -> PyResult<()> {
        let n = u32::try_from(n.max(0)).unwrap_or(u32::MAX);
        self.notify_some(py, n)
    }

    /// Notify all who wait.
    fn notify_all(&self, py: Python<'_>) -> PyResult<()> {
        self.notify_some(py, u32::MAX)
    }

    /// Take a place among those who wait, holding the lock.
    fn _enlist(slf: &Bound<'_, Self>) -> PyResult<ConditionPlace> {
        let this = slf.get();
        this.assert_mine("must acquire() condition before using wait()")?;
        let place = wait::run(slf.py(), || this.raw.enlist())?;
        Ok(ConditionPlace {
            condition: slf.clone().unbind(),
            place: Mutex::new(Some(place)),
            pid: std::process::id(),
        })
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let lock = this.lock.any(slf.py()).repr()?;
        let waiting = this
            .raw
            .waiting()
            .map_or_else(|_| "unknown".to_owned(), |n| n.to_string());
        let name = slf.get_type().name()?;
        Ok(format!("<{name}({lock}, {waiting})>"))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        assert_spawning(slf)?;
        let py = slf.py();
        let reference = py.get_type::<Reference>().call1((slf,))?;
        let lock = slf.get().lock.any(py);
        // As `by_new`: a subclass's own `__init__` is not called for what arrives.
        let new = py.import("copyreg")?.getattr("__newobj__")?;
        (new, (slf.as_any().get_type(), lock, reference))
            .into_pyobject(py)
            .map(Bound::into_any)
    }

    /// The lock.
    #[getter]
    fn _lock<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.lock.any(py)
    }

    /// How many wait and have not been notified, for what looks into multiprocessing's.
    #[getter]
    fn _sleeping_count(&self) -> PyResult<Counted> {
        self.raw.waiting().or_raise().map(Counted)
    }

    /// Nobody: one who wakes is no longer counted among those who sleep.
    #[getter]
    fn _woken_count(&self) -> Counted {
        Counted(0)
    }

    /// How many have been notified and have not gone on.
    #[getter]
    fn _wait_semaphore(&self) -> PyResult<Counted> {
        self.raw.notified().or_raise().map(Counted)
    }

    /// Called by the interpreter's collector of cycles.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.made.each().try_for_each(|parts| match &parts.lock {
            Held::Lock(lock) => visit.call(lock),
            Held::RLock(lock) => visit.call(lock),
        })
    }
}
