//! A shared dictionary that makes missing values.

use core::fmt;

use crate::containers::RawDict;
use crate::containers::typed::stored::Stored;
use crate::containers::typed::{
    Addend, Dict, DictIter, DictKey, Dynamic, Element, Fresh, StoredAs, of_dict,
};
use crate::error::Result;
use crate::heap::Heap;
use crate::heap::object::Kind;

/// A [`Dict`] in which a missing value is made when it is asked for: a number is 0, a text or a
/// container empty, as [`Fresh`] says of the type.
///
/// Storing what was made is one step: of several processes that miss the same key all get one
/// value, though each may have made one. Cloning gives another handle of the same dictionary; a
/// handle can be sent to other processes and stored in other containers. What is not here,
/// [`DefaultDict::as_dict`] has.
///
/// ```
/// # fn main() -> pumasi::Result<()> {
/// use pumasi::{DefaultDict, List};
///
/// let groups: DefaultDict<char, List<String>> = DefaultDict::new()?;
/// for word in ["rice", "salt", "radish"] {
///     let letter = word.chars().next().unwrap();
///     groups.get(letter)?.push(word)?;
/// }
/// assert_eq!(groups.get('r')?.to_vec()?, ["rice", "radish"]);
/// assert_eq!(groups.len()?, 2);
/// # Ok(())
/// # }
/// ```
///
/// Python finds a `DefaultDict` with the factory that suits the type: `int`, `list`, `dict` and
/// so on; none where only Rust has the type. In one that Python made, Rust makes what its own
/// types say, whatever the factory.
///
/// # Errors
/// Every operation can fail as those of [`Dict`] do.
pub struct DefaultDict<K = Dynamic, V = Dynamic> {
    dict: Dict<K, V>,
}

impl<K, V> DefaultDict<K, V> {
    /// The dictionary that it is, for everything else: waiting for a value, having it to oneself.
    /// A missing key is missing there.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<u8, i64>::new()?;
    /// assert_eq!(counts.as_dict().get(1)?, None);
    /// assert_eq!(counts.get(1)?, 0);
    /// assert_eq!(counts.as_dict().get(1)?, Some(0));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn as_dict(&self) -> &Dict<K, V> {
        &self.dict
    }
}

impl<K: DictKey, V: Fresh> DefaultDict<K, V> {
    /// An empty one in the default heap.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<String, i64>::new()?;
    /// assert_eq!(counts.get("rice")?, 0);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`Heap::global`].
    pub fn new() -> Result<DefaultDict<K, V>> {
        DefaultDict::new_in(Heap::global()?)
    }

    /// The same in a heap of your choice.
    ///
    /// ```
    /// use pumasi::{DefaultDict, Heap, List};
    ///
    /// let heap = Heap::builder().limit(64 << 20).create()?;
    /// let groups = DefaultDict::<u8, List<u8>>::new_in(&heap)?;
    /// let made = groups.get(1)?;
    /// assert!(made.raw().object().heap().same(&heap)); // what is made is of that heap, too
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new_in(heap: &Heap) -> Result<DefaultDict<K, V>> {
        let raw = RawDict::create_of(heap, Kind::DefaultDict)?;
        if let Some(factory) = V::FACTORY {
            let mut code = Stored::Int(factory.code()).prepare(heap)?;
            raw.set_factory(&mut code)?;
        }
        Ok(raw.into())
    }

