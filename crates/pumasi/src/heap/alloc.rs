//! Blocks and runs: the allocator.
//!
//! Memory is taken from the system in chunks. A chunk is cut into blocks of one class and
//! belongs to one participant, which alone allocates from it; anybody may free. Values too large
//! for a class get a run of whole chunks.
//!
//! BLOCK-1: each block starts with one authoritative word (`cell::BlockWord`). FREE to PENDING
//! by the owner of the chunk; PENDING to LIVE when the operation that uses it commits; LIVE to
//! FREE by one compare-and-swap, which fails for a stale reference, so that freeing twice is
//! harmless. BLOCK-2: the generations in a chunk never fall, also when it is cut anew: the table
//! remembers the highest one. BLOCK-3: free lists are private caches of a process; a kill cannot
//! tear them, and whoever takes the chunk over looks at the words again.
//!
//! ```text
//! chunk word: state(4) | committed(1) | class(6) | slot(10) | spare(11) | run(32)
//! FREE -> CLAIMED(slot) -> SMALL(slot, class) <-> ORPHAN(class)
//!                       -> HEAD(slot, n), TAIL ... -> FREEING(slot, n) -> FREE
//! ```
//!
//! If a process dies: a CLAIMED chunk goes back to FREE; a HEAD whose block word is FREE was
//! being freed and is finished; a SMALL chunk becomes an ORPHAN, its PENDING blocks free
//! (`estate`). Sizes are in bytes.

use core::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::heap::cell::{BlockWord, State};
use crate::heap::layout::{
    C_FREED, C_GENERATION, C_WORD, CHUNK_ENTRY, CLASSES, MAX_PARTICIPANTS, PARTICIPANT_SIZE,
    PARTICIPANTS, RUN_CLASS, SB_COMMITTED, SB_FREE_HINT, SB_HIGH_WATER, SB_IDLE, SB_ORPHANS,
};
use crate::heap::{Heap, Local, class_for};
use crate::sys::Host;

/// A block and the generation it was allocated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) off: u64,
    pub(crate) generation: u64,
}

/// The private part: what this process knows to be free.
#[derive(Default)]
pub(crate) struct Allocator {
    classes: [Class; CLASSES.len()],
}

#[derive(Default)]
struct Class {
    free: Vec<u64>,
    /// Our chunks of this class.
    chunks: Vec<u32>,
}

/// Keep at most this many bytes of free runs for reuse; fresh pages are dear.
const KEEP_IDLE: u64 = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Use {
    Free = 0,
    Claimed = 1,
    Small = 2,
    Orphan = 3,
    Head = 4,
    Tail = 5,
    Freeing = 6,
    /// A value that no version writes.
    Unknown = 15,
}

/// A chunk word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) used: Use,
    pub(crate) committed: bool,
    pub(crate) class: usize,
    pub(crate) slot: u64,
    pub(crate) run: u64,
}

impl Chunk {
    const FREE: Chunk = Chunk {
        used: Use::Free,
        committed: false,
        class: 0,
        slot: 0,
        run: 0,
    };

    fn pack(self) -> u64 {
        ((self.used as u64) << 60)
            | (u64::from(self.committed) << 59)
            | ((self.class as u64) << 53)
            | (self.slot << 43)
            | self.run
    }

    #[inline(always)]
    fn unpack(word: u64) -> Chunk {
        // Spare bits are zero in every word that a version writes; a damaged one would never be
        // found unchanged by a swap.
        let spare = word >> 32 & 0x7ff != 0;
        Chunk {
            used: match word >> 60 {
                _ if spare => Use::Unknown,
                0 => Use::Free,
                1 => Use::Claimed,
                2 => Use::Small,
                3 => Use::Orphan,
                4 => Use::Head,
                5 => Use::Tail,
                6 => Use::Freeing,
                _ => Use::Unknown,
            },
            committed: word >> 59 & 1 == 1,
            class: (word >> 53 & 63) as usize,
            slot: word >> 43 & 0x3ff,
            run: word & 0xffff_ffff,
        }
    }
}

