//! A damaged heap gives an error: never an endless loop, never an access outside the memory.
//!
//! Random words of a heap with containers, queues, locks and some who wait in it are overwritten, then
//! every operation is tried. An operation may fail, may even succeed; a panic is allowed only as the
//! backstop that says so ("damaged heap"). A watchdog ends a loop. `PUMASI_ROUND` names the round
//! to begin with.

#[path = "../support/mod.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use pumasi::Heap;
use pumasi::containers::{
    Algebra, End, Number, Order, Part, RawDeque, RawDict, RawList, RawQueue, RawSet, RawVector,
    Slice, Value,
};
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::Fetch;
use pumasi::sync::{Arrival, RawBarrier, RawCondition, RawRwLock, without_waiting};
use pumasi::sys::sim::Sim;
use support::{Plain, combine, copy, heap, prepare, prepare_all, with_key};

/// xorshift64*, so that a failing round can be run again by its number.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Runs one operation; its failure is no news, a wrong panic is.
fn attempt(name: &str, f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        let text = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "a panic without text".into());
        assert!(text.contains("damaged heap"), "{name}: {text}");
    }
}

fn round(number: u64) {
    let original = heap();
    let list = RawList::create(&original).unwrap();
    let dict = RawDict::create(&original).unwrap();
    let set = RawSet::create(&original).unwrap();
    let deque = RawDeque::create(&original, number.is_multiple_of(3).then_some(30)).unwrap();
    for i in 0..40 {
        let element = Plain::Text(format!("element number {i}"));
        with_key(&original, &element, |k| set.add(k, None)).unwrap();
        let v = if i % 3 == 0 {
            Plain::Text("some longer text".repeat(1 + i % 5))
        } else {
            Plain::Int(i as i64)
        };
        list.push(&mut prepare(&original, &v).unwrap()).unwrap();
        let end = if i % 4 == 0 { End::Front } else { End::Back };
        deque
            .push(end, &mut prepare(&original, &v).unwrap())
            .unwrap();
        let mut v = prepare(&original, &v).unwrap();
        with_key(&original, &Plain::Text(format!("key number {i}")), |k| {
            dict.insert(k, None, &mut v)
        })
        .unwrap();
    }
    let vectors = [8, 24].map(|size| {
        let mut kind = prepare(&original, &Plain::Text("what the elements are".into())).unwrap();
        let vector = RawVector::create(&original, size, 0, &mut kind).unwrap();
        vector.extend(&vec![7; size * 30]).unwrap();
        drop(vector.export().unwrap());
        vector
    });
    let condition = RawCondition::create(&original).unwrap();
    let barrier = RawBarrier::create(&original, 20).unwrap();
    for _ in 0..16 {
        let _stays = condition.enlist().unwrap();
        assert!(matches!(barrier.arrive(false), Ok(Arrival::Wait(_))));
    }
    let lock = RawRwLock::create(&original).unwrap();
    assert!(lock.acquire_read(None).unwrap().is_ours());
    let queues = [Order::FirstFirst, Order::LastFirst].map(|order| {
        let queue = RawQueue::create(&original, 0, order, true).unwrap();
        for i in 0..20 {
            let v = Plain::Text("an item of a queue".repeat(1 + i % 4 * 30));
            let mut v = prepare(&original, &v).unwrap();
            assert!(queue.put(&mut v, None).unwrap());
        }
        queue
    });
    for queue in &queues {
        // Leases that name a living process stay: one of an item, one of several.
        std::mem::forget(queue.get(None, &mut Fetch::new()).unwrap());
        std::mem::forget(queue.get_many(3, None).unwrap().1);
    }
    let value = Value::new_in(&original, [1u64, 2, 3]).unwrap();
    // Something that only a collection finds, and something nested that it must follow.
    let circle = RawList::create(&original).unwrap();
    for to in [circle.object(), list.object()] {
        let mut edge = original.prepare_object(to).unwrap();
        circle.push(&mut edge).unwrap();
        let mut pickle = original.prepare_pickle(b"pickled", &[to]).unwrap();
        list.push(&mut pickle).unwrap();
    }
    drop(circle);
    let used = original.used() + 200 * 1024;
    let damaged = copy(&original, 7);
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    // Participants and locks are left alone: a lock that names a living process is held.
    for _ in 0..1 + random.below(12) {
        let off = (132 * 1024 + random.below(used.min(support::SIZE - 140 * 1024))) & !7;
        let value = match random.below(5) {
            0 => random.next(),
            1 => 0,
            2 => u64::MAX,
            3 => random.below(support::SIZE) << 4 | random.below(16),
            _ => random.below(1 << 20),
        };
        damaged.host().poke(off, value);
    }
    // And near an object: in its header, or in what was made just before it.
    if number.is_multiple_of(3) {
        let headers = [
            lock.object().offset(),
            queues[0].object().offset(),
            queues[1].object().offset(),
            value.objects().0.offset(),
            vectors[0].object().offset(),
            vectors[1].object().offset(),
        ];
        let at = headers[random.below(6) as usize] + 24 + (random.below(230) & !7);
        damaged.host().poke(at, random.next() >> random.below(64));
    }
    let collect = || drop(pumasi::sync::without_waiting(|| damaged.collect()));
    attempt("stats", || drop(damaged.stats().to_string()));
    if number.is_multiple_of(2) {
        attempt("collect first", collect);
    }
    let mut out = Fetch::new();
    let (l, d) = (list.object().token(), dict.object().token());
    let s = set.object().token();
    attempt("list", || {
        let Ok(object) = ObjectRef::from_token(&damaged, l) else {
            return;
        };
        let Ok(list) = RawList::from_object(object) else {
            return;
        };
        let zero = Some(Duration::ZERO);
        if !matches!(list.lock(zero), Ok(a) if a.is_ours()) {
            return;
        }
        let _ = list.unlock();
        for i in -3..45 {
            attempt("get", || drop(list.get(i, &mut Fetch::new())));
        }
        attempt("snapshot", || drop(list.snapshot()));
        attempt("set", || {
            let _ = list.set(3, &mut prepare(&damaged, &Plain::Int(1)).unwrap());
        });
        attempt("extend", || {
            let _ = list.extend(&mut prepare_all(&damaged, &[Plain::Int(1), Plain::Int(2)]));
        });
        attempt("slice", || {
            let slice = Slice {
                start: Some(2),
                stop: Some(30),
                step: 3,
            };
            let _ = list.del_slice(slice);
        });
        attempt("pop", || drop(list.pop(0, &mut Fetch::new())));
        attempt("clear", || drop(list.clear()));
    });
    attempt("dict", || {
        let Ok(object) = ObjectRef::from_token(&damaged, d) else {
            return;
        };
        let Ok(dict) = RawDict::from_object(object) else {
            return;
        };
        if !matches!(dict.lock(Some(Duration::ZERO)), Ok(a) if a.is_ours()) {
            return;
        }
        let _ = dict.unlock();
        for i in 0..45 {
            let key = Plain::Text(format!("key number {i}"));
            attempt("get", || {
                let _ = with_key(&damaged, &key, |k| dict.get(k, &mut Fetch::new()));
            });
            attempt("add", || {
                let _ = with_key(&damaged, &key, |k| dict.add(k, None, Number::Int(1)));
            });
        }
        attempt("snapshot", || drop(dict.snapshot(Part::Items)));
        attempt("popitem", || {
            let _ = dict.popitem(&mut out, &mut Fetch::new());
        });
        attempt("insert", || {
            for i in 0..30 {
                let mut v = prepare(&damaged, &Plain::Int(i)).unwrap();
                let _ = with_key(&damaged, &Plain::Int(i), |k| dict.insert(k, None, &mut v));
            }
        });
        attempt("clear", || drop(dict.clear()));
    });
    attempt("set", || {
        let Ok(object) = ObjectRef::from_token(&damaged, s) else {
            return;
        };
        let Ok(set) = RawSet::from_object(object) else {
            return;
        };
        if !matches!(set.lock(Some(Duration::ZERO)), Ok(a) if a.is_ours()) {
            return;
        }
        let _ = set.unlock();
        let some: Vec<Plain> = (20..60)
            .map(|i| Plain::Text(format!("element number {i}")))
            .collect();
        for how in [
            Algebra::Union,
            Algebra::SymmetricDifference,
            Algebra::Difference,
            Algebra::Intersection,
        ] {
            attempt("combine", || drop(combine(&set, how, &some)));
        }
        attempt("snapshot", || drop(set.snapshot()));
        attempt("pop", || drop(set.pop(&mut Fetch::new())));
    });
    attempt("deque", || use_deque(&damaged, deque.object().token()));
    for vector in &vectors {
        attempt("vector", || use_vector(&damaged, vector.object().token()));
    }
    wait_there(&damaged, &condition, &barrier);
    use_lock(&damaged, &lock);
    for queue in &queues {
        use_queue(&damaged, queue);
    }
    attempt("value", || {
        let (buffer, lock) = value.objects();
        let found = |o: &ObjectRef<Sim>| ObjectRef::from_token(&damaged, o.token());
        let (Ok(buffer), Ok(lock)) = (found(buffer), found(lock)) else {
            return;
        };
        let Ok(value) = Value::<[u64; 3], Sim>::from_objects(buffer, lock) else {
            return;
        };
        without_waiting(|| {
            attempt("get", || drop(value.get()));
            attempt("set", || drop(value.set([4, 5, 6])));
            attempt("update", || drop(value.update(|v| v[0] += 1)));
        });
    });
    attempt("collect", collect);
    // Whatever the dead have left, leases among it, in a heap that is damaged.
    attempt("settle", || {
        let heir = support::sibling(&damaged, 9);
        damaged.host().die();
        // The leases are the first process's.
        support::sibling(&damaged, 1).host().die();
        without_waiting(|| {
            if heir.join().is_ok() {
                attempt("recover", || {
                    let _ = heir.recover();
                });
            }
        });
    });
}

