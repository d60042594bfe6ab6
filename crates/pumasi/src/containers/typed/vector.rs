//! Values of one type side by side, as many as there are, that processes share. The file is
//! long because a vector has many methods, each with its documentation and its example.

use core::fmt;
use core::marker::PhantomData;
use core::mem::size_of;
use core::ops::{Bound, RangeBounds};
use core::time::Duration;

use crate::containers::typed::element::mismatch;
use crate::containers::typed::locked::{self, Lockable, Locked, locked};
use crate::containers::typed::plain::{self, Arithmetic, in_one_piece};
use crate::containers::typed::stored::Stored;
use crate::containers::typed::{Dynamic, Element, StoredAs};
use crate::containers::{Export, RawVector, Slice};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::cell::Cell;
use crate::heap::object::ObjectRef;
use crate::heap::shareable::{self, Native, Shareable};
use crate::heap::value::Prepared;
use crate::sync::{Acquired, LockError};
use crate::sys::Host;

/// A growing array of values of a plain type that processes share: an [`Array`](crate::Array) to
/// which more can be added.
///
/// Every operation is one step: others see all of it or nothing, also when this process is killed
/// in the middle, whatever the size of an element. Cloning gives another handle of the same vector;
/// a handle can be sent to other processes and stored in other containers. Python sees numbers as
/// numbers (`pumasi.Vector`), and lays NumPy arrays over them.
///
/// ```
/// use pumasi::Vector;
///
/// #[pumasi::task]
/// fn measure(readings: Vector<f64>, from: u32) -> pumasi::Result<()> {
///     (from..from + 100).try_for_each(|n| readings.push(f64::from(n)))
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let readings = Vector::new()?;
///     let children = [measure::spawn(readings.clone(), 0)?, measure::spawn(readings.clone(), 100)?];
///     for child in children {
///         child.join()??;
///     }
///     let mut all = readings.to_vec()?;
///     all.sort_by(f64::total_cmp);
///     assert_eq!(all.len(), 200);
///     assert_eq!(all[199], 199.0);
///     Ok(())
/// }
/// ```
///
/// Adding at the end and removing there copies nothing but the elements, until there is no room:
/// then all of them move. So do insertions and removals in the middle. Nothing moves while somebody
/// has a view ([`Vector::export`]).
///
/// # Errors
/// Every operation can fail with [`Error::Corrupt`] when the bytes are no value of the type, and
/// with [`Error::WouldBlock`] where this thread may not wait; those that need memory with
/// [`Error::OutOfMemory`]; those that move or remove elements with [`Error::Exported`] while
/// somebody has a view.
pub struct Vector<T> {
    raw: RawVector,
    types: PhantomData<fn() -> T>,
}

impl<H: Host> RawVector<H> {
    /// An empty vector of values of `T`, as `Vector<T>` makes one.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn of<T: Shareable>(heap: &Heap<H>) -> Result<Self> {
        let code = match (T::NATIVE, size_of::<T>()) {
            (Native::Bool, _) => "?",
            (Native::Signed, 1) => "b",
            (Native::Signed, 2) => "h",
            (Native::Signed, 4) => "i",
            (Native::Signed, 8) => "q",
            (Native::Unsigned, 1) => "B",
            (Native::Unsigned, 2) => "H",
            (Native::Unsigned, 4) => "I",
            (Native::Unsigned, 8) => "Q",
            (Native::Float, 4) => "f",
            (Native::Float, 8) => "d",
            _ => "",
        };
        let kind = Cell::short_str(code.as_bytes()).filter(|_| !code.is_empty());
        let mut kind = Prepared::inline(heap, kind.unwrap_or(Cell::NONE));
        RawVector::create(heap, size_of::<T>(), Self::tag_of::<T>(), &mut kind)
    }

    /// What [`RawVector::tag`] says of one that holds values of `T`.
    #[must_use]
    pub fn tag_of<T: Shareable>() -> u32 {
        plain::tag::<T>()
    }
}