impl<H: Host> Heap<H> {
    #[inline(always)]
    fn entry(&self, chunk: u64) -> u64 {
        PARTICIPANTS + MAX_PARTICIPANTS * PARTICIPANT_SIZE + chunk * CHUNK_ENTRY
    }

    #[inline(always)]
    pub(crate) fn chunk(&self, chunk: u64) -> Chunk {
        Chunk::unpack(
            self.host()
                .load64(self.entry(chunk) + C_WORD, Ordering::Acquire),
        )
    }

    fn set_chunk(&self, chunk: u64, to: Chunk) {
        self.host()
            .store64(self.entry(chunk) + C_WORD, to.pack(), Ordering::Release);
    }

    pub(crate) fn change_chunk(&self, chunk: u64, from: Chunk, to: Chunk) -> bool {
        self.host()
            .cas64(self.entry(chunk) + C_WORD, from.pack(), to.pack())
            .is_ok()
    }

    /// Where a chunk starts.
    #[inline(always)]
    pub(crate) fn chunk_start(&self, chunk: u64) -> u64 {
        self.0.chunks_at + chunk * self.0.chunk_size
    }

    /// The chunk that `off` lies in.
    #[inline(always)]
    pub(crate) fn chunk_of(&self, off: u64) -> Result<u64> {
        let rel = off.wrapping_sub(self.0.chunks_at);
        let chunk = rel >> self.0.chunk_size.trailing_zeros();
        if chunk >= self.0.chunks {
            return Err(Error::corrupt(off, "a reference outside the chunks"));
        }
        Ok(chunk)
    }

    /// One more than the highest chunk that was ever taken.
    pub(crate) fn high_water(&self) -> u64 {
        self.host()
            .load64(SB_HIGH_WATER, Ordering::Acquire)
            .min(self.0.chunks)
    }

    /// How many blocks a chunk of `class` has.
    pub(crate) fn blocks_in(&self, class: usize) -> u64 {
        self.0.chunk_size / CLASSES[class]
    }

    #[inline(always)]
    pub(crate) fn word(&self, off: u64) -> BlockWord {
        BlockWord(self.host().load64(off, Ordering::Acquire))
    }

    // ---- allocating ------------------------------------------------------------------------

    /// A block of at least `size` bytes, its own word included, PENDING and ours. Its content
    /// is whatever it held before.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] at the limit.
    #[inline]
    pub(crate) fn allocate(&self, local: &Local, size: u64) -> Result<BlockRef> {
        match class_for(size, self.0.chunk_size) {
            Some(class) => self.allocate_class(local, class),
            None => self.allocate_run(local, size),
        }
    }

    /// The same where no lock is held: when memory is short, what the dead have left is settled
    /// first (PART-6).
    #[inline]
    pub(crate) fn allocate_outside(&self, local: &Local, size: u64) -> Result<BlockRef> {
        match self.allocate(local, size) {
            Err(Error::OutOfMemory { .. }) if self.recover() > 0 => self.allocate(local, size),
            other => other,
        }
    }

    /// A block of a class.
    #[inline]
    pub(crate) fn allocate_class(&self, local: &Local, class: usize) -> Result<BlockRef> {
        loop {
            let block = local.allocator.with(|a| {
                let off = a.classes[class].free.pop()?;
                // Still under the private lock: a scan by another thread must not find the
                // block free (BLOCK-3).
                Some(self.make_pending(local, off))
            });
            match block {
                Some(Some(block)) => return Ok(block),
                // The word says that it is not free: the list was wrong, drop the entry.
                Some(None) => {}
                None => self.refill(local, class)?,
            }
        }
    }

    #[inline]
    fn make_pending(&self, local: &Local, off: u64) -> Option<BlockRef> {
        let word = self.word(off);
        if word.state() != Some(State::Free) {
            return None;
        }
        let generation = word.generation() + 1;
        self.host().store64(
            off,
            BlockWord::new(State::Pending, local.slot, generation).0,
            Ordering::Release,
        );
        Some(BlockRef { off, generation })
    }

