//! Which lines of memory go from core to core when many processes use one Dict: a simulation of
//! their caches, for more cores than a machine at hand has. `cargo test --test lines --
//! --nocapture` prints the table that docs/design/0010-many-cores.md explains.
//!
//! One process per core, with a cache that holds everything it ever touched (MESI: a line is
//! written by one or read by many). Processes take turns, an operation at a time. What is counted
//! is a *transfer*: an access to a line that another core has written since, or a write to a line
//! that others have read. Those who spin at a lock are not simulated; they only add to it.

use std::collections::{BTreeMap, HashMap};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pumasi::containers::{Key, Number, RawDict};
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::Fetch;
use pumasi::sync::{Acquired, RawRwLock};
use pumasi::sys::sim::Sim;
use pumasi::sys::{Host, Identity};
use pumasi::{Heap, Result, Value};

const LINE: u64 = 64;
const KEYS: i64 = 300;
/// Operations before it is counted, and then again.
const OPERATIONS: u64 = 6000;

/// Who has a line of memory: one who may write it, or any number who read it.
#[derive(Default)]
struct Line {
    writer: Option<u32>,
    readers: u128,
}

/// The caches of all cores.
#[derive(Default)]
struct Caches {
    lines: HashMap<u64, Line>,
    /// Transfers of each line, while they are counted.
    moved: Option<BTreeMap<u64, u64>>,
}

impl Caches {
    fn touch(&mut self, core: u32, line: u64, writes: bool) {
        let at = self.lines.entry(line).or_default();
        let mine = 1 << core;
        let known = at.writer.is_some() || at.readers != 0;
        let hit = at.writer == Some(core) || (!writes && at.readers & mine != 0);
        if hit {
            return;
        }
        // To write what only we have read costs nothing, nor does what nobody has.
        let alone = at.writer.is_none() && at.readers & !mine == 0;
        if writes {
            *at = Line {
                writer: Some(core),
                readers: 0,
            };
        } else {
            if let Some(writer) = at.writer.take() {
                at.readers |= 1 << writer;
            }
            at.readers |= mine;
        }
        if known
            && !alone
            && let Some(moved) = &mut self.moved
        {
            *moved.entry(line).or_default() += 1;
        }
    }
}

/// A process of the simulation, on a core of its own.
struct Traced {
    inner: Sim,
    core: u32,
    caches: Arc<Mutex<Caches>>,
}

impl Traced {
    fn touch(&self, off: u64, len: u64, writes: bool) {
        let mut caches = self.caches.lock().unwrap();
        for line in off / LINE..=(off + len.max(1) - 1) / LINE {
            caches.touch(self.core, line, writes);
        }
    }

    fn sibling(&self, core: u32) -> Traced {
        Traced {
            inner: self.inner.sibling(core + 1),
            core,
            caches: Arc::clone(&self.caches),
        }
    }
}

impl Host for Traced {
    fn size(&self) -> u64 {
        self.inner.size()
    }
    fn load32(&self, off: u64, order: Ordering) -> u32 {
        self.touch(off, 4, false);
        self.inner.load32(off, order)
    }
    fn store32(&self, off: u64, value: u32, order: Ordering) {
        self.touch(off, 4, true);
        self.inner.store32(off, value, order);
    }
    fn cas32(&self, off: u64, old: u32, new: u32) -> std::result::Result<u32, u32> {
        self.touch(off, 4, true);
        self.inner.cas32(off, old, new)
    }
    fn add32(&self, off: u64, n: u32) -> u32 {
        self.touch(off, 4, true);
        self.inner.add32(off, n)
    }
    fn load64(&self, off: u64, order: Ordering) -> u64 {
        self.touch(off, 8, false);
        self.inner.load64(off, order)
    }
    fn store64(&self, off: u64, value: u64, order: Ordering) {
        self.touch(off, 8, true);
        self.inner.store64(off, value, order);
    }
    fn cas64(&self, off: u64, old: u64, new: u64) -> std::result::Result<u64, u64> {
        self.touch(off, 8, true);
        self.inner.cas64(off, old, new)
    }
    fn add64(&self, off: u64, n: u64) -> u64 {
        self.touch(off, 8, true);
        self.inner.add64(off, n)
    }
    fn or64(&self, off: u64, bits: u64) -> u64 {
        self.touch(off, 8, true);
        self.inner.or64(off, bits)
    }
    fn and64(&self, off: u64, bits: u64) -> u64 {
        self.touch(off, 8, true);
        self.inner.and64(off, bits)
    }
    fn load_whole(&self, off: u64, size: usize) -> u64 {
        self.touch(off, size as u64, false);
        self.inner.load_whole(off, size)
    }
    fn store_whole(&self, off: u64, size: usize, bits: u64) {
        self.touch(off, size as u64, true);
        self.inner.store_whole(off, size, bits);
    }
    fn copy_in(&self, off: u64, bytes: &[u8]) {
        self.touch(off, bytes.len() as u64, true);
        self.inner.copy_in(off, bytes);
    }
    fn copy_out(&self, off: u64, bytes: &mut [MaybeUninit<u8>]) {
        self.touch(off, bytes.len() as u64, false);
        self.inner.copy_out(off, bytes);
    }
    fn copy_words(&self, from: u64, to: u64, words: u64) {
        self.touch(from, words * 8, false);
        self.touch(to, words * 8, true);
        self.inner.copy_words(from, to, words);
    }
    fn zero_words(&self, off: u64, words: u64) {
        self.touch(off, words * 8, true);
        self.inner.zero_words(off, words);
    }
    fn commit(&self, off: u64, len: u64) -> Result<()> {
        self.inner.commit(off, len)
    }
    fn decommit(&self, off: u64, len: u64) {
        self.inner.decommit(off, len);
    }
    fn futex_wait(&self, off: u64, expected: u32, timeout: Duration) {
        self.inner.futex_wait(off, expected, timeout);
    }
    fn futex_wake(&self, off: u64, n: u32) {
        self.inner.futex_wake(off, n);
    }
    fn spins(&self) -> u32 {
        self.inner.spins()
    }
    fn identity(&self) -> Identity {
        self.inner.identity()
    }
    fn alive(&self, who: Identity) -> bool {
        self.inner.alive(who)
    }
    fn thread(&self) -> u32 {
        self.inner.thread()
    }
    fn now(&self) -> Duration {
        self.inner.now()
    }
    fn random(&self) -> u64 {
        self.inner.random()
    }
    fn private(&self) -> &AtomicPtr<()> {
        self.inner.private()
    }
}

