//! Locks and semaphores. The file is long because the four classes differ in little more than their
//! docstrings and would drift apart in four files.
//!
//! `acquire` and `release` have multiprocessing's signatures and exceptions. What a death does is
//! the core's affair; here it becomes a warning, which names the process that died.

use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use core::time::Duration;

use pumasi::heap::object::ObjectRef;
use pumasi::sync::{Acquired, OnDeath, RawBoundedSemaphore, RawLock, RawRLock, RawSemaphore};
use pumasi::sys::fork;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::block::by_new;
use crate::deaths::{LastDeath, OwnerDied, warn_of};
use crate::errors::OrRaise;
use crate::made::{Made, initializes};
use crate::reference::{assert_spawning, given};
use crate::{heap, wait};

/// What all that can be acquired have in common.
pub trait Acquire: Sync {
    /// Acquire, waiting at most `timeout`.
    fn acquire_raw(&self, timeout: Option<Duration>) -> pumasi::Result<Acquired>;
    /// Undo an acquisition.
    fn release_raw(&self) -> pumasi::Result<()>;
    /// Where the death that an acquisition tells of is kept.
    fn last_death(&self) -> &LastDeath;
    /// Where acquisitions and releases are noted.
    fn note(&self) -> &impl Note;

    /// Releases, with multiprocessing's exception for one who may not.
    #[inline(always)]
    fn leave(&self) -> PyResult<()> {
        wait::complete(|| self.release_raw())?;
        self.note().released();
        Ok(())
    }

    /// Acquires, waiting for as long as it takes.
    #[inline(always)]
    fn enter(&self, py: Python<'_>) -> PyResult<bool> {
        match self.acquire_raw(None) {
            Ok(Acquired::Yes) => {
                self.note().acquired();
                self.last_death().forget();
                Ok(true)
            }
            Err(pumasi::Error::WouldBlock) => {
                let acquired = wait::sleep_in(py, || self.acquire_raw(None))?;
                self.outcome(py, acquired)
            }
            other => self.outcome(py, other.or_raise()?),
        }
    }

    /// `acquire(block, timeout)`.
    #[inline(always)]
    fn acquire_with(
        &self,
        py: Python<'_>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        if block.is_none() && timeout.is_none() {
            return self.enter(py);
        }
        let limit = match block {
            Some(block) if !block.is_truthy()? => Some(Duration::ZERO),
            _ => wait::timeout(timeout)?,
        };
        let acquired = wait::run(py, || self.acquire_raw(limit))?;
        self.outcome(py, acquired)
    }

    /// What `acquire` returns, and a warning if a dead process held the lock.
    #[cold]
    #[inline(never)]
    fn outcome(&self, py: Python<'_>, acquired: Acquired) -> PyResult<bool> {
        match acquired {
            Acquired::No => Ok(false),
            Acquired::Yes => {
                self.note().acquired();
                self.last_death().forget();
                Ok(true)
            }
            Acquired::Abandoned(death) => {
                self.note().acquired();
                self.last_death().keep(death);
                // Where warnings are errors the caller never learns that it has the lock, so it
                // must not have it.
                if let Err(raised) = warn_of(py, death) {
                    let _ = self.leave();
                    return Err(raised);
                }
                Ok(true)
            }
        }
    }
}

/// What is noted of acquisitions and releases by way of one Python object.
pub trait Note: Default + Sync {
    /// It was acquired by this thread.
    fn acquired(&self) {}
    /// It was released.
    fn released(&self) {}
}

/// A lock's owner is in the lock itself.
#[derive(Default)]
pub struct Nothing;

impl Note for Nothing {}

/// How often it was acquired in this process less how often it was released, and which thread came
/// last: what multiprocessing counts for each object of its own. A semaphore has no owner, so that
/// the shared memory does not say it. All of this happens under the interpreter's lock.
#[derive(Default)]
pub struct Tally {
    /// Which of the processes made by forks has counted: a child begins anew.
    process: AtomicU32,
    thread: AtomicU32,
    count: AtomicI32,
}

impl Note for Tally {
    #[inline]
    fn acquired(&self) {
        self.add(1);
        self.thread.store(fork::thread_number(), Ordering::Relaxed);
    }

