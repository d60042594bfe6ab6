//! Processes as a user meets them: results, deaths, waiting, settings. Every test starts real ones.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pumasi::Heap;
use pumasi::containers::RawList;
use pumasi::error::Error;
use pumasi::heap::object::ObjectRef;
use pumasi::process::{
    self, Builder, ExitStatus, JoinError, Waitable, parallel, set_executable, wait_all,
    wait_all_timeout, wait_any, wait_any_timeout,
};
use pumasi::sync::{Acquired, OnDeath, RawLock};
use serde::{Deserialize, Serialize};

pumasi::process::test_support!();

/// Longer than anything here takes, also on a busy machine.
const HANGS: Duration = Duration::from_secs(300);
/// Longer than anything takes that others do; of such waits a test has five at most.
const EVENTUALLY: Duration = Duration::from_secs(55);
const SHORT: Duration = Duration::from_millis(50);

/// One test at a time, ended when it hangs, and nothing left behind when it passed.
struct Tidy {
    descriptors: usize,
    objects: usize,
    _finished: mpsc::Sender<()>,
    _alone: MutexGuard<'static, ()>,
}

fn tidy() -> Tidy {
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
    assert_eq!(children(), [], "an earlier test left a child");
    let objects = objects();
    Tidy {
        descriptors: descriptors(),
        objects,
        _finished: finished,
        _alone: alone,
    }
}

impl Drop for Tidy {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        assert_eq!(children(), [], "a child is left");
        assert_eq!(descriptors(), self.descriptors, "a descriptor is left");
        // A grandchild whose main thread has ended is alive until its last thread has.
        eventually("no shared object is left", || objects() == self.objects);
    }
}

/// How many shared objects there are, in a heap that is otherwise as it should be.
fn objects() -> usize {
    let heap = Heap::global().unwrap();
    heap.recover();
    let report = heap.check();
    assert_eq!((report.errors, report.pending), (Vec::new(), 0));
    report.objects
}

