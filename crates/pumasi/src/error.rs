//! The crate's one error type.
//!
//! A variant says what failed, on which object, with the numbers a person needs; the text is a
//! lower-case fragment, so that a caller can put a sentence around it.

use std::{fmt, io};

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// The result of a function on the hot path: its error is one pointer, so that a success comes
/// back in registers. `?` turns it into an [`Error`] at the public face.
pub(crate) type Fast<T> = core::result::Result<T, Fault>;

/// An [`Error`] on its way out.
#[derive(Debug)]
pub(crate) struct Fault(Box<Error>);

impl From<Error> for Fault {
    #[cold]
    fn from(error: Error) -> Fault {
        Fault(Box::new(error))
    }
}

impl From<Fault> for Error {
    #[cold]
    fn from(fault: Fault) -> Error {
        *fault.0
    }
}

/// What can go wrong with a shared object.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The heap has reached its limit, or the system gave no more memory. Nothing was changed.
    OutOfMemory {
        /// Bytes asked for.
        requested: u64,
        /// The heap's limit in bytes.
        limit: u64,
        /// Bytes in use when the request failed.
        used: u64,
    },
    /// The object that this reference names has been freed.
    StaleReference {
        /// Where the object was.
        offset: u64,
        /// The generation the reference was made for.
        generation: u64,
    },
    /// A container can hold only containers of its own heap.
    WrongHeap {
        /// The heap of the container.
        expected: u128,
        /// The heap of the object that was to be stored.
        found: u128,
    },
    /// The heap a reference points into cannot be reached any more.
    HeapGone {
        /// The identity of the heap.
        heap: u128,
        /// What was tried.
        why: String,
    },
    /// What cannot be the name of a heap.
    BadName {
        /// The name.
        name: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// A heap of that name exists, and processes have it open.
    HeapExists {
        /// The name.
        name: String,
    },
    /// No process has a heap of that name open.
    NoSuchHeap {
        /// The name.
        name: String,
    },
    /// What belongs to another user, or to a process that does not let others look.
    Denied {
        /// What, and why.
        what: String,
    },
    /// The bytes of the heap do not follow its format.
    Corrupt {
        /// Where.
        offset: u64,
        /// Which rule of the format is broken.
        what: &'static str,
    },
    /// An object or a value is of another type than the caller asked for.
    TypeMismatch {
        /// What the caller asked for: `List`, `i64`.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// An index outside a sequence.
    IndexOutOfRange {
        /// The operation, as Python words it: `list`, `pop`, `list assignment`.
        what: &'static str,
    },
    /// Something was to be taken out of an empty container.
    Empty {
        /// The whole message, as Python words it: `pop from empty list`.
        what: &'static str,
    },
    /// Something was to be added to a container that may have no more.
    Full {
        /// The whole message, as Python words it: `deque already at its maximum size`.
        what: &'static str,
    },
    /// The sizes of an extended slice and of what was to be stored in it differ.
    SliceSize {
        /// How many items were given.
        found: usize,
        /// How many places the slice has.
        expected: usize,
    },
    /// A vector cannot lose or move elements while somebody has a view of them.
    Exported {
        /// How many processes have views.
        processes: usize,
    },
    /// A slice with a step of zero.
    ZeroStep,
    /// The container changed between a look and the change that depended on it.
    Modified {
        /// The whole message, as Python words it: `list modified during sort`.
        what: &'static str,
    },
    /// An atomic addition found something that is not a number it can add to.
    NotANumber,
    /// A lock or semaphore was released more often than it was acquired.
    NotHeld {
        /// The whole message, as Python words it.
        what: &'static str,
    },
    /// A barrier was broken, by `abort`, by a wait that took too long, by an action that failed or
    /// by the death of one who waited there; or it was reset while this thread waited.
    BrokenBarrier,
    /// A process died while it held a lock, so that what the lock protects may be half done. The
    /// news stays with the lock until a next holder accepts it (`sync::LockError`).
    Abandoned {
        /// `Lock`, `RLock`, or the container whose `locked()` it was.
        what: &'static str,
        /// The process that died; 0 where that is not known.
        pid: u32,
        /// The signal that ended it, where known.
        signal: Option<i32>,
    },
    /// A queue was closed: nothing can be put any more, and nothing is left in it.
    Closed {
        /// The whole message.
        what: &'static str,
    },
    /// The operation would have to wait, and the caller said not to.
    WouldBlock,
    /// The wait was ended by the caller's own check (a signal).
    Interrupted,
    /// Every slot for a process is taken.
    TooManyParticipants {
        /// How many the heap has room for.
        limit: usize,
    },
    /// An error in another process, in its words: what a task returned.
    Elsewhere {
        /// The message there.
        what: String,
    },
    /// A request that this heap or platform cannot serve.
    Unsupported {
        /// What, and what to do instead.
        what: String,
    },
    /// A system call failed.
    Os {
        /// The call.
        call: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

// By hand: thiserror would bring syn to those who want nothing but shared memory.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::OutOfMemory {
                requested,
                limit,
                used,
            } => write!(
                f,
                "out of shared memory: {requested} bytes were asked for, {used} of the limit of \
                 {limit} are in use (raise it with PUMASI_HEAP_LIMIT or Heap::builder().limit(..))"
            ),
            Error::StaleReference { offset, generation } => write!(
                f,
                "the shared object at {offset:#x} (generation {generation}) no longer exists"
            ),
            Error::WrongHeap { expected, found } => write!(
                f,
                "an object of heap {found:032x} cannot be stored in heap {expected:032x}; store a \
                 plain copy of it (to_plain)"
            ),
            Error::HeapGone { heap, why } => write!(
                f,
                "heap {heap:032x} is gone, and the object in it with it ({why}); to keep data \
                 beyond the life of its processes store to_plain()"
            ),
            Error::BadName { name, why } => {
                write!(f, "{name:?} cannot be the name of a heap: {why}")
            }
            Error::HeapExists { name } => write!(
                f,
                "a heap named {name:?} exists; open it, or take another name"
            ),
            Error::NoSuchHeap { name } => write!(
                f,
                "no process has a heap named {name:?} open; create it first (a heap lives as long \
                 as a process has it open)"
            ),
            Error::Corrupt { offset, what } => {
                write!(f, "the heap is damaged at {offset:#x}: {what}")
            }
            Error::TypeMismatch { expected, found } => {
                write!(f, "expected {expected}, found {found}")
            }
            Error::IndexOutOfRange { what } => write!(f, "{what} index out of range"),
            Error::Denied { what } | Error::Elsewhere { what } | Error::Unsupported { what } => {
                f.write_str(what)
            }
            Error::Empty { what }
            | Error::Full { what }
            | Error::Modified { what }
            | Error::NotHeld { what }
            | Error::Closed { what } => f.write_str(what),
            Error::SliceSize { found, expected } => write!(
                f,
                "attempt to assign sequence of size {found} to extended slice of size {expected}"
            ),
            Error::Exported { processes } => write!(
                f,
                "existing exports of data: a vector cannot be re-sized while views of it are out \
                 ({}); release them, or make room with reserve() before they are made",
                in_processes(*processes)
            ),
            Error::ZeroStep => f.write_str("slice step cannot be zero"),
            Error::NotANumber => f.write_str(
                "the value under this key is not a number that can be added to in place",
            ),
            Error::BrokenBarrier => f.write_str("the barrier is broken"),
            Error::Abandoned { what, pid, signal } => write!(
                f,
                "{} died while it held the {what}, so that what it protects may be half done",
                dead(*pid, *signal)
            ),
            Error::WouldBlock => f.write_str("the operation would have to wait"),
            Error::Interrupted => f.write_str("the wait was interrupted"),
            Error::TooManyParticipants { limit } => write!(
                f,
                "{limit} processes are attached to this heap, which is all it has room for"
            ),
            Error::Os { call, source } => write!(f, "{call} failed: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Os { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// `in 2 processes`.
fn in_processes(n: usize) -> String {
    match n {
        1 => "in 1 process".to_owned(),
        n => format!("in {n} processes"),
    }
}

/// `process 4711 (signal 9)`.
fn dead(pid: u32, signal: Option<i32>) -> String {
    let who = match pid {
        0 => "a process".to_owned(),
        pid => format!("process {pid}"),
    };
    match signal {
        Some(number) => format!("{who} (signal {number})"),
        None => who,
    }
}

impl Error {
    /// An [`Error::Corrupt`] at `offset`.
    #[cold]
    #[inline(never)]
    pub(crate) fn corrupt(offset: u64, what: &'static str) -> Error {
        Error::Corrupt { offset, what }
    }

    /// Turns an errno into an error that names the call.
    #[cold]
    pub(crate) fn os(call: &'static str) -> impl FnOnce(rustix::io::Errno) -> Error {
        move |errno| Error::Os {
            call,
            source: io::Error::from_raw_os_error(errno.raw_os_error()),
        }
    }

    /// Whether the memory limit was the reason.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Error::OutOfMemory { .. })
    }

    /// Whether the object or its heap no longer exists.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Error::StaleReference { .. } | Error::HeapGone { .. })
    }
}