impl<T: Shareable> Vector<T> {
    /// An empty vector in the default heap.
    ///
    /// ```
    /// let readings = pumasi::Vector::new()?;
    /// readings.push(21.5f32)?; // by which the type is known
    /// assert_eq!(readings.to_vec()?, [21.5]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new() -> Result<Vector<T>> {
        Vector::new_in(Heap::global()?)
    }

    /// The same in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let vector = pumasi::Vector::new_in(&heap)?;
    /// vector.push(1u16)?;
    /// assert_eq!(heap.objects(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new_in(heap: &Heap) -> Result<Vector<T>> {
        const {
            assert!(
                size_of::<T>() > 0,
                "elements of a Vector have at least one byte"
            );
        }
        Ok(Vector {
            raw: RawVector::of::<T>(heap)?,
            types: PhantomData,
        })
    }

    /// An empty vector with room for so many elements, in the default heap.
    ///
    /// ```
    /// let vector = pumasi::Vector::<u64>::with_capacity(1000)?;
    /// assert!(vector.is_empty()?);
    /// assert!(vector.capacity()? >= 1000);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Vector::new`].
    pub fn with_capacity(capacity: usize) -> Result<Vector<T>> {
        let vector = Vector::new()?;
        vector.reserve(capacity)?;
        Ok(vector)
    }

    /// A vector of these elements, in the default heap.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let squares = pumasi::Vector::of((1..4).map(|n: u64| n * n))?;
    /// assert_eq!(squares.to_vec()?, [1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Vector::new`].
    pub fn of(elements: impl IntoIterator<Item = T>) -> Result<Vector<T>> {
        let vector = Vector::new()?;
        vector.extend(elements)?;
        Ok(vector)
    }

    /// A vector of these elements, in the default heap.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let vector = pumasi::Vector::from_slice(&[1u32, 2, 3])?;
    /// vector.push(4)?;
    /// assert_eq!(vector.to_vec()?, [1, 2, 3, 4]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Vector::new`].
    pub fn from_slice(elements: &[T]) -> Result<Vector<T>> {
        let vector = Vector::new()?;
        vector.extend_from_slice(elements)?;
        Ok(vector)
    }

    /// The vector that an untyped handle leads to.
    ///
    /// ```
    /// use pumasi::Vector;
    ///
    /// let vector = Vector::of([1u32, 2])?;
    /// assert_eq!(Vector::<u32>::from_raw(vector.raw().clone())?, vector);
    /// assert!(Vector::<f32>::from_raw(vector.raw().clone()).is_err()); // as large, but no u32
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] when its elements are of another type.
    pub fn from_raw(raw: RawVector) -> Result<Vector<T>> {
        if raw.tag() == RawVector::<crate::sys::Real>::tag_of::<T>()
            && raw.item_size() == size_of::<T>()
        {
            return Ok(Vector {
                raw,
                types: PhantomData,
            });
        }
        Err(Error::TypeMismatch {
            expected: core::any::type_name::<T>(),
            found: "elements of another type".to_owned(),
        })
    }

    // ---- reading ---------------------------------------------------------------------------

    /// How many elements there are.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([0.0f64; 3])?;
    /// assert_eq!(vector.len()?, 3); // elements, not bytes
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn len(&self) -> Result<usize> {
        self.raw.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// let vector = pumasi::Vector::<u8>::with_capacity(10)?;
    /// assert!(vector.is_empty()?); // there is room, and nothing in it
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn is_empty(&self) -> Result<bool> {
        self.raw.is_empty()
    }

    /// How many elements there is room for before all of them move.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1u32, 2, 3])?;
    /// vector.reserve(100)?;
    /// let room = vector.capacity()?;
    /// vector.extend(0..100)?;
    /// assert_eq!(vector.capacity()?, room); // nothing has moved
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn capacity(&self) -> Result<usize> {
        self.raw.capacity()
    }

    /// The element at `index`, `None` past the end.
    ///
    /// ```
    /// let vector = pumasi::Vector::of(['a', 'b'])?;
    /// assert_eq!(vector.get(1)?, Some('b'));
    /// assert_eq!(vector.get(2)?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn get(&self, index: usize) -> Result<Option<T>> {
        match isize::try_from(index) {
            Ok(index) => self.at(index),
            Err(_) => Ok(None),
        }
    }

    /// The first element.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([5u8, 6, 7])?;
    /// assert_eq!(vector.first()?, Some(5));
    /// vector.clear()?;
    /// assert_eq!(vector.first()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn first(&self) -> Result<Option<T>> {
        self.at(0)
    }

    /// The last element.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([5u8, 6, 7])?;
    /// assert_eq!(vector.last()?, Some(7));
    /// vector.clear()?;
    /// assert_eq!(vector.last()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn last(&self) -> Result<Option<T>> {
        self.at(-1)
    }

    fn at(&self, index: isize) -> Result<Option<T>> {
        match element(|bytes| self.raw.get(index, bytes)) {
            Err(Error::IndexOutOfRange { .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// A copy of all elements as they are at one moment.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1i64, 2])?;
    /// let copy = vector.to_vec()?;
    /// vector.push(3)?;
    /// assert_eq!(copy, [1, 2]); // as it was
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.range(..)
    }

    /// The elements as they are at this moment, one after another.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let vector = pumasi::Vector::of([2.5, 1.0, 4.0])?;
    /// let largest = vector.iter()?.reduce(f64::max);
    /// assert_eq!(largest, Some(4.0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn iter(&self) -> Result<std::vec::IntoIter<T>> {
        Ok(self.to_vec()?.into_iter())
    }

    /// A copy of the elements in a range as they are at one moment; of one that ends past the end,
    /// those that there are.
    ///
    /// ```
    /// let vector = pumasi::Vector::of(0..5u8)?;
    /// assert_eq!(vector.range(1..3)?, [1, 2]);
    /// assert_eq!(vector.range(3..100)?, [3, 4]);
    /// assert!(vector.range(100..)?.is_empty());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn range(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>> {
        let place = |n: usize| isize::try_from(n).unwrap_or(isize::MAX);
        let start = match range.start_bound() {
            Bound::Included(&n) => place(n),
            Bound::Excluded(&n) => place(n).saturating_add(1),
            Bound::Unbounded => 0,
        };
        let stop = match range.end_bound() {
            Bound::Included(&n) => Some(place(n).saturating_add(1)),
            Bound::Excluded(&n) => Some(place(n)),
            Bound::Unbounded => None,
        };
        let (bytes, _) = self.raw.read(Slice {
            start: Some(start),
            stop,
            step: 1,
        })?;
        shareable::values_of(&bytes).ok_or_else(no_value)
    }

    // ---- the end ---------------------------------------------------------------------------

    /// Adds an element at the end.
    ///
    /// ```
    /// let vector = pumasi::Vector::new()?;
    /// vector.push([1.0f32, 2.0])?; // arrays are plain, too
    /// vector.push([3.0, 4.0])?;
    /// assert_eq!(vector.get(1)?, Some([3.0, 4.0]));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn push(&self, element: T) -> Result<()> {
        self.raw.push(shareable::to_bytes(&element))
    }

    /// Adds elements at the end, all in one step.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([0u32])?;
    /// vector.extend((1..4).map(|n| n * n))?; // nobody finds it with a part of them
    /// assert_eq!(vector.to_vec()?, [0, 1, 4, 9]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn extend(&self, elements: impl IntoIterator<Item = T>) -> Result<()> {
        self.extend_from_slice(&elements.into_iter().collect::<Vec<T>>())
    }

    /// The same with those of a slice.
    ///
    /// ```
    /// let vector = pumasi::Vector::of(*b"pu")?;
    /// vector.extend_from_slice(b"masi")?;
    /// assert_eq!(vector.to_vec()?, b"pumasi");
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn extend_from_slice(&self, elements: &[T]) -> Result<()> {
        self.raw.extend(shareable::bytes_of(elements))
    }

    /// Takes the last element out; `None` when there is none.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([true])?;
    /// assert_eq!(vector.pop()?, Some(true));
    /// assert_eq!(vector.pop()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn pop(&self) -> Result<Option<T>> {
        match element(|bytes| self.raw.pop(-1, bytes)) {
            Err(Error::Empty { .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Removes the elements from `len` on.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1u8, 2, 3])?;
    /// vector.truncate(1)?;
    /// vector.truncate(5)?; // nothing to remove
    /// assert_eq!(vector.to_vec()?, [1]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn truncate(&self, len: usize) -> Result<()> {
        self.raw.truncate(len)
    }

    /// Removes all elements.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1u8, 2, 3])?;
    /// vector.clear()?;
    /// assert!(vector.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn clear(&self) -> Result<()> {
        self.raw.clear()
    }

    /// Makes room for `more` elements, so that so many can be added without anything moving, also
    /// while somebody has a view.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1u64])?;
    /// vector.reserve(1)?;
    /// let view = vector.export()?;
    /// vector.push(2)?; // into the room there is: nothing moves
    /// assert_eq!((view.len(), vector.len()?), (1, 2));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn reserve(&self, more: usize) -> Result<()> {
        self.raw.reserve(more)
    }

    /// Gives the room behind the last element back.
    ///
    /// ```
    /// let vector = pumasi::Vector::<u64>::with_capacity(1000)?;
    /// vector.push(1)?;
    /// vector.shrink_to_fit()?;
    /// assert!(vector.capacity()? < 1000);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn shrink_to_fit(&self) -> Result<()> {
        self.raw.shrink()
    }

    // ---- in between ------------------------------------------------------------------------

    /// Overwrites the element at `index`.
    ///
    /// ```
    /// use pumasi::{Error, Vector};
    ///
    /// let vector = Vector::of([1i32, 2])?;
    /// vector.set(1, -2)?;
    /// assert_eq!(vector.to_vec()?, [1, -2]);
    /// assert!(matches!(vector.set(2, 3), Err(Error::IndexOutOfRange { .. }))); // see `push`
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] past the end; see [`Vector`].
    pub fn set(&self, index: usize, element: T) -> Result<()> {
        self.raw.set(place(index)?, shareable::to_bytes(&element))
    }

    /// Overwrites the elements from `index` on, in one step.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([0u8; 4])?;
    /// vector.copy_in(1, &[7, 8])?;
    /// assert!(vector.copy_in(3, &[9, 9]).is_err()); // one too many: nothing is written
    /// assert_eq!(vector.to_vec()?, [0, 7, 8, 0]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] when there are not so many; see [`Vector`].
    pub fn copy_in(&self, index: usize, elements: &[T]) -> Result<()> {
        let end = index.checked_add(elements.len());
        let end = end.ok_or(Error::IndexOutOfRange { what: "vector" })?;
        let all = shareable::bytes_of(elements);
        let _alone = locked::lock_quietly(self)?;
        if end > self.raw.len()? {
            return Err(Error::IndexOutOfRange { what: "vector" });
        }
        self.raw.set_slice(
            Slice {
                start: Some(place(index)?),
                stop: Some(place(end)?),
                step: 1,
            },
            all,
        )
    }

    /// Changes the element at `index` in one step; what `change` returns. Nobody reads or changes
    /// the vector while `change` runs.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([10i64, 20])?;
    /// let before = vector.update(1, |n| std::mem::replace(n, *n / 3))?;
    /// assert_eq!((before, vector.get(1)?), (20, Some(6)));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] past the end; see [`Vector`].
    pub fn update<R>(&self, index: usize, change: impl FnOnce(&mut T) -> R) -> Result<R> {
        let _alone = locked::lock_quietly(self)?;
        let mut element = self
            .get(index)?
            .ok_or(Error::IndexOutOfRange { what: "vector" })?;
        let result = change(&mut element);
        self.set(index, element)?;
        Ok(result)
    }

    /// Adds to the element at `index`, an integer wrapping around at its limits; what it was
    /// before.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([250u8])?;
    /// assert_eq!(vector.fetch_add(0, 10)?, 250); // what it was
    /// assert_eq!(vector.get(0)?, Some(4)); // it has wrapped around
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] past the end; see [`Vector`].
    pub fn fetch_add(&self, index: usize, n: T) -> Result<T>
    where
        T: Arithmetic,
    {
        if !in_one_piece(size_of::<T>()) {
            return self.update(index, |element| {
                let old = *element;
                *element = old.plus(n);
                old
            });
        }
        // Every pattern is a number.
        let (old, _) = self.raw.step(place(index)?, |bits| {
            value::<T>(&bits.to_le_bytes()[..size_of::<T>()]).map_or(bits, |old| word(&old.plus(n)))
        })?;
        value(&old.to_le_bytes()[..size_of::<T>()])
    }

    /// Adds an element before the one at `index`, or at the end.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1u8, 3])?;
    /// vector.insert(1, 2)?;
    /// vector.insert(99, 4)?; // past the end is at the end
    /// assert_eq!(vector.to_vec()?, [1, 2, 3, 4]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn insert(&self, index: usize, element: T) -> Result<()> {
        let index = isize::try_from(index).unwrap_or(isize::MAX);
        self.raw.insert(index, shareable::to_bytes(&element))
    }

    /// Takes the element at `index` out.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1u8, 2, 3])?;
    /// assert_eq!(vector.remove(0)?, 1);
    /// assert_eq!(vector.to_vec()?, [2, 3]);
    /// assert!(vector.remove(2).is_err());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] past the end; see [`Vector`].
    pub fn remove(&self, index: usize) -> Result<T> {
        match element(|bytes| self.raw.pop(place(index)?, bytes)) {
            Err(Error::Empty { .. }) => Err(Error::IndexOutOfRange { what: "vector" }),
            found => found,
        }
    }

    /// Makes a view of the elements that there are now, where they lie: for code that reads and
    /// writes memory by itself. While it exists nothing moves or removes them.
    ///
    /// ```
    /// use pumasi::{Error, Vector};
    ///
    /// let vector = Vector::of([1u32, 2, 3])?;
    /// let view = vector.export()?;
    /// assert!(view.ptr().cast::<u32>().is_aligned());
    /// assert!(matches!(vector.pop(), Err(Error::Exported { .. })));
    /// drop(view);
    /// assert_eq!(vector.pop()?, Some(3));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Vector`].
    pub fn export(&self) -> Result<Export> {
        self.raw.export()
    }

    locked!(
        vector: "Vector::of([1, 2])?",
        "if held.last()? == Some(2) {",
        "    held.push(3)?; // it is the last still",
        "}",
        "drop(held);",
        "assert_eq!(vector.to_vec()?, [1, 2, 3]);",
    );
}

