//! The collector: what nothing reaches any more comes back, also in circles and after kills.
//!
//! Counts and handle bits free an object promptly once nothing leads to it. They cannot free
//! objects that lead to each other, nor one whose count a kill has left too high (HEAP-4). Those
//! are found here: by a mark from the handles of all processes, while everybody works on.
//!
//! The marks are private to whoever collects, and no operation does anything for it. What it leans
//! on is the word REFS (`object`): its sequence changes with every edge raised and every handle
//! bit set.
//!
//! GC-1: nobody comes by a reference to an object without its sequence changing, and only by way
//! of a reference that is in force meanwhile. GC-2: what a value on its way into a container leads
//! to is held by a handle until the value is stored or given up. GC-3: cells move between
//! containers only by way of a new edge, and within a container only under its lock, with its
//! version raised. From these follows (docs/design/0005-collector.md): an object that a mark has
//! not reached, and whose sequence is afterwards what it was before the mark, but for edges
//! lowered, is reached by nothing and never will be again.
//!
//! GC-4: the collector frees by ordinary operations. It empties what it has found, under its lock
//! and with its log, by which the counts fall as at any removal; what is counted all the same was
//! left by a kill, and is written off once no operation that was under way can still lower it.
//! So a collector that is killed leaves a heap like any other killed process, and whoever comes
//! next begins again.
//!
//! One process collects at a time, under a lock in the superblock. While it collects no chunk of
//! headers is given back (`chunk::trim`), so that a header stays a header.

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::cell::{BlockWord, Cell, State, Tag};
use crate::heap::hash::OffsetMap;
use crate::heap::layout::{
    MAX_PARTICIPANTS, O_HANDLES, O_LOCK, O_META, O_REFS, O_ROOT, O_VERSION, OBJECT_SIZE, OWNER,
    SB_BEGUN, SB_COLLECTOR, SB_ENDED, SB_LOOKED_AT, SB_ROOTS, STARVED, WAITERS,
};
use crate::heap::lock::{self, Rule, Taken};
use crate::heap::log::{Action, Doomed};
use crate::heap::node::Form;
use crate::heap::object::{DEAD, EDGES, Kind, ONE_SEQUENCE};
use crate::heap::walk::astray;
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// A process that has made so many more objects than it has seen destroyed collects by itself.
const FIRST: i64 = 10_000;
/// One more object may be made before the next collection for so many cells that the last one
/// had to look at: the cost of collecting stays a small part of the cost of making.
const CELLS_AN_OBJECT: u64 = 8;
/// Cells that are looked at in one hold of a container's lock.
const BATCH: u64 = 2048;
/// How often one who does not wait lets others run before it gives up.
const YIELDS: u32 = 20;
/// What following a pickle costs, in cells.
const PICKLE: u64 = 8;

/// What a collection has freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Objects that nothing reached any more.
    pub objects: usize,
    /// Bytes of the blocks they took, what they held included.
    pub bytes: u64,
    /// Bytes that went back to the system.
    pub returned: u64,
}

/// When this process collects by itself.
pub(crate) struct Due {
    /// Objects made here, less those destroyed here, since the last collection.
    made: AtomicI64,
    at: AtomicI64,
    /// The last collection that was taken notice of.
    ended: AtomicU64,
}

impl Default for Due {
    fn default() -> Self {
        Due {
            made: AtomicI64::new(0),
            at: AtomicI64::new(FIRST),
            ended: AtomicU64::new(0),
        }
    }
}

/// What is done when a lock is held by a process that lives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Wait for it.
    Wait,
    /// Give up and let another time do.
    None,
}

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

struct Mark<'a, H: Host> {
    heap: &'a Heap<H>,
    local: &'static Local,
    patience: Patience,
    seen: Vec<Seen>,
    at: OffsetMap<usize>,
    todo: Vec<usize>,
    looked_at: u64,
}

/// The collector's lock, given up when dropped.
struct Collecting<'a, H: Host>(&'a Heap<H>, &'static Local);

impl<H: Host> Drop for Collecting<'_, H> {
    fn drop(&mut self) {
        self.0.give(self.1, SB_COLLECTOR);
        self.0.host().section("");
    }
}

/// Whether between two readings of REFS nothing happened but edges lowered: each change raises
/// the sequence by one, and only a lowering takes one off the count.
fn only_lowered(before: u64, after: u64) -> bool {
    let raised = (after >> 32).wrapping_sub(before >> 32) & 0xffff_ffff;
    raised == (before & EDGES).wrapping_sub(after & EDGES)
}

