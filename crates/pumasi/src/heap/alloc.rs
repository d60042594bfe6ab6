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
//! How chunks are taken and given back: `chunk`. Sizes are in bytes.

use core::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::heap::cell::{BlockWord, State};
use crate::heap::chunk::{Chunk, Use};
use crate::heap::hash::OffsetMap;
use crate::heap::layout::{C_FREED, C_GENERATION, CLASSES, SB_ORPHANS};
use crate::heap::{Heap, Local, class_for};
use crate::sys::Host;

/// A block and the generation it was allocated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) off: u64,
    pub(crate) generation: u64,
}

/// The private part: what this process knows to be free.
pub(crate) struct Allocator {
    classes: [Class; CLASSES.len()],
}

struct Class {
    free: Vec<u64>,
    /// Our chunks of this class.
    chunks: Vec<u32>,
    /// With so many free blocks it is time to look for chunks that are empty.
    look_at: usize,
}

/// So many bytes of a class may be free before anybody looks for empty chunks of it.
const SPARE: u64 = 256 << 10;

impl Default for Allocator {
    fn default() -> Self {
        Allocator {
            classes: CLASSES.map(|size| Class {
                free: Vec::new(),
                chunks: Vec::new(),
                look_at: (SPARE / size) as usize,
            }),
        }
    }
}

impl<H: Host> Heap<H> {
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
    /// first (PART-6), and what nothing reaches is collected.
    #[inline(always)]
    pub(crate) fn allocate_outside(&self, local: &'static Local, size: u64) -> Result<BlockRef> {
        if local.due.has_idle() {
            self.give_idle_back(local);
        }
        match self.allocate(local, size) {
            Err(Error::OutOfMemory { .. }) if self.make_room(local) => self.allocate(local, size),
            other => other,
        }
    }

    /// Whether that many bytes fit a block, and need no run of chunks.
    pub(crate) fn is_block(&self, size: u64) -> bool {
        class_for(size, self.0.chunk_size).is_some()
    }

    /// Whether a block of `size` bytes can be had without taking memory from the system: for
    /// those who hold a lock, which they give up otherwise, to [`Heap::stock`] (D 7).
    pub(crate) fn in_stock(&self, local: &Local, size: u64) -> bool {
        class_for(size, self.0.chunk_size)
            .is_some_and(|class| local.allocator.with(|a| !a.classes[class].free.is_empty()))
    }

    /// Takes from the system, if need be, what the next block of `size` bytes is cut from.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] at the limit.
    #[cold]
    pub(crate) fn stock(&self, local: &'static Local, size: u64) -> Result<()> {
        let block = self.allocate_outside(local, size)?;
        self.free_pending(local, block);
        Ok(())
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
        let base = self.highest_generation(chunk);
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
                let class = word.class.min(CLASSES.len() - 1);
                let many = local.allocator.with(|a| {
                    let own = &mut a.classes[class];
                    own.free.push(off);
                    own.free.len() >= own.look_at
                });
                if many {
                    self.look_for_empty_chunks(local, class);
                }
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

    /// Frees those of our small chunks that hold no block; those of headers where `headers` says
    /// so.
    pub(super) fn free_empty_chunks(&self, local: &Local, headers: bool) {
        for class in usize::from(!headers)..CLASSES.len() {
            self.free_empty_of(local, class);
        }
    }

    /// Our empty chunks of one class become free for others. The time is spread: it is looked
    /// again when there are twice as many free blocks as are left now.
    #[cold]
    #[inline(never)]
    fn look_for_empty_chunks(&self, local: &Local, class: usize) {
        if class != 0 {
            self.free_empty_of(local, class);
        } else if !self.with_headers_alone(local, || self.free_empty_of(local, class)) {
            // A collection is under way.
            local.allocator.with(|a| a.classes[class].look_at *= 2);
        }
        local.due.idle_if(self.is_idle_beyond());
    }

    fn free_empty_of(&self, local: &Local, class: usize) {
        let (size, blocks) = (CLASSES[class], self.blocks_in(class));
        local.allocator.with(|a| {
            let own = &mut a.classes[class];
            let words = |chunk: u64| {
                let start = self.chunk_start(chunk);
                (0..blocks).map(move |i| self.word(start + i * size))
            };
            let mut empty = OffsetMap::default();
            own.chunks.retain(|&chunk| {
                let chunk = u64::from(chunk);
                let used = words(chunk).any(|w| w.state() != Some(State::Free));
                if !used {
                    empty.insert(chunk, ());
                }
                used
            });
            if !empty.is_empty() {
                let of = |off: u64| self.chunk_of(off).unwrap_or(u64::MAX);
                own.free.retain(|&off| !empty.contains_key(&of(off)));
                for &chunk in empty.keys() {
                    self.retire(chunk, words(chunk).map(BlockWord::generation).max());
                }
            }
            own.look_at = (2 * own.free.len()).max((SPARE / size) as usize);
        });
    }

    /// Frees a chunk whose owner has ended and that holds no block.
    pub(super) fn free_if_empty_orphan(&self, local: &Local, chunk: u64, found: Chunk) {
        if found.used != Use::Orphan || found.class >= CLASSES.len() {
            return;
        }
        let (size, start) = (CLASSES[found.class], self.chunk_start(chunk));
        let words = || (0..self.blocks_in(found.class)).map(|i| self.word(start + i * size));
        let used = || words().any(|w| w.state() != Some(State::Free));
        let ours = Chunk {
            used: Use::Small,
            slot: local.slot,
            ..found
        };
        // Nobody allocates from an orphan, and from then on nobody can take it over.
        if used() || !self.change_chunk(chunk, found, ours) {
            return;
        }
        self.retire(chunk, words().map(BlockWord::generation).max());
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
}
