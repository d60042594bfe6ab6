//! Every interleaving of the words that processes meet at, under the C11 memory model.
//!
//! A loom thread plays a process. Most of the memory is plain; the words named in a model are
//! loom's atomics, at which it switches. Run by `ci/loom.sh`, with `--cfg loom`.
#![cfg(loom)]

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::time::Duration;

use loom::sync::atomic::{AtomicU32 as Loom32, AtomicU64 as Loom64};
use loom::thread;
use pumasi::containers::RawList;
use pumasi::heap::cell::Tag;
use pumasi::heap::layout::{
    BUFFER_DATA, O_CHANGE, O_DEPTH, O_HANDLES, O_LOCK, O_META, O_REFS, O_ROOT, O_THREAD, O_USER,
    O_VERSION, P_CLAIM, PARTICIPANT_SIZE, PARTICIPANTS, reader_cell,
};
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::Fetch;
use pumasi::sync::{Acquired, OnDeath, RawLock, RawRLock, RawRwLock};
use pumasi::sys::sim::Sim;
use pumasi::sys::{Host, Identity};
use pumasi::{Error, Heap, Result};
use std::sync::{Arc, OnceLock};

/// Words that loom watches, by offset; none before they are named.
#[derive(Default)]
struct Watched {
    words: OnceLock<(BTreeMap<u64, Loom32>, BTreeMap<u64, Loom64>)>,
}

impl Watched {
    fn small(&self, off: u64) -> Option<&Loom32> {
        self.words.get()?.0.get(&off)
    }
    fn large(&self, off: u64) -> Option<&Loom64> {
        self.words.get()?.1.get(&off)
    }

    /// Watches words from here on, with the values they have.
    fn begin(&self, host: &Sim, small: &[u64], large: &[u64]) {
        let small = small
            .iter()
            .map(|&off| (off, Loom32::new(host.load32(off, Ordering::Relaxed))));
        let large = large
            .iter()
            .map(|&off| (off, Loom64::new(host.load64(off, Ordering::Relaxed))));
        let words = (small.collect(), large.collect());
        assert!(self.words.set(words).is_ok(), "named once");
    }
}

/// A process whose watched words are loom's.
struct Model {
    plain: Sim,
    watched: Arc<Watched>,
    private: AtomicPtr<()>,
    /// Whether process 9 has died: to all but itself it has from the start.
    dead: AtomicBool,
    pid: u32,
    clock: AtomicU64,
}

impl Model {
    fn process(of: &Sim, watched: &Arc<Watched>, pid: u32) -> Model {
        Model {
            plain: of.sibling(pid),
            watched: Arc::clone(watched),
            private: AtomicPtr::default(),
            dead: AtomicBool::new(pid != 9),
            pid,
            clock: AtomicU64::new(1),
        }
    }
}

/// Loom has no failure ordering to choose and wants SeqCst spelled as the strongest it models.
const BOTH: Ordering = Ordering::AcqRel;

