//! What a real SIGKILL leaves behind, and what an orderly exit does.

use std::thread;
use std::time::Duration;

use pumasi::sync::{LockError, OnDeath};
use pumasi::{
    Array, BoundedSemaphore, Dict, Error, Event, Heap, List, Lock, RLock, Semaphore, Value,
};

use crate::common::{eventually, hang, kill, tidy, whole};

#[pumasi::task]
fn hold(lock: Lock, rlock: RLock, held: Event) -> pumasi::Result<()> {
    let _guard = lock.acquire()?;
    let _outer = rlock.acquire()?;
    let _inner = rlock.acquire()?;
    held.set();
    hang()
}

#[test]
fn the_next_holder_of_a_lock_is_told_who_died() {
    let _tidy = tidy();
    let (lock, rlock, held) = (
        Lock::new().unwrap(),
        RLock::new().unwrap(),
        Event::new().unwrap(),
    );
    let child = hold::spawn(lock.clone(), rlock.clone(), held.clone()).unwrap();
    held.wait().unwrap();
    assert!(lock.try_acquire().unwrap().is_none());
    let pid = kill(child);

    let Err(LockError::Abandoned(abandoned)) = lock.acquire() else {
        panic!("nobody was told");
    };
    assert_eq!(
        (abandoned.death().pid, abandoned.death().signal),
        (pid, Some(9))
    );
    let guard = abandoned.accept();
    assert!(lock.is_locked());
    drop(guard);
    assert!(lock.acquire().is_ok(), "told once");

    let Err(error) = rlock.acquire() else {
        panic!("nobody was told");
    };
    assert_eq!(error.death().unwrap().pid, pid);
    let guard = error.accept().unwrap();
    drop(guard);
    assert!(!rlock.is_locked(), "the dead one's depth is forgotten");
}

#[test]
fn a_waiter_is_told_while_it_waits() {
    let _tidy = tidy();
    let (lock, rlock, held) = (
        Lock::new().unwrap(),
        RLock::new().unwrap(),
        Event::new().unwrap(),
    );
    let child = hold::spawn(lock.clone(), rlock, held.clone()).unwrap();
    held.wait().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let Err(error) = lock.acquire() else {
                panic!("nobody was told");
            };
            error.death().unwrap().pid
        });
        // Mostly it waits by then; it is told as well if it comes later.
        thread::sleep(Duration::from_millis(100));
        let pid = kill(child);
        assert_eq!(waiter.join().unwrap(), pid);
    });
}

#[test]
fn news_that_nobody_accepts_goes_to_the_next() {
    let _tidy = tidy();
    let (lock, rlock, held) = (
        Lock::new().unwrap(),
        RLock::new().unwrap(),
        Event::new().unwrap(),
    );
    let child = hold::spawn(lock.clone(), rlock, held.clone()).unwrap();
    held.wait().unwrap();
    let pid = kill(child);
    let gives_up = || -> Result<(), Box<dyn std::error::Error>> {
        let _guard = lock.acquire()?;
        Ok(())
    };
    for _ in 0..2 {
        let error = gives_up().unwrap_err().to_string();
        assert!(
            error.contains(&format!(
                "process {pid} (signal 9) died while it held the Lock"
            )),
            "{error}"
        );
        assert!(!lock.is_locked());
    }
    let error = Error::from(lock.acquire().unwrap_err());
    assert!(matches!(error, Error::Abandoned { pid: dead, .. } if dead == pid));
    drop(lock.acquire().or_else(LockError::accept).unwrap());
    gives_up().unwrap();
}

#[test]
fn what_a_death_does_can_be_chosen() {
    let _tidy = tidy();
    let heap = Heap::global().unwrap();
    let kept = Lock::new_in(heap, OnDeath::Keep).unwrap();
    let (rlock, held) = (RLock::new().unwrap(), Event::new().unwrap());
    let child = hold::spawn(kept.clone(), rlock, held.clone()).unwrap();
    held.wait().unwrap();
    kill(child);
    assert!(
        kept.acquire_timeout(Duration::from_millis(100))
            .unwrap()
            .is_none()
    );
    kept.release().unwrap();
    assert!(kept.try_acquire().unwrap().is_some());
}

#[pumasi::task]
fn leave_with(lock: Lock, places: BoundedSemaphore, how: String) -> pumasi::Result<()> {
    lock.acquire()?.keep();
    places.acquire()?.keep();
    match how.as_str() {
        "return" => Ok(()),
        "panic" => panic!("on purpose"),
        _ => std::process::exit(3),
    }
}

#[test]
fn an_orderly_exit_keeps_what_it_holds() {
    let _tidy = tidy();
    for how in ["return", "panic", "exit"] {
        let (lock, places) = (Lock::new().unwrap(), BoundedSemaphore::new(1).unwrap());
        let child = leave_with::spawn(lock.clone(), places.clone(), how.to_owned()).unwrap();
        let _ = child.join();
        assert!(
            lock.acquire_timeout(Duration::from_millis(120))
                .unwrap()
                .is_none(),
            "{how}: the lock came free"
        );
        assert!(
            places
                .acquire_timeout(Duration::from_millis(120))
                .unwrap()
                .is_none(),
            "{how}: the place came back"
        );
        lock.release().unwrap();
        places.release().unwrap();
        assert!(lock.try_acquire().unwrap().is_some(), "{how}");
        assert!(places.try_acquire().unwrap().is_some(), "{how}");
    }
}

