//! The consistency check: what is LIVE must be what is reachable.
//!
//! The oracle of the crash simulator, and `heap.check()` for people. It reads a heap at rest:
//! while others work, what it says may be out of date.

use std::collections::HashSet;

use crate::heap::Heap;
use crate::heap::cell::{BlockWord, Cell, State, Tag};
use crate::heap::chunk::Use;
use crate::heap::elements::{VEC_EXPORTS, VEC_TYPE};
use crate::heap::layout::{CLASSES, O_LOCK, O_LOG, O_REFS, O_STATS, OWNER, SB_ROOTS};
use crate::heap::lease::L_CELL;
use crate::heap::node::{
    DIR_ENTRIES, DIR_LEAVES, Form, LEAF_CELLS, N_LENGTH, TABLE_ENTRIES, TABLE_ENTRY, TABLE_INDEX,
    TABLE_LIVE,
};
use crate::heap::ring::{HUB_LEASES, HUB_RING, HUB_STATE, HUB_TASKS, LEASE, LEASES, RING_STATE};
use crate::sys::Host;

/// What is wrong with a heap, and how much is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Blocks in use.
    pub live: usize,
    /// Blocks being filled.
    pub pending: usize,
    /// Objects.
    pub objects: usize,
    /// Sentences about what breaks the format's rules.
    pub errors: Vec<String>,
}

struct Walk<'a, H: Host> {
    heap: &'a Heap<H>,
    reached: HashSet<u64>,
    edges: Vec<(u64, u64)>,
    errors: Vec<String>,
}

