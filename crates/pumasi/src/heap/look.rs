//! Looking into an object without its lock: for reads that share no cache line that they write.
//!
//! The version in the object's header serves as a sequence lock (C. Lameter, "Effective
//! synchronization on Linux/NUMA systems", 2005; H.-J. Boehm, "Can seqlocks get along with
//! programming language memory models?", 2012).
//!
//! LOOK-1: what a look has read counts only if nobody held the lock after the version was read,
//! and the version was still that afterwards. Who changes what a look may read raises the version
//! first, under the lock, with fences on both sides of that store.
//! LOOK-2: a look waits for nobody, stores nothing and takes nothing: where it cannot read, or
//! what it has read does not count, the operation takes the lock as any other.
//! LOOK-3: before it counts, whatever a look has read may be from memory that is something else by
//! now: it is nothing but a number, checked before use, in loops with a bound.

use core::sync::atomic::Ordering;

use crate::error::{Error, Fast};
use crate::heap::Heap;
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{BlockWord, Cell};
use crate::heap::layout::{B_META, O_LOCK, O_ROOT, O_USER, O_VERSION, OWNER, SB_OBSERVED};
use crate::heap::node::Form;
use crate::heap::object::ObjectRef;
use crate::heap::value::Fetch;
use crate::sys::Host;

/// How the words of an object are read: with its lock held, or in a look.
pub(crate) trait Words<H: Host> {
    /// Most steps of a search. A table that is whole always ends it.
    const STEPS: u64;

    /// The heap.
    fn heap(&self) -> &Heap<H>;
    /// The object's offset.
    fn object(&self) -> u64;
    /// A word that only holders of the lock write.
    fn get(&self, at: u64) -> u64;

    /// The root node.
    #[inline(always)]
    fn root(&self) -> Fast<BlockRef> {
        self.resolve(Cell(self.get(self.object() + O_ROOT)))
    }

    /// As [`Heap::resolve`], of a cell in this object.
    #[inline(always)]
    fn resolve(&self, cell: Cell) -> Fast<BlockRef> {
        self.heap().resolve_word(cell, |off| self.get(off))
    }

    /// The capacity of a node that must be of `form`.
    #[inline(always)]
    fn capacity(&self, off: u64, form: Form) -> Fast<u64> {
        // One subtraction: of another form it leaves more than any capacity.
        let capacity = self.get(off + B_META).wrapping_sub((form as u64) << 48);
        if capacity > self.heap().host().size() / 8 {
            return Err(Error::corrupt(off, "not the node that belongs here").into());
        }
        Ok(capacity)
    }

    /// As [`Heap::node`], of a node of this object.
    #[inline(always)]
    fn node(&self, off: u64) -> Fast<(Form, u64)> {
        self.heap().node_meta(off, self.get(off + B_META))
    }
}

/// A look into an object that nobody is changing.
pub(crate) struct Look<'a, H: Host> {
    heap: &'a Heap<H>,
    object: u64,
    version: u64,
}

impl<H: Host> Heap<H> {
    /// Begins a look; `None` where somebody is at work on the object, or listens, or where the
    /// object is gone: the way with the lock says what is to be said.
    #[inline(always)]
    pub(crate) fn look(&self, object: &ObjectRef<H>) -> Option<Look<'_, H>> {
        let (host, off) = (self.host(), object.offset());
        // A handle counts for processes that take part only.
        self.local().ok()?;
        let version = host.load64(off + O_VERSION, Ordering::Acquire);
        let free = host.load32(off + O_LOCK, Ordering::Acquire) & OWNER == 0
            && host.load32(off + O_USER, Ordering::Acquire) & OWNER == 0
            && host.load64(SB_OBSERVED, Ordering::Relaxed) == 0
            && host.load64(off, Ordering::Relaxed) == BlockWord::live(object.generation()).0;
        free.then_some(Look {
            heap: self,
            object: off,
            version,
        })
    }
}

impl<H: Host> Look<'_, H> {
    /// What was found, if it counts.
    #[inline(always)]
    pub(crate) fn end<T>(self, found: T) -> Option<T> {
        let host = self.heap.host();
        host.fence_of(Ordering::Acquire);
        let version = host.load64(self.object + O_VERSION, Ordering::Relaxed);
        (version == self.version).then_some(found)
    }

    /// The value in a cell, where it can be had by copying.
    #[inline(always)]
    pub(crate) fn fetch(&self, at: u64, cell: Cell, out: &mut Fetch<H>) -> Option<Cell> {
        let cell = cell.check(at).ok()?;
        (cell.is_inline() || self.heap.copy_block(cell, out)).then_some(cell)
    }
}

impl<H: Host> Words<H> for Look<'_, H> {
    const STEPS: u64 = 64;

    #[inline(always)]
    fn heap(&self) -> &Heap<H> {
        self.heap
    }
    #[inline(always)]
    fn object(&self) -> u64 {
        self.object
    }
    #[inline(always)]
    fn get(&self, at: u64) -> u64 {
        // LOOK-3: a place that was computed from what does not count may be anywhere.
        if at.is_multiple_of(8) && at < self.heap.host().size() {
            self.heap.host().load64(at, Ordering::Acquire)
        } else {
            0
        }
    }
}
