//! The crash simulator: every operation is stopped at each of its stores, and the recovery from
//! that at each of its own.
//!
//! For each case and each k: set up, run the operation until its k-th store, find the process
//! dead, recover from another process, and look: is the heap sound, is every object as it was
//! before or as it is after the operation, does all memory come back? Then once more for every
//! j, with a first recoverer that dies at its j-th store (on a copy of the memory). The tests try
//! a part of these j, a different one for each k; with `PUMASI_SOAK=1` all of them.

mod support;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pumasi::Heap;
use pumasi::containers::{Number, RawBuffer, RawDict, RawList, Slice};
use pumasi::heap::object::{Kind, ObjectRef};
use pumasi::heap::value::Fetch;
use pumasi::sync::{OnDeath, RawBoundedSemaphore, RawEvent, RawLock, RawRLock, RawSemaphore};
use pumasi::sys::sim::{Crash, Sim};
use support::{Plain, copy, heap, plain, prepare, prepare_all, sibling, with_key};

type Objects = [ObjectRef<Sim>];

/// What may be found after a death in the middle.
#[derive(Clone, Copy, PartialEq)]
enum Found {
    /// The state before or the state after the operation.
    BeforeOrAfter,
    /// The state before: what the dead held has come back.
    Before,
}

struct Case {
    name: &'static str,
    setup: fn(&Heap<Sim>) -> Vec<ObjectRef<Sim>>,
    act: fn(&Heap<Sim>, &Objects),
    found: Found,
    /// Stores or removes references between objects, so that a kill may leave an object that
    /// only a collector would find (HEAP-4).
    nests: bool,
}

fn case(
    name: &'static str,
    setup: fn(&Heap<Sim>) -> Vec<ObjectRef<Sim>>,
    act: fn(&Heap<Sim>, &Objects),
) -> Case {
    Case {
        name,
        setup,
        act,
        found: Found::BeforeOrAfter,
        nests: false,
    }
}

fn int(i: i64) -> Plain {
    Plain::Int(i)
}

fn text(n: usize) -> Plain {
    Plain::Text(format!("{:x<n$}", "long enough for a block"))
}

fn list(heap: &Heap<Sim>, values: &[Plain]) -> ObjectRef<Sim> {
    let list = RawList::create(heap).unwrap();
    for v in values {
        list.push(&mut prepare(heap, v).unwrap()).unwrap();
    }
    list.object().clone()
}

fn dict(heap: &Heap<Sim>, pairs: &[(Plain, Plain)]) -> ObjectRef<Sim> {
    let dict = RawDict::create(heap).unwrap();
    for (k, v) in pairs {
        let mut v = prepare(heap, v).unwrap();
        with_key(heap, k, |key| dict.insert(key, None, &mut v)).unwrap();
    }
    dict.object().clone()
}

fn as_list(o: &ObjectRef<Sim>) -> RawList<Sim> {
    RawList::from_object(o.clone()).unwrap()
}

fn as_dict(o: &ObjectRef<Sim>) -> RawDict<Sim> {
    RawDict::from_object(o.clone()).unwrap()
}

fn mixed(n: i64) -> Vec<Plain> {
    (0..n)
        .map(|i| if i % 3 == 1 { text(30) } else { int(i) })
        .collect()
}

fn mixed_pairs(n: i64) -> Vec<(Plain, Plain)> {
    (0..n)
        .map(|i| {
            let key = if i % 2 == 0 {
                int(i)
            } else {
                Plain::Text(format!("a key of some length {i}"))
            };
            (key, if i % 3 == 0 { text(40) } else { int(i) })
        })
        .collect()
}

fn push(heap: &Heap<Sim>, o: &Objects, v: Plain) {
    as_list(&o[0])
        .push(&mut prepare(heap, &v).unwrap())
        .unwrap();
}