impl Host for Model {
    fn size(&self) -> u64 {
        self.plain.size()
    }
    fn load32(&self, off: u64, order: Ordering) -> u32 {
        match self.watched.small(off) {
            Some(word) => word.load(order),
            None => self.plain.load32(off, order),
        }
    }
    fn store32(&self, off: u64, value: u32, order: Ordering) {
        match self.watched.small(off) {
            Some(word) => word.store(value, order),
            None => self.plain.store32(off, value, order),
        }
    }
    fn cas32(&self, off: u64, old: u32, new: u32) -> std::result::Result<u32, u32> {
        match self.watched.small(off) {
            Some(word) => word.compare_exchange(old, new, BOTH, Ordering::Acquire),
            None => self.plain.cas32(off, old, new),
        }
    }
    fn add32(&self, off: u64, n: u32) -> u32 {
        match self.watched.small(off) {
            Some(word) => word.fetch_add(n, BOTH),
            None => self.plain.add32(off, n),
        }
    }
    fn load64(&self, off: u64, order: Ordering) -> u64 {
        match self.watched.large(off) {
            Some(word) => word.load(order),
            None => self.plain.load64(off, order),
        }
    }
    fn store64(&self, off: u64, value: u64, order: Ordering) {
        match self.watched.large(off) {
            Some(word) => word.store(value, order),
            None => self.plain.store64(off, value, order),
        }
    }
    fn cas64(&self, off: u64, old: u64, new: u64) -> std::result::Result<u64, u64> {
        match self.watched.large(off) {
            Some(word) => word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst),
            None => self.plain.cas64(off, old, new),
        }
    }
    fn add64(&self, off: u64, n: u64) -> u64 {
        match self.watched.large(off) {
            Some(word) => word.fetch_add(n, Ordering::SeqCst),
            None => self.plain.add64(off, n),
        }
    }
    fn or64(&self, off: u64, bits: u64) -> u64 {
        match self.watched.large(off) {
            Some(word) => word.fetch_or(bits, Ordering::SeqCst),
            None => self.plain.or64(off, bits),
        }
    }
    fn and64(&self, off: u64, bits: u64) -> u64 {
        match self.watched.large(off) {
            Some(word) => word.fetch_and(bits, Ordering::SeqCst),
            None => self.plain.and64(off, bits),
        }
    }
    fn fence(&self) {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
    fn fence_of(&self, order: Ordering) {
        loom::sync::atomic::fence(order);
    }
    fn load_whole(&self, off: u64, size: usize) -> u64 {
        self.plain.load_whole(off, size)
    }
    fn store_whole(&self, off: u64, size: usize, bits: u64) {
        self.plain.store_whole(off, size, bits);
    }
    fn copy_in(&self, off: u64, bytes: &[u8]) {
        self.plain.copy_in(off, bytes);
    }
    fn copy_out(&self, off: u64, bytes: &mut [MaybeUninit<u8>]) {
        self.plain.copy_out(off, bytes);
    }
    fn copy_words(&self, from: u64, to: u64, words: u64) {
        self.plain.copy_words(from, to, words);
    }
    fn zero_words(&self, off: u64, words: u64) {
        self.plain.zero_words(off, words);
    }
    fn commit(&self, off: u64, len: u64) -> Result<()> {
        self.plain.commit(off, len)
    }
    fn decommit(&self, off: u64, len: u64) {
        self.plain.decommit(off, len);
    }
    fn futex_wait(&self, _off: u64, _expected: u32, _timeout: Duration) {
        // A wait may end for no reason: what matters is that the others get on.
        thread::yield_now();
    }
    fn futex_wake(&self, _off: u64, _n: u32) {}
    fn spins(&self) -> u32 {
        0
    }
    fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            start: 1,
            stack: 1,
        }
    }
    fn alive(&self, who: Identity) -> bool {
        who.pid != 9 || !self.dead.load(Ordering::Relaxed)
    }
    fn thread(&self) -> u32 {
        self.pid
    }
    fn now(&self) -> Duration {
        // Time enough passes between two looks for a waiter to count as starving.
        Duration::from_millis(self.clock.fetch_add(1, Ordering::Relaxed))
    }
    fn random(&self) -> u64 {
        1
    }
    fn private(&self) -> &AtomicPtr<()> {
        &self.private
    }
}

/// A plain heap, in which a model is set up.
fn plain() -> Heap<Sim> {
    Heap::format(Sim::new(448 * 1024), 4096, u64::MAX, 1, 0).unwrap()
}

fn watch(heap: &Heap<Sim>, small: &[u64], large: &[u64]) -> Arc<Watched> {
    let watched = Arc::new(Watched::default());
    watched.begin(heap.host(), small, large);
    watched
}