fn place(index: usize) -> Result<isize> {
    isize::try_from(index).map_err(|_| Error::IndexOutOfRange { what: "vector" })
}

/// The element that `read` fills the bytes of.
fn element<T: Shareable>(read: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<T> {
    let size = size_of::<T>();
    if size <= 16 {
        let mut bytes = [0; 16];
        read(&mut bytes[..size])?;
        return value(&bytes[..size]);
    }
    let mut bytes = vec![0; size];
    read(&mut bytes)?;
    value(&bytes)
}

fn value<T: Shareable>(bytes: &[u8]) -> Result<T> {
    shareable::from_bytes(bytes).ok_or_else(no_value)
}

#[cold]
fn no_value() -> Error {
    Error::corrupt(0, "bytes that are no value of their type")
}

/// An element of at most 8 bytes as a word.
fn word<T: Shareable>(element: &T) -> u64 {
    let bytes = shareable::to_bytes(element);
    let mut whole = [0; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(whole)
}

impl<T> Vector<T> {
    /// The untyped face, for what this one leaves out.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1.5f64])?;
    /// assert_eq!(vector.raw().item_size(), 8);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn raw(&self) -> &RawVector {
        &self.raw
    }
}

impl<T> Clone for Vector<T> {
    fn clone(&self) -> Self {
        Vector {
            raw: self.raw.clone(),
            types: PhantomData,
        }
    }
}

/// Two handles are equal when they lead to the same vector; compare copies for contents.
impl<T> PartialEq for Vector<T> {
    fn eq(&self, other: &Self) -> bool {
        self.raw.object() == other.raw.object()
    }
}

impl<T> Eq for Vector<T> {}

impl<T> core::hash::Hash for Vector<T> {
    fn hash<S: core::hash::Hasher>(&self, state: &mut S) {
        self.raw.object().hash(state);
    }
}

impl<T> fmt::Debug for Vector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.object().fmt(f)
    }
}

/// Nested by reference.
impl<T: Shareable> Element for Vector<T> {
    fn lend<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        f(Stored::Object(self.raw.object()))
    }

    fn made_of(stored: Stored<'_>) -> Result<Self> {
        match stored {
            Stored::Object(object) => Vector::from_raw(RawVector::from_object(object.clone())?),
            other => Err(mismatch::<Self>(other)),
        }
    }
}

impl<T: Shareable> StoredAs<Dynamic> for Vector<T> {
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        self.lend(f)
    }
}

impl<T: Shareable> StoredAs<Dynamic> for &Vector<T> {
    fn lent<R>(&self, f: impl FnOnce(Stored<'_>) -> Result<R>) -> Result<R> {
        (*self).lend(f)
    }
}

impl<T> Lockable for Vector<T> {
    fn enter(&self, timeout: Option<Duration>) -> Result<Acquired> {
        self.raw.lock(timeout)
    }

    fn leave(&self) -> Result<()> {
        self.raw.unlock()
    }

    fn lock_object(&self) -> &ObjectRef {
        self.raw.object()
    }
}
