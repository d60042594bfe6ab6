//! The node that a Vector's elements lie in, side by side.
//!
//! ```text
//! ELEMENTS  word | meta | length | exports | type | bytes of an element | 0 | 0 | elements from byte 64
//! ```
//!
//! The capacity in the meta word is in words of 64 bits; the length, which is the commit word of an
//! append, in elements. `exports` leads to the object whose handles are the views of the elements
//! (VEC-3), and is EMPTY while nobody had any; `type` is a value that the languages tell each other
//! what the elements are by. Both move with the elements when these get a larger node.
//!
//! Elements of 1, 2, 4 and 8 bytes are read and written in one piece. What is larger, and several at
//! once, is overwritten from a DATA node beside (`overwrite`): when the log says that it has begun,
//! whoever recovers repeats all of it (VEC-2).

use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

use crate::error::{Error, Fast, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{Cell, State};
use crate::heap::layout::{BUFFER_DATA, CLASSES, O_ROOT};
use crate::heap::node::{Form, N_LENGTH, NewNode};
use crate::heap::{Heap, Local, class_for};
use crate::sys::Host;

/// The first of the cells below.
pub(crate) const VEC_CELLS: u64 = VEC_EXPORTS;
/// How many cells an ELEMENTS node has.
pub(crate) const VEC_CELLS_COUNT: u64 = 2;
/// The object whose handles are the views.
pub(crate) const VEC_EXPORTS: u64 = 24;
/// What the elements are.
pub(crate) const VEC_TYPE: u64 = 32;
/// Bytes of an element.
pub(crate) const VEC_ITEM: u64 = 40;

/// Of a DATA node with elements to overwrite others with: the number of the first of these,
const NEW_FIRST: u64 = 24;
/// and how far it is from one to the next, in elements.
const NEW_STEP: u64 = 32;

/// What is copied at a time.
const PIECE: usize = 4096;

/// Whether elements of this size are read and written in one piece.
#[inline(always)]
pub(crate) const fn is_whole(size: u64) -> bool {
    matches!(size, 1 | 2 | 4 | 8)
}

/// A node of elements, read once and checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements {
    pub(crate) block: BlockRef,
    /// How many there are.
    pub(crate) len: u64,
    /// How many there is room for.
    pub(crate) capacity: u64,
    /// Bytes of one.
    pub(crate) item: u64,
}

impl Elements {
    /// Where the `i`-th element is.
    #[inline(always)]
    pub(crate) fn at(&self, i: u64) -> u64 {
        self.block.off + BUFFER_DATA + i * self.item
    }
}

impl<H: Host> Heap<H> {
    /// The elements in a node.
    #[inline(always)]
    pub(crate) fn elements_in(&self, block: BlockRef) -> Fast<Elements> {
        let (form, words) = self.node(block.off)?;
        let (len, item) = (
            self.get(block.off + N_LENGTH),
            self.get(block.off + VEC_ITEM),
        );
        if form != Form::Elements
            || item == 0
            || block.off + BUFFER_DATA + words * 8 > self.host().size()
            || len > words * 8 / item
        {
            return Err(Error::corrupt(block.off, "not a node of elements").into());
        }
        Ok(Elements {
            block,
            len,
            capacity: words * 8 / item,
            item,
        })
    }

    /// Bytes of a node for `n` elements of `item` bytes; `None` when no heap is that large.
    pub(crate) fn elements_size(&self, n: u64, item: u64) -> Option<u64> {
        let bytes = n.checked_mul(item)?.checked_next_multiple_of(8)?;
        // From 128 bytes up every class is a multiple of 64, so that the elements are aligned.
        let size = bytes.checked_add(BUFFER_DATA)?.max(128);
        // All of the block or run that it gets.
        let size = match class_for(size, self.chunk_size()) {
            Some(class) => CLASSES[class],
            None => size.checked_next_multiple_of(self.chunk_size())?,
        };
        (size <= self.host().size()).then_some(size)
    }