/// The children of this process, zombies included.
fn children() -> Vec<u32> {
    let mut pids = Vec::new();
    for thread in fs::read_dir("/proc/self/task").unwrap() {
        let list = thread.unwrap().path().join("children");
        // A thread may end while we look.
        let list = fs::read_to_string(list).unwrap_or_default();
        pids.extend(
            list.split_whitespace()
                .map(|pid| pid.parse::<u32>().unwrap()),
        );
    }
    pids
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits for something that another process does; every use is of something that must happen.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < EVENTUALLY, "never happened: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process exists and is no zombie.
fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

fn scratch(name: &str) -> PathBuf {
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

const ABOUT: &str = "the parent's";

// ---- results -------------------------------------------------------------------------------

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
    price: Option<f64>,
    tags: BTreeMap<String, Vec<u8>>,
}

#[pumasi::task]
fn doubled(mut order: Order, times: u32) -> Order {
    order.count *= times;
    order
}

#[pumasi::task]
fn nothing() {}

#[pumasi::task]
pub(crate) fn apart((a, b): (u8, u8), [c, d]: [u8; 2]) -> u8 {
    a + b + c + d
}

#[pumasi::task]
fn divided(a: u64, b: u64) -> Result<u64, String> {
    a.checked_div(b).ok_or_else(|| format!("{a} / {b}"))
}

#[test]
fn arguments_go_there_and_the_result_comes_back() {
    let _tidy = tidy();
    let order = Order {
        item: "쌀".to_owned(),
        count: 21,
        price: Some(0.5),
        tags: BTreeMap::from([("a".to_owned(), vec![1, 2])]),
    };
    let child = doubled::spawn(order.clone(), 2).unwrap();
    assert!(child.task_name().ends_with("::doubled"));
    assert!(child.name().starts_with("doubled-"), "{}", child.name());
    assert_eq!(child.join().unwrap(), doubled(order, 2));
    nothing::spawn().unwrap().join().unwrap();
    let sum = apart::spawn((1, 2), [3, 4]).unwrap().join().unwrap();
    assert_eq!(sum, apart((1, 2), [3, 4]));
}

#[test]
fn an_err_is_a_result_like_any_other() {
    let _tidy = tidy();
    let mut child = divided::spawn(1, 0).unwrap();
    assert_eq!(
        child.join_timeout(HANGS).unwrap(),
        Some(Err("1 / 0".to_owned()))
    );
    assert_eq!(child.exitcode(), Some(ExitStatus::Code(0)));
}

#[pumasi::task]
fn reversed(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().rev().collect()
}

#[test]
fn large_arguments_and_results_travel_too() {
    let _tidy = tidy();
    for size in [0, 1, 60_000, 70_000, 100_000, 8 << 20] {
        let bytes: Vec<u8> = (0..size).map(|n: u32| (n % 251) as u8).collect();
        let back = reversed::spawn(bytes.clone()).unwrap().join().unwrap();
        assert!(back.iter().eq(bytes.iter().rev()), "{size} bytes");
    }
}

mod here {
    #[pumasi::task]
    pub fn place() -> String {
        "here".into()
    }
}

mod there {
    #[pumasi::task]
    pub fn place() -> String {
        "there".into()
    }
}

#[test]
fn tasks_of_one_name_are_told_apart() {
    fn first() -> process::Child<u8> {
        #[pumasi::task]
        fn local() -> u8 {
            1
        }
        local::spawn().unwrap()
    }
    fn second() -> process::Child<u8> {
        #[pumasi::task]
        fn local() -> u8 {
            2
        }
        local::spawn().unwrap()
    }
    let _tidy = tidy();
    assert_eq!(here::place::spawn().unwrap().join().unwrap(), here::place());
    assert_eq!(there::place::spawn().unwrap().join().unwrap(), "there");
    assert_eq!(first().join().unwrap(), 1);
    assert_eq!(second().join().unwrap(), 2);
}

// ---- shared objects ------------------------------------------------------------------------

fn push(list: &RawList, number: i64) {
    let heap = list.object().heap();
    list.push(&mut heap.prepare_int(number).unwrap()).unwrap();
}

/// A list can be reached through `token` only while somebody has a handle of it.
fn is_freed(token: (u64, u64)) -> bool {
    let heap = Heap::global().unwrap();
    heap.recover();
    matches!(
        ObjectRef::from_token(heap, token),
        Err(Error::StaleReference { .. })
    )
}

#[pumasi::task]
fn appends(list: ObjectRef, numbers: Vec<i64>) -> usize {
    let list = RawList::from_object(list).unwrap();
    for number in numbers {
        push(&list, number);
    }
    list.len().unwrap()
}

#[pumasi::task]
fn makes_a_list(length: i64) -> (ObjectRef, String) {
    let list = RawList::create(Heap::global().unwrap()).unwrap();
    (0..length).for_each(|number| push(&list, number));
    (list.object().clone(), "made".to_owned())
}

#[test]
fn a_shared_object_is_the_same_in_the_child() {
    let _tidy = tidy();
    let list = RawList::create(Heap::global().unwrap()).unwrap();
    push(&list, 1);
    let child = appends::spawn(list.object().clone(), vec![2, 3]).unwrap();
    assert_eq!(child.join().unwrap(), 3);
    assert_eq!(list.len().unwrap(), 3);
}

#[test]
fn a_shared_object_lives_until_the_child_has_it() {
    let _tidy = tidy();
    let list = RawList::create(Heap::global().unwrap()).unwrap();
    let token = list.object().token();
    // More than a message takes, so that the numbers lie in the heap as well.
    let numbers = vec![7; 20_000];
    let child = appends::spawn(list.object().clone(), numbers).unwrap();
    drop(list);
    assert_eq!(child.join().unwrap(), 20_000);
    assert!(is_freed(token));
}

#[test]
fn a_shared_object_comes_back_from_a_child_that_has_ended() {
    let _tidy = tidy();
    let child = makes_a_list::spawn(3).unwrap();
    let (object, text) = child.join().unwrap();
    let (token, list) = (object.token(), RawList::from_object(object).unwrap());
    assert_eq!((list.len().unwrap(), text.as_str()), (3, "made"));
    drop(list);
    assert!(is_freed(token));
}

#[test]
fn a_child_killed_at_any_time_keeps_no_object() {
    let _tidy = tidy();
    for delay in [0, 100, 500, 1000, 2000, 5000] {
        let list = RawList::create(Heap::global().unwrap()).unwrap();
        let token = list.object().token();
        let mut child = appends::spawn(list.object().clone(), vec![1; 10_000]).unwrap();
        thread::sleep(Duration::from_micros(delay));
        child.kill().unwrap();
        let _ = child.join();
        assert!(!is_freed(token), "we have it still");
        drop(list);
        assert!(is_freed(token), "killed after {delay} µs");
    }
}

/// Takes a lock and never gives it back.
#[pumasi::task]
fn takes(lock: ObjectRef, then: String) {
    let lock = RawLock::from_object(lock).unwrap();
    assert!(lock.acquire(None).unwrap().is_ours());
    match then.as_str() {
        "returns" => {}
        "exits" => std::process::exit(3),
        "panics" => panic!("with a lock"),
        _ => std::process::abort(),
    }
}

#[test]
fn only_a_death_frees_what_a_process_held() {
    let _tidy = tidy();
    for then in ["returns", "exits", "panics", "aborts"] {
        let lock = RawLock::create(Heap::global().unwrap(), OnDeath::Auto).unwrap();
        let mut child = takes::spawn(lock.object().clone(), then.to_owned()).unwrap();
        let pid = child.pid();
        let _ = child.join_timeout(HANGS);
        let found = lock.acquire(Some(SHORT)).unwrap();
        if then == "aborts" {
            let Acquired::Abandoned(death) = found else {
                panic!("{found:?} after an abort");
            };
            assert_eq!((death.pid, death.signal), (pid, Some(libc::SIGABRT)));
        } else {
            assert_eq!(found, Acquired::No, "it {then} in order");
        }
        lock.release().unwrap();
        assert_eq!(lock.try_acquire().unwrap(), Acquired::Yes);
        lock.release().unwrap();
    }
}

#[test]
fn a_result_that_nobody_takes_is_freed() {
    let _tidy = tidy();
    let before = objects();
    let mut child = makes_a_list::spawn(3).unwrap();
    wait_all(&mut [&mut child]);
    assert!(objects() > before, "the result waits");
    drop(child);
    assert_eq!(objects(), before);
}

// ---- deaths --------------------------------------------------------------------------------

#[pumasi::task]
fn panics(how: String) {
    match how.as_str() {
        "text" => panic!("the {} is empty", "barn"),
        "number" => std::panic::panic_any(7u8),
        "silent" => std::panic::resume_unwind(Box::new(())),
        "caught" => drop(std::panic::catch_unwind(|| panic!("caught in time"))),
        "long" => panic!("{}", "품".repeat(100_000)),
        "elsewhere" => drop(thread::spawn(|| panic!("not the task")).join()),
        other => panic!("what is {other}?"),
    }
}

#[test]
fn a_panic_brings_its_message_and_place() {
    let _tidy = tidy();
    let mut child = panics::spawn("text".into()).unwrap();
    let error = child.join_timeout(HANGS).unwrap_err();
    assert_eq!(error.panic_message(), Some("the barn is empty"));
    let JoinError::Panicked { who, place, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((who.pid, who.name.as_str()), (child.pid(), child.name()));
    assert!(place.contains("tests/process.rs:"), "{place}");
    assert_eq!(child.exitcode(), Some(ExitStatus::Code(101)));
    let text = error.to_string();
    assert!(
        text.contains("panicked at") && text.contains("barn"),
        "{text}"
    );

    for (how, message) in [
        ("number", "a value that is no text"),
        ("silent", "a panic without a message"),
    ] {
        let error = panics::spawn(how.into()).unwrap().join().unwrap_err();
        assert_eq!(error.panic_message(), Some(message));
    }
    let error = panics::spawn("long".into()).unwrap().join().unwrap_err();
    let message = error.panic_message().unwrap();
    assert!(message.len() > 10_000 && message.chars().all(|c| c == '품'));
}

#[test]
fn a_panic_that_the_task_survives_is_none() {
    let _tidy = tidy();
    for how in ["caught", "elsewhere"] {
        panics::spawn(how.into()).unwrap().join().unwrap();
    }
}

#[pumasi::task]
fn leaves(code: i32) -> u8 {
    std::process::exit(code)
}

#[pumasi::task]
fn aborts() {
    std::process::abort()
}

/// Tells that it runs by making a file, and runs until it is killed.
#[pumasi::task]
fn runs_on(started: PathBuf) -> u8 {
    fs::write(started, "").unwrap();
    loop {
        thread::park();
    }
}

#[test]
fn exit_codes_and_signals_are_told() {
    let _tidy = tidy();
    for code in [0, 3] {
        let error = leaves::spawn(code).unwrap().join().unwrap_err();
        assert!(matches!(error, JoinError::Exited { .. }), "{error}");
        assert_eq!(error.code(), Some(code));
        assert!(
            error.to_string().contains(&format!("exit code {code}")),
            "{error}"
        );
    }
    let error = aborts::spawn().unwrap().join().unwrap_err();
    assert_eq!(error.signal(), Some(libc::SIGABRT));
    assert!(error.to_string().contains("SIGABRT"), "{error}");
}

#[test]
fn a_killed_process_is_told_with_its_signal() {
    let _tidy = tidy();
    for signal in ["SIGKILL", "SIGTERM"] {
        let started = scratch("killed");
        let mut child = runs_on::spawn(started.clone()).unwrap();
        eventually("the child starts", || started.exists());
        assert!(child.is_alive());
        assert_eq!(child.exitcode(), None);
        if signal == "SIGKILL" {
            child.kill().unwrap();
        } else {
            child.terminate().unwrap();
        }
        let error = child.join_timeout(HANGS).unwrap_err();
        assert!(matches!(error, JoinError::Killed { .. }), "{error}");
        assert!(error.to_string().contains(signal), "{error}");
        assert_eq!(error.who().unwrap().pid, child.pid());
        assert!(!child.is_alive());
        assert_eq!(child.exitcode().unwrap().to_string(), signal);
        // Once more is allowed, and reaches nobody.
        child.kill().unwrap();
        child.terminate().unwrap();
        fs::remove_file(started).unwrap();
    }
}

#[test]
fn a_process_killed_before_its_task_began_is_killed_like_any() {
    let _tidy = tidy();
    for _ in 0..5 {
        let mut child = nothing::spawn().unwrap();
        child.kill().unwrap();
        match child.join() {
            // The task may have been faster.
            Ok(()) => {}
            Err(error) => assert_eq!(error.signal(), Some(libc::SIGKILL), "{error}"),
        }
    }
}

#[test]
fn a_stopped_process_is_alive() {
    let _tidy = tidy();
    let started = scratch("stopped");
    let mut child = runs_on::spawn(started.clone()).unwrap();
    eventually("the child starts", || started.exists());
    signal(child.pid(), rustix::process::Signal::STOP);
    eventually("the child stops", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap();
        stat.contains(") T ")
    });
    assert!(child.is_alive());
    assert_eq!(child.join_timeout(SHORT).unwrap(), None);
    child.kill().unwrap();
    assert_eq!(child.join().unwrap_err().signal(), Some(libc::SIGKILL));
    fs::remove_file(started).unwrap();
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

// ---- what cannot be sent -------------------------------------------------------------------

/// Counts down as it is written; at zero it cannot be.
#[derive(Debug, Deserialize)]
struct Fragile(u32);

impl Serialize for Fragile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.checked_sub(1) {
            Some(left) => serializer.serialize_u32(left),
            // A sequence without a length: postcard must know it.
            None => serializer
                .serialize_seq(None)
                .and_then(serde::ser::SerializeSeq::end),
        }
    }
}