impl<H: Host> Heap<H> {
    /// Frees every object that nothing reaches any more: containers that lead to each other in a
    /// circle, and what the killed have left; settles their estates first. Then gives free memory
    /// back to the system.
    ///
    /// Everybody else works on meanwhile. It waits for operations that others have under way, so
    /// that it takes as long as a process stopped in the middle of one stays stopped; and it looks
    /// at every cell of every container, some nanoseconds each. What is unreachable when it is
    /// called is gone when it returns.
    ///
    /// It also happens by itself: when a value finds no memory, and when a process has made many
    /// objects (10,000; more where the last collection had to look at much, or left much) that
    /// were not destroyed since the last collection. It is then done by the one who makes the next
    /// object, which never waits for it: where somebody is at work, it lets another time do.
    ///
    /// ```
    /// # use pumasi::containers::RawList;
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let list = RawList::create(&heap)?;
    /// list.push(&mut heap.prepare_object(list.object())?)?;
    /// drop(list);
    /// assert_eq!(heap.objects(), 1);
    /// assert_eq!(heap.collect()?.objects, 1);
    /// assert_eq!(heap.objects(), 0);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooManyParticipants`]; [`Error::Corrupt`] for a heap in which not everything can
    /// be followed, where nothing is freed; what the caller's check says while it waits.
    pub fn collect(&self) -> Result<Collected> {
        self.recover();
        let local = self.local()?;
        let begun = self.get(SB_BEGUN);
        let collecting = match self.take_now(local, SB_COLLECTOR)? {
            Taken::TimedOut => {
                lock::waiting(|| self.take_contended(local, SB_COLLECTOR, None, Rule::Internal))?;
                Collecting(self, local)
            }
            _ => Collecting(self, local),
        };
        // Another's that began after we were called has found what we would find.
        let mut collected = Collected::default();
        if self.get(SB_ENDED) <= begun {
            collected = self.collect_once(local, Patience::Wait)?;
        }
        drop(collecting);
        collected.returned = self.trim();
        Ok(collected)
    }

    /// Looks for memory where an allocation has found none; whether there may be some now.
    #[cold]
    pub(crate) fn make_room(&self, local: &'static Local) -> bool {
        let settled = self.recover() > 0;
        settled | self.try_collect(local).is_some_and(|c| c.objects > 0)
    }

    fn try_collect(&self, local: &'static Local) -> Option<Collected> {
        let taken = self.take_now(local, SB_COLLECTOR);
        if !matches!(taken, Ok(Taken::Ours | Taken::FromDead(..))) {
            return None;
        }
        let _collecting = Collecting(self, local);
        self.collect_once(local, Patience::None).ok()
    }

    // ---- when ------------------------------------------------------------------------------

    /// An object was made by this process.
    #[inline]
    pub(crate) fn made_one(&self, local: &'static Local) {
        // Not one step: what two threads lose to each other does not matter.
        let made = local.due.made.load(Ordering::Relaxed) + 1;
        local.due.made.store(made, Ordering::Relaxed);
        if made >= local.due.at.load(Ordering::Relaxed) {
            self.collect_when_due(local);
        }
    }

    /// An object was destroyed by this process.
    #[inline]
    pub(crate) fn unmade_one(&self, local: &Local) {
        let made = local.due.made.load(Ordering::Relaxed);
        local.due.made.store(made - 1, Ordering::Relaxed);
    }

