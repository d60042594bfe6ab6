//! A shared dictionary with keys and values of one type each. Long because every method has its
//! example.

use core::fmt;
use core::hash::Hash;
use core::marker::PhantomData;
use core::time::Duration;
use std::collections::HashMap;

use crate::containers::typed::element::mismatch;
use crate::containers::typed::locked::{self, Lockable, Locked, locked};
use crate::containers::typed::stored::{Stored, read, read_item};
use crate::containers::typed::{
    Addend, DictIter, DictKey, Dynamic, Element, StoredAs, handle, lockable,
};
use crate::containers::{Key, Part, RawDict};
use crate::error::Result;
use crate::heap::Heap;
use crate::heap::object::ObjectRef;
use crate::heap::value::Fetch;
use crate::sync::{Acquired, LockError};

/// A dictionary that processes share; it keeps the order of insertion.
///
/// Every operation is one step, also [`add`](Dict::add) and [`update`](Dict::update), so that no
/// count is lost without any lock; and also when this process is killed in the middle. Cloning
/// gives another handle of the same dictionary; a handle can be sent to other processes and
/// stored in other containers. The dictionary lives until the last handle and the last container
/// entry that leads to it are gone.
///
/// Without types it is a `Dict<Dynamic, Dynamic>`, which holds anything, and is what Python sees.
/// Keys are equal as in Python: `1`, `1.0` and `true` are one key.
///
/// ```
/// use pumasi::Dict;
///
/// #[pumasi::task]
/// fn count(words: Vec<String>, counts: Dict<String, i64>) -> pumasi::Result<()> {
///     for word in words {
///         counts.add(&word, 1)?;
///     }
///     Ok(())
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let counts = Dict::new()?;
///     let texts = ["rice and salt", "salt and pepper"];
///     let children = texts
///         .map(|text| count::spawn(text.split(' ').map(String::from).collect(), counts.clone()));
///     for child in children {
///         child?.join()??;
///     }
///     assert_eq!(counts.get("salt")?, Some(2));
///     assert_eq!(counts.len()?, 4);
///     Ok(())
/// }
/// ```
///
/// An operation may wait, shortly, for that of another process, and for as long as another has
/// the dictionary [`locked`](Dict::locked).
///
/// # Errors
/// Every operation can fail with
/// - [`Error::TypeMismatch`](crate::Error::TypeMismatch) when it reads a key or value of another
///   type;
/// - [`Error::OutOfMemory`](crate::Error::OutOfMemory) when it adds something and the heap is
///   full: nothing was changed;
/// - [`Error::WrongHeap`](crate::Error::WrongHeap) when it stores a container of another heap;
/// - [`Error::Corrupt`](crate::Error::Corrupt) when somebody wrote over the heap.
pub struct Dict<K = Dynamic, V = Dynamic> {
    raw: RawDict,
    types: PhantomData<fn() -> (K, V)>,
}

handle!(Dict<K, V>, RawDict);
lockable!(Dict<K, V>);

impl<K: Element, V: Element> Dict<K, V> {
    /// The same dictionary, read as one of other types. A key or value that is none of them is
    /// an error when it is read.
    ///
    /// ```
    /// use pumasi::{Dict, Dynamic, Error};
    ///
    /// let ages = Dict::of([('a', 42)])?;
    /// ages.clone().cast::<char, Dynamic>().insert('b', "young")?;
    /// assert_eq!(ages.get('a')?, Some(42));
    /// assert!(matches!(ages.get('b'), Err(Error::TypeMismatch { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn cast<L: Element, W: Element>(self) -> Dict<L, W> {
        Dict::from(self.raw)
    }
}

impl<K: DictKey, V: Element> Dict<K, V> {
    /// An empty dictionary in the default heap.
    ///
    /// ```
    /// let counts = pumasi::Dict::<String, i64>::new()?;
    /// assert_eq!(counts.get("rice")?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`Heap::global`].
    pub fn new() -> Result<Dict<K, V>> {
        Dict::new_in(Heap::global()?)
    }

