//! The shared part of a pool, as `pumasi.pool` uses it: tasks and results on their way.
//!
//! The owner makes a `Board` and adds `Batch`es of tasks; each worker has a `Worker`, which finds
//! tasks and gives results. Values travel as copies: large buffers are copied once on the way in,
//! and left in place on the way out, for each is read by one process only.

use core::time::Duration;

use pumasi::heap::cell::{Cell, Tag};
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::{Fetch, Prepared};
use pumasi::pool::{Outcome, RawBatch, RawBoard, RawWorker};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyTuple};

use crate::block::by_reference;
use crate::errors::OrRaise;
use crate::reference::{assert_spawning, given};
use crate::store::{self, Nested};
use crate::{heap, load, pickles, wait};

/// A batch's mode has this bit where its function may be unpickled once for all its tasks.
const KEEP_FUNCTION: u64 = 0x100;
/// What a worker gets as the mode of a task that cannot be unpickled.
const UNREADABLE: u64 = 0xff;

/// Where the workers of a pool find tasks. Pickles only while a process is being started.
#[pyclass(frozen, module = "pumasi._core")]
pub struct Board {
    raw: RawBoard,
}

impl Board {
    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }
}

#[pymethods]
impl Board {
    #[new]
    #[pyo3(signature = (rows, /))]
    fn new(rows: &Bound<'_, PyAny>) -> PyResult<Board> {
        let py = rows.py();
        let raw = match given(Some(rows)) {
            Some(object) => wait::run(py, || RawBoard::from_object(object.clone())),
            None => {
                let (heap, rows) = (heap::default()?, rows.extract()?);
                wait::run(py, || RawBoard::create(heap, rows))
            }
        };
        Ok(Board { raw: raw? })
    }

    /// How many workers have room.
    #[getter]
    fn rows(&self) -> u64 {
        self.raw.rows()
    }

    /// Let workers find a batch, after all that are there.
    #[pyo3(signature = (batch, /))]
    fn publish(&self, py: Python<'_>, batch: &Batch) -> PyResult<()> {
        wait::run(py, || self.raw.publish(&batch.raw))
    }

    /// Take the batch at a place, counted from 0, out again.
    #[pyo3(signature = (place, /))]
    fn retire(&self, py: Python<'_>, place: usize) -> PyResult<()> {
        wait::run(py, || self.raw.retire(place))
    }

    /// Wake up to `n` idle workers: there is something to find.
    #[pyo3(signature = (n, /))]
    fn ring(&self, n: u32) {
        self.raw.ring(n);
    }

    /// How many tasks workers have finished.
    #[getter]
    fn done(&self) -> u64 {
        self.raw.done()
    }

    /// Wait until `done` has reached `wanted`, at most `timeout` seconds, or until `disturb()`.
    #[pyo3(signature = (wanted, timeout, /))]
    fn wait(&self, py: Python<'_>, wanted: u64, timeout: f64) -> PyResult<()> {
        let timeout = wait::timeout(Some(timeout))?.unwrap_or(Duration::MAX);
        wait::run(py, || self.raw.wait(wanted, timeout))
    }

    /// End a `wait` of another thread, or the next one.
    fn disturb(&self) {
        self.raw.disturb();
    }

    /// Have workers end when they find nothing more.
    fn drain(&self) {
        self.raw.drain();
    }

    /// Have workers end after the task they are at.
    fn stop(&self) {
        self.raw.stop();
    }

    /// Have one worker end after the task it is at.
    #[pyo3(signature = (worker, /))]
    fn dismiss(&self, worker: u32) {
        self.raw.dismiss(worker);
    }

    /// Empty a worker's row, for one that is about to be started.
    #[pyo3(signature = (worker, /))]
    fn reset(&self, worker: u32) {
        self.raw.reset(worker);
    }

    /// What is known of a worker: pid, task, since, done, working, waiting, started.
    ///
    /// The task is `batch << 32 | index`, plus one, or 0; times are nanoseconds.
    #[pyo3(signature = (worker, /))]
    fn look(&self, worker: u32) -> (u64, u64, u64, u64, u64, u64, u64) {
        let row = self.raw.look(worker);
        (
            row.pid,
            row.task,
            row.since,
            row.done,
            row.working,
            row.waiting,
            row.started,
        )
    }

    /// Now, in nanoseconds, on the clock of `look`.
    #[getter]
    fn now(&self) -> u64 {
        self.raw.now()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        assert_spawning(slf)?;
        by_reference(slf)
    }
}

/// Tasks for one function, as the owner of a pool sees them.
#[pyclass(frozen, module = "pumasi._core")]
pub struct Batch {
    raw: RawBatch,
}

#[pymethods]
impl Batch {
    #[new]
    #[pyo3(signature = (capacity, number, mode, function, /))]
    fn new(capacity: u64, number: u64, mode: u64, function: &Bound<'_, PyAny>) -> PyResult<Batch> {
        let heap = heap::default()?;
        let py = function.py();
        let function = store::prepare(heap, function, Nested::Argument)?;
        let create = || RawBatch::create(heap, capacity, number, mode, function);
        Ok(Batch {
            raw: wait::sleep_in(py, create)?,
        })
    }

    /// How many tasks were added.
    #[getter]
    fn count(&self) -> u64 {
        self.raw.count()
    }

    /// How many tasks it has room for.
    #[getter]
    fn capacity(&self) -> u64 {
        self.raw.capacity()
    }

    /// Add a task for each item of a list, and return how many bytes their arguments take. One that
    /// cannot be pickled raises, and then none was added.
    #[pyo3(signature = (arguments, /))]
    fn add(&self, arguments: &Bound<'_, PyList>) -> PyResult<u64> {
        let heap = self.raw.object().heap();
        let mut prepared: Vec<Prepared<'_>> = Vec::with_capacity(arguments.len());
        for argument in arguments {
            prepared.push(store::prepare(heap, &argument, Nested::Argument)?);
        }
        let bytes = prepared.iter().map(Prepared::size).sum();
        wait::run(arguments.py(), || self.raw.add(&mut prepared))?;
        Ok(bytes)
    }

