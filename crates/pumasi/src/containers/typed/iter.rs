//! Iterating over what a container held at one moment.

use core::fmt;
use core::marker::PhantomData;

use crate::containers::Snapshot;
use crate::containers::typed::Element;
use crate::containers::typed::stored::read_item;
use crate::error::Result;

/// The elements of a list as they were when [`List::iter`](crate::List::iter) was called. Each may
/// be an error, for it is only now read as a `T`.
///
/// ```
/// let list = pumasi::List::of([1, 2, 3])?;
/// let mut iter = list.iter()?;
/// list.clear()?; // the iterator has a copy
/// assert_eq!(iter.len(), 3);
/// assert_eq!(iter.next_back().transpose()?, Some(3));
/// assert_eq!(iter.collect::<pumasi::Result<Vec<_>>>()?, [1, 2]);
/// # Ok::<(), pumasi::Error>(())
/// ```
pub struct ListIter<T> {
    snapshot: Snapshot,
    next: usize,
    end: usize,
    types: PhantomData<fn() -> T>,
}

impl<T> ListIter<T> {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        ListIter {
            end: snapshot.len(),
            snapshot,
            next: 0,
            types: PhantomData,
        }
    }
}

impl<T: Element> Iterator for ListIter<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        let item = self
            .snapshot
            .get(self.next)
            .filter(|_| self.next < self.end)?;
        self.next += 1;
        Some(read_item(item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl<T: Element> DoubleEndedIterator for ListIter<T> {
    fn next_back(&mut self) -> Option<Result<T>> {
        let last = self.end.checked_sub(1).filter(|last| *last >= self.next)?;
        self.end = last;
        self.snapshot.get(last).map(read_item)
    }
}

impl<T: Element> ExactSizeIterator for ListIter<T> {}
impl<T: Element> core::iter::FusedIterator for ListIter<T> {}

impl<T> fmt::Debug for ListIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListIter")
            .field("left", &(self.end - self.next))
            .finish_non_exhaustive()
    }
}

/// The elements of a set as they were when [`Set::iter`](crate::Set::iter) was called. Each may be
/// an error, for it is only now read as a `K`.
///
/// ```
/// let set = pumasi::Set::of([2, 1, 2])?;
/// assert_eq!(set.iter()?.len(), 2);
/// assert_eq!(set.iter()?.rev().collect::<pumasi::Result<Vec<_>>>()?, [1, 2]);
/// # Ok::<(), pumasi::Error>(())
/// ```
pub type SetIter<K> = ListIter<K>;

/// The elements of a deque as they were when [`Deque::iter`](crate::Deque::iter) was called. Each
/// may be an error, for it is only now read as a `T`.
///
/// ```
/// let deque = pumasi::Deque::of([1, 2])?;
/// let iter = deque.iter()?;
/// deque.push_front(0)?; // the iterator has a copy
/// assert_eq!(iter.collect::<pumasi::Result<Vec<_>>>()?, [1, 2]);
/// # Ok::<(), pumasi::Error>(())
/// ```
pub type DequeIter<T> = ListIter<T>;

/// The pairs of a dictionary as they were when [`Dict::iter`](crate::Dict::iter) was called. Each
/// may be an error, for it is only now read as a `K` and a `V`.
///
/// ```
/// let ages = pumasi::Dict::of([('b', 24), ('a', 42)])?;
/// let mut iter = ages.iter()?;
/// assert_eq!(iter.len(), 2);
/// assert_eq!(iter.next_back().transpose()?, Some(('a', 42)));
/// assert_eq!(iter.next().transpose()?, Some(('b', 24)));
/// assert!(iter.next().is_none());
/// # Ok::<(), pumasi::Error>(())
/// ```
pub struct DictIter<K, V> {
    snapshot: Snapshot,
    /// The pairs that are left: those at `next..end`.
    next: usize,
    end: usize,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> DictIter<K, V> {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        DictIter {
            end: snapshot.len() / 2,
            snapshot,
            next: 0,
            types: PhantomData,
        }
    }
}

impl<K: Element, V: Element> DictIter<K, V> {
    fn pair(&self, index: usize) -> Option<Result<(K, V)>> {
        let key = self.snapshot.get(2 * index)?;
        let value = self.snapshot.get(2 * index + 1)?;
        Some(read_item(key).and_then(|key| Ok((key, read_item(value)?))))
    }
}

impl<K: Element, V: Element> Iterator for DictIter<K, V> {
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Result<(K, V)>> {
        let pair = (self.next < self.end).then(|| self.pair(self.next))?;
        self.next += 1;
        pair
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl<K: Element, V: Element> DoubleEndedIterator for DictIter<K, V> {
    fn next_back(&mut self) -> Option<Result<(K, V)>> {
        self.end = self.end.checked_sub(1).filter(|last| *last >= self.next)?;
        self.pair(self.end)
    }
}

impl<K: Element, V: Element> ExactSizeIterator for DictIter<K, V> {}
impl<K: Element, V: Element> core::iter::FusedIterator for DictIter<K, V> {}

impl<K, V> fmt::Debug for DictIter<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DictIter")
            .field("left", &(self.end - self.next))
            .finish_non_exhaustive()
    }
}
