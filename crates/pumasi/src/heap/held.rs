//! Holding an object: the way into every operation, and the user's lock beside the internal one.
//!
//! The fast way is a few loads and one compare-and-swap in, one out; everything else (somebody
//! waits, somebody died, somebody watches, something is to be destroyed) is kept out of line, and
//! takes and gives single words only: a `Held` that no slow function gets a reference to is a few
//! registers. Passed through memory it cost as much again as the lock (loads that wait for two
//! narrower stores), which is also why hot functions hand it to cold ones by value.

use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;
use core::time::Duration;

use crate::error::{Error, Fast, Result};
use crate::heap::cell::BlockWord;
use crate::heap::change::WAITED;
use crate::heap::layout::{
    O_DEATH, O_DEPTH, O_LOCK, O_META, O_THREAD, O_USER, O_VERSION, OWNER, SB_OBSERVED,
};
use crate::heap::lock::{self, Rule, Taken};
use crate::heap::log::{Action, Doomed};
use crate::heap::look::Words;
use crate::heap::object::ObjectRef;
use crate::heap::observe::{Pending, Told};
use crate::heap::participant::Death;
use crate::heap::{Heap, Local};
use crate::observer::Op;
use crate::sys::Host;

/// An object whose internal lock is held. Dropping gives the lock up, destroys what the
/// operation left without a holder, settles the estate of a dead holder it came across, and
/// tells the observer.
pub(crate) struct Held<'a, H: Host> {
    pub(crate) heap: &'a Heap<H>,
    pub(crate) local: &'static Local,
    pub(crate) object: u64,
    /// What is to do once the lock is given up; most operations leave nothing. Taken out by
    /// `Drop` alone, so that dropping is no more than that function.
    later: ManuallyDrop<Option<Box<Later>>>,
}

#[derive(Default)]
struct Later {
    doomed: Doomed,
    /// The slot of a dead holder, or 0.
    estate: u64,
    told: Told,
}

impl<'a, H: Host> Held<'a, H> {
    /// Gives the lock up while `f` takes memory from the system (D 7), and takes it again: what
    /// was seen under it is to be looked at anew. To the observer it stays one operation.
    #[cold]
    #[inline(never)]
    pub(crate) fn outside<T>(
        mut self,
        object: &ObjectRef<H>,
        section: &'static str,
        f: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Held<'a, H>)> {
        let (heap, local) = (self.heap, self.local);
        let told = self.later.as_mut().and_then(|later| later.told.take());
        drop(self);
        let result = f();
        let again = Box::new(Later {
            told,
            ..Later::default()
        });
        let whom = (object.offset(), object.generation());
        let later = heap.enter_with(local, whom, section, false, again)?;
        let held = Held {
            heap,
            local,
            object: object.offset(),
            later: ManuallyDrop::new(later),
        };
        // Whatever came of it, the observer hears of the end.
        Ok((result?, held))
    }

    #[inline(always)]
    pub(crate) fn host(&self) -> &H {
        self.heap.host()
    }

    /// A word that only holders of the lock write: taking the lock has ordered it, so that the
    /// compiler may keep around this load what it knows of private memory.
    #[inline(always)]
    pub(crate) fn get(&self, at: u64) -> u64 {
        self.host().load64(at, Ordering::Relaxed)
    }

