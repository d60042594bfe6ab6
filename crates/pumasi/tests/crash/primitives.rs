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
    ]
}