impl<H: Host> Walk<'_, H> {
    fn wrong(&mut self, text: String) {
        self.errors.push(text);
    }

    /// A cell that leads to a block: it must be LIVE, and reached from one place only.
    fn reach(&mut self, cell: Cell, from: &str) -> Option<u64> {
        if cell.is_inline() {
            return None;
        }
        match self.heap.resolve(cell) {
            Err(error) => {
                let error = crate::Error::from(error);
                self.wrong(format!("{from}: {cell:?}: {error}"));
                None
            }
            Ok(block) if cell.tag() == Tag::Object => {
                self.edges.push((block.off, 1));
                None
            }
            Ok(block) => {
                if !self.reached.insert(block.off) {
                    self.wrong(format!("{from}: {:#x} is reached twice", block.off));
                }
                Some(block.off)
            }
        }
    }

    fn value(&mut self, cell: Cell, from: &str) {
        if cell == Cell::EMPTY {
            self.wrong(format!("{from}: an empty cell"));
        }
        let Some(off) = self.reach(cell, from) else {
            return;
        };
        if cell.tag() == Tag::Pickle {
            for edge in self.heap.edges_of(off) {
                self.reach(edge, "pickle");
            }
        }
    }

    fn leaf(&mut self, off: u64, n: u64, from: &str) {
        for i in 0..n {
            let cell = Cell(self.heap.get(off + LEAF_CELLS + i * 8));
            self.value(cell, from);
        }
    }

    fn node(&mut self, object: u64, off: u64) {
        let heap = self.heap;
        let from = format!("object {object:#x}");
        let Ok((form, capacity)) = heap.node(off) else {
            return self.wrong(format!("{from}: its root is no node"));
        };
        let length = heap.get(off + N_LENGTH);
        match form {
            Form::Data => {}
            Form::Waiters => {
                for next in heap.waiters_after(off) {
                    self.reach(Cell::block(Tag::Node, next.off, next.generation), &from);
                }
            }
            Form::Ring => self.ring(off, off + RING_STATE, &from),
            Form::Elements => self.elements(off, &from),
            Form::Hub => self.hub(off, &from),
            Form::Leaf if length > capacity => self.wrong(format!("{from}: longer than its leaf")),
            Form::Leaf => self.leaf(off, length, &from),
            Form::Directory => self.directory(off, length, capacity, &from),
            Form::Table if length > capacity => {
                self.wrong(format!("{from}: fuller than it can be"))
            }
            Form::Table => self.table(off, length, capacity, &from),
        }
    }

    fn elements(&mut self, off: u64, from: &str) {
        if self.heap.elements_in(self.heap.block_at(off)).is_err() {
            return self.wrong(format!("{from}: its elements are none"));
        }
        self.reach(Cell(self.heap.get(off + VEC_EXPORTS)), from);
        self.value(Cell(self.heap.get(off + VEC_TYPE)), from);
    }

    fn ring(&mut self, off: u64, state_at: u64, from: &str) {
        let Ok(ring) = self.heap.ring_in(self.heap.block_at(off), state_at) else {
            return self.wrong(format!("{from}: its ring is none"));
        };
        for i in 0..ring.len {
            let cell = Cell(self.heap.get(ring.at(i as i64)));
            self.value(cell, from);
        }
    }

    fn hub(&mut self, off: u64, from: &str) {
        if let Some(ring) = self.reach(Cell(self.heap.get(off + HUB_RING)), from) {
            self.ring(ring, off + HUB_STATE, from);
        }
        self.reach(Cell(self.heap.get(off + HUB_TASKS)), from);
        for lease in (0..LEASES).map(|i| off + HUB_LEASES + i * LEASE) {
            if self.heap.get(lease) == 0 {
                continue;
            }
            let cell = Cell(self.heap.get(lease + L_CELL));
            let Some(leaf) = self.reach(cell, from).filter(|_| cell.tag() == Tag::Node) else {
                continue;
            };
            match self.heap.node(leaf) {
                Ok((Form::Leaf, room)) if self.heap.get(leaf + N_LENGTH) <= room => {
                    self.leaf(leaf, self.heap.get(leaf + N_LENGTH), from);
                }
                _ => self.wrong(format!("{from}: a lease of what is no leaf")),
            }
        }
    }

    fn directory(&mut self, off: u64, length: u64, capacity: u64, from: &str) {
        let heap = self.heap;
        let leaves = heap.get(off + DIR_LEAVES);
        if leaves > capacity {
            return self.wrong(format!("{from}: more leaves than room"));
        }
        for i in 0..leaves {
            let entry = off + DIR_ENTRIES + i * 16;
            let start = heap.get(entry);
            let end = if i + 1 < leaves {
                heap.get(entry + 16)
            } else {
                length
            };
            if end <= start || (i == 0 && start != 0) {
                self.wrong(format!("{from}: leaf {i} covers {start}..{end}"));
                continue;
            }
            let Some(leaf) = self.reach(Cell(heap.get(entry + 8)), from) else {
                continue;
            };
            match heap.node(leaf) {
                Ok((Form::Leaf, room)) if end - start <= room => {
                    self.leaf(leaf, end - start, from);
                }
                _ => self.wrong(format!("{from}: leaf {i} is too small or none")),
            }
        }
    }

    fn table(&mut self, off: u64, used: u64, capacity: u64, from: &str) {
        let heap = self.heap;
        let mut live = 0;
        let index = off + TABLE_ENTRIES + capacity * TABLE_ENTRY;
        let mask = (1u64 << heap.get(off + TABLE_INDEX).min(40)) - 1;
        let mut slots = HashSet::new();
        for slot in 0..=mask {
            let word = heap.get(index + slot * 8);
            if word != 0 {
                let entry = (word & 0xffff_ffff) - 1;
                if entry >= used || !slots.insert(entry) {
                    self.wrong(format!("{from}: index slot {slot} leads to entry {entry}"));
                }
            }
        }
        for i in 0..used {
            let entry = off + TABLE_ENTRIES + i * TABLE_ENTRY;
            let key = Cell(heap.get(entry + 8));
            if key == Cell::TOMBSTONE {
                continue;
            }
            live += 1;
            if !slots.contains(&i) {
                self.wrong(format!("{from}: entry {i} is not in the index"));
            }
            self.value(key, from);
            let original = Cell(heap.get(entry + 16));
            if original != Cell::EMPTY {
                self.value(original, from);
            }
            self.value(Cell(heap.get(entry + 24)), from);
        }
        if live != heap.get(off + TABLE_LIVE) {
            self.wrong(format!(
                "{from}: {live} live entries, not as many as it says"
            ));
        }
    }
}

