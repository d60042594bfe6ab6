//! A dictionary in order of insertion, as the untyped face that both languages build on. The file is
//! long because a Python dict has many methods, each one function here; probing is in `table`.
//!
//! ```text
//! header --O_ROOT--> TABLE: entries (hash, key, original, value) in order of insertion,
//!                    index of 64-bit slots: hash's upper half(32) | entry + 1 (32)
//! ```
//!
//! The design is CPython's compact dict (R. Hettinger): a dense array of entries and an index of
//! open addressing with linear probing. A key is compared in its canonical form (`key`); the
//! `original` is there when the key as the user gave it has another form (1.0 for 1).
//!
//! DICT-1: the commit word of an insertion is `used`; of an overwrite, the value's cell; of a
//! removal, the key's cell, which becomes a tombstone; of a new table, the root cell in the
//! header. The index, `live` and `tail` are caches that the log renews after the commit.
//! DICT-2: an index slot once set is only ever cleared with its table: removed entries stay
//! reachable as tombstones until the table is renewed, so that no probe ends too early.
//! DICT-3: `O_AUX` counts changes of the key set; iteration compares it.
//!
//! The entries of a DefaultDict begin with its factory, under a key that nobody else can give; what
//! counts, copies, walks or empties leaves it out.
//!
//! A table is renewed under the lock, when its entries are used up: 32 bytes are copied for each
//! live entry. The new table comes from what this process has in stock, or is allocated while
//! the lock is given up.

use core::sync::atomic::Ordering;

use crate::containers::face::face;
use crate::containers::key::Key;
use crate::containers::leaves::replace_cell;
use crate::containers::locked::user_lock;
use crate::containers::several;
use crate::containers::snapshot::Snapshot;
use crate::containers::table::{
    FIRST_BITS, Probe, Table, bits_for, find, insert_entry, key_cell, keys_changed, live,
    new_table, probe, remove_entry, renew, table, table_bytes,
};
use crate::error::{Error, Fast, Result};
use crate::heap::Heap;
use crate::heap::cell::{Cell, Tag};
use crate::heap::held::Held;
use crate::heap::layout::{B_BYTES, COPY_LIMIT, O_AUX, O_ROOT};
use crate::heap::log::Action;
use crate::heap::look::{Look, Words};
use crate::heap::node::TABLE_TAIL;
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::value::{Fetch, Prepared};
use crate::observer::Op;
use crate::sys::{Host, Real};

const BATCH: usize = 4096;
/// The key of the factory, the first entry of a DefaultDict: no language gives a key this form.
const FACTORY: &[u8] = b"factory";

/// A shared dictionary of any values.
pub struct RawDict<H: Host = Real> {
    object: ObjectRef<H>,
}

impl<H: Host> Clone for RawDict<H> {
    fn clone(&self) -> Self {
        RawDict {
            object: self.object.clone(),
        }
    }
}

/// What a copy or an iteration is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Keys, as they were given.
    Keys,
    /// Values.
    Values,
    /// Keys and values in turn.
    Items,
}

/// A number that can be added to in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
}

face!(RawDict);
user_lock!(RawDict);

