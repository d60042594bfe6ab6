//! Conditions and barriers: those who wait, and those they wait for.

use std::sync::atomic::Ordering;

use pumasi::sync::{Acquired, Arrival, Come};
use pumasi::sys::Host;

use super::*;

fn condition(o: &ObjectRef<Sim>) -> RawCondition<Sim> {
    RawCondition::from_object(o.clone()).unwrap()
}

fn barrier(o: &ObjectRef<Sim>) -> RawBarrier<Sim> {
    RawBarrier::from_object(o.clone()).unwrap()
}

/// A condition at which `n` of the survivor's threads wait.
fn with_waiters(heap: &Heap<Sim>, n: u32) -> Vec<ObjectRef<Sim>> {
    let condition = RawCondition::create(heap).unwrap();
    for _ in 0..n {
        let _stays = condition.enlist().unwrap();
    }
    vec![condition.object().clone()]
}

/// A barrier for `parties` to which `n` of the survivor's threads have come.
fn with_come(heap: &Heap<Sim>, parties: u32, n: u32) -> Vec<ObjectRef<Sim>> {
    let barrier = RawBarrier::create(heap, parties).unwrap();
    for _ in 0..n {
        assert!(matches!(barrier.arrive(false).unwrap(), Arrival::Wait(_)));
    }
    vec![barrier.object().clone()]
}

/// An RwLock which `n` of the survivor's threads read.
fn shared_lock(heap: &Heap<Sim>, n: u32) -> Vec<ObjectRef<Sim>> {
    let lock = RawRwLock::create(heap).unwrap();
    for _ in 0..n {
        assert!(lock.acquire_read(None).unwrap().is_ours());
    }
    vec![lock.object().clone()]
}

fn rwlock(o: &ObjectRef<Sim>) -> RawRwLock<Sim> {
    RawRwLock::from_object(o.clone()).unwrap()
}

