//! `Deque<T>`.

use std::collections::VecDeque;
use std::time::Duration;

use pumasi::sync::LockError;
use pumasi::{Deque, Dynamic, Error, List};

use crate::common::tidy;

#[test]
fn both_ends_are_alike() {
    let _tidy = tidy();
    let deque: Deque<String> = Deque::new().unwrap();
    deque.push_back("b").unwrap();
    deque.push_front("a").unwrap();
    deque.extend(["c", "d"]).unwrap();
    deque.extend_front(["1", "0"]).unwrap();
    assert_eq!(deque.to_vec().unwrap(), ["0", "1", "a", "b", "c", "d"]);
    assert_eq!(deque.front().unwrap().as_deref(), Some("0"));
    assert_eq!(deque.back().unwrap().as_deref(), Some("d"));
    assert_eq!(deque.get(2).unwrap().as_deref(), Some("a"));
    assert_eq!(deque.get(6).unwrap(), None);
    assert_eq!(deque.pop_front().unwrap().as_deref(), Some("0"));
    assert_eq!(deque.pop_back().unwrap().as_deref(), Some("d"));
    assert_eq!(deque.len().unwrap(), 4);
    assert!(deque.contains(&"b".to_owned()).unwrap());
    assert_eq!(deque.position(&"c".to_owned()).unwrap(), Some(3));
    deque.clear().unwrap();
    assert!(deque.is_empty().unwrap());
    assert_eq!(deque.pop_front().unwrap(), None);
    assert_eq!(deque.pop_back().unwrap(), None);
    assert_eq!(deque.bound(), None);
}

#[test]
fn a_bounded_one_keeps_the_newest() {
    let _tidy = tidy();
    let deque: Deque<u32> = Deque::bounded(3).unwrap();
    assert_eq!(deque.bound(), Some(3));
    deque.extend(0..10).unwrap();
    assert_eq!(deque.to_vec().unwrap(), [7, 8, 9]);
    deque.push_front(6).unwrap();
    assert_eq!(deque.to_vec().unwrap(), [6, 7, 8]);
    let full = deque.insert(1, 0);
    assert!(matches!(full, Err(Error::Full { .. })), "{full:?}");
    assert_eq!(
        full.unwrap_err().to_string(),
        "deque already at its maximum size"
    );
    deque.extend_front(0..9).unwrap();
    assert_eq!(deque.to_vec().unwrap(), [8, 7, 6]);
    let none: Deque<u32> = Deque::bounded(0).unwrap();
    none.push_back(1).unwrap();
    none.extend(0..5).unwrap();
    assert!(none.is_empty().unwrap());
}

#[test]
fn the_middle_is_reached_too() {
    let _tidy = tidy();
    let deque = Deque::of(0..6).unwrap();
    let mut model: VecDeque<i32> = (0..6).collect();
    deque.insert(2, 20).unwrap();
    model.insert(2, 20);
    assert_eq!(Some(deque.remove(4).unwrap()), model.remove(4));
    deque.set(0, -1).unwrap();
    model[0] = -1;
    deque.rotate_left(2).unwrap();
    model.rotate_left(2);
    deque.rotate_right(1).unwrap();
    model.rotate_right(1);
    assert_eq!(
        deque.update(1, |n| core::mem::replace(n, 5)).unwrap(),
        model[1]
    );
    model[1] = 5;
    assert_eq!(deque.to_vec().unwrap(), Vec::from(model));
    deque.reverse().unwrap();
    let forward: Vec<i32> = deque.iter().unwrap().map(Result::unwrap).collect();
    let mut backward: Vec<i32> = deque.iter().unwrap().rev().map(Result::unwrap).collect();
    backward.reverse();
    assert_eq!(forward, backward);
    for outside in [deque.remove(99).err(), deque.set(99, 0).err()] {
        assert!(matches!(outside, Some(Error::IndexOutOfRange { .. })));
    }
}

#[test]
fn it_nests_and_is_locked() {
    let _tidy = tidy();
    let outer: List = List::new().unwrap();
    let inner = Deque::of([1, 2]).unwrap();
    outer.push(inner.clone()).unwrap();
    let Some(Dynamic::Deque(same)) = outer.get(0).unwrap() else {
        panic!("no deque");
    };
    same.push_back(3).unwrap();
    assert_eq!(inner.to_vec().unwrap(), [1, 2, 3]);
    assert!(List::<List<i32>>::from(outer.raw().clone()).get(0).is_err());

    let held = inner.locked().or_else(LockError::accept).unwrap();
    held.push_back(4).unwrap();
    let other = inner.clone();
    let waits = std::thread::spawn(move || {
        other
            .locked_timeout(Duration::from_millis(1))
            .unwrap()
            .is_none()
    });
    assert!(waits.join().unwrap());
    drop(held);
    assert_eq!(inner.len().unwrap(), 4);
}

#[test]
fn threads_at_both_ends_lose_nothing() {
    let _tidy = tidy();
    let deque: Deque<u64> = Deque::new().unwrap();
    let workers: Vec<_> = (0..4u64)
        .map(|worker| {
            let deque = deque.clone();
            std::thread::spawn(move || {
                let mut taken = Vec::new();
                for i in 0..500 {
                    let n = worker * 1000 + i;
                    if i % 2 == 0 {
                        deque.push_back(n).unwrap();
                    } else {
                        deque.push_front(n).unwrap();
                    }
                    if i % 3 == 0 {
                        taken.extend(deque.pop_front().unwrap());
                        deque.rotate_right(1).unwrap();
                    }
                }
                taken
            })
        })
        .collect();
    let mut all = taken_by(workers);
    all.extend(deque.to_vec().unwrap());
    all.sort_unstable();
    let wanted: Vec<u64> = (0..4)
        .flat_map(|w| (0..500).map(move |i| w * 1000 + i))
        .collect();
    assert_eq!(all, wanted);
}

fn taken_by(workers: Vec<std::thread::JoinHandle<Vec<u64>>>) -> Vec<u64> {
    workers
        .into_iter()
        .flat_map(|worker| worker.join().unwrap())
        .collect()
}