    #[inline]
    fn released(&self) {
        self.add(-1);
    }
}

impl Tally {
    #[inline]
    fn add(&self, more: i32) {
        let count = self.count().wrapping_add(more);
        self.process.store(fork::forks(), Ordering::Relaxed);
        self.count.store(count, Ordering::Relaxed);
    }

    #[inline]
    fn count(&self) -> i32 {
        if self.process.load(Ordering::Relaxed) == fork::forks() {
            self.count.load(Ordering::Relaxed)
        } else {
            0
        }
    }

    fn is_mine(&self) -> bool {
        self.count() > 0 && self.thread.load(Ordering::Relaxed) == fork::thread_number()
    }
}

/// The methods which all that can be acquired share, and those of one class.
macro_rules! acquirable {
    (
        $class:ident, $raw:ty, $note:ty,
        |$held:ident| $release:expr,
        init($($given:ident),*; $($signature:tt)*) $make:expr,
        { $($own:tt)* }
    ) => {
        impl Acquire for $class {
            #[inline(always)]
            fn acquire_raw(&self, timeout: Option<Duration>) -> pumasi::Result<Acquired> {
                self.raw.acquire(timeout)
            }
            #[inline(always)]
            fn release_raw(&self) -> pumasi::Result<()> {
                let $held = &self.raw;
                $release
            }
            #[inline(always)]
            fn last_death(&self) -> &LastDeath {
                &self.died
            }
            #[inline(always)]
            fn note(&self) -> &impl Note {
                &self.note
            }
        }

        impl $class {
            fn made(raw: $raw) -> $class {
                $class { raw: Made::new(raw), died: LastDeath::default(), note: <$note>::default() }
            }

            /// The one that lives in a shared object.
            pub fn of_object(object: ObjectRef) -> PyResult<$class> {
                <$raw>::from_object(object).map($class::made).or_raise()
            }

            /// The shared object.
            pub fn object(&self) -> &ObjectRef {
                self.raw.object()
            }

            /// The core's.
            #[inline(always)]
            #[allow(dead_code, reason = "only an RLock is held briefly")]
            pub fn raw(&self) -> &$raw {
                &self.raw
            }
        }

        #[pymethods]
        impl $class {
            $($own)*

            /// Here and not with the rest of a class, since PyO3 wants it to be of one piece with
            /// `pymethods`.
            #[pyo3(signature = ($($signature)*))]
            fn __init__(
                slf: &Bound<'_, Self>,
                $($given: Option<&Bound<'_, PyAny>>,)*
            ) -> PyResult<()> {
                let _what_new_has_heeded = ($($given,)*);
                slf.get().raw.again::<Self>(&slf.get_type(), || $make)
            }

            /// Acquire and return True, or False if that took longer than `timeout` seconds.
            ///
            /// With `block=False` it does not wait at all; a negative timeout is zero.
            #[inline]
            #[pyo3(
                signature = (block=None, timeout=None),
                text_signature = "($self, block=True, timeout=None)"
            )]
            fn acquire(
                &self,
                py: Python<'_>,
                block: Option<&Bound<'_, PyAny>>,
                timeout: Option<f64>,
            ) -> PyResult<bool> {
                self.acquire_with(py, block, timeout)
            }

            #[inline]
            fn __enter__(&self, py: Python<'_>) -> PyResult<bool> {
                self.enter(py)
            }

            #[inline]
            #[pyo3(signature = (exc_type=None, exc=None, traceback=None, /))]
            fn __exit__(
                &self,
                exc_type: Option<&Bound<'_, PyAny>>,
                exc: Option<&Bound<'_, PyAny>>,
                traceback: Option<&Bound<'_, PyAny>>,
            ) -> PyResult<()> {
                let _whatever_happened = (exc_type, exc, traceback);
                self.leave()
            }

            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                assert_spawning(slf)?;
                by_new(slf)
            }

            /// What the standard library's conditions and queues look at.
            #[getter]
            fn _semlock<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
                slf.clone()
            }

            fn _is_zero(&self) -> bool {
                self._get_value() == 0
            }
        }
    };
}

