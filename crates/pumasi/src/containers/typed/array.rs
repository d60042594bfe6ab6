//! Values of one type side by side, that processes share.

use core::fmt;
use core::marker::PhantomData;
use core::mem::size_of;
use core::time::Duration;

use crate::containers::RawBuffer;
use crate::containers::typed::locked::{self, Lockable, Locked, locked};
use crate::containers::typed::plain::{self, Arithmetic};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::object::ObjectRef;
use crate::heap::shareable::Shareable;
use crate::observer::Op;
use crate::sync::{Acquired, LockError, OnDeath, RawRLock};
use crate::sys::{Host, Real};

/// A fixed number of values of a plain type, with one lock, that processes share.
///
/// Every operation is one step and waits while another process has the array
/// [`locked`](Array::locked). Cloning gives another handle of the same array; a handle can be
/// sent to other processes as an argument or result of a task.
///
/// A process that is killed while it writes elements of 1, 2, 4 or 8 bytes leaves each as it was
/// or as it was to be. An element of another size may be left half written; then the next who
/// asks for [`locked`](Array::locked) is told of the death.
///
/// ```
/// use pumasi::Array;
///
/// #[pumasi::task]
/// fn squares(array: Array<u64>, from: usize) -> pumasi::Result<()> {
///     for i in (from..array.len()).step_by(2) {
///         array.set(i, (i * i) as u64)?;
///     }
///     Ok(())
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let array = Array::filled(6, 0)?;
///     let children = [squares::spawn(array.clone(), 0)?, squares::spawn(array.clone(), 1)?];
///     for child in children {
///         child.join()??;
///     }
///     assert_eq!(array.to_vec()?, [0, 1, 4, 9, 16, 25]);
///     Ok(())
/// }
/// ```
///
/// # Errors
/// Operations fail with [`Error::IndexOutOfRange`] past the end, and with [`Error::Corrupt`] when
/// the bytes are no value of the type.
pub struct Array<T, H: Host = Real> {
    buffer: RawBuffer<H>,
    lock: RawRLock<H>,
    types: PhantomData<fn() -> T>,
}

impl<T: Shareable> Array<T> {
    /// An array of these values, in the default heap.
    ///
    /// ```
    /// let array = pumasi::Array::new(&[1.5, 2.5])?;
    /// array.set(0, 0.5)?;
    /// assert_eq!(array.to_vec()?, [0.5, 2.5]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new(values: &[T]) -> Result<Array<T>> {
        Array::new_in(Heap::global()?, values)
    }

    /// An array of so many times the same value, in the default heap.
    ///
    /// ```
    /// let flags = pumasi::Array::filled(1000, false)?;
    /// assert_eq!((flags.len(), flags.get(999)?), (1000, false));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::new`].
    pub fn filled(len: usize, value: T) -> Result<Array<T>> {
        let array = Array::unset(Heap::global()?, len)?;
        array.fill(value)?;
        Ok(array)
    }

    locked!(
        array: "Array::new(&[1, 2])?",
        "held.set(0, held.get(1)?)?; // nobody changes the second in between",
        "drop(held);",
        "assert_eq!(array.to_vec()?, [2, 2]);",
    );
}

impl<T: Shareable, H: Host> Array<T, H> {
    /// Bytes of an element.
    const SIZE: usize = {
        assert!(
            size_of::<T>() > 0,
            "elements of an Array have at least one byte"
        );
        size_of::<T>()
    };

