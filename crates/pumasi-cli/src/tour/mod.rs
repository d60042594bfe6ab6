//! The tour: small programs, each with one idea, run on pumasi and on the standard library.
//!
//! [`ideas`] lists them with their texts. A program, in Python or in Rust, prints its result as a
//! line of JSON; [`findings`] reads it, judges it and says it in words. [`runner`] runs a program
//! under a watchdog, [`python`] finds the interpreter, [`report`] is what the whole tour found, and
//! [`text`] and JSON are two ways to print it. [`rust_side`] has the programs in Rust.

pub(crate) mod findings;
pub(crate) mod ideas;
pub(crate) mod numbers;
pub(crate) mod progress;
pub(crate) mod python;
pub(crate) mod report;
pub(crate) mod runner;
pub(crate) mod rust_side;
pub(crate) mod text;

use serde::Serialize;

/// What a program runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Library {
    /// pumasi.
    Pumasi,
    /// Python's `multiprocessing`.
    Multiprocessing,
    /// The threads and locks of Rust's standard library, within one process.
    Threads,
}

impl Library {
    /// The name as it is printed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Library::Pumasi => "pumasi",
            Library::Multiprocessing => "multiprocessing",
            Library::Threads => "std::thread",
        }
    }
}
