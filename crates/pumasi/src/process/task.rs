//! Entry points: what `#[pumasi::task]` registers, and calls of them.
//!
//! Every task of the program, also those of the libraries in it, is in one list which the linker
//! puts together (the crate `inventory`). A child finds its task there by the function's path.

use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::process::boot::TaskIo;
use crate::process::message::Refusal;
use crate::process::parcel::Parcel;

/// A place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the compiler was given it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// A function that a process can be started with.
#[derive(Debug)]
pub struct Task {
    /// The path of the function: crate, modules and name.
    pub name: &'static str,
    /// Where it is defined, which tells two of one path apart.
    pub place: Place,
    /// Its types as text.
    pub signature: &'static str,
    /// Reads the arguments, calls the function, writes the result.
    pub run: fn(&mut TaskIo<'_>) -> core::result::Result<(), Refusal>,
}

impl Task {
    /// The function's own name, without the path to it.
    pub(crate) fn short_name(&self) -> &'static str {
        self.name.rsplit("::").next().unwrap_or(self.name)
    }
}

/// A task in the program's list.
#[derive(Debug)]
pub struct Registered(pub &'static Task);

inventory::collect!(Registered);

/// A test that children of a test binary are started through.
#[derive(Debug)]
pub struct TestEntry(pub &'static str);

inventory::collect!(TestEntry);

/// The task of this path, the one at `place` if there are several.
pub(crate) fn find(name: &str, file: &str, line: u32, column: u32) -> Option<&'static Task> {
    let mut same_name = None;
    for Registered(task) in inventory::iter::<Registered> {
        if task.name != name {
            continue;
        }
        let at = task.place;
        if (at.file, at.line, at.column) == (file, line, column) {
            return Some(task);
        }
        same_name = Some(*task);
    }
    same_name
}

/// A task and its arguments, ready to be started: what `work::call(..)` returns.
///
/// Nothing runs until it is given to [`Builder::spawn`](crate::process::Builder::spawn) or
/// [`parallel`](crate::process::parallel()).
#[must_use = "a call runs only when it is spawned"]
pub struct Call<R> {
    pub(crate) task: &'static Task,
    pub(crate) arguments: Result<Parcel>,
    result: PhantomData<fn() -> R>,
}

impl<R> std::fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("task", &self.task.name)
            .finish_non_exhaustive()
    }
}

impl<R> Call<R> {
    /// Has the arguments written down; if they cannot be, spawning says so.
    pub fn new(
        task: &'static Task,
        write: impl FnOnce(&mut Parcel) -> core::result::Result<(), String>,
    ) -> Call<R> {
        let mut parcel = Parcel::default();
        let arguments = match write(&mut parcel) {
            Ok(()) => Ok(parcel),
            Err(why) => Err(Error::Unsupported {
                what: format!("the arguments of {} cannot be sent: {why}", task.name),
            }),
        };
        Call {
            task,
            arguments,
            result: PhantomData,
        }
    }

    /// The path of the function that will be called.
    ///
    /// ```
    /// #[pumasi::task]
    /// fn count(_from: u32) {}
    ///
    /// let call = count::call(1); // nothing runs yet
    /// assert!(call.task_name().ends_with("::count"));
    /// ```
    #[must_use]
    pub fn task_name(&self) -> &'static str {
        self.task.name
    }
}
