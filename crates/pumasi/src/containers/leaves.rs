//! The leaves of a list and the directory above them: finding a position, renewing a range. The file is
//! long because every change of a list ends in the one function `install`, whose parts must
//! agree on one layout.
//!
//! The invariants are those of `list` (LIST-1 to LIST-3); the functions here are called with the
//! list's lock held.

use core::sync::atomic::Ordering;

use crate::error::{Error, Fast, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::Cell;
use crate::heap::held::Held;
use crate::heap::layout::O_ROOT;
use crate::heap::log::Action;
use crate::heap::look::Words;
use crate::heap::node::{DIR_ENTRIES, DIR_LEAVES, Form, LEAF_CELLS, N_LENGTH, NewNode};
use crate::heap::object::ObjectRef;
use crate::heap::value::Prepared;
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// Cells of the leaves a list grows through: with their 24 bytes of head they fill a class.
pub(super) const LEAF_SIZES: [u64; 7] = [5, 13, 29, 61, 125, 253, LEAF_FULL];
const LEAF_FULL: u64 = 509;

/// Where a position is.
pub(super) struct Place {
    /// Offset of its cell.
    pub(super) cell: u64,
    /// Number of its leaf in the directory; 0 when the root is a leaf.
    pub(super) leaf: u64,
    /// The position itself.
    pub(super) start: u64,
    /// The position after the last one in the same leaf.
    pub(super) end: u64,
}

/// The root, read once.
#[derive(Clone, Copy)]
pub(super) struct Root {
    pub(super) block: BlockRef,
    pub(super) form: Form,
    pub(super) capacity: u64,
    pub(super) len: u64,
}

impl Place {
    pub(super) const NOWHERE: Place = Place {
        cell: 0,
        leaf: 0,
        start: 0,
        end: 0,
    };

    /// The cell of a later position in the same leaf.
    pub(super) fn cell_of(&self, position: u64) -> u64 {
        self.cell + (position - self.start) * 8
    }
}

// ---- finding -----------------------------------------------------------------------------------

#[inline(always)]
pub(super) fn root<H: Host>(words: &impl Words<H>) -> Fast<Root> {
    let block = words.root()?;
    let (form, capacity) = words.node(block.off)?;
    let len = words.get(block.off + N_LENGTH);
    if form == Form::Leaf && len > capacity {
        return Err(Error::corrupt(block.off, "a list longer than its leaf").into());
    }
    Ok(Root {
        block,
        form,
        capacity,
        len,
    })
}

/// Where position `i`, which is below the length, is.
#[inline(always)]
pub(super) fn locate<H: Host>(words: &impl Words<H>, root: Root, i: u64) -> Fast<Place> {
    if root.form == Form::Leaf {
        return Ok(Place {
            cell: root.block.off + LEAF_CELLS + i * 8,
            leaf: 0,
            start: i,
            end: root.len,
        });
    }
    locate_leaf(words, root, i)
}

#[inline(always)]
pub(super) fn leaves<H: Host>(words: &impl Words<H>, root: Root) -> Fast<u64> {
    let n = words.get(root.block.off + DIR_LEAVES);
    if root.form != Form::Directory || n == 0 || n > root.capacity {
        return Err(Error::corrupt(root.block.off, "not a directory of leaves").into());
    }
    Ok(n)
}

/// Full leaves are the rule, so that a position's leaf is guessed by division, and two words of
/// the directory say whether that was right; else it is searched for.
#[inline(always)]
fn locate_leaf<H: Host>(words: &impl Words<H>, root: Root, i: u64) -> Fast<Place> {
    let n = leaves(words, root)?;
    let entries = root.block.off + DIR_ENTRIES;
    let guess = match leaf_max(words.heap()) {
        // Written out, so that the compiler sees by which number it divides.
        LEAF_FULL => i / LEAF_FULL,
        most => i / most,
    };
    let end_of = |leaf: u64| match leaf + 1 < n {
        true => words.get(entries + leaf * 16 + 16),
        false => root.len,
    };
    if guess < n {
        let (at, end) = (entries + guess * 16, end_of(guess));
        if words.get(at) <= i && i < end {
            return place_in(words, i, guess, at, end);
        }
    }
    let leaf = search_leaf(words, root, n, guess, i);
    place_in(words, i, leaf, entries + leaf * 16, end_of(leaf))
}

/// The last of the `n` leaves that does not start behind position `i`, near `guess` most often:
/// one leaf that was split moves all after it by one.
#[inline(never)]
fn search_leaf<H: Host>(words: &impl Words<H>, root: Root, n: u64, guess: u64, i: u64) -> u64 {
    let entries = root.block.off + DIR_ENTRIES;
    let starts_behind = |leaf: u64| words.get(entries + leaf * 16) > i;
    // From the guess in steps that double, until the leaf is between two bounds.
    let (mut low, mut high) = (guess.min(n - 1), n);
    let mut step = 1;
    if starts_behind(low) {
        while starts_behind(low) && low > 0 {
            (low, high) = (low.saturating_sub(step), low);
            step *= 2;
        }
    } else {
        while low + step < n && !starts_behind(low + step) {
            low += step;
            step *= 2;
        }
        high = high.min(low + step);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if starts_behind(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    low
}

/// The place of `i` in the leaf whose entry is `at` and that covers the positions below `end`.
#[inline(always)]
fn place_in<H: Host>(words: &impl Words<H>, i: u64, leaf: u64, at: u64, end: u64) -> Fast<Place> {
    let first = words.get(at);
    let block = words.resolve(Cell(words.get(at + 8)))?.off;
    let capacity = words.capacity(block, Form::Leaf)?;
    if first > i || i >= end || end - first > capacity {
        return Err(Error::corrupt(block, "a leaf that does not cover its part").into());
    }
    Ok(Place {
        cell: block + LEAF_CELLS + (i - first) * 8,
        leaf,
        start: i,
        end,
    })
}

/// The cells of the last leaf, how many of them are used, and how many there are.
#[inline(always)]
pub(super) fn last_leaf<H: Host>(held: &Held<'_, H>, root: Root) -> Fast<(u64, u64, u64)> {
    if root.form == Form::Leaf {
        return Ok((root.block.off + LEAF_CELLS, root.len, root.capacity));
    }
    let entry = root.block.off + DIR_ENTRIES + (leaves(held, root)? - 1) * 16;
    let leaf = held.resolve(Cell(held.get(entry + 8)))?;
    let capacity = held.capacity(leaf.off, Form::Leaf)?;
    let start = held.get(entry);
    if start > root.len || root.len - start > capacity {
        return Err(Error::corrupt(leaf.off, "a last leaf that does not fit").into());
    }
    Ok((leaf.off + LEAF_CELLS, root.len - start, capacity))
}

pub(super) fn read_cells<H: Host>(
    held: &Held<'_, H>,
    root: Root,
    from: u64,
    to: u64,
) -> Result<Vec<Cell>> {
    let mut cells = Vec::with_capacity((to - from) as usize);
    let mut i = from;
    while i < to {
        let place = locate(held, root, i)?;
        let end = place.end.min(to);
        for k in 0..end - i {
            cells.push(Cell(held.heap.get(place.cell + k * 8)));
        }
        i = end;
    }
    Ok(cells)
}

/// Most cells in a leaf; few in test heaps, so that directories are the rule there.
pub(super) fn leaf_max<H: Host>(heap: &Heap<H>) -> u64 {
    if heap.chunk_size() < 65536 {
        13
    } else {
        LEAF_FULL
    }
}

// ---- building ----------------------------------------------------------------------------------

pub(super) fn new_leaf<'a, H: Host>(
    heap: &'a Heap<H>,
    local: &'static Local,
    capacity: u64,
) -> Result<NewNode<'a, H>> {
    heap.new_node(local, Form::Leaf, capacity, LEAF_CELLS + capacity * 8)
}

/// Cells that a leaf for `n` items should have.
pub(super) fn leaf_size(n: u64, most: u64) -> u64 {
    LEAF_SIZES
        .into_iter()
        .find(|&size| size >= n)
        .unwrap_or(most)
        .min(most)
}

/// New leaves with these cells, evenly filled.
pub(super) fn fill_leaves<'a, H: Host>(
    heap: &'a Heap<H>,
    local: &'static Local,
    cells: &[Cell],
    most: u64,
) -> Result<Vec<NewNode<'a, H>>> {
    let n = (cells.len() as u64).div_ceil(most).max(1) as usize;
    let mut leaves = Vec::with_capacity(n);
    let mut rest = cells;
    for i in 0..n {
        let (part, after) = rest.split_at(rest.len().div_ceil(n - i));
        rest = after;
        let leaf = new_leaf(heap, local, leaf_size(part.len() as u64, most))?;
        for (k, cell) in part.iter().enumerate() {
            leaf.set(LEAF_CELLS + k as u64 * 8, cell.bits());
        }
        leaf.set(N_LENGTH, part.len() as u64);
        leaves.push(leaf);
    }
    Ok(leaves)
}