fn put(heap: &Heap<Sim>, o: &Objects, k: Plain, v: Plain) {
    let mut v = prepare(heap, &v).unwrap();
    with_key(heap, &k, |key| as_dict(&o[0]).insert(key, None, &mut v)).unwrap();
}

fn take(heap: &Heap<Sim>, o: &Objects, k: Plain) {
    let mut out = Fetch::new();
    with_key(heap, &k, |key| as_dict(&o[0]).remove(key, &mut out)).unwrap();
}

#[rustfmt::skip]
fn list_cases() -> Vec<Case> {
    vec![
        case("push inline", |h| vec![list(h, &mixed(3))], |h, o| push(h, o, int(9))),
        case("push block", |h| vec![list(h, &mixed(3))], |h, o| push(h, o, text(50))),
        case("push large", |h| vec![list(h, &mixed(3))], |h, o| push(h, o, text(5000))),
        case("push, leaf grows", |h| vec![list(h, &mixed(5))], |h, o| push(h, o, text(50))),
        case("push, directory", |h| vec![list(h, &mixed(13))], |h, o| push(h, o, text(50))),
        case("push, new leaf", |h| vec![list(h, &mixed(26))], |h, o| push(h, o, text(50))),
        case("push, directory grows", |h| vec![list(h, &mixed(13 * 6))], |h, o| push(h, o, text(9))),
        case("set inline", |h| vec![list(h, &mixed(3))], |h, o| {
            as_list(&o[0]).set(0, &mut prepare(h, &int(-1)).unwrap()).unwrap();
        }),
        case("set block over inline", |h| vec![list(h, &mixed(3))], |h, o| {
            as_list(&o[0]).set(0, &mut prepare(h, &text(60)).unwrap()).unwrap();
        }),
        case("set inline over block", |h| vec![list(h, &mixed(3))], |h, o| {
            as_list(&o[0]).set(1, &mut prepare(h, &int(1)).unwrap()).unwrap();
        }),
        case("set block over block", |h| vec![list(h, &mixed(40))], |h, o| {
            as_list(&o[0]).set(31, &mut prepare(h, &text(60)).unwrap()).unwrap();
        }),
        case("set over large", |h| vec![list(h, &[text(9000)])], |h, o| {
            as_list(&o[0]).set(0, &mut prepare(h, &text(8000)).unwrap()).unwrap();
        }),
        case("pop last inline", |h| vec![list(h, &mixed(3))], |_, o| {
            as_list(&o[0]).pop(-1, &mut Fetch::new()).unwrap();
        }),
        case("pop last block", |h| vec![list(h, &mixed(2))], |_, o| {
            as_list(&o[0]).pop(-1, &mut Fetch::new()).unwrap();
        }),
        case("pop last large", |h| vec![list(h, &[text(6000)])], |_, o| {
            as_list(&o[0]).pop(-1, &mut Fetch::new()).unwrap();
        }),
        case("pop last of a leaf", |h| vec![list(h, &mixed(14))], |_, o| {
            as_list(&o[0]).pop(-1, &mut Fetch::new()).unwrap();
        }),
        case("pop first", |h| vec![list(h, &mixed(40))], |_, o| {
            as_list(&o[0]).pop(0, &mut Fetch::new()).unwrap();
        }),
        case("insert in the middle", |h| vec![list(h, &mixed(40))], |h, o| {
            as_list(&o[0]).insert(17, &mut prepare(h, &text(30)).unwrap()).unwrap();
        }),
        case("extend in place", |h| vec![list(h, &mixed(1))], |h, o| {
            as_list(&o[0]).extend(&mut prepare_all(h, &mixed(3))).unwrap();
        }),
        case("extend by leaves", |h| vec![list(h, &mixed(4))], |h, o| {
            as_list(&o[0]).extend(&mut prepare_all(h, &mixed(30))).unwrap();
        }),
        case("extend an empty list", |h| vec![list(h, &[])], |h, o| {
            as_list(&o[0]).extend(&mut prepare_all(h, &mixed(30))).unwrap();
        }),
        case("replace a slice", |h| vec![list(h, &mixed(40))], |h, o| {
            let slice = Slice { start: Some(5), stop: Some(30), step: 1 };
            as_list(&o[0]).set_slice(slice, &mut prepare_all(h, &mixed(4))).unwrap();
        }),
        case("replace an extended slice", |h| vec![list(h, &mixed(20))], |h, o| {
            let slice = Slice { start: Some(1), stop: Some(16), step: 5 };
            as_list(&o[0]).set_slice(slice, &mut prepare_all(h, &mixed(3))).unwrap();
        }),
        case("delete a slice", |h| vec![list(h, &mixed(40))], |_, o| {
            as_list(&o[0]).del_slice(Slice { start: Some(0), stop: None, step: 2 }).unwrap();
        }),
        case("delete all by a slice", |h| vec![list(h, &mixed(30))], |_, o| {
            as_list(&o[0]).del_slice(Slice::ALL).unwrap();
        }),
        case("remove by value", |h| vec![list(h, &mixed(20))], |_, o| {
            let list = as_list(&o[0]);
            list.remove_if(list.version(), 13).unwrap();
        }),
        case("remove by position", |h| vec![list(h, &mixed(20))], |_, o| {
            as_list(&o[0]).remove(4).unwrap();
        }),
        case("remove the last", |h| vec![list(h, &mixed(14))], |_, o| {
            as_list(&o[0]).remove(-1).unwrap();
        }),
        case("set if unchanged", |h| vec![list(h, &mixed(20))], |h, o| {
            let list = as_list(&o[0]);
            list.set_if(list.version(), 4, &mut prepare(h, &text(33)).unwrap()).unwrap();
        }),
        case("extend if unchanged", |h| vec![list(h, &mixed(11))], |h, o| {
            let list = as_list(&o[0]);
            list.extend_if(list.version(), &mut prepare_all(h, &mixed(9))).unwrap();
        }),
        case("reorder", |h| vec![list(h, &mixed(20))], |_, o| {
            let list = as_list(&o[0]);
            let order: Vec<usize> = (0..20).map(|i| (i * 7) % 20).collect();
            list.reorder_if(list.version(), &order).unwrap();
        }),
        case("reverse", |h| vec![list(h, &mixed(20))], |_, o| as_list(&o[0]).reverse().unwrap()),
        case("clear", |h| vec![list(h, &mixed(30))], |_, o| as_list(&o[0]).clear().unwrap()),
    ]
}

