//! The heap which this process shares with its parent and its children, as users see it.

use std::sync::OnceLock;

use pumasi::Heap as CoreHeap;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

use crate::errors::OrRaise;
use crate::wait::sleep_in;

/// The heap of this process tree, once it is known.
static DEFAULT: OnceLock<CoreHeap> = OnceLock::new();

/// The heap of this process tree.
#[inline(always)]
pub fn default() -> PyResult<&'static CoreHeap> {
    match DEFAULT.get() {
        Some(heap) => Ok(heap),
        None => {
            let heap = CoreHeap::global().or_raise()?;
            Ok(DEFAULT.get_or_init(|| heap.clone()))
        }
    }
}

/// The heap that a ticket names: one that is open here, or another, which is opened.
///
/// A process which has no heap yet takes the first one that it hears of for its own: a child
/// of a fork server that was started before pumasi was imported has nothing else to go by.
pub fn of_ticket(py: Python<'_>, ticket: &str) -> PyResult<CoreHeap> {
    let heap = py.detach(|| CoreHeap::attach_ticket(ticket)).or_raise()?;
    if DEFAULT.set(heap.clone()).is_ok() {
        py.import("pumasi._lifecycle")?.call_method0("announce")?;
    }
    Ok(heap)
}

/// The memory which the processes of a program share; `pumasi.heap` is the one of this process.
#[pyclass(frozen, module = "pumasi._core", name = "Heap")]
pub struct Heap {}

#[pymethods]
impl Heap {
    /// Most bytes the heap may take; an operation beyond raises MemoryError and changes nothing.
    ///
    /// Set by `PUMASI_HEAP_LIMIT` ("512M", "2G", bytes), else 80 % of the smaller of the machine's
    /// memory and the control group's limit.
    #[getter]
    fn limit(&self) -> PyResult<u64> {
        Ok(default()?.limit())
    }

    #[setter]
    fn set_limit(&self, bytes: u64) -> PyResult<()> {
        default()?.set_limit(bytes);
        Ok(())
    }

    /// Bytes the heap has taken from the system, in use or kept for reuse.
    #[getter]
    fn used(&self) -> PyResult<u64> {
        Ok(default()?.used())
    }

    /// The heap's identity, as 32 hexadecimal digits.
    #[getter]
    fn id(&self) -> PyResult<String> {
        Ok(format!("{:032x}", default()?.id()))
    }

    /// What another process of the same user needs to open this heap, as PUMASI_HEAP has it.
    #[getter]
    fn ticket(&self) -> PyResult<String> {
        Ok(default()?.ticket())
    }

    /// Free what nothing reaches any more, and return how many shared objects that were.
    ///
    /// Containers that lead to each other in a circle come back here, and what killed processes
    /// have left; then free memory goes back to the system. Others work on meanwhile; it waits
    /// for operations which they have under way.
    ///
    /// It also happens by itself: when a value finds no memory, and when a process has made many
    /// shared objects (10,000 or more) which were not freed since; the constructor that is the
    /// last of them then takes as long as looking at all containers takes, some nanoseconds for
    /// each item.
    ///
    /// >>> import pumasi
    /// >>> parent, child = pumasi.Dict(), pumasi.Dict()
    /// >>> parent["child"], child["parent"] = child, parent
    /// >>> del parent, child
    /// >>> pumasi.heap.collect()
    /// 2
    fn collect(&self, py: Python<'_>) -> PyResult<usize> {
        let heap = default()?;
        Ok(sleep_in(py, || heap.collect())?.objects)
    }

    /// Note how a child ended, as `Process.exitcode` has it, for those who find its locks.
    fn record_exit(&self, pid: u32, exitcode: i32) -> PyResult<()> {
        // What `wait` tells: the signal in the low bits, an ordinary exit above them.
        let status = if exitcode < 0 {
            -exitcode
        } else {
            exitcode << 8
        };
        let heap = default()?;
        heap.record_exit(pid, status, 0);
        heap.forget_child(pid);
        Ok(())
    }

