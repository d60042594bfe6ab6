//! A shared list with two ends, of elements of one type. Long because every method has its example.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use crate::containers::typed::element::mismatch;
use crate::containers::typed::locked::{self, Lockable, Locked, locked};
use crate::containers::typed::stored::{Stored, read};
use crate::containers::typed::{DequeIter, Dynamic, Element, StoredAs, handle, lockable};
use crate::containers::{End, RawDeque};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::object::ObjectRef;
use crate::heap::value::{Fetch, Prepared};
use crate::sync::{Acquired, LockError};

/// A list that processes share and that is as fast at its front as at its back. Bounded, it keeps
/// the newest: what comes in at one end of a full one pushes out what is at the other.
///
/// Every operation is one step: others see all of it or nothing, also when this process is killed
/// in the middle. Cloning gives another handle of the same deque; a handle can be sent to other
/// processes and stored in other containers. To wait for what comes next there is
/// [`Queue`](crate::Queue): a deque never waits.
///
/// Without a type it is a `Deque<Dynamic>`, which holds anything, and is what Python sees.
///
/// ```
/// # fn main() -> pumasi::Result<()> {
/// let latest = pumasi::Deque::bounded(3)?;
/// for n in 0..5 {
///     latest.push_back(n)?;
/// }
/// assert_eq!(latest.to_vec()?, [2, 3, 4]);
/// latest.push_front(1)?;
/// assert_eq!(latest.pop_back()?, Some(3));
/// # Ok(())
/// # }
/// ```
///
/// An operation may wait, shortly, for that of another process, and for as long as another has
/// the deque [`locked`](Deque::locked). Those in the middle ([`insert`](Deque::insert),
/// [`remove`](Deque::remove)) copy 8 bytes for every element while they hold it.
///
/// # Errors
/// Every operation can fail as those of [`List`](crate::List) do.
pub struct Deque<T = Dynamic> {
    raw: RawDeque,
    types: PhantomData<fn() -> T>,
}

handle!(Deque<T>, RawDeque);
lockable!(Deque<T>);