    #[cold]
    #[inline(never)]
    fn collect_when_due(&self, local: &'static Local) {
        let due = &local.due;
        // Should it not come to anything, then again after half as many.
        due.made
            .store(due.at.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        if due.ended.load(Ordering::Relaxed) == self.get(SB_ENDED)
            && self.try_collect(local).is_none()
        {
            return;
        }
        let cells = self.get(SB_LOOKED_AT) / CELLS_AN_OBJECT;
        let at = i64::try_from(cells).unwrap_or(i64::MAX).max(FIRST);
        due.at.store(at, Ordering::Relaxed);
        due.made.store(0, Ordering::Relaxed);
        due.ended.store(self.get(SB_ENDED), Ordering::Relaxed);
    }

    // ---- how -------------------------------------------------------------------------------

    /// One collection, under the collector's lock.
    fn collect_once(&self, local: &'static Local, patience: Patience) -> Result<Collected> {
        let number = self.get(SB_BEGUN) + 1;
        self.host().store64(SB_BEGUN, number, Ordering::Release);
        self.host().section("collect");
        let mut mark = Mark {
            heap: self,
            local,
            patience,
            seen: Vec::new(),
            at: OffsetMap::default(),
            todo: Vec::new(),
            looked_at: 0,
        };
        mark.record();
        mark.roots();
        mark.latecomers();
        mark.run()?;
        while mark.verify() {
            mark.run()?;
        }
        let (objects, bytes) = mark.free()?;
        // Each object left costs some cells, too: a heap of many is not looked at too often.
        let left = mark.seen.len().saturating_sub(objects) as u64;
        let looked_at = mark.looked_at + left * CELLS_AN_OBJECT;
        self.host()
            .store64(SB_LOOKED_AT, looked_at, Ordering::Relaxed);
        self.host().store64(SB_ENDED, number, Ordering::Release);
        Ok(Collected {
            objects,
            bytes,
            returned: 0,
        })
    }

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

    /// Takes the lock of an object of which we have no handle. `false`: it is gone, or about to
    /// be.
    fn open_up(
        &self,
        local: &'static Local,
        off: u64,
        word: BlockWord,
        patience: Patience,
    ) -> Result<bool> {
        let (mut tries, mut slice) = (0, Duration::from_millis(1));
        loop {
            // Looked at each time: the lock of what is being destroyed is never given up.
            if self.word(off) != word {
                return Ok(false);
            }
            if self.try_take(local, off + O_LOCK) {
                break;
            }
            tries += 1;
            // Asking whether the owner lives is dear, so that it comes after the tries.
            if tries <= self.host().spins() {
                core::hint::spin_loop();
                continue;
            }
            match self.take_now(local, off + O_LOCK)? {
                Taken::Ours => break,
                Taken::FromDead(..) => {
                    if self.word(off) == word {
                        self.settle_log(local, off, &mut Doomed::new());
                    }
                    break;
                }
                Taken::TimedOut => {}
            }
            if patience == Patience::None && tries <= self.host().spins() + YIELDS {
                // An owner that was interrupted in the middle gets its turn.
                std::thread::yield_now();
                continue;
            }
            if patience == Patience::None {
                return Err(Error::WouldBlock);
            }
            lock::check()?;
            let found = self.host().load32(off + O_LOCK, Ordering::Relaxed);
            if found & OWNER != 0 {
                self.host().futex_wait(off + O_LOCK, found, slice);
            }
            slice = (slice * 2).min(Duration::from_millis(50));
        }
        if self.word(off) != word {
            self.give_if_ours(local, off + O_LOCK);
            return Ok(false);
        }
        if self.is_dead(off) {
            // Whoever destroys it holds the lock till the end: that one has died.
            let mut doomed = Doomed::new();
            self.finish_destroying(local, off, &mut doomed);
            self.destroy_all(local, doomed);
            return Ok(false);
        }
        Ok(true)
    }

    /// Gives up the lock of an object of which we have no handle. Whoever let it go meanwhile
    /// found the lock held and left it to us.
    fn close_up(&self, local: &'static Local, off: u64, mut doomed: Doomed) {
        self.give(local, off + O_LOCK);
        self.host().fence();
        if self.get(off + O_REFS) & EDGES == 0 {
            doomed.push(off);
        }
        self.destroy_all(local, doomed);
    }

    /// The same where the header may be another object's by now: its lock is left alone.
    fn give_if_ours(&self, local: &Local, at: u64) {
        loop {
            let word = self.host().load32(at, Ordering::Relaxed);
            if word & OWNER != local.token {
                return;
            }
            let left = if word & STARVED != 0 {
                STARVED | WAITERS
            } else {
                0
            };
            if self.host().cas32(at, word, left).is_ok() {
                if word & WAITERS != 0 {
                    self.host().futex_wake(at, 1);
                }
                return;
            }
        }
    }
}

impl<H: Host> Mark<'_, H> {
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
    fn free(&mut self) -> Result<(usize, u64)> {
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
        let walked = self.root(seen.off).and_then(|root| match root {
            None => Ok(()),
            Some(root) => {
                bytes += heap.bytes_of(Cell(heap.get(seen.off + O_ROOT)));
                let count = &mut |cell| bytes += heap.bytes_of(cell);
                heap.walk(root, 0, u64::MAX, count).map(drop)
            }
        });
        heap.close_up(self.local, seen.off, Doomed::new());
        walked.map(|()| bytes)
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
                Ok((Form::Data, _)) => Ok(()),
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
