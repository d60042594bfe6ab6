//! A shared set of keys of one type.

use core::fmt;
use core::hash::Hash;
use core::marker::PhantomData;
use core::time::Duration;
use std::collections::HashSet;

use crate::containers::typed::element::mismatch;
use crate::containers::typed::locked::{self, Lockable, Locked, locked};
use crate::containers::typed::stored::{Stored, read};
use crate::containers::typed::{DictKey, Dynamic, Element, SetIter, StoredAs, handle, lockable};
use crate::containers::{Algebra, Key, Member, RawSet};
use crate::error::Result;
use crate::heap::Heap;
use crate::heap::cell::{Cell, Tag};
use crate::heap::object::ObjectRef;
use crate::heap::value::{Fetch, Prepared};
use crate::sync::{Acquired, LockError};

/// A set that processes share; it keeps the order of insertion.
///
/// Every operation is one step, also those that add or remove several elements: for whoever looks
/// on, and also when this process is killed in the middle. Cloning gives another handle of the
/// same set; a handle can be sent to other processes and stored in other containers.
///
/// Without a type it is a `Set<Dynamic>`, which holds any keys, and is what Python sees. Elements
/// are equal as in Python: `1`, `1.0` and `true` are one element.
///
/// ```
/// # fn main() -> pumasi::Result<()> {
/// let seen = pumasi::Set::of(["rice".to_owned(), "salt".to_owned()])?;
/// assert!(seen.insert("pepper")?); // new: of several processes one is told so
/// assert!(!seen.insert("rice")?);
/// seen.remove_all(["rice", "salt"])?;
/// assert_eq!(seen.to_vec()?, ["pepper"]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Every operation can fail as those of [`Dict`](crate::Dict) do.
pub struct Set<K = Dynamic> {
    raw: RawSet,
    types: PhantomData<fn() -> K>,
}

handle!(Set<K>, RawSet);
lockable!(Set<K>);

impl<K: Element> Set<K> {
    /// The same set, read as one of another type. An element that is none of it is an error when
    /// it is read.
    #[must_use]
    pub fn cast<L: Element>(self) -> Set<L> {
        Set::from(self.raw)
    }
}

/// An element's canonical form, kept while the set is changed by several.
struct Kept<'h> {
    inline: Option<Cell>,
    tag: Tag,
    bytes: Vec<u8>,
    original: Option<Prepared<'h>>,
}

impl<K: DictKey> Set<K> {
    /// An empty set in the default heap.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`Heap::global`].
    pub fn new() -> Result<Set<K>> {
        Set::new_in(Heap::global()?)
    }

