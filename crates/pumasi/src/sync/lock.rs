//! Lock and RLock: the user word of an object's header, an owner word like that of the internal
//! lock (`heap::lock`), with a rule for deaths.

use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::error::{Error, Result};
use crate::heap::estate::{CHOSEN, IS_SIGNAL, KEEP_ON_DEATH};
use crate::heap::layout::{O_DEATH, O_DEPTH, O_META, O_THREAD, O_USER, OWNER, STARVED, WAITERS};
use crate::heap::lock::{Rule, Taken};
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::{Heap, Local};
use crate::observer::Op;
use crate::sync::{Acquired, OnDeath};
use crate::sys::{Host, Real};

/// A lock which whoever may release: processes, threads, another than took it.
pub struct RawLock<H: Host = Real> {
    object: ObjectRef<H>,
}

/// A lock which the thread that has it may take again.
pub struct RawRLock<H: Host = Real> {
    object: ObjectRef<H>,
}

macro_rules! face {
    ($name:ident, $kind:expr) => {
        impl<H: Host> core::fmt::Debug for $name<H> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.object.fmt(f)
            }
        }

        impl<H: Host> Clone for $name<H> {
            fn clone(&self) -> Self {
                $name {
                    object: self.object.clone(),
                }
            }
        }

        impl<H: Host> $name<H> {
            /// The one that a handle leads to.
            ///
            /// # Errors
            /// [`crate::Error::TypeMismatch`] when the object is something else.
            pub fn from_object(object: ObjectRef<H>) -> Result<Self> {
                object.expect($kind)?;
                Ok($name { object })
            }

            /// The handle.
            #[inline(always)]
            pub fn object(&self) -> &ObjectRef<H> {
                &self.object
            }

            #[inline(always)]
            #[allow(dead_code, reason = "not every primitive needs it")]
            fn heap(&self) -> &Heap<H> {
                self.object.heap()
            }

            #[inline(always)]
            #[allow(dead_code, reason = "not every primitive needs it")]
            fn at(&self, field: u64) -> u64 {
                self.object.offset() + field
            }
        }
    };
}
pub(crate) use face;

face!(RawLock, Kind::Lock);
face!(RawRLock, Kind::RLock);

fn rule(meta: u64) -> Rule {
    if meta & (KEEP_ON_DEATH | IS_SIGNAL) == 0 {
        Rule::Free
    } else {
        Rule::Keep
    }
}

fn create<H: Host>(heap: &Heap<H>, kind: Kind, on_death: OnDeath) -> Result<ObjectRef<H>> {
    let object = heap.create_object(kind, 0, None, 0)?;
    heap.host().or64(object.offset() + O_META, on_death.flags());
    Ok(object)
}

