//! A set, as the untyped face that both languages build on: the keys of a dictionary without
//! values.
//!
//! A set is Dict's table (`table`) whose value cells all hold None. Leaving the cell out would save
//! 8 of an element's 40 to 56 bytes, and would cost every dictionary: the size of an entry is a
//! constant on the path of each look-up now, and would have to be read. So DICT-1 to DICT-3 are
//! the invariants here, too, and the log and the recovery are the same.
//!
//! SET-1: an operation that adds and removes several elements has one commit word, whichever they
//! are (`several`): all of it has happened or nothing.

use core::time::Duration;

use crate::containers::dict::{Part, RawDict};
use crate::containers::key::Key;
use crate::containers::several;
use crate::containers::snapshot::Snapshot;
use crate::error::Result;
use crate::heap::Heap;
use crate::heap::cell::Cell;
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::value::{Fetch, Prepared};
use crate::sync::Acquired;
use crate::sys::{Host, Real};

/// A shared set of keys.
pub struct RawSet<H: Host = Real> {
    pub(super) table: RawDict<H>,
}

impl<H: Host> core::fmt::Debug for RawSet<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.object().fmt(f)
    }
}

impl<H: Host> Clone for RawSet<H> {
    fn clone(&self) -> Self {
        RawSet {
            table: self.table.clone(),
        }
    }
}

/// How a set is changed by several elements at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algebra {
    /// Adds those that are not there.
    Union,
    /// Keeps none but those.
    Intersection,
    /// Removes those.
    Difference,
    /// Removes those that are there and adds those that are not.
    SymmetricDifference,
}

/// An element on its way into a set.
#[derive(Debug)]
pub struct Member<'k, 'h, H: Host = Real> {
    /// Its canonical form.
    pub key: Key<'k>,
    /// As it was given, where the form alone does not give it back.
    pub original: Option<Prepared<'h, H>>,
}

impl<H: Host> RawSet<H> {
    /// An empty set.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn create(heap: &Heap<H>) -> Result<Self> {
        let table = RawDict::create_as(heap, Kind::Set)?;
        Ok(RawSet { table })
    }

    /// The set that a handle leads to.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`](crate::Error::TypeMismatch) when it is something else.
    pub fn from_object(object: ObjectRef<H>) -> Result<Self> {
        let table = RawDict::of_set(object)?;
        Ok(RawSet { table })
    }

    /// The handle.
    #[inline(always)]
    pub fn object(&self) -> &ObjectRef<H> {
        self.table.object()
    }

    /// How many elements there are.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn len(&self) -> Result<usize> {
        self.table.len()
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn is_empty(&self) -> Result<bool> {
        self.table.is_empty()
    }

    /// Whether the element is there.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    #[inline]
    pub fn contains(&self, key: &Key<'_>) -> Result<bool> {
        self.table.contains(key)
    }

    /// The version: it changes with every change of the set.
    pub fn version(&self) -> u64 {
        self.table.version()
    }

    /// The version of the elements, for [`RawSet::next`].
    pub fn keys_version(&self) -> u64 {
        self.table.keys_version()
    }

    /// A consistent copy, in order of insertion.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn snapshot(&self) -> Result<Snapshot<H>> {
        self.table.snapshot(Part::Keys)
    }

    /// One step of an iteration: the element at or after `position`, which is then set behind it.
    /// `None` at the end.
    ///
    /// # Errors
    /// [`Error::Modified`](crate::Error::Modified) when elements came or went since
    /// `keys_version`; as [`RawDict::len`].
    pub fn next(
        &self,
        position: &mut u64,
        keys_version: u64,
        out: &mut Fetch<H>,
    ) -> Result<Option<Cell>> {
        let found = self
            .table
            .next_entry(position, keys_version, false, Some(out), None)?;
        Ok(found.map(|(key, _)| key))
    }

    /// Adds an element; whether it is new. `original` is the element as the user gave it, where
    /// that differs from its canonical form.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`RawDict::len`].
    #[inline]
    pub fn add(&self, key: &Key<'_>, original: Option<&mut Prepared<'_, H>>) -> Result<bool> {
        let mut none = Prepared::inline(self.table.heap(), Cell::NONE);
        let found = self
            .table
            .setdefault(key, original, &mut none, &mut Fetch::new())?;
        Ok(found.is_none())
    }

    /// Takes an element out; whether it was there.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn remove(&self, key: &Key<'_>) -> Result<bool> {
        Ok(self.table.remove(key, &mut Fetch::new())?.is_some())
    }

    /// Takes out the newest element; `None` when there is none.
    ///
    /// # Errors
    /// As [`RawDict::len`].
    pub fn pop(&self, out: &mut Fetch<H>) -> Result<Option<Cell>> {
        let found = self.table.popitem(out, &mut Fetch::new())?;
        Ok(found.map(|(key, _)| key))
    }

    /// Removes everything.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`RawDict::len`].
    pub fn clear(&self) -> Result<()> {
        self.table.clear()
    }

    /// Changes the set by several elements in one step, for whoever looks on and for whoever
    /// comes after a death in the middle (SET-1); whether anything changed.
    ///
    /// The lock is held for as long as it takes to look all of them up.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`RawDict::len`]; then nothing
    /// was changed.
    pub fn combine(&self, how: Algebra, members: &mut [Member<'_, '_, H>]) -> Result<bool> {
        several::combine(&self.table, how, members)
    }

    /// Takes the set's own lock: every operation of others waits until it is given up, those of
    /// this thread go through. Re-entrant. Waits at most `timeout` (`None`: for ever).
    ///
    /// # Errors
    /// As [`RawDict::lock`].
    pub fn lock(&self, timeout: Option<Duration>) -> Result<Acquired> {
        self.table.lock(timeout)
    }

    /// Gives it up once.
    ///
    /// # Errors
    /// [`Error::NotHeld`](crate::Error::NotHeld) when it is not this thread's.
    pub fn unlock(&self) -> Result<()> {
        self.table.unlock()
    }

    /// Whether anybody has it.
    pub fn is_user_locked(&self) -> bool {
        self.table.is_user_locked()
    }
}
