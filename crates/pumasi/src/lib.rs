//! Shared memory for many processes: containers and locks that survive a killed worker.
//!
//! See [`Heap`] for the memory that processes share.

// The macros' paths start with the crate's name, here too.
extern crate self as pumasi;

pub mod containers;
pub mod error;
pub mod heap;
pub mod observer;
pub mod process;
pub mod sync;
pub mod sys;

pub use error::{Error, Result};
pub use heap::Heap;
pub use heap::shareable::Shareable;
pub use process::init;
pub use pumasi_derive::{Shareable, main, task};