/// Who holds a lock, in the words of multiprocessing.
fn owner_name(py: Python<'_>, mine: bool, free: bool, in_process: bool) -> PyResult<String> {
    static CURRENT_PROCESS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static CURRENT_THREAD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if mine {
        let name = |function: &Bound<'_, PyAny>| -> PyResult<String> {
            function.call0()?.getattr("name")?.extract()
        };
        let process =
            name(CURRENT_PROCESS.import(py, "multiprocessing.process", "current_process")?)?;
        let thread = name(CURRENT_THREAD.import(py, "threading", "current_thread")?)?;
        return Ok(if thread == "MainThread" {
            process
        } else {
            format!("{process}|{thread}")
        });
    }
    Ok(if free {
        "None"
    } else if in_process {
        "SomeOtherThread"
    } else {
        "SomeOtherProcess"
    }
    .into())
}

/// A lock between processes and threads, which recovers when its holder is killed.
///
/// Any thread of any process may release it. When a process is killed while it holds the lock,
/// the lock becomes free; the next `acquire` returns True, issues `OwnerDiedWarning`, and
/// `owner_died` tells which process that was. A process that ends in order keeps what it holds.
///
/// >>> import pumasi
/// >>> lock = pumasi.Lock()
/// >>> with lock:
/// ...     lock.locked()
/// True
/// >>> lock.locked()
/// False
#[pyclass(subclass, frozen, dict, weakref, module = "pumasi.synchronize")]
pub struct Lock {
    raw: Made<RawLock>,
    died: LastDeath,
    note: Nothing,
}

acquirable!(
    Lock,
    RawLock,
    Nothing,
    |raw| raw.release(),
    init(reference, ctx, on_death; reference=None, /, *, ctx=None, on_death=None)
        Lock::create(on_death),
    {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (reference=None, /, *more, on_death=None, **others),
        text_signature = "(reference=None, /, *, ctx=None, on_death=None)"
    )]
    fn new(
        cls: &Bound<'_, PyType>,
        reference: Option<&Bound<'_, PyAny>>,
        more: &Bound<'_, PyTuple>,
        on_death: Option<&Bound<'_, PyAny>>,
        others: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Lock> {
        let _of_which_init_judges = (more, others);
        let wanted = on_death.filter(|_| !initializes::<Lock>(cls));
        match given(reference) {
            Some(object) => Lock::of_object(object),
            None => Self::create(wanted).map(Lock::made),
        }
    }

    /// Release the lock, whoever has acquired it.
    ///
    /// Raises ValueError if it is free.
    #[inline]
    fn release(&self) -> PyResult<()> {
        self.leave()
    }

    /// Return whether anybody holds the lock.
    fn locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// The process that died holding the lock, if the last `acquire` here told of one, else None.
    #[getter]
    fn owner_died(&self) -> Option<OwnerDied> {
        self.died.get()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let raw = &slf.get().raw;
        let owner = owner_name(slf.py(), raw.is_mine(), !raw.is_locked(), raw.is_ours())?;
        Ok(format!("<{}(owner={owner})>", slf.get_type().name()?))
    }

    fn _is_mine(&self) -> bool {
        self.raw.is_mine()
    }

    fn _count(&self) -> u32 {
        u32::from(self.raw.is_ours())
    }

    fn _get_value(&self) -> u32 {
        u32::from(!self.raw.is_locked())
    }
});

/// A lock between processes and threads which the thread that holds it may acquire again.
///
/// It is free when it has been released as often as acquired, by that thread; another's `release`
/// raises AssertionError. When its holder is killed it recovers as `Lock` does.
///
/// >>> import pumasi
/// >>> lock = pumasi.RLock()
/// >>> with lock, lock:
/// ...     lock.locked()
/// True
#[pyclass(subclass, frozen, dict, weakref, module = "pumasi.synchronize")]
pub struct RLock {
    raw: Made<RawRLock>,
    died: LastDeath,
    note: Nothing,
}