fn use_deque(damaged: &Heap<Sim>, token: (u64, u64)) {
    let object = ObjectRef::from_token(damaged, token);
    let Ok(deque) = object.and_then(RawDeque::from_object) else {
        return;
    };
    if !matches!(deque.lock(Some(Duration::ZERO)), Ok(a) if a.is_ours()) {
        return;
    }
    let _ = deque.unlock();
    for i in -3..45 {
        attempt("get", || drop(deque.get(i, &mut Fetch::new())));
    }
    attempt("snapshot", || drop(deque.snapshot()));
    let some = [Plain::Int(1), Plain::Text("some longer text".repeat(3))];
    for end in [End::Front, End::Back] {
        attempt("push", || {
            let _ = deque.push(end, &mut prepare(damaged, &some[1]).unwrap());
        });
        attempt("extend", || {
            let _ = deque.extend(end, &mut prepare_all(damaged, &some));
        });
        attempt("pop", || drop(deque.pop(end, &mut Fetch::new())));
    }
    attempt("set", || {
        let _ = deque.set(3, &mut prepare(damaged, &some[0]).unwrap());
    });
    attempt("rotate", || {
        let _ = deque.rotate(5);
        let _ = deque.rotate(-17);
    });
    attempt("insert", || {
        let _ = deque.insert(7, &mut prepare(damaged, &some[1]).unwrap());
    });
    attempt("remove", || drop(deque.remove(9)));
    attempt("reverse", || drop(deque.reverse()));
    attempt("clear", || drop(deque.clear()));
}

