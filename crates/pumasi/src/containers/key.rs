//! Keys of a dictionary in canonical form.
//!
//! Two keys are the same exactly when tag and canonical bytes are the same. What Python calls
//! equal has one form: `True`, `1`, `1.0` and `1+0j` are the integer 1.
//!
//! | key | form |
//! |---|---|
//! | None | the cell `NONE` |
//! | integer, bool, integral float or complex | an `Int` cell, or `BigInt` with as few bytes as it needs |
//! | other float | `Float`, its 8 bytes; NaN as its bits |
//! | other complex | `Complex`, 16 bytes; a negative zero as zero |
//! | str | a `ShortStr` cell or `Str`, UTF-8 |
//! | bytes | a `ShortBytes` cell or `Bytes` |
//! | tuple | `Tuple`, the forms of its items |
//! | anything else that has a form | `Typed`, bytes that the language's binding makes |
//!
//! Keys that only their language can compare lie in *buckets*: Typed bytes that begin alike, under
//! the hash of that beginning. The binding reads a bucket, compares outside the lock, and uses the
//! form of the key it found, or a new one.

use crate::error::Fast;
use crate::heap::cell::{Cell, Tag};
use crate::heap::layout::B_META;
use crate::heap::{Heap, hash};
use crate::sys::Host;

/// A key in canonical form, with its hash in one heap.
#[derive(Clone, Copy, Debug)]
pub struct Key<'k> {
    tag: Tag,
    cell: Cell,
    bytes: &'k [u8],
    hash: u64,
}

impl<'k> Key<'k> {
    /// A key that fits a cell: None, an integer of up to 60 bits, up to seven bytes.
    #[inline(always)]
    pub fn cell<H: Host>(heap: &Heap<H>, cell: Cell) -> Self {
        Key {
            tag: cell.tag(),
            cell,
            bytes: &[],
            hash: hash::cell(heap.hash_keys(), cell),
        }
    }

    /// An integer.
    #[inline]
    pub fn int<H: Host>(heap: &Heap<H>, i: i64, buffer: &'k mut [u8; 8]) -> Self {
        match Cell::int(i) {
            Some(cell) => Key::cell(heap, cell),
            None => {
                *buffer = i.to_le_bytes();
                Key::long(heap, Tag::BigInt, buffer)
            }
        }
    }

    /// A string.
    #[inline]
    pub fn str<H: Host>(heap: &Heap<H>, s: &'k str) -> Self {
        match Cell::short_str(s.as_bytes()) {
            Some(cell) => Key::cell(heap, cell),
            None => Key::long(heap, Tag::Str, s.as_bytes()),
        }
    }

    /// Bytes.
    #[inline]
    pub fn bytes_key<H: Host>(heap: &Heap<H>, bytes: &'k [u8]) -> Self {
        match Cell::short_bytes(bytes) {
            Some(cell) => Key::cell(heap, cell),
            None => Key::long(heap, Tag::Bytes, bytes),
        }
    }

    /// A canonical form that does not fit a cell; see the table above.
    #[inline]
    pub fn long<H: Host>(heap: &Heap<H>, tag: Tag, bytes: &'k [u8]) -> Self {
        debug_assert!(
            !(matches!(tag, Tag::Str | Tag::Bytes) && bytes.len() <= 7),
            "a short key has an inline form"
        );
        Key {
            tag,
            cell: Cell::EMPTY,
            bytes,
            hash: hash::bytes(heap.hash_keys(), tag as u8, bytes),
        }
    }

    /// A key that only its language can compare: found by the hash of the first `bucket` bytes,
    /// which are the same for all keys that may equal it, and told from these by the rest.
    pub fn in_bucket<H: Host>(heap: &Heap<H>, bytes: &'k [u8], bucket: usize) -> Self {
        let mut key = Key::long(heap, Tag::Typed, bytes);
        key.hash = bucket_hash(heap, bytes.get(..bucket).unwrap_or(bytes));
        key
    }

    /// The key as a cell, if it fits one.
    #[inline(always)]
    pub fn inline(&self) -> Option<Cell> {
        (self.cell != Cell::EMPTY).then_some(self.cell)
    }

    /// What it is.
    #[inline(always)]
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// The canonical bytes of a key that does not fit a cell.
    #[inline(always)]
    pub fn bytes(&self) -> &'k [u8] {
        self.bytes
    }

    /// Its hash in the heap it was made for.
    #[inline(always)]
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

/// The hash of all keys of a bucket.
pub(super) fn bucket_hash<H: Host>(heap: &Heap<H>, bucket: &[u8]) -> u64 {
    hash::bytes(heap.hash_keys(), Tag::Typed as u8, bucket)
}

impl<H: Host> Heap<H> {
    /// Whether the value that a cell leads to has these bytes. Its container is locked.
    pub(crate) fn value_equals(&self, cell: Cell, bytes: &[u8]) -> Fast<bool> {
        let block = self.resolve(cell)?;
        if cell.tag() == Tag::Float {
            return Ok(self.get(block.off + B_META).to_le_bytes() == bytes);
        }
        let (len, at) = self.value_bytes(block.off)?;
        if len != bytes.len() as u64 {
            return Ok(false);
        }
        let mut buffer = [core::mem::MaybeUninit::<u8>::uninit(); 64];
        for (i, part) in bytes.chunks(64).enumerate() {
            let copy = &mut buffer[..part.len()];
            self.host().copy_out(at + i as u64 * 64, copy);
            // SAFETY: `copy_out` has written every byte of `copy`.
            let copy =
                unsafe { core::slice::from_raw_parts(copy.as_ptr().cast::<u8>(), part.len()) };
            if copy != part {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