    /// The value under a key; where there is none it is made and stored.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<String, i64>::new()?;
    /// assert_eq!(counts.get("rice")?, 0);
    /// assert_eq!(counts.len()?, 1); // what was made is there now
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`].
    pub fn get(&self, key: impl StoredAs<K>) -> Result<V> {
        self.dict.get_or_insert_with(key, || V::fresh(self.heap()))
    }

    /// The value under a key, if there is one; none is made.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<String, i64>::new()?;
    /// assert_eq!(counts.find("rice")?, None);
    /// assert_eq!(counts.get("rice")?, 0);
    /// assert_eq!(counts.find("rice")?, Some(0));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`].
    pub fn find(&self, key: impl StoredAs<K>) -> Result<Option<V>> {
        self.dict.get(key)
    }

    /// Whether the key is there.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<String, i64>::new()?;
    /// assert!(!counts.contains_key("rice")?);
    /// counts.get("rice")?;
    /// assert!(counts.contains_key("rice")?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`].
    pub fn contains_key(&self, key: impl StoredAs<K>) -> Result<bool> {
        self.dict.contains_key(key)
    }

    /// Sets the value under a key; the one before is dropped.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<String, i64>::new()?;
    /// counts.insert("rice", 7)?;
    /// assert_eq!(counts.get("rice")?, 7);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`].
    pub fn insert(&self, key: impl StoredAs<K>, value: impl StoredAs<V>) -> Result<()> {
        self.dict.insert(key, value)
    }

    /// Sets the values under several keys, one after the other.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<char, i64>::new()?;
    /// counts.extend([('a', 1), ('b', 2), ('a', 3)])?;
    /// assert_eq!((counts.get('a')?, counts.get('b')?), (3, 2));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`]; what came before the one that failed is there.
    pub fn extend(
        &self,
        pairs: impl IntoIterator<Item = (impl StoredAs<K>, impl StoredAs<V>)>,
    ) -> Result<()> {
        self.dict.extend(pairs)
    }

    /// Sets the value under a key to what `change` makes of it, in one step; the new value. For a
    /// missing key it gets one to begin with.
    ///
    /// `change` may run several times, as that of [`Dict::update`].
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let texts = pumasi::DefaultDict::<u8, String>::new()?;
    /// texts.update(1, |text| text + "ri")?;
    /// assert_eq!(texts.update(1, |text| text + "ce")?, "rice");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`].
    pub fn update(&self, key: impl StoredAs<K>, mut change: impl FnMut(V) -> V) -> Result<V> {
        self.dict.changed(&key, &mut |old| match old {
            Some(old) => Ok(change(old)),
            None => V::fresh(self.heap()).map(&mut change),
        })
    }

    /// Adds to the number under a key, in one step; the sum. A missing one counts from zero.
    ///
    /// ```
    /// let sums = pumasi::DefaultDict::<String, f64>::new()?;
    /// assert_eq!(sums.add("rice", 0.5)?, 0.5);
    /// assert_eq!(sums.add("rice", 0.5)?, 1.0);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Dict::add`].
    pub fn add(&self, key: impl StoredAs<K>, n: V) -> Result<V>
    where
        V: Addend,
    {
        self.dict.add(key, n)
    }

    /// How many keys there are.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<u8, i64>::new()?;
    /// counts.get(1)?; // makes one
    /// assert_eq!(counts.len()?, 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`].
    pub fn len(&self) -> Result<usize> {
        self.dict.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<u8, i64>::new()?;
    /// assert!(counts.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`].
    pub fn is_empty(&self) -> Result<bool> {
        self.dict.is_empty()
    }

    /// The keys and their values as they are at this moment, in order of insertion.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<char, i64>::new()?;
    /// counts.add('b', 2)?;
    /// counts.get('a')?;
    /// let pairs = counts.iter()?.collect::<pumasi::Result<Vec<_>>>()?;
    /// assert_eq!(pairs, [('b', 2), ('a', 0)]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`].
    pub fn iter(&self) -> Result<DictIter<K, V>> {
        self.dict.iter()
    }

    /// Takes a key out; its value, `None` when it was not there.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<char, i64>::new()?;
    /// counts.add('b', 2)?;
    /// assert_eq!(counts.remove('b')?, Some(2));
    /// assert_eq!(counts.remove('b')?, None); // nothing is made to be taken out
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`].
    pub fn remove(&self, key: impl StoredAs<K>) -> Result<Option<V>> {
        self.dict.remove(key)
    }

    /// Removes everything.
    ///
    /// ```
    /// let counts = pumasi::DefaultDict::<char, i64>::new()?;
    /// counts.add('b', 2)?;
    /// counts.clear()?;
    /// assert_eq!(counts.get('b')?, 0);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`DefaultDict`].
    pub fn clear(&self) -> Result<()> {
        self.dict.clear()
    }

    fn heap(&self) -> &Heap {
        self.dict.raw().object().heap()
    }
}

of_dict!(DefaultDict<K, V>, Dict<K, V>);
