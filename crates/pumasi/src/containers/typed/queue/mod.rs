//! A shared queue of items of one type: what one process puts, another takes.
//! Long because every method has its example.

mod builder;
mod drain;

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use crate::containers::typed::element::mismatch;
use crate::containers::typed::stored::{Stored, read, read_item};
use crate::containers::typed::{Dynamic, Element, ListIter, StoredAs, handle};
use crate::containers::{Order, RawQueue};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::value::{Fetch, Prepared};
use crate::sync::Death;

pub use builder::QueueBuilder;
pub use drain::{Drain, UntilClosed};

/// A queue that processes share: what one puts, whoever comes first takes.
///
/// An item is in shared memory when [`put`](Queue::put) returns, so that nothing is lost when the
/// process ends right after it, and no thread carries anything. An item whose taker is killed
/// before it has arrived goes back to where it was taken from. Cloning gives another handle of the
/// same queue; a handle can be sent to other processes and stored in containers, also in another
/// queue, to be answered in.
///
/// Without a type it is a `Queue<Dynamic>`, which holds anything, and is what Python sees.
///
/// ```
/// use pumasi::Queue;
///
/// #[pumasi::task]
/// fn square(numbers: Queue<u64>, squares: Queue<u64>) -> pumasi::Result<()> {
///     for number in numbers.until_closed() {
///         let number = number?;
///         squares.put(number * number)?;
///     }
///     Ok(())
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let (numbers, squares) = (Queue::<u64>::new()?, Queue::<u64>::new()?);
///     let workers = [
///         square::spawn(numbers.clone(), squares.clone())?,
///         square::spawn(numbers.clone(), squares.clone())?,
///     ];
///     numbers.put_many(1..=10)?;
///     numbers.close()?;
///     for worker in workers {
///         worker.join()??;
///     }
///     assert_eq!(squares.drain().sum::<pumasi::Result<u64>>()?, 385);
///     Ok(())
/// }
/// ```
///
/// Plain calls wait, those that begin with `try_` never do, and those that end in `_timeout` wait
/// so long at most. Whoever waits for an item is woken by a put, by [`close`](Queue::close), and
/// within 50 ms by the return of an item whose taker has died.
///
/// # Errors
/// [`Error::Closed`] where the queue was closed; [`Error::OutOfMemory`] for what does not fit;
/// [`Error::TypeMismatch`] when an item is no `T`, which is out of the queue nevertheless;
/// [`Error::Corrupt`] when the heap is damaged.
pub struct Queue<T = Dynamic> {
    raw: RawQueue,
    types: PhantomData<fn() -> T>,
}

handle!(Queue<T>, RawQueue);

/// The items of a queue as they were when [`Queue::iter`] was called. Each may be an error, for it
/// is only now read as a `T`.
pub type QueueIter<T> = ListIter<T>;

/// How all tasks of a queue came to their end.
#[must_use = "a process may have died with tasks that it had not done"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Each was said to be done.
    Done,
    /// This process died with tasks that it had not done, which count as done. It is the last of
    /// those that nobody has been told of.
    Died(Death),
}

impl<T: Element> Queue<T> {
    /// An empty queue of any number of items, in the default heap.
    ///
    /// ```
    /// let queue: pumasi::Queue<String> = pumasi::Queue::new()?;
    /// queue.put("rice")?; // a lent text is enough
    /// assert_eq!(queue.get()?, "rice");
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and as [`Heap::global`].
    pub fn new() -> Result<Queue<T>> {
        Queue::builder().create()
    }

