//! Heaps by name, among programs that are not each other's children: this test's own program is run
//! again with an empty environment and told which part to play.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use pumasi::sync::LockError;
use pumasi::{Dict, Dynamic, Error, Heap, List};

pumasi::process::test_support!();

/// Longer than anything here takes, also on a busy machine.
const HANGS: Duration = Duration::from_secs(600);
/// What a program is told to do: a part, the heap's name, a number.
const PART: &str = "PUMASI_TEST_PART";

/// A name that no other test has, taken away at the end, and a watchdog. One test at a time: a child
/// that one forks would attend the heaps of the others, too.
struct Name {
    name: String,
    _alone: MutexGuard<'static, ()>,
    _finished: mpsc::Sender<()>,
}

impl Name {
    fn new(test: &'static str) -> Name {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (finished, wait) = mpsc::channel::<()>();
        thread::spawn(move || {
            if wait.recv_timeout(HANGS) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{test} hangs");
                std::process::abort();
            }
        });
        Name {
            name: format!("test.{test}.{}", std::process::id()),
            _alone: alone,
            _finished: finished,
        }
    }

    fn path(&self) -> PathBuf {
        // SAFETY: asks for a number and changes nothing.
        let user = unsafe { libc::geteuid() };
        PathBuf::from(format!("/dev/shm/pumasi-{user}-{}", self.name))
    }
}

impl std::ops::Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.name
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

