//! The crash simulator: every operation is stopped at each of its stores, and the recovery from
//! that at each of its own.
//!
//! For each case and each k: set up, run the operation until its k-th store, find the process
//! dead, recover from another process, and look: is the heap sound, is every object as it was
//! before or as it is after the operation, does all memory come back? Then once more for every
//! j, with a first recoverer that dies at its j-th store (on a copy of the memory). The tests try
//! a part of these j, a different one for each k; with `PUMASI_SOAK=1` all of them.

mod changes;
mod collector;
mod deques;
mod dicts;
mod life;
mod lists;
mod objects;
mod primitives;
mod queues;
mod roots;
mod sets;
#[path = "../support/mod.rs"]
mod support;
mod values;
mod vectors;
mod waiting;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pumasi::containers::{Algebra, Number, RawBuffer, RawDict, RawList, RawSet, Slice};
use pumasi::heap::object::{Kind, ObjectRef};
use pumasi::heap::value::Fetch;
use pumasi::sync::{
    Acquired, OnDeath, RawBarrier, RawBoundedSemaphore, RawCondition, RawEvent, RawLock, RawRLock,
    RawRwLock, RawSemaphore,
};
use pumasi::sys::sim::{Crash, Sim};
use pumasi::{Error, Heap};
use support::{Plain, combine, copy, heap, plain, prepare, prepare_all, sibling, with_key};

type Objects = [ObjectRef<Sim>];

/// What may be found after a death in the middle.
#[derive(Clone, Copy, PartialEq)]
enum Found {
    /// The state before or the state after the operation.
    BeforeOrAfter,
    /// The state before: what the dead held has come back.
    Before,
    /// One of these: the death itself is an event, or the operation several.
    OneOf(&'static [&'static str]),
}

