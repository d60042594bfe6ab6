//! A shared dictionary of counts.

use core::fmt;

use crate::containers::RawDict;
use crate::containers::typed::stored::Stored;
use crate::containers::typed::{Dict, DictIter, DictKey, Dynamic, Element, StoredAs, of_dict};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::object::Kind;

/// Counts by key, to which processes add in one step each: a [`Dict`] of integers in which a
/// missing key counts as 0, and which Python finds to be a `Counter`.
///
/// Cloning gives another handle of the same counter; a handle can be sent to other processes and
/// stored in other containers. What is not here, [`Counter::as_dict`] has.
///
/// ```
/// # fn main() -> pumasi::Result<()> {
/// use pumasi::Counter;
///
/// let letters = Counter::of("radish and sea".chars())?;
/// assert_eq!(letters.count('a')?, 3);
/// assert_eq!(letters.add('a', 2)?, 5);
/// assert_eq!(letters.count('z')?, 0);
/// assert_eq!(letters.most_common(2)?, [('a', 5), ('d', 2)]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Every operation can fail as those of [`Dict`] do; [`Error::TypeMismatch`] where Python has
/// stored a count that is no integer of 64 bits.
pub struct Counter<K = Dynamic> {
    dict: Dict<K, i64>,
}

impl<K> Counter<K> {
    /// The dictionary that it is, for everything else: waiting for a count, having it to oneself.
    ///
    /// ```
    /// let counts = pumasi::Counter::of("banana".chars())?;
    /// assert_eq!(counts.as_dict().get('a')?, Some(3));
    /// assert_eq!(counts.as_dict().get('z')?, None); // a missing key is missing there
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn as_dict(&self) -> &Dict<K, i64> {
        &self.dict
    }
}

impl<K: DictKey> Counter<K> {
    /// A counter of nothing, in the default heap.
    ///
    /// ```
    /// let counts = pumasi::Counter::<String>::new()?;
    /// assert_eq!(counts.add("rice", 2)?, 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new() -> Result<Counter<K>> {
        Counter::new_in(Heap::global()?)
    }

    /// The same in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let counts = pumasi::Counter::<String>::new_in(&heap)?;
    /// assert_eq!(counts.add("rice", 2)?, 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new_in(heap: &Heap) -> Result<Counter<K>> {
        RawDict::create_of(heap, Kind::Counter).map(Counter::from)
    }

    /// A counter of these items, in the default heap.
    ///
    /// ```
    /// let counts = pumasi::Counter::of("banana".chars())?;
    /// assert_eq!(counts.count('n')?, 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Counter::new`].
    pub fn of(items: impl IntoIterator<Item = K>) -> Result<Counter<K>> {
        let counter = Counter::new()?;
        counter.extend(items)?;
        Ok(counter)
    }

    /// The count of a key, 0 where it is missing.
    ///
    /// ```
    /// let counts = pumasi::Counter::of("banana".chars())?;
    /// assert_eq!(counts.count('a')?, 3);
    /// assert_eq!(counts.count('z')?, 0);
    /// assert_eq!(counts.len()?, 3); // asking adds no key
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Counter`].
    #[inline]
    pub fn count(&self, key: impl StoredAs<K>) -> Result<i64> {
        Ok(self.dict.get(key)?.unwrap_or(0))
    }

    /// Adds to the count of a key, in one step; the new count, which may be negative.
    ///
    /// ```
    /// let stock = pumasi::Counter::<String>::new()?;
    /// assert_eq!(stock.add("rice", 3)?, 3);
    /// assert_eq!(stock.add("rice", -5)?, -2);
    /// assert!(matches!(stock.add("rice", i64::MIN), Err(pumasi::Error::NotANumber)));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotANumber`] when it grows past 64 bits; see [`Counter`].
    #[inline]
    pub fn add(&self, key: impl StoredAs<K>, n: i64) -> Result<i64> {
        self.dict.add(key, n)
    }

    /// Counts these items, each in one step.
    ///
    /// ```
    /// let words = pumasi::Counter::<String>::new()?;
    /// words.extend("rice and salt and tea".split(' '))?;
    /// assert_eq!(words.count("and")?, 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Counter`]; what was counted stays counted.
    pub fn extend(&self, items: impl IntoIterator<Item = impl StoredAs<K>>) -> Result<()> {
        items
            .into_iter()
            .try_for_each(|item| self.add(item, 1).map(drop))
    }

    /// How many keys there are, those with a count of 0, too.
    ///
    /// ```
    /// let counts = pumasi::Counter::of(['a', 'b', 'a'])?;
    /// counts.add('b', -1)?;
    /// assert_eq!((counts.count('b')?, counts.len()?), (0, 2));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Counter`].
    pub fn len(&self) -> Result<usize> {
        self.dict.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// let counts = pumasi::Counter::<u8>::new()?;
    /// assert!(counts.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Counter`].
    pub fn is_empty(&self) -> Result<bool> {
        self.dict.is_empty()
    }

    /// The keys and their counts as they are at this moment.
    ///
    /// ```
    /// let counts = pumasi::Counter::of("banana".chars())?;
    /// let pairs = counts.iter()?.collect::<pumasi::Result<Vec<_>>>()?;
    /// assert_eq!(pairs, [('b', 1), ('a', 3), ('n', 2)]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Counter`].
    pub fn iter(&self) -> Result<DictIter<K, i64>> {
        self.dict.iter()
    }

    /// The `n` keys with the highest counts at this moment, the highest first; of equal ones the
    /// one that came first.
    ///
    /// ```
    /// let counts = pumasi::Counter::of("abbcc".chars())?;
    /// assert_eq!(counts.most_common(2)?, [('b', 2), ('c', 2)]);
    /// assert_eq!(counts.most_common(99)?.len(), 3);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Counter`].
    pub fn most_common(&self, n: usize) -> Result<Vec<(K, i64)>> {
        let mut all: Vec<(K, i64)> = self.iter()?.collect::<Result<_>>()?;
        all.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
        all.truncate(n);
        Ok(all)
    }

    /// The sum of all counts at this moment.
    ///
    /// ```
    /// let counts = pumasi::Counter::of("banana".chars())?;
    /// counts.add('z', -1)?;
    /// assert_eq!(counts.total()?, 5);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotANumber`] when it needs more than 64 bits; see [`Counter`].
    pub fn total(&self) -> Result<i64> {
        self.iter()?.try_fold(0_i64, |sum, pair| {
            sum.checked_add(pair?.1).ok_or(Error::NotANumber)
        })
    }

    /// Takes a key out; its count, `None` when it was not there.
    ///
    /// ```
    /// let counts = pumasi::Counter::of("banana".chars())?;
    /// assert_eq!(counts.remove('a')?, Some(3));
    /// assert_eq!(counts.remove('a')?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Counter`].
    pub fn remove(&self, key: impl StoredAs<K>) -> Result<Option<i64>> {
        self.dict.remove(key)
    }

    /// Removes everything.
    ///
    /// ```
    /// let counts = pumasi::Counter::of("banana".chars())?;
    /// counts.clear()?;
    /// assert_eq!(counts.total()?, 0);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Counter`].
    pub fn clear(&self) -> Result<()> {
        self.dict.clear()
    }
}

of_dict!(Counter<K>, Dict<K, i64>);