#[pumasi::task]
fn passed_on(fragile: Fragile) -> Fragile {
    fragile
}

#[test]
fn what_cannot_be_written_down_is_told_on_the_way_there_and_back() {
    let _tidy = tidy();
    let error = passed_on::spawn(Fragile(0)).unwrap_err().to_string();
    assert!(
        error.contains("passed_on") && error.contains("length"),
        "{error}"
    );
    let error = passed_on::spawn(Fragile(1)).unwrap().join().unwrap_err();
    assert!(matches!(error, JoinError::BadResult { .. }), "{error}");
    assert_eq!(passed_on::spawn(Fragile(9)).unwrap().join().unwrap().0, 7);
}

/// Puts the program back when a test ends.
struct OwnProgram;

impl Drop for OwnProgram {
    fn drop(&mut self) {
        set_executable(Vec::new());
    }
}

#[test]
fn another_program_can_be_run_and_is_told_when_it_has_no_task() {
    let _tidy = tidy();
    let _own = OwnProgram;
    set_executable(vec!["false".into()]);
    let error = nothing::spawn().unwrap().join().unwrap_err();
    assert!(matches!(error, JoinError::NotStarted { .. }), "{error}");
    assert_eq!(error.code(), Some(1));
    assert!(error.to_string().contains("pumasi::init()"), "{error}");

    // This very program, by its name and with the arguments that lead to its tasks.
    let own = std::env::current_exe().unwrap();
    let entry = "pumasi_children_start_here";
    set_executable(vec![
        own.into(),
        entry.into(),
        "--exact".into(),
        "--nocapture".into(),
    ]);
    nothing::spawn().unwrap().join().unwrap();

    set_executable(vec!["/nowhere/at all".into()]);
    let error = nothing::spawn().unwrap_err();
    assert!(matches!(error, Error::Os { .. }), "{error}");
}

