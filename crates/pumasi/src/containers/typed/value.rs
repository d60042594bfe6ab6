//! One value that processes share.
//!
//! The buffer holds a value of 1, 2, 4 or 8 bytes as it is. Any other is there twice, behind a
//! word that says which of the two counts: a new value is written to the other one and the word
//! is stored last. If a process dies in between, the old value stands.

use core::fmt;
use core::marker::PhantomData;
use core::mem::size_of;
use core::time::Duration;

use crate::containers::RawBuffer;
use crate::containers::typed::locked::{self, Lockable, Locked, locked};
use crate::containers::typed::plain::{self, Arithmetic};
use crate::error::Result;
use crate::heap::Heap;
use crate::heap::object::ObjectRef;
use crate::heap::shareable::Shareable;
use crate::observer::Op;
use crate::sync::{Acquired, LockError, OnDeath, RawRLock};
use crate::sys::{Host, Real};

/// Bytes of the word in front of two copies.
const WORD: usize = 8;

/// One value of a plain type, with a lock, that processes share.
///
/// Every operation is one step and waits while another process has the value
/// [`locked`](Value::locked). A process that is killed leaves the value as it was or as it was to
/// be, nothing in between. Cloning gives another handle of the same value; a handle can be sent
/// to other processes as an argument or result of a task.
///
/// ```
/// use pumasi::Value;
///
/// #[pumasi::task]
/// fn count(hits: Value<u64>) -> pumasi::Result<()> {
///     for _ in 0..1000 {
///         hits.fetch_add(1)?;
///     }
///     Ok(())
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let hits = Value::new(0u64)?;
///     let children = [count::spawn(hits.clone())?, count::spawn(hits.clone())?];
///     for child in children {
///         child.join()??;
///     }
///     assert_eq!(hits.get()?, 2000);
///     Ok(())
/// }
/// ```
///
/// # Errors
/// Operations fail with [`crate::Error::Corrupt`] when somebody wrote over the heap, so that the bytes
/// are no value of the type.
pub struct Value<T, H: Host = Real> {
    buffer: RawBuffer<H>,
    lock: RawRLock<H>,
    types: PhantomData<fn() -> T>,
}

impl<T: Shareable> Value<T> {
    /// A value in the default heap.
    ///
    /// ```
    /// let place = pumasi::Value::new([0.0f64, 1.0])?; // any plain type
    /// assert_eq!(place.get()?, [0.0, 1.0]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new(value: T) -> Result<Value<T>> {
        Value::new_in(Heap::global()?, value)
    }

    locked!();
}

impl<T: Shareable, H: Host> Value<T, H> {
    const IN_ONE_PIECE: bool = plain::in_one_piece(size_of::<T>());
    /// Bytes from one copy to the other.
    const STEP: usize = size_of::<T>().next_multiple_of(WORD);

    /// A value in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let value = pumasi::Value::new_in(&heap, 'x')?;
    /// assert_eq!(value.get()?, 'x');
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new_in(heap: &Heap<H>, value: T) -> Result<Self> {
        let bytes = if Self::IN_ONE_PIECE {
            WORD
        } else {
            WORD + 2 * Self::STEP
        };
        let made = Value {
            buffer: RawBuffer::create(heap, bytes as u64, plain::tag::<T>())?,
            lock: RawRLock::create(heap, OnDeath::Auto)?,
            types: PhantomData,
        };
        made.write(&value)?;
        Ok(made)
    }

    /// The two objects of which it is made, by which another process comes to it.
    #[doc(hidden)]
    pub fn objects(&self) -> (&ObjectRef<H>, &ObjectRef<H>) {
        (self.buffer.object(), self.lock.object())
    }

    /// The value that two objects make up.
    ///
    /// # Errors
    /// [`crate::Error::TypeMismatch`] when they are something else.
    #[doc(hidden)]
    pub fn from_objects(buffer: ObjectRef<H>, lock: ObjectRef<H>) -> Result<Self> {
        let buffer = RawBuffer::from_object(buffer)?;
        plain::expect::<T, H>(&buffer)?;
        Ok(Value {
            buffer,
            lock: RawRLock::from_object(lock)?,
            types: PhantomData,
        })
    }