#[pumasi::task]
fn occupy(places: BoundedSemaphore, plain: Semaphore, held: Event) -> pumasi::Result<()> {
    let _two = (places.acquire()?, places.acquire()?);
    let _one = plain.acquire()?;
    held.set();
    hang()
}

#[test]
fn the_places_of_a_dead_process_come_back() {
    let _tidy = tidy();
    let (places, plain) = (
        BoundedSemaphore::new(2).unwrap(),
        Semaphore::new(1).unwrap(),
    );
    let held = Event::new().unwrap();
    let child = occupy::spawn(places.clone(), plain.clone(), held.clone()).unwrap();
    held.wait().unwrap();
    assert!(places.try_acquire().unwrap().is_none());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let _both = (places.acquire().unwrap(), places.acquire().unwrap());
        });
        eventually("it waits", || places.raw().sleepers() > 0);
        kill(child);
        waiter.join().unwrap();
    });
    assert_eq!(places.value(), 2);
    // A plain semaphore is a count, and nobody knows whose its permits are.
    assert!(
        plain
            .acquire_timeout(Duration::from_millis(60))
            .unwrap()
            .is_none()
    );
}

#[pumasi::task]
fn push_without_end(list: List<String>, dict: Dict<String, List<u64>>) -> pumasi::Result<()> {
    for i in 0u64.. {
        // Short and long, inline and in a block of its own.
        list.push(format!("{i}:{}", "x".repeat(i as usize % 50 * 40)))?;
        let inner = dict.get_or_insert(format!("key {}", i % 20), List::new()?)?;
        inner.push(i)?;
        if i % 16 == 0 {
            list.remove(0)?;
            dict.remove(format!("key {}", i % 20))?;
        }
        // However late it is killed, there is memory for it.
        if i % 5000 == 4999 {
            list.clear()?;
            dict.clear()?;
        }
    }
    Ok(())
}

#[test]
fn containers_are_whole_whenever_their_user_is_killed() {
    let _tidy = tidy();
    for round in 0..12u64 {
        let (list, dict) = (List::new().unwrap(), Dict::new().unwrap());
        let child = push_without_end::spawn(list.clone(), dict.clone()).unwrap();
        eventually("some pushes", || list.len().unwrap() > 50);
        thread::sleep(Duration::from_micros(round * 397));
        kill(child);
        // Usable at once, before any recovery: the first operation brings it about.
        let texts = list.to_vec().unwrap();
        let numbers: Vec<u64> = texts
            .iter()
            .map(|text| text.split(':').next().unwrap().parse().unwrap())
            .collect();
        assert!(
            numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{numbers:?}"
        );
        for (key, inner) in dict.to_vec().unwrap() {
            let last = key.trim_start_matches("key ").parse::<u64>().unwrap();
            assert!(inner.to_vec().unwrap().iter().all(|i| i % 20 == last));
        }
        list.push("after").unwrap();
        dict.insert("after", List::new().unwrap()).unwrap();
        whole();
    }
}

#[pumasi::task]
fn die_locked(list: List<u64>, held: Event) -> pumasi::Result<()> {
    let alone = list.locked()?;
    alone.push(1)?;
    held.set();
    hang()
}

#[test]
fn a_container_whose_user_died_in_locked_is_free_and_says_so() {
    let _tidy = tidy();
    let (list, held) = (List::new().unwrap(), Event::new().unwrap());
    let child = die_locked::spawn(list.clone(), held.clone()).unwrap();
    held.wait().unwrap();
    let pid = kill(child);
    // Plain operations go on, and leave the news to who asks for the lock.
    list.push(2).unwrap();
    list.update(0, |n| *n += 10).unwrap();
    assert_eq!(list.to_vec().unwrap(), [11, 2]);
    let error = list.locked().unwrap_err();
    assert_eq!(error.death().unwrap().pid, pid);
    error.accept().unwrap().push(3).unwrap();
    assert!(list.locked().is_ok());
}

#[pumasi::task]
fn write_without_end(wide: Value<[u64; 32]>, array: Array<u64>) -> pumasi::Result<()> {
    loop {
        wide.update(|wide| wide.iter_mut().for_each(|n| *n += 1))?;
        array.fetch_add(0, 1)?;
        array.update(1, |n| *n += 1)?;
    }
}

#[test]
fn a_value_is_whole_whenever_its_writer_is_killed() {
    let _tidy = tidy();
    let (wide, array) = (Value::new([0; 32]).unwrap(), Array::filled(2, 0).unwrap());
    for round in 0..12u64 {
        let before = wide.get().unwrap()[0];
        let child = write_without_end::spawn(wide.clone(), array.clone()).unwrap();
        eventually("some writes", || wide.get().unwrap()[0] > before + 10);
        thread::sleep(Duration::from_micros(round * 397));
        kill(child);
        let now = wide.get().unwrap();
        assert_eq!(now, [now[0]; 32]);
        let counts = array.to_vec().unwrap();
        assert!(
            counts[0] == counts[1] || counts[0] == counts[1] + 1,
            "{counts:?}"
        );
        array.fill(0).unwrap();
        let _told_or_not = wide.locked().or_else(LockError::accept).unwrap();
        let _told_or_not = array.locked().or_else(LockError::accept).unwrap();
    }
}