impl<T: Element> Deque<T> {
    /// An empty deque of any length, in the default heap.
    ///
    /// ```
    /// let deque = pumasi::Deque::<u32>::new()?;
    /// assert_eq!(deque.bound(), None);
    /// assert_eq!(deque.pop_front()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new() -> Result<Deque<T>> {
        Deque::new_in(Heap::global()?)
    }

    /// The same in a heap of your choice.
    ///
    /// ```
    /// use pumasi::{Deque, Error, Heap, List};
    ///
    /// let heap = Heap::builder().limit(64 << 20).create()?;
    /// let rows = Deque::<List<u8>>::new_in(&heap)?;
    /// rows.push_back(List::new_in(&heap)?)?;
    /// // What is nested has to be of the same heap.
    /// assert!(matches!(rows.push_back(List::new()?), Err(Error::WrongHeap { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new_in(heap: &Heap) -> Result<Deque<T>> {
        RawDeque::create(heap, None).map(Deque::from)
    }

    /// An empty deque of at most `bound` elements, in the default heap.
    ///
    /// ```
    /// let latest = pumasi::Deque::<u32>::bounded(2)?;
    /// latest.extend([1, 2, 3])?;
    /// assert_eq!(latest.to_vec()?, [2, 3]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Deque::new`].
    pub fn bounded(bound: usize) -> Result<Deque<T>> {
        Deque::bounded_in(Heap::global()?, bound)
    }

    /// The same in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let latest = pumasi::Deque::<u32>::bounded_in(&heap, 2)?;
    /// assert_eq!(latest.bound(), Some(2));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn bounded_in(heap: &Heap, bound: usize) -> Result<Deque<T>> {
        RawDeque::create(heap, Some(bound)).map(Deque::from)
    }

    /// A deque of these elements, in the default heap.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let deque = pumasi::Deque::of(["rice", "salt"].map(String::from))?;
    /// assert_eq!(deque.pop_front()?.as_deref(), Some("rice"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Deque::new`].
    pub fn of(elements: impl IntoIterator<Item = T>) -> Result<Deque<T>> {
        let deque = Deque::new()?;
        deque.extend(elements)?;
        Ok(deque)
    }

    /// The same deque, read as one of other elements. An element that is none is an error when it
    /// is read.
    ///
    /// ```
    /// use pumasi::{Deque, Dynamic, Error};
    ///
    /// let deque = Deque::of([1])?;
    /// deque.clone().cast::<Dynamic>().push_back("rice")?;
    /// assert_eq!(deque.front()?, Some(1));
    /// assert!(matches!(deque.back(), Err(Error::TypeMismatch { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn cast<U: Element>(self) -> Deque<U> {
        Deque::from(self.raw)
    }

    fn heap(&self) -> &Heap {
        self.raw.object().heap()
    }

    // ---- reading ---------------------------------------------------------------------------

    /// How many elements there may be; `None` for any number.
    ///
    /// ```
    /// assert_eq!(pumasi::Deque::<u32>::bounded(3)?.bound(), Some(3));
    /// assert_eq!(pumasi::Deque::<u32>::new()?.bound(), None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn bound(&self) -> Option<usize> {
        self.raw.bound()
    }

    /// How many elements there are.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2])?;
    /// assert_eq!(deque.len()?, 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    #[inline]
    pub fn len(&self) -> Result<usize> {
        self.raw.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// let deque = pumasi::Deque::<u32>::new()?;
    /// assert!(deque.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn is_empty(&self) -> Result<bool> {
        self.raw.is_empty()
    }

    /// A copy of the element at `index`, `None` past the end.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([2, 3])?;
    /// deque.push_front(1)?;
    /// assert_eq!(deque.get(0)?, Some(1));
    /// assert_eq!(deque.get(3)?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    #[inline]
    pub fn get(&self, index: usize) -> Result<Option<T>> {
        match isize::try_from(index) {
            Ok(index) => self.at(index),
            Err(_) => Ok(None),
        }
    }

    /// A copy of the first element.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2])?;
    /// assert_eq!(deque.front()?, Some(1));
    /// deque.clear()?;
    /// assert_eq!(deque.front()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn front(&self) -> Result<Option<T>> {
        self.at(0)
    }

    /// A copy of the last element.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2])?;
    /// assert_eq!(deque.back()?, Some(2));
    /// deque.clear()?;
    /// assert_eq!(deque.back()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn back(&self) -> Result<Option<T>> {
        self.at(-1)
    }

    fn at(&self, index: isize) -> Result<Option<T>> {
        let mut out = Fetch::new();
        match self.raw.get(index, &mut out) {
            Ok(cell) => read(cell, &mut out).map(Some),
            Err(Error::IndexOutOfRange { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A copy of all elements as they are at one moment.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2])?;
    /// let copy = deque.to_vec()?;
    /// deque.push_front(0)?;
    /// assert_eq!(copy, [1, 2]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.iter()?.collect()
    }

    /// The elements as they are at this moment: later changes do not show.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let deque = pumasi::Deque::of([1, 2])?;
    /// for n in deque.iter()? {
    ///     deque.push_front(n? * 10)?;
    /// }
    /// assert_eq!(deque.to_vec()?, [20, 10, 1, 2]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn iter(&self) -> Result<DequeIter<T>> {
        Ok(DequeIter::new(self.raw.snapshot()?))
    }

    /// Where `element` is first, in a copy of the deque.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([5, 7, 7])?;
    /// assert_eq!(deque.position(&7)?, Some(1));
    /// assert_eq!(deque.position(&9)?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
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

    /// Whether `element` is in a copy of the deque.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([5, 7])?;
    /// assert!(deque.contains(&7)?);
    /// assert!(!deque.contains(&9)?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn contains(&self, element: &T) -> Result<bool>
    where
        T: PartialEq,
    {
        Ok(self.position(element)?.is_some())
    }

    // ---- the ends --------------------------------------------------------------------------

    /// Adds an element behind the last; of a full deque the first one goes.
    ///
    /// ```
    /// let latest = pumasi::Deque::<u32>::bounded(2)?;
    /// latest.push_back(1)?;
    /// latest.push_back(2)?;
    /// latest.push_back(3)?; // 1 goes
    /// assert_eq!(latest.to_vec()?, [2, 3]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    #[inline]
    pub fn push_back(&self, element: impl StoredAs<T>) -> Result<()> {
        self.push(End::Back, element)
    }

    /// Adds an element before the first; of a full deque the last one goes.
    ///
    /// ```
    /// let latest = pumasi::Deque::<u32>::bounded(2)?;
    /// latest.push_front(1)?;
    /// latest.push_front(2)?;
    /// latest.push_front(3)?; // 1 goes
    /// assert_eq!(latest.to_vec()?, [3, 2]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    #[inline]
    pub fn push_front(&self, element: impl StoredAs<T>) -> Result<()> {
        self.push(End::Front, element)
    }

    #[inline]
    fn push(&self, end: End, element: impl StoredAs<T>) -> Result<()> {
        element.lent(|stored| {
            let mut prepared = stored.prepare(self.heap())?;
            self.raw.push(end, &mut prepared)
        })
    }

    /// Takes the last element out; `None` when there is none.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2])?;
    /// assert_eq!(deque.pop_back()?, Some(2));
    /// assert_eq!(deque.pop_back()?, Some(1));
    /// assert_eq!(deque.pop_back()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`]; an element of another type is out nevertheless.
    #[inline]
    pub fn pop_back(&self) -> Result<Option<T>> {
        self.pop(End::Back)
    }

    /// Takes the first element out; `None` when there is none.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2])?;
    /// assert_eq!(deque.pop_front()?, Some(1));
    /// assert_eq!(deque.pop_front()?, Some(2));
    /// assert_eq!(deque.pop_front()?, None); // it does not wait; a Queue does
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`]; an element of another type is out nevertheless.
    #[inline]
    pub fn pop_front(&self) -> Result<Option<T>> {
        self.pop(End::Front)
    }

    #[inline]
    fn pop(&self, end: End) -> Result<Option<T>> {
        let mut out = Fetch::new();
        match self.raw.pop(end, &mut out) {
            Ok(cell) => read(cell, &mut out).map(Some),
            Err(Error::Empty { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds elements behind the last, all in one step. Of a bounded deque as many go at the front
    /// as are too many.
    ///
    /// ```
    /// let latest = pumasi::Deque::<u32>::bounded(3)?;
    /// latest.extend([1, 2])?;
    /// latest.extend([3, 4])?;
    /// assert_eq!(latest.to_vec()?, [2, 3, 4]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn extend(&self, elements: impl IntoIterator<Item = impl StoredAs<T>>) -> Result<()> {
        self.raw.extend(End::Back, &mut self.prepared(elements)?)
    }

    /// Adds elements before the first one after the other, all in one step: the last of them is
    /// the first in the end.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1])?;
    /// deque.extend_front([2, 3])?;
    /// assert_eq!(deque.to_vec()?, [3, 2, 1]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn extend_front(&self, elements: impl IntoIterator<Item = impl StoredAs<T>>) -> Result<()> {
        self.raw.extend(End::Front, &mut self.prepared(elements)?)
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

    // ---- in between ------------------------------------------------------------------------

    /// Overwrites the element at `index`.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2])?;
    /// deque.set(1, 7)?;
    /// assert_eq!(deque.to_vec()?, [1, 7]);
    /// assert!(matches!(deque.set(2, 3), Err(pumasi::Error::IndexOutOfRange { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] past the end; see [`Deque`].
    #[inline]
    pub fn set(&self, index: usize, element: impl StoredAs<T>) -> Result<()> {
        let index = position(index)?;
        element.lent(|stored| {
            let mut prepared = stored.prepare(self.heap())?;
            self.raw.set(index, &mut prepared)
        })
    }

    /// Changes the element at `index` in one step; what `change` returns. Nobody sees or changes
    /// the deque while `change` runs.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2])?;
    /// let old = deque.update(1, |n| std::mem::replace(n, 20))?;
    /// assert_eq!(old, 2);
    /// assert_eq!(deque.to_vec()?, [1, 20]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] past the end; see [`Deque`].
    pub fn update<R>(&self, index: usize, change: impl FnOnce(&mut T) -> R) -> Result<R> {
        let _alone = locked::lock_quietly(self)?;
        let mut element = self
            .get(index)?
            .ok_or(Error::IndexOutOfRange { what: "deque" })?;
        let result = change(&mut element);
        self.set(index, element)?;
        Ok(result)
    }

    /// Adds an element before the one at `index`, or at the end.
    ///
    /// ```
    /// let deque = pumasi::Deque::<u32>::bounded(3)?;
    /// deque.extend([1, 3])?;
    /// deque.insert(1, 2)?;
    /// assert_eq!(deque.to_vec()?, [1, 2, 3]);
    /// // In the middle nothing is pushed out.
    /// assert!(matches!(deque.insert(1, 0), Err(pumasi::Error::Full { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Full`] when there are as many as there may be; see [`Deque`].
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
    /// let deque = pumasi::Deque::of([5, 6, 7])?;
    /// assert_eq!(deque.remove(1)?, 6);
    /// assert_eq!(deque.to_vec()?, [5, 7]);
    /// assert!(matches!(deque.remove(2), Err(pumasi::Error::IndexOutOfRange { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] past the end; see [`Deque`].
    pub fn remove(&self, index: usize) -> Result<T> {
        let mut out = Fetch::new();
        let cell = self.raw.take_out(position(index)?, &mut out)?;
        read(cell, &mut out)
    }

    /// Moves the first `n` elements to the back, one by one.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2, 3])?;
    /// deque.rotate_left(1)?;
    /// assert_eq!(deque.to_vec()?, [2, 3, 1]);
    /// deque.rotate_left(7)?; // more than there are: on and on
    /// assert_eq!(deque.to_vec()?, [3, 1, 2]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn rotate_left(&self, n: usize) -> Result<()> {
        self.raw.rotate(-isize::try_from(n).unwrap_or(isize::MAX))
    }

    /// Moves the last `n` elements to the front, one by one.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2, 3])?;
    /// deque.rotate_right(1)?;
    /// assert_eq!(deque.to_vec()?, [3, 1, 2]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn rotate_right(&self, n: usize) -> Result<()> {
        self.raw.rotate(isize::try_from(n).unwrap_or(isize::MAX))
    }

    /// Reverses the order.
    ///
    /// ```
    /// let deque = pumasi::Deque::of([1, 2, 3])?;
    /// deque.reverse()?;
    /// assert_eq!(deque.to_vec()?, [3, 2, 1]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn reverse(&self) -> Result<()> {
        self.raw.reverse()
    }

    /// Removes everything.
    ///
    /// ```
    /// let latest = pumasi::Deque::<u32>::bounded(3)?;
    /// latest.push_back(1)?;
    /// latest.clear()?;
    /// assert!(latest.is_empty()?);
    /// assert_eq!(latest.bound(), Some(3));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Deque`].
    pub fn clear(&self) -> Result<()> {
        self.raw.clear()
    }

    locked!(
        deque: "Deque::of([1, 2])?",
        "let first = held.pop_front()?;",
        "held.extend(first)?; // nobody has missed it",
        "drop(held);",
        "assert_eq!(deque.to_vec()?, [2, 1]);",
    );
}

fn position(index: usize) -> Result<isize> {
    isize::try_from(index).map_err(|_| Error::IndexOutOfRange { what: "deque" })
}
