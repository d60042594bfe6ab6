//! Bringing values in and out. The file is long because making, reading, pinning and freeing a
//! value share the one layout that is described here.
//!
//! A value is made ready before any lock is taken ([`Prepared`]): inline in a cell, or in a
//! PENDING block that nobody else knows of. Reading copies up to 1 KiB under the lock; a larger
//! block is pinned under the lock and read after it ([`Fetch`]). Value blocks never change after
//! the commit.
//!
//! PIN-1: a pin bit is set under the lock of the container whose cell leads to the block, while
//! the block is LIVE; freeing (LIVE to LIMBO) happens under the same lock or where nothing
//! reaches the container or the lease of a queue's item is its releaser's own. So no pin is added to a block in LIMBO; and of the last unpinner and
//! the one who freed, at least one sees LIMBO without pins (a fence lies between the change of
//! the one word and the look at the other) and one swap to FREE succeeds. If a pinner dies, `estate` clears its bits.

use core::sync::atomic::Ordering;

pub use crate::heap::fetch::{Fetch, Pinned};

use crate::error::{Error, Fast, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{BlockWord, Cell, State, Tag};
use crate::heap::layout::{B_BYTES, B_META, COPY_LIMIT, MAX_PARTICIPANTS, PIN_BYTES};
use crate::heap::log::{Action, Doomed};
use crate::heap::object::ObjectRef;
use crate::heap::{Heap, Local};
use crate::sys::{Host, Real};

/// Form bit: the value holds references to shared objects before its bytes.
const WITH_EDGES: u64 = 1;

/// A value ready to be stored. Dropped without being stored, it gives its memory back.
#[must_use]
pub struct Prepared<'h, H: Host = Real> {
    heap: &'h Heap<H>,
    cell: Cell,
    /// All 48 bits; 0 for inline cells.
    generation: u64,
}

impl<H: Host> core::fmt::Debug for Prepared<'_, H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Prepared").field(&self.cell).finish()
    }
}

impl<'h, H: Host> Prepared<'h, H> {
    /// A value that fits a cell.
    #[inline(always)]
    pub fn inline(heap: &'h Heap<H>, cell: Cell) -> Self {
        debug_assert!(cell.is_inline());
        Prepared {
            heap,
            cell,
            generation: 0,
        }
    }

    /// What will be stored.
    #[inline(always)]
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// How many bytes the value takes besides its cell, roughly.
    pub fn size(&self) -> u64 {
        match self.cell.tag() {
            _ if self.cell.is_inline() => 0,
            Tag::Object | Tag::Float => 16,
            _ => self
                .heap
                .value_bytes(self.cell.offset())
                .map_or(0, |(len, _)| len),
        }
    }

    /// Where the value's block is; 0 for a value that fits a cell. For tests.
    #[doc(hidden)]
    pub fn offset(&self) -> u64 {
        if self.cell.is_inline() {
            0
        } else {
            self.cell.offset()
        }
    }

    /// The action which makes the stored value reachable, if it needs one.
    #[inline(always)]
    pub(crate) fn publish(&self) -> Option<Action> {
        (!self.cell.is_inline() && self.cell.tag() != Tag::Object).then(|| {
            Action::Publish(BlockRef {
                off: self.cell.offset(),
                generation: self.generation,
            })
        })
    }

    /// The value is stored now, and the lock of its container still held: nothing is left to
    /// give back but the handles of what it leads to (GC-2).
    #[inline(always)]
    pub(crate) fn stored(&mut self) {
        if self.cell.may_lead() {
            self.let_go();
        }
        self.cell = Cell::NONE;
    }

    #[cold]
    #[inline(never)]
    fn let_go(&self) {
        self.heap.let_go(self.heap.leads_to(self.cell));
    }
}

impl<H: Host> Drop for Prepared<'_, H> {
    #[inline]
    fn drop(&mut self) {
        if !self.cell.is_inline() {
            self.heap.discard(self.cell, self.generation);
        }
    }
}

impl<H: Host> Heap<H> {
    #[cold]
    fn discard(&self, cell: Cell, generation: u64) {
        let Ok(local) = self.local() else { return };
        let mut doomed = Doomed::new();
        let held = self.leads_to(cell);
        if cell.tag() == Tag::Object {
            let _ = self.lower_edge(cell, &mut doomed);
        } else {
            let block = BlockRef {
                off: cell.offset(),
                generation,
            };
            self.drop_edges(block.off, &mut doomed);
            self.free_pending(local, block);
        }
        self.let_go(held);
        self.destroy_all(local, doomed);
    }

