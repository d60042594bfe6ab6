//! The table of a dictionary: probing, inserting, removing, renewing.
//!
//! The invariants are those of `dict` (DICT-1 to DICT-3); the functions here are called with the
//! dictionary's lock held, or, those that only read, in a look.

use core::sync::atomic::Ordering;

use crate::containers::key::Key;
use crate::containers::leaves::release;
use crate::error::{Error, Fast, Result};
use crate::heap::cell::Cell;
use crate::heap::held::Held;
use crate::heap::layout::{O_AUX, O_ROOT};
use crate::heap::log::Action;
use crate::heap::look::Words;
use crate::heap::node::{
    Form, N_LENGTH, NewNode, TABLE_ENTRIES, TABLE_ENTRY, TABLE_INDEX, TABLE_LIVE, TABLE_TAIL,
    index_word,
};
use crate::heap::value::Prepared;
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// The table, read once.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) off: u64,
    pub(super) capacity: u64,
    pub(super) used: u64,
    pub(super) index: u64,
    pub(super) mask: u64,
}

impl Table {
    #[inline(always)]
    pub(super) fn entry(&self, i: u64) -> u64 {
        self.off + TABLE_ENTRIES + i * TABLE_ENTRY
    }
}

/// Entries of a table whose index has 2^`bits` slots: two thirds, as in CPython.
pub(super) const fn capacity(bits: u64) -> u64 {
    (2 << bits) / 3
}

pub(super) const fn table_bytes(bits: u64) -> u64 {
    TABLE_ENTRIES + capacity(bits) * TABLE_ENTRY + (8 << bits)
}

pub(super) const FIRST_BITS: u64 = 3;

// ---- the table ---------------------------------------------------------------------------------

#[inline(always)]
pub(super) fn table<H: Host>(words: &impl Words<H>) -> Fast<Table> {
    let off = words.root()?.off;
    let entries = words.capacity(off, Form::Table)?;
    let (used, bits) = (words.get(off + N_LENGTH), words.get(off + TABLE_INDEX));
    if used > entries || bits > 40 || entries != capacity(bits) {
        return Err(Error::corrupt(off, "not a table").into());
    }
    Ok(Table {
        off,
        capacity: entries,
        used,
        index: off + TABLE_ENTRIES + entries * TABLE_ENTRY,
        mask: (1 << bits) - 1,
    })
}

/// Where the search for a key ended.
#[derive(Clone, Copy)]
pub(super) enum Probe {
    /// At its entry.
    Found(u64),
    /// At the free slot of the index where it would go.
    Free(u64),
}

/// The offset of the key's entry.
#[inline(always)]
pub(super) fn find<H: Host>(
    words: &impl Words<H>,
    table: Table,
    key: &Key<'_>,
) -> Fast<Option<u64>> {
    Ok(match probe(words, table, key)? {
        Probe::Found(entry) => Some(entry),
        Probe::Free(_) => None,
    })
}

#[inline(always)]
pub(super) fn probe<H: Host, W: Words<H>>(words: &W, table: Table, key: &Key<'_>) -> Fast<Probe> {
    let hash = key.hash();
    let mut slot = hash & table.mask;
    for _ in 0..=table.mask.min(W::STEPS) {
        let at = table.index + slot * 8;
        let word = words.get(at);
        if word == 0 {
            return Ok(Probe::Free(at));
        }
        if word >> 32 == hash >> 32 {
            let i = (word & 0xffff_ffff).wrapping_sub(1);
            if i < table.used {
                let entry = table.entry(i);
                if same_key(words, entry, key)? {
                    return Ok(Probe::Found(entry));
                }
            }
        }
        slot = (slot + 1) & table.mask;
    }
    Err(Error::corrupt(table.index, "an index without a free slot").into())
}

#[inline(always)]
pub(super) fn same_key<H: Host>(words: &impl Words<H>, entry: u64, key: &Key<'_>) -> Fast<bool> {
    let cell = Cell(words.get(entry + 8));
    match key.inline() {
        Some(inline) => Ok(cell == inline),
        None if cell.is_inline() || cell.tag() != key.tag() => Ok(false),
        None => Ok(words.get(entry) == key.hash() && words.heap().value_equals(cell, key.bytes())?),
    }
}

/// How many entries live.
#[inline(always)]
pub(super) fn live<H: Host>(words: &impl Words<H>, table: Table) -> Fast<u64> {
    let live = words.get(table.off + TABLE_LIVE);
    if live > table.used {
        return Err(Error::corrupt(table.off, "more live entries than entries").into());
    }
    Ok(live)
}

/// The key as the user gave it.
pub(super) fn key_cell<H: Host>(held: &Held<'_, H>, entry: u64) -> Cell {
    let original = Cell(held.heap.get(entry + 16));
    if original == Cell::EMPTY {
        Cell(held.heap.get(entry + 8))
    } else {
        original
    }
}

#[inline]
pub(super) fn keys_changed<H: Host>(held: &Held<'_, H>) {
    let at = held.object + O_AUX;
    let version = held.heap.get(at);
    held.host()
        .store64(at, version.wrapping_add(1), Ordering::Relaxed);
}

pub(super) fn new_table<'a, H: Host>(
    heap: &'a Heap<H>,
    local: &'static Local,
    bits: u64,
) -> Result<NewNode<'a, H>> {
    let entries = capacity(bits);
    let node = heap.new_node(local, Form::Table, entries, table_bytes(bits))?;
    node.set(TABLE_LIVE, 0);
    node.set(TABLE_TAIL, 0);
    node.set(TABLE_INDEX, bits);
    let index = node.block.off + TABLE_ENTRIES + entries * TABLE_ENTRY;
    heap.host().zero_words(index, 1 << bits);
    Ok(node)
}

