//! What this process is: the program `pumasi`, or a Python interpreter which loaded its library.

use std::ffi::OsString;
use std::path::PathBuf;

/// How the command line finds Python, and how it starts itself anew.
///
/// The program `pumasi` uses [`Embedding::standalone`]. A Python package which carries the command
/// line says with [`Embedding::in_python`] which interpreter is running, because there the running
/// executable is Python and not `pumasi`.
#[derive(Clone, Debug, Default)]
pub struct Embedding {
    /// The interpreter which runs Python programs. Without one, `PUMASI_PYTHON` names it, or else
    /// it is the first of `python3` and `python` on the `PATH` which can import pumasi.
    pub python: Option<PathBuf>,
    /// What to run, before further arguments, to get this command line again in a new process.
    /// Empty: the running executable.
    pub command: Vec<OsString>,
    /// What to run to get a process in which the tasks of this library are registered, for children
    /// of `pumasi::task`. Empty: the running executable.
    pub task_command: Vec<OsString>,
}

impl Embedding {
    /// The program `pumasi` itself.
    pub fn standalone() -> Self {
        Self::default()
    }

    /// A Python interpreter which has loaded this library.
    ///
    /// `command` begins with the interpreter and ends where arguments such as `tour` follow, for
    /// example `python -m pumasi`; `task_command` is the whole command line of a task's process.
    pub fn in_python(python: PathBuf, command: Vec<OsString>, task_command: Vec<OsString>) -> Self {
        Self {
            python: Some(python),
            command,
            task_command,
        }
    }
}
