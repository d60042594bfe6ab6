//! A shared list of elements of one type.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Bound, RangeBounds};
use core::time::Duration;

use crate::containers::typed::element::mismatch;
use crate::containers::typed::locked::{self, Lockable, Locked, locked};
use crate::containers::typed::stored::{Stored, read};
use crate::containers::typed::{Dynamic, Element, ListIter, StoredAs, handle, lockable};
use crate::containers::{RawList, Slice};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::object::ObjectRef;
use crate::heap::value::{Fetch, Prepared};
use crate::sync::{Acquired, LockError};

/// How often `sort` begins again when others change the list meanwhile, before it locks it.
const TRIES: usize = 8;

/// A growable list that processes share.
///
/// Every operation is one step: others see all of it or nothing, also when this process is
/// killed in the middle. Cloning gives another handle of the same list; a handle can be sent to
/// other processes as an argument or result of a task and stored in other containers. The list
/// lives until the last handle and the last container entry that leads to it are gone.
///
/// Without a type it is a `List<Dynamic>`, which holds anything, and is what Python sees.
///
/// ```
/// use pumasi::List;
///
/// #[pumasi::task]
/// fn fill(list: List<u32>, from: u32) -> pumasi::Result<()> {
///     for i in from..from + 10 {
///         list.push(i)?;
///     }
///     Ok(())
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let list = List::new()?;
///     let children = (0..4).map(|i| fill::spawn(list.clone(), i * 10)).collect::<Result<Vec<_>, _>>()?;
///     for child in children {
///         child.join()??;
///     }
///     list.sort()?;
///     assert_eq!(list.to_vec()?, (0..40).collect::<Vec<_>>());
///     Ok(())
/// }
/// ```
///
/// An operation may wait, shortly, for that of another process, and for as long as another has
/// the list [`locked`](List::locked).
///
/// # Errors
/// Every operation can fail with
/// - [`Error::TypeMismatch`] when it reads an element of another type;
/// - [`Error::OutOfMemory`] when it adds something and the heap is full: nothing was changed;
/// - [`Error::WrongHeap`] when it stores a container of another heap;
/// - [`Error::Corrupt`] when somebody wrote over the heap.
pub struct List<T = Dynamic> {
    raw: RawList,
    types: PhantomData<fn() -> T>,
}

handle!(List<T>, RawList);
lockable!(List<T>);