    #[cold]
    fn refill(&self, local: &Local, class: usize) -> Result<()> {
        if self.rescan(local, class) || self.adopt(local, class) {
            return Ok(());
        }
        let chunk = self.claim_chunks(local, 1)?;
        let claimed = self.chunk(chunk);
        self.cut(chunk, class);
        self.set_chunk(
            chunk,
            Chunk {
                used: Use::Small,
                class,
                ..claimed
            },
        );
        self.list_free(local, chunk, class);
        Ok(())
    }

    /// Gives every block of a chunk that is ours alone its first word in this cut (BLOCK-2).
    fn cut(&self, chunk: u64, class: usize) {
        let base = self
            .host()
            .load64(self.entry(chunk) + C_GENERATION, Ordering::Acquire);
        let start = self.chunk_start(chunk);
        for i in 0..self.blocks_in(class) {
            self.host().store64(
                start + i * CLASSES[class],
                BlockWord::new(State::Free, 0, base).0,
                Ordering::Relaxed,
            );
        }
    }

    /// Puts the free blocks of a chunk of ours into our list, lowest last so that it is used
    /// first. `false` when there was none.
    fn list_free(&self, local: &Local, chunk: u64, class: usize) -> bool {
        local.allocator.with(|a| {
            let own = &mut a.classes[class];
            if !own.chunks.contains(&(chunk as u32)) {
                own.chunks.push(chunk as u32);
            }
            self.scan_into(chunk, class, &mut own.free)
        })
    }

    fn scan_into(&self, chunk: u64, class: usize, free: &mut Vec<u64>) -> bool {
        let before = free.len();
        let start = self.chunk_start(chunk);
        for i in (0..self.blocks_in(class)).rev() {
            let off = start + i * CLASSES[class];
            if self.word(off).state() == Some(State::Free) {
                free.push(off);
            }
        }
        free.len() > before
    }

    /// Looks again at our chunks that others have freed blocks of. Only with an empty list:
    /// else a block could be listed twice.
    fn rescan(&self, local: &Local, class: usize) -> bool {
        local.allocator.with(|a| {
            let own = &mut a.classes[class];
            if !own.free.is_empty() {
                return true;
            }
            for &chunk in &own.chunks {
                let hint = self.entry(u64::from(chunk)) + C_FREED;
                if self.host().load64(hint, Ordering::Acquire) == 0 {
                    continue;
                }
                // Cleared before the look, so that a block freed meanwhile is seen next time.
                self.host().store64(hint, 0, Ordering::SeqCst);
                if self.scan_into(u64::from(chunk), class, &mut own.free) {
                    return true;
                }
            }
            false
        })
    }

    /// Takes over a chunk of this class whose owner has died.
    fn adopt(&self, local: &Local, class: usize) -> bool {
        if self.host().load64(SB_ORPHANS, Ordering::Acquire) == 0 {
            return false;
        }
        let mut orphans = 0;
        for chunk in 0..self.high_water() {
            let found = self.chunk(chunk);
            if found.used != Use::Orphan {
                continue;
            }
            orphans += 1;
            if found.class != class {
                continue;
            }
            let ours = Chunk {
                used: Use::Small,
                slot: local.slot,
                ..found
            };
            if self.change_chunk(chunk, found, ours) && self.list_free(local, chunk, class) {
                return true;
            }
        }
        if orphans == 0 {
            self.host().store64(SB_ORPHANS, 0, Ordering::Release);
        }
        false
    }

    #[cold]
    fn allocate_run(&self, local: &Local, size: u64) -> Result<BlockRef> {
        let n = size.div_ceil(self.0.chunk_size);
        let chunk = self.claim_chunks(local, n)?;
        let off = self.chunk_start(chunk);
        let base = self
            .host()
            .load64(self.entry(chunk) + C_GENERATION, Ordering::Acquire);
        let generation = base + 1;
        // The word first: a HEAD over a FREE word would count as being freed.
        self.host().store64(
            off,
            BlockWord::new(State::Pending, local.slot, generation).0,
            Ordering::Release,
        );
        let claimed = self.chunk(chunk);
        self.set_chunk(
            chunk,
            Chunk {
                used: Use::Head,
                class: RUN_CLASS,
                run: n,
                ..claimed
            },
        );
        for i in 1..n {
            let claimed = self.chunk(chunk + i);
            self.set_chunk(
                chunk + i,
                Chunk {
                    used: Use::Tail,
                    ..claimed
                },
            );
        }
        Ok(BlockRef { off, generation })
    }