impl<H: Host> RawDict<H> {
    /// An empty dictionary.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>) -> Result<Self> {
        RawDict::create_as(heap, Kind::Dict)
    }

    /// An empty dictionary of another sort: a Counter, a Namespace, or a DefaultDict, whose factory
    /// is None until [`RawDict::set_factory`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::TypeMismatch`] for a kind that is no dictionary.
    pub fn create_of(heap: &Heap<H>, kind: Kind) -> Result<Self> {
        if !kind.is_dict() {
            return Err(Error::TypeMismatch {
                expected: Kind::Dict.name(),
                found: kind.name().into(),
            });
        }
        let dict = RawDict::create_as(heap, kind)?;
        if kind == Kind::DefaultDict {
            dict.set_factory(&mut Prepared::inline(heap, Cell::NONE))?;
        }
        Ok(dict)
    }

    /// An empty table of any kind that has one.
    pub(super) fn create_as(heap: &Heap<H>, kind: Kind) -> Result<Self> {
        let local = heap.local()?;
        let table = new_table(heap, local, FIRST_BITS)?;
        let root = (table.cell(), table.block);
        table.used();
        let object = heap.create_object(kind, 0, Some(root), 0)?;
        Ok(RawDict { object })
    }

    /// The dictionary that a handle leads to.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] when it is something else.
    pub fn from_object(object: ObjectRef<H>) -> Result<Self> {
        if !object.kind().is_dict() {
            object.expect(Kind::Dict)?;
        }
        Ok(RawDict { object })
    }

    /// The table of a set.
    pub(super) fn of_set(object: ObjectRef<H>) -> Result<Self> {
        object.expect(Kind::Set)?;
        Ok(RawDict { object })
    }

    /// How many entries at the start of the table are not the user's: a DefaultDict's factory.
    #[inline(always)]
    fn first(&self) -> u64 {
        u64::from(self.object.kind() == Kind::DefaultDict)
    }

    /// What a DefaultDict makes missing values with.
    ///
    /// # Errors
    /// As [`RawDict::len`]; [`Error::TypeMismatch`] of another kind.
    pub fn factory(&self, out: &mut Fetch<H>) -> Result<Cell> {
        self.object.expect(Kind::DefaultDict)?;
        let key = Key::long(self.heap(), Tag::Typed, FACTORY);
        let factory = self.get(&key, out)?;
        factory.ok_or_else(|| Error::corrupt(self.object.offset(), "no factory"))
    }

    /// Sets what a DefaultDict makes missing values with: opaque here, a binding's own affair.
    ///
    /// # Errors
    /// As [`RawDict::insert`]; [`Error::TypeMismatch`] of another kind.
    pub fn set_factory(&self, factory: &mut Prepared<'_, H>) -> Result<()> {
        self.object.expect(Kind::DefaultDict)?;
        let key = Key::long(self.heap(), Tag::Typed, FACTORY);
        self.insert(&key, None, factory)
    }

    // ---- reading ---------------------------------------------------------------------------

    /// How many keys there are.
    ///
    /// # Errors
    /// As every operation: [`Error::StaleReference`], [`Error::Corrupt`], [`Error::WouldBlock`].
    pub fn len(&self) -> Result<usize> {
        let held = self.enter(Op::Len, "dict.len")?;
        let table = table(&held)?;
        Ok(live(&held, table)?.saturating_sub(self.first()) as usize)
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The value under a key.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    #[inline(always)]
    pub fn get(&self, key: &Key<'_>, out: &mut Fetch<H>) -> Result<Option<Cell>> {
        // The empty cell stands for no value on the way, so that it comes back in registers.
        let cell = self.get_fast(key, out)?;
        Ok((cell != Cell::EMPTY).then_some(cell))
    }

    #[inline]
    fn get_fast(&self, key: &Key<'_>, out: &mut Fetch<H>) -> Fast<Cell> {
        if let Some(cell) = self.glance(key, out) {
            return Ok(cell);
        }
        let held = self.enter(Op::Get, "dict.get")?;
        let table = table(&held)?;
        let Some(entry) = find(&held, table, key)? else {
            return Ok(Cell::EMPTY);
        };
        let cell = Cell(held.get(entry + 24));
        held.heap.fetch(held.local, entry, cell, out)
    }

    /// The value under a key, without the lock (LOOK-1); `None` where that did not do.
    #[inline(always)]
    fn glance(&self, key: &Key<'_>, out: &mut Fetch<H>) -> Option<Cell> {
        let look = self.heap().look(&self.object)?;
        let table = table(&look).ok()?;
        let cell = match find(&look, table, key).ok()? {
            Some(entry) => look.fetch(entry, Cell(look.get(entry + 24)), out)?,
            None => Cell::EMPTY,
        };
        look.end(cell)
    }

    /// Whether the key is there.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn contains(&self, key: &Key<'_>) -> Result<bool> {
        let glance = |look: Look<'_, H>| {
            let found = find(&look, table(&look).ok()?, key).ok()?;
            look.end(found.is_some())
        };
        if let Some(found) = self.heap().look(&self.object).and_then(glance) {
            return Ok(found);
        }
        let held = self.enter(Op::Contains, "dict.contains")?;
        let table = table(&held)?;
        Ok(find(&held, table, key)?.is_some())
    }

    /// The version: it changes with every change of the dictionary.
    pub fn version(&self) -> u64 {
        self.object.version()
    }

    /// The version of the key set: it changes when a key comes or goes.
    pub fn keys_version(&self) -> u64 {
        self.heap().get(self.object.offset() + O_AUX)
    }

    /// A consistent copy.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn snapshot(&self, part: Part) -> Result<Snapshot<H>> {
        let mut snapshot = Snapshot::new();
        let mut fetch = Fetch::new();
        'again: for round in 0.. {
            snapshot.clear();
            let (mut version, mut next) = (None, self.first());
            loop {
                let held = self.enter(Op::Snapshot, "dict.snapshot")?;
                let table = table(&held)?;
                if *version.get_or_insert(held.version()) != held.version() {
                    continue 'again;
                }
                // A dictionary that changes all the time is copied in one hold in the end.
                let most = if round < 3 { BATCH } else { usize::MAX };
                let until = table.used.min(next.saturating_add(most as u64));
                for entry in (next..until).map(|i| table.entry(i)) {
                    if Cell(held.heap.get(entry + 8)) == Cell::TOMBSTONE {
                        continue;
                    }
                    if part != Part::Values {
                        let key = key_cell(&held, entry);
                        let cell = held.heap.fetch(held.local, entry, key, &mut fetch)?;
                        snapshot.push(cell, &mut fetch);
                    }
                    if part != Part::Keys {
                        let value = Cell(held.heap.get(entry + 24));
                        let cell = held.heap.fetch(held.local, entry, value, &mut fetch)?;
                        snapshot.push(cell, &mut fetch);
                    }
                }
                next = next.max(until);
                snapshot.version = held.version();
                if next >= table.used {
                    drop(held);
                    return snapshot.finish();
                }
            }
        }
        unreachable!("the loop above ends by returning")
    }

    /// One step of an iteration: the entry at or after `position`, which is then set behind it.
    /// `backwards` starts from `u64::MAX` and goes down. `None` at the end.
    ///
    /// # Errors
    /// [`Error::Modified`] when the key set no longer has `keys_version`; as [`RawDict::len`].
    pub fn next_entry(
        &self,
        position: &mut u64,
        keys_version: u64,
        backwards: bool,
        key: Option<&mut Fetch<H>>,
        value: Option<&mut Fetch<H>>,
    ) -> Result<Option<(Cell, Cell)>> {
        let held = self.enter(Op::Iterate, "dict.iterate")?;
        if held.heap.get(held.object + O_AUX) != keys_version {
            return Err(Error::Modified {
                what: match self.object.kind() {
                    Kind::Set => "Set changed size during iteration",
                    _ => "dictionary changed size during iteration",
                },
            });
        }
        let table = table(&held)?;
        let first = self.first();
        let mut i = (*position).min(table.used).max(first);
        let entry = loop {
            if backwards {
                if i <= first {
                    *position = 0;
                    return Ok(None);
                }
                i -= 1;
            } else if i >= table.used {
                *position = i;
                return Ok(None);
            }
            let entry = table.entry(i);
            if !backwards {
                i += 1;
            }
            if Cell(held.heap.get(entry + 8)) != Cell::TOMBSTONE {
                break entry;
            }
        };
        let mut found = (Cell::NONE, Cell::NONE);
        if let Some(out) = key {
            found.0 = held
                .heap
                .fetch(held.local, entry, key_cell(&held, entry), out)?;
        }
        if let Some(out) = value {
            let cell = Cell(held.heap.get(entry + 24));
            found.1 = held.heap.fetch(held.local, entry, cell, out)?;
        }
        *position = i;
        Ok(Some(found))
    }

    // ---- changing --------------------------------------------------------------------------

    /// Sets the value under a key. `original` is the key as the user gave it, where that differs
    /// from its canonical form; it is used only when the key is new.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawDict::len`]; the values stay with the caller.
    #[inline(always)]
    pub fn insert(
        &self,
        key: &Key<'_>,
        original: Option<&mut Prepared<'_, H>>,
        value: &mut Prepared<'_, H>,
    ) -> Result<()> {
        Ok(self.insert_fast(key, original, value)?)
    }

    #[inline]
    fn insert_fast(
        &self,
        key: &Key<'_>,
        mut original: Option<&mut Prepared<'_, H>>,
        value: &mut Prepared<'_, H>,
    ) -> Fast<()> {
        loop {
            let held = self.enter(Op::Set, "dict.set")?;
            let table = table(&held)?;
            match probe(&held, table, key)? {
                Probe::Found(entry) => {
                    held.changed();
                    return replace_cell(held, entry + 24, value);
                }
                Probe::Free(slot) => {
                    if self.insert_new(held, (table, slot), key, original.as_deref_mut(), value)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Sets the value only if the key is new. The value that was there, else `None`.
    ///
    /// # Errors
    /// As [`RawDict::insert`].
    pub fn setdefault(
        &self,
        key: &Key<'_>,
        mut original: Option<&mut Prepared<'_, H>>,
        value: &mut Prepared<'_, H>,
        out: &mut Fetch<H>,
    ) -> Result<Option<Cell>> {
        loop {
            let held = self.enter(Op::SetDefault, "dict.setdefault")?;
            let table = table(&held)?;
            match probe(&held, table, key)? {
                Probe::Found(entry) => {
                    let cell = Cell(held.get(entry + 24));
                    return Ok(Some(held.heap.fetch(held.local, entry, cell, out)?));
                }
                Probe::Free(slot) => {
                    if self.insert_new(held, (table, slot), key, original.as_deref_mut(), value)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Sets the value if what is under the key is still `expected` (`None`: no such key), as a
    /// `get` found it. `false` when it is not.
    ///
    /// # Errors
    /// As [`RawDict::insert`].
    pub fn insert_if(
        &self,
        key: &Key<'_>,
        expected: Option<Cell>,
        original: Option<&mut Prepared<'_, H>>,
        value: &mut Prepared<'_, H>,
    ) -> Result<bool> {
        let held = self.enter(Op::Update, "dict.update")?;
        let table = table(&held)?;
        match (probe(&held, table, key)?, expected) {
            (Probe::Found(entry), Some(cell)) if held.get(entry + 24) == cell.bits() => {
                held.changed();
                replace_cell(held, entry + 24, value)?;
                Ok(true)
            }
            // Not inserted after all: the key came while the lock was given up.
            (Probe::Free(slot), None) => {
                Ok(self.insert_new(held, (table, slot), key, original, value)?)
            }
            _ => Ok(false),
        }
    }

    /// Adds to the number under a key, which counts from 0 when it is missing; the sum.
    ///
    /// # Errors
    /// [`Error::NotANumber`] when there is something else, or the sum needs more than 64 bits;
    /// as [`RawDict::insert`].
    #[inline]
    pub fn add(
        &self,
        key: &Key<'_>,
        mut original: Option<&mut Prepared<'_, H>>,
        n: Number,
    ) -> Result<Number> {
        loop {
            let held = self.enter(Op::Add, "dict.add")?;
            let table = table(&held)?;
            let found = probe(&held, table, key)?;
            let sum = sum_at(&held, found, n)?;
            let Some(cell) = sum.inline() else {
                let place = (table, found);
                match self.add_block(held, place, key, original.as_deref_mut(), n, sum)? {
                    Some(sum) => return Ok(sum),
                    None => continue,
                }
            };
            let mut value = Prepared::inline(self.heap(), cell);
            match found {
                Probe::Found(entry) => {
                    held.changed();
                    replace_cell(held, entry + 24, &mut value)?;
                    return Ok(sum);
                }
                Probe::Free(slot) => {
                    let original = original.as_deref_mut();
                    if self.insert_new(held, (table, slot), key, original, &mut value)? {
                        return Ok(sum);
                    }
                }
            }
        }
    }

    /// The same where the sum needs a block. `None`, with nothing done, when the key came while
    /// the lock was given up.
    #[inline(never)]
    fn add_block<'s>(
        &'s self,
        mut held: Held<'s, H>,
        mut place: (Table, Probe),
        key: &Key<'_>,
        original: Option<&mut Prepared<'_, H>>,
        n: Number,
        mut sum: Number,
    ) -> Fast<Option<Number>> {
        let (heap, local) = (held.heap, held.local);
        if !heap.in_stock(local, sum.block_bytes()) {
            let take = || heap.stock(local, sum.block_bytes());
            let ((), again) = held.outside(self.object(), "dict.add", take)?;
            held = again;
            let table = table(&held)?;
            place = (table, probe(&held, table, key)?);
            sum = sum_at(&held, place.1, n)?;
        }
        let mut value = prepare_number(heap, sum)?;
        match place {
            (_, Probe::Found(entry)) => {
                held.changed();
                replace_cell(held, entry + 24, &mut value)?;
                Ok(Some(sum))
            }
            (table, Probe::Free(slot)) => {
                let new = self.insert_new(held, (table, slot), key, original, &mut value)?;
                Ok(new.then_some(sum))
            }
        }
    }

    /// Takes a key out; its value, or `None` when it is not there.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn remove(&self, key: &Key<'_>, out: &mut Fetch<H>) -> Result<Option<Cell>> {
        let mut held = self.enter(Op::Pop, "dict.pop")?;
        let table = table(&held)?;
        let Some(entry) = find(&held, table, key)? else {
            return Ok(None);
        };
        let cell = Cell(held.heap.get(entry + 24));
        let cell = held.heap.fetch(held.local, entry, cell, out)?;
        remove_entry(&mut held, table, entry)?;
        Ok(Some(cell))
    }

    /// Takes the newest entry out; `None` when there is none.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn popitem(
        &self,
        key: &mut Fetch<H>,
        value: &mut Fetch<H>,
    ) -> Result<Option<(Cell, Cell)>> {
        let mut held = self.enter(Op::Pop, "dict.pop")?;
        let table = table(&held)?;
        // Nothing lives at or above `tail`: without it, emptying a dictionary from its end would
        // walk over all its tombstones every time.
        let tail = held.heap.get(table.off + TABLE_TAIL).min(table.used);
        let first = self.first();
        for i in (first..tail).rev() {
            let entry = table.entry(i);
            if Cell(held.heap.get(entry + 8)) == Cell::TOMBSTONE {
                continue;
            }
            let found = (
                held.heap
                    .fetch(held.local, entry, key_cell(&held, entry), key)?,
                held.heap
                    .fetch(held.local, entry, Cell(held.heap.get(entry + 24)), value)?,
            );
            remove_entry(&mut held, table, entry)?;
            held.host()
                .store64(table.off + TABLE_TAIL, i, Ordering::Relaxed);
            return Ok(Some(found));
        }
        held.host()
            .store64(table.off + TABLE_TAIL, first, Ordering::Relaxed);
        Ok(None)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`RawDict::len`].
    pub fn clear(&self) -> Result<()> {
        if self.first() > 0 {
            return several::remove_from(self, self.first());
        }
        let mut held = self.enter(Op::Clear, "dict.clear")?;
        let old = Cell(held.heap.get(held.object + O_ROOT));
        let heap = held.heap;
        let new = heap.a_little_beyond(|| new_table(heap, held.local, FIRST_BITS))?;
        held.changed();
        keys_changed(&held);
        held.commit(
            held.object + O_ROOT,
            new.cell().bits(),
            &[Action::Publish(new.block), Action::Destroy(old)],
        )?;
        new.used();
        Ok(())
    }

    /// Inserts a key that is not there, `slot` of the index being free for it; renews the table
    /// when it is full. `false`, with nothing done, when the key came while the lock was given up.
    #[inline(always)]
    fn insert_new<'s>(
        &'s self,
        held: Held<'s, H>,
        (table, slot): (Table, u64),
        key: &Key<'_>,
        original: Option<&mut Prepared<'_, H>>,
        value: &mut Prepared<'_, H>,
    ) -> Fast<bool> {
        match key.inline() {
            Some(cell) if table.used < table.capacity => {
                let mut canonical = Prepared::inline(held.heap, cell);
                let place = (key.hash(), slot);
                insert_entry(held, table, place, &mut canonical, original, value)?;
                Ok(true)
            }
            _ => Ok(self.insert_slowly(held, key, original, value)?),
        }
    }

    /// The same for a key in a block, or where the table is full.
    #[inline(never)]
    fn insert_slowly<'s>(
        &'s self,
        mut held: Held<'s, H>,
        key: &Key<'_>,
        original: Option<&mut Prepared<'_, H>>,
        value: &mut Prepared<'_, H>,
    ) -> Result<bool> {
        let heap = held.heap;
        let mut canonical = match key.inline() {
            Some(cell) => Prepared::inline(heap, cell),
            // A long key is copied before the lock is taken, if anybody has such a key; and so is
            // one for which memory has to be taken from the system.
            None if key.bytes().len() as u64 > COPY_LIMIT || !key_in_stock(&held, key) => {
                let prepare = || prepare_key(heap, key, true);
                let (canonical, again) = held.outside(self.object(), "dict.set", prepare)?;
                held = again;
                canonical
            }
            None => prepare_key(heap, key, false)?,
        };
        let mut spare = None;
        loop {
            let table = table(&held)?;
            // It may have come while the lock was given up.
            let Probe::Free(slot) = probe(&held, table, key)? else {
                return Ok(false);
            };
            if table.used < table.capacity {
                let place = (key.hash(), slot);
                insert_entry(held, table, place, &mut canonical, original, value)?;
                return Ok(true);
            }
            let bits = bits_for(&held, table)?;
            match spare.take() {
                Some((node, size)) if size == bits => renew(&mut held, table, node)?,
                _ if heap.in_stock(held.local, table_bytes(bits)) => {
                    let node = new_table(heap, held.local, bits)?;
                    renew(&mut held, table, node)?;
                }
                _ => {
                    let local = held.local;
                    let make = || new_table(heap, local, bits);
                    let (node, again) = held.outside(self.object(), "dict.set", make)?;
                    spare = Some((node, bits));
                    held = again;
                }
            }
        }
    }
}

// ---- numbers -----------------------------------------------------------------------------------

/// Whether there is a block for the canonical form of a key that does not fit a cell.
fn key_in_stock<H: Host>(held: &Held<'_, H>, key: &Key<'_>) -> bool {
    let bytes = match key.tag() {
        Tag::Float => B_BYTES,
        _ => B_BYTES + key.bytes().len() as u64,
    };
    held.heap.in_stock(held.local, bytes)
}

/// The canonical form of a key that does not fit a cell, in a block.
pub(super) fn prepare_key<'h, H: Host>(
    heap: &'h Heap<H>,
    key: &Key<'_>,
    outside: bool,
) -> Result<Prepared<'h, H>> {
    match (key.tag(), key.bytes().try_into()) {
        // Floats have a layout of their own, by which readers of the key find the number.
        (Tag::Float, Ok(bytes)) => heap.prepare_float(f64::from_le_bytes(bytes)),
        (tag, _) if outside => heap.prepare_bytes(tag, key.bytes()),
        (tag, _) => heap.prepare_locked(tag, key.bytes()),
    }
}

