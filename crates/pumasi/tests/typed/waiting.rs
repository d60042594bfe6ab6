//! Conditions and barriers, in one process and among several, and what a SIGKILL does to them.

use std::thread;
use std::time::Duration;

use pumasi::sync::LockError;
use pumasi::{Barrier, Condition, Dict, Error, Event, List, Lock, RLock, RwLock, Semaphore};

use crate::common::{eventually, hang, kill, tidy};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_condition_notifies_those_who_wait() {
    let _tidy = tidy();
    let (lock, condition) = (Lock::new().unwrap(), Condition::new().unwrap());
    assert!(!condition.notify_one().unwrap());
    let order = List::<u32>::new().unwrap();
    thread::scope(|scope| {
        for i in 0..3 {
            let (lock, condition, order) = (&lock, &condition, &order);
            scope.spawn(move || {
                let guard = lock.acquire().unwrap();
                let _guard = condition.wait(guard).unwrap();
                order.push(i).unwrap();
            });
            eventually("one more waits", || {
                condition.raw().waiting().unwrap() == i + 1
            });
        }
        assert!(condition.notify_one().unwrap());
        eventually("the first goes on", || order.len().unwrap() == 1);
        assert_eq!(condition.notify(1).unwrap(), 1);
        eventually("the second goes on", || order.len().unwrap() == 2);
        assert_eq!(condition.notify_all().unwrap(), 1);
    });
    assert_eq!(order.to_vec().unwrap(), [0, 1, 2]);
    assert!(!lock.is_locked());
}

#[test]
fn a_wait_gives_the_whole_lock_up_and_takes_it_again() {
    let _tidy = tidy();
    let (lock, condition) = (RLock::new().unwrap(), Condition::new().unwrap());
    let outer = lock.acquire().unwrap();
    let inner = lock.acquire().unwrap();
    let taken_elsewhere = thread::scope(|scope| {
        let other = scope.spawn(|| {
            eventually("it waits", || condition.raw().waiting().unwrap() == 1);
            let guard = lock.acquire().unwrap();
            condition.notify_one().unwrap();
            drop(guard);
        });
        let (inner, notified) = condition
            .wait_timeout(inner, Duration::from_secs(60))
            .unwrap();
        assert!(notified);
        assert_eq!(lock.raw().depth(), 2);
        drop(inner);
        other.join().is_ok()
    });
    assert!(taken_elsewhere);
    drop(outer);
    let guard = lock.acquire().unwrap();
    let (guard, notified) = condition.wait_timeout(guard, SHORT).unwrap();
    assert!(!notified);
    let mut left = 3;
    let guard = condition
        .wait_while(guard, || {
            left -= 1;
            Ok(left == 0)
        })
        .unwrap();
    drop(guard);
    assert_eq!(left, 2);
}

#[pumasi::task]
fn wait_there(lock: Lock, condition: Condition, went_on: Semaphore) -> pumasi::Result<()> {
    let guard = lock.acquire()?;
    drop(condition.wait(guard)?);
    went_on.release(1)
}

#[test]
fn a_notification_of_the_dead_goes_to_another() {
    let _tidy = tidy();
    let (lock, condition) = (Lock::new().unwrap(), Condition::new().unwrap());
    let went_on = Semaphore::new(0).unwrap();
    let spawn = || wait_there::spawn(lock.clone(), condition.clone(), went_on.clone()).unwrap();
    let first = spawn();
    eventually("the first waits", || {
        condition.raw().waiting().unwrap() == 1
    });
    let second = spawn();
    eventually("both wait", || condition.raw().waiting().unwrap() == 2);
    // Notified, and not able to take the lock.
    let guard = lock.acquire().unwrap();
    condition.notify_one().unwrap();
    kill(first);
    drop(guard);
    went_on.acquire().unwrap().keep();
    second.join().unwrap().unwrap();
    assert_eq!(went_on.value(), 0);
}

#[pumasi::task]
fn hold_it(lock: Lock, held: Event) -> pumasi::Result<()> {
    let _guard = lock.acquire()?;
    held.set();
    hang()
}

