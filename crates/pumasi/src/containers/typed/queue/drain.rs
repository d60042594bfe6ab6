//! Taking one item after another out of a queue.

use core::iter::FusedIterator;

use crate::containers::typed::{Element, Queue};
use crate::error::{Error, Result};

/// Takes items until the queue is closed and empty, and waits for each: see
/// [`Queue::until_closed`].
#[derive(Debug)]
#[must_use = "nothing is taken before it is asked for"]
pub struct UntilClosed<'a, T> {
    queue: &'a Queue<T>,
    ended: bool,
}

/// Takes the items that there are: see [`Queue::drain`].
#[derive(Debug)]
#[must_use = "nothing is taken before it is asked for"]
pub struct Drain<'a, T> {
    queue: &'a Queue<T>,
    ended: bool,
}

impl<'a, T> UntilClosed<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        UntilClosed {
            queue,
            ended: false,
        }
    }
}

impl<'a, T> Drain<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        Drain {
            queue,
            ended: false,
        }
    }
}

impl<T: Element> Iterator for UntilClosed<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.ended {
            return None;
        }
        step(self.queue.get().map(Some), &mut self.ended)
    }
}

impl<T: Element> Iterator for Drain<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.ended {
            return None;
        }
        step(self.queue.try_get(), &mut self.ended)
    }
}

/// What one look at the queue gives to the loop over it. Only an item that is no `T` leaves
/// something to come after an error.
fn step<T>(found: Result<Option<T>>, ended: &mut bool) -> Option<Result<T>> {
    *ended = !matches!(found, Ok(Some(_)) | Err(Error::TypeMismatch { .. }));
    match found {
        Err(Error::Closed { .. }) => None,
        found => found.transpose(),
    }
}

impl<T: Element> FusedIterator for UntilClosed<'_, T> {}
impl<T: Element> FusedIterator for Drain<'_, T> {}
