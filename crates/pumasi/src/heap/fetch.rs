//! Where a reader gets a value that does not fit a cell: copied, or pinned in place.
//!
//! See `value` for what a pin promises (PIN-1).

use core::mem::MaybeUninit;

use crate::heap::Heap;
use crate::heap::alloc::BlockRef;
use crate::heap::cell::State;
use crate::heap::layout::COPY_LIMIT;
use crate::heap::object::ObjectRef;
use crate::sys::{Host, Real};

/// A large value that this process keeps in place while it reads it.
#[derive(Debug)]
pub struct Pinned<H: Host> {
    pub(super) heap: Heap<H>,
    pub(super) slot: u64,
    pub(super) block: BlockRef,
    pub(super) pins: u64,
    pub(super) bytes: u64,
    pub(super) len: u64,
}

impl<H: Host> Pinned<H> {
    /// The heap it is in.
    pub fn heap(&self) -> &Heap<H> {
        &self.heap
    }

    /// Where the bytes are, and how many.
    pub fn range(&self) -> (u64, u64) {
        (self.bytes, self.len)
    }
}

impl<H: Host> Drop for Pinned<H> {
    fn drop(&mut self) {
        let Ok(local) = self.heap.local() else { return };
        // In a child of a fork the pin is its parent's, unless it was copied with the others.
        if local.slot != self.slot && !local.heir_of.contains(&self.slot) {
            return;
        }
        let last = local
            .pins
            .with(|count| match count.get_mut(&self.block.off) {
                Some(n) if *n > 1 => {
                    *n -= 1;
                    false
                }
                Some(_) => {
                    count.remove(&self.block.off);
                    self.heap
                        .host()
                        .and64(self.pins + local.slot / 64 * 8, !(1 << (local.slot % 64)));
                    true
                }
                None => false,
            });
        self.heap.host().fence();
        if last && self.heap.word(self.block.off).state() == Some(State::Limbo) {
            self.heap.free_if_unpinned(local, self.block, self.pins);
        }
    }
}

/// Where a reader wants a value that does not fit a cell. Making one costs nothing: its buffer
/// is not initialised, and what needs dropping comes with the first value that needs it. Use one
/// for many reads.
pub struct Fetch<H: Host = Real> {
    pub(super) small: [MaybeUninit<u8>; COPY_LIMIT as usize],
    pub(super) len: usize,
    pub(super) float: f64,
    pub(super) rest: Option<Rest<H>>,
}

impl<H: Host> core::fmt::Debug for Fetch<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Fetch")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// What owns something else.
pub(super) struct Rest<H: Host> {
    pub(super) pinned: Option<Pinned<H>>,
    pub(super) object: Option<ObjectRef<H>>,
    /// The objects that the last pickle fetched refers to.
    pub(super) held: Vec<ObjectRef<H>>,
    large: Vec<u8>,
}

impl<H: Host> Default for Fetch<H> {
    fn default() -> Self {
        Fetch::new()
    }
}

impl<H: Host> Fetch<H> {
    /// An empty one.
    #[inline(always)]
    pub fn new() -> Self {
        Fetch {
            small: [const { MaybeUninit::uninit() }; COPY_LIMIT as usize],
            len: 0,
            float: 0.0,
            rest: None,
        }
    }

    pub(super) fn rest(&mut self) -> &mut Rest<H> {
        self.rest.get_or_insert_with(|| Rest {
            pinned: None,
            object: None,
            held: Vec::new(),
            large: Vec::new(),
        })
    }

    /// Lets go of the last value fetched.
    pub(super) fn forget(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.held.clear();
            rest.pinned = None;
        }
    }

    /// The bytes of the last value fetched, if it was a string, bytes, tuple or the like. Of a
    /// large value they are copied now, outside every lock.
    pub fn bytes(&mut self) -> &[u8] {
        if let Some(rest) = &mut self.rest {
            if let Some(pinned) = rest.pinned.take() {
                let len = pinned.len as usize;
                rest.large.clear();
                rest.large.reserve_exact(len);
                pinned
                    .heap
                    .host()
                    .copy_out(pinned.bytes, &mut rest.large.spare_capacity_mut()[..len]);
                // SAFETY: the first `len` bytes of the spare capacity were just written.
                unsafe { rest.large.set_len(len) };
                self.len = usize::MAX;
            }
            if self.len == usize::MAX {
                return &rest.large;
            }
        }
        // SAFETY: `len` bytes were written by the fetch that set it.
        unsafe { core::slice::from_raw_parts(self.small.as_ptr().cast::<u8>(), self.len) }
    }

    /// The bytes, where the caller wants to keep them.
    pub fn to_vec(&mut self) -> Vec<u8> {
        self.bytes();
        match &mut self.rest {
            Some(rest) if self.len == usize::MAX => core::mem::take(&mut rest.large),
            _ => self.bytes().to_vec(),
        }
    }

    /// The large value that was pinned, still in place.
    pub fn take_pinned(&mut self) -> Option<Pinned<H>> {
        self.rest.as_mut()?.pinned.take()
    }

    /// The last float fetched.
    #[inline(always)]
    pub fn float(&self) -> f64 {
        self.float
    }

    /// The last object fetched, as a handle.
    pub fn take_object(&mut self) -> Option<ObjectRef<H>> {
        self.rest.as_mut()?.object.take()
    }

    /// The objects that the last pickle fetched refers to.
    pub(crate) fn take_held(&mut self) -> Vec<ObjectRef<H>> {
        self.rest
            .as_mut()
            .map(|rest| core::mem::take(&mut rest.held))
            .unwrap_or_default()
    }
}
