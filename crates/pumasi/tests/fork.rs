//! A bare `fork`, from a program whose other threads are at work on shared objects.
//!
//! The child inherits the handles, whole, and a slot of its own; nothing that another thread of
//! the parent was in the middle of stops it. Each child is waited for with a deadline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pumasi::Heap;
use pumasi::containers::RawList;
use pumasi::heap::cell::Cell;
use pumasi::heap::value::Prepared;
use pumasi::sync::{OnDeath, RawLock};

/// One test at a time: a child of any of them takes part in the heaps of all.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forks; the child runs `f` and exits with its result.
fn fork(f: impl FnOnce() -> i32) -> libc::pid_t {
    // SAFETY: the child runs our own code, which takes no lock that a thread of the parent could
    // have held at the fork (that is what this tests), and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork failed");
    if pid == 0 {
        let code = f();
        // SAFETY: ends the process without running what belongs to the parent.
        unsafe { libc::_exit(code) }
    }
    pid
}

/// Longer than any child takes, also on a busy machine.
const HANGS: Duration = Duration::from_secs(60);

/// The exit code of a child, or a panic when it hangs (the child is then killed).
fn wait(pid: libc::pid_t) -> i32 {
    let start = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: `pid` is our child and `status` is ours.
        let got = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
        if got == pid {
            return libc::WEXITSTATUS(status);
        }
        if start.elapsed() > HANGS {
            // SAFETY: our own child, which we have not reaped.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, &raw mut status, 0);
            }
            panic!("the child hangs");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn push(heap: &Heap, list: &RawList, i: i64) -> bool {
    let cell = Cell::int(i).expect("small");
    list.push(&mut Prepared::inline(heap, cell)).is_ok()
}

#[test]
fn children_of_a_busy_program_share_its_objects() {
    let _alone = alone();
    let heap = Heap::builder().limit(256 << 20).create().unwrap();
    let list = RawList::create(&heap).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let (heap, list, stop) = (heap.clone(), list.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let inner = RawList::create(&heap).unwrap();
                    let mut value = heap.prepare_object(inner.object()).unwrap();
                    inner.push(&mut value).unwrap_or_default();
                    drop(value);
                    inner.clear().unwrap();
                    drop(list.clone());
                }
            })
        })
        .collect();
    for i in 0..150 {
        let child = fork(|| {
            let fresh = RawList::create(&heap);
            i32::from(!(push(&heap, &list, i) && fresh.is_ok()))
        });
        assert_eq!(wait(child), 0, "child {i}");
    }
    stop.store(true, Ordering::Relaxed);
    for thread in busy {
        thread.join().unwrap();
    }
    assert_eq!(list.len().unwrap(), 150);
    heap.recover();
    assert_eq!(heap.participants(), 1);
    drop(list);
    let report = heap.check();
    assert!(report.errors.is_empty(), "{report:#?}");
    assert_eq!(report.live, 0, "{report:#?}");
}

#[test]
fn what_only_a_child_holds_lives_until_the_child_ends() {
    let _alone = alone();
    let heap = Heap::builder().limit(64 << 20).create().unwrap();
    let list = RawList::create(&heap).unwrap();
    let (off, _) = list.object().token();
    let gate = RawLock::create(&heap, OnDeath::Auto).unwrap();
    assert!(gate.acquire(None).unwrap().is_ours());
    let child = fork(|| {
        // Whatever the parent takes for its looks; where it dies the lock is given on.
        let ours = gate.acquire(None).is_ok_and(|a| a.is_ours());
        i32::from(!(ours && push(&heap, &list, 1)))
    });
    // The child has its handle from the fork on, though it has not done anything yet.
    drop(list);
    assert!(heap.is_live(off));
    gate.release().unwrap();
    assert_eq!(wait(child), 0);
    heap.recover();
    assert!(!heap.is_live(off));
}

/// A slot outlives its process until somebody settles what that left; the children of a fork take
/// theirs over from the parent and settle nothing.
#[test]
fn more_children_than_slots_one_after_the_other_find_one() {
    let _alone = alone();
    let heap = Heap::builder().limit(64 << 20).create().unwrap();
    let list = RawList::create(&heap).unwrap();
    for i in 0..1_100 {
        let child = fork(|| i32::from(!push(&heap, &list, i)));
        assert_eq!(wait(child), 0, "child {i} found no slot");
    }
    assert_eq!(list.len().unwrap(), 1_100);
}
