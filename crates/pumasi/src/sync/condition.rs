//! Condition: where threads wait, without a lock which they hold otherwise, to be notified.
//!
//! The object is the table of those who wait (`heap::waiters`) and the last ticket given out
//! (`O_AUX`). It does not know the lock: whoever waits brings the one it holds. Each waiter
//! sleeps at a word of its own, so that a notification wakes exactly those it is meant for, in
//! the order in which they came.
//!
//! A place is taken before the lock is given up, so that a notification made under the lock
//! cannot come between (no lost wake-up); it is left after the lock has been taken again, so that
//! a waiter which is killed before it could act has not eaten a notification (SYNC-5). A notifier
//! that is killed has notified so many as it had come to: each is one store.

use core::ops::ControlFlow;
use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::layout::O_AUX;
use crate::heap::lock;
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::waiters::{CALLED, Place, STATE, WAITING};
use crate::observer::Op;
use crate::sync::lock::{RawLock, RawRLock, face};
use crate::sync::semaphore::wait_at;
use crate::sync::{Acquired, relock};
use crate::sys::{Host, Real};

/// Where threads wait to be notified.
pub struct RawCondition<H: Host = Real> {
    object: ObjectRef<H>,
}

face!(RawCondition, Kind::Condition);

/// A place among those who wait, for callers that do not sleep in [`RawCondition::wait`]: taken
/// with [`RawCondition::enlist`], given up with [`RawCondition::leave`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a place that is not left may be notified in vain"]
pub struct Enlisted(Place);

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Waited {
    /// Whether there was a notification; else the time was up.
    pub notified: bool,
    /// How the lock was taken again; it is always ours.
    pub lock: Acquired,
}

/// A lock that a wait gives up and takes again.
pub trait Relock<H: Host>: relock::Sealed {
    /// The shared object.
    fn object(&self) -> &ObjectRef<H>;
    /// Whether whoever calls holds it.
    fn is_held(&self) -> bool;
    /// Gives it up wholly; how often it was held.
    ///
    /// # Errors
    /// [`Error::NotHeld`].
    fn give_up(&self) -> Result<u32>;
    /// Waits for it, and takes it as often.
    ///
    /// # Errors
    /// As its `acquire`.
    fn take_back(&self, depth: u32) -> Result<Acquired>;
}

const NOT_HELD: &str = "waiting for a notification without holding the lock";

impl<H: Host> relock::Sealed for RawLock<H> {}
impl<H: Host> relock::Sealed for RawRLock<H> {}

impl<H: Host> Relock<H> for RawLock<H> {
    fn object(&self) -> &ObjectRef<H> {
        RawLock::object(self)
    }
    fn is_held(&self) -> bool {
        self.is_ours()
    }
    fn give_up(&self) -> Result<u32> {
        self.release().map(|()| 1)
    }
    fn take_back(&self, _depth: u32) -> Result<Acquired> {
        self.acquire(None)
    }
}

impl<H: Host> Relock<H> for RawRLock<H> {
    fn object(&self) -> &ObjectRef<H> {
        RawRLock::object(self)
    }
    fn is_held(&self) -> bool {
        self.is_mine()
    }
    fn give_up(&self) -> Result<u32> {
        let object = RawRLock::object(self);
        object.heap().give_user_wholly(object, NOT_HELD)
    }
    fn take_back(&self, depth: u32) -> Result<Acquired> {
        let acquired = self.acquire(None)?;
        let object = RawRLock::object(self);
        object.heap().set_depth(object, depth);
        Ok(acquired)
    }
}

