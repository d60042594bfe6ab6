//! How a queue is made that is more than a plain one.

use core::fmt;
use core::marker::PhantomData;

use crate::containers::typed::{Dynamic, Element, Queue};
use crate::containers::{Order, RawQueue};
use crate::error::Result;
use crate::heap::Heap;

/// Makes a [`Queue`]; what is not said is as [`Queue::new`] has it.
///
/// ```
/// use pumasi::Queue;
/// use pumasi::containers::Order;
///
/// # fn main() -> pumasi::Result<()> {
/// let latest_first: Queue<u32> = Queue::builder()
///     .bound(100)
///     .order(Order::LastFirst)
///     .create()?;
/// latest_first.put_many([1, 2, 3])?;
/// assert_eq!(latest_first.get()?, 3);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is made before create()"]
pub struct QueueBuilder<T = Dynamic> {
    bound: usize,
    order: Order,
    counts_tasks: bool,
    types: PhantomData<fn() -> T>,
}

impl<T: Element> QueueBuilder<T> {
    pub(super) fn new() -> QueueBuilder<T> {
        QueueBuilder {
            bound: 0,
            order: Order::default(),
            counts_tasks: false,
            types: PhantomData,
        }
    }

    /// The most items there may be; 0, which is the default, for any number.
    ///
    /// ```
    /// let queue = pumasi::Queue::<String>::builder().bound(1).create()?;
    /// queue.put("rice")?;
    /// assert!(queue.is_full());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn bound(self, bound: usize) -> QueueBuilder<T> {
        QueueBuilder { bound, ..self }
    }

    /// Which item is taken first; by default the one that was put first.
    ///
    /// ```
    /// use pumasi::containers::Order;
    ///
    /// let stack = pumasi::Queue::<u32>::builder().order(Order::LastFirst).create()?;
    /// stack.put_many([1, 2, 3])?;
    /// assert_eq!(stack.get_many(2)?, [3, 2]);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn order(self, order: Order) -> QueueBuilder<T> {
        QueueBuilder { order, ..self }
    }

    /// Whether the queue counts the items whose task is not done, for
    /// [`task_done`](Queue::task_done) and [`join`](Queue::join); by default it does not.
    ///
    /// ```
    /// let queue = pumasi::Queue::<u32>::builder().counts_tasks(true).create()?;
    /// queue.put(5)?;
    /// queue.get()?;
    /// assert_eq!(queue.unfinished(), 1); // taken, and not yet done
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn counts_tasks(self, counts_tasks: bool) -> QueueBuilder<T> {
        QueueBuilder {
            counts_tasks,
            ..self
        }
    }

    /// The queue, in the default heap.
    ///
    /// ```
    /// let queue = pumasi::Queue::<f64>::builder().create()?; // as Queue::new
    /// queue.put(1.5)?;
    /// assert_eq!((queue.bound(), queue.counts_tasks()), (None, false));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`Heap::global`].
    pub fn create(self) -> Result<Queue<T>> {
        self.create_in(Heap::global()?)
    }

    /// The same in a heap of your choice.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let queue = pumasi::Queue::<u32>::builder().bound(10).create_in(&heap)?;
    /// queue.put(1)?;
    /// assert!(queue.raw().object().heap().same(&heap));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn create_in(self, heap: &Heap) -> Result<Queue<T>> {
        RawQueue::create(heap, self.bound as u64, self.order, self.counts_tasks).map(Queue::from)
    }
}

impl<T> fmt::Debug for QueueBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueBuilder")
            .field("bound", &self.bound)
            .field("order", &self.order)
            .field("counts_tasks", &self.counts_tasks)
            .finish()
    }
}