#[rustfmt::skip]
fn dict_cases() -> Vec<Case> {
    vec![
        case("insert inline", |h| vec![dict(h, &mixed_pairs(3))], |h, o| put(h, o, int(99), int(1))),
        case("insert blocks", |h| vec![dict(h, &mixed_pairs(3))], |h, o| {
            put(h, o, Plain::Text("another long key".into()), text(70));
        }),
        case("insert with an original key", |h| vec![dict(h, &mixed_pairs(2))], |h, o| {
            // As Python stores 7.0: canonically 7, given as a float.
            let mut original = h.prepare_bytes(pumasi::heap::cell::Tag::Str, b"given as this").unwrap();
            let mut value = prepare(h, &text(30)).unwrap();
            with_key(h, &int(7), |key| as_dict(&o[0]).insert(key, Some(&mut original), &mut value)).unwrap();
        }),
        case("insert a key too long to copy", |h| vec![dict(h, &mixed_pairs(2))], |h, o| {
            put(h, o, text(1500), int(1));
        }),
        case("insert, table renewed", |h| vec![dict(h, &mixed_pairs(5))], |h, o| put(h, o, int(99), text(40))),
        case("overwrite inline", |h| vec![dict(h, &mixed_pairs(5))], |h, o| put(h, o, int(2), int(-2))),
        case("overwrite block", |h| vec![dict(h, &mixed_pairs(5))], |h, o| put(h, o, int(0), text(80))),
        case("remove", |h| vec![dict(h, &mixed_pairs(5))], |h, o| {
            take(h, o, Plain::Text("a key of some length 3".into()));
        }),
        case("setdefault", |h| vec![dict(h, &mixed_pairs(3))], |h, o| {
            let mut v = prepare(h, &text(44)).unwrap();
            with_key(h, &text(20), |key| as_dict(&o[0]).setdefault(key, None, &mut v, &mut Fetch::new())).unwrap();
        }),
        case("add", |h| vec![dict(h, &mixed_pairs(5))], |h, o| {
            with_key(h, &int(4), |key| as_dict(&o[0]).add(key, None, Number::Int(i64::MAX / 2))).unwrap();
        }),
        case("add a float", |h| vec![dict(h, &mixed_pairs(2))], |h, o| {
            with_key(h, &int(4), |key| as_dict(&o[0]).add(key, None, Number::Int(2))).unwrap();
        }),
        case("insert if still absent", |h| vec![dict(h, &mixed_pairs(3))], |h, o| {
            let mut v = prepare(h, &text(44)).unwrap();
            with_key(h, &text(25), |key| assert!(as_dict(&o[0]).insert_if(key, None, None, &mut v).unwrap()));
        }),
        case("insert if unchanged", |h| vec![dict(h, &mixed_pairs(3))], |h, o| {
            let mut v = prepare(h, &text(44)).unwrap();
            with_key(h, &int(0), |key| {
                let found = as_dict(&o[0]).get(key, &mut Fetch::new()).unwrap();
                assert!(as_dict(&o[0]).insert_if(key, found, None, &mut v).unwrap());
            });
        }),
        case("popitem", |h| vec![dict(h, &mixed_pairs(6))], |_, o| {
            as_dict(&o[0]).popitem(&mut Fetch::new(), &mut Fetch::new()).unwrap();
        }),
        case("clear a dict", |h| vec![dict(h, &mixed_pairs(9))], |_, o| as_dict(&o[0]).clear().unwrap()),
    ]
}

