//! A buffer: bytes of fixed size that never move, which Value and Array lie in.
//!
//! ```text
//! header --O_ROOT--> DATA: word | meta | length in bytes | ... | bytes from byte 64
//! ```
//!
//! There is no lock in here: an access of up to 8 aligned bytes is one store, larger ones can be
//! seen half done, and whoever minds takes a lock ([`ObjectRef::access`] then tells the observer).
//! If a process dies, what it has stored stays.

use core::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::layout::BUFFER_DATA;
use crate::heap::node::{Form, N_LENGTH};
use crate::heap::object::{Kind, ObjectRef};
use crate::observer::Op;
use crate::sys::{Host, Real};

/// Bytes of fixed size, zero at first, aligned to 64.
pub struct RawBuffer<H: Host = Real> {
    object: ObjectRef<H>,
    data: u64,
    len: u64,
}

impl<H: Host> core::fmt::Debug for RawBuffer<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.object.fmt(f)
    }
}

impl<H: Host> Clone for RawBuffer<H> {
    fn clone(&self) -> Self {
        RawBuffer {
            object: self.object.clone(),
            ..*self
        }
    }
}

impl<H: Host> RawBuffer<H> {
    /// `len` bytes of zero. `tag` is the caller's, to be found again by [`RawBuffer::tag`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>, len: u64, tag: u32) -> Result<Self> {
        let local = heap.local()?;
        let words = len.div_ceil(8);
        // From 128 bytes up every class is a multiple of 64, so that the data is aligned.
        let bytes = (BUFFER_DATA.saturating_add(words.saturating_mul(8))).max(128);
        if bytes > heap.host().size() {
            return Err(Error::OutOfMemory {
                requested: len,
                limit: heap.limit(),
                used: heap.used(),
            });
        }
        let node = heap.new_node(local, Form::Data, words, bytes)?;
        node.set(N_LENGTH, len);
        heap.host().zero_words(node.block.off + BUFFER_DATA, words);
        let root = (node.cell(), node.block);
        node.used();
        let object = heap.create_object(Kind::Buffer, tag, Some(root), 0)?;
        Ok(RawBuffer {
            object,
            data: root.1.off + BUFFER_DATA,
            len,
        })
    }

    /// The buffer that a handle leads to.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] when it is something else, [`Error::Corrupt`] for an impossible
    /// size.
    pub fn from_object(object: ObjectRef<H>) -> Result<Self> {
        object.expect(Kind::Buffer)?;
        let heap = object.heap();
        let data = heap.buffer_data(&object)?;
        let (form, words) = heap.node(data - BUFFER_DATA)?;
        let len = heap.get(data - BUFFER_DATA + N_LENGTH);
        if form != Form::Data || len > words * 8 || data + words * 8 > heap.host().size() {
            return Err(Error::corrupt(data, "a buffer of an impossible size"));
        }
        Ok(RawBuffer { data, len, object })
    }

    /// The handle.
    pub fn object(&self) -> &ObjectRef<H> {
        &self.object
    }

    /// How many bytes there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the bytes start in the heap, aligned to 64.
    pub(crate) fn start(&self) -> u64 {
        self.data
    }

    /// What the maker noted about the content.
    pub fn tag(&self) -> u32 {
        self.object
            .heap()
            .get(self.object.offset() + crate::heap::layout::O_META) as u32
    }

    #[inline(always)]
    pub(crate) fn host(&self) -> &H {
        self.object.heap().host()
    }

    /// Where `len` bytes from `at` on are in the heap.
    #[inline(always)]
    pub(crate) fn range(&self, at: usize, len: usize) -> Result<u64> {
        if at > self.len() || len > self.len() - at {
            return Err(Error::IndexOutOfRange { what: "buffer" });
        }
        Ok(self.data + at as u64)
    }

    /// Copies bytes out. What another process writes meanwhile may come out half done.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`].
    pub fn read(&self, at: usize, bytes: &mut [u8]) -> Result<()> {
        self.object.tell_of(Op::Snapshot, false);
        self.copy_out(at, bytes)
    }

    /// As [`RawBuffer::read`], within an operation that the observer is told of.
    pub(crate) fn copy_out(&self, at: usize, bytes: &mut [u8]) -> Result<()> {
        let off = self.range(at, bytes.len())?;
        // SAFETY: `MaybeUninit<u8>` has the layout of `u8`, and `copy_out` only writes bytes.
        let bytes = unsafe {
            core::slice::from_raw_parts_mut(
                bytes.as_mut_ptr().cast::<core::mem::MaybeUninit<u8>>(),
                bytes.len(),
            )
        };
        self.object.heap().host().copy_out(off, bytes);
        Ok(())
    }

    /// Copies bytes in. Another process that reads meanwhile may see it half done.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`].
    pub fn write(&self, at: usize, bytes: &[u8]) -> Result<()> {
        self.object.tell_of(Op::Splice, false);
        self.copy_in(at, bytes)
    }

    /// As [`RawBuffer::write`], within an operation that the observer is told of.
    pub(crate) fn copy_in(&self, at: usize, bytes: &[u8]) -> Result<()> {
        let off = self.range(at, bytes.len())?;
        self.object.heap().host().copy_in(off, bytes);
        Ok(())
    }

    /// Reads the 64-bit word at byte `at`, a multiple of 8, in one piece.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], also when `at` is not a multiple of 8.
    pub fn load(&self, at: usize) -> Result<u64> {
        self.object.tell_of(Op::Get, false);
        Ok(self
            .object
            .heap()
            .host()
            .load64(self.word(at)?, Ordering::Acquire))
    }

    /// Adds to the 64-bit word at byte `at`, wrapping, in one step; what was there before.
    ///
    /// # Errors
    /// As [`RawBuffer::load`].
    pub fn fetch_add(&self, at: usize, n: u64) -> Result<u64> {
        self.object.tell_of(Op::Add, false);
        Ok(self.object.heap().host().add64(self.word(at)?, n))
    }

    fn word(&self, at: usize) -> Result<u64> {
        if !at.is_multiple_of(8) {
            return Err(Error::IndexOutOfRange { what: "buffer" });
        }
        self.range(at, 8)
    }
}

impl RawBuffer<Real> {
    /// Where the bytes are in this process: aligned to 64, in place for as long as a handle of
    /// the buffer lives anywhere.
    #[inline(always)]
    pub fn ptr(&self) -> *mut u8 {
        self.object.heap().host().mem().range(self.data, self.len)
    }
}
