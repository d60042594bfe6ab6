//! One collection: the mark over all objects, and the freeing of what it has not reached.
//!
//! The rules that it leans on are with `collect` (GC-1 to GC-4), the argument in
//! docs/design/0005-collector.md. The order is part of it: REFS of all objects, the handle bits of
//! all, what was made since, the containers, REFS and bits of the rest.

use core::sync::atomic::Ordering;

use crate::error::Result;
use crate::heap::cell::{BlockWord, Cell, State, Tag};
use crate::heap::collect::Patience;
use crate::heap::hash::OffsetMap;
use crate::heap::layout::{
    MAX_PARTICIPANTS, O_HANDLES, O_LOCK, O_META, O_REFS, O_ROOT, O_VERSION, OBJECT_SIZE, OWNER,
    SB_ROOTS,
};
use crate::heap::log::{Action, Doomed};
use crate::heap::node::Form;
use crate::heap::object::{DEAD, EDGES, Kind, ONE_SEQUENCE};
use crate::heap::walk::astray;
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// Cells that are looked at in one hold of a container's lock.
const BATCH: u64 = 2048;
/// What following a pickle costs, in cells.
const PICKLE: u64 = 8;

/// What is known of an object that the mark has not reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Garbage,
    /// Somebody has come by a reference since the mark began.
    Held,
    /// Destroyed meanwhile, or about to be by somebody else.
    Gone,
}

/// An object as it was when the mark began.
struct Seen {
    off: u64,
    word: BlockWord,
    refs: u64,
    reached: bool,
}

pub(super) struct Mark<'a, H: Host> {
    heap: &'a Heap<H>,
    local: &'static Local,
    patience: Patience,
    seen: Vec<Seen>,
    at: OffsetMap<usize>,
    todo: Vec<usize>,
    pub(super) looked_at: u64,
}

/// Whether between two readings of REFS nothing happened but edges lowered: each change raises
/// the sequence by one, and only a lowering takes one off the count.
fn only_lowered(before: u64, after: u64) -> bool {
    let raised = (after >> 32).wrapping_sub(before >> 32) & 0xffff_ffff;
    raised == (before & EDGES).wrapping_sub(after & EDGES)
}

impl<H: Host> Heap<H> {
    fn has_handles(&self, off: u64) -> bool {
        (0..MAX_PARTICIPANTS / 64).any(|i| self.get(off + O_HANDLES + i * 8) != 0)
    }

    fn verdict(&self, seen: &Seen) -> Verdict {
        if self.word(seen.off) != seen.word {
            return Verdict::Gone;
        }
        let refs = self.get(seen.off + O_REFS);
        if refs & DEAD != 0 {
            return Verdict::Gone;
        }
        if !only_lowered(seen.refs, refs) || self.has_handles(seen.off) {
            return Verdict::Held;
        }
        Verdict::Garbage
    }
}

impl<'a, H: Host> Mark<'a, H> {
    pub(super) fn new(heap: &'a Heap<H>, local: &'static Local, patience: Patience) -> Self {
        Mark {
            heap,
            local,
            patience,
            seen: Vec::new(),
            at: OffsetMap::default(),
            todo: Vec::new(),
            looked_at: 0,
        }
    }

    /// How many objects there were.
    pub(super) fn objects(&self) -> usize {
        self.seen.len()
    }

    /// Marks, until nobody has come by a reference meanwhile.
    ///
    /// # Errors
    /// `Corrupt`; `WouldBlock` without patience; what the caller's check says.
    pub(super) fn reach_all(&mut self) -> Result<()> {
        self.record();
        self.roots();
        self.latecomers();
        self.run()?;
        while self.verify() {
            self.run()?;
        }
        Ok(())
    }

    // ---- the mark --------------------------------------------------------------------------

    /// Writes down every object with its REFS.
    fn record(&mut self) {
        let heap = self.heap;
        heap.for_each_object(|off, word| {
            self.at.insert(off, self.seen.len());
            self.seen.push(Seen {
                off,
                word,
                refs: heap.get(off + O_REFS),
                reached: false,
            });
        });
        heap.host().fence();
    }

    /// Reaches what a process has a handle of: after REFS of all was written down, before any
    /// container is looked into.
    fn roots(&mut self) {
        for i in 0..self.seen.len() {
            if self.heap.has_handles(self.seen[i].off) {
                self.seen[i].reached = true;
                self.todo.push(i);
            }
        }
        self.heap.host().fence();
    }

