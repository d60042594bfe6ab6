//! Queues as the package's classes build on them: the items and the waiting, without the habits of
//! multiprocessing's queues.

use std::sync::atomic::{AtomicBool, Ordering};

use pumasi::Error;
use pumasi::containers::{Order, RawQueue};
use pumasi::heap::object::ObjectRef;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyType};

use core::time::Duration;

use crate::block::by_reference;
use crate::deaths::warn_of_tasks;
use crate::errors::OrRaise;
use crate::list::to_list;
use crate::load::Scratch;
use crate::reference::{assert_spawning, given};
use crate::store::{self, Nested};
use crate::{heap, wait};

/// A queue in the heap: what `Queue`, `SimpleQueue` and the others are made of.
///
/// `SharedQueue(maxsize=0, last_first=False, tasks=False)`. Pickles only while a process is being
/// started.
#[pyclass(frozen, weakref, module = "pumasi._core")]
pub struct SharedQueue {
    raw: RawQueue,
    /// This process has said that it is done with the queue.
    closed: AtomicBool,
}

/// `queue.Empty` or `queue.Full`.
#[cold]
fn raise(py: Python<'_>, name: &'static str) -> PyErr {
    static EMPTY: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static FULL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let cell = if name == "Empty" { &EMPTY } else { &FULL };
    match cell.import(py, "queue", name) {
        Ok(class) => PyErr::from_type(class.clone(), ()),
        Err(error) => error,
    }
}

/// What `block` and `timeout` of `queue.Queue` allow.
#[inline(always)]
pub fn limit(block: Option<&Bound<'_, PyAny>>, timeout: Option<f64>) -> PyResult<Option<Duration>> {
    match block {
        None if timeout.is_none() => Ok(None),
        Some(block) if !block.is_truthy()? => Ok(Some(Duration::ZERO)),
        _ => wait::timeout(timeout),
    }
}

impl SharedQueue {
    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }

    /// The one that lives in a shared object.
    pub fn of_object(object: ObjectRef) -> PyResult<SharedQueue> {
        Ok(SharedQueue {
            raw: RawQueue::from_object(object).or_raise()?,
            closed: AtomicBool::new(false),
        })
    }

    #[inline(always)]
    fn open(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().closed.load(Ordering::Relaxed) {
            return Err(closed(slf));
        }
        Ok(())
    }

    #[inline(always)]
    fn put_within(
        slf: &Bound<'_, Self>,
        obj: &Bound<'_, PyAny>,
        limit: Option<Duration>,
    ) -> PyResult<()> {
        Self::open(slf)?;
        let raw = &slf.get().raw;
        let mut ready = store::prepare(raw.object().heap(), obj, Nested::Send)?;
        if wait::run(slf.py(), || raw.put(&mut ready, limit))? {
            return Ok(());
        }
        Err(raise(slf.py(), "Full"))
    }

    #[inline(always)]
    fn get_within<'py>(
        slf: &Bound<'py, Self>,
        limit: Option<Duration>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::open(slf)?;
        let raw = &slf.get().raw;
        let mut out = Scratch::new();
        match wait::run(slf.py(), || raw.get(limit, out.fetch()))? {
            // What was taken has arrived once there is a Python object of it; if the pickle
            // cannot be read, as in multiprocessing, the item is gone with the exception.
            Some(taken) => out.received(slf.py(), taken.cell),
            None => Err(raise(slf.py(), "Empty")),
        }
    }
}

#[cold]
fn closed(slf: &Bound<'_, SharedQueue>) -> PyErr {
    PyValueError::new_err(format!(
        "Queue <{:#x}> is closed",
        slf.get().object().offset()
    ))
}