    /// Raises the version: the operation changes the object, or where its parts are. Before
    /// anything that others can reach is written (LOOK-1). Wakes who waits for it (CHANGE-1).
    #[inline(always)]
    pub(crate) fn changed(&self) {
        let at = self.object + O_VERSION;
        let version = self.host().load64(at, Ordering::Relaxed);
        // Who sees this version sees the lock taken, and who sees what follows sees this version.
        self.host()
            .store64(at, version.wrapping_add(1), Ordering::Release);
        self.host().fence_of(Ordering::Release);
        if self.get(self.object + O_META) & WAITED != 0 {
            self.heap.call_who_waits(self.object);
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.host()
            .load64(self.object + O_VERSION, Ordering::Relaxed)
    }

    /// Commits through the log; see `log`.
    #[inline(always)]
    pub(crate) fn commit(&mut self, at: u64, value: u64, actions: &[Action]) -> Result<()> {
        let mut doomed = Doomed::new();
        let (heap, object) = (self.heap, self.object);
        let result = heap.commit(self.local, object, at, value, actions, &mut doomed);
        if !doomed.is_empty() {
            self.destroy_later(&mut doomed);
        }
        result
    }

    /// Takes back what the observer would be told: this was only a look.
    #[inline(always)]
    pub(crate) fn untold(&mut self) {
        if let Some(later) = &mut *self.later {
            later.told = None;
        }
    }

    /// Lets the observer know that the operation had to wait before.
    #[inline(always)]
    pub(crate) fn had_waited(&mut self) {
        if let Some(later) = &mut *self.later
            && let Some(told) = &mut later.told
        {
            told.contended();
        }
    }

    #[cold]
    fn destroy_later(&mut self, doomed: &mut Doomed) {
        self.later.get_or_insert_default().doomed.append(doomed);
    }
}

impl<H: Host> Words<H> for Held<'_, H> {
    const STEPS: u64 = u64::MAX;

    #[inline(always)]
    fn heap(&self) -> &Heap<H> {
        self.heap
    }
    #[inline(always)]
    fn object(&self) -> u64 {
        self.object
    }
    #[inline(always)]
    fn get(&self, at: u64) -> u64 {
        Held::get(self, at)
    }
}

impl<H: Host> Drop for Held<'_, H> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: a value is dropped once, and nothing reads the field afterwards.
        match unsafe { ManuallyDrop::take(&mut self.later) } {
            None => {
                self.heap.give(self.local, self.object + O_LOCK);
                self.host().section("");
            }
            Some(later) => leave_slowly(self.heap, self.local, self.object, later),
        }
    }
}

#[cold]
#[inline(never)]
#[allow(
    clippy::boxed_local,
    reason = "a pointer, so that `Held` stays in registers"
)]
fn leave_slowly<H: Host>(
    heap: &Heap<H>,
    local: &'static Local,
    object: u64,
    mut later: Box<Later>,
) {
    if let Some(told) = &mut later.told {
        told.ticket(heap, object);
    }
    heap.give(local, object + O_LOCK);
    heap.host().section("");
    heap.destroy_all(local, later.doomed);
    if later.estate != 0 {
        heap.settle(later.estate);
    }
    if let Some(told) = later.told {
        told.after(heap);
    }
}