struct Case {
    name: &'static str,
    setup: fn(&Heap<Sim>) -> Vec<ObjectRef<Sim>>,
    act: fn(&Heap<Sim>, &Objects),
    found: Found,
    /// Stores or removes references between objects, so that a kill may leave an object that
    /// only the collector finds (HEAP-4).
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

fn as_set(o: &ObjectRef<Sim>) -> RawSet<Sim> {
    RawSet::from_object(o.clone()).unwrap()
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

/// The state of the objects as text: the same text, the same state.
fn view(heap: &Heap<Sim>, tokens: &[(u64, u64)]) -> Vec<String> {
    let objects: Vec<_> = tokens
        .iter()
        .map(|&token| ObjectRef::from_token(heap, token).unwrap())
        .collect();
    values::describe(&objects).unwrap_or_else(|| objects.iter().map(describe).collect())
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
        Kind::Set => format!("set {:?}", support::elements(&as_set(object))),
        kind if kind.is_dict() => {
            format!("{} {:?}", kind.name(), support::pairs(&as_dict(object)))
        }
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
            format!("bounded {} {}", s.value(), s.sleepers())
        }
        Kind::Semaphore => {
            let s = RawSemaphore::from_object(object.clone()).unwrap();
            format!("semaphore {} {}", s.value(), s.sleepers())
        }
        Kind::Event => {
            let e = RawEvent::from_object(object.clone()).unwrap();
            format!("event {} {}", e.is_set(), e.sleepers())
        }
        Kind::RwLock => {
            let lock = RawRwLock::from_object(object.clone()).unwrap();
            let writes = if lock.is_written() {
                "written"
            } else {
                "not written"
            };
            format!("rwlock {writes}, {} read", lock.readers().unwrap())
        }
        Kind::Condition => {
            let c = RawCondition::from_object(object.clone()).unwrap();
            format!(
                "{} wait, {} notified",
                c.waiting().unwrap(),
                c.notified().unwrap()
            )
        }
        Kind::Barrier => {
            let b = RawBarrier::from_object(object.clone()).unwrap();
            let state = if b.is_broken() { "broken" } else { "whole" };
            format!(
                "phase {}, {state}, {} wait",
                b.phase(),
                b.waiting().unwrap()
            )
        }
        Kind::Queue => queues::describe(object),
        Kind::Buffer => {
            let buffer = RawBuffer::from_object(object.clone()).unwrap();
            let words: Vec<u64> = (0..buffer.len() / 8)
                .map(|i| buffer.load(i * 8).unwrap())
                .collect();
            format!("buffer {words:?}")
        }
        Kind::Deque => deques::describe(object),
        Kind::Vector => vectors::describe(object),
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
    if case.nests {
        survivor.collect().unwrap();
    }
    left(&survivor)
}

fn left(heap: &Heap<Sim>) -> Option<String> {
    let report = heap.check();
    (report.live > 0 || !report.errors.is_empty()).then(|| format!("leaked: {report:#?}"))
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
        Found::OneOf(states) => states.iter().map(|s| vec![(*s).to_owned()]).collect(),
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
        if case.nests {
            // With the survivor everybody is dead but the second recoverer: nothing may stay.
            sibling(&first, 1).host().die();
            second.recover();
            second.collect().unwrap();
            if let Some(text) = left(&second) {
                panic!(
                    "{}: stopped at store {k}, its recovery at store {j}: {text}",
                    case.name
                );
            }
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
    let tally = explore_all(lists::cases());
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
    let tally = explore_all(dicts::cases());
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
fn set_operations_survive_a_death_at_every_store() {
    let tally = explore_all(sets::cases());
    assert_sections(
        &tally,
        &[
            "set.combine",
            "dict.setdefault",
            "dict.pop",
            "dict.clear",
            "dict.set",
        ],
    );
}

#[test]
fn deque_operations_survive_a_death_at_every_store() {
    let tally = explore_all(deques::cases());
    assert_sections(
        &tally,
        &[
            "deque.push",
            "deque.pop",
            "deque.extend",
            "deque.set",
            "deque.insert",
            "deque.remove",
            "deque.rotate",
            "deque.reverse",
            "deque.clear",
        ],
    );
}

#[test]
fn vector_operations_survive_a_death_at_every_store() {
    let tally = explore_all(vectors::cases());
    assert_sections(
        &tally,
        &[
            "vector.push",
            "vector.extend",
            "vector.pop",
            "vector.set",
            "vector.splice",
            "vector.insert",
            "vector.reorder",
            "vector.export",
            "vector.resize",
            "vector.step",
            "vector.clear",
        ],
    );
}

#[test]
fn objects_come_and_go_with_a_death_at_every_store() {
    let tally = explore_all(objects::cases());
    assert_sections(&tally, &["destroy", "list.get"]);
}

#[test]
fn a_collection_survives_a_death_at_every_store() {
    let tally = explore_all(collector::cases());
    assert_sections(
        &tally,
        &["collect", "collect.empty", "collect.write_off", "destroy"],
    );
}

#[test]
fn primitives_survive_a_death_at_every_store() {
    let tally = explore_all(primitives::cases());
    assert_sections(&tally, &["semaphore.acquire", "semaphore.release"]);
}

#[test]
fn those_who_wait_survive_a_death_at_every_store() {
    let tally = explore_all(waiting::cases());
    assert_sections(
        &tally,
        &[
            "condition.wait",
            "condition.notify",
            "barrier.wait",
            "barrier.open",
            "barrier.break",
            "barrier.reset",
        ],
    );
}

#[test]
fn queue_operations_survive_a_death_at_every_store() {
    let tally = explore_all(queues::cases());
    assert_sections(
        &tally,
        &[
            "queue.put",
            "queue.put_many",
            "queue.put_at",
            "queue.get",
            "queue.get_many",
            "queue.task_done",
            "queue.close",
            "",
        ],
    );
}

#[test]
fn a_process_lives_and_leaves_with_a_death_at_every_store() {
    let tally = explore_all(life::cases());
    assert!(tally.points > 60, "{} points", tally.points);
}

#[test]
fn values_and_elements_survive_a_death_at_every_store() {
    let tally = explore_all(values::cases());
    assert!(tally.points > 200, "{} points", tally.points);
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
fn locked_that_is_interrupted_is_not_held() {
    let mut interrupted = 0;
    for k in 0..40 {
        let heap = heap();
        let list = RawList::create(&heap).unwrap();
        let other = sibling(&heap, 2);
        let theirs = ObjectRef::from_token(&other, list.object().token()).unwrap();
        let theirs = RawList::from_object(theirs).unwrap();
        // It stops in the middle, and lives: whoever waits for it waits for ever.
        other.host().crash_at(k);
        let push = || theirs.push(&mut other.prepare_int(1).unwrap()).unwrap();
        let _stopped = catch_unwind(AssertUnwindSafe(push));
        std::mem::forget(theirs);
        let check = || Err(Error::Interrupted);
        match pumasi::sync::with_check(&check, || pumasi::sync::waiting(|| list.lock(None))) {
            Err(Error::Interrupted) => {
                interrupted += 1;
                assert!(!list.is_user_locked(), "stopped at store {k}");
            }
            taken => {
                assert_eq!(taken.unwrap(), Acquired::Yes);
                list.unlock().unwrap();
            }
        }
    }
    assert!(interrupted > 0, "nobody was in the way");
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