    /// Claims `n` neighbouring free chunks and commits them.
    fn claim_chunks(&self, local: &Local, n: u64) -> Result<u64> {
        let mut from = self.host().load64(SB_FREE_HINT, Ordering::Acquire);
        loop {
            match self.find_free(from, n) {
                Some(first) if self.claim_range(local, first, n) => {
                    if n == 1 && from == first {
                        let _ = self.host().cas64(SB_FREE_HINT, first, first + 1);
                    }
                    return match self.commit_range(local, first, n) {
                        Ok(()) => Ok(first),
                        Err(error) => {
                            self.release_range(local, first, n);
                            Err(error)
                        }
                    };
                }
                Some(first) => from = first,
                None if from > 0 => from = 0,
                None => return Err(self.out_of_memory(n * self.0.chunk_size)),
            }
        }
    }

    fn find_free(&self, from: u64, n: u64) -> Option<u64> {
        let (mut first, mut found) = (from, 0);
        let mut chunk = from;
        while chunk < self.0.chunks {
            if found == n {
                return Some(first);
            }
            let high = self.high_water();
            if chunk >= high {
                // Nothing above was ever taken.
                let first = if found > 0 { first } else { chunk };
                return (first + n <= self.0.chunks).then_some(first);
            }
            let word = self.chunk(chunk);
            if word.used == Use::Free {
                if found == 0 {
                    first = chunk;
                }
                found += 1;
                chunk += 1;
            } else {
                found = 0;
                chunk += if word.used == Use::Head {
                    word.run.max(1)
                } else {
                    1
                };
            }
        }
        (found == n).then_some(first)
    }

    fn claim_range(&self, local: &Local, first: u64, n: u64) -> bool {
        self.raise_high_water(first + n);
        for i in 0..n {
            let found = self.chunk(first + i);
            let ours = Chunk {
                used: Use::Claimed,
                slot: local.slot,
                committed: found.committed,
                ..Chunk::FREE
            };
            if found.used != Use::Free || !self.change_chunk(first + i, found, ours) {
                self.release_range(local, first, i);
                return false;
            }
            if found.committed {
                self.host().add64(SB_IDLE, self.0.chunk_size.wrapping_neg());
            }
        }
        true
    }

    fn raise_high_water(&self, to: u64) {
        let mut high = self.host().load64(SB_HIGH_WATER, Ordering::Acquire);
        while high < to {
            match self.host().cas64(SB_HIGH_WATER, high, to) {
                Ok(_) => return,
                Err(found) => high = found,
            }
        }
    }

    /// Gives claimed chunks back.
    fn release_range(&self, local: &Local, first: u64, n: u64) {
        for chunk in first..first + n {
            let found = self.chunk(chunk);
            if found.used == Use::Claimed && found.slot == local.slot {
                self.free_chunk(chunk, found.committed);
            }
        }
    }

    /// The last step of every way that a chunk becomes free.
    pub(crate) fn free_chunk(&self, chunk: u64, committed: bool) {
        if committed {
            self.host().add64(SB_IDLE, self.0.chunk_size);
        }
        self.set_chunk(
            chunk,
            Chunk {
                committed,
                ..Chunk::FREE
            },
        );
        let mut hint = self.host().load64(SB_FREE_HINT, Ordering::Acquire);
        while chunk < hint {
            match self.host().cas64(SB_FREE_HINT, hint, chunk) {
                Ok(_) => return,
                Err(found) => hint = found,
            }
        }
    }

