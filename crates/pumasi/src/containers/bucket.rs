//! Keys that only their language can compare: reading them out, for it to do so.

use crate::containers::dict::RawDict;
use crate::containers::key::bucket_hash;
use crate::containers::set::RawSet;
use crate::containers::table::{Table, key_cell, table};
use crate::error::Result;
use crate::heap::cell::{Cell, Tag};
use crate::heap::held::Held;
use crate::heap::value::Fetch;
use crate::observer::Op;
use crate::sys::{Host, Real};

/// A key that lies in a table: its canonical bytes, and as it was given.
pub struct Found<H: Host = Real> {
    /// Its form.
    pub form: Vec<u8>,
    /// What was given, with what `original` holds of it.
    pub cell: Cell,
    /// See `cell`.
    pub original: Fetch<H>,
}

impl<H: Host> core::fmt::Debug for Found<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Found")
            .field("form", &self.form)
            .field("cell", &self.cell)
            .finish_non_exhaustive()
    }
}

impl<H: Host> RawDict<H> {
    /// The keys whose bytes begin with `bucket`, which were stored as
    /// [`Key::in_bucket`](crate::containers::Key::in_bucket) of so many bytes.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn bucket(&self, bucket: &[u8]) -> Result<Vec<Found<H>>> {
        let hash = bucket_hash(self.heap(), bucket);
        let held = self.enter(Op::Contains, "dict.bucket")?;
        let table = table(&held)?;
        let mut entries = Vec::new();
        for n in 0..=table.mask {
            let slot = hash.wrapping_add(n) & table.mask;
            let word = held.heap.get(table.index + slot * 8);
            if word == 0 {
                break;
            }
            let i = (word & 0xffff_ffff).wrapping_sub(1);
            if word >> 32 == hash >> 32 && i < table.used {
                entries.push(i);
            }
        }
        let entries = entries.into_iter();
        read(
            &held,
            table,
            entries.filter(|i| held.heap.get(table.entry(*i)) == hash),
            bucket,
        )
    }

    /// All keys whose Typed bytes begin with `prefix`.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn keys_beginning(&self, prefix: &[u8]) -> Result<Vec<Found<H>>> {
        let held = self.enter(Op::Contains, "dict.bucket")?;
        let table = table(&held)?;
        read(&held, table, 0..table.used, prefix)
    }
}

impl<H: Host> RawSet<H> {
    /// As [`RawDict::bucket`].
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn bucket(&self, bucket: &[u8]) -> Result<Vec<Found<H>>> {
        self.table.bucket(bucket)
    }

    /// As [`RawDict::keys_beginning`].
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn keys_beginning(&self, prefix: &[u8]) -> Result<Vec<Found<H>>> {
        self.table.keys_beginning(prefix)
    }
}

/// Those of the entries whose keys are Typed and begin so.
fn read<H: Host>(
    held: &Held<'_, H>,
    table: Table,
    entries: impl Iterator<Item = u64>,
    prefix: &[u8],
) -> Result<Vec<Found<H>>> {
    let mut all = Vec::new();
    for entry in entries.map(|i| table.entry(i)) {
        let form = Cell(held.heap.get(entry + 8));
        if form.is_inline() || form.tag() != Tag::Typed {
            continue;
        }
        let mut bytes = Fetch::new();
        held.heap.fetch(held.local, entry, form, &mut bytes)?;
        let form = bytes.to_vec();
        if form.starts_with(prefix) {
            let mut original = Fetch::new();
            let given = key_cell(held, entry);
            let cell = held.heap.fetch(held.local, entry, given, &mut original)?;
            all.push(Found {
                form,
                cell,
                original,
            });
        }
    }
    Ok(all)
}
