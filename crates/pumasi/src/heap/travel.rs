//! Shared objects, and this crate's errors, as parts of values that are written down with serde.
//!
//! A handle is written as a token (heap, offset, generation), and a token keeps nothing alive.
//! So whoever writes values down [collects](collect) the objects among them, and keeps them until
//! the reader has handles of its own: in edges of the block that the bytes go to, for instance.
//! Without a collector a handle refuses to be written: in a file or on a network it would be a
//! promise that nobody keeps.

use core::cell::RefCell;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;
use crate::heap::object::ObjectRef;
use crate::heap::{Heap, HeapId};
use crate::sys::Real;

thread_local! {
    /// The objects that the running [`collect`] of this thread has come across.
    static COLLECTED: RefCell<Option<Vec<ObjectRef>>> = const { RefCell::new(None) };
}

/// Runs `write`, and gives the shared objects whose handles were written down in it.
///
/// ```
/// use pumasi::heap::travel::collect;
///
/// let list = pumasi::List::of([1])?;
/// let write = || serde_json::to_string(&list); // as any format
/// let (written, kept) = collect(write);
/// assert!(written.is_ok() && kept == [list.raw().object().clone()]);
/// assert!(write().is_err()); // here nobody would keep it alive
/// # Ok::<(), pumasi::Error>(())
/// ```
pub fn collect<T>(write: impl FnOnce() -> T) -> (T, Vec<ObjectRef>) {
    /// Puts back what was there, also when `write` panics: it runs a user's `Serialize`.
    struct Restore(Option<Vec<ObjectRef>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let ours = COLLECTED.replace(self.0.take());
            // Not under the borrow: the last handle of an object destroys it.
            drop(ours);
        }
    }
    let before = Restore(COLLECTED.replace(Some(Vec::new())));
    let value = write();
    let objects = COLLECTED.take().unwrap_or_default();
    drop(before);
    (value, objects)
}

/// Writes the token down and leaves a handle with the collector.
///
/// # Errors
/// Outside of [`collect`], where nothing would keep the object alive for the reader.
impl Serialize for ObjectRef<Real> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let handle = self.clone();
        let kept = COLLECTED.with_borrow_mut(|collected| match collected {
            Some(objects) => {
                objects.push(handle);
                true
            }
            None => false,
        });
        if !kept {
            return Err(S::Error::custom(format_args!(
                "a shared {} can be sent to a process and stored in a shared container; \
                 elsewhere, write a plain copy of it down",
                self.kind().name()
            )));
        }
        let (offset, generation) = self.token();
        // By it a process that has not opened a named heap finds its way there.
        let ticket = self.heap().name().map(|_| self.heap().ticket());
        (self.heap().id(), offset, generation, ticket).serialize(serializer)
    }
}

/// Finds the object in a heap that this process has open, or opens a named one.
impl<'de> Deserialize<'de> for ObjectRef<Real> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (id, offset, generation, ticket) =
            <(HeapId, u64, u64, Option<String>)>::deserialize(deserializer)?;
        let found = match (Heap::find_open(id), ticket) {
            (Some(heap), _) => Ok(heap),
            (None, Some(ticket)) => Heap::attach_ticket(&ticket),
            (None, None) => Err(Error::HeapGone {
                heap: id,
                why: "this process does not have it open".to_owned(),
            }),
        };
        let heap = found.map_err(D::Error::custom)?;
        ObjectRef::from_token(&heap, (offset, generation)).map_err(D::Error::custom)
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