    /// The objects that a value of ours, not stored yet or just stored, leads to: while it is on
    /// its way this process has a handle of each for it (GC-2).
    fn leads_to(&self, cell: Cell) -> Vec<Cell> {
        match cell.tag() {
            Tag::Object => vec![cell],
            Tag::Pickle => self.edges_of(cell.offset()),
            _ => Vec::new(),
        }
    }

    fn let_go(&self, objects: Vec<Cell>) {
        for off in objects.into_iter().map(Cell::offset) {
            self.drop_handle(off, self.word(off).generation());
        }
    }

    /// An edge to an object, and a handle for as long as it is on its way (GC-2).
    fn lead_to(&self, local: &Local, object: &ObjectRef<H>) -> Result<Cell> {
        let cell = self.raise_edge(object)?;
        self.add_handle(local, object.offset(), object.generation());
        Ok(cell)
    }

    /// A string (UTF-8), bytes, an integer's bytes, an encoded tuple or a pickle.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn prepare_bytes(&self, tag: Tag, bytes: &[u8]) -> Result<Prepared<'_, H>> {
        let short = match tag {
            Tag::Str => Cell::short_str(bytes),
            Tag::Bytes => Cell::short_bytes(bytes),
            _ => None,
        };
        if let Some(cell) = short {
            return Ok(Prepared::inline(self, cell));
        }
        self.prepare_block(tag, &[bytes], &[], true)
    }

    /// Long bytes, where an internal lock is held.
    pub(crate) fn prepare_locked(&self, tag: Tag, bytes: &[u8]) -> Result<Prepared<'_, H>> {
        self.prepare_block(tag, &[bytes], &[], false)
    }

    /// A float.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn prepare_float(&self, f: f64) -> Result<Prepared<'_, H>> {
        let block = self.allocate(self.local()?, 16)?;
        self.host()
            .store64(block.off + B_META, f.to_bits(), Ordering::Relaxed);
        Ok(self.ready(Tag::Float, block))
    }

    /// An integer of any size that fits 64 bits.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn prepare_int(&self, i: i64) -> Result<Prepared<'_, H>> {
        match Cell::int(i) {
            Some(cell) => Ok(Prepared::inline(self, cell)),
            None => self.prepare_bytes(Tag::BigInt, &i.to_le_bytes()),
        }
    }

    /// A pickle and the shared objects that it refers to, which it keeps alive.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::WrongHeap`] for an object of another heap.
    pub fn prepare_pickle(
        &self,
        bytes: &[u8],
        objects: &[&ObjectRef<H>],
    ) -> Result<Prepared<'_, H>> {
        self.prepare_pickle_of(&[bytes], objects)
    }

    /// The same for one whose parts are put behind each other.
    ///
    /// # Errors
    /// As [`Heap::prepare_pickle`].
    pub fn prepare_pickle_of(
        &self,
        parts: &[&[u8]],
        objects: &[&ObjectRef<H>],
    ) -> Result<Prepared<'_, H>> {
        self.prepare_block(Tag::Pickle, parts, objects, true)
    }

    /// A nested object.
    ///
    /// # Errors
    /// [`Error::WrongHeap`] for an object of another heap.
    pub fn prepare_object(&self, object: &ObjectRef<H>) -> Result<Prepared<'_, H>> {
        self.own(object)?;
        let cell = self.lead_to(self.local()?, object)?;
        Ok(Prepared {
            heap: self,
            cell,
            generation: object.generation(),
        })
    }

    fn own(&self, object: &ObjectRef<H>) -> Result<()> {
        if object.heap().same(self) {
            return Ok(());
        }
        Err(Error::WrongHeap {
            expected: self.id(),
            found: object.heap().id(),
        })
    }

    #[inline(always)]
    fn ready(&self, tag: Tag, block: BlockRef) -> Prepared<'_, H> {
        Prepared {
            heap: self,
            cell: Cell::block(tag, block.off, block.generation),
            generation: block.generation,
        }
    }

    fn prepare_block(
        &self,
        tag: Tag,
        parts: &[&[u8]],
        objects: &[&ObjectRef<H>],
        outside: bool,
    ) -> Result<Prepared<'_, H>> {
        objects.iter().try_for_each(|o| self.own(o))?;
        let len = parts.iter().map(|part| part.len() as u64).sum();
        let pins = if len > COPY_LIMIT { PIN_BYTES } else { 0 };
        let edges = if objects.is_empty() {
            0
        } else {
            8 + objects.len() as u64 * 8
        };
        let (local, size) = (self.local()?, B_BYTES + pins + edges + len);
        let block = if outside {
            self.allocate_outside(local, size)?
        } else {
            self.allocate(local, size)?
        };
        let (host, off) = (self.host(), block.off);
        let form = if edges > 0 { WITH_EDGES } else { 0 };
        // Until the number of edges is right the block must look as if it had none: it may be
        // discarded at any step.
        host.store64(off + B_META, len, Ordering::Relaxed);
        if pins > 0 {
            host.zero_words(off + B_BYTES, PIN_BYTES / 8);
        }
        let prepared = self.ready(tag, block);
        if edges > 0 {
            let at = off + B_BYTES + pins;
            host.store64(at, 0, Ordering::Relaxed);
            host.store64(off + B_META, (form << 48) | len, Ordering::Relaxed);
            for (i, object) in objects.iter().enumerate() {
                let i = i as u64;
                let cell = self.lead_to(local, object)?;
                host.store64(at + 8 + i * 8, cell.bits(), Ordering::Relaxed);
                host.store64(at, i + 1, Ordering::Relaxed);
            }
        }
        let mut at = off + B_BYTES + pins + edges;
        for part in parts {
            host.copy_in(at, part);
            at += part.len() as u64;
        }
        Ok(prepared)
    }

    /// Length of a value, where its pins are if it has room for any, and where its bytes start.
    fn value_layout(&self, off: u64) -> Result<(u64, Option<u64>, u64, u64)> {
        let meta = self.get(off + B_META);
        let (form, len) = (meta >> 48, meta & ((1 << 48) - 1));
        let pins = (len > COPY_LIMIT).then_some(off + B_BYTES);
        let mut at = off + B_BYTES + if pins.is_some() { PIN_BYTES } else { 0 };
        let mut edges = 0;
        let size = self.host().size();
        if form == WITH_EDGES && at + 8 <= size {
            edges = self.get(at);
            at = at.saturating_add(edges.saturating_mul(8)).saturating_add(8);
        }
        if form > WITH_EDGES || len > size || at > size - len {
            return Err(Error::corrupt(off, "an impossible value"));
        }
        Ok((len, pins, at, edges))
    }

    /// Length of a value's bytes and where they start.
    #[inline]
    pub(crate) fn value_bytes(&self, off: u64) -> Result<(u64, u64)> {
        let (len, _, at, _) = self.value_layout(off)?;
        Ok((len, at))
    }

    /// The references that a pickle holds.
    pub(crate) fn edges_of(&self, off: u64) -> Vec<Cell> {
        match self.value_layout(off) {
            Ok((_, _, bytes, edges)) => (1..=edges)
                .map(|i| Cell(self.get(bytes - i * 8)))
                .filter(|cell| *cell != Cell::EMPTY)
                .collect(),
            Err(_) => Vec::new(),
        }
    }

    fn drop_edges(&self, off: u64, doomed: &mut Doomed) {
        // A float has no meta word; its bits may look like anything.
        if self.get(off + B_META) >> 48 != WITH_EDGES {
            return;
        }
        let Ok((_, _, bytes, edges)) = self.value_layout(off) else {
            return;
        };
        for at in (0..edges).map(|i| bytes - (i + 1) * 8) {
            let cell = Cell(self.get(at));
            if cell.tag() == Tag::Object {
                // Emptied before it is lowered: a kill leaves the count too high (HEAP-4).
                self.host().store64(at, 0, Ordering::Release);
                let _ = self.lower_edge(cell, doomed);
            }
        }
    }

    /// Frees a value that nothing reaches any more, now or with its last pin.
    pub(crate) fn free_value(
        &self,
        local: &Local,
        block: BlockRef,
        doomed: &mut Doomed,
    ) -> Result<()> {
        let live = BlockWord::live(block.generation);
        if self.word(block.off) != live {
            return Ok(());
        }
        let chunk = self.chunk(self.chunk_of(block.off)?);
        // The smallest class holds floats only, which have no meta word.
        if chunk.class == 1 {
            self.free(local, block);
            return Ok(());
        }
        self.drop_edges(block.off, doomed);
        let Ok((_, Some(pins), _, _)) = self.value_layout(block.off) else {
            self.free(local, block);
            return Ok(());
        };
        let limbo = BlockWord::new(State::Limbo, 0, block.generation);
        if self.host().cas64(block.off, live.0, limbo.0).is_ok() {
            self.free_if_unpinned(local, block, pins);
        }
        Ok(())
    }

    /// LIMBO to FREE if nobody pins the block.
    pub(crate) fn free_if_unpinned(&self, local: &Local, block: BlockRef, pins: u64) {
        // PIN-1: after LIMBO was stored, or our pin taken off.
        self.host().fence();
        let limbo = BlockWord::new(State::Limbo, 0, block.generation);
        let free = BlockWord::new(State::Free, 0, block.generation);
        if (0..MAX_PARTICIPANTS / 64).all(|i| self.get(pins + i * 8) == 0)
            && self.host().cas64(block.off, limbo.0, free.0).is_ok()
        {
            self.freed(local, block.off);
        }
    }

    /// Pins a block that this process has pinned for another participant, too.
    pub(crate) fn pin_for(&self, off: u64, slot: u64) {
        if let Ok((_, Some(pins), _, _)) = self.value_layout(off) {
            self.host().or64(pins + slot / 64 * 8, 1 << (slot % 64));
        }
    }

    /// Takes a dead participant's pin off a value block, if it has one.
    pub(crate) fn unpin_dead(&self, local: &Local, off: u64, slot: u64) {
        if !self.is_value(off) {
            return;
        }
        let Ok((_, Some(pins), _, _)) = self.value_layout(off) else {
            return;
        };
        let word = self.word(off);
        let bit = 1 << (slot % 64);
        // A block in LIMBO is looked at in any case: who freed it may have died before it did.
        if self.get(pins + slot / 64 * 8) & bit != 0 {
            self.host().and64(pins + slot / 64 * 8, !bit);
        }
        if word.state() == Some(State::Limbo) {
            let block = BlockRef {
                off,
                generation: word.generation(),
            };
            self.free_if_unpinned(local, block, pins);
        }
    }

    /// Reads the value in `cell`, which lies in a container whose lock is held.
    #[inline(always)]
    pub(crate) fn fetch(
        &self,
        local: &'static Local,
        at: u64,
        cell: Cell,
        out: &mut Fetch<H>,
    ) -> Fast<Cell> {
        let cell = cell.check(at)?;
        if cell.is_inline() {
            return Ok(cell);
        }
        self.fetch_block(local, cell, out)?;
        Ok(cell)
    }

    /// Reads a value that is not in its cell, if all there is to do is to copy it.
    #[inline]
    pub(crate) fn copy_block(&self, cell: Cell, out: &mut Fetch<H>) -> bool {
        let Ok(block) = self.resolve(cell) else {
            return false;
        };
        match cell.tag() {
            Tag::Object => return false,
            Tag::Float => out.float = f64::from_bits(self.get(block.off + B_META)),
            _ => {
                let Ok((len, None, bytes, 0)) = self.value_layout(block.off) else {
                    return false;
                };
                out.forget();
                self.copy_small(bytes, len, out);
            }
        }
        true
    }

    #[inline(always)]
    fn copy_small(&self, at: u64, len: u64, out: &mut Fetch<H>) {
        let len = len as usize;
        self.host().copy_out(at, &mut out.small[..len]);
        out.len = len;
    }

    #[inline(never)]
    fn fetch_block(&self, local: &'static Local, cell: Cell, out: &mut Fetch<H>) -> Fast<()> {
        if self.copy_block(cell, out) {
            return Ok(());
        }
        if cell.tag() == Tag::Object {
            out.rest().object = Some(self.handle_of(local, cell)?);
            return Ok(());
        }
        let block = self.resolve(cell)?;
        let (len, pins, bytes, edges) = self.value_layout(block.off)?;
        out.forget();
        // What a pickle refers to must outlive the pickle until it is read.
        for at in (0..edges).map(|i| bytes - (i + 1) * 8) {
            let object = self.handle_of(local, Cell(self.get(at)))?;
            out.rest().held.push(object);
        }
        match pins {
            None => self.copy_small(bytes, len, out),
            Some(pins) => {
                local.pins.with(|count| {
                    let n = count.entry(block.off).or_insert(0);
                    *n += 1;
                    if *n == 1 {
                        self.host()
                            .or64(pins + local.slot / 64 * 8, 1 << (local.slot % 64));
                    }
                });
                out.rest().pinned = Some(Pinned {
                    heap: self.clone(),
                    slot: local.slot,
                    block,
                    pins,
                    bytes,
                    len,
                });
            }
        }
        Ok(())
    }
}