    /// An array of these values in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let array = pumasi::Array::new_in(&heap, &[1u8, 2])?;
    /// assert_eq!(array.to_vec()?, [1, 2]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new_in(heap: &Heap<H>, values: &[T]) -> Result<Self> {
        let array = Array::unset(heap, values.len())?;
        array.copy_in(0, values)?;
        Ok(array)
    }

    fn unset(heap: &Heap<H>, len: usize) -> Result<Self> {
        let bytes = (len as u64)
            .checked_mul(Self::SIZE as u64)
            .ok_or(Error::OutOfMemory {
                requested: u64::MAX,
                limit: heap.limit(),
                used: heap.used(),
            })?;
        Ok(Array {
            buffer: RawBuffer::create(heap, bytes, plain::tag::<T>())?,
            lock: RawRLock::create(heap, OnDeath::Auto)?,
            types: PhantomData,
        })
    }

    /// The two objects of which it is made, by which another process comes to it.
    #[doc(hidden)]
    pub fn objects(&self) -> (&ObjectRef<H>, &ObjectRef<H>) {
        (self.buffer.object(), self.lock.object())
    }

    /// The array that two objects make up.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] when they are something else.
    #[doc(hidden)]
    pub fn from_objects(buffer: ObjectRef<H>, lock: ObjectRef<H>) -> Result<Self> {
        let buffer = RawBuffer::from_object(buffer)?;
        plain::expect::<T, H>(&buffer)?;
        Ok(Array {
            buffer,
            lock: RawRLock::from_object(lock)?,
            types: PhantomData,
        })
    }

    /// How many values there are.
    ///
    /// ```
    /// let array = pumasi::Array::new(&[1.5f64, 2.5])?;
    /// assert_eq!(array.len(), 2); // elements, not bytes; it never changes
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() / Self::SIZE
    }

    /// Whether there is none.
    ///
    /// ```
    /// let array = pumasi::Array::filled(0, 0u8)?;
    /// assert!(array.is_empty());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The byte at which an element begins.
    #[inline(always)]
    fn at(&self, index: usize) -> Result<usize> {
        if index >= self.len() {
            return Err(Error::IndexOutOfRange { what: "array" });
        }
        Ok(index * Self::SIZE)
    }

    /// The value at `index`.
    ///
    /// ```
    /// use pumasi::{Array, Error};
    ///
    /// let array = Array::new(&['a', 'b'])?;
    /// assert_eq!(array.get(1)?, 'b');
    /// assert!(matches!(array.get(2), Err(Error::IndexOutOfRange { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Array`].
    #[inline]
    pub fn get(&self, index: usize) -> Result<T> {
        let at = self.at(index)?;
        plain::step(&self.buffer, &self.lock, Op::Get, || {
            plain::read(&self.buffer, at)
        })
    }

    /// Sets the value at `index`.
    ///
    /// ```
    /// let array = pumasi::Array::filled(2, 0i32)?;
    /// array.set(1, -7)?;
    /// assert_eq!(array.to_vec()?, [0, -7]);
    /// assert!(array.set(2, 1).is_err()); // an array does not grow
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Array`].
    #[inline]
    pub fn set(&self, index: usize, value: T) -> Result<()> {
        let at = self.at(index)?;
        plain::step(&self.buffer, &self.lock, Op::Set, || {
            plain::write(&self.buffer, at, &value)
        })
    }

    /// Changes the value at `index` in one step; what `change` returns. Nobody reads or writes
    /// the array while `change` runs.
    ///
    /// ```
    /// let array = pumasi::Array::new(&[[1u32, 1], [5, 8]])?;
    /// let sum = array.update(1, |pair| {
    ///     pair.reverse();
    ///     pair.iter().sum::<u32>()
    /// })?;
    /// assert_eq!((sum, array.get(1)?), (13, [8, 5]));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Array`].
    pub fn update<R>(&self, index: usize, change: impl FnOnce(&mut T) -> R) -> Result<R> {
        let at = self.at(index)?;
        plain::long_step(&self.buffer, &self.lock, Op::Update, || {
            let mut value = plain::read(&self.buffer, at)?;
            let result = change(&mut value);
            plain::write(&self.buffer, at, &value)?;
            Ok(result)
        })
    }

    /// Adds to the value at `index`, an integer wrapping around at its limits; what it was before.
    ///
    /// ```
    /// let counts = pumasi::Array::filled(3, 0u64)?;
    /// assert_eq!(counts.fetch_add(2, 5)?, 0); // what it was
    /// assert_eq!(counts.fetch_add(2, 1)?, 5);
    /// assert_eq!(counts.to_vec()?, [0, 0, 6]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Array`].
    #[inline]
    pub fn fetch_add(&self, index: usize, n: T) -> Result<T>
    where
        T: Arithmetic,
    {
        let at = self.at(index)?;
        plain::step(&self.buffer, &self.lock, Op::Add, || {
            let old: T = plain::read(&self.buffer, at)?;
            plain::write(&self.buffer, at, &old.plus(n))?;
            Ok(old)
        })
    }

    /// A copy of all values at one moment.
    ///
    /// ```
    /// let array = pumasi::Array::new(&[1u8, 2])?;
    /// let copy = array.to_vec()?;
    /// array.fill(0)?;
    /// assert_eq!(copy, [1, 2]); // as it was
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Array`].
    pub fn to_vec(&self) -> Result<Vec<T>> {
        plain::long_step(&self.buffer, &self.lock, Op::Snapshot, || {
            (0..self.len())
                .map(|i| plain::read(&self.buffer, i * Self::SIZE))
                .collect()
        })
    }

    /// The values as they are at this moment, one after another.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let array = pumasi::Array::new(&[3u32, 4])?;
    /// assert_eq!(array.iter()?.sum::<u32>(), 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Array`].
    pub fn iter(&self) -> Result<std::vec::IntoIter<T>> {
        Ok(self.to_vec()?.into_iter())
    }

    /// Sets the values from `index` on, in one step.
    ///
    /// ```
    /// let array = pumasi::Array::filled(4, 0u8)?;
    /// array.copy_in(1, &[7, 8])?;
    /// assert!(array.copy_in(3, &[9, 9]).is_err()); // one too many: nothing is written
    /// assert_eq!(array.to_vec()?, [0, 7, 8, 0]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Array`]; nothing is written when they do not all fit.
    pub fn copy_in(&self, index: usize, values: &[T]) -> Result<()> {
        if index > self.len() || values.len() > self.len() - index {
            return Err(Error::IndexOutOfRange { what: "array" });
        }
        plain::long_step(&self.buffer, &self.lock, Op::Splice, || {
            let places = (index..).map(|i| i * Self::SIZE);
            places
                .zip(values)
                .try_for_each(|(at, value)| plain::write(&self.buffer, at, value))
        })
    }

    /// Sets all values, in one step.
    ///
    /// ```
    /// let array = pumasi::Array::new(&[1u8, 2, 3])?;
    /// array.fill(9)?;
    /// assert_eq!(array.to_vec()?, [9, 9, 9]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Array`].
    pub fn fill(&self, value: T) -> Result<()> {
        plain::long_step(&self.buffer, &self.lock, Op::Splice, || {
            (0..self.len()).try_for_each(|i| plain::write(&self.buffer, i * Self::SIZE, &value))
        })
    }
}

impl<T, H: Host> Clone for Array<T, H> {
    fn clone(&self) -> Self {
        Array {
            buffer: self.buffer.clone(),
            lock: self.lock.clone(),
            types: PhantomData,
        }
    }
}

/// Two handles are equal when they lead to the same array.
impl<T, H: Host> PartialEq for Array<T, H> {
    fn eq(&self, other: &Self) -> bool {
        self.buffer.object() == other.buffer.object()
    }
}

impl<T, H: Host> Eq for Array<T, H> {}

impl<T, H: Host> core::hash::Hash for Array<T, H> {
    fn hash<S: core::hash::Hasher>(&self, state: &mut S) {
        self.buffer.object().hash(state);
    }
}

impl<T, H: Host> fmt::Debug for Array<T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array@{:#x}", self.buffer.object().offset())
    }
}

impl<T> Lockable for Array<T> {
    fn enter(&self, timeout: Option<Duration>) -> Result<Acquired> {
        self.lock.acquire(timeout)
    }

    fn leave(&self) -> Result<()> {
        self.lock.release()
    }

    fn lock_object(&self) -> &ObjectRef {
        self.lock.object()
    }
}
