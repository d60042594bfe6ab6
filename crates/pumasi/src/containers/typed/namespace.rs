//! Shared values by name, each of a type of its own.

use core::fmt;
use core::time::Duration;

use crate::containers::RawDict;
use crate::containers::typed::stored::Stored;
use crate::containers::typed::{Addend, Dict, DictIter, Dynamic, Element, StoredAs, of_dict};
use crate::error::Result;
use crate::heap::Heap;
use crate::heap::object::Kind;

/// Values by name, each of a type of its own: a [`Dict`] of texts and any values, which Python
/// finds to be a `Namespace` with attributes.
///
/// Cloning gives another handle of the same namespace; a handle can be sent to other processes
/// and stored in other containers. What is not here, [`Namespace::as_dict`] has.
///
/// ```
/// # fn main() -> pumasi::Result<()> {
/// use pumasi::{List, Namespace};
///
/// let field = Namespace::new()?;
/// field.set("crop", "rice")?;
/// field.set("rows", List::of([4, 5])?)?;
/// assert_eq!(field.add("visits", 1_i64)?, 1);
///
/// assert_eq!(field.get::<String>("crop")?.as_deref(), Some("rice"));
/// field.get::<List<i64>>("rows")?.unwrap().push(6)?;
/// assert_eq!(field.get::<u8>("owner")?, None);
/// assert_eq!(field.names()?, ["crop", "rows", "visits"]);
/// # Ok(())
/// # }
/// ```
///
/// In Python the names of a Namespace's own methods (`add`, `update_with`, `snapshot`, `to_plain`,
/// `locked`) hide values of these names.
///
/// # Errors
/// Every operation can fail as those of [`Dict`] do; with
/// [`Error::TypeMismatch`](crate::Error::TypeMismatch) where a value is read as of another type.
pub struct Namespace {
    dict: Dict<String, Dynamic>,
}

impl Namespace {
    /// An empty one in the default heap.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// assert_eq!(field.get::<String>("crop")?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`Heap::global`].
    pub fn new() -> Result<Namespace> {
        Namespace::new_in(Heap::global()?)
    }

    /// The same in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let field = pumasi::Namespace::new_in(&heap)?;
    /// field.set("crop", "rice")?;
    /// assert!(field.contains("crop")?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new_in(heap: &Heap) -> Result<Namespace> {
        RawDict::create_of(heap, Kind::Namespace).map(Namespace::from)
    }

    /// The dictionary that it is, for everything else: having it to oneself.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// let held = field.as_dict().locked()?;
    /// field.set("crop", "rice")?; // others see both or none
    /// field.set("rows", 4)?;
    /// drop(held);
    /// assert_eq!(field.names()?, ["crop", "rows"]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn as_dict(&self) -> &Dict<String, Dynamic> {
        &self.dict
    }

    /// A copy of the value of this name; `None` where there is none.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// field.set("rows", 4)?;
    /// assert_eq!(field.get::<u8>("rows")?, Some(4));
    /// assert_eq!(field.get::<u8>("owner")?, None);
    /// assert!(matches!(field.get::<String>("rows"), Err(pumasi::Error::TypeMismatch { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn get<T: Element>(&self, name: &str) -> Result<Option<T>> {
        self.of::<T>().get(name)
    }

    /// Sets the value of this name; the one before is dropped.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// field.set("rows", 4)?;
    /// field.set("rows", "four")?; // may be of another type
    /// assert_eq!(field.get::<String>("rows")?.as_deref(), Some("four"));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn set(&self, name: &str, value: impl StoredAs<Dynamic>) -> Result<()> {
        self.dict.insert(name, value)
    }

    /// Adds to the number of this name, in one step; the sum. A missing one counts from zero.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// assert_eq!(field.add("visits", 1_i64)?, 1);
    /// assert_eq!(field.add("area", 2.5)?, 2.5);
    /// field.set("crop", "rice")?;
    /// assert!(matches!(field.add("crop", 1_i64), Err(pumasi::Error::NotANumber)));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Dict::add`].
    pub fn add<N: Addend>(&self, name: &str, n: N) -> Result<N> {
        self.of::<N>().add(name, n)
    }

    /// Sets the value of this name to what `change` makes of it, in one step; the new value.
    ///
    /// `change` gets `None` where there is none, and may run several times, as that of
    /// [`Dict::update`].
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// let longer = |log: Option<String>| log.unwrap_or_default() + "sown. ";
    /// field.update("log", longer)?;
    /// assert_eq!(field.update("log", longer)?, "sown. sown. ");
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn update<T: Element>(&self, name: &str, change: impl FnMut(Option<T>) -> T) -> Result<T> {
        self.of::<T>().update(name, change)
    }

    /// Waits until `until` is true of the value of this name, as [`Dict::wait`] does.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let field = pumasi::Namespace::new()?;
    /// let others = field.clone();
    /// let other = std::thread::spawn(move || others.set("ripe", true));
    /// let ripe = |ripe: Option<bool>| ripe == Some(true);
    /// assert!(field.wait("ripe", Some(Duration::from_secs(60)), ripe)?);
    /// assert!(!field.wait("mown", Some(Duration::ZERO), |mown: Option<bool>| mown.is_some())?);
    /// # other.join().unwrap()?;
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn wait<T: Element>(
        &self,
        name: &str,
        timeout: Option<Duration>,
        until: impl FnMut(Option<T>) -> bool,
    ) -> Result<bool> {
        self.of::<T>().wait(name, timeout, until)
    }

    /// Takes a value out and drops it; whether it was there.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// field.set("crop", "rice")?;
    /// assert!(field.remove("crop")?);
    /// assert!(!field.remove("crop")?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn remove(&self, name: &str) -> Result<bool> {
        Ok(self.dict.remove(name)?.is_some())
    }

    /// Whether there is a value of this name.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// field.set("owner", pumasi::Dynamic::None)?;
    /// assert!(field.contains("owner")?); // None is a value
    /// assert!(!field.contains("crop")?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn contains(&self, name: &str) -> Result<bool> {
        self.dict.contains_key(name)
    }

    /// The names at this moment, in the order in which they were first set.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// field.set("rows", 4)?;
    /// field.set("crop", "rice")?;
    /// field.set("rows", 5)?; // keeps its place
    /// assert_eq!(field.names()?, ["rows", "crop"]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn names(&self) -> Result<Vec<String>> {
        self.dict.keys()
    }

    /// Names and values as they are at this moment.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// field.set("crop", "rice")?;
    /// for pair in field.iter()? {
    ///     let (name, value) = pair?;
    ///     assert_eq!((name.as_str(), value.as_str()), ("crop", Some("rice")));
    /// }
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn iter(&self) -> Result<DictIter<String, Dynamic>> {
        self.dict.iter()
    }

    /// How many values there are.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// field.set("crop", "rice")?;
    /// assert_eq!(field.len()?, 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn len(&self) -> Result<usize> {
        self.dict.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// assert!(field.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn is_empty(&self) -> Result<bool> {
        self.dict.is_empty()
    }

    /// Removes everything.
    ///
    /// ```
    /// let field = pumasi::Namespace::new()?;
    /// field.set("crop", "rice")?;
    /// field.clear()?;
    /// assert!(field.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Namespace`].
    pub fn clear(&self) -> Result<()> {
        self.dict.clear()
    }

    /// The same, read as one of values of one type.
    fn of<T: Element>(&self) -> Dict<String, T> {
        self.dict.clone().cast()
    }
}

of_dict!(Namespace, Dict<String, Dynamic>);
