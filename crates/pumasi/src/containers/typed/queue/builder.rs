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
    pub fn bound(self, bound: usize) -> QueueBuilder<T> {
        QueueBuilder { bound, ..self }
    }

    /// Which item is taken first; by default the one that was put first.
    pub fn order(self, order: Order) -> QueueBuilder<T> {
        QueueBuilder { order, ..self }
    }

    /// Whether the queue counts the items whose task is not done, for
    /// [`task_done`](Queue::task_done) and [`join`](Queue::join); by default it does not.
    pub fn counts_tasks(self, counts_tasks: bool) -> QueueBuilder<T> {
        QueueBuilder {
            counts_tasks,
            ..self
        }
    }

    /// The queue, in the default heap.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`Heap::global`].
    pub fn create(self) -> Result<Queue<T>> {
        self.create_in(Heap::global()?)
    }

    /// The same in a heap of your choice.
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