/// The size of the index of the next table: the same when half of the entries are tombstones.
pub(super) fn bits_for<H: Host>(held: &Held<'_, H>, table: Table) -> Result<u64> {
    Ok(bits_for_more(live(held, table)?, 0))
}

/// The size of the index of a table for `live` entries, `more` of them new.
pub(super) fn bits_for_more(live: u64, more: u64) -> u64 {
    let wanted = live + more;
    let mut bits = FIRST_BITS;
    while capacity(bits) < wanted + wanted / 2 + 2 {
        bits += 1;
    }
    bits
}

/// Copies the live entries into a new table and puts it in the place of the old one.
pub(super) fn renew<H: Host>(
    held: &mut Held<'_, H>,
    table: Table,
    node: NewNode<'_, H>,
) -> Result<()> {
    let heap = held.heap;
    let off = node.block.off;
    let bits = heap.get(off + TABLE_INDEX);
    let (mut n, mask) = (0, (1 << bits) - 1);
    let index = off + TABLE_ENTRIES + capacity(bits) * TABLE_ENTRY;
    for i in 0..table.used {
        let from = table.entry(i);
        if Cell(heap.get(from + 8)) == Cell::TOMBSTONE {
            continue;
        }
        if n == capacity(bits) {
            return Err(Error::corrupt(table.off, "more live entries than it says"));
        }
        let to = TABLE_ENTRIES + n * TABLE_ENTRY;
        let hash = heap.get(from);
        node.set(to, hash);
        for word in [8, 16, 24] {
            node.set(to + word, heap.get(from + word));
        }
        let slot = free_slot(heap, index, mask, hash)?;
        heap.host()
            .store64(slot, index_word(hash, n), Ordering::Relaxed);
        n += 1;
    }
    node.set(N_LENGTH, n);
    node.set(TABLE_LIVE, n);
    node.set(TABLE_TAIL, n);
    let old = held.root()?;
    // The old table is soon something else (LOOK-1).
    held.changed();
    held.commit(
        held.object + O_ROOT,
        node.cell().bits(),
        &[Action::Publish(node.block), Action::FreeNode(old)],
    )?;
    node.used();
    Ok(())
}

#[inline(always)]
pub(super) fn free_slot<H: Host>(heap: &Heap<H>, index: u64, mask: u64, hash: u64) -> Fast<u64> {
    let mut slot = hash & mask;
    for _ in 0..=mask {
        let at = index + slot * 8;
        if heap.get(at) == 0 {
            return Ok(at);
        }
        slot = (slot + 1) & mask;
    }
    Err(Error::corrupt(index, "an index without a free slot").into())
}

/// Adds an entry, for which `slot` of the index is free and the table has room.
#[inline(always)]
pub(super) fn insert_entry<H: Host>(
    held: Held<'_, H>,
    table: Table,
    (hash, slot): (u64, u64),
    key: &mut Prepared<'_, H>,
    original: Option<&mut Prepared<'_, H>>,
    value: &mut Prepared<'_, H>,
) -> Fast<()> {
    let host = held.host();
    let entry = table.entry(table.used);
    let live = live(&held, table)?;
    let as_given = original.as_ref().map_or(Cell::EMPTY, |o| o.cell());
    host.store_row(
        entry,
        &[
            hash,
            key.cell().bits(),
            as_given.bits(),
            value.cell().bits(),
        ],
    );
    // Too high is harmless, so it may come before the commit.
    host.store64(table.off + TABLE_TAIL, table.used + 1, Ordering::Relaxed);
    held.changed();
    keys_changed(&held);
    let caches = [
        (slot, index_word(hash, table.used)),
        (table.off + TABLE_LIVE, live + 1),
    ];
    if !key.cell().is_inline() || !as_given.is_inline() || !value.cell().is_inline() {
        return insert_blocks(held, table, caches, key, original, value);
    }
    let at = table.off + N_LENGTH;
    held.heap
        .commit_stores(held.object, at, table.used + 1, caches);
    key.stored();
    value.stored();
    Ok(())
}

/// Commits an entry, some of whose parts are blocks.
#[inline(never)]
fn insert_blocks<H: Host>(
    mut held: Held<'_, H>,
    table: Table,
    caches: [(u64, u64); 2],
    key: &mut Prepared<'_, H>,
    original: Option<&mut Prepared<'_, H>>,
    value: &mut Prepared<'_, H>,
) -> Fast<()> {
    let mut actions = [Action::Store(0, 0); 5];
    let mut n = 0;
    let publish = [
        key.publish(),
        original.as_ref().and_then(|o| o.publish()),
        value.publish(),
    ];
    let stores = caches.map(|(off, value)| Some(Action::Store(off, value)));
    for action in stores.into_iter().chain(publish).flatten() {
        actions[n] = action;
        n += 1;
    }
    held.commit(table.off + N_LENGTH, table.used + 1, &actions[..n])?;
    key.stored();
    value.stored();
    if let Some(original) = original {
        original.stored();
    }
    Ok(())
}

pub(super) fn remove_entry<H: Host>(
    held: &mut Held<'_, H>,
    table: Table,
    entry: u64,
) -> Result<()> {
    let live = live(held, table)?;
    let mut actions = vec![Action::Store(
        table.off + TABLE_LIVE,
        live.saturating_sub(1),
    )];
    for word in [8, 16, 24] {
        actions.extend(release(held, Cell(held.heap.get(entry + word)))?);
    }
    held.changed();
    keys_changed(held);
    held.commit(entry + 8, Cell::TOMBSTONE.bits(), &actions)
}
