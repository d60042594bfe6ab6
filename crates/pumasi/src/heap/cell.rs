//! Cells: one 64-bit word for any value, and block words.
//!
//! ```text
//! cell:        payload(60) | tag(4)
//!   Int        a 60-bit signed integer
//!   ShortStr, ShortBytes   bytes(56) | length(4)
//!   block      generation(20) | offset / 16 (40)
//! block word:  state(6) | slot(10) | generation(48)
//! ```
//!
//! CELL-1: the all-zero cell is EMPTY and never stands for a value, so that fresh memory holds
//! none. CELL-2: a block's generation only grows, and a cell keeps the low 20 bits of it, which
//! is enough because whoever holds the cell keeps the block alive; what outlives the holder
//! (logs, handles, pickles) keeps all 48.

use crate::error::{Error, Fast};
use crate::heap::layout::GENERATION;

/// What a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Tag {
    /// EMPTY, None, False, True or a tombstone.
    Special = 0,
    /// An integer of at most 60 bits.
    Int = 1,
    /// At most seven bytes of UTF-8.
    ShortStr = 2,
    /// At most seven bytes.
    ShortBytes = 3,
    /// A block with a 64-bit float.
    Float = 4,
    /// A block with UTF-8.
    Str = 5,
    /// A block with bytes.
    Bytes = 6,
    /// A block with a two's complement integer, little-endian.
    BigInt = 7,
    /// A block with two 64-bit floats.
    Complex = 8,
    /// A block with an encoded tuple.
    Tuple = 9,
    /// A block with a pickle, opaque to Rust.
    Pickle = 10,
    /// A block with the bytes of a `Shareable` type behind its type id.
    Typed = 11,
    /// A shared object.
    Object = 12,
    /// A block that belongs to a container's own structure (leaf, directory, table, data).
    Node = 13,
}

impl Tag {
    fn of(bits: u64) -> Option<Tag> {
        Some(match bits & 15 {
            0 => Tag::Special,
            1 => Tag::Int,
            2 => Tag::ShortStr,
            3 => Tag::ShortBytes,
            4 => Tag::Float,
            5 => Tag::Str,
            6 => Tag::Bytes,
            7 => Tag::BigInt,
            8 => Tag::Complex,
            9 => Tag::Tuple,
            10 => Tag::Pickle,
            11 => Tag::Typed,
            12 => Tag::Object,
            13 => Tag::Node,
            _ => return None,
        })
    }
}

/// One value, or where it is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Cell(pub(crate) u64);

impl Cell {
    /// No value at all.
    pub const EMPTY: Cell = Cell(0);
    /// `None`.
    pub const NONE: Cell = Cell(1 << 4);
    /// `False`.
    pub const FALSE: Cell = Cell(2 << 4);
    /// `True`.
    pub const TRUE: Cell = Cell(3 << 4);
    /// Where an entry was.
    pub(crate) const TOMBSTONE: Cell = Cell(4 << 4);

    /// `True` or `False`.
    #[inline(always)]
    pub const fn bool(b: bool) -> Cell {
        if b { Cell::TRUE } else { Cell::FALSE }
    }

    /// A small integer; `None` when it needs more than 60 bits.
    #[inline(always)]
    pub const fn int(i: i64) -> Option<Cell> {
        if (i << 4) >> 4 == i {
            Some(Cell(((i as u64) << 4) | Tag::Int as u64))
        } else {
            None
        }
    }

    /// A string of at most seven bytes; `None` when it is longer.
    #[inline(always)]
    pub fn short_str(utf8: &[u8]) -> Option<Cell> {
        Cell::short(utf8, Tag::ShortStr)
    }

    /// At most seven bytes; `None` when there are more.
    #[inline(always)]
    pub fn short_bytes(bytes: &[u8]) -> Option<Cell> {
        Cell::short(bytes, Tag::ShortBytes)
    }

    #[inline(always)]
    fn short(bytes: &[u8], tag: Tag) -> Option<Cell> {
        // Written out by length: a copy of variable length would be a call.
        let n = bytes.len();
        let packed = match n {
            0 => 0,
            1..=3 => {
                let (first, middle, last) = (bytes[0], bytes[n / 2], bytes[n - 1]);
                u64::from(first)
                    | (u64::from(middle) << (8 * (n / 2)))
                    | (u64::from(last) << (8 * (n - 1)))
            }
            4..=7 => {
                let word = |at: usize| {
                    u64::from(u32::from_le_bytes([
                        bytes[at],
                        bytes[at + 1],
                        bytes[at + 2],
                        bytes[at + 3],
                    ]))
                };
                word(0) | (word(n - 4) << (8 * (n - 4)))
            }
            _ => return None,
        };
        Some(Cell((packed << 8) | ((n as u64) << 4) | tag as u64))
    }

    /// What kind of value this is. A pattern that no version of the format writes counts as
    /// `Special`; `Cell::check` refuses it.
    #[inline(always)]
    pub fn tag(self) -> Tag {
        Tag::of(self.0).unwrap_or(Tag::Special)
    }

    /// The integer of an `Int` cell.
    #[inline(always)]
    pub const fn as_int(self) -> i64 {
        (self.0 as i64) >> 4
    }