/// Overwrites one cell, releases what was in it, and lets go of the container.
#[inline(always)]
pub(super) fn replace_cell<H: Host>(
    held: Held<'_, H>,
    at: u64,
    value: &mut Prepared<'_, H>,
) -> Fast<()> {
    let old = Cell(held.get(at));
    let new = value.cell();
    if old.is_inline() && new.is_inline() {
        held.host().store64(at, new.bits(), Ordering::Release);
        value.stored();
        return Ok(());
    }
    replace_block(held, at, old, value)
}

#[inline(never)]
fn replace_block<H: Host>(
    mut held: Held<'_, H>,
    at: u64,
    old: Cell,
    value: &mut Prepared<'_, H>,
) -> Fast<()> {
    let release = release(&held, old)?;
    let new = value.cell().bits();
    match (value.publish(), release) {
        (Some(publish), Some(release)) => held.commit(at, new, &[publish, release])?,
        (Some(action), None) | (None, Some(action)) => held.commit(at, new, &[action])?,
        (None, None) => held.host().store64(at, new, Ordering::Release),
    }
    value.stored();
    Ok(())
}

/// Puts a value that needs its block made LIVE into the free cell `at`, as the last item.
#[inline(never)]
pub(super) fn append_block<H: Host>(
    mut held: Held<'_, H>,
    root: Root,
    at: u64,
    value: &mut Prepared<'_, H>,
) -> Fast<()> {
    held.host()
        .store64(at, value.cell().bits(), Ordering::Release);
    let length = root.block.off + N_LENGTH;
    match value.publish() {
        None => held.host().store64(length, root.len + 1, Ordering::Release),
        Some(publish) => held.commit(length, root.len + 1, &[publish])?,
    }
    value.stored();
    Ok(())
}

