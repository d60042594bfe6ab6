//! Containers that processes share.

mod buffer;
mod dict;
mod key;
mod leaves;
mod list;
mod locked;
mod queue;
mod slice;
mod snapshot;
mod table;
mod typed;

pub use buffer::RawBuffer;
pub use dict::{Number, Part, RawDict};
pub use key::Key;
pub use list::RawList;
pub use queue::{Order, RawQueue, Taken};
pub use slice::{Slice, Span};
pub use snapshot::{ItemRef, Snapshot};
pub use typed::{
    Addend, Arithmetic, Array, BigInt, Dict, DictIter, DictKey, Dynamic, Element, List, ListIter,
    Lockable, Locked, StoredAs, Typed, Value,
};