impl Number {
    #[inline(always)]
    fn inline(self) -> Option<Cell> {
        match self {
            Number::Int(i) => Cell::int(i),
            Number::Float(_) => None,
        }
    }

    /// Bytes of the block of one that fits no cell.
    fn block_bytes(self) -> u64 {
        match self {
            Number::Int(_) => B_BYTES + 8,
            Number::Float(_) => 16,
        }
    }
}

fn prepare_number<H: Host>(heap: &Heap<H>, n: Number) -> Result<Prepared<'_, H>> {
    match n {
        Number::Int(i) => match Cell::int(i) {
            Some(cell) => Ok(Prepared::inline(heap, cell)),
            None => heap.prepare_locked(Tag::BigInt, &i.to_le_bytes()),
        },
        Number::Float(f) => heap.prepare_float(f),
    }
}

/// What an addition makes of what was found; what is missing counts as 0.
#[inline(always)]
fn sum_at<H: Host>(held: &Held<'_, H>, found: Probe, n: Number) -> Fast<Number> {
    match found {
        Probe::Found(entry) => sum(held, Cell(held.get(entry + 24)), n),
        Probe::Free(_) => Ok(n),
    }
}

#[inline(always)]
fn sum<H: Host>(held: &Held<'_, H>, cell: Cell, n: Number) -> Fast<Number> {
    if let (Tag::Int, Number::Int(n)) = (cell.tag(), n) {
        // 60 bits and 64 bits can overflow 64.
        return match cell.as_int().checked_add(n) {
            Some(sum) => Ok(Number::Int(sum)),
            None => Err(Error::NotANumber.into()),
        };
    }
    sum_slowly(held, cell, n)
}