/// One who dies after it has begun to write is news for all, until somebody has written.
#[test]
fn the_death_of_a_writer_is_told_until_somebody_writes() {
    let mut told = 0;
    for k in 0.. {
        let survivor = heap();
        let lock = RawRwLock::create(&survivor).unwrap();
        let victim = sibling(&survivor, 2);
        victim.join().unwrap();
        let v = rwlock(&ObjectRef::from_token(&victim, lock.object().token()).unwrap());
        victim.host().crash_at(k);
        let done = catch_unwind(AssertUnwindSafe(|| {
            assert!(v.acquire_write(None).unwrap().is_ours());
        }));
        let wrote = v.is_written();
        if done.is_ok() {
            victim.host().die();
        }
        std::mem::forget(v);
        if k % 2 == 0 {
            survivor.recover();
        }
        let news = |acquired: Acquired| {
            assert!(acquired.is_ours());
            matches!(acquired, Acquired::Abandoned(_))
        };
        for _ in 0..2 {
            assert_eq!(
                news(lock.acquire_read(None).unwrap()),
                wrote,
                "stopped at {k}"
            );
            lock.release_read().unwrap();
        }
        for expected in [wrote, false] {
            assert_eq!(
                news(lock.acquire_write(None).unwrap()),
                expected,
                "stopped at {k}"
            );
            lock.release_write().unwrap();
        }
        assert_eq!(lock.acquire_read(None).unwrap(), Acquired::Yes);
        assert!(lock.release_write().is_err());
        lock.release_read().unwrap();
        assert!(lock.release_read().is_err());
        survivor.recover();
        support::sound(&survivor);
        told += u32::from(wrote);
        if done.is_ok() {
            break;
        }
    }
    assert!(told > 0, "no death came after the first write");
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let back = |name, setup, act| Case { found: Found::Before, ..case(name, setup, act) };
    let one_of = |name, states, setup, act| Case { found: Found::OneOf(states), ..case(name, setup, act) };
    vec![
        back("wait at a condition", |h| with_waiters(h, 1), |_, o| {
            let c = condition(&o[0]);
            assert!(!c.leave(c.enlist().unwrap()));
            let _place = c.enlist().unwrap();
        }),
        back("wait where there is no place left", |h| with_waiters(h, 14), |_, o| {
            let _place = condition(&o[0]).enlist().unwrap();
        }),
        case("notify one of three", |h| with_waiters(h, 3), |_, o| {
            assert_eq!(condition(&o[0]).notify(1).unwrap(), 1);
        }),
        one_of("notify all of two", &["2 wait, 0 notified", "1 wait, 1 notified", "0 wait, 2 notified"],
            |h| with_waiters(h, 2), |_, o| assert_eq!(condition(&o[0]).notify_all().unwrap(), 2)),
        back("let a lock go to wait", |h| {
            let mut all = with_waiters(h, 0);
            all.push(RawRLock::create(h, OnDeath::Auto).unwrap().object().clone());
            all
        }, |_, o| {
            let lock = RawRLock::from_object(o[1].clone()).unwrap();
            for _ in 0..2 { assert!(lock.acquire(None).unwrap().is_ours()); }
            let waited = condition(&o[0]).wait(&lock, Some(std::time::Duration::from_millis(3))).unwrap();
            assert!(!waited.notified);
            assert_eq!(lock.depth(), 2);
            for _ in 0..2 { lock.release().unwrap(); }
        }),
        one_of("come to a barrier", &["phase 0, whole, 1 wait", "phase 0, broken, 0 wait"],
            |h| with_come(h, 3, 1), |_, o| {
                assert!(matches!(barrier(&o[0]).arrive(false).unwrap(), Arrival::Wait(_)));
            }),
        case("come last to a barrier", |h| with_come(h, 2, 1), |_, o| {
            assert!(matches!(barrier(&o[0]).arrive(false).unwrap(), Arrival::Open(1)));
        }),
        one_of("act at a barrier", &["phase 0, whole, 1 wait", "phase 0, broken, 0 wait", "phase 1, whole, 0 wait"],
            |h| with_come(h, 2, 1), |_, o| {
                let Arrival::Act(come) = barrier(&o[0]).arrive(true).unwrap() else { panic!() };
                barrier(&o[0]).open(come).unwrap();
            }),
        one_of("fail at a barrier", &["phase 0, whole, 1 wait", "phase 0, broken, 0 wait"],
            |h| with_come(h, 2, 1), |_, o| {
                let Arrival::Act(come) = barrier(&o[0]).arrive(true).unwrap() else { panic!() };
                barrier(&o[0]).fail(come).unwrap();
            }),
        one_of("wait in vain at a barrier", &["phase 0, whole, 0 wait", "phase 0, broken, 0 wait"],
            |h| with_come(h, 2, 0), |_, o| {
                let wait = barrier(&o[0]).wait(Some(std::time::Duration::from_millis(3)), false);
                assert!(matches!(wait, Err(pumasi::Error::BrokenBarrier)));
            }),
        case("abort a barrier", |h| with_come(h, 3, 2), |_, o| barrier(&o[0]).abort().unwrap()),
        case("reset a barrier", |h| with_come(h, 3, 2), |_, o| barrier(&o[0]).reset().unwrap()),
        back("read", |h| shared_lock(h, 1), |_, o| {
            for _ in 0..2 { assert!(rwlock(&o[0]).acquire_read(None).unwrap().is_ours()); }
            rwlock(&o[0]).release_read().unwrap();
        }),
        back("write", |h| shared_lock(h, 0), |_, o| {
            assert!(rwlock(&o[0]).acquire_write(None).unwrap().is_ours());
            rwlock(&o[0]).release_write().unwrap();
            assert!(rwlock(&o[0]).acquire_write(None).unwrap().is_ours());
        }),
        back("want to write while others read", |h| shared_lock(h, 2), |_, o| {
            let zero = Some(std::time::Duration::from_millis(3));
            assert!(!rwlock(&o[0]).acquire_write(zero).unwrap().is_ours());
        }),
        back("announce a writer", |h| shared_lock(h, 2), |_, o| {
            let lock = rwlock(&o[0]);
            let writer = lock.announce().unwrap().unwrap();
            assert_eq!(lock.begin(&writer).unwrap(), Acquired::No);
            lock.withdraw(writer);
            let _stays = lock.announce().unwrap().unwrap();
        }),
        back("announce a writer and write", |h| shared_lock(h, 0), |_, o| {
            let lock = rwlock(&o[0]);
            for _ in 0..2 {
                let writer = lock.announce().unwrap().unwrap();
                assert!(lock.begin(&writer).unwrap().is_ours());
                lock.release_write().unwrap();
            }
            let writer = lock.announce().unwrap().unwrap();
            assert!(lock.begin(&writer).unwrap().is_ours());
        }),
        case("mend a barrier", |h| {
            let all = with_come(h, 3, 2);
            barrier(&all[0]).abort().unwrap();
            all
        }, |_, o| barrier(&o[0]).reset().unwrap()),
    ]
}

