//! Semaphore, a plain count; BoundedSemaphore, which knows who holds its permits.
//!
//! A Semaphore is one word, `O_THREAD`, that sleepers wait at while it is 0. `O_DEPTH` counts
//! who may be asleep: `epoch(12) | sleepers(20)`. A waiter that is killed leaves it too high,
//! which costs its releasers a system call each, until its estate is settled: that begins a new
//! epoch with nobody counted and wakes everyone, and who was counted in an old one takes nothing
//! off. One who was just about to fall asleep then sleeps uncounted, for one slice at most.
//!
//! A BoundedSemaphore has a node with one 64-bit cell per participant: how many permits it
//! holds. That is the truth; the number of free permits (`O_AUX`) is a cache. Cell 0 has the
//! permits of those who left in order with them. Both words change under the internal lock, the
//! cell being the commit word. Sleepers wait at `O_THREAD`, which every release changes. If a
//! holder dies, `heap::estate` empties its cell and wakes everyone.

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::estate::{KEEP_ON_DEATH, SLEEPERS_EPOCH};
use crate::heap::held::Held;
use crate::heap::layout::{BUFFER_DATA, MAX_PARTICIPANTS, O_AUX, O_DEPTH, O_META, O_THREAD};
use crate::heap::lock;
use crate::heap::log::Action;
use crate::heap::look::Words;
use crate::heap::node::Form;
use crate::heap::object::{Kind, ObjectRef};
use crate::observer::Op;
use crate::sync::lock::{face, mark_signal};
use crate::sync::{Acquired, OnDeath};
use crate::sys::{Host, Real};

/// The most permits a semaphore can have, as in multiprocessing.
const MOST: u32 = i32::MAX as u32;

const FIRST_SLICE: Duration = Duration::from_millis(1);
const LAST_SLICE: Duration = Duration::from_millis(50);

/// A count that cannot go below zero.
pub struct RawSemaphore<H: Host = Real> {
    object: ObjectRef<H>,
}

/// A count of permits that cannot go above its first value.
pub struct RawBoundedSemaphore<H: Host = Real> {
    object: ObjectRef<H>,
}

face!(RawSemaphore, Kind::Semaphore);
face!(RawBoundedSemaphore, Kind::BoundedSemaphore);

/// Sleeps at the word `O_THREAD` of an object while it has `seen`, in slices, until `ready` is
/// done or the time is up. `between`, where it matters who has died, is called after each slice that
/// ended without a change, and the first slices are short; else every slice is a long one, for who
/// has run in vain is run later when it is woken (docs/design/0006).
pub(crate) fn wait_until<H: Host, T>(
    object: &ObjectRef<H>,
    timeout: Option<Duration>,
    ready: impl FnMut() -> Result<Option<T>>,
    seen: impl Fn() -> u32,
    between: Option<impl FnMut()>,
) -> Result<Option<T>> {
    let word = object.offset() + O_THREAD;
    let sleepers = Some(object.offset() + O_DEPTH);
    wait_at(object, word, sleepers, timeout, ready, seen, between)
}

/// The same at any word; `sleepers`, where there may be several, is the word that counts them.
pub(crate) fn wait_at<H: Host, T>(
    object: &ObjectRef<H>,
    word: u64,
    sleepers: Option<u64>,
    timeout: Option<Duration>,
    mut ready: impl FnMut() -> Result<Option<T>>,
    seen: impl Fn() -> u32,
    mut between: Option<impl FnMut()>,
) -> Result<Option<T>> {
    let host = object.heap().host();
    let mut spins = 0;
    let mut started = None;
    let mut slice = if between.is_some() {
        FIRST_SLICE
    } else {
        LAST_SLICE
    };
    let mut slept = false;
    loop {
        let now = seen();
        if let Some(done) = ready()? {
            return Ok(Some(done));
        }
        if slept {
            // After the look: who was woken for something has it as soon as can be.
            lock::check()?;
        }
        if timeout == Some(Duration::ZERO) {
            return Ok(None);
        }
        if spins < host.spins() {
            spins += 1;
            core::hint::spin_loop();
            continue;
        }
        if !lock::waiting_allowed() {
            return Err(Error::WouldBlock);
        }
        let time = host.now();
        let since = *started.get_or_insert(time);
        let left = timeout.map_or(LAST_SLICE, |t| t.saturating_sub(time.saturating_sub(since)));
        if left.is_zero() {
            return Ok(None);
        }
        let registered = sleepers.map(|at| (at, host.add32(at, 1) / SLEEPERS_EPOCH));
        // Whoever changes the word from here on sees a sleeper; a change before ends the sleep
        // at once, for the word is no longer what was seen.
        host.futex_wait(word, now, slice.min(left));
        if let Some((at, epoch)) = registered {
            let mut asleep = host.load32(at, Ordering::Relaxed);
            // In another epoch nobody counts us any more.
            while asleep / SLEEPERS_EPOCH == epoch && !asleep.is_multiple_of(SLEEPERS_EPOCH) {
                match host.cas32(at, asleep, asleep - 1) {
                    Ok(_) => break,
                    Err(found) => asleep = found,
                }
            }
        }
        slept = true;
        if let Some(between) = between.as_mut().filter(|_| seen() == now) {
            slice = (slice * 2).min(LAST_SLICE);
            between();
        }
    }
}

