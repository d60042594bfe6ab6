//! The programs of the tour in Rust, each run in a process of its own by `pumasi tour-program`.
//!
//! [`processes`] has them on pumasi. [`threads`] has what comes nearest in Rust's standard library:
//! threads of one process, because it has nothing which processes could share. The computing which
//! both do is in [`work`] and [`identifiers`].

mod identifiers;
mod processes;
mod threads;
mod work;

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::Library;
use crate::embedding::Embedding;

/// How a program is to be run.
pub(crate) struct Task {
    pub(crate) library: Library,
    /// With few rounds and little data.
    pub(crate) quick: bool,
    /// The folder whose Python files are counted.
    pub(crate) data: Option<PathBuf>,
}

impl Task {
    fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

type Error = Box<dyn std::error::Error>;

/// Whether the standard library has anything to compare this program with.
pub(crate) fn has_threads(name: &str) -> bool {
    name != "killed_holder"
}

/// Runs one program and gives its result, in the form which the Python programs print.
///
/// # Errors
///
/// Whatever went wrong in the program, in words.
pub(crate) fn run(name: &str, task: &Task, embedding: &Embedding) -> Result<Value, Error> {
    match task.library {
        Library::Threads => threads::run(name, task),
        Library::Pumasi | Library::Multiprocessing => processes::run(name, task, embedding),
    }
}

fn json(finding: impl Serialize) -> Result<Value, Error> {
    Ok(serde_json::to_value(finding)?)
}

fn unknown(name: &str) -> Error {
    format!("there is no program {name} here").into()
}

/// The folder with the data, or what to do about it.
fn data(task: &Task) -> Result<&PathBuf, Error> {
    task.data
        .as_ref()
        .ok_or_else(|| "found no Python, whose library is the data of this program".into())
}
