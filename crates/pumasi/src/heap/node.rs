//! Nodes: the blocks that containers are built of, as far as destruction walks them.
//!
//! ```text
//! every node:  word | form(8), capacity(48) | length | ...
//! LEAF         word | meta | length | cells[capacity]
//! DIRECTORY    word | meta | length | leaves | (start, leaf)[capacity]
//! TABLE        word | meta | used | live | tail | log2 of index | (hash, key, original, value)[capacity] | index
//! DATA         word | meta | ... bytes from BUFFER_DATA
//! ```
//!
//! The root node of a List has its length (the commit word of append and pop); a leaf below a
//! directory does not use the word. In a directory, the entries that count are those which start
//! below the length; `leaves` is a cache of their number. In a table, the entries below `used`
//! count (the commit word of an insertion) unless their key is a tombstone (the commit word of a
//! removal); `live`, `tail` and the index are caches.

use core::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{Cell, State, Tag};
use crate::heap::layout::{B_META, O_ROOT};
use crate::heap::log::Doomed;
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    Leaf = 16,
    Directory = 17,
    Table = 18,
    Data = 19,
}

pub(crate) const N_LENGTH: u64 = 16;
/// First cell of a leaf.
pub(crate) const LEAF_CELLS: u64 = 24;
pub(crate) const DIR_LEAVES: u64 = 24;
/// First entry of a directory: two words each.
pub(crate) const DIR_ENTRIES: u64 = 32;
pub(crate) const TABLE_LIVE: u64 = 24;
pub(crate) const TABLE_TAIL: u64 = 32;
pub(crate) const TABLE_INDEX: u64 = 40;
/// First entry of a table: four words each.
pub(crate) const TABLE_ENTRIES: u64 = 64;
pub(crate) const TABLE_ENTRY: u64 = 32;

pub(crate) const fn node_meta(form: Form, capacity: u64) -> u64 {
    ((form as u64) << 48) | capacity
}

impl<H: Host> Heap<H> {
    #[inline(always)]
    pub(crate) fn get(&self, at: u64) -> u64 {
        self.host().load64(at, Ordering::Acquire)
    }

    /// Form and capacity of a node.
    #[inline(always)]
    pub(crate) fn node(&self, off: u64) -> Result<(Form, u64)> {
        let meta = self.get(off + B_META);
        let form = match meta >> 48 {
            16 => Form::Leaf,
            17 => Form::Directory,
            18 => Form::Table,
            19 => Form::Data,
            _ => return Err(Error::corrupt(off, "not a node")),
        };
        let capacity = meta & ((1 << 48) - 1);
        // No entry is smaller than a word: this bounds every loop and every product below.
        if capacity > self.host().size() / 8 {
            return Err(Error::corrupt(off, "an impossible capacity"));
        }
        Ok((form, capacity))
    }

    /// Frees a replaced directory with its leaves, or a replaced leaf; values stay.
    pub(crate) fn free_tree(&self, local: &Local, root: Cell) -> Result<()> {
        let Ok(block) = self.resolve(root) else {
            // Freed before the one who did it died.
            return Ok(());
        };
        if let (Form::Directory, capacity) = self.node(block.off)? {
            let leaves = self.get(block.off + DIR_LEAVES).min(capacity);
            for i in 0..leaves {
                let at = block.off + DIR_ENTRIES + i * 16 + 8;
                if let Ok(leaf) = self.resolve(Cell(self.get(at))) {
                    self.free(local, leaf);
                }
            }
        }
        self.free(local, block);
        Ok(())
    }

    /// Destroys what an object holds. The caller holds its lock and nobody else reaches it; runs
    /// again from the start when the one who did it died.
    pub(crate) fn destroy_root(
        &self,
        local: &Local,
        object: u64,
        doomed: &mut Doomed,
    ) -> Result<()> {
        let root = Cell(self.get(object + O_ROOT));
        if root.tag() != Tag::Node {
            return Ok(());
        }
        let Ok(block) = self.resolve(root) else {
            return Ok(());
        };
        self.release_node(local, object, block, doomed)?;
        self.free(local, block);
        Ok(())
    }

    fn release_node(
        &self,
        local: &Local,
        object: u64,
        block: BlockRef,
        doomed: &mut Doomed,
    ) -> Result<()> {
        let off = block.off;
        let (form, capacity) = self.node(off)?;
        let length = self.get(off + N_LENGTH);
        match form {
            Form::Data => {}
            Form::Leaf => {
                self.release_cells(local, object, off + LEAF_CELLS, length.min(capacity), doomed)?;
            }
            Form::Table => {
                for i in 0..length.min(capacity) {
                    let entry = off + TABLE_ENTRIES + i * TABLE_ENTRY;
                    // Key, original and value; a removed entry's are gone already.
                    if Cell(self.get(entry + 8)) != Cell::TOMBSTONE {
                        self.release_cells(local, object, entry + 8, 3, doomed)?;
                    }
                }
            }
            Form::Directory => {
                let leaves = self.get(off + DIR_LEAVES).min(capacity);
                for i in 0..leaves {
                    let entry = off + DIR_ENTRIES + i * 16;
                    let start = self.get(entry);
                    let end = if i + 1 < leaves {
                        self.get(entry + 16)
                    } else {
                        length
                    };
                    let Ok(leaf) = self.resolve(Cell(self.get(entry + 8))) else {
                        continue;
                    };
                    let (_, cells) = self.node(leaf.off)?;
                    let n = end.saturating_sub(start).min(cells);
                    self.release_cells(local, object, leaf.off + LEAF_CELLS, n, doomed)?;
                    self.free(local, leaf);
                }
            }
        }
        Ok(())
    }

    /// Whether a block holds a value (not a node or an object header), told by its meta word.
    pub(crate) fn is_value(&self, off: u64) -> bool {
        self.get(off + B_META) >> 48 < Form::Leaf as u64
            && matches!(
                self.word(off).state(),
                Some(State::Live | State::Limbo)
            )
    }
}