/// The processes of a measurement and what they share.
struct Farm {
    heaps: Vec<Heap<Traced>>,
    caches: Arc<Mutex<Caches>>,
    /// Several Dicts, of which most measurements use the first.
    dicts: Vec<Vec<RawDict<Traced>>>,
    values: Vec<Value<i64, Traced>>,
    locks: Vec<RawRwLock<Traced>>,
    turn: u64,
}

/// Transfers of one operation on average: within the first line of the object's header, which
/// has the lock, in the rest of the header, and elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Transfers {
    lock: f64,
    header: f64,
    rest: f64,
}

impl Farm {
    fn new(cores: u32) -> Farm {
        let caches = Arc::new(Mutex::new(Caches::default()));
        let host = Traced {
            inner: Sim::new(16 << 20),
            core: 0,
            caches: Arc::clone(&caches),
        };
        let first = Heap::format(host, 1 << 16, u64::MAX, 1, 0).unwrap();
        let mut heaps = vec![first];
        for core in 1..cores {
            let host = heaps[0].host().sibling(core);
            heaps.push(Heap::from_host(host, 0).unwrap());
        }
        let made: Vec<_> = (0..16)
            .map(|_| RawDict::create(&heaps[0]).unwrap())
            .collect();
        let value = Value::new_in(&heaps[0], 0i64).unwrap();
        let lock = RawRwLock::create(&heaps[0]).unwrap();
        let there =
            |heap, object: &ObjectRef<Traced>| ObjectRef::from_token(heap, object.token()).unwrap();
        let mut farm = Farm {
            dicts: Vec::new(),
            values: Vec::new(),
            locks: Vec::new(),
            caches,
            turn: 0,
            heaps: Vec::new(),
        };
        for heap in &heaps {
            let same =
                |dict: &RawDict<_>| RawDict::from_object(there(heap, dict.object())).unwrap();
            farm.dicts.push(made.iter().map(same).collect());
            let (buffer, guard) = value.objects();
            let same = Value::from_objects(there(heap, buffer), there(heap, guard)).unwrap();
            farm.values.push(same);
            let same = RawRwLock::from_object(there(heap, lock.object())).unwrap();
            farm.locks.push(same);
        }
        farm.heaps = heaps;
        for key in 0..KEYS {
            for dict in 0..16 {
                farm.set(0, dict, key, 1);
            }
        }
        for core in 0..farm.heaps.len() {
            for key in 0..KEYS {
                farm.get(core, 0, key);
            }
        }
        farm
    }

    fn set(&self, core: usize, dict: usize, key: i64, value: i64) {
        let heap = &self.heaps[core];
        let mut buffer = [0; 8];
        let key = Key::int(heap, key, &mut buffer);
        let mut value = heap.prepare_int(value).unwrap();
        self.dicts[core][dict]
            .insert(&key, None, &mut value)
            .unwrap();
    }

    fn get(&self, core: usize, dict: usize, key: i64) {
        let mut buffer = [0; 8];
        let key = Key::int(&self.heaps[core], key, &mut buffer);
        let found = self.dicts[core][dict].get(&key, &mut Fetch::new());
        assert!(found.unwrap().is_some());
    }