#[rustfmt::skip]
fn object_cases() -> Vec<Case> {
    let nesting = |name, setup, act| Case { nests: true, ..case(name, setup, act) };
    vec![
        case("create and drop", |h| vec![list(h, &[])], |h, _| {
            drop((list(h, &mixed(30)), dict(h, &mixed_pairs(12))));
        }),
        case("create and drop a buffer", |h| vec![list(h, &[])], |h, _| {
            drop((RawBuffer::create(h, 100, 0).unwrap(), RawBuffer::create(h, 20_000, 0).unwrap()));
        }),
        case("read a large value", |h| vec![list(h, &[text(7000)])], |_, o| {
            let mut out = Fetch::new();
            as_list(&o[0]).get(0, &mut out).unwrap();
            assert!(out.bytes().len() >= 7000);
        }),
        nesting("store a nested list", |h| vec![list(h, &mixed(2)), list(h, &mixed(3))], |h, o| {
            as_list(&o[0]).push(&mut h.prepare_object(&o[1]).unwrap()).unwrap();
        }),
        nesting("replace a nested list", |h| {
            let outer = list(h, &mixed(2));
            let inner = list(h, &mixed(20));
            as_list(&outer).push(&mut h.prepare_object(&inner).unwrap()).unwrap();
            vec![outer]
        }, |h, o| as_list(&o[0]).set(2, &mut prepare(h, &int(0)).unwrap()).unwrap()),
        nesting("clear nested lists", |h| {
            let outer = list(h, &[]);
            for _ in 0..3 {
                let inner = list(h, &mixed(4));
                as_list(&inner).push(&mut h.prepare_object(&list(h, &[text(20)])).unwrap()).unwrap();
                as_list(&outer).push(&mut h.prepare_object(&inner).unwrap()).unwrap();
            }
            vec![outer]
        }, |_, o| as_list(&o[0]).clear().unwrap()),
        nesting("store a pickle that refers to a list", |h| vec![list(h, &[]), list(h, &mixed(2))], |h, o| {
            as_list(&o[0]).push(&mut h.prepare_pickle(b"some pickled bytes", &[&o[1]]).unwrap()).unwrap();
        }),
        nesting("remove a pickle that refers to a list", |h| {
            let outer = list(h, &[]);
            as_list(&outer).push(&mut h.prepare_pickle(b"some pickled bytes", &[&list(h, &mixed(9))]).unwrap()).unwrap();
            vec![outer]
        }, |_, o| {
            as_list(&o[0]).pop(-1, &mut Fetch::new()).unwrap();
        }),
    ]
}

