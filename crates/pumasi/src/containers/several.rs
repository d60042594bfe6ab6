//! Several keys of a table in one step: the algebra of sets, and the emptying of what keeps one
//! entry.
//!
//! SET-1: new entries are written behind those in use and committed together by `used`; removed
//! ones are named in a *leaf of removals*, a LEAF of four cells each (number of the entry, key,
//! original, value), whose destruction after the commit frees what they held. Without new entries
//! the commit word is `O_AUX`. Before the commit the leaf and the new keys are PENDING and nobody's
//! (LOG-2); after it the actions enter the new entries in the index, make tombstones of the
//! removed ones, count, and destroy the leaf, each of them repeatable (LOG-1).

use core::sync::atomic::Ordering;
use std::collections::HashSet;

use crate::containers::dict::{RawDict, prepare_key};
use crate::containers::key::Key;
use crate::containers::set::{Algebra, Member};
use crate::containers::table::{
    Table, bits_for_more, find, keys_changed, live, new_table, renew, table, table_bytes,
};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::cell::Cell;
use crate::heap::held::Held;
use crate::heap::layout::O_AUX;
use crate::heap::log::Action;
use crate::heap::node::{
    Form, LEAF_CELLS, N_LENGTH, NewNode, REMOVAL, TABLE_ENTRIES, TABLE_ENTRY, TABLE_LIVE,
    TABLE_TAIL,
};
use crate::heap::value::Prepared;
use crate::observer::Op;
use crate::sys::Host;

/// What an operation will do, found out under the lock.
struct Plan {
    /// Which members are new.
    added: Vec<usize>,
    /// The numbers of the entries that go.
    removed: Vec<u64>,
}