impl<H: Host> Heap<H> {
    /// Looks at every block of a heap at rest and says what breaks the rules of the format.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let list = pumasi::List::<u32>::new_in(&heap)?;
    /// list.push(1)?;
    /// let report = heap.check();
    /// assert_eq!((report.objects, report.errors.len()), (1, 0));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn check(&self) -> Report {
        let mut walk = Walk {
            heap: self,
            reached: HashSet::new(),
            edges: Vec::new(),
            errors: Vec::new(),
        };
        let mut objects = Vec::new();
        self.for_each_object(|off, _| objects.push(off));
        let roots = Cell(self.get(SB_ROOTS));
        if roots != Cell::EMPTY {
            if roots.tag() != Tag::Object {
                walk.wrong(format!("the roots are {roots:?}"));
            }
            walk.reach(roots, "roots");
        }
        for &object in &objects {
            walk.reached.insert(object);
            let lock = self
                .host()
                .load32(object + O_LOCK, core::sync::atomic::Ordering::Acquire);
            if lock & OWNER != 0 {
                walk.wrong(format!("object {object:#x} is locked by {lock:#x}"));
            }
            if self.get(object + O_LOG) != 0 {
                walk.wrong(format!("object {object:#x} has an armed log"));
            }
            let stats = self.get(object + O_STATS);
            if stats != 0 {
                walk.reached.insert(stats);
            }
            if let Some(root) = self.root_of(object)
                && let Some(off) = walk.reach(root, "root")
            {
                walk.node(object, off);
            }
        }
        let mut report = Report {
            objects: objects.len(),
            ..Report::default()
        };
        self.check_edges(&objects, &mut walk);
        self.check_blocks(&mut walk, &mut report);
        report.errors = walk.errors;
        report
    }

    fn check_edges(&self, objects: &[u64], walk: &mut Walk<'_, H>) {
        for &object in objects {
            let counted = self.get(object + O_REFS) & 0x7fff_ffff;
            let found = walk.edges.iter().filter(|e| e.0 == object).count() as u64;
            // A kill may leave the count too high (HEAP-4), nothing may leave it too low.
            if counted < found {
                walk.wrong(format!(
                    "object {object:#x} counts {counted} edges, {found} lead to it"
                ));
            }
        }
    }

    fn check_blocks(&self, walk: &mut Walk<'_, H>, report: &mut Report) {
        let mut look = |walk: &mut Walk<'_, H>, off: u64| match self.word(off).state() {
            Some(State::Free) => {}
            Some(State::Pending) => report.pending += 1,
            Some(State::Live | State::Limbo) => {
                report.live += 1;
                if !walk.reached.contains(&off) {
                    walk.wrong(format!("{off:#x} is live and nothing leads to it"));
                }
            }
            None => walk.wrong(format!("{off:#x} has an impossible word")),
        };
        let mut chunk = 0;
        while chunk < self.high_water() {
            let found = self.chunk(chunk);
            match found.used {
                Use::Small | Use::Orphan if found.class < CLASSES.len() => {
                    for i in 0..self.blocks_in(found.class) {
                        look(walk, self.chunk_start(chunk) + i * CLASSES[found.class]);
                    }
                }
                Use::Head => {
                    look(walk, self.chunk_start(chunk));
                    chunk += found.run.max(1) - 1;
                }
                Use::Free => {}
                other => walk.wrong(format!("chunk {chunk} is {other:?}")),
            }
            chunk += 1;
        }
    }

    /// Whether the word of a block says LIMBO: for tests.
    #[doc(hidden)]
    pub fn is_in_limbo(&self, off: u64) -> bool {
        BlockWord(self.get(off)).state() == Some(State::Limbo)
    }

    /// Whether the word of a block says LIVE: for tests.
    #[doc(hidden)]
    pub fn is_live(&self, off: u64) -> bool {
        BlockWord(self.get(off)).state() == Some(State::Live)
    }
}
