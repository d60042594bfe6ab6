//! Shared memory for many processes: containers and locks that survive a killed worker.
//!
//! 품앗이 (*pumasi*): neighbours taking turns to work each other's fields. Processes of one program
//! work on one memory: lists and dictionaries that grow, numbers that lose no update, and locks
//! that do not hang when their holder is killed.
//!
//! ```
//! use pumasi::{Dict, List};
//!
//! /// Runs in a process of its own; the handles lead to the same objects.
//! #[pumasi::task]
//! fn harvest(field: u32, crop: List<u32>, counts: Dict<String, i64>) -> pumasi::Result<()> {
//!     for sheaf in 0..3 {
//!         crop.push(field * 10 + sheaf)?;
//!         counts.add("sheaves", 1)?; // one step: nothing is lost without any lock
//!     }
//!     Ok(())
//! }
//!
//! #[pumasi::main]
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (crop, counts) = (List::new()?, Dict::new()?);
//!     let mut neighbours = Vec::new();
//!     for field in 0..4 {
//!         neighbours.push(harvest::spawn(field, crop.clone(), counts.clone())?);
//!     }
//!     for neighbour in neighbours {
//!         neighbour.join()??;
//!     }
//!     assert_eq!(crop.len()?, 12);
//!     assert_eq!(counts.get("sheaves")?, Some(12));
//!     Ok(())
//! }
//! ```
//!
//! # What there is
//!
//! | to share | use |
//! |---|---|
//! | a sequence that grows, of one type or of any values | [`List`] |
//! | a sequence with two ends, or the last so many of one | [`Deque`] |
//! | numbers or plain structs side by side, as many as there are | [`Vector`] |
//! | a mapping, with atomic [`add`](Dict::add) and [`update`](Dict::update) | [`Dict`] |
//! | elements, each of them once | [`Set`] |
//! | counts by key | [`Counter`] |
//! | a mapping that makes what is missing, groups for instance | [`DefaultDict`] |
//! | values by name, each of its own type | [`Namespace`] |
//! | what one process makes and another takes, in turn | [`Queue`] |
//! | one number or plain struct | [`Value`] |
//! | a fixed number of numbers or plain structs | [`Array`] |
//! | a struct of your own, in any of these | `#[derive(`[`Shareable`]`)]` |
//! | values of any type, as Python stores them | [`Dynamic`] |
//! | a turn | [`Lock`], [`RLock`] |
//! | a turn of one who writes, or of all who read | [`RwLock`] |
//! | so many turns at a time | [`BoundedSemaphore`], [`Semaphore`] |
//! | a signal | [`Event`] |
//! | waiting, in one's turn, for what others change in theirs | [`Condition`] |
//! | a point at which so many wait for each other | [`Barrier`] |
//!
//! All of these are handles: a clone leads to the same object, so does a handle that was sent to
//! another process as an argument or result of a [`task`](macro@task), and a container stored in
//! another one. An object lives until the last handle in any process, and the last container
//! entry that leads to it, are gone. They lie in the [`Heap`] which the processes of a program
//! share; there is no server.
//!
//! Programs that are not each other's children share a heap by its name: [`Heap::create`],
//! [`Heap::open`], and [`Heap::roots`] to find what is in it.
//!
//! # When a process is killed
//!
//! A process may be killed at any instruction. What it was doing to a container is then done or
//! not done, never half done. A lock that it held comes free, and the next who takes it is told,
//! because what the lock protects may be half done:
//!
//! ```
//! use pumasi::sync::LockError;
//! use pumasi::{Event, Lock};
//!
//! #[pumasi::task]
//! fn worker(lock: Lock, working: Event) -> pumasi::Result<()> {
//!     let _guard = lock.acquire()?;
//!     working.set();
//!     loop {
//!         std::thread::park(); // until it is killed
//!     }
//! }
//!
//! #[pumasi::main]
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (lock, working) = (Lock::new()?, Event::new()?);
//!     let mut child = worker::spawn(lock.clone(), working.clone())?;
//!     working.wait()?;
//!     child.kill()?;
//!     assert_eq!(child.pid(), match lock.acquire() {
//!         Err(LockError::Abandoned(abandoned)) => abandoned.death().pid,
//!         other => panic!("{other:?}"),
//!     });
//!     Ok(())
//! }
//! ```
//!
//! [`sync`] says what a death does to each primitive, and [`process`] how the end of a child is
//! learnt of.
//!
//! # Is it worth it?
//!
//! [`bench`](mod@bench) runs a function of yours in series, on threads and on processes, and says
//! which pays.
//!
//! # With Python
//!
//! The Python package `pumasi` stands on this crate. Numbers, texts, bytes, tuples, `None`, lists
//! and dictionaries that one language stores the other reads; see the table at
//! [`Element`](containers::Element). Further Python objects come as [`Dynamic::Opaque`], and
//! plain Rust structs are not seen by Python.
//!
//! # Features
//!
//! All but the last are on unless a program says `default-features = false`. Without any there are
//! the heap with its names, the locks and waits, and the containers, for programs that start their
//! processes in a way of their own; then neither syn nor serde is compiled. There is no `init`
//! then: a process says with [`leave_at_exit`](heap::global::leave_at_exit) that its end is in order.
//!
//! | feature | brings | needs |
//! |---|---|---|
//! | `derive` | `#[derive(`[`Shareable`]`)]` | syn |
//! | `serde` | `Serialize` and `Deserialize` for [`Dynamic`], [`Error`], and for handles on their way to another process | serde |
//! | `process` | the module [`process`], [`init`], [`#[task]`](macro@task), [`#[main]`](macro@main) | `derive`, `serde`, postcard, inventory |
//! | `bench` | the module [`bench`](mod@bench) | `process` |
//! | `sim` | the crash simulator, for this crate's own tests | |
//!
//! # Layers
//!
//! [`List`] and the others are typed faces of untyped ones ([`containers::RawList`],
//! [`sync::RawLock`] ...), which the Python package uses too. Below them are [`heap`], which knows
//! blocks, participants and recovery, and [`sys`], which knows the operating system. [`observer`]
//! lets others watch every operation.

// On docs.rs each item says which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Whoever has one of ours in a type of their own can derive Debug for it.
#![warn(missing_debug_implementations)]

// The macros' paths start with the crate's name, here too.
extern crate self as pumasi;

#[cfg(feature = "bench")]
pub mod bench;
pub mod containers;
pub mod error;
pub mod heap;
pub mod observer;
pub mod pool;
#[cfg(feature = "process")]
pub mod process;
pub mod sync;
pub mod sys;

pub use containers::{
    Array, Counter, DefaultDict, Deque, Dict, Dynamic, List, Namespace, Queue, Set, Value, Vector,
};
pub use error::{Error, Result};
pub use heap::Heap;
pub use heap::shareable::Shareable;
#[cfg(feature = "process")]
pub use process::init;
#[cfg(feature = "derive")]
pub use pumasi_derive::Shareable;
#[cfg(feature = "process")]
pub use pumasi_derive::{main, task};
pub use sync::{Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, RwLock, Semaphore};