impl<H: Host> RawCondition<H> {
    /// A condition at which nobody waits.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>) -> Result<Self> {
        let node = heap.new_places(heap.local()?, 0)?;
        let root = (node.cell(), node.block);
        node.used();
        Ok(RawCondition {
            object: heap.create_object(Kind::Condition, 0, Some(root), 0)?,
        })
    }

    /// Takes a place: from now on a notification may be for it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::WouldBlock`] where this thread may not wait for others
    /// at work here.
    pub fn enlist(&self) -> Result<Enlisted> {
        let section = "condition.wait";
        self.heap()
            .with_free_place(&self.object, Op::Wait, section, |held, at| {
                let ticket = held.heap.get(self.at(O_AUX)).wrapping_add(1);
                held.host()
                    .store64(self.at(O_AUX), ticket, Ordering::Relaxed);
                Ok(Enlisted(held.heap.take_place(held.local, at, ticket)))
            })
    }

    /// Whether the notification for this place has come. Never waits.
    pub fn is_notified(&self, place: &Enlisted) -> bool {
        let word = self.heap().host().load32(place.0.at, Ordering::Acquire);
        word & STATE == CALLED
    }

    /// Gives the place up; whether a notification had come. Never waits.
    #[must_use = "a notification that had come is for whoever left"]
    pub fn leave(&self, place: Enlisted) -> bool {
        self.heap().leave_place(place.0) & STATE == CALLED
    }

    /// Sleeps until the place is notified, at most `timeout`; whether it was.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait, and what its check says.
    pub fn sleep(&self, place: &Enlisted, timeout: Option<Duration>) -> Result<bool> {
        let host = self.heap().host();
        let called = wait_at(
            &self.object,
            place.0.at,
            None,
            timeout,
            || Ok(self.is_notified(place).then_some(())),
            || host.load32(place.0.at, Ordering::Acquire),
            Some(|| self.look_for_dead()),
        )?;
        Ok(called.is_some())
    }

    /// Whether one who was notified died before it answered: then it is another's turn.
    pub fn look_for_dead(&self) {
        let mut called = Vec::new();
        let _ = self
            .heap()
            .each_waiter::<()>(self.object.offset(), |place| {
                if place.word & STATE == CALLED {
                    called.push(place.slot());
                }
                ControlFlow::Continue(())
            });
        for slot in called {
            self.heap().settle_if_ended(slot);
        }
    }

    /// Gives `lock` up, waits to be notified, at most `timeout` (`None`: for ever), and takes the
    /// lock again, which may take longer.
    ///
    /// # Errors
    /// [`Error::NotHeld`] without the lock; [`Error::WouldBlock`] where this thread may not wait;
    /// what its check says, once the lock is held again.
    pub fn wait(&self, lock: &impl Relock<H>, timeout: Option<Duration>) -> Result<Waited> {
        if !lock.is_held() {
            return Err(Error::NotHeld { what: NOT_HELD });
        }
        if !lock::waiting_allowed() {
            return Err(Error::WouldBlock);
        }
        let place = self.enlist()?;
        let depth = match lock.give_up() {
            Ok(depth) => depth,
            Err(error) => {
                self.leave_for(place);
                return Err(error);
            }
        };
        let slept = self.sleep(&place, timeout);
        let mut failed = slept.err();
        let again = loop {
            match lock.take_back(depth) {
                Ok(acquired) => break acquired,
                // Whoever is interrupted believes to have the lock as well: it waits for it, and
                // a dead owner does not keep it.
                Err(error @ Error::Interrupted) => failed = Some(failed.unwrap_or(error)),
                Err(error) => {
                    self.leave_for(place);
                    return Err(error);
                }
            }
        };
        match failed {
            None => Ok(Waited {
                notified: self.leave(place),
                lock: again,
            }),
            Some(error) => {
                self.leave_for(place);
                if let Acquired::Abandoned(death) = again {
                    // The caller does not hear of it now: the next owner is to.
                    let object = lock.object();
                    object.heap().note_death(object.offset(), death);
                }
                Err(error)
            }
        }
    }

    /// Gives a place up that nobody can answer for; a notification goes to another.
    pub fn leave_for(&self, place: Enlisted) {
        if self.leave(place) {
            let _ = lock::waiting(|| self.notify(1));
        }
    }

    /// Notifies up to `n` of those who wait, in the order in which they came; how many. Their
    /// waits end once they have the lock.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait for others at work here.
    pub fn notify(&self, n: u32) -> Result<u32> {
        let heap = self.heap();
        let held = heap.enter(&self.object, Op::Raise, "condition.notify")?;
        let last = heap.get(self.at(O_AUX));
        let mut waiting = Vec::new();
        heap.each_waiter::<()>(self.object.offset(), |place| {
            if place.word & STATE == WAITING {
                waiting.push(place);
            }
            ControlFlow::Continue(())
        })?;
        waiting.sort_unstable_by_key(|place| place.ticket);
        let mut called = Vec::new();
        for place in waiting {
            if called.len() as u64 == u64::from(n) {
                break;
            }
            if heap.call_waiter(place, CALLED, last) {
                called.push(place.at);
            }
        }
        drop(held);
        for &at in &called {
            heap.host().futex_wake(at, 1);
        }
        Ok(called.len() as u32)
    }

    /// Notifies all who wait; how many.
    ///
    /// # Errors
    /// As [`RawCondition::notify`].
    pub fn notify_all(&self) -> Result<u32> {
        self.notify(u32::MAX)
    }

    /// How many wait and have not been notified yet, dead ones that nobody has settled included.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn waiting(&self) -> Result<u32> {
        self.count(WAITING)
    }

    /// How many have been notified and have not gone on yet.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn notified(&self) -> Result<u32> {
        self.count(CALLED)
    }

    fn count(&self, state: u32) -> Result<u32> {
        let mut n = 0;
        self.heap()
            .each_waiter::<()>(self.object.offset(), |place| {
                n += u32::from(place.word & STATE == state);
                ControlFlow::Continue(())
            })?;
        Ok(n)
    }
}