#[rustfmt::skip]
fn primitive_cases() -> Vec<Case> {
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
        back("locked() of a list", |h| vec![list(h, &mixed(3))], |_, o| {
            let list = as_list(&o[0]);
            assert!(list.lock(None).unwrap().is_ours());
            list.unlock().unwrap();
            assert!(list.lock(None).unwrap().is_ours());
        }),
    ]
}

/// The state of the objects as text: the same text, the same state.
fn view(heap: &Heap<Sim>, tokens: &[(u64, u64)]) -> Vec<String> {
    tokens
        .iter()
        .map(|&token| describe(&ObjectRef::from_token(heap, token).unwrap()))
        .collect()
}

fn describe(object: &ObjectRef<Sim>) -> String {
    let mut out = Fetch::new();
    match object.kind() {
        Kind::List => {
            let list = as_list(object);
            let locked = list.is_user_locked();
            let n = if locked {
                0
            } else {
                list.len().unwrap() as isize
            };
            let items: Vec<String> = (0..n)
                .map(|i| {
                    let cell = list.get(i, &mut out).unwrap();
                    match out.take_object() {
                        Some(inner) => describe(&inner),
                        None => format!("{:?}", plain(cell, &mut out)),
                    }
                })
                .collect();
            format!("list {items:?} {locked}")
        }
        Kind::Dict => format!("dict {:?}", support::pairs(&as_dict(object))),
        Kind::Lock => format!(
            "lock {}",
            RawLock::from_object(object.clone()).unwrap().is_locked()
        ),
        Kind::RLock => format!(
            "rlock {}",
            RawRLock::from_object(object.clone()).unwrap().is_locked()
        ),
        Kind::BoundedSemaphore => {
            let s = RawBoundedSemaphore::from_object(object.clone()).unwrap();
            format!("bounded {}", s.value())
        }
        Kind::Semaphore => format!(
            "semaphore {}",
            RawSemaphore::from_object(object.clone()).unwrap().value()
        ),
        Kind::Event => format!(
            "event {}",
            RawEvent::from_object(object.clone()).unwrap().is_set()
        ),
        other => format!("{other:?}"),
    }
}

/// A heap with a case set up in it: the survivor, which holds the objects, and the victim.
struct Stage {
    survivor: Heap<Sim>,
    victim: Heap<Sim>,
    objects: Vec<ObjectRef<Sim>>,
    tokens: Vec<(u64, u64)>,
}

fn stage(case: &Case) -> Stage {
    let survivor = heap();
    survivor.join().unwrap();
    let objects = (case.setup)(&survivor);
    let tokens = objects.iter().map(ObjectRef::token).collect();
    let victim = sibling(&survivor, 2);
    victim.join().unwrap();
    Stage {
        survivor,
        victim,
        objects,
        tokens,
    }
}

