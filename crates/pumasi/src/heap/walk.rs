//! Walking over what a node leads to, by the form of the node: for the collector, which must see
//! every edge, and for whoever asks how much memory an object takes.
//!
//! A new form of node gets its arm here, in `walk`, and nowhere else in the collector.

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::cell::{Cell, Tag};
use crate::heap::elements::{VEC_CELLS, VEC_CELLS_COUNT};
use crate::heap::layout::CLASSES;
use crate::heap::lease::L_CELL;
use crate::heap::node::{
    DIR_ENTRIES, DIR_LEAVES, Form, LEAF_CELLS, N_LENGTH, TABLE_ENTRIES, TABLE_ENTRY,
};
use crate::heap::ring::{
    HUB_LEASES, HUB_RING, HUB_STATE, HUB_TASKS, LEASE, LEASES, RING_STATE, Ring,
};
use crate::sys::Host;

impl<H: Host> Heap<H> {
    /// Calls `f` with the cells of a node and of the nodes below it, these nodes' own included:
    /// about `most` of them, beginning at `from`, which is 0 or what the call before has returned.
    /// `None` at the end. The lock of the node's object is held, its log settled.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub(crate) fn walk(
        &self,
        node: u64,
        from: u64,
        most: u64,
        f: &mut impl FnMut(Cell),
    ) -> Result<Option<u64>> {
        let (form, capacity) = self.node(node)?;
        let length = self.get(node + N_LENGTH);
        let to = |end: u64| from.saturating_add(most.max(1)).min(end);
        let (until, end) = match form {
            Form::Data => return Ok(None),
            Form::Waiters => {
                // The nodes behind it, all at once: there are few.
                for next in self.waiters_after(node) {
                    f(Cell::block(Tag::Node, next.off, next.generation));
                }
                return Ok(None);
            }
            Form::Elements => {
                self.walk_cells(node + VEC_CELLS, VEC_CELLS_COUNT, f);
                return Ok(None);
            }
            Form::Leaf => {
                let end = length.min(capacity);
                self.walk_cells(
                    node + LEAF_CELLS + from * 8,
                    to(end).saturating_sub(from),
                    f,
                );
                (to(end), end)
            }
            Form::Table => {
                let end = length.min(capacity);
                for entry in (from..to(end)).map(|i| node + TABLE_ENTRIES + i * TABLE_ENTRY) {
                    // Key, original and value; a removed entry's are gone.
                    if Cell(self.get(entry + 8)) != Cell::TOMBSTONE {
                        self.walk_cells(entry + 8, 3, f);
                    }
                }
                (to(end), end)
            }
            Form::Ring => {
                let ring = self.ring_in(self.block_at(node), node + RING_STATE)?;
                self.walk_ring(&ring, from, to(ring.len), f);
                (to(ring.len), ring.len)
            }
            Form::Hub => {
                let cell = Cell(self.get(node + HUB_RING));
                let ring = self.ring(cell, node + HUB_STATE)?;
                if from == 0 {
                    f(cell);
                    f(Cell(self.get(node + HUB_TASKS)));
                    self.walk_leases(node, f);
                }
                self.walk_ring(&ring, from, to(ring.len), f);
                (to(ring.len), ring.len)
            }
            Form::Directory => {
                // Counted in leaves.
                let end = self.get(node + DIR_LEAVES).min(capacity);
                let (mut leaf, mut seen) = (from, 0);
                while leaf < end && seen < most {
                    seen += self.walk_leaf(node, leaf, end, length, f)?;
                    leaf += 1;
                }
                (leaf, end)
            }
        };
        Ok((until < end).then_some(until))
    }

    /// One leaf of a directory; how many cells it has.
    fn walk_leaf(
        &self,
        directory: u64,
        leaf: u64,
        leaves: u64,
        length: u64,
        f: &mut impl FnMut(Cell),
    ) -> Result<u64> {
        let entry = directory + DIR_ENTRIES + leaf * 16;
        let start = self.get(entry);
        let end = if leaf + 1 < leaves {
            self.get(entry + 16)
        } else {
            length
        };
        let cell = Cell(self.get(entry + 8));
        let block = self.resolve(cell)?;
        let (_, capacity) = self.node(block.off)?;
        f(cell);
        let n = end.saturating_sub(start).min(capacity);
        self.walk_cells(block.off + LEAF_CELLS, n, f);
        Ok(n + 1)
    }

    fn walk_ring(&self, ring: &Ring, from: u64, to: u64, f: &mut impl FnMut(Cell)) {
        for (at, n) in ring.stretches(from as i64, to.saturating_sub(from)) {
            self.walk_cells(at, n, f);
        }
    }

    /// The objects that what is taken out of a queue and under way leads to. It may arrive at any
    /// moment, and its blocks be freed: then handles hold the objects.
    fn walk_leases(&self, hub: u64, f: &mut impl FnMut(Cell)) {
        let mut item = |cell: Cell| {
            if cell.tag() == Tag::Object {
                f(cell);
            } else if cell.tag() == Tag::Pickle
                && let Ok(block) = self.resolve(cell)
            {
                let edges = self.edges_of(block.off).into_iter();
                edges.filter(|e| e.tag() == Tag::Object).for_each(&mut *f);
            }
        };
        for lease in (0..LEASES).map(|i| hub + HUB_LEASES + i * LEASE) {
            if self.get(lease) == 0 {
                continue;
            }
            let cell = Cell(self.get(lease + L_CELL));
            if cell.tag() == Tag::Node
                && let Ok(leaf) = self.resolve(cell)
                && let Ok((Form::Leaf, capacity)) = self.node(leaf.off)
            {
                let n = self.get(leaf.off + N_LENGTH).min(capacity);
                (0..n).for_each(|i| item(Cell(self.get(leaf.off + LEAF_CELLS + i * 8))));
            } else {
                item(cell);
            }
        }
    }

    fn walk_cells(&self, at: u64, n: u64, f: &mut impl FnMut(Cell)) {
        for i in 0..n {
            f(Cell(self.get(at + i * 8)));
        }
    }

    /// Calls `f` with the Object cells that a value's cell stands for: itself, or the edges of a
    /// pickle.
    ///
    /// # Errors
    /// [`Error::Corrupt`] and [`Error::StaleReference`] for a cell that leads nowhere.
    pub(crate) fn each_object(&self, cell: Cell, f: &mut impl FnMut(Cell)) -> Result<()> {
        match cell.tag() {
            Tag::Object => f(cell),
            Tag::Pickle => {
                let block = self.resolve(cell)?;
                self.edges_of(block.off).into_iter().for_each(f);
            }
            _ => {}
        }
        Ok(())
    }

    /// Bytes of the block or run that a cell leads to, all of it counted; 0 for other cells, and
    /// for objects, which are not part of what leads to them.
    pub(crate) fn bytes_of(&self, cell: Cell) -> u64 {
        if cell.is_inline() || cell.tag() == Tag::Object {
            return 0;
        }
        let Ok(chunk) = self.chunk_of(cell.offset()) else {
            return 0;
        };
        let found = self.chunk(chunk);
        match CLASSES.get(found.class) {
            Some(size) => *size,
            None => found.run.saturating_mul(self.chunk_size()),
        }
    }
}

/// A cell that cannot be followed: the heap is damaged.
pub(crate) fn astray(object: u64) -> Error {
    Error::corrupt(object, "an object whose content leads nowhere")
}
