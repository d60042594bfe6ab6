//! Shared memory for many processes: containers and locks that survive a killed worker.
//!
//! See [`Heap`] for the memory that processes share.

pub mod error;
pub mod heap;
pub mod observer;
pub mod sys;

pub use error::{Error, Result};
pub use heap::Heap;
pub use heap::global::init;
