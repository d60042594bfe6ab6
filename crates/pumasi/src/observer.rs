//! The seam through which others can watch: what every operation on a shared object reports.
//!
//! Nothing here decides anything. An operation has two points: *before*, outside every lock,
//! where a listener may hold the caller up (a scheduler does); and *after*, outside every lock
//! again, with the ticket and the version that were taken inside. While nobody listens an
//! operation costs one read of a word in the heap's header and a branch (OBS-1). The word is in
//! shared memory, so that one process can switch the counters on for all.
//!
//! *Before* is told of each attempt: one that would have to wait where it may not comes again.
//! *After* is told of what is done, once (OBS-2).
//!
//! [`crate::Heap::count_operations`] starts the first listener, the counters in shared memory;
//! [`install`] adds one of your own to this process.

use std::sync::OnceLock;

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Op {
    /// Read one element or value.
    Get,
    /// Overwrite one element or value.
    Set,
    /// Ask for the length.
    Len,
    /// Look whether something is in it.
    Contains,
    /// Take one step of an iteration.
    Iterate,
    /// Copy all or part of it at one moment.
    Snapshot,
    /// Add at the end.
    Append,
    /// Add several at the end.
    Extend,
    /// Add in the middle.
    Insert,
    /// Replace or remove a range.
    Splice,
    /// Take an element out.
    Pop,
    /// Remove an element.
    Remove,
    /// Remove all.
    Clear,
    /// Change the order.
    Reorder,
    /// Add to a number in one step.
    Add,
    /// Set unless it is there.
    SetDefault,
    /// Read, compute, and write if nothing changed.
    Update,
    /// Take a lock or a permit.
    Acquire,
    /// Give it back.
    Release,
    /// Wait for a flag.
    Wait,
    /// Raise a flag.
    Raise,
    /// Lower a flag.
    Lower,
}

impl Op {
    /// Every operation, in the order of their numbers.
    pub const ALL: [Op; 22] = [
        Op::Get,
        Op::Set,
        Op::Len,
        Op::Contains,
        Op::Iterate,
        Op::Snapshot,
        Op::Append,
        Op::Extend,
        Op::Insert,
        Op::Splice,
        Op::Pop,
        Op::Remove,
        Op::Clear,
        Op::Reorder,
        Op::Add,
        Op::SetDefault,
        Op::Update,
        Op::Acquire,
        Op::Release,
        Op::Wait,
        Op::Raise,
        Op::Lower,
    ];

    /// Its name in reports.
    ///
    /// ```
    /// assert_eq!(pumasi::observer::Op::Append.name(), "append");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Op::Get => "get",
            Op::Set => "set",
            Op::Len => "len",
            Op::Contains => "contains",
            Op::Iterate => "iterate",
            Op::Snapshot => "snapshot",
            Op::Append => "append",
            Op::Extend => "extend",
            Op::Insert => "insert",
            Op::Splice => "splice",
            Op::Pop => "pop",
            Op::Remove => "remove",
            Op::Clear => "clear",
            Op::Reorder => "reorder",
            Op::Add => "add",
            Op::SetDefault => "setdefault",
            Op::Update => "update",
            Op::Acquire => "acquire",
            Op::Release => "release",
            Op::Wait => "wait",
            Op::Raise => "set_flag",
            Op::Lower => "clear_flag",
        }
    }
}

/// One operation, as a listener is told of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event {
    /// What is done.
    pub op: Op,
    /// The object: its offset in the heap.
    pub object: u64,
    /// The participant's slot.
    pub participant: u64,
    /// The thread in that process.
    pub thread: u32,
    /// In `after`: the operation's place among all observed operations of the heap, taken while
    /// the object was locked. 0 in `before`.
    pub ticket: u64,
    /// In `after`: the object's version when the operation was done. 0 in `before`.
    pub version: u64,
    /// In `after`: whether it had to wait for another.
    pub contended: bool,
}

impl Event {
    /// An event before its operation.
    pub(crate) fn new(op: Op, object: u64, participant: u64, thread: u32) -> Event {
        Event {
            op,
            object,
            participant,
            thread,
            ticket: 0,
            version: 0,
            contended: false,
        }
    }
}

/// What wants to be told.
pub trait Listener: Send + Sync {
    /// Before an operation. No lock is held: it may block, and may use shared objects.
    fn before(&self, event: &Event);
    /// After an operation. No lock is held.
    fn after(&self, event: &Event);
}

static LISTENER: OnceLock<&'static dyn Listener> = OnceLock::new();

/// Makes `listener` this process's listener, for good. Turn it on for a heap with
/// [`crate::Heap::observe`].
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use pumasi::{Heap, List, observer::{Event, Listener, install}};
///
/// struct Counts(AtomicU32);
/// impl Listener for Counts {
///     fn before(&self, _: &Event) {}
///     fn after(&self, _: &Event) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
/// static COUNTS: Counts = Counts(AtomicU32::new(0));
/// assert!(install(&COUNTS).is_ok());
/// assert!(install(&COUNTS).is_err()); // there is one
///
/// let list = List::<i64>::new()?;
/// Heap::global()?.observe(true);
/// list.push(1)?;
/// assert_eq!(COUNTS.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), pumasi::Error>(())
/// ```
///
/// # Errors
/// Gives the listener back when the process has one.
pub fn install(listener: &'static dyn Listener) -> Result<(), &'static dyn Listener> {
    LISTENER.set(listener)
}

/// This process's listener.
pub(crate) fn listener() -> Option<&'static dyn Listener> {
    LISTENER.get().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_in_the_list_at_its_number() {
        for (i, op) in Op::ALL.into_iter().enumerate() {
            assert_eq!(op as usize, i);
        }
    }
}