fn use_vector(damaged: &Heap<Sim>, token: (u64, u64)) {
    let object = ObjectRef::from_token(damaged, token);
    let Ok(vector) = object.and_then(RawVector::from_object) else {
        return;
    };
    let size = vector.item_size();
    if size > 4096 || !matches!(vector.lock(Some(Duration::ZERO)), Ok(a) if a.is_ours()) {
        return;
    }
    let _ = vector.unlock();
    let (mut one, some) = (vec![1; size], vec![2; size * 5]);
    let part = |start, stop, step| Slice {
        start: Some(start),
        stop: Some(stop),
        step,
    };
    without_waiting(|| {
        attempt("kind", || drop(vector.kind(&mut Fetch::new())));
        attempt("get", || drop(vector.get(-3, &mut one)));
        attempt("read", || drop(vector.read(Slice::ALL)));
        attempt("read", || drop(vector.read(part(20, 1, -3))));
        attempt("view", || {
            let view = vector.export();
            let _ = vector.clear();
            drop(view);
        });
        attempt("push", || drop(vector.push(&one)));
        attempt("set", || drop(vector.set(4, &one)));
        attempt("step", || drop(vector.step(2, |n| n + 1)));
        attempt("extend", || drop(vector.extend(&vec![3; size * 40])));
        attempt("slice", || drop(vector.set_slice(part(2, 7, 1), &some)));
        attempt("slice", || drop(vector.set_slice(part(2, 12, 2), &some)));
        attempt("slice", || drop(vector.set_slice(part(1, 20, 1), &some)));
        attempt("insert", || drop(vector.insert(3, &one)));
        attempt("pop", || drop(vector.pop(1, &mut vec![0; size])));
        attempt("shrink", || drop(vector.shrink()));
        attempt("clear", || drop(vector.clear()));
    });
}