    /// Note the child that this thread has just forked, for `record_exit`.
    fn forked(&self, pid: u32) -> PyResult<()> {
        default()?.forked(pid);
        Ok(())
    }

    /// Settle what processes that died have left behind; returns how many they were.
    ///
    /// Whoever waits for something of a dead process does this by itself; it is here for a program
    /// which wants the memory back at once.
    fn recover(&self, py: Python<'_>) -> PyResult<usize> {
        let heap = default()?;
        Ok(py.detach(|| heap.recover()))
    }

    /// Where the memory went, as a dict whose repr is a table for people.
    ///
    /// In bytes: `limit`, `used` (taken from the system), `idle` (of that, kept for reuse), `live`
    /// (in use); `fragmentation`, the part of `used` that nothing uses, from 0 to 1. Then
    /// `objects` and `participants`, how many; `kinds`, by the name of each kind its `objects` and
    /// `bytes`; `processes`, a list with the `pid` of each participant (0 for those that have
    /// ended), how many `chunks` it allocates from, their `bytes` and how many of these are `live`;
    /// `largest`, a list of the largest objects with `kind`, `number` and `bytes`; `skipped`, how
    /// many objects were busy and are counted without what they hold.
    ///
    /// >>> import pumasi
    /// >>> items = pumasi.List(range(1000))
    /// >>> stats = pumasi.heap.stats()
    /// >>> stats["kinds"]["List"]["bytes"] >= 8000
    /// True
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let heap = default()?;
        let (stats, participants) = py.detach(|| (heap.stats(), heap.participants()));
        let found = PyDict::new(py);
        found.set_item("limit", stats.limit)?;
        found.set_item("used", stats.used)?;
        found.set_item("idle", stats.idle)?;
        found.set_item("live", stats.live)?;
        found.set_item("fragmentation", stats.fragmentation())?;
        found.set_item("objects", stats.objects)?;
        found.set_item("skipped", stats.skipped)?;
        found.set_item("participants", participants)?;
        let kinds = PyDict::new(py);
        for kind in &stats.kinds {
            let of = PyDict::new(py);
            of.set_item("objects", kind.objects)?;
            of.set_item("bytes", kind.bytes)?;
            kinds.set_item(kind.kind.name(), of)?;
        }
        found.set_item("kinds", kinds)?;
        let processes = PyList::empty(py);
        for one in &stats.participants {
            let of = PyDict::new(py);
            of.set_item("pid", one.pid)?;
            of.set_item("chunks", one.chunks)?;
            of.set_item("bytes", one.bytes)?;
            of.set_item("live", one.live)?;
            processes.append(of)?;
        }
        found.set_item("processes", processes)?;
        let largest = PyList::empty(py);
        for object in &stats.largest {
            let of = PyDict::new(py);
            of.set_item("kind", object.kind.name())?;
            of.set_item("number", object.offset)?;
            of.set_item("bytes", object.bytes)?;
            largest.append(of)?;
        }
        found.set_item("largest", largest)?;
        TYPE.import(py, "pumasi._memory", "HeapStats")?
            .call1((found, stats.to_string()))
    }

    /// Whether operations are counted per object, for `pumasi.stats()`; in all processes.
    #[getter]
    fn counting(&self) -> PyResult<bool> {
        Ok(default()?.counts_operations())
    }

    #[setter]
    fn set_counting(&self, on: bool) -> PyResult<()> {
        default()?.count_operations(on);
        Ok(())
    }

    fn __repr__(&self) -> PyResult<String> {
        let heap = default()?;
        Ok(format!(
            "<pumasi.heap {:032x}: {} of {} bytes>",
            heap.id(),
            heap.used(),
            heap.limit()
        ))
    }
}

/// Leave the heap in order: what this process holds stays held, as when a process ends by itself.
///
/// Called when the process ends; may be called more than once.
#[pyfunction]
pub fn leave(py: Python<'_>) -> PyResult<()> {
    // A process that never used the heap has nothing to leave.
    if let Some(heap) = DEFAULT.get() {
        py.detach(|| heap.leave());
    }
    Ok(())
}