/// The action that releases a value, if it needs one.
pub(super) fn release<H: Host>(held: &Held<'_, H>, cell: Cell) -> Fast<Option<Action>> {
    if cell.is_inline() {
        return Ok(None);
    }
    let block = held.heap.resolve(cell)?;
    Ok(Some(Action::Release(cell, block.generation)))
}

pub(super) fn pop_last<H: Host>(
    held: &mut Held<'_, H>,
    root: Root,
    place: &Place,
    cell: Cell,
) -> Result<()> {
    let off = root.block.off;
    let mut actions = [Action::Store(0, 0); 3];
    let mut n = 0;
    let mut add = |action| {
        actions[n] = action;
        n += 1;
    };
    if root.form == Form::Directory {
        let entry = off + DIR_ENTRIES + place.leaf * 16;
        if held.heap.get(entry) == root.len - 1 && place.leaf > 0 {
            // The last leaf is empty now.
            let leaf = held.heap.resolve(Cell(held.heap.get(entry + 8)))?;
            add(Action::Store(off + DIR_LEAVES, place.leaf));
            add(Action::FreeNode(leaf));
        }
    }
    if let Some(release) = release(held, cell)? {
        add(release);
    }
    if n == 0 {
        held.host()
            .store64(off + N_LENGTH, root.len - 1, Ordering::Release);
        return Ok(());
    }
    held.commit(off + N_LENGTH, root.len - 1, &actions[..n])
}

/// Adds an item when the last leaf is full. If memory has to be taken from the system for that and
/// it may `give_up` the lock, it does that meanwhile, adds nothing, and has the lock again: the
/// caller looks anew.
#[cold]
#[inline(never)]
pub(super) fn grow<'h, H: Host>(
    object: &ObjectRef<H>,
    mut held: Held<'h, H>,
    root: Root,
    value: &mut Prepared<'_, H>,
    give_up: bool,
) -> Result<Option<Held<'h, H>>> {
    let most = leaf_max(held.heap);
    let off = root.block.off;
    let renewed = root.form == Form::Leaf && root.capacity < most;
    let cells = if renewed {
        leaf_size(root.len + 1, most)
    } else {
        most
    };
    let (heap, local) = (held.heap, held.local);
    // A leaf, what names the root that is replaced, and a directory. (One that needs a run of
    // chunks is allocated under the lock: it is renewed once in half of its length.)
    let entries = match root.form {
        Form::Directory => leaves(&held, root)?,
        _ => 1,
    } + 1;
    let directory = match root.form {
        Form::Leaf if renewed => 0,
        Form::Directory if entries <= root.capacity => 0,
        _ => directory_bytes(entries),
    };
    for bytes in [LEAF_CELLS + cells * 8, LEAF_CELLS + 8, directory] {
        if give_up && bytes > 0 && heap.is_block(bytes) && !heap.in_stock(local, bytes) {
            let take = || heap.stock(local, bytes);
            let ((), held) = held.outside(object, "list.push", take)?;
            return Ok(Some(held));
        }
    }
    if renewed {
        let cell = value.cell();
        held.changed();
        // A leaf that grows is renewed whole: at most 509 cells.
        replace_range(
            &mut held,
            root,
            root.len,
            root.len,
            &[cell],
            &[],
            core::slice::from_mut(value),
        )?;
        return Ok(None);
    }
    // The new last leaf is about to be filled: it gets its full size at once.
    let leaf = new_leaf(heap, local, most)?;
    leaf.set(LEAF_CELLS, value.cell().bits());
    leaf.set(N_LENGTH, 1);
    held.changed();
    if root.form == Form::Directory && leaves(&held, root)? < root.capacity {
        let n = leaves(&held, root)?;
        let entry = off + DIR_ENTRIES + n * 16;
        let host = held.host();
        host.store64(entry, root.len, Ordering::Relaxed);
        host.store64(entry + 8, leaf.cell().bits(), Ordering::Release);
        held.commit(
            off + N_LENGTH,
            root.len + 1,
            &[
                Action::PublishLeaves(entry, 1),
                Action::Store(off + DIR_LEAVES, n + 1),
            ],
        )?;
        leaf.used();
        value.stored();
        return Ok(None);
    }
    install(
        &mut held,
        root,
        (root.len, root.len),
        vec![leaf],
        1,
        Vec::new(),
        &[],
        core::slice::from_mut(value),
    )?;
    Ok(None)
}