    /// An empty set in a heap of your choice.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new_in(heap: &Heap) -> Result<Set<K>> {
        RawSet::create(heap).map(Set::from)
    }

    /// A set of these elements, in the default heap.
    ///
    /// # Errors
    /// As [`Set::new`].
    pub fn of(elements: impl IntoIterator<Item = K>) -> Result<Set<K>> {
        let set = Set::new()?;
        set.extend(elements)?;
        Ok(set)
    }

    fn heap(&self) -> &Heap {
        self.raw.object().heap()
    }

    // ---- reading ---------------------------------------------------------------------------

    /// How many elements there are.
    ///
    /// # Errors
    /// See [`Set`].
    pub fn len(&self) -> Result<usize> {
        self.raw.len()
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// See [`Set`].
    pub fn is_empty(&self) -> Result<bool> {
        self.raw.is_empty()
    }

    /// Whether the element is there.
    ///
    /// # Errors
    /// See [`Set`].
    pub fn contains(&self, element: impl StoredAs<K>) -> Result<bool> {
        element.lent(|stored| stored.key(self.heap(), |key, _| self.raw.contains(key)))
    }

    /// The elements as they are at this moment, in order of insertion; later changes do not show.
    ///
    /// # Errors
    /// See [`Set`].
    pub fn iter(&self) -> Result<SetIter<K>> {
        Ok(SetIter::new(self.raw.snapshot()?))
    }

    /// A copy of all elements at one moment, in order of insertion.
    ///
    /// # Errors
    /// See [`Set`].
    pub fn to_vec(&self) -> Result<Vec<K>> {
        self.iter()?.collect()
    }

    /// A copy of all elements at one moment as a set of this process's own.
    ///
    /// # Errors
    /// See [`Set`].
    pub fn to_set(&self) -> Result<HashSet<K>>
    where
        K: Eq + Hash,
    {
        self.iter()?.collect()
    }

    // ---- changing --------------------------------------------------------------------------

    /// Adds an element; whether it is new.
    ///
    /// # Errors
    /// See [`Set`].
    pub fn insert(&self, element: impl StoredAs<K>) -> Result<bool> {
        element.lent(|stored| {
            stored.key(self.heap(), |key, original| {
                let mut original = original
                    .map(|original| original.prepare(self.heap()))
                    .transpose()?;
                self.raw.add(key, original.as_mut())
            })
        })
    }

    /// Takes an element out; whether it was there.
    ///
    /// # Errors
    /// See [`Set`].
    pub fn remove(&self, element: impl StoredAs<K>) -> Result<bool> {
        element.lent(|stored| stored.key(self.heap(), |key, _| self.raw.remove(key)))
    }

    /// Takes the newest element out; `None` when there is none.
    ///
    /// # Errors
    /// See [`Set`]; an element of another type is out nevertheless.
    pub fn pop_last(&self) -> Result<Option<K>> {
        let mut out = Fetch::new();
        match self.raw.pop(&mut out)? {
            Some(cell) => read(cell, &mut out).map(Some),
            None => Ok(None),
        }
    }

    /// Adds several elements in one step; whether any was new.
    ///
    /// # Errors
    /// See [`Set`]; then nothing was added.
    pub fn extend(&self, elements: impl IntoIterator<Item = impl StoredAs<K>>) -> Result<bool> {
        self.combine(Algebra::Union, elements)
    }

    /// Removes several elements in one step; whether any was there.
    ///
    /// # Errors
    /// See [`Set`]; then nothing was removed.
    pub fn remove_all(&self, elements: impl IntoIterator<Item = impl StoredAs<K>>) -> Result<bool> {
        self.combine(Algebra::Difference, elements)
    }

    /// Removes all elements but these in one step; whether there were any.
    ///
    /// # Errors
    /// See [`Set`]; then nothing was removed.
    pub fn retain_all(&self, elements: impl IntoIterator<Item = impl StoredAs<K>>) -> Result<bool> {
        self.combine(Algebra::Intersection, elements)
    }

    /// Removes of these elements those that are there, and adds those that are not, in one step.
    ///
    /// # Errors
    /// See [`Set`]; then nothing was changed.
    pub fn toggle_all(&self, elements: impl IntoIterator<Item = impl StoredAs<K>>) -> Result<bool> {
        self.combine(Algebra::SymmetricDifference, elements)
    }

    fn combine(
        &self,
        how: Algebra,
        elements: impl IntoIterator<Item = impl StoredAs<K>>,
    ) -> Result<bool> {
        let heap = self.heap();
        let kept: Vec<Kept<'_>> = elements
            .into_iter()
            .map(|element| {
                element.lent(|stored| {
                    stored.key(heap, |key, original| {
                        let original = original
                            .map(|original| original.prepare(heap))
                            .transpose()?;
                        Ok(Kept {
                            inline: key.inline(),
                            tag: key.tag(),
                            bytes: key.bytes().to_vec(),
                            original,
                        })
                    })
                })
            })
            .collect::<Result<_>>()?;
        let mut kept = kept;
        let mut members: Vec<Member<'_, '_>> = kept
            .iter_mut()
            .map(|kept| Member {
                key: match kept.inline {
                    Some(cell) => Key::cell(heap, cell),
                    None => Key::long(heap, kept.tag, &kept.bytes),
                },
                original: kept.original.take(),
            })
            .collect();
        self.raw.combine(how, &mut members)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// See [`Set`].
    pub fn clear(&self) -> Result<()> {
        self.raw.clear()
    }

    locked!();
}