/// Nodes for which memory was taken from the system outside the lock.
struct Spare<'h, H: Host> {
    table: Option<(NewNode<'h, H>, u64)>,
    leaf: Option<(NewNode<'h, H>, u64)>,
}

/// See [`RawSet::combine`](crate::containers::RawSet::combine).
pub(super) fn combine<H: Host>(
    dict: &RawDict<H>,
    how: Algebra,
    members: &mut [Member<'_, '_, H>],
) -> Result<bool> {
    let heap = dict.heap();
    let unique = unique(members);
    let mut canonical = Vec::new();
    if matches!(how, Algebra::Union | Algebra::SymmetricDifference) {
        for member in members.iter() {
            canonical.push(prepare(heap, &member.key)?);
        }
    }
    let mut spare = Spare {
        table: None,
        leaf: None,
    };
    let mut held = dict.enter(Op::Update, "set.combine")?;
    loop {
        let found = table(&held)?;
        let plan = plan(&held, found, how, members, &unique)?;
        if plan.added.is_empty() && plan.removed.is_empty() {
            return Ok(false);
        }
        let more = plan.added.len() as u64;
        let Some(roomy) = make_room(&mut held, found, more, &mut spare)? else {
            let bits = bits_for_more(live(&held, found)?, more);
            let local = held.local;
            let make = || new_table(heap, local, bits);
            let (node, again) = held.outside(dict.object(), "set.combine", make)?;
            (held, spare.table) = (again, Some((node, bits)));
            continue;
        };
        let plan = if roomy.off == found.off {
            plan
        } else {
            // The numbers of the entries are others in a new table.
            self::plan(&held, roomy, how, members, &unique)?
        };
        let cells = plan.removed.len() as u64 * REMOVAL;
        let leaf = match spare.leaf.take() {
            _ if cells == 0 => None,
            Some((leaf, room)) if room >= cells => Some(leaf),
            _ if heap.in_stock(held.local, leaf_bytes(cells)) => Some(new_leaf(heap, cells)?),
            _ => {
                // A little more than was found: others go on adding meanwhile.
                let room = cells + cells / 4;
                let make = || new_leaf(heap, room);
                let (leaf, again) = held.outside(dict.object(), "set.combine", make)?;
                (held, spare.leaf) = (again, Some((leaf, room)));
                continue;
            }
        };
        let mut new: Vec<New<'_, '_, '_, '_, H>> = Vec::with_capacity(plan.added.len());
        let mut wanted = plan.added.iter().copied().peekable();
        for (i, (member, key)) in members.iter_mut().zip(&mut canonical).enumerate() {
            if wanted.next_if_eq(&i).is_some() {
                new.push((member, key));
            }
        }
        commit(&mut held, roomy, &mut new, &plan.removed, leaf)?;
        return Ok(true);
    }
}

/// Removes the entries from `first` on in one step.
pub(super) fn remove_from<H: Host>(dict: &RawDict<H>, first: u64) -> Result<()> {
    let heap = dict.heap();
    let mut spare: Option<(NewNode<'_, H>, u64)> = None;
    let mut held = dict.enter(Op::Clear, "dict.clear")?;
    loop {
        let found = table(&held)?;
        let removed: Vec<u64> = (first..found.used)
            .filter(|i| Cell(heap.get(found.entry(*i) + 8)) != Cell::TOMBSTONE)
            .collect();
        let cells = removed.len() as u64 * REMOVAL;
        if cells == 0 {
            return Ok(());
        }
        let leaf = match spare.take() {
            Some((leaf, room)) if room >= cells => leaf,
            _ if heap.in_stock(held.local, leaf_bytes(cells)) => new_leaf(heap, cells)?,
            _ => {
                let room = cells + cells / 4;
                let make = || new_leaf(heap, room);
                let (leaf, again) = held.outside(dict.object(), "dict.clear", make)?;
                held = again;
                spare = Some((leaf, room));
                continue;
            }
        };
        return commit(&mut held, found, &mut [], &removed, Some(leaf));
    }
}

/// The members of which there is no equal one before.
fn unique<H: Host>(members: &[Member<'_, '_, H>]) -> Vec<usize> {
    let mut seen = HashSet::with_capacity(members.len());
    (0..members.len())
        .filter(|i| {
            let key = &members[*i].key;
            seen.insert((key.tag() as u8, key.inline().map(Cell::bits), key.bytes()))
        })
        .collect()
}

/// The canonical form of a key, ready to be stored.
fn prepare<'h, H: Host>(heap: &'h Heap<H>, key: &Key<'_>) -> Result<Prepared<'h, H>> {
    match key.inline() {
        Some(cell) => Ok(Prepared::inline(heap, cell)),
        None => prepare_key(heap, key, true),
    }
}

fn plan<H: Host>(
    held: &Held<'_, H>,
    table: Table,
    how: Algebra,
    members: &[Member<'_, '_, H>],
    unique: &[usize],
) -> Result<Plan> {
    let mut plan = Plan {
        added: Vec::new(),
        removed: Vec::new(),
    };
    let mut kept = HashSet::new();
    for &i in unique {
        match (find(held, table, &members[i].key)?, how) {
            (Some(_), Algebra::Union) => {}
            (Some(entry), Algebra::Intersection) => {
                kept.insert(number(table, entry));
            }
            (Some(entry), _) => plan.removed.push(number(table, entry)),
            (None, Algebra::Union | Algebra::SymmetricDifference) => plan.added.push(i),
            (None, _) => {}
        }
    }
    if how == Algebra::Intersection {
        plan.removed = (0..table.used)
            .filter(|i| {
                let key = Cell(held.heap.get(table.entry(*i) + 8));
                key != Cell::TOMBSTONE && !kept.contains(i)
            })
            .collect();
    }
    Ok(plan)
}

fn number(table: Table, entry: u64) -> u64 {
    (entry - table.off - TABLE_ENTRIES) / TABLE_ENTRY
}

/// A table with room for so many entries more: this one, or one that takes its place. `None` when
/// memory has to be taken from the system for that, outside the lock.
fn make_room<'h, H: Host>(
    held: &mut Held<'h, H>,
    found: Table,
    more: u64,
    spare: &mut Spare<'h, H>,
) -> Result<Option<Table>> {
    if found.used + more <= found.capacity {
        return Ok(Some(found));
    }
    let bits = bits_for_more(live(held, found)?, more);
    match spare.table.take() {
        Some((node, size)) if size >= bits => renew(held, found, node)?,
        _ if held.heap.in_stock(held.local, table_bytes(bits)) => {
            let node = new_table(held.heap, held.local, bits)?;
            renew(held, found, node)?;
        }
        _ => return Ok(None),
    }
    Ok(Some(table(held)?))
}

const fn leaf_bytes(cells: u64) -> u64 {
    LEAF_CELLS + cells * 8
}

/// A leaf for removals. What makes a container smaller succeeds at the limit, too.
fn new_leaf<H: Host>(heap: &Heap<H>, cells: u64) -> Result<NewNode<'_, H>> {
    let local = heap.local()?;
    heap.a_little_beyond(|| heap.new_node(local, Form::Leaf, cells, leaf_bytes(cells)))
}