acquirable!(
    RLock,
    RawRLock,
    Nothing,
    |raw| raw.release(),
    init(reference, ctx, on_death; reference=None, /, *, ctx=None, on_death=None)
        RLock::create(on_death),
    {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (reference=None, /, *more, on_death=None, **others),
        text_signature = "(reference=None, /, *, ctx=None, on_death=None)"
    )]
    fn new(
        cls: &Bound<'_, PyType>,
        reference: Option<&Bound<'_, PyAny>>,
        more: &Bound<'_, PyTuple>,
        on_death: Option<&Bound<'_, PyAny>>,
        others: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<RLock> {
        let _of_which_init_judges = (more, others);
        let wanted = on_death.filter(|_| !initializes::<RLock>(cls));
        match given(reference) {
            Some(object) => RLock::of_object(object),
            None => Self::create(wanted).map(RLock::made),
        }
    }

    /// Release the lock once; raises AssertionError in a thread which does not hold it.
    #[inline]
    fn release(&self) -> PyResult<()> {
        self.leave()
    }

    /// Return whether any thread holds the lock.
    fn locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// The process that died holding the lock, if the last `acquire` here told of one, else None.
    #[getter]
    fn owner_died(&self) -> Option<OwnerDied> {
        self.died.get()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let raw = &slf.get().raw;
        let owner = owner_name(slf.py(), raw.is_mine(), !raw.is_locked(), raw.is_ours())?;
        let count = if raw.is_mine() {
            raw.depth().to_string()
        } else if raw.is_locked() {
            "nonzero".to_owned()
        } else {
            "0".to_owned()
        };
        Ok(format!("<{}({owner}, {count})>", slf.get_type().name()?))
    }

    fn _is_mine(&self) -> bool {
        self.raw.is_mine()
    }

    fn _count(&self) -> u32 {
        self.raw.depth()
    }

    fn _get_value(&self) -> u32 {
        u32::from(!self.raw.is_locked())
    }
});

/// A number of permits which processes and threads take and give back.
///
/// It is a plain count: what a process took before it was killed stays taken. For permits that
/// come back at a death there is `BoundedSemaphore`.
///
/// >>> import pumasi
/// >>> semaphore = pumasi.Semaphore(2)
/// >>> semaphore.acquire(), semaphore.acquire(), semaphore.acquire(block=False)
/// (True, True, False)
#[pyclass(subclass, frozen, dict, weakref, module = "pumasi.synchronize")]
pub struct Semaphore {
    raw: Made<RawSemaphore>,
    died: LastDeath,
    note: Tally,
}

acquirable!(
    Semaphore,
    RawSemaphore,
    Tally,
    |raw| raw.release(1),
    init(value, ctx; value=None, *, ctx=None)
        Semaphore::create(value),
    {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (value=None, *more, **others),
        text_signature = "(value=1, *, ctx=None)"
    )]
    fn new(
        cls: &Bound<'_, PyType>,
        value: Option<&Bound<'_, PyAny>>,
        more: &Bound<'_, PyTuple>,
        others: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Semaphore> {
        let _of_which_init_judges = (more, others);
        let wanted = value.filter(|_| !initializes::<Semaphore>(cls));
        match given(value) {
            Some(object) => Semaphore::of_object(object),
            None => Self::create(wanted).map(Semaphore::made),
        }
    }

    /// Give a permit back.
    #[inline]
    fn release(&self) -> PyResult<()> {
        self.leave()
    }

    /// Return how many permits are left.
    fn get_value(&self) -> u32 {
        self.raw.value()
    }

    /// Return whether no permit is left.
    fn locked(&self) -> bool {
        self.raw.value() == 0
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!(
            "<{}(value={})>",
            slf.get_type().name()?,
            slf.get().raw.value()
        ))
    }

    fn _is_mine(&self) -> bool {
        self.note.is_mine()
    }

    fn _count(&self) -> i32 {
        self.note.count()
    }

    fn _get_value(&self) -> u32 {
        self.raw.value()
    }
});

/// A number of permits which never has more than it began with.
///
/// A release too many raises ValueError. The permits of a process that is killed come back.
///
/// >>> import pumasi
/// >>> semaphore = pumasi.BoundedSemaphore(1)
/// >>> semaphore.release()
/// Traceback (most recent call last):
/// ...
/// ValueError: semaphore or lock released too many times
#[pyclass(subclass, frozen, dict, weakref, module = "pumasi.synchronize")]
pub struct BoundedSemaphore {
    raw: Made<RawBoundedSemaphore>,
    died: LastDeath,
    note: Tally,
}

