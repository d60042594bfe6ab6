//! A shared list of elements of one type. Long because every method has its example.

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
    /// ```
    /// let list = pumasi::List::<u32>::new()?;
    /// assert_eq!(list.pop()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new() -> Result<List<T>> {
        List::new_in(Heap::global()?)
    }

    /// An empty list in a heap of your choice.
    ///
    /// ```
    /// use pumasi::{Error, Heap, List};
    ///
    /// let heap = Heap::builder().limit(64 << 20).create()?;
    /// let rows = List::<List<u8>>::new_in(&heap)?;
    /// rows.push(List::new_in(&heap)?)?;
    /// // What is nested has to be of the same heap.
    /// assert!(matches!(rows.push(List::new()?), Err(Error::WrongHeap { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    ///
    /// ```
    /// use pumasi::{Dynamic, Error, List};
    ///
    /// let list = List::of([1, 2])?;
    /// let same = list.clone().cast::<Dynamic>();
    /// same.push("rice")?;
    /// assert_eq!(list.get(1)?, Some(2));
    /// assert!(matches!(list.get(2), Err(Error::TypeMismatch { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([1, 2])?;
    /// assert_eq!(list.len()?, 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`List`].
    #[inline]
    pub fn len(&self) -> Result<usize> {
        self.raw.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// let list = pumasi::List::<u32>::new()?;
    /// assert!(list.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`List`].
    pub fn is_empty(&self) -> Result<bool> {
        self.raw.is_empty()
    }

    /// A copy of the element at `index`, `None` past the end.
    ///
    /// ```
    /// let list = pumasi::List::of([1, 2])?;
    /// assert_eq!(list.get(1)?, Some(2));
    /// assert_eq!(list.get(2)?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([1, 2])?;
    /// assert_eq!(list.first()?, Some(1));
    /// list.clear()?;
    /// assert_eq!(list.first()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`List`].
    pub fn first(&self) -> Result<Option<T>> {
        self.get(0)
    }

    /// A copy of the last element.
    ///
    /// ```
    /// let list = pumasi::List::of([1, 2])?;
    /// assert_eq!(list.last()?, Some(2));
    /// list.clear()?;
    /// assert_eq!(list.last()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([1, 2])?;
    /// let copy = list.to_vec()?;
    /// list.push(3)?;
    /// assert_eq!(copy, [1, 2]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([5, 7, 7])?;
    /// assert_eq!(list.position(&7)?, Some(1));
    /// assert_eq!(list.position(&9)?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([5, 7])?;
    /// assert!(list.contains(&7)?);
    /// assert!(!list.contains(&9)?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::<String>::new()?;
    /// list.push("rice")?; // copied straight into the list
    /// list.push(format!("{} sheaves", 3))?;
    /// assert_eq!(list.to_vec()?, ["rice", "3 sheaves"]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([1, 2])?;
    /// assert_eq!(list.pop()?, Some(2));
    /// assert_eq!(list.pop()?, Some(1));
    /// assert_eq!(list.pop()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([1, 2])?;
    /// list.set(0, 7)?;
    /// assert_eq!(list.to_vec()?, [7, 2]);
    /// // It does not grow.
    /// assert!(matches!(list.set(2, 3), Err(pumasi::Error::IndexOutOfRange { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([1, 2])?;
    /// list.insert(0, 7)?;
    /// list.insert(99, 8)?; // past the end: at the end
    /// assert_eq!(list.to_vec()?, [7, 1, 2, 8]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([5, 6, 7])?;
    /// assert_eq!(list.remove(1)?, 6);
    /// assert_eq!(list.to_vec()?, [5, 7]);
    /// assert!(matches!(list.remove(2), Err(pumasi::Error::IndexOutOfRange { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([1])?;
    /// list.extend([2, 3])?;
    /// list.extend(list.to_vec()?)?;
    /// assert_eq!(list.to_vec()?, [1, 2, 3, 1, 2, 3]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([0, 1, 2, 3])?;
    /// list.remove_range(1..=2)?;
    /// assert_eq!(list.to_vec()?, [0, 3]);
    /// list.remove_range(1..99)?; // what lies past the end is no error
    /// assert_eq!(list.to_vec()?, [0]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`List`].
    pub fn remove_range(&self, range: impl RangeBounds<usize>) -> Result<()> {
        self.raw.del_slice(slice(&range)?)
    }

    /// Removes everything.
    ///
    /// ```
    /// let list = pumasi::List::of([1, 2])?;
    /// list.clear()?;
    /// assert!(list.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`List`].
    pub fn clear(&self) -> Result<()> {
        self.raw.clear()
    }

    /// Reverses the order.
    ///
    /// ```
    /// let list = pumasi::List::of([1, 2, 3])?;
    /// list.reverse()?;
    /// assert_eq!(list.to_vec()?, [3, 2, 1]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of(["salt", "rice"].map(String::from))?;
    /// list.sort()?;
    /// assert_eq!(list.to_vec()?, ["rice", "salt"]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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
    /// ```
    /// let list = pumasi::List::of([0.5_f64, 2.0, 1.0])?;
    /// list.sort_by(|a, b| b.total_cmp(a))?; // floats have no order of their own
    /// assert_eq!(list.to_vec()?, [2.0, 1.0, 0.5]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
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

    locked!(
        list: "List::of([1, 2])?",
        "if held.last()? == Some(2) {",
        "    held.push(3)?; // it is the last one still",
        "}",
        "drop(held);",
        "assert_eq!(list.to_vec()?, [1, 2, 3]);",
    );
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
