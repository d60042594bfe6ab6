//! Heaps as users see them: the one which this process shares with its parent and its children, and
//! those that unrelated programs find by name. The file is long because PyO3 wants all methods of a
//! class, with their docstrings, in one block.

use core::cell::RefCell;
use core::ops::Deref;
use std::sync::{Mutex, OnceLock, PoisonError};

use pumasi::Heap as CoreHeap;
use pumasi::containers::RawDict;
use pumasi::heap::global::parse_size;
use pyo3::PyTypeInfo;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};

use crate::counter::Counter;
use crate::deque::Deque;
use crate::dict::Dict;
use crate::errors::OrRaise;
use crate::keyed::DefaultDict;
use crate::list::List;
use crate::namespace::Namespace;
use crate::set::Set;
use crate::vector::Vector;
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

thread_local! {
    /// The heaps in which this thread makes what it makes, the innermost last; none: the default.
    static CHOSEN: RefCell<Vec<CoreHeap>> = const { RefCell::new(Vec::new()) };
}

/// Where a constructor puts what it makes.
pub enum Target {
    Default(&'static CoreHeap),
    Chosen(CoreHeap),
}

impl Deref for Target {
    type Target = CoreHeap;
    #[inline(always)]
    fn deref(&self) -> &CoreHeap {
        match self {
            Target::Default(heap) => heap,
            Target::Chosen(heap) => heap,
        }
    }
}

/// The heap for what a constructor makes: the one whose method is running on this thread, else that
/// of this process tree.
#[inline(always)]
pub fn target() -> PyResult<Target> {
    match CHOSEN.with_borrow(|chosen| chosen.last().cloned()) {
        Some(heap) => Ok(Target::Chosen(heap)),
        None => default().map(Target::Default),
    }
}

/// Calls a class, whose objects are made in `heap`.
fn make_in<'py>(
    heap: CoreHeap,
    class: &Bound<'py, PyType>,
    args: &Bound<'py, PyTuple>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            let ours = CHOSEN.with_borrow_mut(Vec::pop);
            // Not under the borrow: it may be the last that leads to the memory.
            drop(ours);
        }
    }
    CHOSEN.with_borrow_mut(|chosen| chosen.push(heap));
    let _restore = Restore;
    class.call(args, keywords)
}

/// The heap that a ticket names: one that is open here, or another, which is opened.
///
/// A process which has no heap yet takes the first one that it hears of for its own: a child
/// of a fork server that was started before pumasi was imported has nothing else to go by.
pub fn of_ticket(py: Python<'_>, ticket: &str) -> PyResult<CoreHeap> {
    let heap = py.detach(|| CoreHeap::attach_ticket(ticket)).or_raise()?;
    if !CoreHeap::is_named_ticket(ticket) && DEFAULT.set(heap.clone()).is_ok() {
        py.import("pumasi._lifecycle")?.call_method0("announce")?;
    }
    Ok(heap)
}

/// The memory which processes share: `pumasi.heap` is the one of this program and its children, and
/// `Heap.create(name)` and `Heap.open(name)` are for programs which are not each other's children.
#[pyclass(frozen, weakref, module = "pumasi._core", name = "Heap")]
pub struct Heap(Which);

enum Which {
    Default,
    /// None once it was closed.
    Named(String, Mutex<Option<CoreHeap>>),
}

impl Heap {
    /// The heap of this process tree.
    pub const DEFAULT: Heap = Heap(Which::Default);

    fn named(name: &str, heap: CoreHeap) -> Heap {
        Heap(Which::Named(name.to_owned(), Mutex::new(Some(heap))))
    }

    fn core(&self) -> PyResult<CoreHeap> {
        match &self.0 {
            Which::Default => default().cloned(),
            Which::Named(_, heap) => {
                let heap = heap.lock().unwrap_or_else(PoisonError::into_inner).clone();
                heap.ok_or_else(|| PyValueError::new_err("the heap is closed"))
            }
        }
    }

    fn make<'py, T: PyTypeInfo>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        make_in(self.core()?, &T::type_object(args.py()), args, keywords)
    }
}

/// Bytes, or a text such as "512M".
fn size(limit: &Bound<'_, PyAny>) -> PyResult<u64> {
    let Ok(text) = limit.cast::<PyString>() else {
        return limit.extract();
    };
    let text = text.to_str()?;
    parse_size(text).ok_or_else(|| {
        PyValueError::new_err(format!(
            "{text:?} is no size: say bytes, or a number with K, M, G or T"
        ))
    })
}