    /// Reaches what was made since: a value that was on its way may have gone there.
    fn latecomers(&mut self) {
        let heap = self.heap;
        heap.for_each_object(|off, word| {
            if self
                .at
                .get(&off)
                .is_some_and(|&i| self.seen[i].word == word)
            {
                return;
            }
            self.at.insert(off, self.seen.len());
            self.todo.push(self.seen.len());
            self.seen.push(Seen {
                off,
                word,
                refs: 0,
                reached: true,
            });
        });
        let roots = Cell(heap.get(SB_ROOTS));
        if roots.tag() == Tag::Object {
            self.reach(roots);
        }
    }

    fn reach(&mut self, cell: Cell) {
        let Some(&i) = self.at.get(&cell.offset()) else {
            // Newer than the mark.
            return;
        };
        let seen = &mut self.seen[i];
        if !seen.reached && seen.word.generation() & 0xf_ffff == cell.generation20() {
            seen.reached = true;
            self.todo.push(i);
        }
    }

    fn run(&mut self) -> Result<()> {
        while let Some(i) = self.todo.pop() {
            self.looked_at += 1;
            let (off, word) = (self.seen[i].off, self.seen[i].word);
            match Kind::of(self.heap.get(off + O_META) >> 56) {
                Some(kind) if !kind.leads() => {}
                Some(_) => self.look_into(off, word)?,
                None if self.heap.word(off) == word => return Err(astray(off)),
                None => {}
            }
        }
        Ok(())
    }