/// Runs the operation in the victim up to its `k`-th store. `Some(section)` if it got there.
fn run(case: &Case, stage: &Stage, k: u64) -> Option<&'static str> {
    let objects: Vec<_> = stage
        .tokens
        .iter()
        .map(|&t| ObjectRef::from_token(&stage.victim, t).unwrap())
        .collect();
    stage.victim.host().crash_at(k);
    let result = catch_unwind(AssertUnwindSafe(|| (case.act)(&stage.victim, &objects)));
    stage.victim.host().no_crash();
    match result {
        Ok(()) => {
            drop(objects);
            None
        }
        Err(payload) => match payload.downcast::<Crash>() {
            Ok(crash) => Some(crash.section),
            Err(other) => std::panic::resume_unwind(other),
        },
    }
}

/// What is wrong after recovery, if anything.
fn wrong(
    case: &Case,
    heap: &Heap<Sim>,
    tokens: &[(u64, u64)],
    allowed: &[Vec<String>],
) -> Option<String> {
    let report = heap.check();
    if !report.errors.is_empty() || report.pending > 0 {
        return Some(format!("{report:#?}"));
    }
    let found = catch_unwind(AssertUnwindSafe(|| view(heap, tokens)));
    let Ok(found) = found else {
        return Some("an object cannot be read".into());
    };
    if !allowed.contains(&found) {
        return Some(format!("found {found:?}, allowed {allowed:?}"));
    }
    let _ = case;
    None
}

/// Whether everything comes back once the survivor lets go.
fn leaks(case: &Case, stage: Stage) -> Option<String> {
    let Stage {
        survivor, objects, ..
    } = stage;
    drop(objects);
    let report = survivor.check();
    if report.live > 0 && !case.nests {
        return Some(format!("leaked: {report:#?}"));
    }
    None
}

#[derive(Default)]
struct Tally {
    points: u64,
    second: u64,
    sections: BTreeMap<&'static str, u64>,
}

/// Every k, and every j after every k-th when `deep`.
fn explore(case: &Case, deep: bool, tally: &mut Tally) {
    let before = {
        let stage = stage(case);
        view(&stage.survivor, &stage.tokens)
    };
    let after = {
        let stage = stage(case);
        assert_eq!(run(case, &stage, u64::MAX), None);
        view(&stage.survivor, &stage.tokens)
    };
    let allowed = match case.found {
        Found::Before => vec![before],
        Found::BeforeOrAfter => vec![before, after],
    };
    for k in 0.. {
        let stage = stage(case);
        let Some(section) = run(case, &stage, k) else {
            break;
        };
        tally.points += 1;
        *tally.sections.entry(section).or_default() += 1;
        if deep {
            tally.second += explore_recovery(case, &stage, k, &allowed);
        }
        stage.survivor.recover();
        if let Some(text) = wrong(case, &stage.survivor, &stage.tokens, &allowed) {
            panic!("{}: stopped at store {k} in {section:?}: {text}", case.name);
        }
        if let Some(text) = leaks(case, stage) {
            panic!("{}: stopped at store {k} in {section:?}: {text}", case.name);
        }
    }
}

/// Of the stores of a recovery every so-manieth is tried.
fn stride() -> u64 {
    if std::env::var_os("PUMASI_SOAK").is_some() {
        1
    } else {
        3
    }
}

fn explore_recovery(case: &Case, stage: &Stage, k: u64, allowed: &[Vec<String>]) -> u64 {
    for (tried, j) in (k % stride()..).step_by(stride() as usize).enumerate() {
        let first = copy(&stage.survivor, 3);
        first.host().crash_at(j);
        let done = catch_unwind(AssertUnwindSafe(|| {
            first.join().unwrap();
            first.recover();
        }));
        match done {
            Ok(()) => return tried as u64,
            Err(payload) if payload.is::<Crash>() => {}
            Err(other) => std::panic::resume_unwind(other),
        }
        let second = sibling(&first, 4);
        second.join().unwrap();
        second.recover();
        if let Some(text) = wrong(case, &second, &stage.tokens, allowed) {
            panic!(
                "{}: stopped at store {k}, its recovery at store {j}: {text}",
                case.name
            );
        }
    }
    unreachable!("recovery ends")
}