/// Another program, killed and reaped when dropped.
struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Program {
    fn start(part: &str, name: &str, number: u64) -> Program {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["a_part_of_another_program", "--exact", "--nocapture"])
            .env_clear()
            .env(PART, format!("{part} {name} {number}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Program { child, out }
    }

    /// The next line that it says, without what the test harness prints.
    fn says(&mut self) -> String {
        loop {
            let mut line = String::new();
            let n = self.out.read_line(&mut line).unwrap();
            assert!(n > 0, "it has ended");
            if let Some((_, said)) = line.trim_end().split_once('@') {
                return said.to_owned();
            }
        }
    }

    /// Lets it go on.
    fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Waits for its end, which has to be a good one.
    fn end(mut self) {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(text: &str) {
    println!("@{text}");
}

/// Waits for the other side: true to go on, false at its end.
fn wait_for_word() -> bool {
    std::io::stdin().read(&mut [0]).unwrap() > 0
}

/// Not a test of its own: what the programs of the others do.
#[test]
fn a_part_of_another_program() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let words: Vec<&str> = part.split(' ').collect();
    let (name, number) = (words[1], words[2].parse::<u64>().unwrap());
    match words[0] {
        "visit" => {
            let heap = Heap::open(name).unwrap();
            let fruit: Dict<String, i64> = heap.root("fruit").unwrap().unwrap();
            fruit.add("pears", 5).unwrap();
            let mine = List::<i64>::new_in(&heap).unwrap();
            mine.push(7).unwrap();
            heap.roots().unwrap().insert("list", &mine).unwrap();
            say("done");
        }
        "hold" => {
            let heap = Heap::builder()
                .name(name)
                .limit(64 << 20)
                .open_or_create()
                .unwrap();
            let counts = heap.roots().unwrap().cast::<String, i64>();
            counts.add("holders", 1).unwrap();
            say("holds");
            if wait_for_word() {
                heap.close();
                say("closed");
                wait_for_word();
            }
        }
        "lock" => {
            let heap = Heap::open(name).unwrap();
            let fruit: Dict<String, i64> = heap.root("fruit").unwrap().unwrap();
            let _locked = fruit.locked().unwrap();
            say("locked");
            wait_for_word();
        }
        "restless" => loop {
            match Heap::builder().name(name).limit(16 << 20).create() {
                Ok(heap) => {
                    heap.roots().unwrap().insert("made", 1).unwrap();
                    heap.close();
                }
                Err(Error::HeapExists { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        },
        "race" => race(name, number),
        other => panic!("no part {other}"),
    }
}

/// Opens or makes the heap, says in the other one that it is there, and looks for somebody who
/// has another heap of the same name.
fn race(name: &str, rounds: u64) {
    let minutes = Heap::open(&format!("{name}.minutes")).unwrap();
    let there: Dict<String, i64> = minutes.root("there").unwrap().unwrap();
    say("ready");
    wait_for_word();
    let mut made = 0;
    for _ in 0..rounds {
        let heap = Heap::builder()
            .name(name)
            .limit(16 << 20)
            .open_or_create()
            .unwrap();
        let id = format!("{:032x}", heap.id());
        there.add(&id, 1).unwrap();
        for (other, n) in there.to_vec().unwrap() {
            assert!(n == 0 || other == id, "two heaps of one name");
        }
        let roots = heap.roots().unwrap().cast::<String, i64>();
        made += i64::from(roots.add("visits", 1).unwrap() == 1);
        there.add(&id, -1).unwrap();
        drop(roots);
        heap.close();
    }
    minutes
        .roots()
        .unwrap()
        .cast::<String, i64>()
        .add("heaps made", made)
        .unwrap();
}

fn small(name: &str) -> pumasi::Result<Heap> {
    Heap::builder().name(name).limit(64 << 20).create()
}

#[test]
fn unrelated_programs_share_what_is_in_a_heap() {
    let name = Name::new("share");
    let heap = small(&name).unwrap();
    assert_eq!(heap.name(), Some(&*name.name));
    assert!(matches!(small(&name), Err(Error::HeapExists { .. })));
    let fruit: Dict<String, i64> = Dict::new_in(&heap).unwrap();
    fruit.insert("apples", 3).unwrap();
    heap.roots().unwrap().insert("fruit", &fruit).unwrap();

    let mut other = Program::start("visit", &name, 0);
    assert_eq!(other.says(), "done");
    other.end();
    assert_eq!(fruit.get("pears").unwrap(), Some(5));
    // What the other has made stays though it has ended and is settled.
    heap.recover();
    heap.collect().unwrap();
    let list: List<i64> = heap.root("list").unwrap().unwrap();
    assert_eq!(list.get(0).unwrap(), Some(7));
    assert_eq!(heap.root::<i64>("nothing").unwrap(), None);
    assert!(matches!(
        heap.root::<i64>("list"),
        Err(Error::TypeMismatch { .. })
    ));

    // Containers of another heap are refused.
    let strange = List::<i64>::new().unwrap();
    let refused = heap.roots().unwrap().insert("strange", &strange);
    assert!(
        matches!(refused, Err(Error::WrongHeap { .. })),
        "{refused:?}"
    );
    assert_eq!(heap.roots().unwrap().len().unwrap(), 2);

    drop((list, fruit));
    heap.close();
    assert!(matches!(Heap::open(&name), Err(Error::NoSuchHeap { .. })));
    assert!(!name.path().exists());
}

#[pumasi::task]
fn gather(fruit: Dict<String, i64>) -> pumasi::Result<Option<String>> {
    fruit.add("plums", 2)?;
    Ok(fruit.raw().object().heap().name().map(str::to_owned))
}

#[pumasi::task]
fn give_back(fruit: Dict<String, i64>) -> Dict<String, i64> {
    fruit
}

#[test]
fn a_task_is_given_what_lies_in_a_named_heap() {
    let name = Name::new("task");
    let heap = small(&name).unwrap();
    let fruit: Dict<String, i64> = Dict::new_in(&heap).unwrap();
    let child = gather::spawn(fruit.clone()).unwrap();
    let found = child.join().unwrap().unwrap();
    assert_eq!(found.as_deref(), Some(&*name.name));
    assert_eq!(fruit.get("plums").unwrap(), Some(2));
    // The parent keeps it for a child that is starting, also when it has no handle any more.
    let child = gather::spawn(fruit).unwrap();
    assert!(child.join().unwrap().unwrap().is_some());
    assert_eq!(heap.objects(), 0);
    // Of a result nobody would: it is found by the roots.
    let fruit: Dict<String, i64> = Dict::new_in(&heap).unwrap();
    let refused = give_back::spawn(fruit).unwrap().join();
    let why = refused.expect_err("nobody keeps it").to_string();
    assert!(why.contains("cannot be stored in heap"), "{why}");
    heap.close();
    assert!(!name.path().exists());
}

#[test]
fn a_death_in_another_program_is_told() {
    let name = Name::new("death");
    let heap = small(&name).unwrap();
    let fruit: Dict<String, i64> = Dict::new_in(&heap).unwrap();
    heap.roots().unwrap().insert("fruit", &fruit).unwrap();
    let mut other = Program::start("lock", &name, 0);
    assert_eq!(other.says(), "locked");
    let pid = other.child.id();
    other.kill();
    match fruit.locked() {
        Err(LockError::Abandoned(abandoned)) => assert_eq!(abandoned.death().pid, pid),
        other => panic!("{other:?}"),
    };
    heap.close();
}

#[test]
fn an_opening_is_undone_by_a_closing() {
    let name = Name::new("openings");
    let heap = small(&name).unwrap();
    let again = Heap::open(&name).unwrap();
    assert!(again.same(&heap));
    again.close();
    assert!(name.path().exists());
    let again = Heap::builder().name(&name).open_or_create().unwrap();
    assert_eq!(again.limit(), 64 << 20);
    again.close();
    heap.close();
    assert!(!name.path().exists());
    // Once too often is no harm.
    heap.close();
    let next = small(&name).unwrap();
    assert_ne!(next.id(), heap.id());
    heap.close();
    assert!(name.path().exists());
    next.close();
}

#[test]
fn the_memory_goes_with_the_last_handle() {
    let mapped = |heap: u64| {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines()
            .filter(|line| line.contains("memfd:pumasi") && line.contains(&format!(" {heap} ")))
            .count()
    };
    let name = Name::new("memory");
    let heap = small(&name).unwrap();
    let fd = heap.ticket().split(':').nth(1).unwrap().to_owned();
    let inode = std::fs::metadata(format!("/proc/self/fd/{fd}"))
        .unwrap()
        .ino();
    let list = List::<i64>::new_in(&heap).unwrap();
    list.push(1).unwrap();
    heap.close();
    drop(heap);
    assert_eq!(mapped(inode), 1);
    list.push(2).unwrap();
    assert_eq!(list.len().unwrap(), 2);
    drop(list);
    assert_eq!(mapped(inode), 0);
    // A process may have had any number of them, and a heap any number of visitors.
    for _ in 0..600 {
        let heap = small(&name).unwrap();
        heap.close();
    }
    let mut other = Program::start("hold", &name, 0);
    assert_eq!(other.says(), "holds");
    for _ in 0..1100 {
        let heap = Heap::open(&name).unwrap();
        assert_eq!(heap.root("holders").unwrap(), Some(1));
        heap.close();
    }
    other.end();
}

#[test]
fn the_last_one_who_leaves_takes_the_name_along_whoever_made_it() {
    let name = Name::new("last");
    let heap = small(&name).unwrap();
    let mut other = Program::start("hold", &name, 0);
    assert_eq!(other.says(), "holds");
    heap.close();
    assert!(name.path().exists());
    let heap = Heap::open(&name).unwrap();
    assert_eq!(heap.attendants(), {
        let mut both = vec![std::process::id(), other.child.id()];
        both.sort_unstable();
        both
    });
    heap.close();
    // It gives the heap up and lives on.
    other.go_on();
    assert_eq!(other.says(), "closed");
    assert!(!name.path().exists());
    other.end();
    // And at its end, without having closed.
    let mut other = Program::start("hold", &name, 0);
    assert_eq!(other.says(), "holds");
    assert!(name.path().exists());
    other.end();
    assert!(!name.path().exists());
}

#[test]
fn the_name_of_the_killed_is_free_for_who_asks() {
    let name = Name::new("killed");
    for round in 0..3 {
        let mut other = Program::start("hold", &name, 0);
        assert_eq!(other.says(), "holds");
        other.kill();
        assert!(name.path().exists());
        let named = Heap::named().unwrap();
        let found = named.iter().find(|heap| heap.name == name.name).unwrap();
        assert_eq!((&found.pids[..], &found.trouble), (&[][..], &None));
        match round {
            0 => assert!(matches!(Heap::open(&name), Err(Error::NoSuchHeap { .. }))),
            1 => {
                let heap = small(&name).unwrap();
                assert_eq!(heap.roots().unwrap().len().unwrap(), 0);
                heap.close();
            }
            _ => Heap::unlink(&name).unwrap(),
        }
        assert!(!name.path().exists());
    }
    assert!(matches!(Heap::unlink(&name), Err(Error::NoSuchHeap { .. })));
}

#[test]
fn a_heap_that_was_left_is_not_opened_though_its_memory_is_there() {
    let name = Name::new("left");
    let heap = small(&name).unwrap();
    // As if it had been stopped for ever between leaving the heap and taking the name away.
    heap.leave();
    let mut other = Program::start("hold", &name, 0);
    assert_eq!(other.says(), "holds");
    assert_eq!(heap.roots().unwrap().len().unwrap(), 0);
    let named = Heap::named().unwrap();
    let found = named.iter().find(|heap| heap.name == name.name).unwrap();
    assert_eq!(found.pids, [other.child.id()]);
    heap.close();
    assert!(name.path().exists(), "not ours any more");
    other.end();
    assert!(!name.path().exists());
}

#[test]
fn a_name_that_was_taken_away_leaves_the_heap_to_those_who_have_it() {
    let name = Name::new("unlinked");
    let first = small(&name).unwrap();
    Heap::unlink(&name).unwrap();
    first.roots().unwrap().insert("who", "first").unwrap();
    let second = small(&name).unwrap();
    assert!(!second.same(&first));
    let found = Heap::open(&name).unwrap();
    assert!(found.same(&second));
    found.close();
    first.close();
    assert!(name.path().exists(), "not the first one's any more");
    second.close();
    assert!(!name.path().exists());
}

#[test]
fn a_creator_killed_at_any_moment_leaves_a_name_that_can_be_had() {
    let name = Name::new("creators");
    let mut delay = 1;
    for _ in 0..60 {
        let restless = Program::start("restless", &name, 0);
        // From before its first step to some rounds later; which one it is does not matter.
        thread::sleep(Duration::from_micros(delay));
        delay = delay * 7 % 20_011;
        restless.kill();
        match Heap::open(&name) {
            Err(Error::NoSuchHeap { .. }) => {}
            other => panic!("{:?}", other.map(|heap| heap.attendants())),
        }
        let heap = small(&name).unwrap();
        assert_eq!(heap.roots().unwrap().len().unwrap(), 0);
        heap.close();
        assert!(!name.path().exists());
    }
}

#[test]
fn programs_that_come_and_go_at_once_never_have_two_heaps_of_one_name() {
    let name = Name::new("race");
    let minutes = small(&format!("{}.minutes", name.name)).unwrap();
    let there: Dict<String, i64> = Dict::new_in(&minutes).unwrap();
    minutes.roots().unwrap().insert("there", &there).unwrap();
    let mut programs: Vec<_> = (0..20)
        .map(|_| Program::start("race", &name, 120))
        .collect();
    for program in &mut programs {
        assert_eq!(program.says(), "ready");
    }
    programs.iter_mut().for_each(Program::go_on);
    programs.into_iter().for_each(Program::end);
    assert!(there.values().unwrap().iter().all(|&n| n == 0));
    let made: i64 = minutes.root("heaps made").unwrap().unwrap();
    // Each heap is counted by its first visitor.
    let ids = there.len().unwrap() as i64;
    assert!(made >= 1 && made == ids, "{made} {ids}");
    assert!(!name.path().exists());
    minutes.close();
}

#[test]
fn threads_that_ask_for_roots_at_once_get_the_same() {
    let name = Name::new("roots");
    for _ in 0..20 {
        let heap = small(&name).unwrap();
        let tokens: Vec<_> = thread::scope(|scope| {
            let ask = || heap.roots().unwrap().raw().object().token();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]));
        assert_eq!(heap.objects(), 1);
        assert_eq!(heap.check().errors, [""; 0]);
        heap.close();
    }
}

#[test]
fn a_child_of_a_fork_keeps_the_heap_when_its_parent_leaves() {
    let name = Name::new("fork");
    let heap = small(&name).unwrap();
    heap.roots().unwrap().insert("list", Dynamic::None).unwrap();
    let (mut to, mut from) = ([0; 2], [0; 2]);
    // SAFETY: two pipes, whose ends each side uses by their numbers.
    unsafe {
        assert_eq!(
            (libc::pipe(to.as_mut_ptr()), libc::pipe(from.as_mut_ptr())),
            (0, 0)
        );
    }
    let word = |fd: i32| {
        let mut byte = 0u8;
        // SAFETY: reads one byte into a local.
        unsafe { libc::read(fd, (&raw mut byte).cast(), 1) }
    };
    let tell = |fd: i32| {
        // SAFETY: writes one byte from a constant.
        unsafe { libc::write(fd, b"x".as_ptr().cast(), 1) }
    };
    // SAFETY: the child runs our own code and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        tell(from[1]);
        word(to[0]);
        let ok = heap.roots().unwrap().len().unwrap() == 1;
        heap.close();
        // SAFETY: ends the child without what belongs to the parent.
        unsafe { libc::_exit(i32::from(!ok)) }
    }
    word(from[0]);
    heap.close();
    drop(heap);
    // By way of the child alone.
    let heap = Heap::open(&name).unwrap();
    assert_eq!(heap.root::<Option<i64>>("list").unwrap(), Some(None));
    tell(to[1]);
    let mut status = 0;
    // SAFETY: our own child, and a local of ours.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(status, 0);
    assert_eq!(heap.attendants(), [std::process::id()]);
    heap.close();
    assert!(!name.path().exists());
    // SAFETY: our own descriptors.
    to.iter().chain(&from).for_each(|&fd| unsafe {
        libc::close(fd);
    });
}

// ---- damage --------------------------------------------------------------------------------

/// Puts a file of these bytes in the place of the name.
fn put(name: &Name, bytes: &[u8]) {
    let _ = std::fs::remove_file(name.path());
    std::fs::write(name.path(), bytes).unwrap();
    let only_we = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(name.path(), only_we).unwrap();
}

#[test]
fn a_file_that_is_no_name_is_an_error_and_can_be_taken_away() {
    let name = Name::new("garbage");
    let heap = small(&name).unwrap();
    let good = std::fs::read(name.path()).unwrap();
    Heap::unlink(&name).unwrap();
    let mut bad: Vec<Vec<u8>> = vec![Vec::new(), b"garbage".to_vec(), good[..100].to_vec()];
    for at in [0, 8, 32] {
        let mut other = good.clone();
        other[at] ^= 1;
        bad.push(other);
    }
    for bytes in bad {
        put(&name, &bytes);
        for outcome in [Heap::open(&name), small(&name)] {
            assert!(
                matches!(outcome, Err(Error::Unsupported { .. })),
                "{outcome:?}"
            );
        }
        let named = Heap::named().unwrap();
        let found = named.iter().find(|heap| heap.name == name.name).unwrap();
        assert!(found.trouble.is_some());
        Heap::unlink(&name).unwrap();
    }
    // Another heap's identity: the entries lead to what is not meant.
    let mut other = good.clone();
    other[16] ^= 1;
    put(&name, &other);
    assert!(matches!(Heap::open(&name), Err(Error::NoSuchHeap { .. })));
    assert!(!name.path().exists(), "nobody attends it");
    heap.close();
}

#[test]
fn entries_that_lie_lead_nowhere() {
    let name = Name::new("entries");
    let heap = small(&name).unwrap();
    let good = std::fs::read(name.path()).unwrap();
    let own = good[64..]
        .chunks(16)
        .position(|entry| entry[0] != 0)
        .unwrap();
    let own = good[64 + own * 16..][..16].to_vec();
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        seed.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    for round in 0..200 {
        let mut bytes = good.clone();
        for entry in bytes[64..].chunks_mut(16) {
            entry.fill(0);
            match random() % 60 {
                // This process, another descriptor.
                0 => {
                    entry.copy_from_slice(&own);
                    entry[4] = (random() % 64) as u8;
                    if entry[4] == own[4] {
                        entry[4] = 0;
                    }
                }
                // Another start of this process.
                1 => {
                    entry.copy_from_slice(&own);
                    entry[8] ^= 1 + (random() % 255) as u8;
                }
                // Whatever.
                2 => entry
                    .copy_from_slice(&[random().to_le_bytes(), random().to_le_bytes()].concat()),
                _ => {}
            }
        }
        put(&name, &bytes);
        let outcome = small(&name);
        let made = outcome.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_ne!(made.id(), heap.id());
        made.close();
    }
    // With the true one among them it is found.
    let mut bytes = good;
    bytes[64..].fill(0xff);
    bytes[64 + 500 * 16..][..16].copy_from_slice(&own);
    put(&name, &bytes);
    let mut other = Program::start("hold", &name, 0);
    assert_eq!(other.says(), "holds");
    let holders = heap.roots().unwrap().cast::<String, i64>();
    assert_eq!(holders.get("holders").unwrap(), Some(1));
    other.end();
    heap.close();
}

#[test]
fn what_belongs_to_another_user_is_not_touched() {
    let name = Name::new("stranger");
    std::os::unix::fs::symlink("/dev/null", name.path()).unwrap();
    for outcome in [Heap::open(&name), small(&name)] {
        assert!(matches!(outcome, Err(Error::Denied { .. })), "{outcome:?}");
    }
    assert!(matches!(Heap::unlink(&name), Err(Error::Denied { .. })));
    std::fs::remove_file(name.path()).unwrap();
    // SAFETY: asks for a number and changes nothing.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("not tested: only root can give a file to another user");
        return;
    }
    let heap = small(&name).unwrap();
    std::os::unix::fs::chown(name.path(), Some(65_534), None).unwrap();
    let refused = Heap::open(&format!("{}.other", name.name));
    assert!(matches!(refused, Err(Error::NoSuchHeap { .. })));
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["a_part_of_another_program", "--exact", "--nocapture"])
        .env_clear()
        .env(PART, format!("visit {} 0", name.name))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = String::new();
    other
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert!(!other.wait().unwrap().success());
    assert!(errors.contains("another user"), "{errors}");
    heap.close();
}

#[test]
fn names_are_checked() {
    for bad in ["", "../x", ".x", "-x", "a:b", "a b"] {
        let refused = Heap::open(bad);
        assert!(matches!(refused, Err(Error::BadName { .. })), "{bad:?}");
        assert!(matches!(small(bad), Err(Error::BadName { .. })), "{bad:?}");
    }
    assert!(matches!(
        Heap::builder().open_or_create(),
        Err(Error::Unsupported { .. })
    ));
}
