//! The crate's one error type.
//!
//! A variant says what failed, on which object, with the numbers a person needs; the text is a
//! lower-case fragment, so that a caller can put a sentence around it.

use std::io;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The heap has reached its limit, or the system gave no more memory. Nothing was changed.
    #[error(
        "out of shared memory: {requested} bytes were asked for, {used} of the limit of {limit} are in use (raise it with PUMASI_HEAP_LIMIT or Heap::builder().limit(..))"
    )]
    OutOfMemory {
        /// Bytes asked for.
        requested: u64,
        /// The heap's limit in bytes.
        limit: u64,
        /// Bytes in use when the request failed.
        used: u64,
    },
    /// The object that this reference names has been freed.
    #[error("the shared object at {offset:#x} (generation {generation}) no longer exists")]
    StaleReference {
        /// Where the object was.
        offset: u64,
        /// The generation the reference was made for.
        generation: u64,
    },
    /// A container can hold only containers of its own heap.
    #[error(
        "an object of heap {found:032x} cannot be stored in heap {expected:032x}; store a plain copy of it (to_plain)"
    )]
    WrongHeap {
        /// The heap of the container.
        expected: u128,
        /// The heap of the object that was to be stored.
        found: u128,
    },
    /// The heap a reference points into cannot be reached any more.
    #[error(
        "heap {heap:032x} is gone, and the object in it with it ({why}); to keep data beyond the life of its processes store to_plain()"
    )]
    HeapGone {
        /// The identity of the heap.
        heap: u128,
        /// What was tried.
        why: String,
    },
    /// What cannot be the name of a heap.
    #[error("{name:?} cannot be the name of a heap: {why}")]
    BadName {
        /// The name.
        name: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// A heap of that name exists, and processes have it open.
    #[error("a heap named {name:?} exists; open it, or take another name")]
    HeapExists {
        /// The name.
        name: String,
    },
    /// No process has a heap of that name open.
    #[error(
        "no process has a heap named {name:?} open; create it first (a heap lives as long as a process has it open)"
    )]
    NoSuchHeap {
        /// The name.
        name: String,
    },
    /// What belongs to another user, or to a process that does not let others look.
    #[error("{what}")]
    Denied {
        /// What, and why.
        what: String,
    },
    /// The bytes of the heap do not follow its format.
    #[error("the heap is damaged at {offset:#x}: {what}")]
    Corrupt {
        /// Where.
        offset: u64,
        /// Which rule of the format is broken.
        what: &'static str,
    },
    /// An object or a value is of another type than the caller asked for.
    #[error("expected {expected}, found {found}")]
    TypeMismatch {
        /// What the caller asked for: `List`, `i64`.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// An index outside a sequence.
    #[error("{what} index out of range")]
    IndexOutOfRange {
        /// The operation, as Python words it: `list`, `pop`, `list assignment`.
        what: &'static str,
    },
    /// Something was to be taken out of an empty container.
    #[error("{what}")]
    Empty {
        /// The whole message, as Python words it: `pop from empty list`.
        what: &'static str,
    },
    /// Something was to be added to a container that may have no more.
    #[error("{what}")]
    Full {
        /// The whole message, as Python words it: `deque already at its maximum size`.
        what: &'static str,
    },
    /// The sizes of an extended slice and of what was to be stored in it differ.
    #[error("attempt to assign sequence of size {found} to extended slice of size {expected}")]
    SliceSize {
        /// How many items were given.
        found: usize,
        /// How many places the slice has.
        expected: usize,
    },
    /// A vector cannot lose or move elements while somebody has a view of them.
    #[error(
        "existing exports of data: a vector cannot be re-sized while views of it are out ({}); release them, or make room with reserve() before they are made",
        in_processes(*.processes)
    )]
    Exported {
        /// How many processes have views.
        processes: usize,
    },
    /// A slice with a step of zero.
    #[error("slice step cannot be zero")]
    ZeroStep,
    /// The container changed between a look and the change that depended on it.
    #[error("{what}")]
    Modified {
        /// The whole message, as Python words it: `list modified during sort`.
        what: &'static str,
    },
    /// An atomic addition found something that is not a number it can add to.
    #[error("the value under this key is not a number that can be added to in place")]
    NotANumber,
    /// A lock or semaphore was released more often than it was acquired.
    #[error("{what}")]
    NotHeld {
        /// The whole message, as Python words it.
        what: &'static str,
    },
    /// A barrier was broken, by `abort`, by a wait that took too long, by an action that failed or
    /// by the death of one who waited there; or it was reset while this thread waited.
    #[error("the barrier is broken")]
    BrokenBarrier,
    /// A process died while it held a lock, so that what the lock protects may be half done. The
    /// news stays with the lock until a next holder accepts it (`sync::LockError`).
    #[error(
        "{} died while it held the {what}, so that what it protects may be half done",
        dead(*.pid, *.signal)
    )]
    Abandoned {
        /// `Lock`, `RLock`, or the container whose `locked()` it was.
        what: &'static str,
        /// The process that died; 0 where that is not known.
        pid: u32,
        /// The signal that ended it, where known.
        signal: Option<i32>,
    },
    /// A queue was closed: nothing can be put any more, and nothing is left in it.
    #[error("{what}")]
    Closed {
        /// The whole message.
        what: &'static str,
    },
    /// The operation would have to wait, and the caller said not to.
    #[error("the operation would have to wait")]
    WouldBlock,
    /// The wait was ended by the caller's own check (a signal).
    #[error("the wait was interrupted")]
    Interrupted,
    /// Every slot for a process is taken.
    #[error("{limit} processes are attached to this heap, which is all it has room for")]
    TooManyParticipants {
        /// How many the heap has room for.
        limit: usize,
    },
    /// An error in another process, in its words: what a task returned.
    #[error("{what}")]
    Elsewhere {
        /// The message there.
        what: String,
    },
    /// A request that this heap or platform cannot serve.
    #[error("{what}")]
    Unsupported {
        /// What, and what to do instead.
        what: String,
    },
    /// A system call failed.
    #[error("{call} failed: {source}")]
    Os {
        /// The call.
        call: &'static str,
        /// What the system said.
        source: io::Error,
    },
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
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Error::OutOfMemory { .. })
    }

    /// Whether the object or its heap no longer exists.
    pub fn is_gone(&self) -> bool {
        matches!(self, Error::StaleReference { .. } | Error::HeapGone { .. })
    }
}

/// As the result of a task: its message, and whether memory ran out.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let memory = match *self {
            Error::OutOfMemory {
                requested,
                limit,
                used,
            } => Some((requested, limit, used)),
            _ => None,
        };
        (memory, self.to_string()).serialize(serializer)
    }
}

/// What a task returned: [`Error::OutOfMemory`] or [`Error::Elsewhere`].
impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (memory, what) = <(Option<(u64, u64, u64)>, String)>::deserialize(deserializer)?;
        Ok(match memory {
            Some((requested, limit, used)) => Error::OutOfMemory {
                requested,
                limit,
                used,
            },
            None => Error::Elsewhere { what },
        })
    }
}
