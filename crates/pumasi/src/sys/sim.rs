//! The crash simulator's host: processes that share a plain piece of memory and can be stopped
//! at any store.
//!
//! A simulated process is a [`Sim`]. After [`Sim::crash_at`]`(k)` its k-th store (an atomic
//! change counts as one, a copy as two: untouched and half done) does not happen: the host goes
//! *inert*, so that nothing which unwinding runs can change shared memory any more, and unwinds
//! with [`Crash`]. That is what SIGKILL leaves: a prefix of the victim's stores.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::sys::{Host, Identity, Mem};

/// What a stopped process unwinds with.
#[derive(Debug)]
pub struct Crash {
    /// The critical section it was in, empty outside.
    pub section: &'static str,
}

struct World {
    words: Box<[UnsafeCell<u64>]>,
    dead: Mutex<Vec<u32>>,
    clock: AtomicU64,
    /// Commits that still succeed; counted down, for "the n-th allocation fails".
    commits_left: AtomicU64,
    /// The critical section that memory was last taken from the system in.
    committed_in: Mutex<Option<&'static str>>,
    /// How often the system was asked to take memory or give it.
    asked: AtomicU64,
}

// SAFETY: the words are only reached through `Mem`, atomically or by raw copies.
unsafe impl Send for World {}
// SAFETY: as for Send.
unsafe impl Sync for World {}

/// One simulated process.
pub struct Sim {
    world: Arc<World>,
    mem: Mem,
    pid: u32,
    private: AtomicPtr<()>,
    left: AtomicU64,
    inert: AtomicBool,
    section: Mutex<&'static str>,
    done: AtomicU64,
    held_back: Mutex<HeldBack>,
    /// Accesses until `interruption`; `u64::MAX` while there is none.
    interrupted_in: AtomicU64,
    interruption: Mutex<Option<Interruption>>,
}

impl core::fmt::Debug for Sim {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sim")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// What others do in the middle of a process's operation.
type Interruption = Box<dyn FnOnce() + Send>;

/// A store out of order: see [`Sim::hold_back`].
#[derive(Default)]
struct HeldBack {
    nth: Option<u64>,
    by: u64,
    store: Option<(u64, u64, u64)>,
}

impl Sim {
    /// A first process on a new memory of `size` bytes.
    pub fn new(size: u64) -> Sim {
        // SAFETY: zero is a valid value of every cell.
        let words = (0..size / 8).map(|_| UnsafeCell::new(0)).collect();
        let world = Arc::new(World {
            words,
            dead: Mutex::new(Vec::new()),
            clock: AtomicU64::new(1),
            commits_left: AtomicU64::new(u64::MAX),
            committed_in: Mutex::new(None),
            asked: AtomicU64::new(0),
        });
        Sim::on(world, 1)
    }

    /// Another process on the same memory.
    pub fn sibling(&self, pid: u32) -> Sim {
        Sim::on(Arc::clone(&self.world), pid)
    }

    /// A process on a copy of the memory as it is now, in a world of its own.
    pub fn copy(&self, pid: u32) -> Sim {
        let n = self.world.words.len();
        let mut words = Vec::<UnsafeCell<u64>>::with_capacity(n);
        // SAFETY: one thread plays every process, so that nobody writes meanwhile; both are `n`
        // words long, and afterwards every one of them has a value.
        unsafe {
            core::ptr::copy_nonoverlapping(self.world.words.as_ptr(), words.as_mut_ptr(), n);
            words.set_len(n);
        }
        let words = words.into_boxed_slice();
        let dead = self
            .world
            .dead
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Sim::on(
            Arc::new(World {
                words,
                dead: Mutex::new(dead.clone()),
                clock: AtomicU64::new(self.world.clock.load(Ordering::Relaxed)),
                commits_left: AtomicU64::new(u64::MAX),
                committed_in: Mutex::new(None),
                asked: AtomicU64::new(0),
            }),
            pid,
        )
    }

    fn on(world: Arc<World>, pid: u32) -> Sim {
        let base = UnsafeCell::raw_get(world.words.as_ptr()).cast::<u8>();
        let size = world.words.len() as u64 * 8;
        Sim {
            // SAFETY: the words live as long as `world`, which the process keeps.
            mem: unsafe { Mem::new(base, size) },
            world,
            pid,
            private: AtomicPtr::new(core::ptr::null_mut()),
            left: AtomicU64::new(u64::MAX),
            inert: AtomicBool::new(false),
            section: Mutex::new(""),
            done: AtomicU64::new(0),
            held_back: Mutex::new(HeldBack::default()),
            interrupted_in: AtomicU64::new(u64::MAX),
            interruption: Mutex::new(None),
        }
    }

