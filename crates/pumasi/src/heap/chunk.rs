//! Chunks: what is taken from the system at a time, alone or in runs for large values. The file is
//! long because claiming, committing and giving back are one protocol over one word.
//!
//! ```text
//! chunk word: state(4) | committed(1) | class(6) | slot(10) | spare(11) | run(32)
//! FREE -> CLAIMED(slot) -> SMALL(slot, class) <-> ORPHAN(class)
//!                       -> HEAD(slot, n), TAIL ... -> FREEING(slot, n) -> FREE
//! ```
//!
//! What is freed is kept for what comes next, and what has lain idle longest goes back to the
//! system once more than enough lies idle: so a queue through which large values pass asks the
//! system for nothing, however much was freed before it.
//!
//! If a process dies: a CLAIMED chunk goes back to FREE; a HEAD whose block word is FREE was
//! being freed and is finished; a SMALL chunk becomes an ORPHAN, its PENDING blocks free
//! (`estate`). Sizes are in bytes. What is done with a small chunk is the business of `alloc`.

use core::cell::Cell;
use core::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{BlockWord, State};
use crate::heap::layout::{
    C_GENERATION, C_IDLE_SINCE, C_WORD, CHUNK_ENTRY, CLASSES, MAX_PARTICIPANTS, PAGE,
    PARTICIPANT_SIZE, PARTICIPANTS, RUN_CLASS, SB_COLLECTOR, SB_COMMITTED, SB_FREE_HINT,
    SB_GIVEN_BACK, SB_HIGH_WATER, SB_IDLE,
};
use crate::heap::lock::Taken;
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// How far what makes containers smaller may go beyond the limit, in bytes.
const BEYOND_BY: u64 = 8 << 20;

thread_local! {
    static BEYOND: Cell<bool> = const { Cell::new(false) };
}

/// Keep this many free chunks for reuse in a heap of any limit, 64 MiB of the usual ones; fresh
/// pages are dear.
const KEEP_IDLE: u64 = 1024;

/// Where the limit allows it keep a 32nd of it, but no more than this, 256 MiB of the usual ones.
const KEEP_IDLE_AT_MOST: u64 = 4096;

/// Give at least so many chunks back to the system at a time.
const GIVE_BACK: u64 = 64;