    /// Reaches all that a container leads to. A long one is looked at in several holds of its
    /// lock, and again from the start if it has changed in between.
    fn look_into(&mut self, off: u64, word: BlockWord) -> Result<()> {
        let mut found = Vec::new();
        'again: for round in 0.. {
            let (mut from, mut version) = (0, None);
            loop {
                if !self.heap.open_up(self.local, off, word, self.patience)? {
                    return Ok(());
                }
                let now = self.heap.get(off + O_VERSION);
                // One that changes all the time is looked at in one hold in the end.
                let most = if round < 3 { BATCH } else { u64::MAX };
                let step = if *version.get_or_insert(now) == now {
                    self.step(off, from, most, &mut found)
                } else {
                    self.heap.close_up(self.local, off, Doomed::new());
                    continue 'again;
                };
                self.heap.close_up(self.local, off, Doomed::new());
                let next = step?;
                found.drain(..).for_each(|cell| self.reach(cell));
                match next {
                    Some(next) => from = next,
                    None => return Ok(()),
                }
            }
        }
        unreachable!("the loop above ends by returning")
    }

    /// One hold of a container's lock: the objects that its cells lead to.
    fn step(
        &mut self,
        off: u64,
        from: u64,
        most: u64,
        found: &mut Vec<Cell>,
    ) -> Result<Option<u64>> {
        let Some(root) = self.root(off)? else {
            return Ok(None);
        };
        let (heap, mut result, mut looked_at) = (self.heap, Ok(()), 0);
        let next = heap.walk(root, from, most, &mut |cell| {
            looked_at += if cell.tag() == Tag::Pickle { PICKLE } else { 1 };
            if cell.may_lead() && result.is_ok() {
                result = heap.each_object(cell, &mut |object| found.push(object));
            }
        })?;
        self.looked_at += looked_at;
        result.map(|()| next)
    }

    /// The root node of an object whose lock is held. `None` also for one that is just being
    /// made: what is on its way into it is held by handles.
    fn root(&self, off: u64) -> Result<Option<u64>> {
        let Some(cell) = self.heap.root_of(off) else {
            return Ok(None);
        };
        match self.heap.resolve(cell) {
            Ok(block) => Ok(Some(block.off)),
            Err(_) if cell.offset() >= self.heap.host().size() => Err(astray(off)),
            Err(_) => match self.heap.word(cell.offset()).state() {
                Some(State::Pending) => Ok(None),
                _ => match self.heap.resolve(cell) {
                    // It was published just now.
                    Ok(block) => Ok(Some(block.off)),
                    Err(_) => Err(astray(off)),
                },
            },
        }
    }

    /// Looks again at what was not reached; whether somebody has come by a reference meanwhile.
    fn verify(&mut self) -> bool {
        self.heap.host().fence();
        for i in 0..self.seen.len() {
            if self.seen[i].reached {
                continue;
            }
            match self.heap.verdict(&self.seen[i]) {
                Verdict::Garbage => {}
                Verdict::Gone => self.seen[i].reached = true,
                Verdict::Held => {
                    self.seen[i].reached = true;
                    self.todo.push(i);
                }
            }
        }
        !self.todo.is_empty()
    }

    // ---- freeing ---------------------------------------------------------------------------

    /// Frees what was not reached: how many objects, and how many bytes.
    pub(super) fn free(&mut self) -> Result<(usize, u64)> {
        let garbage: Vec<(usize, u64)> = (0..self.seen.len())
            .filter(|&i| !self.seen[i].reached)
            .map(|i| Ok((i, self.measure(&self.seen[i])?)))
            .collect::<Result<_>>()?;
        let mut all = true;
        for &(i, _) in &garbage {
            all &= self.empty(&self.seen[i])?;
        }
        let left = || {
            garbage
                .iter()
                .map(|&(i, _)| &self.seen[i])
                .filter(|s| self.is_left(s))
        };
        // Should a token have brought one back, its cells may be what the others are counted for.
        if all && left().next().is_some() {
            self.let_finish()?;
            left().for_each(|seen| self.write_off(seen));
        }
        let freed = garbage
            .iter()
            .filter(|(i, _)| !self.is_left(&self.seen[*i]));
        Ok(freed.fold((0, 0), |(n, sum), (_, bytes)| (n + 1, sum + bytes)))
    }

    fn is_left(&self, seen: &Seen) -> bool {
        self.heap.word(seen.off) == seen.word
    }

    /// Bytes of an object and of all that is its own.
    fn measure(&self, seen: &Seen) -> Result<u64> {
        let (heap, mut bytes) = (self.heap, OBJECT_SIZE);
        if !heap.open_up(self.local, seen.off, seen.word, self.patience)? {
            return Ok(bytes);
        }
        bytes += heap.content(seen.off);
        heap.close_up(self.local, seen.off, Doomed::new());
        Ok(bytes)
    }

    /// Takes out all that an unreachable container holds. `false` when it is reachable after all.
    fn empty(&self, seen: &Seen) -> Result<bool> {
        let (heap, local, off) = (self.heap, self.local, seen.off);
        if !heap.open_up(local, off, seen.word, self.patience)? {
            return Ok(true);
        }
        heap.host().section("collect.empty");
        let mut doomed = Doomed::new();
        let garbage = heap.verdict(seen) == Verdict::Garbage;
        let emptied = match self.root(off) {
            Ok(Some(root)) if garbage => match heap.node(root) {
                Ok((Form::Data | Form::Waiters, _)) => Ok(()),
                Ok(_) => {
                    let version = heap.get(off + O_VERSION).wrapping_add(1);
                    heap.host()
                        .store64(off + O_VERSION, version, Ordering::Relaxed);
                    let old = Cell(heap.get(off + O_ROOT));
                    let actions = [Action::Destroy(old)];
                    heap.commit(local, off, off + O_ROOT, 0, &actions, &mut doomed)
                }
                Err(error) => Err(error.into()),
            },
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        heap.close_up(local, off, doomed);
        emptied.map(|()| garbage)
    }

    /// Waits until each operation that is under way is done: until nobody is left who has taken
    /// an edge out of a container and not lowered it yet.
    fn let_finish(&self) -> Result<()> {
        self.heap.host().section("collect.let_finish");
        self.heap.host().fence();
        let mut busy = Vec::new();
        self.heap.for_each_object(|off, word| {
            let lock = self.heap.host().load32(off + O_LOCK, Ordering::Acquire);
            if lock & OWNER != 0 {
                busy.push((off, word));
            }
        });
        for (off, word) in busy {
            if self.heap.open_up(self.local, off, word, self.patience)? {
                self.heap.close_up(self.local, off, Doomed::new());
            }
        }
        Ok(())
    }

    /// The count of an object that nothing leads to: what is left of it was left by a kill.
    fn write_off(&self, seen: &Seen) {
        let (heap, off) = (self.heap, seen.off);
        heap.host().section("collect.write_off");
        let refs = heap.get(off + O_REFS);
        if heap.verdict(seen) != Verdict::Garbage {
            return;
        }
        let none = (refs & !EDGES).wrapping_add(ONE_SEQUENCE);
        if refs & EDGES == 0 || heap.host().cas64(off + O_REFS, refs, none).is_ok() {
            heap.destroy_all(self.local, vec![off]);
        }
    }
}