    /// Stops this process at its `k`-th store from now, counted from 0.
    pub fn crash_at(&self, k: u64) {
        self.left.store(k, Ordering::Relaxed);
    }

    /// Lets it run on.
    pub fn no_crash(&self) {
        self.left.store(u64::MAX, Ordering::Relaxed);
    }

    /// Breaks the order on purpose: the `nth` 64-bit store from now, counted from 0, takes effect
    /// only after `by` further stores. For the test which shows that the simulator catches what
    /// it is there to catch.
    pub fn hold_back(&self, nth: u64, by: u64) {
        *self
            .held_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = HeldBack {
            nth: Some(self.done.load(Ordering::Relaxed) + nth),
            by,
            store: None,
        };
    }

    /// Has something happen between this process's accesses to the memory: before its `nth` load
    /// or store of a word from now, counted from 0, `f` is run, which plays other processes.
    pub fn interrupt_at(&self, nth: u64, f: impl FnOnce() + Send + 'static) {
        *self
            .interruption
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Box::new(f));
        self.interrupted_in.store(nth, Ordering::Relaxed);
    }

    /// Whether what was to happen in between has not happened; then it will not.
    pub fn was_not_interrupted(&self) -> bool {
        self.interrupted_in.swap(u64::MAX, Ordering::Relaxed) != u64::MAX
    }

    #[inline]
    fn access(&self) {
        let left = self.interrupted_in.load(Ordering::Relaxed);
        if left == u64::MAX {
            return;
        }
        self.interrupted_in
            .store(left.wrapping_sub(1), Ordering::Relaxed);
        if left == 0 {
            let interruption = self
                .interruption
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(interruption) = interruption {
                interruption();
            }
        }
    }

    /// Stores done so far by this process.
    pub fn stores(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The critical section in which memory was taken from the system since the last call, if
    /// any was; the last of several.
    pub fn committed_in(&self) -> Option<&'static str> {
        self.world
            .committed_in
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// How often memory was taken from the system or given back, by all processes together.
    pub fn asked_for_memory(&self) -> u64 {
        self.world.asked.load(Ordering::Relaxed)
    }

    /// Lets the `n`-th commit from now, counted from 0, and all after it fail.
    pub fn fail_commits_after(&self, n: u64) {
        self.world.commits_left.store(n, Ordering::Relaxed);
    }

    /// From now on the others find this process dead.
    pub fn die(&self) {
        self.inert.store(true, Ordering::Relaxed);
        let mut dead = self
            .world
            .dead
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        dead.push(self.pid);
    }

    /// Whether it was stopped.
    pub fn crashed(&self) -> bool {
        self.inert.load(Ordering::Relaxed)
    }

    /// Overwrites one word behind everyone's back: damage, for the tests of damaged heaps.
    pub fn poke(&self, off: u64, value: u64) {
        self.mem.word64(off).store(value, Ordering::Relaxed);
    }

    /// Whether a store may happen; stops the process when its time has come.
    fn step(&self) -> bool {
        self.access();
        if self.inert.load(Ordering::Relaxed) {
            return false;
        }
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            self.die();
            let section = *self.section.lock().unwrap_or_else(PoisonError::into_inner);
            // Not `panic!`: no hook prints a trace for each of thousands of intended stops.
            std::panic::resume_unwind(Box::new(Crash { section }));
        }
        if left != u64::MAX {
            self.left.store(left - 1, Ordering::Relaxed);
        }
        let done = self.done.fetch_add(1, Ordering::Relaxed);
        let mut held = self
            .held_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((at, off, value)) = held.store
            && done >= at
        {
            held.store = None;
            self.mem.word64(off).store(value, Ordering::Relaxed);
        }
        true
    }

    /// Whether this store is to be held back; then it is kept for later.
    fn keep_for_later(&self, off: u64, value: u64) -> bool {
        let mut held = self
            .held_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = self.done.load(Ordering::Relaxed) - 1;
        if held.nth != Some(now) {
            return false;
        }
        held.nth = None;
        held.store = Some((now + held.by, off, value));
        true
    }

    fn change(&self, off: u64, f: impl Fn(u64) -> u64) -> u64 {
        let word = self.mem.word64(off);
        if self.step() {
            word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |old| Some(f(old)))
                .unwrap_or_else(|old| old)
        } else {
            word.load(Ordering::SeqCst)
        }
    }
}