/// What a chunk is used for.
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
    pub(super) fn entry(&self, chunk: u64) -> u64 {
        PARTICIPANTS + MAX_PARTICIPANTS * PARTICIPANT_SIZE + chunk * CHUNK_ENTRY
    }

    #[inline(always)]
    pub(crate) fn chunk(&self, chunk: u64) -> Chunk {
        Chunk::unpack(
            self.host()
                .load64(self.entry(chunk) + C_WORD, Ordering::Acquire),
        )
    }

    pub(super) fn set_chunk(&self, chunk: u64, to: Chunk) {
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
        if chunk >= self.high_water() {
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

    /// The highest generation that a block in the chunk ever had (BLOCK-2), as blocks hold it.
    pub(super) fn highest_generation(&self, chunk: u64) -> u64 {
        let at = self.entry(chunk) + C_GENERATION;
        BlockWord(self.host().load64(at, Ordering::Acquire)).generation()
    }

    #[cold]
    pub(super) fn allocate_run(&self, local: &Local, size: u64) -> Result<BlockRef> {
        let n = size.div_ceil(self.0.chunk_size);
        let chunk = self.claim_chunks(local, n)?;
        let off = self.chunk_start(chunk);
        let base = self.highest_generation(chunk);
        let word = BlockWord::new(State::Pending, local.slot, base + 1);
        let generation = word.generation();
        // The word first: a HEAD over a FREE word would count as being freed.
        self.host().store64(off, word.0, Ordering::Release);
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
    pub(super) fn claim_chunks(&self, local: &Local, n: u64) -> Result<u64> {
        let mut from = self.host().load64(SB_FREE_HINT, Ordering::Acquire);
        loop {
            match self.find_free(from, n) {
                Some(first) if self.claim_range(local, first, n)? => {
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

    fn claim_range(&self, local: &Local, first: u64, n: u64) -> Result<bool> {
        self.raise_high_water(first + n)?;
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
                return Ok(false);
            }
            if found.committed {
                self.host().add64(SB_IDLE, self.0.chunk_size.wrapping_neg());
            }
        }
        Ok(true)
    }

    /// The table below the high water is backed by memory, a page at a time, so that no look at
    /// an entry can be the one for which the system has none left.
    fn raise_high_water(&self, to: u64) -> Result<()> {
        let page_of = |chunk: u64| self.entry(chunk) / PAGE * PAGE;
        let mut high = self.host().load64(SB_HIGH_WATER, Ordering::Acquire);
        while high < to {
            // The page of the highest entry was committed with it, the first one with the heap.
            let (backed, last) = (page_of(high.max(1) - 1), page_of(to - 1));
            if last > backed {
                let committed = self.host().commit(backed + PAGE, last - backed);
                if let Err(Error::OutOfMemory { .. }) = committed {
                    return Err(self.out_of_memory(last - backed));
                }
                committed?;
            }
            match self.host().cas64(SB_HIGH_WATER, high, to) {
                Ok(_) => return Ok(()),
                Err(found) => high = found,
            }
        }
        Ok(())
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
            let since = self.host().load64(SB_GIVEN_BACK, Ordering::Relaxed);
            let at = self.entry(chunk) + C_IDLE_SINCE;
            self.host().store64(at, since, Ordering::Relaxed);
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

    /// Runs `f`, in which this thread may take a little more memory than the limit allows: for
    /// what makes a container smaller, which must not fail for want of memory.
    pub(crate) fn a_little_beyond<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Restore(bool);
        impl Drop for Restore {
            fn drop(&mut self) {
                BEYOND.with(|b| b.set(self.0));
            }
        }
        let _restore = Restore(BEYOND.with(|b| b.replace(true)));
        f()
    }

    /// The limit for this thread now.
    fn limit_now(&self) -> u64 {
        let beyond = if BEYOND.with(Cell::get) { BEYOND_BY } else { 0 };
        self.limit().saturating_add(beyond)
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
        if before + missing * size > self.limit_now() {
            self.host()
                .add64(SB_COMMITTED, (missing * size).wrapping_neg());
            // What lies idle elsewhere may go back to the system to make room, or is on its way.
            self.trim();
            let before = self.host().add64(SB_COMMITTED, missing * size);
            if before + missing * size > self.limit_now() {
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
            if self.is_idle_beyond() {
                // This run is likely the one wanted next.
                self.give_longest_idle_back(local, head.run.max(GIVE_BACK), chunk, head.run);
            }
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
        let keep = n <= KEEP_IDLE / 2;
        let mut i = 1;
        while i < n {
            // What was given back before an earlier finisher died may be in use again.
            match self.chunk(chunk + i) {
                Chunk {
                    used: Use::Tail,
                    committed,
                    ..
                } => {
                    let same = |c: &u64| {
                        let tail = self.chunk(*c);
                        tail.used == Use::Tail && tail.committed == committed
                    };
                    let tails = 1 + (chunk + i + 1..chunk + n).take_while(same).count() as u64;
                    self.give_back(chunk + i, tails, committed, keep);
                    i += tails;
                }
                Chunk {
                    used: Use::Head | Use::Freeing,
                    run,
                    ..
                } => i += run.max(1),
                _ => i += 1,
            }
        }
        self.give_back(chunk, 1, head.committed, keep);
    }

    /// `n` neighbouring chunks that nobody else can change become free; to the system go those
    /// that are not kept, at once, because each call costs more than the memory does.
    fn give_back(&self, first: u64, n: u64, committed: bool, keep: bool) {
        if committed && !keep {
            let bytes = n * self.0.chunk_size;
            self.host().add64(SB_COMMITTED, bytes.wrapping_neg());
            self.host().decommit(self.chunk_start(first), bytes);
        }
        for chunk in first..first + n {
            self.free_chunk(chunk, committed && keep);
        }
    }

    /// Gives free chunks back to the system; the number of bytes.
    pub(crate) fn trim(&self) -> u64 {
        let Ok(local) = self.local() else { return 0 };
        let empty = |headers| {
            self.free_empty_chunks(local, headers);
            for chunk in 0..self.high_water() {
                let found = self.chunk(chunk);
                if headers || found.class != 0 {
                    self.free_if_empty_orphan(local, chunk, found);
                }
            }
        };
        if !self.with_headers_alone(local, || empty(true)) {
            empty(false);
        }
        self.give_free_back(local, u64::MAX, |_| true) * self.0.chunk_size
    }

    /// Runs `f` while nobody collects: a collector looks at headers that it has no handle of, so
    /// that chunks of headers stay what they are till it is done. `false`, and nothing done, when
    /// somebody does.
    pub(super) fn with_headers_alone(&self, local: &Local, f: impl FnOnce()) -> bool {
        let taken = self.take_now(local, SB_COLLECTOR);
        let alone = matches!(taken, Ok(Taken::Ours | Taken::FromDead(..)));
        if alone {
            f();
            self.give(local, SB_COLLECTOR);
        }
        alone
    }

    /// Whether more lies idle than is kept for reuse.
    pub(super) fn is_idle_beyond(&self) -> bool {
        let share = self.limit() / 32 / self.0.chunk_size;
        let kept = share.clamp(KEEP_IDLE, KEEP_IDLE_AT_MOST) * self.0.chunk_size;
        self.host().load64(SB_IDLE, Ordering::Relaxed) > kept
    }

    /// Gives a few of the chunks that lie idle back to the system, as long as there are more than
    /// are kept for reuse. No lock is held: it takes its time.
    #[cold]
    #[inline(never)]
    pub(super) fn give_idle_back(&self, local: &Local) {
        let given = if self.is_idle_beyond() {
            self.give_longest_idle_back(local, GIVE_BACK, 0, 0)
        } else {
            0
        };
        local
            .due
            .idle_if(given >= GIVE_BACK && self.is_idle_beyond());
    }

    /// Gives `n` chunks back, rather those that were not used since the last time than others, and
    /// none of the `kept` ones from `first` on; how many. What is used again and again gets older
    /// than that in no round, so that after a few rounds only what nobody uses goes.
    #[cold]
    #[inline(never)]
    fn give_longest_idle_back(&self, local: &Local, n: u64, first: u64, kept: u64) -> u64 {
        let round = self.host().add64(SB_GIVEN_BACK, 1);
        let unused = |chunk: u64| {
            let at = self.entry(chunk) + C_IDLE_SINCE;
            self.host().load64(at, Ordering::Relaxed) < round
        };
        let other = |chunk: u64| !(first..first + kept).contains(&chunk);
        let given = self.give_free_back(local, n, |chunk| other(chunk) && unused(chunk));
        if given == n {
            return n;
        }
        given + self.give_free_back(local, n - given, other)
    }

    /// Gives at most `most` free chunks that are `meant` back to the system, the highest first
    /// because the lowest are used first; how many. Neighbours go in one piece.
    fn give_free_back(&self, local: &Local, most: u64, meant: impl Fn(u64) -> bool) -> u64 {
        let (mut given, mut first, mut n) = (0, 0, 0);
        for chunk in (0..self.high_water()).rev() {
            if n > 0 && (n == GIVE_BACK || chunk + 1 != first) {
                self.give_claimed_back(first, n);
                n = 0;
            }
            if given == most {
                break;
            }
            if self.claim_idle(local, chunk, &meant) {
                (first, n, given) = (chunk, n + 1, given + 1);
            }
        }
        if n > 0 {
            self.give_claimed_back(first, n);
        }
        given
    }

    fn give_claimed_back(&self, first: u64, n: u64) {
        let bytes = n * self.0.chunk_size;
        self.host().decommit(self.chunk_start(first), bytes);
        for chunk in first..first + n {
            self.free_chunk(chunk, false);
        }
    }

    /// Claims a chunk to give it back, if it lies idle and is meant. It no longer counts then:
    /// another, who finds no memory meanwhile and nothing left to give back, need not fail.
    fn claim_idle(&self, local: &Local, chunk: u64, meant: impl Fn(u64) -> bool) -> bool {
        let found = self.chunk(chunk);
        if found.used != Use::Free || !found.committed || !meant(chunk) {
            return false;
        }
        let ours = Chunk {
            used: Use::Claimed,
            slot: local.slot,
            committed: true,
            ..Chunk::FREE
        };
        let claimed = self.change_chunk(chunk, found, ours);
        if claimed {
            let less = self.0.chunk_size.wrapping_neg();
            self.host().add64(SB_COMMITTED, less);
            self.host().add64(SB_IDLE, less);
        }
        claimed
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