    /// Where the value is that counts, and where the next one goes.
    fn places(&self) -> Result<(usize, usize)> {
        let copies = [WORD, WORD + Self::STEP];
        let other: u64 = plain::read(&self.buffer, 0)?;
        Ok(if other & 1 == 0 {
            (copies[0], copies[1])
        } else {
            (copies[1], copies[0])
        })
    }

    #[inline(always)]
    fn read(&self) -> Result<T> {
        if Self::IN_ONE_PIECE {
            return plain::read(&self.buffer, 0);
        }
        plain::read(&self.buffer, self.places()?.0)
    }

    #[inline(always)]
    fn write(&self, value: &T) -> Result<()> {
        if Self::IN_ONE_PIECE {
            return plain::write(&self.buffer, 0, value);
        }
        let (_, next) = self.places()?;
        plain::write(&self.buffer, next, value)?;
        plain::write(&self.buffer, 0, &u64::from(next != WORD))
    }

    /// The value. Waits while another has it locked.
    ///
    /// ```
    /// let value = pumasi::Value::new(3u8)?;
    /// let other = value.clone(); // the same value
    /// other.set(4)?;
    /// assert_eq!(value.get()?, 4);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Value`].
    #[inline]
    pub fn get(&self) -> Result<T> {
        plain::step(&self.buffer, &self.lock, Op::Get, || self.read())
    }

    /// Sets the value. Waits while another has it locked.
    ///
    /// ```
    /// let value = pumasi::Value::new(false)?;
    /// value.set(true)?; // `replace` gives what it was
    /// assert_eq!(value.get()?, true);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Value`].
    #[inline]
    pub fn set(&self, value: T) -> Result<()> {
        plain::step(&self.buffer, &self.lock, Op::Set, || self.write(&value))
    }

    /// Sets the value; what it was before.
    ///
    /// ```
    /// let turn = pumasi::Value::new(7u32)?;
    /// assert_eq!(turn.replace(0)?, 7); // of several who ask, one gets the 7
    /// assert_eq!(turn.replace(0)?, 0);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Value`].
    pub fn replace(&self, value: T) -> Result<T> {
        plain::step(&self.buffer, &self.lock, Op::Update, || {
            let old = self.read()?;
            self.write(&value)?;
            Ok(old)
        })
    }

    /// Changes the value in one step; what `change` returns. Nobody reads or writes the value
    /// while `change` runs, and if it panics the value stays as it was.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let range = pumasi::Value::new([5i64, 5])?;
    /// range.update(|[low, high]| {
    ///     *low = (*low).min(3);
    ///     *high = (*high).max(3);
    /// })?;
    /// assert_eq!(range.get()?, [3, 5]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Value`].
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> Result<R> {
        plain::long_step(&self.buffer, &self.lock, Op::Update, || {
            let mut value = self.read()?;
            let result = change(&mut value);
            self.write(&value)?;
            Ok(result)
        })
    }

