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
    ///
    /// ```
    /// use pumasi::{Dynamic, Error, Set};
    ///
    /// let set = Set::of([1])?;
    /// set.clone().cast::<Dynamic>().insert("rice")?;
    /// assert!(set.contains(1)?);
    /// assert!(matches!(set.to_vec(), Err(Error::TypeMismatch { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let set = pumasi::Set::<String>::new()?;
    /// assert_eq!(set.pop_last()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`Heap::global`].
    pub fn new() -> Result<Set<K>> {
        Set::new_in(Heap::global()?)
    }

    /// An empty set in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let set = pumasi::Set::<String>::new_in(&heap)?;
    /// assert!(set.insert("rice")?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new_in(heap: &Heap) -> Result<Set<K>> {
        RawSet::create(heap).map(Set::from)
    }

    /// A set of these elements, in the default heap.
    ///
    /// ```
    /// let set = pumasi::Set::of([3, 1, 3])?;
    /// assert_eq!(set.to_vec()?, [3, 1]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let set = pumasi::Set::of([3, 1, 3])?;
    /// assert_eq!(set.len()?, 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Set`].
    pub fn len(&self) -> Result<usize> {
        self.raw.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// let set = pumasi::Set::<u32>::new()?;
    /// assert!(set.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Set`].
    pub fn is_empty(&self) -> Result<bool> {
        self.raw.is_empty()
    }

    /// Whether the element is there.
    ///
    /// ```
    /// let set: pumasi::Set = pumasi::Set::new()?;
    /// set.insert(1)?;
    /// assert!(set.contains(1)?);
    /// assert!(set.contains(1.0)?); // elements are equal as in Python
    /// assert!(!set.contains("1")?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Set`].
    pub fn contains(&self, element: impl StoredAs<K>) -> Result<bool> {
        element.lent(|stored| stored.key(self.heap(), |key, _| self.raw.contains(key)))
    }

    /// The elements as they are at this moment, in order of insertion; later changes do not show.
    ///
    /// ```
    /// let set = pumasi::Set::of([1, 2])?;
    /// for n in set.iter()? {
    ///     set.insert(n? * 10)?;
    /// }
    /// assert_eq!(set.to_vec()?, [1, 2, 10, 20]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Set`].
    pub fn iter(&self) -> Result<SetIter<K>> {
        Ok(SetIter::new(self.raw.snapshot()?))
    }

    /// A copy of all elements at one moment, in order of insertion.
    ///
    /// ```
    /// let set = pumasi::Set::of([2, 1])?;
    /// set.insert(2)?; // keeps its place
    /// assert_eq!(set.to_vec()?, [2, 1]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Set`].
    pub fn to_vec(&self) -> Result<Vec<K>> {
        self.iter()?.collect()
    }

    /// A copy of all elements at one moment as a set of this process's own.
    ///
    /// ```
    /// let set = pumasi::Set::of([2, 1])?;
    /// let others = std::collections::HashSet::from([1, 3]);
    /// assert!(!set.to_set()?.is_disjoint(&others));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let seen = pumasi::Set::<String>::new()?;
    /// assert!(seen.insert("rice")?);
    /// assert!(!seen.insert("rice")?); // of several processes one is told that it is new
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let set = pumasi::Set::of([1])?;
    /// assert!(set.remove(1)?);
    /// assert!(!set.remove(1)?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Set`].
    pub fn remove(&self, element: impl StoredAs<K>) -> Result<bool> {
        element.lent(|stored| stored.key(self.heap(), |key, _| self.raw.remove(key)))
    }

    /// Takes the newest element out; `None` when there is none.
    ///
    /// ```
    /// let set = pumasi::Set::of([2, 1])?;
    /// assert_eq!(set.pop_last()?, Some(1));
    /// assert_eq!(set.pop_last()?, Some(2));
    /// assert_eq!(set.pop_last()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let set = pumasi::Set::of([1])?;
    /// assert!(set.extend([1, 2])?);
    /// assert!(!set.extend([1, 2])?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Set`]; then nothing was added.
    pub fn extend(&self, elements: impl IntoIterator<Item = impl StoredAs<K>>) -> Result<bool> {
        self.combine(Algebra::Union, elements)
    }

    /// Removes several elements in one step; whether any was there.
    ///
    /// ```
    /// let set = pumasi::Set::of([1, 2, 3])?;
    /// assert!(set.remove_all([2, 9])?);
    /// assert!(!set.remove_all([2, 9])?);
    /// assert_eq!(set.to_vec()?, [1, 3]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Set`]; then nothing was removed.
    pub fn remove_all(&self, elements: impl IntoIterator<Item = impl StoredAs<K>>) -> Result<bool> {
        self.combine(Algebra::Difference, elements)
    }

    /// Removes all elements but these in one step; whether there were any.
    ///
    /// ```
    /// let set = pumasi::Set::of([1, 2, 3])?;
    /// assert!(set.retain_all([2, 9])?);
    /// assert!(!set.retain_all([2, 9])?);
    /// assert_eq!(set.to_vec()?, [2]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Set`]; then nothing was removed.
    pub fn retain_all(&self, elements: impl IntoIterator<Item = impl StoredAs<K>>) -> Result<bool> {
        self.combine(Algebra::Intersection, elements)
    }

    /// Removes of these elements those that are there, and adds those that are not, in one step.
    ///
    /// ```
    /// let set = pumasi::Set::of([1, 2])?;
    /// set.toggle_all([2, 3])?;
    /// assert_eq!(set.to_vec()?, [1, 3]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let set = pumasi::Set::of([1])?;
    /// set.clear()?;
    /// assert!(set.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Set`].
    pub fn clear(&self) -> Result<()> {
        self.raw.clear()
    }

    locked!(
        set: "Set::of([1, 2])?",
        "if held.remove(1)? {",
        "    held.insert(7)?; // others see 1 or 7, never neither",
        "}",
        "drop(held);",
        "assert_eq!(set.to_vec()?, [2, 7]);",
    );
}