fn builder(name: &str, limit: Option<&Bound<'_, PyAny>>) -> PyResult<pumasi::heap::Builder> {
    let builder = CoreHeap::builder().name(name);
    match limit {
        Some(limit) => Ok(builder.limit(size(limit)?)),
        None => Ok(builder),
    }
}

#[pymethods]
impl Heap {
    /// Make a heap with a name, by which other programs of the same user open it.
    ///
    /// It lives as long as a process has it open, whoever made it; then what was in it is lost, and
    /// the name is free. `limit` is most bytes of memory it may take, an int or a text such as
    /// "512M", else as `PUMASI_HEAP_LIMIT`. Raises FileExistsError when a process has a heap of that
    /// name open.
    ///
    /// >>> import pumasi
    /// >>> with pumasi.Heap.create("fruit", limit="64M") as heap:
    /// ...     heap.roots["basket"] = {"apples": 3}
    /// ...     # meanwhile, in another program: pumasi.Heap.open("fruit").roots["basket"]
    /// ...     heap.roots["basket"].add("apples", 1)
    /// 4
    #[staticmethod]
    #[pyo3(signature = (name, *, limit=None))]
    fn create(py: Python<'_>, name: &str, limit: Option<&Bound<'_, PyAny>>) -> PyResult<Heap> {
        let builder = builder(name, limit)?;
        let heap = py.detach(|| builder.create()).or_raise()?;
        Ok(Heap::named(name, heap))
    }

    /// Open the heap of that name, which another program of the same user has made and some process
    /// still has open.
    ///
    /// Raises FileNotFoundError when there is none, PermissionError for what belongs to another user.
    #[staticmethod]
    #[pyo3(signature = (name, /))]
    fn open(py: Python<'_>, name: &str) -> PyResult<Heap> {
        let heap = py.detach(|| CoreHeap::open(name)).or_raise()?;
        Ok(Heap::named(name, heap))
    }

    /// Open the heap of that name, or make it if no process has one open.
    ///
    /// Of several programs which do this at once, one makes it. `limit` counts for a new one.
    #[staticmethod]
    #[pyo3(signature = (name, *, limit=None))]
    fn open_or_create(
        py: Python<'_>,
        name: &str,
        limit: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Heap> {
        let builder = builder(name, limit)?;
        let heap = py.detach(|| builder.open_or_create()).or_raise()?;
        Ok(Heap::named(name, heap))
    }

    /// Take a name away: whoever has the heap open goes on, but nobody finds it any more.
    ///
    /// Raises FileNotFoundError when there is none. It is not needed after `close()`.
    #[staticmethod]
    #[pyo3(signature = (name, /))]
    fn unlink(py: Python<'_>, name: &str) -> PyResult<()> {
        py.detach(|| CoreHeap::unlink(name)).or_raise()
    }

    /// Give the heap up; if no other process has it open, its name is free.
    ///
    /// Containers of it which this process still has go on working, and the memory comes back when
    /// the last of them is gone. The end of a process closes its heaps. A second time does nothing;
    /// `pumasi.heap` cannot be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Which::Named(_, heap) = &self.0 else {
            return Err(PyValueError::new_err(
                "the heap of a program is open as long as its processes live",
            ));
        };
        let heap = heap.lock().unwrap_or_else(PoisonError::into_inner).take();
        // To give memory back to the system takes its time.
        py.detach(|| {
            if let Some(heap) = heap {
                heap.close();
            }
        });
        Ok(())
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().core()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    /// Whether this was closed.
    #[getter]
    fn closed(&self) -> bool {
        match &self.0 {
            Which::Default => false,
            Which::Named(_, heap) => heap
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_none(),
        }
    }

    /// The heap's name, or None.
    #[getter]
    fn name(&self) -> Option<&str> {
        match &self.0 {
            Which::Default => None,
            Which::Named(name, _) => Some(name),
        }
    }

    /// The Dict in which programs find by name what they share: `heap.roots["index"]`.
    ///
    /// What is stored there lives as long as the heap, or until it is removed.
    #[getter]
    fn roots<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Dict>> {
        let roots = RawDict::roots(&self.core()?).or_raise()?;
        Dict::of_object(py, roots.object().clone())
    }