acquirable!(
    BoundedSemaphore,
    RawBoundedSemaphore,
    Tally,
    |raw| raw.release(),
    init(value, ctx, on_death; value=None, *, ctx=None, on_death=None)
        BoundedSemaphore::create(value, on_death),
    {
        #[new]
        #[classmethod]
        #[pyo3(
            signature = (value=None, *more, on_death=None, **others),
            text_signature = "(value=1, *, ctx=None, on_death=None)"
        )]
        fn new(
            cls: &Bound<'_, PyType>,
            value: Option<&Bound<'_, PyAny>>,
            more: &Bound<'_, PyTuple>,
            on_death: Option<&Bound<'_, PyAny>>,
            others: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<BoundedSemaphore> {
            let _of_which_init_judges = (more, others);
            if let Some(object) = given(value) {
                return BoundedSemaphore::of_object(object);
            }
            let made = if initializes::<BoundedSemaphore>(cls) {
                Self::create(None, None)
            } else {
                Self::create(value, on_death)
            };
            made.map(BoundedSemaphore::made)
        }

        /// Give a permit back; raises ValueError if none is out.
        #[inline]
        fn release(&self) -> PyResult<()> {
            self.leave()
        }

        /// Return how many permits are left.
        fn get_value(&self) -> u32 {
            self.raw.value()
        }

        /// Return whether no permit is left.
        fn locked(&self) -> bool {
            self.raw.value() == 0
        }

        fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
            let raw = &slf.get().raw;
            Ok(format!(
                "<{}(value={}, maxvalue={})>",
                slf.get_type().name()?,
                raw.value(),
                raw.bound()
            ))
        }

        fn _is_mine(&self) -> bool {
            self.note.is_mine()
        }

        fn _count(&self) -> i32 {
            self.note.count()
        }

        fn _get_value(&self) -> u32 {
            self.raw.value()
        }
    }
);

impl Lock {
    fn create(on_death: Option<&Bound<'_, PyAny>>) -> PyResult<RawLock> {
        RawLock::create(&*heap::target()?, self::on_death(on_death)?).or_raise()
    }
}

impl RLock {
    fn create(on_death: Option<&Bound<'_, PyAny>>) -> PyResult<RawRLock> {
        RawRLock::create(&*heap::target()?, self::on_death(on_death)?).or_raise()
    }
}

impl Semaphore {
    fn create(value: Option<&Bound<'_, PyAny>>) -> PyResult<RawSemaphore> {
        RawSemaphore::create(&*heap::target()?, permits(value)?).or_raise()
    }
}

impl BoundedSemaphore {
    fn create(
        value: Option<&Bound<'_, PyAny>>,
        on_death: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<RawBoundedSemaphore> {
        let (permits, on_death) = (permits(value)?, self::on_death(on_death)?);
        RawBoundedSemaphore::create(&*heap::target()?, permits, on_death).or_raise()
    }
}

/// The number of permits that a constructor was given; 1 by default.
fn permits(value: Option<&Bound<'_, PyAny>>) -> PyResult<u32> {
    let Some(value) = value else { return Ok(1) };
    let number: i64 = value.extract()?;
    u32::try_from(number)
        .ok()
        .filter(|&permits| permits <= i32::MAX as u32)
        .ok_or_else(|| PyValueError::new_err("the number of permits must be from 0 to 2147483647"))
}

/// What `on_death=` says is to become of what a killed process held.
fn on_death(asked: Option<&Bound<'_, PyAny>>) -> PyResult<OnDeath> {
    let asked: Option<PyBackedStr> = asked.map(|asked| asked.extract()).transpose()?;
    match asked.as_deref() {
        None => Ok(OnDeath::Auto),
        Some("release") => Ok(OnDeath::Release),
        Some("keep") => Ok(OnDeath::Keep),
        Some(other) => Err(PyValueError::new_err(format!(
            "on_death must be 'release', 'keep' or None, not {other:?}"
        ))),
    }
}