    /// An empty dictionary in a heap of your choice.
    ///
    /// ```
    /// use pumasi::{Dict, Error, Heap, List};
    ///
    /// let heap = Heap::builder().limit(64 << 20).create()?;
    /// let rows = Dict::<u32, List<u8>>::new_in(&heap)?;
    /// rows.insert(1, List::new_in(&heap)?)?;
    /// // What is nested has to be of the same heap.
    /// assert!(matches!(rows.insert(2, List::new()?), Err(Error::WrongHeap { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new_in(heap: &Heap) -> Result<Dict<K, V>> {
        RawDict::create(heap).map(Dict::from)
    }

    /// A dictionary of these pairs, in the default heap; of two with one key the later counts.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let ages = pumasi::Dict::of([("Kim".to_owned(), 42), ("Lee".to_owned(), 24)])?;
    /// assert_eq!(ages.get("Lee")?, Some(24));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Dict::new`].
    pub fn of(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Dict<K, V>> {
        let dict = Dict::new()?;
        dict.extend(pairs)?;
        Ok(dict)
    }

    pub(super) fn heap(&self) -> &Heap {
        self.raw.object().heap()
    }

    /// Calls `f` with the key, and with the key as it was given where that differs.
    #[inline(always)]
    pub(super) fn with_key<R>(
        &self,
        key: &impl StoredAs<K>,
        f: impl FnOnce(&Key<'_>, Option<Stored<'_>>) -> Result<R>,
    ) -> Result<R> {
        key.lent(|stored| stored.key(self.heap(), f))
    }

    // ---- reading ---------------------------------------------------------------------------

    /// How many keys there are.
    ///
    /// ```
    /// let ages = pumasi::Dict::of([('a', 42), ('b', 24), ('a', 43)])?;
    /// assert_eq!(ages.len()?, 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    #[inline]
    pub fn len(&self) -> Result<usize> {
        self.raw.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// let ages = pumasi::Dict::<String, u8>::new()?;
    /// assert!(ages.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn is_empty(&self) -> Result<bool> {
        self.raw.is_empty()
    }

    /// A copy of the value under a key.
    ///
    /// ```
    /// let ages = pumasi::Dict::<String, u8>::new()?;
    /// ages.insert("Kim", 42)?;
    /// assert_eq!(ages.get("Kim")?, Some(42));
    /// assert_eq!(ages.get("Lee")?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    #[inline]
    pub fn get(&self, key: impl StoredAs<K>) -> Result<Option<V>> {
        self.found(&key)
    }

    #[inline(always)]
    fn found(&self, key: &impl StoredAs<K>) -> Result<Option<V>> {
        self.with_key(key, |key, _| {
            let mut out = Fetch::new();
            match self.raw.get(key, &mut out)? {
                Some(cell) => read(cell, &mut out).map(Some),
                None => Ok(None),
            }
        })
    }

    /// Whether the key is there.
    ///
    /// ```
    /// let words: pumasi::Dict = pumasi::Dict::new()?;
    /// words.insert(1, "one")?;
    /// assert!(words.contains_key(1)?);
    /// assert!(words.contains_key(1.0)?); // keys are equal as in Python
    /// assert!(!words.contains_key("1")?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn contains_key(&self, key: impl StoredAs<K>) -> Result<bool> {
        self.with_key(&key, |key, _| self.raw.contains(key))
    }

    /// Keys and values as they are at this moment, in order of insertion; later changes do not
    /// show.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let ages = pumasi::Dict::of([("Kim".to_owned(), 42)])?;
    /// for pair in ages.iter()? {
    ///     let (name, age) = pair?;
    ///     println!("{name} is {age}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn iter(&self) -> Result<DictIter<K, V>> {
        Ok(DictIter::new(self.raw.snapshot(Part::Items)?))
    }

    /// A copy of all pairs at one moment, in order of insertion.
    ///
    /// ```
    /// let ages = pumasi::Dict::of([('b', 24), ('a', 42)])?;
    /// ages.insert('b', 25)?; // keeps its place
    /// assert_eq!(ages.to_vec()?, [('b', 25), ('a', 42)]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn to_vec(&self) -> Result<Vec<(K, V)>> {
        self.iter()?.collect()
    }

    /// A copy of all pairs at one moment as a map of this process's own.
    ///
    /// ```
    /// let ages = pumasi::Dict::of([('a', 42)])?;
    /// let copy = ages.to_map()?;
    /// ages.clear()?;
    /// assert_eq!(copy[&'a'], 42);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn to_map(&self) -> Result<HashMap<K, V>>
    where
        K: Eq + Hash,
    {
        self.iter()?.collect()
    }

    /// A copy of all keys at one moment, in order of insertion.
    ///
    /// ```
    /// let ages = pumasi::Dict::of([('b', 24), ('a', 42)])?;
    /// assert_eq!(ages.keys()?, ['b', 'a']);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn keys(&self) -> Result<Vec<K>> {
        self.raw
            .snapshot(Part::Keys)?
            .iter()
            .map(read_item)
            .collect()
    }

    /// A copy of all values at one moment, in order of insertion of their keys.
    ///
    /// ```
    /// let ages = pumasi::Dict::of([('b', 24), ('a', 42)])?;
    /// assert_eq!(ages.values()?, [24, 42]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn values(&self) -> Result<Vec<V>> {
        self.raw
            .snapshot(Part::Values)?
            .iter()
            .map(read_item)
            .collect()
    }

    // ---- changing --------------------------------------------------------------------------

    /// Sets the value under a key.
    ///
    /// ```
    /// let ages = pumasi::Dict::<String, u8>::new()?;
    /// ages.insert("Kim", 42)?;
    /// ages.insert("Kim", 43)?; // the value before is dropped
    /// assert_eq!(ages.get("Kim")?, Some(43));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    #[inline]
    pub fn insert(&self, key: impl StoredAs<K>, value: impl StoredAs<V>) -> Result<()> {
        let heap = self.heap();
        self.with_key(&key, |key, original| {
            let mut original = original
                .map(|original| original.prepare(heap))
                .transpose()?;
            value.lent(|stored| {
                let mut value = stored.prepare(heap)?;
                self.raw.insert(key, original.as_mut(), &mut value)
            })
        })
    }

    /// Sets the values under several keys, one after the other.
    ///
    /// ```
    /// let ages = pumasi::Dict::of([('a', 42)])?;
    /// ages.extend([('b', 24), ('a', 43)])?;
    /// assert_eq!(ages.to_vec()?, [('a', 43), ('b', 24)]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`]; what came before the one that failed is there.
    pub fn extend(
        &self,
        pairs: impl IntoIterator<Item = (impl StoredAs<K>, impl StoredAs<V>)>,
    ) -> Result<()> {
        pairs
            .into_iter()
            .try_for_each(|(key, value)| self.insert(key, value))
    }

    /// The value under a key, which is `value` from now on if there was none.
    ///
    /// ```
    /// let ages = pumasi::Dict::<String, u8>::new()?;
    /// assert_eq!(ages.get_or_insert("Kim", 42)?, 42);
    /// assert_eq!(ages.get_or_insert("Kim", 7)?, 42); // of several processes one sets it
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn get_or_insert(&self, key: impl StoredAs<K>, value: V) -> Result<V> {
        self.found_or_stored(&key, value)
    }

    /// The value under a key; where there is none, what `make` makes is stored, and given back.
    ///
    /// Storing is one step: of several who miss the same key all get one value, though each may
    /// have made one. `make` runs outside of every lock.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// use pumasi::{Dict, List};
    ///
    /// let rows = Dict::<u32, List<i64>>::new()?;
    /// rows.get_or_insert_with(7, || List::of([1, 2]))?.push(3)?;
    /// assert_eq!(rows.get_or_insert_with(7, List::new)?.to_vec()?, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// That of `make`; see [`Dict`].
    pub fn get_or_insert_with(
        &self,
        key: impl StoredAs<K>,
        make: impl FnOnce() -> Result<V>,
    ) -> Result<V> {
        match self.found(&key)? {
            Some(value) => Ok(value),
            None => self.found_or_stored(&key, make()?),
        }
    }

    fn found_or_stored(&self, key: &impl StoredAs<K>, value: V) -> Result<V> {
        let heap = self.heap();
        let found = self.with_key(key, |key, original| {
            let mut original = original
                .map(|original| original.prepare(heap))
                .transpose()?;
            value.lend(|stored| {
                let mut value = stored.prepare(heap)?;
                let mut out = Fetch::new();
                let found = self
                    .raw
                    .setdefault(key, original.as_mut(), &mut value, &mut out)?;
                found.map(|cell| read(cell, &mut out)).transpose()
            })
        })?;
        Ok(found.unwrap_or(value))
    }

    /// Adds to the number under a key, in one step; the sum. A missing key counts from zero.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let stock = pumasi::Dict::<String, i64>::new()?;
    /// assert_eq!(stock.add("rice", 3)?, 3);
    /// assert_eq!(stock.add("rice", -1)?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotANumber`](crate::Error::NotANumber) when something else is there or an integer
    /// grows past 64 bits; see [`Dict`].
    #[inline]
    pub fn add(&self, key: impl StoredAs<K>, n: V) -> Result<V>
    where
        V: Addend,
    {
        let n = n.number()?;
        self.with_key(&key, |key, original| {
            let mut original = original
                .map(|original| original.prepare(self.heap()))
                .transpose()?;
            V::of_number(self.raw.add(key, original.as_mut(), n)?)
        })
    }

    /// Takes a key out; its value, or `None` when it was not there.
    ///
    /// ```
    /// let ages = pumasi::Dict::of([('a', 42)])?;
    /// assert_eq!(ages.remove('a')?, Some(42));
    /// assert_eq!(ages.remove('a')?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`]; a value of another type is out nevertheless.
    pub fn remove(&self, key: impl StoredAs<K>) -> Result<Option<V>> {
        self.with_key(&key, |key, _| {
            let mut out = Fetch::new();
            match self.raw.remove(key, &mut out)? {
                Some(cell) => read(cell, &mut out).map(Some),
                None => Ok(None),
            }
        })
    }

    /// Takes the newest pair out; `None` when there is none.
    ///
    /// ```
    /// let ages = pumasi::Dict::of([('b', 24), ('a', 42)])?;
    /// assert_eq!(ages.pop_last()?, Some(('a', 42)));
    /// assert_eq!(ages.pop_last()?, Some(('b', 24)));
    /// assert_eq!(ages.pop_last()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`]; a pair of other types is out nevertheless.
    pub fn pop_last(&self) -> Result<Option<(K, V)>> {
        let (mut key, mut value) = (Fetch::new(), Fetch::new());
        match self.raw.popitem(&mut key, &mut value)? {
            Some((k, v)) => Ok(Some((read(k, &mut key)?, read(v, &mut value)?))),
            None => Ok(None),
        }
    }

    /// Removes everything.
    ///
    /// ```
    /// let ages = pumasi::Dict::of([('a', 42)])?;
    /// ages.clear()?;
    /// assert!(ages.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn clear(&self) -> Result<()> {
        self.raw.clear()
    }

    locked!(
        stock: "Dict::of([('a', 5_i64), ('b', 0)])?",
        "held.add('a', -3)?; // others see both sums or none",
        "held.add('b', 3)?;",
        "drop(held);",
        "assert_eq!(stock.values()?, [2, 3]);",
    );
}