    /// Make a List in this heap, from the same arguments as `pumasi.List`.
    #[pyo3(name = "List", signature = (*args, **keywords))]
    fn make_list<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.make::<List>(args, keywords)
    }

    /// Make a Deque in this heap, from the same arguments as `pumasi.Deque`.
    #[pyo3(name = "Deque", signature = (*args, **keywords))]
    fn make_deque<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.make::<Deque>(args, keywords)
    }

    /// Make a Vector in this heap, from the same arguments as `pumasi.Vector`.
    #[pyo3(name = "Vector", signature = (*args, **keywords))]
    fn make_vector<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.make::<Vector>(args, keywords)
    }

    /// Make a Dict in this heap, from the same arguments as `pumasi.Dict`.
    #[pyo3(name = "Dict", signature = (*args, **keywords))]
    fn make_dict<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.make::<Dict>(args, keywords)
    }

    /// Make a Set in this heap, from the same arguments as `pumasi.Set`.
    #[pyo3(name = "Set", signature = (*args, **keywords))]
    fn make_set<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.make::<Set>(args, keywords)
    }

    /// Make a Counter in this heap, from the same arguments as `pumasi.Counter`.
    #[pyo3(name = "Counter", signature = (*args, **keywords))]
    fn make_counter<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.make::<Counter>(args, keywords)
    }

    /// Make a DefaultDict in this heap, from the same arguments as `pumasi.DefaultDict`.
    #[pyo3(name = "DefaultDict", signature = (*args, **keywords))]
    fn make_defaultdict<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.make::<DefaultDict>(args, keywords)
    }

    /// Make a Namespace in this heap, from the same arguments as `pumasi.Namespace`.
    #[pyo3(name = "Namespace", signature = (*args, **keywords))]
    fn make_namespace<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.make::<Namespace>(args, keywords)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let Which::Named(name, _) = &slf.get().0 else {
            return Err(PyTypeError::new_err(
                "the heap of a program cannot be pickled: its processes have it as pumasi.heap",
            ));
        };
        slf.get().core()?;
        Ok((slf.get_type().getattr("open")?, (name.clone(),)))
    }

    /// Most bytes the heap may take; an operation beyond raises MemoryError and changes nothing.
    ///
    /// Set by `PUMASI_HEAP_LIMIT` ("512M", "2G", bytes), else 80 % of the smaller of the machine's
    /// memory and the control group's limit.
    #[getter]
    fn limit(&self) -> PyResult<u64> {
        Ok(self.core()?.limit())
    }

    #[setter]
    fn set_limit(&self, bytes: u64) -> PyResult<()> {
        self.core()?.set_limit(bytes);
        Ok(())
    }

    /// Bytes the heap has taken from the system, in use or kept for reuse.
    #[getter]
    fn used(&self) -> PyResult<u64> {
        Ok(self.core()?.used())
    }

    /// The heap's identity, as 32 hexadecimal digits.
    #[getter]
    fn id(&self) -> PyResult<String> {
        Ok(format!("{:032x}", self.core()?.id()))
    }

    /// What another process of the same user needs to open this heap, as PUMASI_HEAP has it.
    #[getter]
    fn ticket(&self) -> PyResult<String> {
        Ok(self.core()?.ticket())
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
        let heap = self.core()?;
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
        for heap in CoreHeap::all_open() {
            heap.record_exit(pid, status, 0);
            heap.forget_child(pid);
        }
        Ok(())
    }

    /// Note the child that this thread has just forked, for `record_exit`.
    fn forked(&self, pid: u32) -> PyResult<()> {
        for heap in CoreHeap::all_open() {
            heap.forked(pid);
        }
        Ok(())
    }

    /// Settle what processes that died have left behind; returns how many they were.
    ///
    /// Whoever waits for something of a dead process does this by itself; it is here for a program
    /// which wants the memory back at once.
    fn recover(&self, py: Python<'_>) -> PyResult<usize> {
        let heap = self.core()?;
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
        let heap = self.core()?;
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
        Ok(self.core()?.counts_operations())
    }

    #[setter]
    fn set_counting(&self, on: bool) -> PyResult<()> {
        self.core()?.count_operations(on);
        Ok(())
    }

    fn __repr__(&self) -> PyResult<String> {
        let (name, heap) = match (&self.0, self.core()) {
            (Which::Default, heap) => ("heap".to_owned(), heap?),
            (Which::Named(name, _), Ok(heap)) => (format!("Heap {name:?}"), heap),
            (Which::Named(name, _), Err(_)) => {
                return Ok(format!("<pumasi.Heap {name:?}: closed>"));
            }
        };
        Ok(format!(
            "<pumasi.{name} {:032x}: {} of {} bytes>",
            heap.id(),
            heap.used(),
            heap.limit()
        ))
    }
}

/// Leave all heaps in order: what this process holds stays held, as when a process ends by itself.
///
/// Called when the process ends; may be called more than once.
#[pyfunction]
pub fn leave(py: Python<'_>) -> PyResult<()> {
    py.detach(CoreHeap::leave_all);
    Ok(())
}