/// A member that is new, and its canonical form.
type New<'a, 'k, 'm, 'h, H> = (&'a mut Member<'k, 'm, H>, &'a mut Prepared<'h, H>);

fn commit<H: Host>(
    held: &mut Held<'_, H>,
    table: Table,
    added: &mut [New<'_, '_, '_, '_, H>],
    removed: &[u64],
    leaf: Option<NewNode<'_, H>>,
) -> Result<()> {
    let (heap, object) = (held.heap, held.object);
    let host = heap.host();
    let put = |at: u64, word: u64| host.store64(at, word, Ordering::Relaxed);
    let live = (live(held, table)? + added.len() as u64).saturating_sub(removed.len() as u64);
    for (n, (member, key)) in added.iter().enumerate() {
        let entry = table.entry(table.used + n as u64);
        let original = member.original.as_ref().map_or(Cell::EMPTY, Prepared::cell);
        put(entry, member.key.hash());
        put(entry + 8, key.cell().bits());
        put(entry + 16, original.bits());
        put(entry + 24, Cell::NONE.bits());
    }
    let mut actions = Vec::with_capacity(5);
    if !added.is_empty() {
        // Too high is harmless, so it may come before the commit.
        put(table.off + TABLE_TAIL, table.used + added.len() as u64);
        actions.push(Action::EnterEntries(table.used));
    }
    if let Some(leaf) = &leaf {
        for (n, i) in (0..).zip(removed) {
            let (at, entry) = (LEAF_CELLS + n * REMOVAL * 8, table.entry(*i));
            let number = Cell::int(i.cast_signed());
            leaf.set(at, number.ok_or_else(too_many)?.bits());
            for word in [8, 16, 24] {
                leaf.set(at + word, heap.get(entry + word));
            }
        }
        leaf.set(N_LENGTH, removed.len() as u64 * REMOVAL);
        actions.push(Action::Entomb(leaf.block));
    }
    actions.push(Action::Store(table.off + TABLE_LIVE, live));
    if let Some(leaf) = &leaf {
        actions.push(Action::Publish(leaf.block));
        actions.push(Action::Destroy(leaf.cell()));
    }
    held.changed();
    let done = if added.is_empty() {
        let version = heap.get(object + O_AUX).wrapping_add(1);
        held.commit(object + O_AUX, version, &actions)
    } else {
        keys_changed(held);
        let used = table.used + added.len() as u64;
        held.commit(table.off + N_LENGTH, used, &actions)
    };
    // Committed, whatever came of the actions in a damaged heap: nothing of it is ours any more.
    if let Some(leaf) = leaf {
        leaf.used();
    }
    for (member, key) in added {
        key.stored();
        if let Some(original) = &mut member.original {
            original.stored();
        }
    }
    done
}

#[cold]
fn too_many() -> Error {
    Error::corrupt(0, "a table of more entries than there can be")
}