#[test]
fn a_wait_tells_that_the_lock_was_abandoned() {
    let _tidy = tidy();
    let (lock, condition) = (Lock::new().unwrap(), Condition::new().unwrap());
    let held = Event::new().unwrap();
    let guard = lock.acquire().unwrap();
    let child = hold_it::spawn(lock.clone(), held.clone()).unwrap();
    let pid = child.pid();
    thread::scope(|scope| {
        scope.spawn(|| {
            // The child takes the lock when this thread's wait gives it up.
            held.wait().unwrap();
            kill(child);
            condition.notify_one().unwrap();
        });
        match condition.wait(guard) {
            Err(LockError::Abandoned(abandoned)) => {
                assert_eq!(abandoned.death().pid, pid);
                drop(abandoned.accept());
            }
            other => panic!("{other:?}"),
        }
    });
    drop(lock.acquire().unwrap());
}

#[test]
fn a_barrier_opens_when_all_have_come() {
    let _tidy = tidy();
    let barrier = Barrier::new(3).unwrap();
    assert_eq!((barrier.parties(), barrier.waiting().unwrap()), (3, 0));
    let rounds = List::<u32>::new().unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let passed = barrier.wait().unwrap();
                    assert_eq!(passed.is_last(), passed.index() == 2);
                    if passed.is_last() {
                        rounds.push(passed.index()).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(rounds.len().unwrap(), 50);
    assert!(!barrier.is_broken());
    assert!(matches!(Barrier::new(0), Err(Error::Unsupported { .. })));
}

#[test]
fn a_barrier_breaks_and_is_mended() {
    let _tidy = tidy();
    let barrier = Barrier::new(2).unwrap();
    let broken = |passed: pumasi::Result<_>| matches!(passed, Err(Error::BrokenBarrier));
    assert!(broken(barrier.wait_timeout(SHORT)));
    assert!(barrier.is_broken() && broken(barrier.wait()));
    barrier.reset().unwrap();
    for reset in [false, true] {
        thread::scope(|scope| {
            let waits = scope.spawn(|| barrier.wait());
            eventually("it waits", || barrier.waiting().unwrap() == 1);
            if reset {
                barrier.reset().unwrap();
            } else {
                barrier.abort().unwrap();
            }
            assert!(broken(waits.join().unwrap()));
        });
        assert_eq!(barrier.is_broken(), !reset);
        barrier.reset().unwrap();
    }
    let alone = Barrier::new(1).unwrap();
    assert!(alone.wait_then(|| Ok(())).unwrap().is_last());
    let failed = alone.wait_then(|| Err(Error::Interrupted));
    assert!(matches!(failed, Err(Error::Interrupted)) && alone.is_broken());
}

#[pumasi::task]
fn come(barrier: Barrier) -> pumasi::Result<()> {
    barrier.wait().map(|_| ())
}

#[test]
fn the_death_of_one_who_waits_breaks_a_barrier() {
    let _tidy = tidy();
    let barrier = Barrier::new(3).unwrap();
    let child = come::spawn(barrier.clone()).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| barrier.wait());
        eventually("both wait", || barrier.waiting().unwrap() == 2);
        kill(child);
        assert!(matches!(waits.join().unwrap(), Err(Error::BrokenBarrier)));
    });
    assert!(barrier.is_broken());
}

#[test]
fn many_read_or_one_writes() {
    let _tidy = tidy();
    let lock = RwLock::new().unwrap();
    let (one, two) = (lock.read().unwrap(), lock.try_read().unwrap().unwrap());
    assert!(lock.write_timeout(SHORT).unwrap().is_none());
    assert!(!lock.is_written());
    drop((one, two));
    let alone = lock.write().unwrap();
    assert!(lock.is_written());
    assert!(lock.try_read().unwrap().is_none() && lock.try_write().unwrap().is_none());
    drop(alone);
    let pair = pumasi::Array::filled(2, 0u32).unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let _guard = lock.write().unwrap();
                    for i in 0..2 {
                        pair.set(i, pair.get(i).unwrap() + 1).unwrap();
                    }
                }
            });
            scope.spawn(|| {
                for _ in 0..500 {
                    let _guard = lock.read().unwrap();
                    assert_eq!(pair.get(0).unwrap(), pair.get(1).unwrap());
                }
            });
        }
    });
    assert_eq!(pair.to_vec().unwrap(), [1000, 1000]);
}