fn process(heap: &Heap<Sim>, watched: &Arc<Watched>, pid: u32) -> Heap<Model> {
    let heap = Heap::from_host(Model::process(heap.host(), watched, pid), 0).unwrap();
    heap.join().unwrap();
    heap
}

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.max_branches = 20_000;
    builder.check(f);
}

#[test]
fn a_lock_excludes_and_passes_on_what_was_written() {
    model(|| {
        let heap = plain();
        let lock = RawLock::create(&heap, OnDeath::Auto).unwrap();
        let (off, generation) = lock.object().token();
        let watched = watch(&heap, &[off + O_USER], &[]);
        let protected = Arc::new(loom::cell::UnsafeCell::new(0));
        let threads: Vec<_> = [2, 3]
            .map(|pid| {
                let mine = process(&heap, &watched, pid);
                let protected = Arc::clone(&protected);
                thread::spawn(move || {
                    let object = ObjectRef::from_token(&mine, (off, generation)).unwrap();
                    let lock = RawLock::from_object(object).unwrap();
                    for _ in 0..2 {
                        assert_eq!(lock.acquire(None).unwrap(), Acquired::Yes);
                        // Loom fails the model when two get here at once, or when one does not
                        // see what the other wrote.
                        // SAFETY: the lock is held.
                        protected.with_mut(|n| unsafe { *n += 1 });
                        lock.release().unwrap();
                    }
                })
            })
            .into_iter()
            .collect();
        for t in threads {
            t.join().unwrap();
        }
        // SAFETY: the threads have ended.
        assert_eq!(protected.with(|n| unsafe { *n }), 4);
    });
}

#[test]
fn a_reader_and_a_writer_exclude_each_other() {
    model(|| {
        let heap = plain();
        let lock = RawRwLock::create(&heap).unwrap();
        let (off, generation) = lock.object().token();
        // A cell has its block's offset, in steps of 16, in the 40 bits above the tag.
        let root = heap.host().load64(off + O_ROOT, Ordering::Relaxed);
        let table = ((root >> 4) & ((1 << 40) - 1)) << 4;
        // The first process has slot 1, the two of the model the next.
        let cells = [2, 3].map(|slot| table + BUFFER_DATA + reader_cell(slot));
        let words = [off + O_USER, off + O_DEPTH, off + O_THREAD];
        let watched = watch(&heap, &words, &cells);
        let protected = Arc::new(loom::cell::UnsafeCell::new(0));
        let threads: Vec<_> = [2, 3]
            .map(|pid| {
                let mine = process(&heap, &watched, pid);
                let protected = Arc::clone(&protected);
                thread::spawn(move || {
                    let object = ObjectRef::from_token(&mine, (off, generation)).unwrap();
                    let lock = RawRwLock::from_object(object).unwrap();
                    if pid == 2 {
                        assert_eq!(lock.acquire_write(None).unwrap(), Acquired::Yes);
                        // SAFETY: the lock is held to write; loom fails the model otherwise.
                        protected.with_mut(|n| unsafe { *n += 1 });
                        lock.release_write().unwrap();
                    } else {
                        assert_eq!(lock.acquire_read(None).unwrap(), Acquired::Yes);
                        // SAFETY: the lock is held to read; loom fails the model otherwise.
                        assert!(protected.with(|n| unsafe { *n }) <= 1);
                        lock.release_read().unwrap();
                    }
                })
            })
            .into_iter()
            .collect();
        for t in threads {
            t.join().unwrap();
        }
        for cell in cells {
            assert_eq!(watched.large(cell).unwrap().load(Ordering::Relaxed), 0);
        }
    });
}

