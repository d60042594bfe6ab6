//! Locks, semaphores, events.

use std::time::Duration;

use super::*;

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let back = |name, setup, act| Case { found: Found::Before, ..case(name, setup, act) };
    vec![
        back("lock", |h| vec![RawLock::create(h, OnDeath::Auto).unwrap().object().clone()], |_, o| {
            let lock = RawLock::from_object(o[0].clone()).unwrap();
            assert!(lock.acquire(None).unwrap().is_ours());
            lock.release().unwrap();
            assert!(lock.acquire(None).unwrap().is_ours());
        }),
        back("rlock", |h| vec![RawRLock::create(h, OnDeath::Auto).unwrap().object().clone()], |_, o| {
            let lock = RawRLock::from_object(o[0].clone()).unwrap();
            for _ in 0..2 { assert!(lock.acquire(None).unwrap().is_ours()); }
            lock.release().unwrap();
        }),
        back("bounded semaphore", |h| vec![RawBoundedSemaphore::create(h, 3, OnDeath::Auto).unwrap().object().clone()], |_, o| {
            let s = RawBoundedSemaphore::from_object(o[0].clone()).unwrap();
            for _ in 0..3 { assert!(s.acquire(None).unwrap().is_ours()); }
            s.release().unwrap();
        }),
        case("event", |h| vec![RawEvent::create(h).unwrap().object().clone()], |_, o| {
            RawEvent::from_object(o[0].clone()).unwrap().set();
        }),
        case("lower an event", |h| {
            let event = RawEvent::create(h).unwrap();
            event.set();
            vec![event.object().clone()]
        }, |_, o| RawEvent::from_object(o[0].clone()).unwrap().clear()),
        case("give to a semaphore", |h| vec![RawSemaphore::create(h, 1).unwrap().object().clone()], |_, o| {
            RawSemaphore::from_object(o[0].clone()).unwrap().release(2).unwrap();
        }),
        case("semaphore", |h| vec![RawSemaphore::create(h, 1).unwrap().object().clone()], |_, o| {
            assert!(RawSemaphore::from_object(o[0].clone()).unwrap().acquire(None).unwrap().is_ours());
        }),
        back("sleep at a semaphore", |h| vec![RawSemaphore::create(h, 0).unwrap().object().clone()], |_, o| {
            let semaphore = RawSemaphore::from_object(o[0].clone()).unwrap();
            assert!(!semaphore.acquire(Some(Duration::from_millis(9))).unwrap().is_ours());
        }),
        back("sleep at a bounded semaphore", |h| {
            let semaphore = RawBoundedSemaphore::create(h, 1, OnDeath::Auto).unwrap();
            assert!(semaphore.acquire(None).unwrap().is_ours());
            vec![semaphore.object().clone()]
        }, |_, o| {
            let semaphore = RawBoundedSemaphore::from_object(o[0].clone()).unwrap();
            assert!(!semaphore.acquire(Some(Duration::from_millis(9))).unwrap().is_ours());
        }),
        back("sleep at an event", |h| vec![RawEvent::create(h).unwrap().object().clone()], |_, o| {
            let event = RawEvent::from_object(o[0].clone()).unwrap();
            assert!(!event.wait(Some(Duration::from_millis(9))).unwrap());
        }),
        back("locked() of a list", |h| vec![list(h, &mixed(3))], |_, o| {
            let list = as_list(&o[0]);
            assert!(list.lock(None).unwrap().is_ours());
            list.unlock().unwrap();
            assert!(list.lock(None).unwrap().is_ours());
        }),
        case("lock that is kept", |h| vec![RawLock::create(h, OnDeath::Keep).unwrap().object().clone()], |_, o| {
            assert!(RawLock::from_object(o[0].clone()).unwrap().acquire(None).unwrap().is_ours());
        }),
        case("rlock that is kept", |h| vec![RawRLock::create(h, OnDeath::Keep).unwrap().object().clone()], |_, o| {
            assert!(RawRLock::from_object(o[0].clone()).unwrap().acquire(None).unwrap().is_ours());
        }),
        case("bounded semaphore that is kept", |h| vec![RawBoundedSemaphore::create(h, 3, OnDeath::Keep).unwrap().object().clone()], |_, o| {
            assert!(RawBoundedSemaphore::from_object(o[0].clone()).unwrap().acquire(None).unwrap().is_ours());
        }),
        case("release another's lock", |h| {
            let lock = RawLock::create(h, OnDeath::Auto).unwrap();
            assert!(lock.acquire(None).unwrap().is_ours());
            vec![lock.object().clone()]
        }, |_, o| RawLock::from_object(o[0].clone()).unwrap().release().unwrap()),
        case("release another's permit", |h| {
            let semaphore = RawBoundedSemaphore::create(h, 2, OnDeath::Auto).unwrap();
            assert!(semaphore.acquire(None).unwrap().is_ours());
            vec![semaphore.object().clone()]
        }, |_, o| RawBoundedSemaphore::from_object(o[0].clone()).unwrap().release().unwrap()),
        back("hold an rlock for a moment", |h| vec![RawRLock::create(h, OnDeath::Auto).unwrap().object().clone()], |_, o| {
            drop(RawRLock::from_object(o[0].clone()).unwrap().hold().unwrap());
        }),
        back("wait for a lock in vain", |h| {
            let lock = RawLock::create(h, OnDeath::Auto).unwrap();
            assert!(lock.acquire(None).unwrap().is_ours());
            vec![lock.object().clone()]
        }, |_, o| {
            let lock = RawLock::from_object(o[0].clone()).unwrap();
            assert!(!lock.acquire(Some(Duration::from_millis(9))).unwrap().is_ours());
        }),
        back("make and drop one of each", |h| vec![RawEvent::create(h).unwrap().object().clone()], |h, _| {
            drop((RawLock::create(h, OnDeath::Auto).unwrap(), RawRLock::create(h, OnDeath::Keep).unwrap()));
            drop((RawSemaphore::create(h, 2).unwrap(), RawBoundedSemaphore::create(h, 2, OnDeath::Auto).unwrap()));
            drop((RawEvent::create(h).unwrap(), RawCondition::create(h).unwrap()));
            drop((RawBarrier::create(h, 3).unwrap(), RawRwLock::create(h).unwrap()));
        }),
    ]
}