impl<H: Host> Heap<H> {
    /// Takes the internal lock of an object for one operation, once no other holds its
    /// `locked()`.
    ///
    /// # Errors
    /// [`Error::StaleReference`]; [`Error::WouldBlock`] where this thread may not wait; what the
    /// caller's check says.
    #[inline(always)]
    pub(crate) fn enter<'a>(
        &'a self,
        object: &ObjectRef<H>,
        op: Op,
        section: &'static str,
    ) -> Fast<Held<'a, H>> {
        let (host, off) = (self.host(), object.offset());
        let local = self.local()?;
        let taken =
            host.load64(SB_OBSERVED, Ordering::Relaxed) == 0 && self.try_take(local, off + O_LOCK);
        let later = if taken && self.may_use(off, object.generation()) {
            host.section(section);
            None
        } else {
            self.enter_slowly(local, (off, object.generation()), op, section, taken)?
        };
        Ok(Held {
            heap: self,
            local,
            object: off,
            later: ManuallyDrop::new(later),
        })
    }

    /// Whether the object whose internal lock is held is still there, and nobody's `locked()`.
    #[inline(always)]
    fn may_use(&self, off: u64, generation: u64) -> bool {
        self.host().load32(off + O_USER, Ordering::Relaxed) & OWNER == 0
            && self.host().load64(off, Ordering::Relaxed) == BlockWord::live(generation).0
    }

    /// Leaves the lock taken, unless it fails; `taken`: it is already.
    #[cold]
    #[inline(never)]
    fn enter_slowly(
        &self,
        local: &'static Local,
        (off, generation): (u64, u64),
        op: Op,
        section: &'static str,
        taken: bool,
    ) -> Fast<Option<Box<Later>>> {
        let mut later = Box::<Later>::default();
        if !taken && self.host().load64(SB_OBSERVED, Ordering::Relaxed) != 0 {
            later.told = Pending::before(self, off, op);
        }
        self.enter_with(local, (off, generation), section, taken, later)
    }

    /// The same of an operation that was begun before.
    fn enter_with(
        &self,
        local: &'static Local,
        (off, generation): (u64, u64),
        section: &'static str,
        mut taken: bool,
        mut later: Box<Later>,
    ) -> Fast<Option<Box<Later>>> {
        loop {
            if !taken && !self.try_take(local, off + O_LOCK) {
                later.estate = self.take_slowly(local, off)?;
                if let Some(told) = &mut later.told {
                    told.contended();
                }
            }
            taken = false;
            self.host().section(section);
            if self.word(off) != BlockWord::live(generation) {
                self.give(local, off + O_LOCK);
                self.host().section("");
                return Err(Error::StaleReference {
                    offset: off,
                    generation,
                }
                .into());
            }
            let user = self.host().load32(off + O_USER, Ordering::Relaxed);
            if user & OWNER == 0 || self.holds_user(local, off, user) {
                let needed = later.estate != 0 || later.told.is_some();
                return Ok(needed.then_some(later));
            }
            self.give(local, off + O_LOCK);
            self.host().section("");
            if later.estate != 0 {
                self.settle(core::mem::take(&mut later.estate));
            }
            self.wait_for_user(local, off)?;
        }
    }

    /// Waits until every operation that has the internal lock is done.
    pub(crate) fn drain(&self, object: &ObjectRef<H>) -> Result<()> {
        lock::waiting(|| self.enter(object, Op::Wait, "drain"))?.untold();
        Ok(())
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn take_slowly(&self, local: &'static Local, off: u64) -> Result<u64> {
        match self.take_contended(local, off + O_LOCK, None, Rule::Internal)? {
            Taken::FromDead(slot, _) => {
                let mut doomed = Doomed::new();
                self.settle_log(local, off, &mut doomed);
                // What the dead had removed is destroyed with its estate: `settle` looks at
                // every object.
                Ok(slot)
            }
            _ => Ok(0),
        }
    }

    // ---- the user's lock -------------------------------------------------------------------

    #[inline]
    pub(crate) fn holds_user(&self, local: &Local, off: u64, word: u32) -> bool {
        word & OWNER == local.token
            && self.host().load32(off + O_THREAD, Ordering::Relaxed) == self.host().thread()
    }

    /// Whether another thread has the user lock.
    pub(crate) fn is_of_another(&self, object: &ObjectRef<H>) -> bool {
        let off = object.offset();
        let word = self.host().load32(off + O_USER, Ordering::Relaxed);
        let mine = |local| self.holds_user(local, off, word);
        word & OWNER != 0 && !self.local().is_ok_and(mine)
    }

    #[cold]
    fn wait_for_user(&self, local: &Local, off: u64) -> Result<()> {
        if !lock::waiting_allowed() {
            return Err(Error::WouldBlock);
        }
        // However the holder ended: a container that nobody may use again would help no one.
        let taken = self.take_contended(local, off + O_USER, None, Rule::Internal)?;
        if let Taken::FromDead(_, death) = taken {
            self.note_death(off, death);
        }
        self.give(local, off + O_USER);
        if let Taken::FromDead(slot, _) = taken {
            self.settle(slot);
        }
        Ok(())
    }

    /// Leaves word for the next owner of the user lock that its last one died.
    pub(crate) fn note_death(&self, off: u64, death: Death) {
        let signal = death.signal.unwrap_or(0).cast_unsigned();
        let word = (u64::from(signal) << 32) | u64::from(death.pid);
        // A death of an unknown process is a death all the same.
        let word = if word == 0 { 1 << 63 } else { word };
        self.host().store64(off + O_DEATH, word, Ordering::Release);
    }

    /// The same for callers outside: for a holder who takes the news and cannot act on it.
    pub fn leave_word_of(&self, object: &ObjectRef<H>, death: Death) {
        self.note_death(object.offset(), death);
    }

    /// Takes that word away.
    pub(crate) fn take_death(&self, off: u64) -> Option<Death> {
        let death = self.word_of_death(off)?;
        self.host().store64(off + O_DEATH, 0, Ordering::Release);
        Some(death)
    }

    /// What that word says, left where it is.
    pub(crate) fn word_of_death(&self, off: u64) -> Option<Death> {
        let word = self.get(off + O_DEATH);
        (word != 0).then_some(Death {
            pid: word as u32,
            signal: Some(((word >> 32) & 0x7fff_ffff) as i32).filter(|&s| s != 0),
        })
    }

    /// Takes a re-entrant user lock; `None` on a timeout.
    pub(crate) fn take_user(
        &self,
        object: &ObjectRef<H>,
        timeout: Option<Duration>,
        rule: Rule,
    ) -> Result<Option<Option<Death>>> {
        let local = self.local()?;
        let (host, off) = (self.host(), object.offset());
        let word = host.load32(off + O_USER, Ordering::Relaxed);
        if self.holds_user(local, off, word) {
            let depth = host.load32(off + O_DEPTH, Ordering::Relaxed);
            host.store32(off + O_DEPTH, depth.saturating_add(1), Ordering::Relaxed);
            return Ok(Some(None));
        }
        let (mut death, mut estate) = (None, 0);
        if !self.try_take(local, off + O_USER) {
            match self.take_contended(local, off + O_USER, timeout, rule)? {
                Taken::Ours => {}
                Taken::FromDead(slot, who) => {
                    death = Some(who);
                    estate = slot;
                }
                Taken::TimedOut => return Ok(None),
            }
        }
        host.store32(off + O_THREAD, host.thread(), Ordering::Relaxed);
        host.store32(off + O_DEPTH, 1, Ordering::Relaxed);
        if host.load64(off + O_DEATH, Ordering::Relaxed) != 0 {
            death = death.or(self.take_death(off));
        }
        if estate != 0 {
            self.settle(estate);
        }
        Ok(Some(death))
    }

    /// Gives a re-entrant user lock up, however often this thread has it; how often that was.
    pub(crate) fn give_user_wholly(
        &self,
        object: &ObjectRef<H>,
        what: &'static str,
    ) -> Result<u32> {
        let local = self.local()?;
        let (host, off) = (self.host(), object.offset());
        let word = host.load32(off + O_USER, Ordering::Relaxed);
        if !self.holds_user(local, off, word) {
            return Err(Error::NotHeld { what });
        }
        let depth = host.load32(off + O_DEPTH, Ordering::Relaxed);
        host.store32(off + O_DEPTH, 1, Ordering::Relaxed);
        self.give_user(object, what)?;
        Ok(depth)
    }

    /// Says how often this thread has a re-entrant user lock that it has taken.
    pub(crate) fn set_depth(&self, object: &ObjectRef<H>, depth: u32) {
        self.host()
            .store32(object.offset() + O_DEPTH, depth, Ordering::Relaxed);
    }

    /// Gives a re-entrant user lock up once.
    pub(crate) fn give_user(&self, object: &ObjectRef<H>, what: &'static str) -> Result<()> {
        let local = self.local()?;
        let (host, off) = (self.host(), object.offset());
        let word = host.load32(off + O_USER, Ordering::Relaxed);
        if !self.holds_user(local, off, word) {
            return Err(Error::NotHeld { what });
        }
        let depth = host.load32(off + O_DEPTH, Ordering::Relaxed);
        if depth > 1 {
            host.store32(off + O_DEPTH, depth - 1, Ordering::Relaxed);
            return Ok(());
        }
        host.store32(off + O_THREAD, 0, Ordering::Relaxed);
        host.store32(off + O_DEPTH, 0, Ordering::Relaxed);
        self.give(local, off + O_USER);
        Ok(())
    }
}