    fn commit_range(&self, local: &Local, first: u64, n: u64) -> Result<()> {
        let size = self.0.chunk_size;
        let missing = (first..first + n)
            .filter(|&c| !self.chunk(c).committed)
            .count() as u64;
        if missing == 0 {
            return Ok(());
        }
        let before = self.host().add64(SB_COMMITTED, missing * size);
        if before + missing * size > self.limit() {
            self.host()
                .add64(SB_COMMITTED, (missing * size).wrapping_neg());
            // What lies idle elsewhere may go back to the system to make room.
            if self.trim() == 0 {
                return Err(self.out_of_memory(n * size));
            }
            let before = self.host().add64(SB_COMMITTED, missing * size);
            if before + missing * size > self.limit() {
                self.host()
                    .add64(SB_COMMITTED, (missing * size).wrapping_neg());
                return Err(self.out_of_memory(n * size));
            }
        }
        if let Err(error) = self.host().commit(self.chunk_start(first), n * size) {
            self.host()
                .add64(SB_COMMITTED, (missing * size).wrapping_neg());
            return Err(match error {
                Error::OutOfMemory { .. } => self.out_of_memory(n * size),
                other => other,
            });
        }
        for chunk in first..first + n {
            let claimed = self.chunk(chunk);
            debug_assert_eq!((claimed.used, claimed.slot), (Use::Claimed, local.slot));
            self.set_chunk(
                chunk,
                Chunk {
                    committed: true,
                    ..claimed
                },
            );
        }
        Ok(())
    }

    #[cold]
    fn out_of_memory(&self, requested: u64) -> Error {
        Error::OutOfMemory {
            requested,
            limit: self.limit(),
            used: self.used(),
        }
    }

    // ---- freeing ---------------------------------------------------------------------------

    /// Frees a block that nobody reaches any more. Stale references and second calls do nothing.
    #[inline]
    pub(crate) fn free(&self, local: &Local, block: BlockRef) {
        let live = BlockWord::live(block.generation).0;
        let free = BlockWord::new(State::Free, 0, block.generation).0;
        if self.host().cas64(block.off, live, free).is_ok() {
            self.freed(local, block.off);
        }
    }

    /// Takes back a block of our own that was never made LIVE.
    pub(crate) fn free_pending(&self, local: &Local, block: BlockRef) {
        let pending = BlockWord::new(State::Pending, local.slot, block.generation).0;
        let free = BlockWord::new(State::Free, 0, block.generation).0;
        if self.host().cas64(block.off, pending, free).is_ok() {
            self.freed(local, block.off);
        }
    }

    /// What follows once a block's word says FREE.
    #[inline]
    pub(crate) fn freed(&self, local: &Local, off: u64) {
        let Ok(chunk) = self.chunk_of(off) else {
            return;
        };
        let word = self.chunk(chunk);
        match word.used {
            Use::Small if word.slot == local.slot => {
                local
                    .allocator
                    .with(|a| a.classes[word.class.min(CLASSES.len() - 1)].free.push(off));
            }
            Use::Small | Use::Orphan => {
                let hint = self.entry(chunk) + C_FREED;
                if self.host().load64(hint, Ordering::Relaxed) == 0 {
                    self.host().store64(hint, 1, Ordering::SeqCst);
                }
            }
            Use::Head => self.free_run(local, chunk, word),
            _ => {}
        }
    }

    /// Marks the tails of a run whose allocation `slot` did not live to finish.
    pub(crate) fn mark_tails(&self, chunk: u64, head: Chunk, slot: u64) {
        for i in 1..head.run.clamp(1, self.0.chunks - chunk) {
            let found = self.chunk(chunk + i);
            if found.used == Use::Claimed && found.slot == slot {
                self.set_chunk(
                    chunk + i,
                    Chunk {
                        used: Use::Tail,
                        ..found
                    },
                );
            }
        }
    }

    /// Gives a run back, in steps that anybody can finish.
    pub(crate) fn free_run(&self, local: &Local, chunk: u64, head: Chunk) {
        let mine = Chunk {
            used: Use::Freeing,
            slot: local.slot,
            ..head
        };
        if self.change_chunk(chunk, head, mine) {
            self.finish_run(chunk, mine);
        }
    }

