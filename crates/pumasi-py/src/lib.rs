//! The Python bindings of pumasi, built as `pumasi._core`.
//!
//! Conversion, the interpreter's lock and exceptions; no algorithm. The layers, low to high:
//!
//! - `errors`, `wait`: exceptions, and waits which signals can end.
//! - `store`, `load`, `pickles`, `keys`: values and keys on their way in and out.
//! - `heap`, `block`, `reference`: the heap, bytes in it, and what a pickle is made of.
//! - `made`: what a subclass's `__init__` makes.
//! - `locks`, `locked`, `number`, `typed`: locks, `with c.locked()`, Value and Array.
//! - `list`, `deque`, `vector`, `dict`, `set`, `keyed`, `counter`, `namespace`, `views`, `plain`: the containers.
//! - `queue`: what the package's queues are made of.
//! - `pool`: the shared part of a pool.
//! - `bench`: the statistics of measurements.
//! - `fast`: short entrances to the methods of the hot path.
//!
//! PY-1: no Python object is made, dropped, compared or called while a lock of the heap or of this
//! process is held. Values are made ready before an operation and made into Python objects after
//! it; an operation itself sees bytes only.
//! PY-2: an operation is tried while attached to the interpreter, and sleeps only detached.

mod barrier;
mod bench;
mod block;
mod cli;
mod condition;
mod counter;
mod deaths;
mod deque;
mod dict;
mod errors;
mod event;
mod fast;
mod heap;
mod keyed;
mod keys;
mod list;
mod load;
mod locked;
mod locks;
mod made;
mod namespace;
mod number;
mod pickles;
mod plain;
mod pool;
mod queue;
mod reference;
mod rwlock;
mod set;
mod stats;
mod store;
mod typed;
mod vector;
mod views;
mod wait;

use pyo3::prelude::*;

/// The native half of the package `pumasi`.
#[pymodule]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::barrier::{Barrier, BarrierPlace};
    #[pymodule_export]
    use super::bench::{bench_conclude, bench_estimate};
    #[pymodule_export]
    use super::block::{Block, Gate};
    #[pymodule_export]
    use super::cli::{cli_main, render_bench};
    #[pymodule_export]
    use super::condition::{Condition, ConditionPlace, Counted};
    #[pymodule_export]
    use super::counter::Counter;
    #[pymodule_export]
    use super::deaths::OwnerDied;
    #[pymodule_export]
    use super::deque::{Deque, DequeIterator};
    #[pymodule_export]
    use super::dict::{Dict, DictBase, ManagedDict};
    #[pymodule_export]
    use super::event::Event;
    #[pymodule_export]
    use super::heap::{Heap, leave};
    #[pymodule_export]
    use super::keyed::DefaultDict;
    #[pymodule_export]
    use super::keys::key_form;
    #[pymodule_export]
    use super::list::{List, ListBase, ListIterator, ListReverseIterator, ManagedList};
    #[pymodule_export]
    use super::locked::Locked;
    #[pymodule_export]
    use super::locks::{BoundedSemaphore, Lock, RLock, Semaphore};
    #[pymodule_export]
    use super::namespace::Namespace;
    #[pymodule_export]
    use super::pickles::Received;
    #[pymodule_export]
    use super::pool::{Batch, Board, Worker};
    #[pymodule_export]
    use super::queue::SharedQueue;
    #[pymodule_export]
    use super::reference::{Reference, dereference};
    #[pymodule_export]
    use super::rwlock::{AnnouncedWriter, RwLock, RwLockSide};
    #[pymodule_export]
    use super::set::{Set, SetIterator};
    #[pymodule_export]
    use super::stats::stats;
    #[pymodule_export]
    use super::typed::{TypedArray, TypedStructure, TypedValue};
    #[pymodule_export]
    use super::vector::{Vector, VectorIterator};
    #[pymodule_export]
    use super::views::{DictIterator, DictView};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        wait::never_wait_by_default();
        fast::install(module.py())?;
        module.add("heap", heap::Heap::DEFAULT)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