impl<H: Host> RawLock<H> {
    /// A free lock.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>, on_death: OnDeath) -> Result<Self> {
        Ok(RawLock {
            object: create(heap, Kind::Lock, on_death)?,
        })
    }

    /// Takes the lock if it is free. Never waits.
    ///
    /// # Errors
    /// [`Error::TooManyParticipants`] when this process cannot attach.
    #[inline]
    pub fn try_acquire(&self) -> Result<Acquired> {
        self.acquire(Some(Duration::ZERO))
    }

    /// Takes the lock, waiting at most `timeout` (`None`: for ever). A death of its owner ends
    /// the wait within 50 ms.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where this thread may not wait, and what its check says
    /// ([`crate::sync::with_check`]).
    #[inline]
    pub fn acquire(&self, timeout: Option<Duration>) -> Result<Acquired> {
        let told = self.object.before(Op::Acquire);
        let local = self.heap().local()?;
        if self.heap().try_take(local, self.at(O_USER)) {
            self.note_thread();
            let acquired = self.told_of_death();
            self.object.after(told, false);
            return Ok(acquired);
        }
        // The word may also hold what a waiter that has gone left there.
        let contended = told.is_some() && self.has_owner();
        let acquired = self.acquire_slowly(local, timeout)?;
        self.object.after(told, contended);
        Ok(acquired)
    }

    /// Says which thread has it, for those who ask; to excluding others it means nothing.
    #[inline(always)]
    fn note_thread(&self) {
        let host = self.heap().host();
        host.store32(self.at(O_THREAD), host.thread(), Ordering::Relaxed);
    }

    #[inline(always)]
    fn told_of_death(&self) -> Acquired {
        if self
            .heap()
            .host()
            .load64(self.at(O_DEATH), Ordering::Relaxed)
            == 0
        {
            return Acquired::Yes;
        }
        self.heap()
            .take_death(self.object.offset())
            .map_or(Acquired::Yes, Acquired::Abandoned)
    }

    #[cold]
    fn acquire_slowly(&self, local: &'static Local, timeout: Option<Duration>) -> Result<Acquired> {
        let heap = self.heap();
        let rule = rule(heap.get(self.at(O_META)));
        match heap.take_contended(local, self.at(O_USER), timeout, rule)? {
            Taken::Ours => {
                self.note_thread();
                Ok(self.told_of_death())
            }
            Taken::TimedOut => Ok(Acquired::No),
            Taken::FromDead(slot, death) => {
                self.note_thread();
                heap.settle(slot);
                Ok(Acquired::Abandoned(death))
            }
        }
    }

    /// Gives the lock up, whoever took it.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when it is free.
    #[inline]
    pub fn release(&self) -> Result<()> {
        let told = self.object.before(Op::Release);
        let heap = self.heap();
        let local = heap.local()?;
        if heap.host().cas32(self.at(O_USER), local.token, 0).is_err() {
            self.release_slowly(local)?;
        }
        self.object.after(told, false);
        Ok(())
    }

    #[cold]
    fn release_slowly(&self, local: &Local) -> Result<()> {
        let (heap, at) = (self.heap(), self.at(O_USER));
        let mut word = heap.host().load32(at, Ordering::Relaxed);
        loop {
            if word & OWNER == 0 {
                return Err(Error::NotHeld {
                    what: "semaphore or lock released too many times",
                });
            }
            if word & OWNER != local.token {
                mark_signal(&self.object);
            }
            let left = if word & STARVED == 0 {
                0
            } else {
                STARVED | WAITERS
            };
            match heap.host().cas32(at, word, left) {
                Ok(_) => break,
                Err(found) => word = found,
            }
        }
        if word & WAITERS != 0 {
            heap.host().futex_wake(at, 1);
        }
        Ok(())
    }

    /// Whether anybody has it.
    pub fn is_locked(&self) -> bool {
        self.object.tell_of(Op::Get, false);
        self.has_owner()
    }

    fn has_owner(&self) -> bool {
        self.heap()
            .host()
            .load32(self.at(O_USER), Ordering::Relaxed)
            & OWNER
            != 0
    }

    /// Whether this thread took it, and nobody has released it since.
    pub fn is_mine(&self) -> bool {
        let host = self.heap().host();
        let word = host.load32(self.at(O_USER), Ordering::Relaxed);
        self.heap()
            .local()
            .is_ok_and(|local| self.heap().holds_user(local, self.object.offset(), word))
    }

    /// Whether a thread of this process has it.
    pub fn is_ours(&self) -> bool {
        let word = self
            .heap()
            .host()
            .load32(self.at(O_USER), Ordering::Relaxed);
        self.heap()
            .local()
            .is_ok_and(|local| word & OWNER == local.token)
    }
}

/// Another process than the acquirer released it: from now on it is a signal (D 8), unless its
/// maker chose what a death does.
pub(crate) fn mark_signal<H: Host>(object: &ObjectRef<H>) {
    let (heap, at) = (object.heap(), object.offset() + O_META);
    if heap.get(at) & (CHOSEN | IS_SIGNAL) == 0 {
        heap.host().or64(at, IS_SIGNAL);
    }
}