fn wait_there(damaged: &Heap<Sim>, condition: &RawCondition<Sim>, barrier: &RawBarrier<Sim>) {
    // The internal lock may have been damaged into one that a living process holds.
    let patient = |name, f: &dyn Fn()| without_waiting(|| attempt(name, f));
    attempt("condition", || {
        let token = condition.object().token();
        let object = ObjectRef::from_token(damaged, token);
        let Ok(c) = object.and_then(RawCondition::from_object) else {
            return;
        };
        patient("enlist", &|| {
            for _ in 0..20 {
                if let Ok(place) = c.enlist() {
                    let _ = c.is_notified(&place);
                    let _ = c.sleep(&place, Some(Duration::ZERO));
                    let _ = c.leave(place);
                }
            }
        });
        patient("notify", &|| drop(c.notify(3)));
        patient("look", &|| c.look_for_dead());
        patient("notify all", &|| drop(c.notify_all()));
    });
    attempt("barrier", || {
        let object = ObjectRef::from_token(damaged, barrier.object().token());
        let Ok(b) = object.and_then(RawBarrier::from_object) else {
            return;
        };
        patient("come", &|| {
            for _ in 0..6 {
                if let Ok(Arrival::Wait(come)) = b.arrive(false) {
                    let _ = b.outcome(&come);
                    b.leave(come);
                }
            }
        });
        patient("look", &|| b.look_for_dead(None, 1));
        patient("abort", &|| drop(b.abort()));
        patient("reset", &|| drop(b.reset()));
        patient("count", &|| drop(b.waiting()));
    });
}

fn use_lock(damaged: &Heap<Sim>, lock: &RawRwLock<Sim>) {
    attempt("rwlock", || {
        let object = ObjectRef::from_token(damaged, lock.object().token());
        let Ok(lock) = object.and_then(RawRwLock::from_object) else {
            return;
        };
        let zero = Some(Duration::ZERO);
        let patient = |name, f: &dyn Fn()| without_waiting(|| attempt(name, f));
        patient("count", &|| drop(lock.readers()));
        patient("write", &|| {
            if matches!(lock.acquire_write(zero), Ok(a) if a.is_ours()) {
                let _ = lock.release_write();
            }
        });
        patient("announce", &|| {
            if let Ok(Some(writer)) = lock.announce() {
                let _ = lock.begin(&writer);
                lock.withdraw(writer);
            }
        });
        patient("read", &|| {
            for _ in 0..2 {
                let _ = lock.acquire_read(zero);
                let _ = (lock.is_written(), lock.is_written_here());
            }
            let _ = lock.release_read();
        });
        patient("end to write", &|| drop(lock.release_write()));
    });
}

fn use_queue(damaged: &Heap<Sim>, queue: &RawQueue<Sim>) {
    attempt("queue", || {
        let object = ObjectRef::from_token(damaged, queue.object().token());
        let Ok(queue) = object.and_then(RawQueue::from_object) else {
            return;
        };
        let zero = Some(Duration::ZERO);
        let patient = |name, f: &dyn Fn()| without_waiting(|| attempt(name, f));
        let long = Plain::Text("another item".repeat(20));
        patient("snapshot", &|| drop(queue.snapshot()));
        patient("get", &|| {
            for _ in 0..3 {
                let _ = queue.get(zero, &mut Fetch::new());
            }
        });
        patient("put", &|| {
            for _ in 0..40 {
                let _ = queue.put(&mut prepare(damaged, &long).unwrap(), zero);
            }
        });
        patient("put many", &|| {
            let mut values = prepare_all(damaged, &vec![long.clone(); 30]);
            let _ = queue.put_many(&mut values, zero);
        });
        patient("put in between", &|| {
            if let Ok(seen) = queue.snapshot() {
                let mut v = prepare(damaged, &long).unwrap();
                let _ = queue.put_at(seen.version, 2, &mut v);
            }
        });
        patient("get many", &|| drop(queue.get_many(8, zero)));
        patient("tasks", &|| {
            for _ in 0..6 {
                let _ = queue.task_done();
            }
            let _ = queue.join(zero);
        });
        patient("look", &|| {
            let _ = (queue.wait_for_item(zero), queue.wait_for_room(zero));
        });
        patient("close", &|| drop(queue.close()));
    });
}

#[test]
fn a_damaged_heap_gives_errors_and_no_endless_loop() {
    let rounds = if std::env::var_os("PUMASI_SOAK").is_some() {
        200_000
    } else {
        3_000
    };
    // Thousands of panics are expected; one round looked at by itself shows its own.
    std::panic::set_hook(Box::new(|info| {
        if std::env::var_os("PUMASI_ROUND").is_some() {
            eprintln!("{info}");
        }
    }));
    let (done, watch) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let first = std::env::var("PUMASI_ROUND").map_or(0, |n| n.parse().unwrap());
        for number in first..rounds.max(first + 1) {
            let _ = done.send(number);
            if let Err(payload) = catch_unwind(|| round(number)) {
                let text = payload.downcast_ref::<String>().cloned();
                return Err(format!("round {number}: {text:?}"));
            }
        }
        Ok(())
    });
    let mut last = 0;
    loop {
        match watch.recv_timeout(Duration::from_secs(30)) {
            Ok(number) => last = number,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = std::panic::take_hook();
                panic!("round {last} does not end");
            }
        }
    }
    let result = worker.join();
    let _ = std::panic::take_hook();
    result.unwrap().unwrap();
}