/// The victim and a bystander wait, in this order; the victim notifies one: itself. Whenever it
/// dies after that, the notification is the bystander's.
#[test]
fn a_notification_does_not_die_with_the_one_it_was_for() {
    let mut passed_on = 0;
    for k in 0.. {
        let survivor = heap();
        let c = RawCondition::create(&survivor).unwrap();
        let victim = sibling(&survivor, 2);
        victim.join().unwrap();
        let v = condition(&ObjectRef::from_token(&victim, c.object().token()).unwrap());
        let own = v.enlist().unwrap();
        let bystander = c.enlist().unwrap();
        victim.host().crash_at(k);
        let done = catch_unwind(AssertUnwindSafe(|| v.notify(1).unwrap()));
        let called = v.is_notified(&own);
        if done.is_ok() {
            victim.host().die();
        }
        for j in 0.. {
            let first = copy(&survivor, 3);
            first.host().crash_at(j);
            let finished = catch_unwind(AssertUnwindSafe(|| {
                first.join().unwrap();
                first.recover();
            }));
            let second = sibling(&first, 4);
            second.join().unwrap();
            second.recover();
            let seen = condition(&ObjectRef::from_token(&second, c.object().token()).unwrap());
            assert_eq!(
                seen.is_notified(&bystander),
                called,
                "stopped at {k}, then at {j}"
            );
            assert_eq!(seen.waiting().unwrap(), u32::from(!called));
            support::sound(&second);
            if finished.is_ok() {
                break;
            }
        }
        survivor.recover();
        assert_eq!(c.leave(bystander), called, "stopped at {k}");
        passed_on += u32::from(called);
        std::mem::forget(v);
        if done.is_ok() {
            break;
        }
    }
    assert!(passed_on > 1, "no death came after the notification");
}

/// One who is slow to leave learns its outcome though two more phases have ended, whoever died
/// ending them.
#[test]
fn a_slow_one_learns_how_its_phase_ended() {
    for reset in [false, true] {
        for k in 0.. {
            let survivor = heap();
            let b = RawBarrier::create(&survivor, 2).unwrap();
            let come = |b: &RawBarrier<Sim>| -> Come {
                match b.arrive(false).unwrap() {
                    Arrival::Wait(come) => come,
                    other => panic!("{other:?}"),
                }
            };
            let slow = come(&b);
            if reset {
                b.reset().unwrap();
            } else {
                assert!(matches!(b.arrive(false).unwrap(), Arrival::Open(1)));
            }
            let _next = come(&b);
            let victim = sibling(&survivor, 2);
            victim.join().unwrap();
            let v = barrier(&ObjectRef::from_token(&victim, b.object().token()).unwrap());
            victim.host().crash_at(k);
            let done = catch_unwind(AssertUnwindSafe(|| {
                // Ends the second phase, and a third one.
                v.reset().unwrap();
                let _third = come(&v);
                v.reset().unwrap();
            }));
            if done.is_ok() {
                victim.host().die();
            }
            std::mem::forget(v);
            survivor.recover();
            assert_eq!(b.outcome(&slow).is_err(), reset, "stopped at {k}");
            b.leave(slow);
            support::sound(&survivor);
            if done.is_ok() {
                break;
            }
        }
    }
}

/// The word of a place is overwritten while its phase is over for long: an error, no endless loop.
#[test]
fn a_place_without_its_outcome_is_an_error() {
    let heap = heap();
    let all = with_come(&heap, 2, 0);
    let b = barrier(&all[0]);
    let words = || -> Vec<u32> {
        (0..heap.host().size() / 4)
            .map(|i| heap.host().load32(i * 4, Ordering::Relaxed))
            .collect()
    };
    let before = words();
    let Arrival::Wait(come) = b.arrive(false).unwrap() else {
        panic!("the first of two waits")
    };
    // Waiting is the state 1 in the two highest bits.
    let place: Vec<u64> = (0..)
        .zip(before.iter().zip(&words()))
        .filter(|(_, (old, new))| *old >> 30 == 0 && *new >> 30 == 1)
        .map(|(i, _)| i * 4)
        .collect();
    assert_eq!(place.len(), 1, "{place:?}");
    for _ in 0..3 {
        b.reset().unwrap();
        assert!(b.outcome(&come).is_err());
        let _stays = b.arrive(false).unwrap();
    }
    heap.host().store32(place[0], 0, Ordering::Relaxed);
    let found = b.outcome(&come);
    assert!(
        matches!(found, Err(pumasi::Error::Corrupt { .. })),
        "{found:?}"
    );
}