// ---- waiting -------------------------------------------------------------------------------

/// Ends when the file is there.
#[pumasi::task]
fn awaits(file: PathBuf) -> PathBuf {
    while !file.exists() {
        thread::sleep(Duration::from_millis(1));
    }
    file
}

#[test]
fn a_result_is_waited_for_not_longer_than_asked_and_given_once() {
    let _tidy = tidy();
    let file = scratch("awaited");
    let mut child = awaits::spawn(file.clone()).unwrap();
    assert_eq!(child.try_join().unwrap(), None);
    let begin = Instant::now();
    assert_eq!(child.join_timeout(SHORT).unwrap(), None);
    assert!(begin.elapsed() >= SHORT);
    assert!(child.sentinel().is_some());
    fs::write(&file, "").unwrap();
    assert_eq!(
        child.join_timeout(Duration::MAX).unwrap(),
        Some(file.clone())
    );
    let error = child.try_join().unwrap_err();
    assert!(matches!(error, JoinError::AlreadyTaken { .. }), "{error}");
    fs::remove_file(file).unwrap();
}

#[test]
fn the_first_of_several_to_end_is_found() {
    let _tidy = tidy();
    let files: Vec<_> = (0..3).map(|n| scratch(&format!("first-{n}"))).collect();
    let mut children: Vec<_> = files
        .iter()
        .map(|file| awaits::spawn(file.clone()).unwrap())
        .collect();
    assert_eq!(wait_any_timeout(&mut children, SHORT).unwrap(), None);
    assert!(!wait_all_timeout(&mut children, SHORT));
    fs::write(&files[1], "").unwrap();
    let first = wait_any(&mut children).unwrap();
    assert_eq!(first, 1);
    assert_eq!(children.remove(first).join().unwrap(), files[1]);
    children[1].kill().unwrap();
    assert_eq!(wait_any(&mut children).unwrap(), 1, "a death is an end");
    fs::write(&files[0], "").unwrap();
    wait_all(&mut children);
    assert!(wait_all_timeout(&mut children, Duration::ZERO));
    assert!(children.pop().unwrap().join().is_err());
    assert!(children.pop().unwrap().join().is_ok());
    let nobody = wait_any(&mut children).unwrap_err();
    assert!(matches!(nobody, Error::Empty { .. }), "{nobody}");
    for file in &files[..2] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn children_with_different_results_are_waited_for_together() {
    let _tidy = tidy();
    let mut one = nothing::spawn().unwrap();
    let mut two = divided::spawn(6, 3).unwrap();
    let mut both: [&mut dyn Waitable; 2] = [&mut one, &mut two];
    assert!(wait_any(&mut both).unwrap() < 2);
    wait_all(&mut both);
    one.join().unwrap();
    assert_eq!(two.join().unwrap(), Ok(2));
}

#[pumasi::task]
fn square_below(n: u64, limit: u64) -> u64 {
    assert!(n < limit, "{n} is too large");
    n * n
}

#[test]
fn parallel_keeps_the_order_and_fails_one_call_alone() {
    let _tidy = tidy();
    let results = parallel((0..7).map(|n| square_below::call(n, 6))).unwrap();
    assert_eq!(results.len(), 7);
    for (n, result) in (0..).zip(&results) {
        match result {
            Ok(square) => assert_eq!(*square, n * n),
            Err(error) => assert_eq!((n, error.panic_message()), (6, Some("6 is too large"))),
        }
    }
    assert!(
        parallel(Vec::<process::Call<u8>>::new())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn many_threads_start_processes_at_once() {
    let _tidy = tidy();
    thread::scope(|scope| {
        for n in 0..4 {
            scope.spawn(move || {
                for k in 1..=5 {
                    let child = divided::spawn(n * k, k).unwrap();
                    assert_eq!(child.join().unwrap(), Ok(n));
                }
            });
        }
    });
}

// ---- settings ------------------------------------------------------------------------------

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Surroundings {
    name: String,
    parent: Option<u32>,
    daemon: bool,
    comm: String,
    variable: Option<String>,
    home: bool,
    stdin: Vec<u8>,
    descriptors: Vec<PathBuf>,
}

#[pumasi::task]
fn surroundings() -> Surroundings {
    let current = process::current();
    let mut stdin = Vec::new();
    std::io::stdin().read_to_end(&mut stdin).unwrap();
    Surroundings {
        name: current.name.clone(),
        parent: current.parent_pid,
        daemon: current.daemon,
        comm: fs::read_to_string("/proc/self/comm")
            .unwrap()
            .trim()
            .to_owned(),
        variable: std::env::var("PUMASI_TEST_VARIABLE").ok(),
        home: std::env::var_os("HOME").is_some(),
        stdin,
        descriptors: fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
            .collect(),
    }
}

#[test]
fn a_child_is_as_its_builder_says() {
    let _tidy = tidy();
    let child = Builder::new()
        .name("a-name-of-more-than-fifteen-bytes")
        .env("PUMASI_TEST_VARIABLE", ABOUT)
        .env_remove("HOME")
        .daemon(true)
        .spawn(surroundings::call())
        .unwrap();
    let found = child.join().unwrap();
    assert_eq!(found.name, "a-name-of-more-than-fifteen-bytes");
    assert_eq!(found.comm, "a-name-of-more-");
    assert_eq!(found.parent, Some(std::process::id()));
    assert!(found.daemon);
    assert_eq!(found.variable.as_deref(), Some(ABOUT));
    assert!(!found.home);

    let found = surroundings::spawn().unwrap().join().unwrap();
    assert!(found.name.starts_with("surroundings-"), "{}", found.name);
    assert!(!found.daemon);
    assert_eq!(found.variable, None);
    assert_eq!(process::current().name, "MainProcess");
    assert_eq!(process::current().parent_pid, None);
}

#[test]
fn a_child_inherits_nothing_that_it_was_not_given() {
    let _tidy = tidy();
    let found = surroundings::spawn().unwrap().join().unwrap();
    assert_eq!(found.stdin, [], "standard input is empty");
    let pipes_and_sockets = found
        .descriptors
        .iter()
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count();
    assert_eq!(pipes_and_sockets, 1, "{:?}", found.descriptors);
    assert!(found.descriptors.contains(&PathBuf::from("/dev/null")));
}

#[pumasi::task]
fn prints(text: String) {
    print!("{text}");
    eprint!("{}", text.to_uppercase());
}

#[test]
fn output_goes_where_the_builder_says() {
    let _tidy = tidy();
    let mut child = Builder::new()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn(prints::call("not a line".to_owned()))
        .unwrap();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let mut pipe = child.take_stdout().unwrap();
    pipe.read_to_string(&mut stdout).unwrap();
    child
        .take_stderr()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    child.join().unwrap();
    // The test harness of the child says its own before.
    assert!(stdout.ends_with("not a line"), "{stdout}");
    assert!(stderr.contains("NOT A LINE"), "{stderr}");
}

// ---- families ------------------------------------------------------------------------------

#[pumasi::task]
fn sum_of_squares(numbers: Vec<u64>) -> u64 {
    let children: Vec<_> = numbers
        .into_iter()
        .map(|n| square_below::spawn(n, 100).unwrap())
        .collect();
    children
        .into_iter()
        .map(|child| child.join().unwrap())
        .sum()
}

#[test]
fn a_child_has_children_of_its_own() {
    let _tidy = tidy();
    let child = sum_of_squares::spawn(vec![1, 2, 3]).unwrap();
    assert_eq!(child.join().unwrap(), 14);
}

/// Starts a process that runs on, says which, and leaves as told.
#[pumasi::task]
fn starts_another(started: PathBuf, daemon: bool, die: bool) -> u32 {
    let builder = Builder::new().daemon(daemon);
    let child = builder.spawn(runs_on::call(started.clone())).unwrap();
    eventually("the grandchild starts", || started.exists());
    fs::write(&started, child.pid().to_string()).unwrap();
    if die {
        std::process::abort();
    }
    child.pid()
}

#[test]
fn a_daemon_ends_with_its_parent_however_that_ends() {
    let _tidy = tidy();
    for die in [false, true] {
        let started = scratch("daemon");
        let joined = starts_another::spawn(started.clone(), true, die)
            .unwrap()
            .join();
        assert_eq!(joined.is_err(), die);
        let pid: u32 = fs::read_to_string(&started).unwrap().parse().unwrap();
        eventually("the daemon ends", || !runs(pid));
        fs::remove_file(started).unwrap();
    }
}

#[test]
fn any_other_child_outlives_its_parent() {
    let _tidy = tidy();
    let started = scratch("outlives");
    let pid = starts_another::spawn(started.clone(), false, false)
        .unwrap()
        .join()
        .unwrap();
    thread::sleep(SHORT);
    assert!(runs(pid));
    signal(pid, rustix::process::Signal::KILL);
    eventually("the grandchild ends", || !runs(pid));
    fs::remove_file(started).unwrap();
}

#[test]
fn a_daemon_outlives_the_thread_that_started_it() {
    let _tidy = tidy();
    let file = scratch("thread");
    let call = awaits::call(file.clone());
    let child = thread::spawn(move || Builder::new().daemon(true).spawn(call))
        .join()
        .unwrap();
    let mut child = child.unwrap();
    assert_eq!(child.join_timeout(SHORT).unwrap(), None);
    fs::write(&file, "").unwrap();
    assert_eq!(child.join().unwrap(), file);
    fs::remove_file(file).unwrap();
}

#[test]
fn a_dropped_handle_leaves_the_process_running_and_no_zombie() {
    let _tidy = tidy();
    let (started, awaited) = (scratch("dropped"), scratch("dropped-awaited"));
    drop(awaits::spawn(awaited.clone()).unwrap());
    // A daemon whose handle is gone still has its parent.
    let call = runs_on::call(started.clone());
    let daemon = Builder::new().daemon(true).spawn(call).unwrap();
    let pid = daemon.pid();
    drop(daemon);
    eventually("the child starts", || started.exists());
    assert_eq!(children().len(), 2);
    fs::write(&awaited, "").unwrap();
    signal(pid, rustix::process::Signal::KILL);
    eventually("both are cleared away", || {
        nothing::spawn().unwrap().join().unwrap();
        children().is_empty()
    });
    fs::remove_file(started).unwrap();
    fs::remove_file(awaited).unwrap();
}

/// Runs another program of its own, which inherits the environment and must not take itself
/// for a child with a task.
#[pumasi::task]
fn runs_the_harness() -> String {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["pumasi_children_start_here", "--exact"])
        .output()
        .unwrap();
    std::io::stderr().write_all(&output.stderr).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_environment_alone_makes_no_child() {
    let _tidy = tidy();
    let output = runs_the_harness::spawn().unwrap().join().unwrap();
    assert!(output.contains("1 passed"), "{output}");
}