/// Wakes sleepers of an object, if there may be any.
pub(crate) fn wake<H: Host>(object: &ObjectRef<H>, n: u32) {
    let host = object.heap().host();
    if sleepers(object) != 0 {
        host.futex_wake(object.offset() + O_THREAD, n);
    }
}

/// How many may be asleep at an object.
pub(crate) fn sleepers<H: Host>(object: &ObjectRef<H>) -> u32 {
    let host = object.heap().host();
    host.load32(object.offset() + O_DEPTH, Ordering::SeqCst) % SLEEPERS_EPOCH
}

fn too_many() -> Error {
    Error::NotHeld {
        what: "semaphore or lock released too many times",
    }
}

impl<H: Host> RawSemaphore<H> {
    /// A semaphore with `value` permits.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for more than 2147483647; [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>, value: u32) -> Result<Self> {
        check_value(value)?;
        let object = heap.create_object(Kind::Semaphore, value, None, 0)?;
        heap.host()
            .store32(object.offset() + O_THREAD, value, Ordering::Release);
        Ok(RawSemaphore { object })
    }

    /// Takes a permit, waiting at most `timeout` (`None`: for ever; zero: not at all).
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait, and what its check says.
    #[inline]
    pub fn acquire(&self, timeout: Option<Duration>) -> Result<Acquired> {
        let told = self.object.before(Op::Acquire);
        let host = self.heap().host();
        let at = self.at(O_THREAD);
        let seen = || host.load32(at, Ordering::Acquire);
        let take = || {
            let mut value = seen();
            while value > 0 {
                match host.cas32(at, value, value - 1) {
                    Ok(_) => return Ok(Some(())),
                    Err(found) => value = found,
                }
            }
            Ok(None)
        };
        let mut taken = take()?;
        let contended = taken.is_none();
        if contended {
            taken = wait_until(&self.object, timeout, take, || 0, None::<fn()>)?;
        }
        self.object.after(told, contended);
        Ok(taken.map_or(Acquired::No, |()| Acquired::Yes))
    }

    /// Gives `n` permits.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when there would be more than 2147483647.
    #[inline]
    pub fn release(&self, n: u32) -> Result<()> {
        let told = self.object.before(Op::Release);
        let host = self.heap().host();
        let mut value = host.load32(self.at(O_THREAD), Ordering::Relaxed);
        loop {
            let more = value.checked_add(n).filter(|&v| v <= MOST);
            let more = more.ok_or_else(too_many)?;
            match host.cas32(self.at(O_THREAD), value, more) {
                Ok(_) => break,
                Err(found) => value = found,
            }
        }
        wake(&self.object, n);
        self.object.after(told, false);
        Ok(())
    }

    /// How many threads may be asleep waiting, in all processes.
    pub fn sleepers(&self) -> u32 {
        sleepers(&self.object)
    }

    /// Permits that are free now.
    pub fn value(&self) -> u32 {
        self.object.tell_of(Op::Get, false);
        self.heap()
            .host()
            .load32(self.at(O_THREAD), Ordering::Relaxed)
    }
}

fn check_value(value: u32) -> Result<()> {
    if value <= MOST {
        return Ok(());
    }
    Err(Error::Unsupported {
        what: format!("a semaphore of {value}: the most is {MOST}"),
    })
}