    /// Waits until `until` is true of the value, which is looked at first, and then after each
    /// operation that writes; at most `timeout` (`None`: for ever). Whether it was true. What is
    /// written to the bytes themselves, by ctypes or NumPy, is seen within 50 ms.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let steps = pumasi::Value::new(0u64)?;
    /// let others = steps.clone();
    /// let other = std::thread::spawn(move || (0..3).try_for_each(|_| others.fetch_add(1).map(drop)));
    /// assert!(steps.wait(None, |n| n == 3)?);
    /// assert!(!steps.wait(Some(std::time::Duration::ZERO), |n| n > 3)?);
    /// # other.join().unwrap()
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Value`].
    pub fn wait(
        &self,
        timeout: Option<Duration>,
        mut until: impl FnMut(T) -> bool,
    ) -> Result<bool> {
        let object = self.buffer.object();
        let host = object.heap().host();
        let (started, told) = (host.now(), object.before(Op::Wait));
        let mut contended = false;
        let done = loop {
            let expected = object.expect_write();
            let held = self.lock.hold()?;
            let value = self.read()?;
            drop(held);
            if until(value) {
                break true;
            }
            contended = true;
            let waited = host.now().saturating_sub(started);
            let left = timeout.map_or(Duration::MAX, |t| t.saturating_sub(waited));
            if left.is_zero() {
                break false;
            }
            object.sleep_until_written(expected, left)?;
        };
        object.after(told, contended);
        Ok(done)
    }

    /// Sets the value to `new` if it is `current`; what it was. It was set if the two are equal.
    ///
    /// ```
    /// let owner = pumasi::Value::new(0u32)?;
    /// assert_eq!(owner.compare_exchange(0, 41)?, 0); // it was 0, and is 41 now
    /// assert_eq!(owner.compare_exchange(0, 42)?, 41); // it was not, and stays
    /// assert_eq!(owner.get()?, 41);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Value`].
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T>
    where
        T: PartialEq,
    {
        plain::step(&self.buffer, &self.lock, Op::Update, || {
            let old = self.read()?;
            if old == current {
                self.write(&new)?;
            }
            Ok(old)
        })
    }

    /// Adds to the value, an integer wrapping around at its limits; what it was before.
    ///
    /// ```
    /// let tickets = pumasi::Value::new(u8::MAX)?;
    /// assert_eq!(tickets.fetch_add(2)?, 255); // what it was
    /// assert_eq!(tickets.get()?, 1); // it has wrapped around
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Value`].
    #[inline]
    pub fn fetch_add(&self, n: T) -> Result<T>
    where
        T: Arithmetic,
    {
        plain::step(&self.buffer, &self.lock, Op::Add, || {
            let old = self.read()?;
            self.write(&old.plus(n))?;
            Ok(old)
        })
    }

    /// Sets the value to `n` if that is larger; what it was before.
    ///
    /// ```
    /// let highest = pumasi::Value::new(2.5)?;
    /// assert_eq!(highest.fetch_max(1.5)?, 2.5); // what it was
    /// assert_eq!(highest.fetch_max(3.5)?, 2.5);
    /// assert_eq!(highest.get()?, 3.5);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Value`].
    pub fn fetch_max(&self, n: T) -> Result<T>
    where
        T: Arithmetic,
    {
        plain::step(&self.buffer, &self.lock, Op::Update, || {
            let old = self.read()?;
            if n > old {
                self.write(&n)?;
            }
            Ok(old)
        })
    }

    /// Sets the value to `n` if that is smaller; what it was before.
    ///
    /// ```
    /// let lowest = pumasi::Value::new(5i32)?;
    /// assert_eq!(lowest.fetch_min(-1)?, 5); // what it was
    /// assert_eq!(lowest.fetch_min(3)?, -1);
    /// assert_eq!(lowest.get()?, -1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Value`].
    pub fn fetch_min(&self, n: T) -> Result<T>
    where
        T: Arithmetic,
    {
        plain::step(&self.buffer, &self.lock, Op::Update, || {
            let old = self.read()?;
            if n < old {
                self.write(&n)?;
            }
            Ok(old)
        })
    }
}

impl<T, H: Host> Clone for Value<T, H> {
    fn clone(&self) -> Self {
        Value {
            buffer: self.buffer.clone(),
            lock: self.lock.clone(),
            types: PhantomData,
        }
    }
}

/// Two handles are equal when they lead to the same value.
impl<T, H: Host> PartialEq for Value<T, H> {
    fn eq(&self, other: &Self) -> bool {
        self.buffer.object() == other.buffer.object()
    }
}

impl<T, H: Host> Eq for Value<T, H> {}

impl<T, H: Host> core::hash::Hash for Value<T, H> {
    fn hash<S: core::hash::Hasher>(&self, state: &mut S) {
        self.buffer.object().hash(state);
    }
}

impl<T, H: Host> fmt::Debug for Value<T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value@{:#x}", self.buffer.object().offset())
    }
}

impl<T> Lockable for Value<T> {
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