#[test]
fn of_two_waiters_one_takes_a_dead_owners_lock_over() {
    model(|| {
        let heap = plain();
        let lock = RawLock::create(&heap, OnDeath::Auto).unwrap();
        let (off, generation) = lock.object().token();
        let nothing = watch(&heap, &[], &[]);
        // Process 9 takes the lock and is dead to everyone from the start.
        let dead = process(&heap, &nothing, 9);
        let theirs = ObjectRef::from_token(&dead, (off, generation)).unwrap();
        let theirs = RawLock::from_object(theirs).unwrap();
        assert_eq!(theirs.acquire(None).unwrap(), Acquired::Yes);
        std::mem::forget(theirs);
        let watched = watch(&heap, &[off + O_USER], &[]);
        let threads: Vec<_> = [2, 3]
            .map(|pid| {
                let mine = Heap::from_host(Model::process(heap.host(), &watched, pid), 0).unwrap();
                thread::spawn(move || {
                    let object = ObjectRef::from_token(&mine, (off, generation)).unwrap();
                    let lock = RawLock::from_object(object).unwrap();
                    let acquired = lock.acquire(None).unwrap();
                    lock.release().unwrap();
                    u32::from(matches!(acquired, Acquired::Abandoned(_)))
                })
            })
            .into_iter()
            .collect();
        let told: u32 = threads.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!(told, 1, "exactly one is told of the death");
    });
}

#[test]
fn who_takes_a_dead_owners_rlock_while_its_estate_is_settled_keeps_it() {
    model(|| {
        let heap = plain();
        let lock = RawRLock::create(&heap, OnDeath::Auto).unwrap();
        let (off, generation) = lock.object().token();
        // The claims too: loom tries an order only where it sees two threads meet.
        let claims: Vec<_> = (1..6)
            .map(|slot| PARTICIPANTS + slot * PARTICIPANT_SIZE + P_CLAIM)
            .collect();
        let marks = [off + O_USER, off + O_THREAD, off + O_DEPTH];
        let watched = watch(&heap, &marks, &claims);
        // Who joins later would settle the estate on the way in.
        let (settler, taker) = (process(&heap, &watched, 2), process(&heap, &watched, 3));
        let dead = process(&heap, &watched, 9);
        let theirs = ObjectRef::from_token(&dead, (off, generation)).unwrap();
        let theirs = RawRLock::from_object(theirs).unwrap();
        assert_eq!(theirs.acquire(None).unwrap(), Acquired::Yes);
        std::mem::forget(theirs);
        let settling = thread::spawn(move || settler.recover());
        let object = ObjectRef::from_token(&taker, (off, generation)).unwrap();
        let lock = RawRLock::from_object(object).unwrap();
        assert!(matches!(
            lock.acquire(None).unwrap(),
            Acquired::Abandoned(_)
        ));
        assert_eq!(lock.acquire(None).unwrap(), Acquired::Yes);
        lock.release().unwrap();
        lock.release().unwrap();
        settling.join().unwrap();
        assert!(!lock.is_locked());
    });
}

#[test]
fn two_processes_claim_two_slots() {
    model(|| {
        let heap = plain();
        let claim = |slot: u64| PARTICIPANTS + slot * PARTICIPANT_SIZE + P_CLAIM;
        let watched = watch(&heap, &[], &[claim(1), claim(2)]);
        let threads: Vec<_> = [2, 3]
            .map(|pid| {
                let mine = Heap::from_host(Model::process(heap.host(), &watched, pid), 0).unwrap();
                thread::spawn(move || {
                    mine.join().unwrap();
                    mine
                })
            })
            .into_iter()
            .collect();
        let heaps: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        assert_eq!(heaps[0].participants(), 2);
    });
}