    /// Settle the finished tasks. Results go into `values`, each at the place of its task, if
    /// there is such a list; all others are returned as (task, True, result), what was raised as
    /// (task, False, exception as the worker sent it), and what cannot be unpickled as
    /// (task, None, exception). Returns how many there were, and those.
    #[pyo3(signature = (values=None, /))]
    fn collect<'py>(
        &self,
        py: Python<'py>,
        values: Option<&Bound<'py, PyList>>,
    ) -> PyResult<(usize, Bound<'py, PyList>)> {
        let mut finished = Vec::new();
        self.raw.finished(|task| finished.push(task));
        let others = PyList::empty(py);
        let mut out = Fetch::new();
        let mut settled = 0;
        for task in finished {
            let Some(outcome) = self.raw.settle(task).or_raise()? else {
                continue;
            };
            settled += 1;
            let cell = wait::run(py, || self.raw.get(task, &mut out))?;
            let value = value(py, cell, &mut out);
            if !cell.is_inline() {
                wait::run(py, || self.raw.clear(task))?;
            }
            match (value, outcome) {
                (Ok(value), Outcome::Returned) => match values {
                    Some(values) => values.set_item(task as usize, value)?,
                    None => others.append((task, true, value))?,
                },
                (Ok(value), Outcome::Raised) => others.append((task, false, value))?,
                (Err(error), _) => others.append((task, py.None(), error.into_value(py)))?,
            }
        }
        Ok((settled, others))
    }

    /// Settle a task that nobody has begun; False when somebody has.
    #[pyo3(signature = (task, /))]
    fn cancel(&self, py: Python<'_>, task: u64) -> PyResult<bool> {
        let cancelled = self.raw.cancel(task).or_raise()?;
        if cancelled {
            wait::run(py, || self.raw.clear(task))?;
        }
        Ok(cancelled)
    }

    /// Settle a task that a worker is doing; False when it is not doing it.
    #[pyo3(signature = (task, worker, /))]
    fn give_up(&self, task: u64, worker: u32) -> PyResult<bool> {
        self.raw.give_up(task, worker).or_raise()
    }

    /// Settle and return the tasks that a dead worker had begun; `collect` has what it finished.
    #[pyo3(signature = (worker, /))]
    fn orphaned(&self, worker: u32) -> Vec<u64> {
        self.raw.orphaned(worker)
    }
}

/// A worker of a pool, in its process.
#[pyclass(module = "pumasi._core")]
pub struct Worker {
    raw: RawWorker,
    task: Option<u64>,
    function: Option<Py<PyAny>>,
}

#[pymethods]
impl Worker {
    #[new]
    #[pyo3(signature = (board, id, /))]
    fn new(board: &Board, id: u32) -> Worker {
        Worker {
            raw: RawWorker::new(board.raw.clone(), id),
            task: None,
            function: None,
        }
    }

    /// Take the next task, waiting for one: (mode, function, arguments); None when this worker is
    /// to end. A task that cannot be unpickled has mode 255 and the exception for a function.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let raw = &mut self.raw;
        let Some(found) = wait::run(py, || raw.take())? else {
            return Ok(None);
        };
        self.task = Some(found.task);
        match self.read(py, found.task, found.new_batch) {
            Ok(task) => Ok(Some(task)),
            Err(error) => {
                // Half a function is worse than none.
                self.function = None;
                let unreadable = (UNREADABLE, error.into_value(py), py.None());
                unreadable.into_pyobject(py).map(Some)
            }
        }
    }

    /// Give the task's result, or with `ok` False what it raised; False when nobody wants it any
    /// more. A value that cannot be pickled raises, and the task is still to be given one.
    #[pyo3(signature = (ok, value, /))]
    fn give(&mut self, ok: &Bound<'_, PyBool>, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(task) = self.task else {
            return Err(PyRuntimeError::new_err("no task was taken"));
        };
        let mut prepared = store::prepare(heap::default()?, value, Nested::Outcome)?;
        let outcome = if ok.is_true() {
            Outcome::Returned
        } else {
            Outcome::Raised
        };
        let raw = &mut self.raw;
        let counted = wait::run(value.py(), || raw.finish(task, outcome, &mut prepared))?;
        self.task = None;
        Ok(counted)
    }
}

impl Worker {
    fn read<'py>(
        &mut self,
        py: Python<'py>,
        task: u64,
        new_batch: bool,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let Some(batch) = self.raw.batch() else {
            return Err(PyRuntimeError::new_err("a task without its batch"));
        };
        let mode = batch.mode();
        let mut out = Fetch::new();
        if new_batch || self.function.is_none() || mode & KEEP_FUNCTION == 0 {
            let cell = wait::run(py, || batch.function(&mut out))?;
            let function = load::to_python(py, cell, &mut out)?.unbind();
            self.function = Some(function);
        }
        let cell = wait::run(py, || batch.get(task, &mut out))?;
        let arguments = value(py, cell, &mut out)?;
        (mode & 0xff, self.function.as_ref(), arguments).into_pyobject(py)
    }
}

/// The Python value of a cell, with its large buffers left in place.
fn value<'py>(py: Python<'py>, cell: Cell, out: &mut Fetch) -> PyResult<Bound<'py, PyAny>> {
    if cell.tag() == Tag::Pickle
        && let Some(pinned) = out.take_pinned()
    {
        return pickles::load_in_place(py, pinned);
    }
    load::to_python(py, cell, out)
}