#[pymethods]
impl SharedQueue {
    #[new]
    #[pyo3(signature = (maxsize=None, last_first=false, tasks=false))]
    fn new(
        maxsize: Option<&Bound<'_, PyAny>>,
        last_first: bool,
        tasks: bool,
    ) -> PyResult<SharedQueue> {
        if let Some(object) = given(maxsize) {
            return SharedQueue::of_object(object);
        }
        let bound = match maxsize {
            Some(maxsize) => maxsize.extract::<i64>()?.max(0).cast_unsigned(),
            None => 0,
        };
        let order = if last_first {
            Order::LastFirst
        } else {
            Order::FirstFirst
        };
        Ok(SharedQueue {
            raw: RawQueue::create(&*heap::target()?, bound, order, tasks).or_raise()?,
            closed: AtomicBool::new(false),
        })
    }

    /// Put an item at the end; it is there when this returns.
    ///
    /// Waits for room unless `block` is false, at most `timeout` seconds, and raises `queue.Full`
    /// if there was none; ValueError after `close`.
    #[inline]
    #[pyo3(
        signature = (obj, block=None, timeout=None),
        text_signature = "($self, obj, block=True, timeout=None)"
    )]
    fn put(
        slf: &Bound<'_, Self>,
        obj: &Bound<'_, PyAny>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        Self::put_within(slf, obj, limit(block, timeout)?)
    }

    /// The same for a subclass with a method that is told what cannot be pickled: `tell(error, obj)`.
    fn _put_or_tell(
        slf: &Bound<'_, Self>,
        tell: &Bound<'_, PyAny>,
        obj: &Bound<'_, PyAny>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        Self::open(slf)?;
        let limit = limit(block, timeout)?;
        let raw = &slf.get().raw;
        let mut ready = match store::prepare(raw.object().heap(), obj, Nested::Send) {
            Ok(ready) => ready,
            Err(error) if error.is_instance_of::<PyException>(slf.py()) => {
                // As in an `except` clause: the traceback goes with it.
                return tell.call1((error.into_value(slf.py()), obj)).map(|_| ());
            }
            Err(error) => return Err(error),
        };
        if wait::run(slf.py(), || raw.put(&mut ready, limit))? {
            return Ok(());
        }
        Err(raise(slf.py(), "Full"))
    }

    /// Wait until there is room for an item, at most `timeout` seconds; whether there is.
    fn _wait_for_room(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let limit = wait::timeout(timeout)?;
        wait::run(py, || self.raw.wait_for_room(limit))
    }

    /// Wait until there is an item, at most `timeout` seconds; whether there is.
    fn _wait_for_item(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let limit = wait::timeout(timeout)?;
        wait::run(py, || self.raw.wait_for_item(limit))
    }

    /// Open the descriptor which is readable while there is an item: its number, and its name for
    /// `_close_reader`.
    fn _open_reader(&self, py: Python<'_>) -> PyResult<(i32, u64)> {
        wait::run(py, || self.raw.reader())
    }

    /// Close what `_open_reader` has opened.
    #[staticmethod]
    fn _close_reader(name: u64) {
        RawQueue::close_reader(name);
    }

    /// Take the next item out.
    ///
    /// Waits for one unless `block` is false, at most `timeout` seconds, and raises `queue.Empty`
    /// if none came; ValueError after `close`.
    #[inline]
    #[pyo3(
        signature = (block=None, timeout=None),
        text_signature = "($self, block=True, timeout=None)"
    )]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        block: Option<&Bound<'py, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::get_within(slf, limit(block, timeout)?)
    }

    /// Put the items of an iterable, in their order, as many at once as there is room for.
    ///
    /// Returns how many were put: all, unless `block` is false or `timeout` seconds were not
    /// enough.
    #[pyo3(
        signature = (items, block=None, timeout=None),
        text_signature = "($self, items, block=True, timeout=None)"
    )]
    fn put_many(
        slf: &Bound<'_, Self>,
        items: &Bound<'_, PyAny>,
        block: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        Self::open(slf)?;
        let (py, raw) = (slf.py(), &slf.get().raw);
        let limit = limit(block, timeout)?;
        let mut ready = items
            .try_iter()?
            .map(|item| store::prepare(raw.object().heap(), &item?, Nested::Send))
            .collect::<PyResult<Vec<_>>>()?;
        let mut done = 0;
        loop {
            let n = wait::run(py, || raw.put_many(&mut ready[done..], limit))?;
            done += n;
            // What is left is left for want of room: with no limit that is no reason to stop.
            if done == ready.len() || limit.is_some() || n == 0 {
                return Ok(done);
            }
        }
    }

    /// Take up to `most` items out, as many as are there, waiting for the first like `get`.
    ///
    /// Returns a list, which is empty where `get` would raise `queue.Empty`.
    #[pyo3(
        signature = (most, block=None, timeout=None),
        text_signature = "($self, most, block=True, timeout=None)"
    )]
    fn get_many<'py>(
        slf: &Bound<'py, Self>,
        most: usize,
        block: Option<&Bound<'py, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        Self::open(slf)?;
        let (py, raw) = (slf.py(), &slf.get().raw);
        let limit = limit(block, timeout)?;
        if most == 0 {
            return Ok(PyList::empty(py));
        }
        let (items, taken) = wait::run(py, || raw.get_many(most, limit))?;
        let list = to_list(py, &items);
        drop(taken);
        list
    }

    /// How many items there are at this moment.
    fn qsize(&self) -> usize {
        self.raw.len()
    }

    /// Whether there is no item at this moment.
    fn empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Whether there are as many items as there may be.
    fn full(&self) -> bool {
        self.raw.is_full()
    }

    /// The most items there may be; 0 for any number.
    #[getter]
    fn maxsize(&self) -> u64 {
        self.raw.bound()
    }

    /// How many items were put whose task is not done.
    #[getter]
    fn unfinished(&self) -> u64 {
        self.raw.unfinished()
    }

    /// Say of an item that was taken that what was to be done with it is done.
    fn task_done(&self, py: Python<'_>) -> PyResult<()> {
        wait::run(py, || self.raw.task_done())
    }

    /// Wait until every task is done, at most `timeout` seconds; whether they are.
    #[pyo3(signature = (timeout=None))]
    fn join(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let limit = wait::timeout(timeout)?;
        let (done, death) = wait::run(py, || self.raw.join(limit))?;
        if let Some(death) = death {
            warn_of_tasks(py, death)?;
        }
        Ok(done)
    }

    /// This process is done with the queue: `put` and `get` raise ValueError from now on.
    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether this process has closed it.
    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Version and number of items at this moment.
    fn _moment(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        wait::run(py, || self.raw.moment())
    }

    /// A copy of the item at `index`, in the order in which they are going to be taken, in a tuple;
    /// None if something has changed since the moment of this version.
    fn _item<'py>(
        &self,
        py: Python<'py>,
        version: u64,
        index: u64,
    ) -> PyResult<Option<(Bound<'py, PyAny>,)>> {
        let mut out = Scratch::new();
        match wait::run(py, || self.raw.peek(version, index, out.fetch()))? {
            Some(cell) => Ok(Some((out.value_of(py, cell)?,))),
            None => Ok(None),
        }
    }

    /// Put an item before the one at `index` at the moment of that version: 1 done, 0 no room, -1 out of date.
    fn _put_at(
        slf: &Bound<'_, Self>,
        version: u64,
        index: usize,
        obj: &Bound<'_, PyAny>,
    ) -> PyResult<i8> {
        Self::open(slf)?;
        let raw = &slf.get().raw;
        let mut ready = store::prepare(raw.object().heap(), obj, Nested::Send)?;
        wait::run(slf.py(), || match raw.put_at(version, index, &mut ready) {
            Err(Error::Modified { .. }) => Ok(-1),
            done => done.map(i8::from),
        })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        assert_spawning(slf)?;
        by_reference(slf)
    }
}
