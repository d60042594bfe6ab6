//! References: what a pickle of a shared object is made of.
//!
//! A pickle says which heap, where in it and which generation; it keeps nothing alive by itself.
//! Two places do: a pickle made for a child that is being started is kept alive by the parent
//! until the child has ended (`pumasi._lifecycle.keep_for_child`), and a pickle made to be stored in a
//! container carries the objects it refers to as edges of its own ([`gather`]).

use core::cell::RefCell;

use pumasi::heap::object::ObjectRef;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::barrier::Barrier;
use crate::block::{Block, Gate};
use crate::condition::Condition;
use crate::deque::Deque;
use crate::dict::DictBase;
use crate::errors::OrRaise;
use crate::event::Event;
use crate::heap;
use crate::list::ListBase;
use crate::locks::{BoundedSemaphore, Lock, RLock, Semaphore};
use crate::namespace::Namespace;
use crate::pool::Board;
use crate::queue::SharedQueue;
use crate::rwlock::RwLock;
use crate::set::Set;
use crate::vector::Vector;

/// A reference to a shared object, which pickles anywhere.
///
/// `Reference(x)` is for any of the shared objects of this module, and each of their classes
/// takes a Reference in place of its first argument to become the object which it names.
#[pyclass(frozen, module = "pumasi._core")]
pub struct Reference {
    object: ObjectRef,
}

#[pymethods]
impl Reference {
    #[new]
    #[pyo3(signature = (shared, /))]
    fn new(shared: &Bound<'_, PyAny>) -> PyResult<Reference> {
        match object_of(shared) {
            Some(object) => Ok(Reference {
                object: object.clone(),
            }),
            None => Err(PyTypeError::new_err(format!(
                "{} is not a shared object",
                shared.get_type().name()?
            ))),
        }
    }

    /// What tells the object from every other of its heap at the time.
    #[getter]
    fn number(&self) -> u64 {
        self.object.offset()
    }

    /// The object's kind: "List", "Lock", ...
    #[getter]
    fn kind(&self) -> &'static str {
        self.object.kind().name()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        static DEREFERENCE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = slf.py();
        let object = &slf.get().object;
        if !note(object) {
            keep_for_starting_child(slf)?;
        }
        let ticket = object.heap().ticket();
        let (offset, generation) = object.token();
        let dereference = DEREFERENCE.import(py, "pumasi._core", "dereference")?;
        (dereference, (ticket, offset, generation))
            .into_pyobject(py)
            .map(Bound::into_any)
    }

    fn __repr__(&self) -> String {
        format!(
            "<Reference to {} {:#x}>",
            self.object.kind().name(),
            self.object.offset()
        )
    }
}

impl Reference {
    /// The object it names.
    pub fn object(&self) -> ObjectRef {
        self.object.clone()
    }
}

/// The object which a constructor's first argument refers to, if it is a Reference.
pub fn given(argument: Option<&Bound<'_, PyAny>>) -> Option<ObjectRef> {
    argument?
        .cast_exact::<Reference>()
        .ok()
        .map(|reference| reference.get().object())
}

/// Make a reference from what a pickle holds.
///
/// Raises `HeapGone` when no process of the heap lives any more, and `StaleReference` when the
/// object was freed.
#[pyfunction]
#[pyo3(signature = (ticket, offset, generation, /))]
pub fn dereference(
    py: Python<'_>,
    ticket: &str,
    offset: u64,
    generation: u64,
) -> PyResult<Reference> {
    let heap = heap::of_ticket(py, ticket)?;
    let object = ObjectRef::from_token(&heap, (offset, generation)).or_raise()?;
    Ok(Reference { object })
}

/// The shared object behind an instance of one of our classes.
pub fn object_of<'a>(value: &'a Bound<'_, PyAny>) -> Option<&'a ObjectRef> {
    macro_rules! try_each {
        ($($class:ty),*) => {$(
            if let Ok(found) = value.cast::<$class>() {
                return Some(found.get().object());
            }
        )*};
    }
    try_each!(
        ListBase,
        DictBase,
        Set,
        Deque,
        Vector,
        Namespace,
        Lock,
        RLock,
        Semaphore,
        BoundedSemaphore,
        Event,
        Condition,
        Barrier,
        RwLock,
        Block,
        Gate,
        SharedQueue,
        Board
    );
    None
}

thread_local! {
    /// One list for each pickle under way that is going to be stored, innermost last.
    static GATHERED: RefCell<Vec<Vec<ObjectRef>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `pickle`, and returns the shared objects that the pickle refers to along with its result.
pub fn gather<T>(pickle: impl FnOnce() -> PyResult<T>) -> PyResult<(T, Vec<ObjectRef>)> {
    GATHERED.with_borrow_mut(|all| all.push(Vec::new()));
    let pickled = pickle();
    let edges = GATHERED.with_borrow_mut(|all| all.pop().unwrap_or_default());
    Ok((pickled?, edges))
}

/// Adds an object to the pickle under way; false if none is.
fn note(object: &ObjectRef) -> bool {
    let object = object.clone();
    GATHERED.with_borrow_mut(|all| match all.last_mut() {
        Some(edges) => {
            edges.push(object);
            true
        }
        None => false,
    })
}

/// Has a starting child's `Popen` keep the reference, if one is being started by this thread.
fn keep_for_starting_child(reference: &Bound<'_, Reference>) -> PyResult<()> {
    static SPAWNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static KEEP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = reference.py();
    let popen = SPAWNING
        .import(py, "multiprocessing.context", "get_spawning_popen")?
        .call0()?;
    if !popen.is_none() {
        KEEP.import(py, "pumasi._lifecycle", "keep_for_child")?
            .call1((reference, popen))?;
    }
    Ok(())
}

/// Raises RuntimeError unless this thread is starting a child: for what may be inherited only.
pub fn assert_spawning(shared: &Bound<'_, PyAny>) -> PyResult<()> {
    static ASSERT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    ASSERT
        .import(shared.py(), "multiprocessing.context", "assert_spawning")?
        .call1((shared,))?;
    Ok(())
}