/// Replaces positions `from..to` by `new`, and releases the values `old`. `new` may hold values
/// that stay; `items` are those that are new to the heap. What makes the list no longer than it
/// was does not fail at the heap's limit.
pub(super) fn replace_range<H: Host>(
    held: &mut Held<'_, H>,
    root: Root,
    from: u64,
    to: u64,
    new: &[Cell],
    old: &[Cell],
    items: &mut [Prepared<'_, H>],
) -> Result<()> {
    let heap = held.heap;
    if new.len() as u64 <= to - from {
        return heap.a_little_beyond(|| renew_range(held, root, from, to, new, old, items));
    }
    renew_range(held, root, from, to, new, old, items)
}

fn renew_range<H: Host>(
    held: &mut Held<'_, H>,
    root: Root,
    from: u64,
    to: u64,
    new: &[Cell],
    old: &[Cell],
    items: &mut [Prepared<'_, H>],
) -> Result<()> {
    // The leaves that the range touches are renewed whole.
    let (mut first, mut last) = (from, to);
    let mut replaced = empty_leaves(held, root)?;
    if root.len == 0 {
        // Nothing is left beside what is new.
    } else if root.form == Form::Leaf {
        (first, last) = (0, root.len);
        replaced.push(held.heap.get(held.object + O_ROOT));
    } else {
        let entries = root.block.off + DIR_ENTRIES;
        let low = locate(held, root, from.min(root.len - 1))?.leaf;
        let high = if to > from {
            locate(held, root, to - 1)?.leaf
        } else {
            low
        };
        for leaf in low..=high {
            replaced.push(held.heap.get(entries + leaf * 16 + 8));
        }
        first = held.heap.get(entries + low * 16);
        last = if high + 1 < leaves(held, root)? {
            held.heap.get(entries + (high + 1) * 16)
        } else {
            root.len
        };
    }
    let mut cells = read_cells(held, root, first, from)?;
    cells.extend_from_slice(new);
    cells.extend(read_cells(held, root, to, last)?);
    let leaves = if cells.is_empty() {
        Vec::new()
    } else {
        fill_leaves(held.heap, held.local, &cells, leaf_max(held.heap))?
    };
    let n = cells.len() as u64;
    install(held, root, (first, last), leaves, n, replaced, old, items)
}

/// The leaves of a list with no items, which nothing may stand behind.
pub(super) fn empty_leaves<H: Host>(held: &Held<'_, H>, root: Root) -> Result<Vec<u64>> {
    if root.len > 0 {
        return Ok(Vec::new());
    }
    if root.form == Form::Leaf {
        return Ok(vec![held.heap.get(held.object + O_ROOT)]);
    }
    let entries = root.block.off + DIR_ENTRIES;
    Ok((0..leaves(held, root)?)
        .map(|i| held.heap.get(entries + i * 16 + 8))
        .collect())
}

/// Puts new leaves with `n` items in the place of positions `span`, whose leaves are `replaced`
/// (cells of nodes), and releases the values `old`.
#[allow(clippy::too_many_arguments, reason = "the two halves of one operation")]
pub(super) fn install<H: Host>(
    held: &mut Held<'_, H>,
    root: Root,
    span: (u64, u64),
    new: Vec<NewNode<'_, H>>,
    n: u64,
    mut replaced: Vec<u64>,
    old: &[Cell],
    items: &mut [Prepared<'_, H>],
) -> Result<()> {
    let (heap, local) = (held.heap, held.local);
    // The directory as it will be: leaves before, new ones, leaves after.
    let mut entries: Vec<(u64, u64)> = Vec::new();
    let len = root.len - (span.1 - span.0) + n;
    let mut after = Vec::new();
    if root.form == Form::Directory {
        let count = leaves(held, root)?;
        for i in 0..count {
            let at = root.block.off + DIR_ENTRIES + i * 16;
            let (start, leaf) = (heap.get(at), heap.get(at + 8));
            if start >= span.1 && root.len > 0 {
                after.push((start - (span.1 - span.0) + n, leaf));
            } else if start < span.0 {
                entries.push((start, leaf));
            }
        }
        replaced.push(heap.get(held.object + O_ROOT));
    } else if span.0 > 0 {
        // The root leaf stays, as the first leaf of a directory.
        entries.push((0, heap.get(held.object + O_ROOT)));
    }
    let first_new = entries.len() as u64;
    let mut start = span.0;
    for leaf in &new {
        entries.push((start, leaf.cell().bits()));
        start += heap.get(leaf.block.off + N_LENGTH);
    }
    entries.append(&mut after);

    let mut trash: Vec<u64> = replaced;
    trash.extend(old.iter().filter(|c| !c.is_inline()).map(|c| c.bits()));
    let trash = fill_trash(held, &trash)?;
    let mut actions = Vec::with_capacity(4);
    let node = match entries.as_slice() {
        [] => Some(new_leaf(heap, local, LEAF_SIZES[0])?),
        [_] => None,
        _ => Some(new_directory(heap, local, &entries, len)?),
    };
    let target = match &node {
        Some(node) => {
            actions.push(Action::Publish(node.block));
            if node.is_directory() {
                actions.push(Action::PublishLeaves(
                    node.block.off + DIR_ENTRIES + first_new * 16,
                    new.len() as u64,
                ));
            }
            node.cell().bits()
        }
        // One leaf is its own root; its length word counts from now on.
        None => {
            let cell = Cell(entries[0].1);
            if let [leaf] = new.as_slice() {
                actions.push(Action::PublishCells(leaf.block.off + LEAF_CELLS, n));
                actions.push(Action::Publish(leaf.block));
            } else {
                // What is left of a directory: nobody reads the word before the commit.
                heap.host()
                    .store64(cell.offset() + N_LENGTH, len, Ordering::Relaxed);
            }
            cell.bits()
        }
    };
    if let Some((trash, n)) = &trash {
        actions.push(Action::ReleaseCells(trash.block.off + LEAF_CELLS, *n));
    }
    held.commit(held.object + O_ROOT, target, &actions)?;
    if let Some(node) = node {
        node.used();
    }
    new.into_iter().for_each(NewNode::used);
    items.iter_mut().for_each(Prepared::stored);
    Ok(())
}

/// What an operation leaves behind, where recovery can find it. The block itself stays PENDING:
/// it is freed when it is dropped, or with the estate.
pub(super) fn fill_trash<'a, H: Host>(
    held: &Held<'a, H>,
    cells: &[u64],
) -> Result<Option<(NewNode<'a, H>, u64)>> {
    if cells.is_empty() {
        return Ok(None);
    }
    let n = cells.len() as u64;
    let trash = new_leaf(held.heap, held.local, n)?;
    for (i, &cell) in cells.iter().enumerate() {
        trash.set(LEAF_CELLS + i as u64 * 8, cell);
    }
    Ok(Some((trash, n)))
}

/// Entries that a directory made for `n` leaves has room for.
fn directory_capacity(n: u64) -> u64 {
    (n + n / 2).max(6)
}

fn directory_bytes(n: u64) -> u64 {
    DIR_ENTRIES + directory_capacity(n) * 16
}

pub(super) fn new_directory<'a, H: Host>(
    heap: &'a Heap<H>,
    local: &'static Local,
    entries: &[(u64, u64)],
    len: u64,
) -> Result<NewNode<'a, H>> {
    let n = entries.len() as u64;
    let capacity = directory_capacity(n);
    let node = heap.new_node(local, Form::Directory, capacity, directory_bytes(n))?;
    node.set(N_LENGTH, len);
    node.set(DIR_LEAVES, n);
    for (i, &(start, leaf)) in entries.iter().enumerate() {
        let at = DIR_ENTRIES + i as u64 * 16;
        node.set(at, start);
        node.set(at + 8, leaf);
    }
    Ok(node)
}