#[cold]
fn sum_slowly<H: Host>(held: &Held<'_, H>, cell: Cell, n: Number) -> Fast<Number> {
    let old = match cell {
        Cell::FALSE => Number::Int(0),
        Cell::TRUE => Number::Int(1),
        _ => match cell.tag() {
            Tag::Int => Number::Int(cell.as_int()),
            Tag::Float => {
                let mut out = Fetch::new();
                held.heap.fetch(held.local, 0, cell, &mut out)?;
                Number::Float(out.float())
            }
            Tag::BigInt => {
                let mut out = Fetch::new();
                held.heap.fetch(held.local, 0, cell, &mut out)?;
                let bytes: [u8; 8] = out.bytes().try_into().map_err(|_| Error::NotANumber)?;
                Number::Int(i64::from_le_bytes(bytes))
            }
            _ => return Err(Error::NotANumber.into()),
        },
    };
    let float = |n| match n {
        // An integer of over 53 bits is rounded, as Python's addition does.
        Number::Int(i) => i as f64,
        Number::Float(f) => f,
    };
    match (old, n) {
        (Number::Int(a), Number::Int(b)) => {
            Ok(a.checked_add(b).map(Number::Int).ok_or(Error::NotANumber)?)
        }
        (a, b) => Ok(Number::Float(float(a) + float(b))),
    }
}
