//! Tasks: items whose work is counted until somebody says that it is done.

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::containers::queue::{Looked, RawQueue};
use crate::error::{Error, Result};
use crate::heap::log::Action;
use crate::heap::participant::Death;
use crate::heap::ring::{HUB_DONE, HUB_UNFINISHED};
use crate::observer::Op;
use crate::sync::lock::mark_signal;
use crate::sys::Host;

impl<H: Host> RawQueue<H> {
    /// Says of one item that what was to be done with it is done.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when that was said of all that were put.
    pub fn task_done(&self) -> Result<()> {
        let mut held = self.enter(Op::Release, "queue.task_done")?;
        let heap = held.heap;
        let at = self.hub + HUB_UNFINISHED;
        let left = heap.get(at);
        let tasks = heap.tasks(self.hub)?;
        let (Some(tasks), true) = (tasks, left > 0) else {
            return Err(Error::NotHeld {
                what: "task_done() called too many times",
            });
        };
        let own = tasks + held.local.slot * 8;
        match heap.get(own) {
            // Another has taken it: from now on nobody knows whose the tasks are.
            0 => {
                mark_signal(&self.object);
                held.host().store64(at, left - 1, Ordering::Release);
            }
            mine => held.commit(at, left - 1, &[Action::Store(own, mine - 1)])?,
        }
        let done = left == 1 && heap.call(self.hub + HUB_DONE);
        drop(held);
        if done {
            heap.host().futex_wake(self.hub + HUB_DONE, u32::MAX >> 1);
        }
        Ok(())
    }

    /// Waits until every task is done, at most `timeout`. Whether they are. The second is the
    /// last process that died with tasks it had not done, which nobody was told of yet.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait, and what its check says.
    pub fn join(&self, timeout: Option<Duration>) -> Result<(bool, Option<Death>)> {
        let done = self.wait(
            Op::Wait,
            self.hub + HUB_DONE,
            timeout,
            |turn| {
                let mut held = self.enter(Op::Wait, "queue.join")?;
                if held.heap.get(self.hub + HUB_UNFINISHED) == 0 {
                    turn.tell(&mut held);
                    return Ok(Looked::Done(held.heap.take_death(held.object)));
                }
                Ok(self.nothing(held, self.hub + HUB_DONE, turn))
            },
            || self.unfinished() == 0,
        )?;
        Ok((done.is_some(), done.flatten()))
    }
}