impl Host for Sim {
    fn size(&self) -> u64 {
        self.mem.size()
    }
    fn load32(&self, off: u64, order: Ordering) -> u32 {
        self.access();
        self.mem.word32(off).load(order)
    }
    fn store32(&self, off: u64, value: u32, order: Ordering) {
        if self.step() {
            self.mem.word32(off).store(value, order);
        }
    }
    fn cas32(&self, off: u64, old: u32, new: u32) -> core::result::Result<u32, u32> {
        let word = self.mem.word32(off);
        match word.load(Ordering::SeqCst) {
            found if found != old => Err(found),
            // An inert process is told that it succeeded, so that no loop of its unwinding
            // tries for ever.
            _ if !self.step() => Ok(old),
            _ => word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst),
        }
    }
    fn add32(&self, off: u64, n: u32) -> u32 {
        let word = self.mem.word32(off);
        if self.step() {
            word.fetch_add(n, Ordering::SeqCst)
        } else {
            word.load(Ordering::SeqCst)
        }
    }
    fn load64(&self, off: u64, order: Ordering) -> u64 {
        self.access();
        self.mem.word64(off).load(order)
    }
    fn store64(&self, off: u64, value: u64, order: Ordering) {
        if self.step() && !self.keep_for_later(off, value) {
            self.mem.word64(off).store(value, order);
        }
    }
    fn cas64(&self, off: u64, old: u64, new: u64) -> core::result::Result<u64, u64> {
        let word = self.mem.word64(off);
        match word.load(Ordering::SeqCst) {
            found if found != old => Err(found),
            _ if !self.step() => Ok(old),
            _ => word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst),
        }
    }
    fn add64(&self, off: u64, n: u64) -> u64 {
        self.change(off, |old| old.wrapping_add(n))
    }
    fn or64(&self, off: u64, bits: u64) -> u64 {
        self.change(off, |old| old | bits)
    }
    fn and64(&self, off: u64, bits: u64) -> u64 {
        self.change(off, |old| old & bits)
    }
    fn load_whole(&self, off: u64, size: usize) -> u64 {
        self.access();
        self.mem.load_whole(off, size)
    }
    fn store_whole(&self, off: u64, size: usize, bits: u64) {
        if self.step() {
            self.mem.store_whole(off, size, bits);
        }
    }
    fn copy_in(&self, off: u64, bytes: &[u8]) {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        for (at, part) in [(off, first), (off + first.len() as u64, second)] {
            if self.step() {
                self.mem.copy_in(at, part);
            }
        }
    }
    fn copy_out(&self, off: u64, bytes: &mut [MaybeUninit<u8>]) {
        self.mem.copy_out(off, bytes);
    }
    fn copy_words(&self, from: u64, to: u64, words: u64) {
        let half = words / 2;
        for (start, n) in [(0, half), (half, words - half)] {
            if self.step() {
                for i in start..start + n {
                    let word = self.mem.word64(from + i * 8).load(Ordering::Relaxed);
                    self.mem.word64(to + i * 8).store(word, Ordering::Relaxed);
                }
            }
        }
    }
    fn zero_words(&self, off: u64, words: u64) {
        let half = words / 2;
        for (start, n) in [(0, half), (half, words - half)] {
            if self.step() {
                for i in start..start + n {
                    self.mem.word64(off + i * 8).store(0, Ordering::Relaxed);
                }
            }
        }
    }
    fn commit(&self, _off: u64, len: u64) -> Result<()> {
        self.world.asked.fetch_add(1, Ordering::Relaxed);
        let section = *self.section.lock().unwrap_or_else(PoisonError::into_inner);
        if !section.is_empty() {
            *self
                .world
                .committed_in
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(section);
        }
        let left = self.world.commits_left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(Error::OutOfMemory {
                requested: len,
                limit: 0,
                used: 0,
            });
        }
        if left != u64::MAX {
            self.world.commits_left.store(left - 1, Ordering::Relaxed);
        }
        Ok(())
    }
    fn decommit(&self, off: u64, len: u64) {
        self.world.asked.fetch_add(1, Ordering::Relaxed);
        self.zero_words(off, len / 8);
    }
    fn futex_wait(&self, _off: u64, _expected: u32, timeout: Duration) {
        // One thread plays every process: nobody could wake us, so time passes.
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        self.world.clock.fetch_add(nanos.max(1), Ordering::Relaxed);
    }
    fn futex_wake(&self, _off: u64, _n: u32) {}
    fn spins(&self) -> u32 {
        2
    }
    fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            start: 1,
            stack: 1,
        }
    }
    fn alive(&self, who: Identity) -> bool {
        let dead = self
            .world
            .dead
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        !dead.contains(&who.pid)
    }
    fn thread(&self) -> u32 {
        self.pid
    }
    fn now(&self) -> Duration {
        Duration::from_nanos(self.world.clock.fetch_add(1, Ordering::Relaxed))
    }
    fn random(&self) -> u64 {
        // The same in every run, so that a failing point can be found again.
        0x9e37_79b9_7f4a_7c15
    }
    fn private(&self) -> &AtomicPtr<()> {
        &self.private
    }
    fn section(&self, name: &'static str) {
        *self.section.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }
}