    /// The bytes of a `ShortStr` or `ShortBytes` cell: an array, and how many of it count.
    #[inline(always)]
    pub const fn as_short(self) -> ([u8; 8], usize) {
        let n = ((self.0 >> 4) & 15) as usize;
        ((self.0 >> 8).to_le_bytes(), if n > 7 { 7 } else { n })
    }

    /// Whether the value is in the cell itself.
    #[inline(always)]
    pub const fn is_inline(self) -> bool {
        self.0 & 15 < Tag::Float as u64
    }

    /// Whether the value may lead to shared objects: it is one, or a block with edges.
    #[inline(always)]
    pub(crate) const fn may_lead(self) -> bool {
        matches!(self.0 & 15, 10 | 12)
    }

    /// The raw word.
    #[inline(always)]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// A cell that leads to a block.
    #[inline(always)]
    pub(crate) fn block(tag: Tag, off: u64, generation: u64) -> Cell {
        Cell(((generation & 0xf_ffff) << 44) | ((off >> 4) << 4) | tag as u64)
    }

    /// Offset of the block; only for cells that are not inline.
    #[inline(always)]
    pub(crate) const fn offset(self) -> u64 {
        ((self.0 >> 4) & ((1 << 40) - 1)) << 4
    }

    /// The low 20 bits of the block's generation.
    #[inline(always)]
    pub(crate) const fn generation20(self) -> u64 {
        self.0 >> 44
    }

    /// Refuses what cannot be a value: read from a damaged heap.
    #[inline(always)]
    pub(crate) fn check(self, at: u64) -> Fast<Cell> {
        let tag = self.0 & 15;
        let special = tag == Tag::Special as u64 && (self.0 == 0 || self.0 > Cell::TRUE.0);
        if special || tag >= Tag::Node as u64 {
            return Err(Error::corrupt(at, "not a value").into());
        }
        Ok(self)
    }
}

impl core::fmt::Debug for Cell {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.tag() {
            Tag::Special => write!(f, "Special({})", self.0 >> 4),
            Tag::Int => write!(f, "Int({})", self.as_int()),
            tag if self.is_inline() => {
                let (bytes, n) = self.as_short();
                write!(f, "{tag:?}({:?})", String::from_utf8_lossy(&bytes[..n]))
            }
            tag => write!(f, "{tag:?}@{:#x}", self.offset()),
        }
    }
}

/// The life of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Nobody's.
    Free = 0,
    /// Being filled by the participant in the slot; nobody else knows of it.
    Pending = 1,
    /// Reachable.
    Live = 2,
    /// No longer reachable, but pinned by readers; the last one frees it.
    Limbo = 3,
}

/// The one authoritative word of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockWord(pub(crate) u64);

impl BlockWord {
    #[inline(always)]
    pub(crate) fn new(state: State, slot: u64, generation: u64) -> BlockWord {
        BlockWord(((state as u64) << 58) | (slot << 48) | (generation & GENERATION))
    }
    #[inline(always)]
    pub(crate) fn live(generation: u64) -> BlockWord {
        BlockWord::new(State::Live, 0, generation)
    }
    #[inline(always)]
    pub(crate) fn state(self) -> Option<State> {
        Some(match self.0 >> 58 {
            0 => State::Free,
            1 => State::Pending,
            2 => State::Live,
            3 => State::Limbo,
            _ => return None,
        })
    }
    #[inline(always)]
    pub(crate) fn slot(self) -> u64 {
        (self.0 >> 48) & 0x3ff
    }
    #[inline(always)]
    pub(crate) fn generation(self) -> u64 {
        self.0 & GENERATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_trip_up_to_60_bits() {
        let most = (1i64 << 59) - 1;
        for i in [0, 1, -1, 42, most, -most - 1] {
            let cell = Cell::int(i).unwrap();
            assert_eq!((cell.tag(), cell.as_int()), (Tag::Int, i));
            assert!(cell.is_inline());
        }
        assert_eq!(Cell::int(most + 1), None);
        assert_eq!(Cell::int(-most - 2), None);
    }

    #[test]
    fn short_strings_round_trip() {
        for s in [
            "", "a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "품", "\0\0",
        ] {
            let cell = Cell::short_str(s.as_bytes()).unwrap();
            let (bytes, n) = cell.as_short();
            assert_eq!(&bytes[..n], s.as_bytes());
            assert_eq!(cell.tag(), Tag::ShortStr);
        }
        assert_eq!(Cell::short_str(b"12345678"), None);
        assert_ne!(Cell::short_str(b"a"), Cell::short_bytes(b"a"));
        assert_ne!(Cell::short_str(b""), Cell::short_str(b"\0"));
    }

    #[test]
    fn block_cells_keep_offset_and_generation() {
        let cell = Cell::block(Tag::Str, 0xabcdef0, 0x12_3456_789a);
        assert_eq!(cell.offset(), 0xabcdef0);
        assert_eq!(cell.generation20(), 0x12_3456_789a & 0xf_ffff);
        assert_eq!(cell.tag(), Tag::Str);
        assert!(!cell.is_inline());
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for bits in [0, 4 << 4, 5 << 4, 13, 14, 15] {
            assert!(Cell(bits).check(0).is_err(), "{bits:#x}");
        }
        for cell in [Cell::NONE, Cell::TRUE, Cell::FALSE] {
            assert!(cell.check(0).is_ok());
        }
    }
}