    /// Finishes a run that is FREEING, by whom ever it was begun.
    pub(crate) fn finish_run(&self, chunk: u64, head: Chunk) {
        let host = self.host();
        let word = self.word(self.chunk_start(chunk));
        host.store64(
            self.entry(chunk) + C_GENERATION,
            word.generation(),
            Ordering::Release,
        );
        let n = head.run.clamp(1, self.0.chunks - chunk);
        let size = self.0.chunk_size;
        let keep = n * size < KEEP_IDLE / 4
            && host.load64(SB_IDLE, Ordering::Relaxed) + n * size <= KEEP_IDLE;
        let mut i = 1;
        while i < n {
            // What was given back before an earlier finisher died may be in use again.
            match self.chunk(chunk + i) {
                Chunk {
                    used: Use::Tail,
                    committed,
                    ..
                } => {
                    self.give_back(chunk + i, committed, keep);
                    i += 1;
                }
                Chunk {
                    used: Use::Head | Use::Freeing,
                    run,
                    ..
                } => i += run.max(1),
                _ => i += 1,
            }
        }
        self.give_back(chunk, head.committed, keep);
    }

    fn give_back(&self, chunk: u64, committed: bool, keep: bool) {
        if committed && !keep {
            self.host()
                .decommit(self.chunk_start(chunk), self.0.chunk_size);
            self.host()
                .add64(SB_COMMITTED, self.0.chunk_size.wrapping_neg());
        }
        self.free_chunk(chunk, committed && keep);
    }

    /// Gives free chunks back to the system; the number of bytes.
    pub(crate) fn trim(&self) -> u64 {
        let mut bytes = 0;
        let Ok(local) = self.local() else { return 0 };
        self.free_empty_chunks(local);
        for chunk in 0..self.high_water() {
            let found = self.chunk(chunk);
            if found.used != Use::Free || !found.committed {
                continue;
            }
            let ours = Chunk {
                used: Use::Claimed,
                slot: local.slot,
                committed: true,
                ..Chunk::FREE
            };
            if self.change_chunk(chunk, found, ours) {
                self.host().add64(SB_IDLE, self.0.chunk_size.wrapping_neg());
                self.give_back(chunk, true, false);
                bytes += self.0.chunk_size;
            }
        }
        bytes
    }

    /// Frees those of our small chunks that hold no block.
    fn free_empty_chunks(&self, local: &Local) {
        local.allocator.with(|a| {
            for (class, own) in a.classes.iter_mut().enumerate() {
                let (size, blocks) = (CLASSES[class], self.blocks_in(class));
                own.chunks.retain(|&chunk| {
                    let chunk = u64::from(chunk);
                    let start = self.chunk_start(chunk);
                    let words = || (0..blocks).map(|i| self.word(start + i * size));
                    if words().any(|w| w.state() != Some(State::Free)) {
                        return true;
                    }
                    own.free
                        .retain(|&off| off < start || off >= start + self.0.chunk_size);
                    self.retire(chunk, words().map(BlockWord::generation).max());
                    false
                });
            }
        });
    }

    /// A small chunk, all of whose blocks are free and which is ours, becomes free.
    pub(crate) fn retire(&self, chunk: u64, highest: Option<u64>) {
        let found = self.chunk(chunk);
        let entry = self.entry(chunk);
        let before = self.host().load64(entry + C_GENERATION, Ordering::Acquire);
        self.host().store64(
            entry + C_GENERATION,
            before.max(highest.unwrap_or(0)),
            Ordering::Release,
        );
        self.free_chunk(chunk, found.committed);
    }

    /// Counts committed chunks again: kills leave the counters a little off.
    pub(crate) fn recount(&self) {
        let (committed, idle) = (
            self.host().load64(SB_COMMITTED, Ordering::SeqCst),
            self.host().load64(SB_IDLE, Ordering::SeqCst),
        );
        let (mut bytes, mut free) = (0, 0);
        for chunk in 0..self.high_water() {
            let found = self.chunk(chunk);
            if found.committed {
                bytes += self.0.chunk_size;
                if found.used == Use::Free {
                    free += self.0.chunk_size;
                }
            }
        }
        // Who changed them meanwhile is right and we are not.
        let _ = self.host().cas64(SB_COMMITTED, committed, bytes);
        let _ = self.host().cas64(SB_IDLE, idle, free);
    }
}
