//! Containers that processes share.

mod bucket;
mod buffer;
mod deque;
mod dict;
mod face;
mod key;
mod leaves;
mod list;
mod locked;
mod queue;
mod roots;
mod set;
mod several;
mod slice;
mod snapshot;
mod table;
mod typed;
mod vector;

pub use bucket::Found;
pub use buffer::RawBuffer;
pub use deque::{End, RawDeque};
pub use dict::{Number, Part, RawDict};
pub use key::Key;
pub use list::RawList;
pub use queue::{Order, RawQueue, Taken};
pub use set::{Algebra, Member, RawSet};
pub use slice::{Slice, Span};
pub use snapshot::{ItemRef, Snapshot};
pub use typed::{
    Addend, Arithmetic, Array, BigInt, Counter, DefaultDict, Deque, DequeIter, Dict, DictIter,
    DictKey, Drain, Dynamic, Element, Factory, Fresh, Joined, List, ListIter, Lockable, Locked,
    Namespace, Queue, QueueBuilder, QueueIter, Set, SetIter, StoredAs, Typed, UntilClosed, Value,
    Vector,
};
pub use vector::{Export, RawVector};