fn explore_all(cases: Vec<Case>) -> Tally {
    let mut tally = Tally::default();
    for case in cases {
        let from = tally.points + tally.second;
        let start = std::time::Instant::now();
        explore(&case, true, &mut tally);
        let points = tally.points + tally.second - from;
        println!(
            "{:<30} {points:>6} points, {:?}",
            case.name,
            start.elapsed()
        );
    }
    println!(
        "{} crash points, {} more in recovery, by section: {:#?}",
        tally.points, tally.second, tally.sections
    );
    tally
}

fn assert_sections(tally: &Tally, names: &[&str]) {
    for name in names {
        assert!(
            tally.sections.contains_key(name),
            "no crash fell inside {name}: the test proves nothing about it"
        );
    }
}

#[test]
fn list_operations_survive_a_death_at_every_store() {
    let tally = explore_all(list_cases());
    assert_sections(
        &tally,
        &[
            "list.push",
            "list.set",
            "list.pop",
            "list.insert",
            "list.extend",
            "list.splice",
            "list.remove",
            "list.reorder",
            "list.clear",
        ],
    );
}

#[test]
fn dict_operations_survive_a_death_at_every_store() {
    let tally = explore_all(dict_cases());
    assert_sections(
        &tally,
        &[
            "dict.set",
            "dict.setdefault",
            "dict.add",
            "dict.pop",
            "dict.clear",
        ],
    );
}

#[test]
fn objects_come_and_go_with_a_death_at_every_store() {
    let tally = explore_all(object_cases());
    assert_sections(&tally, &["destroy", "list.get"]);
}

#[test]
fn primitives_survive_a_death_at_every_store() {
    let tally = explore_all(primitive_cases());
    assert_sections(&tally, &["semaphore.acquire", "semaphore.release"]);
}

#[test]
fn a_process_that_dies_while_it_attaches_leaves_nothing() {
    for k in 0.. {
        let survivor = heap();
        survivor.join().unwrap();
        let victim = sibling(&survivor, 2);
        victim.host().crash_at(k);
        let done = catch_unwind(AssertUnwindSafe(|| victim.join().unwrap()));
        if done.is_ok() {
            assert!(k >= 3, "attaching takes some stores");
            break;
        }
        survivor.recover();
        assert_eq!(survivor.participants(), 1, "stopped at store {k}");
    }
}

#[test]
fn a_broken_order_of_stores_is_caught() {
    // The store of the item is held back until after the commit of the length: what an
    // implementation that commits too early would do.
    let case = case(
        "push with a broken order",
        |h| vec![list(h, &mixed(3))],
        |h, o| push(h, o, text(50)),
    );
    let before = view_of(&case, false);
    let after = view_of(&case, true);
    let allowed = vec![before, after];
    let stores = {
        let stage = stage(&case);
        let start = stage.victim.host().stores();
        assert_eq!(run(&case, &stage, u64::MAX), None);
        stage.victim.host().stores() - start
    };
    let mut caught = 0;
    for nth in 0..stores {
        let mut found = false;
        for k in 0..stores + 4 {
            let stage = stage(&case);
            stage.victim.host().hold_back(nth, 1000);
            if run(&case, &stage, k).is_none() {
                break;
            }
            stage.survivor.recover();
            found |= wrong(&case, &stage.survivor, &stage.tokens, &allowed).is_some();
        }
        caught += u64::from(found);
    }
    assert!(
        caught >= 1,
        "of {stores} ways to break the order none was caught"
    );
    println!("{caught} of {stores} single stores, held back, were caught");
}

fn view_of(case: &Case, act: bool) -> Vec<String> {
    let stage = stage(case);
    if act {
        assert_eq!(run(case, &stage, u64::MAX), None);
    }
    view(&stage.survivor, &stage.tokens)
}
