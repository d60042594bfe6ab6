//! Event: a flag that can be waited for.
//!
//! One word, `O_THREAD`: `times set(31) | set(1)`. A waiter is woken by a raise also when the
//! flag is lowered again before it runs: the count tells it. The word is all there is, so a
//! death changes nothing.

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::error::Result;
use crate::heap::Heap;
use crate::heap::layout::O_THREAD;
use crate::heap::object::{Kind, ObjectRef};
use crate::observer::Op;
use crate::sync::lock::face;
use crate::sync::semaphore::{sleepers, wait_until, wake};
use crate::sys::{Host, Real};

/// A flag that can be waited for.
pub struct RawEvent<H: Host = Real> {
    object: ObjectRef<H>,
}

face!(RawEvent, Kind::Event);

const SET: u32 = 1;

impl<H: Host> RawEvent<H> {
    /// A lowered flag.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>) -> Result<Self> {
        Ok(RawEvent {
            object: heap.create_object(Kind::Event, 0, None, 0)?,
        })
    }

    fn word(&self) -> u32 {
        self.heap()
            .host()
            .load32(self.at(O_THREAD), Ordering::Acquire)
    }

    /// How many threads may be asleep waiting, in all processes.
    pub fn sleepers(&self) -> u32 {
        sleepers(&self.object)
    }

    /// Whether the flag is up.
    pub fn is_set(&self) -> bool {
        self.object.tell_of(Op::Get, false);
        self.word() & SET != 0
    }

    fn change(&self, op: Op, to: impl Fn(u32) -> u32) -> bool {
        let told = self.object.before(op);
        let host = self.heap().host();
        let mut word = self.word();
        let changed = loop {
            let new = to(word);
            if new == word {
                break false;
            }
            match host.cas32(self.at(O_THREAD), word, new) {
                Ok(_) => break true,
                Err(found) => word = found,
            }
        };
        self.object.after(told, false);
        changed
    }

    /// Raises the flag and wakes everyone who waits. Never waits.
    pub fn set(&self) {
        let raise = |word: u32| {
            if word & SET != 0 {
                word
            } else {
                word.wrapping_add(2) | SET
            }
        };
        if self.change(Op::Raise, raise) {
            wake(&self.object, u32::MAX >> 1);
        }
    }

    /// Lowers the flag. Never waits.
    pub fn clear(&self) {
        self.change(Op::Lower, |word| word & !SET);
    }

    /// Waits until the flag is raised, at most `timeout` (`None`: for ever). Whether it was.
    ///
    /// # Errors
    /// [`crate::Error::WouldBlock`] where this thread may not wait, and what its check says.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        let told = self.object.before(Op::Wait);
        let first = self.word();
        let raised = wait_until(
            &self.object,
            timeout,
            || {
                let word = self.word();
                Ok((word & SET != 0 || word >> 1 != first >> 1).then_some(()))
            },
            || self.word(),
            None::<fn()>,
        )?;
        self.object.after(told, first & SET == 0);
        Ok(raised.is_some())
    }
}