#[test]
fn the_last_two_handles_free_an_object_once() {
    model(|| {
        let heap = plain();
        let list = RawList::create(&heap).unwrap();
        let (off, generation) = list.object().token();
        let nothing = watch(&heap, &[], &[]);
        let (a, b) = (process(&heap, &nothing, 2), process(&heap, &nothing, 3));
        let handles = [&a, &b].map(|h| ObjectRef::from_token(h, (off, generation)).unwrap());
        drop(list);
        drop(handles);
        // Nothing holds it any more: this process made it go. Now the same with the last two
        // handles dropped at once.
        let list = RawList::create(&heap).unwrap();
        let (off, generation) = list.object().token();
        let watched = watch(
            &heap,
            &[off + O_LOCK],
            &[off, off + O_REFS, off + O_HANDLES],
        );
        let [a, b] = [4, 5].map(|pid| process(&heap, &watched, pid));
        let [x, y] = [&a, &b].map(|h| ObjectRef::from_token(h, (off, generation)).unwrap());
        // The plain process lets go through the watched words too.
        let first = watched
            .large(off + O_HANDLES)
            .unwrap()
            .fetch_and(!(1 << 1), Ordering::SeqCst);
        assert_ne!(first, 0);
        std::mem::forget(list);
        let thread = thread::spawn(move || drop(x));
        drop(y);
        thread.join().unwrap();
        assert!(!b.is_live(off), "the object is gone");
    });
}

#[test]
fn a_handle_taken_from_a_container_keeps_what_is_removed_meanwhile() {
    model(|| {
        let heap = plain();
        let outer = RawList::create(&heap).unwrap();
        let inner = RawList::create(&heap).unwrap();
        outer
            .push(&mut heap.prepare_object(inner.object()).unwrap())
            .unwrap();
        let (off, _) = inner.object().token();
        drop(inner);
        let token = outer.object().token();
        let watched = watch(
            &heap,
            &[token.0 + O_LOCK],
            &[off, off + O_REFS, off + O_HANDLES],
        );
        let [a, b] = [2, 3].map(|pid| process(&heap, &watched, pid));
        let remove = thread::spawn(move || {
            let list = ObjectRef::from_token(&a, token).unwrap();
            RawList::from_object(list).unwrap().clear().unwrap();
        });
        let list = RawList::from_object(ObjectRef::from_token(&b, token).unwrap()).unwrap();
        let mut out = Fetch::new();
        if list.get(0, &mut out).is_ok() {
            let inner = out.take_object().unwrap();
            assert!(b.is_live(off), "a handle keeps it");
            drop(inner);
        }
        remove.join().unwrap();
        drop(out);
        assert!(!b.is_live(off), "nothing holds it");
    });
}

#[test]
fn a_look_finds_what_was_there_at_one_moment() {
    model(|| {
        let heap = plain();
        let watched = Arc::new(Watched::default());
        let [a, b] = [2, 3].map(|pid| process(&heap, &watched, pid));
        let list = RawList::create(&a).unwrap();
        list.push(&mut a.prepare_int(7).unwrap()).unwrap();
        let token = list.object().token();
        let root = heap.host().load64(token.0 + O_ROOT, Ordering::Relaxed);
        // A cell has its block's offset, in steps of 16, in the 40 bits above the tag. The leaf:
        // its word, what it is, its length, and its first two cells.
        let leaf = ((root >> 4) & ((1 << 40) - 1)) << 4;
        let words = [0, 8, 16, 24, 32].map(|word| leaf + word);
        let header = [O_VERSION, O_ROOT].map(|word| token.0 + word);
        let large = [&header[..], &words].concat();
        watched.begin(heap.host(), &[token.0 + O_LOCK], &large);
        let writer = thread::spawn(move || {
            list.clear().unwrap();
            // What was the leaf is another list's now.
            let other = RawList::create(&a).unwrap();
            other.push(&mut a.prepare_int(99).unwrap()).unwrap();
            other
        });
        let list = RawList::from_object(ObjectRef::from_token(&b, token).unwrap()).unwrap();
        match list.get(0, &mut Fetch::new()) {
            Ok(cell) => assert_eq!(cell.as_int(), 7),
            Err(error) => assert!(matches!(error, Error::IndexOutOfRange { .. }), "{error}"),
        }
        drop(writer.join().unwrap());
    });
}