impl<H: Host> RawBoundedSemaphore<H> {
    /// A semaphore with `value` permits, which is also the most it ever has.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for more than 2147483647; [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>, value: u32, on_death: OnDeath) -> Result<Self> {
        check_value(value)?;
        let local = heap.local()?;
        let bytes = BUFFER_DATA + MAX_PARTICIPANTS * 8;
        let node = heap.new_node(local, Form::Data, MAX_PARTICIPANTS, bytes)?;
        heap.host()
            .zero_words(node.block.off + BUFFER_DATA, MAX_PARTICIPANTS);
        let root = (node.cell(), node.block);
        node.used();
        let object =
            heap.create_object(Kind::BoundedSemaphore, value, Some(root), u64::from(value))?;
        heap.host().or64(object.offset() + O_META, on_death.flags());
        Ok(RawBoundedSemaphore { object })
    }

    fn ledger(&self, held: &Held<'_, H>) -> Result<u64> {
        let root = held.root()?;
        match held.heap.node(root.off)? {
            (Form::Data, n) if n >= MAX_PARTICIPANTS => Ok(root.off + BUFFER_DATA),
            _ => Err(Error::corrupt(root.off, "not the cells of a semaphore")),
        }
    }

    /// Takes a permit, waiting at most `timeout` (`None`: for ever; zero: not at all).
    ///
    /// # Errors
    /// As [`RawSemaphore::acquire`].
    pub fn acquire(&self, timeout: Option<Duration>) -> Result<Acquired> {
        let host = self.heap().host();
        let seen = || host.load32(self.at(O_THREAD), Ordering::Acquire);
        let mut again = false;
        let taken = wait_until(
            &self.object,
            timeout,
            || {
                let taken = self.try_take(again)?;
                again = true;
                Ok(taken)
            },
            seen,
            Some(|| self.look_for_dead()),
        )?;
        if taken.is_none() {
            self.object.tell_of(Op::Acquire, true);
        }
        Ok(taken.map_or(Acquired::No, |()| Acquired::Yes))
    }

    fn try_take(&self, again: bool) -> Result<Option<()>> {
        let mut held = self
            .heap()
            .enter(&self.object, Op::Acquire, "semaphore.acquire")?;
        let free = held.heap.get(self.at(O_AUX));
        if free == 0 {
            held.untold();
            return Ok(None);
        }
        if again {
            held.had_waited();
        }
        let cell = self.ledger(&held)? + held.local.slot * 8;
        let mine = held.heap.get(cell);
        held.commit(
            cell,
            mine.wrapping_add(1),
            &[Action::Store(self.at(O_AUX), free - 1)],
        )?;
        Ok(Some(()))
    }

    /// Whether one of the holders has died: its permits come back with its estate.
    fn look_for_dead(&self) {
        let heap = self.heap();
        if heap.get(self.at(O_META)) & KEEP_ON_DEATH != 0 {
            return;
        }
        let Ok(mut held) = heap.enter(&self.object, Op::Wait, "semaphore.look") else {
            return;
        };
        held.untold();
        let Ok(ledger) = self.ledger(&held) else {
            return;
        };
        let holders: Vec<u64> = (1..MAX_PARTICIPANTS)
            .filter(|slot| heap.get(ledger + slot * 8) != 0)
            .collect();
        drop(held);
        for slot in holders {
            heap.settle_if_ended(slot);
        }
    }

    /// Gives a permit back, one of this process's if it has any.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when all are free.
    pub fn release(&self) -> Result<()> {
        let mut held = self
            .heap()
            .enter(&self.object, Op::Release, "semaphore.release")?;
        let ledger = self.ledger(&held)?;
        let own = ledger + held.local.slot * 8;
        let cell = if held.heap.get(own) > 0 {
            own
        } else {
            // A producer takes, a consumer gives: the permits of a bounded buffer.
            let other = (0..MAX_PARTICIPANTS)
                .map(|slot| ledger + slot * 8)
                .find(|&cell| held.heap.get(cell) > 0)
                .ok_or_else(too_many)?;
            mark_signal(&self.object);
            other
        };
        let free = held.heap.get(self.at(O_AUX));
        let taken = held.heap.get(cell);
        held.commit(cell, taken - 1, &[Action::Store(self.at(O_AUX), free + 1)])?;
        held.host().add32(self.at(O_THREAD), 1);
        drop(held);
        wake(&self.object, 1);
        Ok(())
    }

    /// The most permits there are ever.
    pub fn bound(&self) -> u32 {
        self.heap().get(self.at(O_META)) as u32
    }

    /// How many threads may be asleep waiting, in all processes.
    pub fn sleepers(&self) -> u32 {
        sleepers(&self.object)
    }

    /// Permits that are free now.
    pub fn value(&self) -> u32 {
        self.object.tell_of(Op::Get, false);
        self.heap().get(self.at(O_AUX)) as u32
    }
}
