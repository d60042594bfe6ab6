//! What every test begins with.

use std::fmt::Debug;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pumasi::Heap;
use pumasi::process::Child;
use serde::de::DeserializeOwned;

/// Longer than anything here takes, also on a busy machine.
pub const HANGS: Duration = Duration::from_secs(300);
/// Longer than anything takes that others do; a test has several such waits.
const EVENTUALLY: Duration = Duration::from_secs(60);

/// One test at a time, ended when it hangs; afterwards the heap is whole.
pub struct Tidy {
    _finished: mpsc::Sender<()>,
    _alone: MutexGuard<'static, ()>,
}

pub fn tidy() -> Tidy {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let test = thread::current().name().unwrap_or("?").to_owned();
    let (finished, wait) = mpsc::channel();
    thread::spawn(move || {
        if wait.recv_timeout(HANGS) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{test} hangs");
            std::process::abort();
        }
    });
    Tidy {
        _finished: finished,
        _alone: alone,
    }
}

impl Drop for Tidy {
    fn drop(&mut self) {
        if !thread::panicking() {
            whole();
        }
    }
}

/// Asserts that the default heap breaks no rule, once the dead are settled.
#[track_caller]
pub fn whole() {
    let heap = Heap::global().unwrap();
    heap.recover();
    let report = heap.check();
    assert_eq!(report.errors, Vec::<String>::new());
    assert_eq!(report.pending, 0, "blocks are left half made");
}

/// Waits for something that another process does; every use is of something that must happen.
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < EVENTUALLY, "never happened: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Kills a process and sees it dead; its pid.
pub fn kill<R: DeserializeOwned + Debug>(mut child: Child<R>) -> u32 {
    let pid = child.pid();
    child.kill().unwrap();
    assert_eq!(child.join().unwrap_err().signal(), Some(9));
    pid
}

/// Does nothing until it is killed.
pub fn hang() -> ! {
    loop {
        thread::sleep(HANGS);
    }
}
