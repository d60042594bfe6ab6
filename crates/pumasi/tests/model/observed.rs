//! What the observer is told: of every operation once, on the object it was done on, however
//! often it had to look or to come again.

use std::collections::BTreeMap;
use std::time::Duration;

use pumasi::containers::{Order, RawList, RawQueue};
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::Fetch;
use pumasi::sync::{
    Acquired, OnDeath, RawBoundedSemaphore, RawEvent, RawLock, RawRLock, RawRwLock, RawSemaphore,
    without_waiting,
};
use pumasi::sys::sim::Sim;
use pumasi::{Array, Error, Heap, Value};

use crate::support::{heap, sibling, sound};

const SHORT: Option<Duration> = Some(Duration::from_millis(60));
const NOW: Option<Duration> = Some(Duration::ZERO);

/// The counters of an object, by name, with those that had to wait.
fn told(heap: &Heap<Sim>, object: &ObjectRef<Sim>) -> BTreeMap<&'static str, u64> {
    let all = heap.operations();
    let found = all
        .iter()
        .find(|each| (each.offset, each.generation) == object.token());
    let Some(found) = found else {
        return BTreeMap::new();
    };
    let mut counters: BTreeMap<_, _> = found
        .operations
        .iter()
        .map(|(op, n)| (op.name(), *n))
        .collect();
    counters.insert("contended", found.contended);
    counters
}

macro_rules! assert_told {
    ($heap:expr, $object:expr, $($name:literal: $count:expr),+) => {
        assert_eq!(told(&$heap, $object), BTreeMap::from([$(($name, $count)),+]))
    };
}

/// Two processes, and operations are counted.
fn two() -> (Heap<Sim>, Heap<Sim>) {
    let one = heap();
    one.join().unwrap();
    let other = sibling(&one, 2);
    other.join().unwrap();
    one.count_operations(true);
    (one, other)
}

fn there(heap: &Heap<Sim>, object: &ObjectRef<Sim>) -> ObjectRef<Sim> {
    ObjectRef::from_token(heap, object.token()).unwrap()
}

#[test]
fn values_and_arrays() {
    let (one, other) = two();
    let value = Value::new_in(&one, 5i64).unwrap();
    let (buffer, lock) = value.objects();
    let same = Value::<i64, _>::from_objects(there(&other, buffer), there(&other, lock)).unwrap();
    value.set(value.get().unwrap() + 1).unwrap();
    same.fetch_add(2).unwrap();
    same.fetch_max(20).unwrap();
    value.compare_exchange(20, 1).unwrap();
    value.update(|n| *n += 1).unwrap();
    assert_eq!(same.replace(3).unwrap(), 2);
    assert_told!(one, buffer, "get": 1, "set": 1, "add": 1, "update": 4, "contended": 0);
    assert_eq!(told(&one, lock), BTreeMap::new());

    let array = Array::new_in(&one, &[1.0f64, 2.0]).unwrap();
    array.fill(0.5).unwrap();
    array.set(0, array.get(1).unwrap()).unwrap();
    array.fetch_add(1, 1.0).unwrap();
    array.copy_in(0, &[7.0]).unwrap();
    assert_eq!(array.to_vec().unwrap(), [7.0, 1.5]);
    assert!(array.get(2).is_err());
    // It was filled when it was made, too.
    let (buffer, _) = array.objects();
    assert_told!(one, buffer,
        "get": 1, "set": 1, "add": 1, "splice": 3, "snapshot": 1, "contended": 0);

    let number = Value::new_in(&one, 5i64).unwrap();
    assert!(number.wait(None, |n| n == 5).unwrap());
    assert!(!number.wait(SHORT, |n| n == 6).unwrap());
    assert_told!(one, number.objects().0, "wait": 2, "contended": 1);

    one.count_operations(false);
    value.set(9).unwrap();
    assert_eq!(told(&other, value.objects().0).get("set"), Some(&1));
    sound(&one);
}

