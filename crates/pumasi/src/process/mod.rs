//! Processes: starting them with a task, waiting for them, learning how they ended.
//!
//! A child is this program started anew (never a `fork`, which a program with threads does not
//! survive), so everything in it is fresh: no variable of the parent is there, only the
//! arguments of its task. [`init`], the first thing in `main`, sees in a child that there is a
//! task to run, runs it, and exits with its result delivered.
//!
//! ```
//! #[pumasi::task]
//! fn divide(a: u64, b: u64) -> Result<u64, String> {
//!     a.checked_div(b).ok_or_else(|| format!("{a} cannot be divided by {b}"))
//! }
//!
//! #[pumasi::main]
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     assert_eq!(divide(6, 3), Ok(2)); // here
//!     assert_eq!(divide::spawn(6, 3)?.join()?, Ok(2)); // in another process
//!     assert!(divide::spawn(6, 0)?.join()?.is_err()); // a result like any other
//!     Ok(())
//! }
//! ```
//!
//! # How a child ends
//!
//! | the task | `join` gives | exit code |
//! |---|---|---|
//! | returns (also an `Err`) | `Ok` of what it returned | 0 |
//! | panics | [`JoinError::Panicked`] with message and place | 101, or SIGABRT with `panic = "abort"` |
//! | calls `std::process::exit(n)` | [`JoinError::Exited`] | n |
//! | is killed | [`JoinError::Killed`] with the signal | - |
//! | cannot be found or called | [`JoinError::NoSuchTask`], [`JoinError::BadArguments`] | 127 |
//!
//! When the task has returned, the process exits; threads which it left behind end there. A
//! child has the environment, the arguments and the output of its parent; its standard input is
//! empty. It lives on when its parent ends, unless it is a [daemon](Builder::daemon).
//!
//! # In tests
//!
//! The `main` of a test binary is not yours. [`test_support!`], once in each test binary which
//! starts processes, adds a test through which the children find their way.
//!
//! # Layers
//!
//! PROC-1: a child trusts its environment only as far as standard input proves it to be meant.
//! PROC-2: nothing here waits while it holds a lock, and no thread works in the background.

#![deny(unsafe_code)]

mod boot;
mod builder;
mod child;
mod error;
mod handover;
mod mailbox;
mod message;
mod orphans;
mod parallel;
mod parcel;
mod status;
mod task;
mod wait;

pub use boot::{Current, current};
pub use builder::{Builder, set_executable};
pub use child::Child;
pub use error::{JoinError, Who};
pub use parallel::parallel;
pub use status::{ExitStatus, signal_name};
pub use task::Call;
pub use wait::{Waitable, wait_all, wait_all_timeout, wait_any, wait_any_timeout};

#[cfg(feature = "bench")]
pub(crate) use {
    boot::here::run_here, message::Refusal, parcel::Unpacking, task::find as find_task,
};

use crate::error::Result;
use crate::heap::{Heap, global};

/// Joins the heap of this process tree, and in a process that was started with a task runs that
/// task and exits.
///
/// Call it first in `main`, before threads are started or arguments looked at, or put
/// `#[pumasi::main]` on `main`.
///
/// ```
/// #[pumasi::task]
/// fn one() -> u8 {
///     1
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     pumasi::init()?; // in the child of the next line it does not return
///     assert_eq!(one::spawn()?.join()?, 1);
///     Ok(())
/// }
/// ```
///
/// # Errors
/// As [`Heap::global`], and when the heap has no room for another process.
pub fn init() -> Result<&'static Heap> {
    boot::set_initialised();
    boot::run_task_if_started_with_one();
    let heap = global::init()?;
    crate::heap::global::leave_at_exit()?;
    Ok(heap)
}

/// Lets the tests of a test binary start processes.
///
/// Write it once in a module of the test binary. It adds a test that passes at once when run by
/// a person; a child is the test binary told to run only that test, and finds its task there.
///
/// ```
/// # #[cfg(test)]
/// mod tests {
///     pumasi::process::test_support!();
///
///     #[pumasi::task]
///     fn one() -> u8 {
///         1
///     }
///
///     #[test]
///     fn a_child_counts() {
///         assert_eq!(one::spawn().unwrap().join().unwrap(), 1);
///     }
/// }
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __pumasi_process_test_support {
    () => {
        #[test]
        fn pumasi_children_start_here() {
            $crate::process::__private::init_in_test();
        }

        $crate::process::__private::submit! {
            $crate::process::__private::TestEntry(::core::concat!(
                ::core::module_path!(),
                "::pumasi_children_start_here"
            ))
        }
    };
}

#[doc(inline)]
pub use crate::__pumasi_process_test_support as test_support;

/// What the macros' expansions use. Not for people, and without any promise.
#[doc(hidden)]
pub mod __private {
    pub use inventory::submit;

    pub use crate::error::Result;
    pub use crate::process::task::{Place, Registered, Task, TestEntry};
    pub use crate::process::{Builder, Call, Child};

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::process::boot::{self, TaskIo};
    use crate::process::message::Refusal;

    /// `init`, or the reason on stderr and the end.
    pub fn init_or_exit() {
        if let Err(why) = super::init() {
            eprintln!("error: {why}");
            std::process::exit(1);
        }
    }

    /// `init` in a test, which does not make the `main` of the test binary begin with it.
    pub fn init_in_test() {
        boot::run_task_if_started_with_one();
    }

    /// The next argument of a task.
    pub fn take<T: DeserializeOwned>(io: &mut TaskIo<'_>) -> core::result::Result<T, Refusal> {
        io.take()
    }

    /// The result of a task.
    pub fn give<T: Serialize>(
        io: &mut TaskIo<'_>,
        result: &T,
    ) -> core::result::Result<(), Refusal> {
        io.give(result)
    }
}