    fn add(&self, core: usize, dict: usize, key: i64) {
        let mut buffer = [0; 8];
        let key = Key::int(&self.heaps[core], key, &mut buffer);
        self.dicts[core][dict]
            .add(&key, None, Number::Int(1))
            .unwrap();
    }

    /// Lets every process do `operation` in turn, and counts. `object` is what they do it to.
    fn measure(&mut self, object: (u64, u64), operation: impl Fn(&Farm, usize, i64)) -> Transfers {
        let cores = self.heaps.len();
        let round = |farm: &mut Farm| {
            for core in 0..cores {
                // The same keys in every run, and no two turns alike.
                let next = farm.turn.wrapping_mul(0x5851_f42d_4c95_7f2d);
                farm.turn = next.wrapping_add(0x1405_7b7e_f767_814f);
                let key = (farm.turn >> 33) as i64 % KEYS;
                operation(farm, core, key);
            }
        };
        let rounds = OPERATIONS / cores as u64;
        for _ in 0..rounds {
            round(self);
        }
        self.caches.lock().unwrap().moved = Some(BTreeMap::new());
        for _ in 0..rounds {
            round(self);
        }
        let moved = self.caches.lock().unwrap().moved.take().unwrap();
        let first = object.0 / LINE;
        let of = |lines: std::ops::Range<u64>| -> f64 {
            moved.range(lines).map(|(_, n)| *n).sum::<u64>() as f64 / (rounds * cores as u64) as f64
        };
        let header = of(first + 1..first + 6);
        let lock = of(first..first + 1);
        Transfers {
            lock,
            header,
            rest: of(0..u64::MAX) - lock - header,
        }
    }
}

#[test]
fn what_goes_from_core_to_core() {
    println!(
        "transfers of a line per operation: the lock's line + the rest of the header + others"
    );
    for cores in [1, 2, 8, 32, 128] {
        let mut farm = Farm::new(cores);
        let dict = farm.dicts[0][0].object().token();
        let value = farm.values[0].objects().0.token();
        let lock = farm.locks[0].object().token();
        let print = |what: &str, t: Transfers| {
            println!(
                "{cores:4} cores  {what:34} {:.2} + {:.2} + {:.2}",
                t.lock, t.header, t.rest
            );
            t
        };
        let read = farm.measure(dict, |farm, core, key| farm.get(core, 0, key));
        print("get, any key", read);
        let write = farm.measure(dict, |farm, core, key| farm.set(core, 0, key, 7));
        print("set, any key that is there", write);
        let add = farm.measure(dict, |farm, core, key| farm.add(core, 0, key));
        print("add, any key that is there", add);
        let mixed = farm.measure(dict, |farm, core, key| {
            if key % 20 == 0 {
                farm.set(core, 0, key, 7);
            } else {
                farm.get(core, 0, key);
            }
        });
        print("19 gets to a set", mixed);
        let grown = farm.measure(dict, |farm, core, _| {
            farm.set(core, 0, KEYS + farm.turn as i64 / 2, 7);
        });
        print("set, a new key", grown);
        let sharded = farm.measure(dict, |farm, core, key| {
            farm.set(core, key as usize % 16, key, 7);
        });
        print("set, one of 16 Dicts by the key", sharded);
        let own = farm.measure(dict, |farm, core, key| {
            if core < 16 {
                farm.set(core, core, key, 7);
            }
        });
        if cores <= 16 {
            print("set, a Dict for each process", own);
        }
        let counted = farm.measure(value, |farm, core, _| {
            farm.values[core].fetch_add(1).unwrap();
        });
        print("Value.add (its lock is an object)", counted);
        let readers = farm.measure(lock, |farm, core, _| {
            let lock = &farm.locks[core];
            assert_eq!(lock.acquire_read(None).unwrap(), Acquired::Yes);
            lock.release_read().unwrap();
        });
        print("RwLock, to read and back", readers);

        let total = |t: Transfers| t.lock + t.header + t.rest;
        if cores == 1 {
            for alone in [
                read, write, add, mixed, grown, sharded, own, counted, readers,
            ] {
                assert_eq!(total(alone), 0.0, "who is alone waits for nobody's cache");
            }
            continue;
        }
        // What the design promises, for any number of cores.
        assert!(total(read) == 0.0, "a reader writes nothing: {read:?}");
        assert!(write.lock <= 1.0 && total(write) <= 6.0, "{write:?}");
        assert!(
            mixed.lock <= 1.0 && total(mixed) < total(write),
            "{mixed:?}"
        );
        assert!(
            total(readers) == 0.0,
            "readers of an RwLock share nothing that they write"
        );
        if cores <= 16 {
            assert!(
                total(own) < 0.05,
                "what nobody else uses hardly moves: {own:?}"
            );
        }
    }
}