#[test]
fn primitives() {
    let (one, other) = two();
    let lock = RawLock::create(&one, OnDeath::Auto).unwrap();
    let same = RawLock::from_object(there(&other, lock.object())).unwrap();
    assert_eq!(lock.acquire(None).unwrap(), Acquired::Yes);
    assert_eq!(same.acquire(NOW).unwrap(), Acquired::No);
    assert_eq!(same.acquire(SHORT).unwrap(), Acquired::No);
    // One that is to wait and may not has not happened yet.
    let tried = without_waiting(|| same.acquire(None));
    assert!(matches!(tried, Err(Error::WouldBlock)));
    lock.release().unwrap();
    assert_told!(one, lock.object(), "acquire": 3, "release": 1, "contended": 2);

    let lock = RawRLock::create(&one, OnDeath::Auto).unwrap();
    let same = RawRLock::from_object(there(&other, lock.object())).unwrap();
    assert_eq!(lock.acquire(None).unwrap(), Acquired::Yes);
    assert_eq!(lock.acquire(None).unwrap(), Acquired::Yes);
    assert_eq!(same.acquire(SHORT).unwrap(), Acquired::No);
    let tried = without_waiting(|| same.acquire(None));
    assert!(matches!(tried, Err(Error::WouldBlock)));
    lock.release().unwrap();
    lock.release().unwrap();
    assert_told!(one, lock.object(), "acquire": 3, "release": 2, "contended": 1);

    let plain = RawSemaphore::create(&one, 1).unwrap();
    assert_eq!(plain.acquire(None).unwrap(), Acquired::Yes);
    assert_eq!(plain.acquire(SHORT).unwrap(), Acquired::No);
    let tried = without_waiting(|| plain.acquire(None));
    assert!(matches!(tried, Err(Error::WouldBlock)));
    plain.release(1).unwrap();
    assert_told!(one, plain.object(), "acquire": 2, "release": 1, "contended": 1);

    let bounded = RawBoundedSemaphore::create(&one, 1, OnDeath::Auto).unwrap();
    assert_eq!(bounded.acquire(None).unwrap(), Acquired::Yes);
    assert_eq!(bounded.acquire(SHORT).unwrap(), Acquired::No);
    let tried = without_waiting(|| bounded.acquire(None));
    assert!(matches!(tried, Err(Error::WouldBlock)));
    bounded.release().unwrap();
    assert_told!(one, bounded.object(), "acquire": 2, "release": 1, "contended": 1);

    let event = RawEvent::create(&one).unwrap();
    assert!(!event.wait(SHORT).unwrap());
    event.set();
    assert!(event.is_set() && event.wait(None).unwrap());
    event.clear();
    assert_told!(one, event.object(),
        "get": 1, "wait": 2, "set_flag": 1, "clear_flag": 1, "contended": 1);

    let shared = RawRwLock::create(&one).unwrap();
    let same = RawRwLock::from_object(there(&other, shared.object())).unwrap();
    assert_eq!(shared.acquire_read(None).unwrap(), Acquired::Yes);
    assert_eq!(same.acquire_read(None).unwrap(), Acquired::Yes);
    assert_eq!(same.acquire_write(SHORT).unwrap(), Acquired::No);
    same.release_read().unwrap();
    let tried = without_waiting(|| same.acquire_write(None));
    assert!(matches!(tried, Err(Error::WouldBlock)));
    shared.release_read().unwrap();
    assert_eq!(same.acquire_write(None).unwrap(), Acquired::Yes);
    assert_eq!(shared.acquire_read(SHORT).unwrap(), Acquired::No);
    assert_eq!(shared.acquire_write(SHORT).unwrap(), Acquired::No);
    same.release_write().unwrap();
    assert_told!(one, shared.object(), "acquire": 6, "release": 3, "contended": 3);
    sound(&one);
}

#[test]
fn queues_and_containers() {
    let (one, other) = two();
    let queue = RawQueue::create(&one, 2, Order::FirstFirst, true).unwrap();
    let same = RawQueue::from_object(there(&other, queue.object())).unwrap();
    let mut out = Fetch::new();
    assert!(queue.get(NOW, &mut out).unwrap().is_none());
    assert!(queue.get(SHORT, &mut out).unwrap().is_none());
    let tried = without_waiting(|| queue.get(None, &mut out).map(|_| ()));
    assert!(matches!(tried, Err(Error::WouldBlock)));
    for i in 0..2 {
        assert!(same.put(&mut other.prepare_int(i).unwrap(), None).unwrap());
    }
    assert!(!same.put(&mut other.prepare_int(9).unwrap(), SHORT).unwrap());
    drop(queue.get(None, &mut out).unwrap());
    assert_eq!(queue.get_many(5, None).unwrap().0.len(), 1);
    assert_eq!((queue.len(), queue.is_empty()), (0, true));
    assert!(!queue.join(SHORT).unwrap().0);
    let mut counters = told(&one, queue.object());
    assert_eq!(counters.remove("len"), Some(2));
    let wanted = [("pop", 4), ("append", 3), ("wait", 1), ("contended", 4)];
    assert_eq!(counters, BTreeMap::from(wanted));

    let list = RawList::create(&one).unwrap();
    let same = RawList::from_object(there(&other, list.object())).unwrap();
    assert_eq!(list.lock(None).unwrap(), Acquired::Yes);
    assert_eq!(same.lock(SHORT).unwrap(), Acquired::No);
    let tried = without_waiting(|| same.push(&mut other.prepare_int(1).unwrap()));
    assert!(matches!(tried, Err(Error::WouldBlock)));
    list.push(&mut one.prepare_int(1).unwrap()).unwrap();
    list.unlock().unwrap();
    same.push(&mut other.prepare_int(1).unwrap()).unwrap();
    assert_told!(one, list.object(),
        "acquire": 2, "release": 1, "append": 2, "contended": 1);
    sound(&one);
}
