//! Why a child has no result.

use std::fmt;

use crate::error::Error;
use crate::process::ExitStatus;

/// Which process an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The process's name, as given to the builder or made of its task's name.
    pub name: String,
    /// Its process id. The system may have given it to another process since.
    pub pid: u32,
}

/// `counter-2 (pid 4711)`.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// Why joining a child gave no result: how it died, or what was wrong with the call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The task panicked.
    #[error("process {who} panicked at {place}: {message}")]
    Panicked {
        /// The process.
        who: Who,
        /// What the panic said.
        message: String,
        /// Where in the source: `src/main.rs:10:5`.
        place: String,
    },
    /// A signal ended the process before its task had returned.
    #[error("process {who} was killed by {status}")]
    Killed {
        /// The process.
        who: Who,
        /// The signal, with its name.
        status: ExitStatus,
    },
    /// The process left with `std::process::exit` before its task had returned.
    #[error("process {who} left with {status} before its task had returned")]
    Exited {
        /// The process.
        who: Who,
        /// The exit code.
        status: ExitStatus,
    },
    /// The process ran, but not the task: its `main` does not begin with `pumasi::init()`.
    #[error(
        "process {who} ended with {status} and never ran its task: `main` must begin with pumasi::init() (or have #[pumasi::main])"
    )]
    NotStarted {
        /// The process.
        who: Who,
        /// How it ended.
        status: ExitStatus,
    },
    /// The program that the child runs has no such entry point.
    #[error(
        "process {who} has no entry point {task}: {executable} is another program, or was built without that task"
    )]
    NoSuchTask {
        /// The process.
        who: Who,
        /// The path of the function.
        task: String,
        /// What the child ran.
        executable: String,
    },
    /// The child could not read its arguments, or has a task of that name with others.
    #[error("process {who} could not take its arguments: {reason}")]
    BadArguments {
        /// The process.
        who: Who,
        /// What was wrong.
        reason: String,
    },
    /// The task returned, but its result could not be written down or read back.
    #[error("the result of process {who} was lost on its way: {reason}")]
    BadResult {
        /// The process.
        who: Who,
        /// What was wrong.
        reason: String,
    },
    /// The result has been handed out already.
    #[error("the result of process {who} has been taken already")]
    AlreadyTaken {
        /// The process.
        who: Who,
    },
    /// The process has ended, but not even its status is known: something else in this program
    /// waits for every child, or SIGCHLD is ignored.
    #[error("process {who} has ended without a result; its exit status was taken by someone else")]
    StatusUnknown {
        /// The process.
        who: Who,
    },
    /// Waiting itself failed.
    #[error(transparent)]
    System(#[from] Error),
}

impl JoinError {
    /// The process that the error is about, unless waiting itself failed.
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn fail() {
    /// #     panic!("no");
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = fail::spawn()?;
    /// let pid = child.pid();
    /// let why = child.join().unwrap_err();
    /// assert_eq!(why.who().map(|who| who.pid), Some(pid));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn who(&self) -> Option<&Who> {
        match self {
            JoinError::Panicked { who, .. }
            | JoinError::Killed { who, .. }
            | JoinError::Exited { who, .. }
            | JoinError::NotStarted { who, .. }
            | JoinError::NoSuchTask { who, .. }
            | JoinError::BadArguments { who, .. }
            | JoinError::BadResult { who, .. }
            | JoinError::AlreadyTaken { who }
            | JoinError::StatusUnknown { who } => Some(who),
            JoinError::System(_) => None,
        }
    }

    /// The signal that ended the process.
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn crash() {
    /// #     std::process::abort()
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let why = crash::spawn()?.join().unwrap_err(); // it called abort()
    /// assert_eq!((why.signal(), why.code()), (Some(6), None));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self {
            JoinError::Killed { status, .. } => status.signal(),
            _ => None,
        }
    }

    /// The code that the process left with before its task had returned.
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn leave() {
    /// #     std::process::exit(3)
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let why = leave::spawn()?.join().unwrap_err(); // it called exit(3)
    /// assert_eq!((why.code(), why.signal()), (Some(3), None));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            JoinError::Exited { status, .. } | JoinError::NotStarted { status, .. } => {
                status.code()
            }
            _ => None,
        }
    }

    /// What the panic said, if that is how the task ended.
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn fail(n: u32) {
    /// #     panic!("{n} is too much");
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let why = fail::spawn(7)?.join().unwrap_err();
    /// assert_eq!(why.panic_message(), Some("7 is too much"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn panic_message(&self) -> Option<&str> {
        match self {
            JoinError::Panicked { message, .. } => Some(message),
            _ => None,
        }
    }
}