    /// The same in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let queue: pumasi::Queue<u32> = pumasi::Queue::new_in(&heap)?;
    /// assert!(queue.is_empty());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new_in(heap: &Heap) -> Result<Queue<T>> {
        Queue::builder().create_in(heap)
    }

    /// An empty queue of at most `bound` items (0: any number), in the default heap: whoever puts
    /// more waits until there is room.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let queue: pumasi::Queue<i32> = pumasi::Queue::bounded(2)?;
    /// queue.put_many([1, 2])?;
    /// assert!(matches!(queue.try_put(3), Err(pumasi::Error::Full { .. })));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Queue::new`].
    pub fn bounded(bound: usize) -> Result<Queue<T>> {
        Queue::builder().bound(bound).create()
    }

    /// The same in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let queue: pumasi::Queue<u32> = pumasi::Queue::bounded_in(&heap, 3)?;
    /// assert_eq!(queue.try_put_many(0..5)?, 3);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn bounded_in(heap: &Heap, bound: usize) -> Result<Queue<T>> {
        Queue::builder().bound(bound).create_in(heap)
    }

    /// A queue of any number of items that has these to begin with, in the default heap.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let fields = pumasi::Queue::of(1..=3)?;
    /// assert_eq!(fields.get()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Queue::new`].
    pub fn of(items: impl IntoIterator<Item = T>) -> Result<Queue<T>> {
        let queue = Queue::new()?;
        queue.put_many(items)?;
        Ok(queue)
    }

    /// A queue with more to say about it: its bound, its order, whether it counts tasks.
    ///
    /// ```
    /// use pumasi::{Queue, containers::Order};
    ///
    /// let queue: Queue<u8> = Queue::builder().bound(5).order(Order::LastFirst).create()?;
    /// assert_eq!((queue.bound(), queue.order()), (Some(5), Order::LastFirst));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn builder() -> QueueBuilder<T> {
        QueueBuilder::new()
    }

    /// The same queue, read as one of other items. An item that is none is an error when it is
    /// taken.
    ///
    /// ```
    /// use pumasi::{Dynamic, Queue};
    ///
    /// let mixed = Queue::<Dynamic>::of([Dynamic::from(1), Dynamic::from("two")])?;
    /// let numbers = mixed.cast::<i64>();
    /// assert_eq!(numbers.get()?, 1);
    /// assert!(numbers.get().is_err()); // a text; it is out of the queue nevertheless
    /// assert!(numbers.is_empty());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn cast<U: Element>(self) -> Queue<U> {
        Queue::from(self.raw)
    }

    fn heap(&self) -> &Heap {
        self.raw.object().heap()
    }

    // ---- putting ---------------------------------------------------------------------------

    /// Puts an item, waiting for as long as the queue is full. Lend it to keep it.
    ///
    /// ```
    /// let queue = pumasi::Queue::<String>::new()?;
    /// let name = String::from("rice");
    /// queue.put(&name)?; // lent: `name` is still ours
    /// assert_eq!(queue.get()?, name);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Queue`]; nothing was put then.
    #[inline]
    pub fn put(&self, item: impl StoredAs<T>) -> Result<()> {
        self.put_within(item, None)
    }

    /// Puts an item if there is room now.
    ///
    /// ```
    /// use pumasi::{Error, Queue};
    ///
    /// let queue = Queue::<u32>::bounded(1)?;
    /// queue.try_put(1)?;
    /// assert!(matches!(queue.try_put(2), Err(Error::Full { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Full`]; see [`Queue`]. Nothing was put then.
    #[inline]
    pub fn try_put(&self, item: impl StoredAs<T>) -> Result<()> {
        self.put_within(item, Some(Duration::ZERO))
    }

    /// Puts an item, waiting at most `timeout` for room.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = pumasi::Queue::<u32>::bounded(1)?;
    /// queue.put(1)?;
    /// assert!(queue.put_timeout(2, Duration::from_millis(5)).is_err()); // nobody took the first
    /// assert_eq!(queue.to_vec()?, [1]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Full`] when there was none; see [`Queue`]. Nothing was put then.
    pub fn put_timeout(&self, item: impl StoredAs<T>, timeout: Duration) -> Result<()> {
        self.put_within(item, Some(timeout))
    }

    #[inline]
    fn put_within(&self, item: impl StoredAs<T>, timeout: Option<Duration>) -> Result<()> {
        item.lent(|stored| {
            let mut prepared = stored.prepare(self.heap())?;
            match self.raw.put(&mut prepared, timeout)? {
                true => Ok(()),
                false => Err(Error::Full {
                    what: "the queue is full",
                }),
            }
        })
    }

    /// Puts items in their order, as many in one step as there is room for, and waits until all
    /// are in. Those of others may come in between where it had to wait.
    ///
    /// ```
    /// let queue = pumasi::Queue::of([1])?;
    /// queue.put_many([2, 3])?;
    /// queue.put_many(&[4, 5])?; // lent
    /// assert_eq!(queue.to_vec()?, [1, 2, 3, 4, 5]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Queue`]. Where it had to wait before, a part of the items is in.
    pub fn put_many(&self, items: impl IntoIterator<Item = impl StoredAs<T>>) -> Result<()> {
        let mut prepared = self.prepared(items)?;
        let mut done = 0;
        while done < prepared.len() {
            done += self.raw.put_many(&mut prepared[done..], None)?;
        }
        Ok(())
    }

    /// Puts as many of these items as there is room for now; how many. The first ones are in.
    ///
    /// ```
    /// let queue = pumasi::Queue::<u32>::bounded(2)?;
    /// assert_eq!(queue.try_put_many([1, 2, 3])?, 2); // the 3 is not in
    /// assert_eq!(queue.try_put_many([3])?, 0);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Queue`]; nothing was put then.
    pub fn try_put_many(&self, items: impl IntoIterator<Item = impl StoredAs<T>>) -> Result<usize> {
        self.put_many_timeout(items, Duration::ZERO)
    }

    /// Puts items, waiting at most `timeout` for room; how many. The first ones are in.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = pumasi::Queue::<u32>::bounded(2)?;
    /// assert_eq!(queue.put_many_timeout([1, 2, 3], Duration::from_millis(5))?, 2);
    /// assert_eq!(queue.to_vec()?, [1, 2]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Queue`]; nothing was put then.
    pub fn put_many_timeout(
        &self,
        items: impl IntoIterator<Item = impl StoredAs<T>>,
        timeout: Duration,
    ) -> Result<usize> {
        self.raw.put_many(&mut self.prepared(items)?, Some(timeout))
    }

    fn prepared(
        &self,
        items: impl IntoIterator<Item = impl StoredAs<T>>,
    ) -> Result<Vec<Prepared<'_>>> {
        items
            .into_iter()
            .map(|item| item.lent(|stored| stored.prepare(self.heap())))
            .collect()
    }

    // ---- taking ----------------------------------------------------------------------------

    /// Takes the next item out, waiting until there is one.
    ///
    /// ```
    /// let queue = pumasi::Queue::of([7])?;
    /// queue.close()?;
    /// assert_eq!(queue.get()?, 7); // what is in it can be taken
    /// assert!(matches!(queue.get(), Err(pumasi::Error::Closed { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closed`] when the queue is closed and empty; see [`Queue`].
    #[inline]
    pub fn get(&self) -> Result<T> {
        self.get_within(None)?.ok_or(Error::WouldBlock)
    }

    /// Takes the next item out if there is one now.
    ///
    /// ```
    /// let queue = pumasi::Queue::of([7])?;
    /// assert_eq!(queue.try_get()?, Some(7));
    /// assert_eq!(queue.try_get()?, None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Queue::get`].
    #[inline]
    pub fn try_get(&self) -> Result<Option<T>> {
        self.get_within(Some(Duration::ZERO))
    }

    /// Takes the next item out, waiting at most `timeout` for one; `None` when there was none.
    ///
    /// ```
    /// let queue: pumasi::Queue<u8> = pumasi::Queue::new()?;
    /// let found = queue.get_timeout(std::time::Duration::from_millis(5))?;
    /// assert_eq!(found, None); // nobody put anything
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Queue::get`].
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<T>> {
        self.get_within(Some(timeout))
    }

    #[inline]
    fn get_within(&self, timeout: Option<Duration>) -> Result<Option<T>> {
        let mut out = Fetch::new();
        match self.raw.get(timeout, &mut out)? {
            // It has arrived, and does not go back at a death, once there is a `T` made of it.
            Some(taken) => read(taken.cell, &mut out).map(Some),
            None => Ok(None),
        }
    }

    /// Takes up to `most` items out in one step, waiting until there is one at least. All of them
    /// go back if this process dies before they have arrived.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let queue = pumasi::Queue::of(0..5)?;
    /// assert_eq!(queue.get_many(3)?, [0, 1, 2]);
    /// assert_eq!(queue.get_many(3)?, [3, 4]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Queue::get`]; when one of the items is no `T`, all of them are out nevertheless.
    pub fn get_many(&self, most: usize) -> Result<Vec<T>> {
        self.get_many_within(most, None)
    }

    /// Takes up to `most` of the items out that there are now; none when there is none.
    ///
    /// ```
    /// let queue = pumasi::Queue::of(0..3)?;
    /// assert_eq!(queue.try_get_many(10)?, [0, 1, 2]);
    /// assert!(queue.try_get_many(10)?.is_empty());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Queue::get_many`].
    pub fn try_get_many(&self, most: usize) -> Result<Vec<T>> {
        self.get_many_within(most, Some(Duration::ZERO))
    }

    /// Takes up to `most` items out, waiting at most `timeout` for the first; none when there was
    /// none.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = pumasi::Queue::of(0..3)?;
    /// let soon = Duration::from_millis(5);
    /// assert_eq!(queue.get_many_timeout(10, soon)?, [0, 1, 2]); // does not wait for more
    /// assert!(queue.get_many_timeout(10, soon)?.is_empty());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Queue::get_many`].
    pub fn get_many_timeout(&self, most: usize, timeout: Duration) -> Result<Vec<T>> {
        self.get_many_within(most, Some(timeout))
    }

    fn get_many_within(&self, most: usize, timeout: Option<Duration>) -> Result<Vec<T>> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let (items, taken) = self.raw.get_many(most, timeout)?;
        let read = (0..items.len()).filter_map(|i| items.get(i)).map(read_item);
        let read = read.collect();
        drop(taken);
        read
    }

    /// Takes items out, waiting for each, until the queue is closed and empty: what a worker does.
    ///
    /// An item that is no `T` is an error among the others; any other error is the last.
    ///
    /// ```
    /// let queue = pumasi::Queue::of(1..=3)?;
    /// queue.close()?; // else the loop would wait for more
    /// let sum: pumasi::Result<i32> = queue.until_closed().sum();
    /// assert_eq!(sum?, 6);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn until_closed(&self) -> UntilClosed<'_, T> {
        UntilClosed::new(self)
    }

    /// Takes out what there is, and never waits.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let queue = pumasi::Queue::of(["rice", "salt"].map(String::from))?;
    /// let all: Vec<String> = queue.drain().collect::<pumasi::Result<_>>()?;
    /// assert_eq!(all, ["rice", "salt"]);
    /// assert!(queue.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain(&self) -> Drain<'_, T> {
        Drain::new(self)
    }

    // ---- looking ---------------------------------------------------------------------------

    /// How many items there are at this moment. Never waits.
    ///
    /// ```
    /// let queue = pumasi::Queue::of(["a", "b"].map(String::from))?;
    /// assert_eq!(queue.len(), 2); // others may have taken one by the next line
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there is none at this moment. Never waits.
    ///
    /// ```
    /// let queue = pumasi::Queue::of([1])?;
    /// queue.get()?;
    /// assert!(queue.is_empty());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Whether there are as many items as there may be. Never waits.
    ///
    /// ```
    /// let queue = pumasi::Queue::<u32>::bounded(1)?;
    /// queue.put(1)?;
    /// assert!(queue.is_full());
    /// assert!(!pumasi::Queue::of([1, 2, 3])?.is_full()); // without a bound never
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.raw.is_full()
    }

    /// How many items there may be; `None` for any number.
    ///
    /// ```
    /// use pumasi::Queue;
    ///
    /// assert_eq!(Queue::<u8>::bounded(5)?.bound(), Some(5));
    /// assert_eq!(Queue::<u8>::bounded(0)?.bound(), None);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn bound(&self) -> Option<usize> {
        let bound = usize::try_from(self.raw.bound()).unwrap_or(usize::MAX);
        (bound > 0).then_some(bound)
    }

    /// Which item is taken next.
    ///
    /// ```
    /// use pumasi::containers::Order;
    ///
    /// assert_eq!(pumasi::Queue::<u8>::new()?.order(), Order::FirstFirst);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn order(&self) -> Order {
        self.raw.order()
    }

    /// A copy of the items as they are at one moment, in the order in which they were put. None
    /// is taken out.
    ///
    /// ```
    /// use pumasi::{Queue, containers::Order};
    ///
    /// let stack = Queue::<u32>::builder().order(Order::LastFirst).create()?;
    /// stack.put_many([1, 2])?;
    /// assert_eq!(stack.to_vec()?, [1, 2]); // as they were put, though the 2 is taken first
    /// assert_eq!(stack.len(), 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Queue`].
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.iter()?.collect()
    }

    /// The items as they are at this moment, in the order in which they were put; none is taken
    /// out, and later changes do not show.
    ///
    /// ```
    /// let queue = pumasi::Queue::of([1, 2])?;
    /// let items = queue.iter()?;
    /// queue.get()?;
    /// assert_eq!(items.sum::<pumasi::Result<i32>>()?, 3); // as they were
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Queue`].
    pub fn iter(&self) -> Result<QueueIter<T>> {
        Ok(QueueIter::new(self.raw.snapshot()?))
    }

    // ---- the end ---------------------------------------------------------------------------

    /// Closes the queue for all processes: nothing can be put any more, what is in it can still be
    /// taken. Whoever waits for what will not come is told. Closing twice is harmless.
    ///
    /// ```
    /// use pumasi::{Error, Queue};
    ///
    /// let queue = Queue::of([1])?;
    /// queue.close()?;
    /// assert!(matches!(queue.put(2), Err(Error::Closed { .. })));
    /// assert_eq!(queue.drain().count(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Queue`].
    pub fn close(&self) -> Result<()> {
        self.raw.close()
    }

    /// Whether it was closed.
    ///
    /// ```
    /// let queue = pumasi::Queue::of([1])?;
    /// queue.close()?;
    /// assert!(queue.is_closed() && !queue.is_empty()); // there is something left to take
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.raw.is_closed()
    }

    // ---- tasks -----------------------------------------------------------------------------

    /// Whether the queue counts tasks, see [`QueueBuilder::counts_tasks`].
    ///
    /// ```
    /// assert!(!pumasi::Queue::<u8>::new()?.counts_tasks()); // only where the builder was told
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn counts_tasks(&self) -> bool {
        self.raw.counts_tasks()
    }

    /// How many items were put whose task is not done; 0 where nobody counts.
    ///
    /// ```
    /// let queue = pumasi::Queue::<u32>::builder().counts_tasks(true).create()?;
    /// queue.put_many([1, 2])?;
    /// queue.get()?;
    /// queue.task_done()?;
    /// assert_eq!(queue.unfinished(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn unfinished(&self) -> u64 {
        self.raw.unfinished()
    }

    /// Says of one item that was taken that its task is done.
    ///
    /// ```
    /// let queue = pumasi::Queue::<u32>::builder().counts_tasks(true).create()?;
    /// queue.put(1)?;
    /// queue.get()?;
    /// queue.task_done()?;
    /// assert!(queue.task_done().is_err()); // of one item too many
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotHeld`] when that was said of all items; [`Error::Unsupported`] when the queue
    /// counts no tasks; see [`Queue`].
    pub fn task_done(&self) -> Result<()> {
        self.counting()?;
        self.raw.task_done()
    }

    /// Waits until the task of each item that was put is done. Those of a process that died count
    /// as done, and the end says who it was.
    ///
    /// ```
    /// use pumasi::{Queue, containers::Joined};
    ///
    /// let fields = Queue::<u32>::builder().counts_tasks(true).create()?;
    /// fields.put_many(1..=3)?;
    /// let worker = fields.clone();
    /// std::thread::spawn(move || while worker.get().is_ok() && worker.task_done().is_ok() {});
    /// assert_eq!(fields.join()?, Joined::Done); // not only taken: done
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the queue counts no tasks; see [`Queue`].
    pub fn join(&self) -> Result<Joined> {
        self.join_within(None)?.ok_or(Error::WouldBlock)
    }

    /// The same, waiting at most `timeout`; `None` when there are tasks that are not done.
    ///
    /// ```
    /// let queue = pumasi::Queue::<u32>::builder().counts_tasks(true).create()?;
    /// queue.put(1)?;
    /// let soon = std::time::Duration::from_millis(5);
    /// assert_eq!(queue.join_timeout(soon)?, None); // nobody has done it
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Queue::join`].
    pub fn join_timeout(&self, timeout: Duration) -> Result<Option<Joined>> {
        self.join_within(Some(timeout))
    }

    fn join_within(&self, timeout: Option<Duration>) -> Result<Option<Joined>> {
        self.counting()?;
        Ok(match self.raw.join(timeout)? {
            (false, _) => None,
            (true, None) => Some(Joined::Done),
            (true, Some(death)) => Some(Joined::Died(death)),
        })
    }

    fn counting(&self) -> Result<()> {
        if self.counts_tasks() {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: "this queue counts no tasks; make it with \
                   Queue::builder().counts_tasks(true).create()"
                .to_owned(),
        })
    }
}

/// As a shared object.
impl<T: Element> From<Queue<T>> for Dynamic {
    fn from(queue: Queue<T>) -> Dynamic {
        Dynamic::Object(queue.raw.object().clone())
    }
}