impl<H: Host> RawRLock<H> {
    /// A free lock.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn create(heap: &Heap<H>, on_death: OnDeath) -> Result<Self> {
        Ok(RawRLock {
            object: create(heap, Kind::RLock, on_death)?,
        })
    }

    /// Takes the lock if it is free or this thread's. Never waits.
    ///
    /// # Errors
    /// As [`RawLock::try_acquire`].
    pub fn try_acquire(&self) -> Result<Acquired> {
        self.acquire(Some(Duration::ZERO))
    }

    /// Takes the lock, waiting at most `timeout` (`None`: for ever).
    ///
    /// # Errors
    /// As [`RawLock::acquire`].
    #[inline]
    pub fn acquire(&self, timeout: Option<Duration>) -> Result<Acquired> {
        let told = self.object.before(Op::Acquire);
        let contended = told.is_some() && self.heap().is_of_another(&self.object);
        let acquired = self.take(timeout)?;
        self.object.after(told, contended);
        Ok(acquired)
    }

    /// As [`RawRLock::acquire`], and the observer is not told.
    #[inline]
    pub(crate) fn take(&self, timeout: Option<Duration>) -> Result<Acquired> {
        let rule = rule(self.heap().get(self.at(O_META)));
        let taken = self.heap().take_user(&self.object, timeout, rule)?;
        Ok(match taken {
            None => Acquired::No,
            Some(None) => Acquired::Yes,
            Some(Some(death)) => Acquired::Abandoned(death),
        })
    }

    /// Gives the lock up once.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when it is not this thread's.
    #[inline]
    pub fn release(&self) -> Result<()> {
        let told = self.object.before(Op::Release);
        self.give()?;
        self.object.after(told, false);
        Ok(())
    }

    /// As [`RawRLock::release`], and the observer is not told.
    #[inline]
    pub(crate) fn give(&self) -> Result<()> {
        let what = "attempt to release recursive lock not owned by thread";
        self.heap().give_user(&self.object, what)
    }

    /// Excludes every other holder for a few instructions, in which the caller touches what the
    /// lock protects and nothing else. If this thread has the lock, that is enough.
    ///
    /// # Errors
    /// As [`RawLock::acquire`].
    #[inline(always)]
    pub fn hold(&self) -> Result<Hold<'_, H>> {
        let heap = self.heap();
        let local = heap.local()?;
        let mut ours = heap.try_take(local, self.at(O_USER));
        let mut contended = false;
        if !ours {
            ours = self.hold_slowly(local)?;
            contended = ours;
        }
        Ok(Hold {
            heap,
            local,
            at: self.at(O_USER),
            ours,
            contended,
        })
    }

    #[cold]
    #[inline(never)]
    fn hold_slowly(&self, local: &'static Local) -> Result<bool> {
        let heap = self.heap();
        let word = heap.host().load32(self.at(O_USER), Ordering::Relaxed);
        if heap.holds_user(local, self.object.offset(), word) {
            return Ok(false);
        }
        let rule = rule(heap.get(self.at(O_META)));
        if let Taken::FromDead(slot, death) =
            heap.take_contended(local, self.at(O_USER), None, rule)?
        {
            // The next who really takes the lock is told.
            heap.note_death(self.object.offset(), death);
            heap.settle(slot);
        }
        Ok(true)
    }

    /// Whether anybody has it.
    pub fn is_locked(&self) -> bool {
        self.object.tell_of(Op::Get, false);
        self.heap()
            .host()
            .load32(self.at(O_USER), Ordering::Relaxed)
            & OWNER
            != 0
    }

    /// Whether this thread has it.
    pub fn is_mine(&self) -> bool {
        let word = self
            .heap()
            .host()
            .load32(self.at(O_USER), Ordering::Relaxed);
        self.heap()
            .local()
            .is_ok_and(|local| self.heap().holds_user(local, self.object.offset(), word))
    }

    /// Whether a thread of this process has it.
    pub fn is_ours(&self) -> bool {
        let word = self
            .heap()
            .host()
            .load32(self.at(O_USER), Ordering::Relaxed);
        self.heap()
            .local()
            .is_ok_and(|local| word & OWNER == local.token)
    }

    /// How often the thread of this process which has it has it; 0 when none has.
    pub fn depth(&self) -> u32 {
        if self.is_ours() {
            self.heap()
                .host()
                .load32(self.at(O_DEPTH), Ordering::Relaxed)
        } else {
            0
        }
    }
}

/// A short hold of an RLock; see [`RawRLock::hold`].
#[must_use]
pub struct Hold<'a, H: Host = Real> {
    heap: &'a Heap<H>,
    local: &'static Local,
    at: u64,
    ours: bool,
    contended: bool,
}

impl<H: Host> core::fmt::Debug for Hold<'_, H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hold")
            .field("ours", &self.ours)
            .field("contended", &self.contended)
            .finish_non_exhaustive()
    }
}

impl<H: Host> Hold<'_, H> {
    /// Whether another had to be waited for.
    #[inline(always)]
    pub fn contended(&self) -> bool {
        self.contended
    }
}

impl<H: Host> Drop for Hold<'_, H> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.ours {
            self.heap.give(self.local, self.at);
        }
    }
}