impl<T: Element> List<T> {
    /// An empty list in the default heap.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new() -> Result<List<T>> {
        List::new_in(Heap::global()?)
    }

    /// An empty list in a heap of your choice.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new_in(heap: &Heap) -> Result<List<T>> {
        RawList::create(heap).map(List::from)
    }

    /// A list of these elements, in the default heap.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let list = pumasi::List::of(["rice", "salt"].map(String::from))?;
    /// assert_eq!(list.len()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`List::new`].
    pub fn of(elements: impl IntoIterator<Item = T>) -> Result<List<T>> {
        let list = List::new()?;
        list.extend(elements)?;
        Ok(list)
    }

    /// The same list, read as one of other elements. An element that is none is an error when it
    /// is read.
    #[must_use]
    pub fn cast<U: Element>(self) -> List<U> {
        List::from(self.raw)
    }

    fn heap(&self) -> &Heap {
        self.raw.object().heap()
    }

    // ---- reading ---------------------------------------------------------------------------

    /// How many elements there are.
    ///
    /// # Errors
    /// See [`List`].
    #[inline]
    pub fn len(&self) -> Result<usize> {
        self.raw.len()
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// See [`List`].
    pub fn is_empty(&self) -> Result<bool> {
        self.raw.is_empty()
    }

    /// A copy of the element at `index`, `None` past the end.
    ///
    /// # Errors
    /// See [`List`].
    #[inline]
    pub fn get(&self, index: usize) -> Result<Option<T>> {
        let mut out = Fetch::new();
        match self.raw.get(position(index)?, &mut out) {
            Ok(cell) => read(cell, &mut out).map(Some),
            Err(error) => none_past_the_end(error),
        }
    }

    /// A copy of the first element.
    ///
    /// # Errors
    /// See [`List`].
    pub fn first(&self) -> Result<Option<T>> {
        self.get(0)
    }

    /// A copy of the last element.
    ///
    /// # Errors
    /// See [`List`].
    pub fn last(&self) -> Result<Option<T>> {
        let mut out = Fetch::new();
        match self.raw.get(-1, &mut out) {
            Ok(cell) => read(cell, &mut out).map(Some),
            Err(error) => none_past_the_end(error),
        }
    }

    /// A copy of all elements as they are at one moment.
    ///
    /// # Errors
    /// See [`List`].
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.iter()?.collect()
    }

    /// A copy of the elements of a range as they are at one moment; what lies past the end is
    /// left out.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let list = pumasi::List::of([0, 1, 2, 3])?;
    /// assert_eq!(list.range(1..3)?, [1, 2]);
    /// assert_eq!(list.range(2..)?, [2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`List`].
    pub fn range(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>> {
        ListIter::new(self.raw.get_slice(slice(&range)?)?).collect()
    }

    /// The elements as they are at this moment: later changes do not show.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let list = pumasi::List::of([1, 2])?;
    /// for n in list.iter()? {
    ///     list.push(n? * 10)?;
    /// }
    /// assert_eq!(list.to_vec()?, [1, 2, 10, 20]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`List`].
    pub fn iter(&self) -> Result<ListIter<T>> {
        Ok(ListIter::new(self.raw.snapshot()?))
    }

    /// Where `element` is first, in a copy of the list.
    ///
    /// # Errors
    /// See [`List`].
    pub fn position(&self, element: &T) -> Result<Option<usize>>
    where
        T: PartialEq,
    {
        for (i, found) in self.iter()?.enumerate() {
            if found? == *element {
                return Ok(Some(i));
            }
        }
        Ok(None)
    }

    /// Whether `element` is in a copy of the list.
    ///
    /// # Errors
    /// See [`List`].
    pub fn contains(&self, element: &T) -> Result<bool>
    where
        T: PartialEq,
    {
        Ok(self.position(element)?.is_some())
    }

    // ---- changing --------------------------------------------------------------------------

    /// Adds an element at the end.
    ///
    /// # Errors
    /// See [`List`].
    #[inline]
    pub fn push(&self, element: impl StoredAs<T>) -> Result<()> {
        element.lent(|stored| {
            let mut prepared = stored.prepare(self.heap())?;
            self.raw.push(&mut prepared)
        })
    }

    /// Takes the last element out; `None` when there is none.
    ///
    /// # Errors
    /// See [`List`]; an element of another type is out nevertheless.
    pub fn pop(&self) -> Result<Option<T>> {
        let mut out = Fetch::new();
        match self.raw.pop(-1, &mut out) {
            Ok(cell) => read(cell, &mut out).map(Some),
            Err(Error::Empty { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Overwrites the element at `index`.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] past the end; see [`List`].
    #[inline]
    pub fn set(&self, index: usize, element: impl StoredAs<T>) -> Result<()> {
        let index = position(index)?;
        element.lent(|stored| {
            let mut prepared = stored.prepare(self.heap())?;
            self.raw.set(index, &mut prepared)
        })
    }

    /// Adds an element before the one at `index`, or at the end.
    ///
    /// # Errors
    /// See [`List`].
    pub fn insert(&self, index: usize, element: impl StoredAs<T>) -> Result<()> {
        let index = isize::try_from(index).unwrap_or(isize::MAX);
        element.lent(|stored| {
            let mut prepared = stored.prepare(self.heap())?;
            self.raw.insert(index, &mut prepared)
        })
    }

    /// Takes the element at `index` out.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] past the end; see [`List`].
    pub fn remove(&self, index: usize) -> Result<T> {
        let mut out = Fetch::new();
        match self.raw.pop(position(index)?, &mut out) {
            Ok(cell) => read(cell, &mut out),
            Err(Error::Empty { .. }) => Err(Error::IndexOutOfRange { what: "pop" }),
            Err(error) => Err(error),
        }
    }

    /// Changes the element at `index` in one step; what `change` returns. Nobody sees or changes
    /// the list while `change` runs.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let list = pumasi::List::of([1, 2])?;
    /// list.update(1, |n| *n *= 10)?;
    /// assert_eq!(list.to_vec()?, [1, 20]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] past the end; see [`List`].
    pub fn update<R>(&self, index: usize, change: impl FnOnce(&mut T) -> R) -> Result<R> {
        let _alone = locked::lock_quietly(self)?;
        let mut element = self
            .get(index)?
            .ok_or(Error::IndexOutOfRange { what: "list" })?;
        let result = change(&mut element);
        self.set(index, element)?;
        Ok(result)
    }

    /// Adds elements at the end, all in one step.
    ///
    /// # Errors
    /// See [`List`].
    pub fn extend(&self, elements: impl IntoIterator<Item = impl StoredAs<T>>) -> Result<()> {
        self.raw.extend(&mut self.prepared(elements)?)
    }

    /// Replaces a range by other elements, as many as there are, all in one step.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let list = pumasi::List::of([0, 1, 2, 3])?;
    /// list.splice(1..3, [7, 8, 9])?;
    /// assert_eq!(list.to_vec()?, [0, 7, 8, 9, 3]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`List`].
    pub fn splice(
        &self,
        range: impl RangeBounds<usize>,
        elements: impl IntoIterator<Item = impl StoredAs<T>>,
    ) -> Result<()> {
        let slice = slice(&range)?;
        self.raw.set_slice(slice, &mut self.prepared(elements)?)
    }

    fn prepared(
        &self,
        elements: impl IntoIterator<Item = impl StoredAs<T>>,
    ) -> Result<Vec<Prepared<'_>>> {
        elements
            .into_iter()
            .map(|element| element.lent(|stored| stored.prepare(self.heap())))
            .collect()
    }

    /// Removes the elements of a range, all in one step.
    ///
    /// # Errors
    /// See [`List`].
    pub fn remove_range(&self, range: impl RangeBounds<usize>) -> Result<()> {
        self.raw.del_slice(slice(&range)?)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// See [`List`].
    pub fn clear(&self) -> Result<()> {
        self.raw.clear()
    }

    /// Reverses the order.
    ///
    /// # Errors
    /// See [`List`].
    pub fn reverse(&self) -> Result<()> {
        self.raw.reverse()
    }

    /// Sorts the elements; equal ones keep their order.
    ///
    /// They are compared in a copy, outside every lock; when others change the list meanwhile it
    /// is done again, in the end with the list [`locked`](List::locked).
    ///
    /// # Errors
    /// See [`List`].
    pub fn sort(&self) -> Result<()>
    where
        T: Ord,
    {
        self.sort_by(T::cmp)
    }

    /// Sorts the elements by a comparison; see [`List::sort`].
    ///
    /// # Errors
    /// See [`List`].
    pub fn sort_by(&self, mut compare: impl FnMut(&T, &T) -> core::cmp::Ordering) -> Result<()> {
        for _ in 0..TRIES {
            match self.sort_once(&mut compare) {
                Err(Error::Modified { .. }) => {}
                done => return done,
            }
        }
        let _alone = locked::lock_quietly(self)?;
        self.sort_once(&mut compare)
    }

    fn sort_once(&self, compare: &mut impl FnMut(&T, &T) -> core::cmp::Ordering) -> Result<()> {
        let snapshot = self.raw.snapshot()?;
        let version = snapshot.version;
        let elements: Vec<T> = ListIter::new(snapshot).collect::<Result<_>>()?;
        let mut order: Vec<usize> = (0..elements.len()).collect();
        order.sort_by(|&a, &b| compare(&elements[a], &elements[b]));
        self.raw.reorder_if(version, &order)
    }

    locked!();
}

fn position(index: usize) -> Result<isize> {
    isize::try_from(index).map_err(|_| Error::IndexOutOfRange { what: "list" })
}

fn none_past_the_end<T>(error: Error) -> Result<Option<T>> {
    match error {
        Error::IndexOutOfRange { .. } => Ok(None),
        error => Err(error),
    }
}

fn slice(range: &impl RangeBounds<usize>) -> Result<Slice> {
    let start = match range.start_bound() {
        Bound::Included(&first) => Some(position(first)?),
        Bound::Excluded(&before) => Some(position(before.saturating_add(1))?),
        Bound::Unbounded => None,
    };
    let stop = match range.end_bound() {
        Bound::Included(&last) => Some(position(last.saturating_add(1))?),
        Bound::Excluded(&end) => Some(position(end)?),
        Bound::Unbounded => None,
    };
    Ok(Slice {
        start,
        stop,
        step: 1,
    })
}