    /// An empty node of `size` bytes as [`Heap::elements_size`] says.
    pub(crate) fn new_elements(
        &self,
        local: &'static Local,
        size: u64,
        item: u64,
        outside: bool,
    ) -> Result<NewNode<'_, H>> {
        let words = (size - BUFFER_DATA) / 8;
        let node = if outside {
            self.new_node_outside(local, Form::Elements, words, size)?
        } else {
            self.new_node(local, Form::Elements, words, size)?
        };
        node.set(VEC_EXPORTS, Cell::EMPTY.bits());
        node.set(VEC_TYPE, Cell::NONE.bits());
        node.set(VEC_ITEM, item);
        node.set(VEC_ITEM + 8, 0);
        node.set(VEC_ITEM + 16, 0);
        Ok(node)
    }

    /// A node with elements that are to overwrite others, no lock being held.
    pub(crate) fn new_data(&self, bytes: &[u8]) -> Result<NewNode<'_, H>> {
        let local = self.local()?;
        let len = bytes.len() as u64;
        let words = len.div_ceil(8);
        let size = BUFFER_DATA + words * 8;
        let node = self.new_node_outside(local, Form::Data, words, size)?;
        node.set(N_LENGTH, len);
        self.host().copy_in(node.block.off + BUFFER_DATA, bytes);
        Ok(node)
    }

    /// Says which elements those in `new` are for.
    pub(crate) fn aim(&self, new: &NewNode<'_, H>, first: u64, step: i64) {
        new.set(NEW_FIRST, first);
        new.set(NEW_STEP, step.cast_unsigned());
    }

    /// Overwrites the elements of an object with those in `new`. May run again; once the block is
    /// gone, all of it was done.
    pub(crate) fn overwrite(&self, object: u64, new: BlockRef) -> Result<()> {
        let word = self.word(new.off);
        if word.generation() != new.generation || word.state() != Some(State::Pending) {
            return Ok(());
        }
        let root = self.resolve(Cell(self.get(object + O_ROOT)))?;
        let old = self.elements_in(root)?;
        let (form, words) = self.node(new.off)?;
        let bytes = self.get(new.off + N_LENGTH);
        let n = bytes / old.item;
        let (first, step) = (
            self.get(new.off + NEW_FIRST),
            self.get(new.off + NEW_STEP).cast_signed(),
        );
        let last = i128::from(first) + i128::from(step) * (i128::from(n) - 1);
        let all = 0..i128::from(old.len);
        if form != Form::Data
            || bytes > words * 8
            || new.off + BUFFER_DATA + words * 8 > self.host().size()
            || n > 0 && !(all.contains(&i128::from(first)) && all.contains(&last))
        {
            return Err(Error::corrupt(
                new.off,
                "not what elements are overwritten with",
            ));
        }
        let from = new.off + BUFFER_DATA;
        if step == 1 && !is_whole(old.item) {
            self.copy_elements(from, old.at(first), n * old.item, 1);
            return Ok(());
        }
        for i in 0..n {
            let to = old.at(first.wrapping_add_signed(step.wrapping_mul(i.cast_signed())));
            self.copy_elements(from + i * old.item, to, old.item, old.item);
        }
        Ok(())
    }

    /// Copies bytes within the heap; one element of `item` bytes in one piece where it can be.
    fn copy_elements(&self, from: u64, to: u64, len: u64, item: u64) {
        let host = self.host();
        if len == item && is_whole(item) {
            let size = item as usize;
            host.store_whole(to, size, host.load_whole(from, size));
        } else {
            self.copy_bytes(from, to, len);
        }
    }

    /// Copies bytes within the heap; the ranges do not overlap, and nobody else reads or writes
    /// the second.
    pub(crate) fn copy_bytes(&self, from: u64, to: u64, len: u64) {
        let host = self.host();
        let mut piece = [MaybeUninit::uninit(); PIECE];
        let mut done = 0;
        while done < len {
            let n = (len - done).min(PIECE as u64) as usize;
            host.copy_out(from + done, &mut piece[..n]);
            // SAFETY: `copy_out` has written all of these bytes.
            let bytes = unsafe { core::slice::from_raw_parts(piece.as_ptr().cast::<u8>(), n) };
            host.copy_in(to + done, bytes);
            done += n as u64;
        }
    }

    /// Reads bytes of the heap behind those in `out`.
    pub(crate) fn read_bytes(&self, from: u64, len: u64, out: &mut Vec<u8>) {
        out.reserve(len as usize);
        let room = &mut out.spare_capacity_mut()[..len as usize];
        self.host().copy_out(from, room);
        // SAFETY: so many bytes behind the length were written just now.
        unsafe { out.set_len(out.len() + len as usize) };
    }

    /// Writes one element.
    #[inline(always)]
    pub(crate) fn write_element(&self, at: u64, bytes: &[u8]) {
        if is_whole(bytes.len() as u64) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            self.host()
                .store_whole(at, bytes.len(), u64::from_le_bytes(whole));
        } else {
            self.host().copy_in(at, bytes);
        }
    }

    /// The slots of the processes that hold a handle of an object.
    pub(crate) fn holders(&self, object: u64) -> Vec<u64> {
        use crate::heap::layout::{MAX_PARTICIPANTS, O_HANDLES};
        let mut slots = Vec::new();
        for i in 0..MAX_PARTICIPANTS / 64 {
            let mut word = self
                .host()
                .load64(object + O_HANDLES + i * 8, Ordering::SeqCst);
            while word != 0 {
                slots.push(i * 64 + u64::from(word.trailing_zeros()));
                word &= word - 1;
            }
        }
        slots
    }
}