#[pumasi::task]
fn hold_side(lock: RwLock, write: bool, held: Event) -> pumasi::Result<()> {
    let _guards = if write {
        (None, Some(lock.write()?))
    } else {
        (Some(lock.read()?), None)
    };
    held.set();
    hang()
}

#[test]
fn a_killed_reader_gives_its_share_back_and_a_killed_writer_is_told_of() {
    let _tidy = tidy();
    let lock = RwLock::new().unwrap();
    for write in [false, true] {
        let held = Event::new().unwrap();
        let child = hold_side::spawn(lock.clone(), write, held.clone()).unwrap();
        held.wait().unwrap();
        assert!(lock.write_timeout(SHORT).unwrap().is_none());
        let pid = kill(child);
        if !write {
            drop(lock.write().unwrap());
            continue;
        }
        for _ in 0..2 {
            match lock.read() {
                Err(LockError::Abandoned(abandoned)) => assert_eq!(abandoned.death().pid, pid),
                other => panic!("{other:?}"),
            }
        }
        // News that is not accepted stays.
        drop(lock.write().unwrap_err());
        drop(lock.write().unwrap_err().accept().unwrap());
        drop(lock.write().unwrap());
        drop(lock.read().unwrap());
    }
}

#[test]
fn a_dict_is_waited_at_for_a_key_and_for_a_value() {
    let _tidy = tidy();
    let dict = Dict::<String, u64>::new().unwrap();
    let there = |value: Option<u64>| value.is_some();
    assert!(!dict.wait("a", Some(Duration::ZERO), there).unwrap());
    assert!(!dict.wait("a", Some(SHORT), there).unwrap());
    thread::scope(|scope| {
        let waits = |key: &'static str, until: fn(Option<u64>) -> bool| {
            let dict = dict.clone();
            scope.spawn(move || dict.wait(key, None, until).unwrap())
        };
        let waiting = [
            waits("a", |value| value.is_some()),
            waits("a", |value| value == Some(3)),
            waits("a", |value| value == Some(3)),
            waits("b", |value| value.is_none()),
        ];
        for value in 0..=3 {
            dict.insert("b", value).unwrap();
            dict.insert("a", value).unwrap();
        }
        dict.remove("b").unwrap();
        for waits in waiting {
            assert!(waits.join().unwrap());
        }
    });
    assert!(dict.wait("a", None, |value| value == Some(3)).unwrap());
}

#[pumasi::task]
fn answer(dict: Dict<String, u64>, from: String, to: String, rounds: u64) -> pumasi::Result<()> {
    for round in 1..=rounds {
        assert!(dict.wait(from.as_str(), None, |value| value == Some(round))?);
        dict.insert(to.as_str(), round)?;
    }
    Ok(())
}

#[test]
fn processes_answer_each_other_through_a_dict() {
    let _tidy = tidy();
    let dict = Dict::<String, u64>::new().unwrap();
    let name = String::from;
    let children = [
        answer::spawn(dict.clone(), name("a"), name("b"), 300).unwrap(),
        answer::spawn(dict.clone(), name("b"), name("c"), 300).unwrap(),
    ];
    for round in 1..=300 {
        dict.insert("a", round).unwrap();
        assert!(dict.wait("c", None, |value| value == Some(round)).unwrap());
    }
    for child in children {
        child.join().unwrap().unwrap();
    }
}

#[pumasi::task]
fn wait_for_nothing(dict: Dict<String, u64>, ready: Event) -> pumasi::Result<()> {
    ready.set();
    dict.wait("never", None, |value| value.is_some())?;
    Ok(())
}

#[test]
fn a_killed_waiter_keeps_nobody_from_waiting() {
    let _tidy = tidy();
    let dict = Dict::<String, u64>::new().unwrap();
    for round in 0..4 {
        let ready = Event::new().unwrap();
        let child = wait_for_nothing::spawn(dict.clone(), ready.clone()).unwrap();
        ready.wait().unwrap();
        kill(child);
        thread::scope(|scope| {
            let waits = scope.spawn(|| dict.wait("key", None, |value| value == Some(round)));
            dict.insert("other", round).unwrap();
            dict.insert("key", round).unwrap();
            assert!(waits.join().unwrap().unwrap());
        });
    }
}