#[test]
fn a_pinned_value_is_freed_by_whoever_is_last() {
    model(|| {
        let heap = plain();
        let list = RawList::create(&heap).unwrap();
        let text = "x".repeat(1500);
        let mut value = heap.prepare_bytes(Tag::Str, text.as_bytes()).unwrap();
        let off = value.offset();
        list.push(&mut value).unwrap();
        let token = list.object().token();
        // The block's word and the first word of its pins.
        let watched = watch(&heap, &[token.0 + O_LOCK], &[off, off + 16]);
        let [a, b] = [2, 3].map(|pid| process(&heap, &watched, pid));
        let remove = thread::spawn(move || {
            let list = ObjectRef::from_token(&a, token).unwrap();
            RawList::from_object(list).unwrap().clear().unwrap();
        });
        let list = RawList::from_object(ObjectRef::from_token(&b, token).unwrap()).unwrap();
        let mut out = Fetch::new();
        if list.get(0, &mut out).is_ok() {
            assert_eq!(out.bytes(), text.as_bytes());
        }
        remove.join().unwrap();
        assert!(!b.is_live(off) && !b.is_in_limbo(off), "the block is free");
    });
}

#[test]
fn what_moves_during_a_collection_is_kept() {
    model(|| {
        let heap = plain();
        let lists = [0; 3].map(|_| RawList::create(&heap).unwrap());
        let [from, to, inner] = lists.each_ref().map(|list| list.object().token());
        let edge = heap.prepare_object(lists[2].object());
        lists[0].push(&mut edge.unwrap()).unwrap();
        let [first, second, third] = lists;
        drop(third);
        let watched = watch(
            &heap,
            &[from.0 + O_LOCK, to.0 + O_LOCK],
            &[inner.0 + O_REFS, inner.0 + O_HANDLES],
        );
        let [collector, mutator] = [2, 3].map(|pid| process(&heap, &watched, pid));
        let [from, to] = [from, to]
            .map(|token| ObjectRef::from_token(&mutator, token).unwrap())
            .map(|object| RawList::from_object(object).unwrap());
        let collecting = thread::spawn(move || collector.collect().unwrap());
        // Read from where it was, stored where it shall be, and cut off from where it was.
        let mut out = Fetch::new();
        from.get(0, &mut out).unwrap();
        let moved = out.take_object().unwrap();
        let mut edge = mutator.prepare_object(&moved).unwrap();
        drop(moved);
        to.push(&mut edge).unwrap();
        from.clear().unwrap();
        assert_eq!(collecting.join().unwrap().objects, 0);
        assert!(mutator.is_live(inner.0), "it was reachable all the time");
        to.clear().unwrap();
        assert!(!mutator.is_live(inner.0), "nothing holds it");
        drop((first, second));
    });
}

#[test]
fn no_change_comes_between_the_last_look_and_the_sleep() {
    model(|| {
        let heap = plain();
        let list = RawList::create(&heap).unwrap();
        let token = list.object().token();
        let watched = watch(
            &heap,
            &[token.0 + O_LOCK, token.0 + O_CHANGE],
            &[token.0 + O_VERSION, token.0 + O_META],
        );
        let [a, b] = [2, 3].map(|pid| process(&heap, &watched, pid));
        let writer = thread::spawn(move || {
            let list = RawList::from_object(ObjectRef::from_token(&a, token).unwrap()).unwrap();
            list.push(&mut a.prepare_int(1).unwrap()).unwrap();
        });
        let list = RawList::from_object(ObjectRef::from_token(&b, token).unwrap()).unwrap();
        let seen = list.version();
        let empty = list.is_empty().unwrap();
        let expected = list.object().expect_change(seen).unwrap();
        writer.join().unwrap();
        // Whoever sleeps now has been called, or would not have gone to sleep: if it found
        // nothing, there is nothing that it could miss.
        match expected {
            Some(expected) if empty => assert!(list.object().is_called(expected)),
            Some(expected) => assert!(!list.object().is_called(expected)),
            None => assert_ne!(list.version(), seen),
        }
        assert!(!list.is_empty().unwrap());
    });
}
