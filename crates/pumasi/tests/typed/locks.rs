//! Locks, semaphores and events in one process.

use std::thread;
use std::time::{Duration, Instant};

use pumasi::sync::OnDeath;
use pumasi::{BoundedSemaphore, Error, Event, Heap, Lock, RLock, Semaphore};

use crate::common::{eventually, tidy};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_lock_lets_one_in() {
    let _tidy = tidy();
    let lock = Lock::new().unwrap();
    let guard = lock.acquire().unwrap();
    assert!(lock.is_locked());
    assert!(lock.try_acquire().unwrap().is_none());
    let begin = Instant::now();
    assert!(lock.acquire_timeout(SHORT).unwrap().is_none());
    assert!(begin.elapsed() >= SHORT);
    drop(guard);
    assert!(!lock.is_locked());
    let guard = lock.try_acquire().unwrap().unwrap();
    guard.release().unwrap();
    assert!(matches!(lock.release(), Err(Error::NotHeld { .. })));
    lock.acquire().unwrap().keep();
    assert!(lock.is_locked());
    thread::scope(|scope| {
        scope.spawn(|| lock.release().unwrap());
    });
    drop(lock.acquire_timeout(SHORT).unwrap().unwrap());
    // Somebody else has given it up: the guard has nothing to do, and says so when asked.
    let guard = lock.acquire().unwrap();
    lock.release().unwrap();
    assert!(matches!(guard.release(), Err(Error::NotHeld { .. })));
}

#[test]
fn an_rlock_lets_its_own_thread_in() {
    let _tidy = tidy();
    let lock = RLock::new().unwrap();
    let outer = lock.acquire().unwrap();
    let inner = lock.try_acquire().unwrap().unwrap();
    let others =
        || thread::scope(|scope| scope.spawn(|| lock.try_acquire().unwrap().is_some()).join());
    assert!(!others().unwrap());
    drop(outer);
    assert!(!others().unwrap());
    drop(inner);
    assert!(others().unwrap());
}

#[test]
fn a_semaphore_counts() {
    let _tidy = tidy();
    let semaphore = Semaphore::new(1).unwrap();
    let permit = semaphore.acquire().unwrap();
    assert_eq!(semaphore.value(), 0);
    assert!(semaphore.acquire_timeout(SHORT).unwrap().is_none());
    thread::scope(|scope| {
        let waits = scope.spawn(|| semaphore.acquire().unwrap().keep());
        drop(permit);
        waits.join().unwrap();
    });
    semaphore.release(5).unwrap();
    assert_eq!(semaphore.value(), 5);
    assert!(matches!(
        semaphore.release(u32::MAX),
        Err(Error::NotHeld { .. })
    ));
    assert!(matches!(
        Semaphore::new(u32::MAX),
        Err(Error::Unsupported { .. })
    ));
}

#[test]
fn a_bounded_semaphore_has_places() {
    let _tidy = tidy();
    let places = BoundedSemaphore::new(2).unwrap();
    let (one, two) = (
        places.acquire().unwrap(),
        places.try_acquire().unwrap().unwrap(),
    );
    assert!(places.try_acquire().unwrap().is_none());
    drop(one);
    two.keep();
    assert_eq!(places.value(), 1);
    places.release().unwrap();
    assert!(matches!(places.release(), Err(Error::NotHeld { .. })));
}

#[test]
fn an_event_wakes_all() {
    let _tidy = tidy();
    let event = Event::new().unwrap();
    assert!(!event.is_set() && !event.wait_timeout(SHORT).unwrap());
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| event.wait().unwrap()))
            .collect();
        event.set();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
    assert!(event.is_set() && event.wait_timeout(Duration::ZERO).unwrap());
    event.clear();
    assert!(!event.is_set());
}

#[test]
fn a_lock_excludes_threads() {
    let _tidy = tidy();
    let (lock, reentrant) = (Lock::new().unwrap(), RLock::new().unwrap());
    let counts = pumasi::Array::filled(2, 0u32).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let _guard = lock.acquire().unwrap();
                    counts.set(0, counts.get(0).unwrap() + 1).unwrap();
                    let _outer = reentrant.acquire().unwrap();
                    let _inner = reentrant.acquire().unwrap();
                    counts.set(1, counts.get(1).unwrap() + 1).unwrap();
                }
            });
        }
    });
    assert_eq!(counts.to_vec().unwrap(), [2000, 2000]);
    eventually("a free lock", || !lock.is_locked());
}

#[test]
fn handles_say_what_they_are() {
    let _tidy = tidy();
    let heap = Heap::global().unwrap();
    let lock = Lock::new_in(heap, OnDeath::Keep).unwrap();
    assert_eq!(lock, lock.clone());
    assert_ne!(lock, Lock::new().unwrap());
    assert!(format!("{lock:?}").starts_with("Lock@0x"));
    assert!(format!("{:?}", lock.acquire().unwrap()).starts_with("LockGuard(Lock@0x"));
}

#[test]
fn no_guard_leaves_its_thread() {
    /// Which of the two is meant can only be told where the type is not `Send`.
    trait Clear<A> {
        const YES: bool = true;
    }
    struct Also;
    impl<T: ?Sized> Clear<()> for T {}
    impl<T: ?Sized + Send> Clear<Also> for T {}

    macro_rules! not_send {
        ($($type:ty),+) => { [$(<$type as Clear<_>>::YES),+] };
    }
    use pumasi::sync::{LockGuard, RLockGuard, ReadGuard, WriteGuard};
    let all = not_send!(
        LockGuard<'static>,
        RLockGuard<'static>,
        ReadGuard<'static>,
        WriteGuard<'static>,
        pumasi::containers::Locked<'static, pumasi::List<u8>>
    );
    assert_eq!(all, [true; 5]);
}
