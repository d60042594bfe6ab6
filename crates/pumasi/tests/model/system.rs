//! Memory is taken from the system where nobody waits for it.

use pumasi::containers::{Algebra, Key, Member, Number, RawDict, RawList, RawSet};
use pumasi::observer::Op;

use pumasi::Heap;
use pumasi::heap::cell::Tag;
use pumasi::heap::value::Prepared;
use pumasi::sys::sim::{Crash, Sim};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::{Plain, heap, sibling, sound, with_key};

/// Chunks are of a page, and so many of them are kept for reuse: 4 MiB.
const CHUNK: usize = 4096;
const KEPT: u64 = 1024 * CHUNK as u64;

fn large_heap() -> Heap<Sim> {
    Heap::format(Sim::new(12 << 20), CHUNK as u64, 12 << 20, 1, 0).unwrap()
}

/// A value in a run of `n` chunks, not put anywhere: dropped, it is free.
fn run(heap: &Heap<Sim>, n: usize) -> Prepared<'_, Sim> {
    let bytes = vec![7; n * CHUNK - 512];
    heap.prepare_bytes(Tag::Bytes, &bytes).unwrap()
}

/// Values that come and go `many` at a time ask the system for nothing, whatever lies idle beside
/// them: after a few rounds what nobody uses has gone.
#[track_caller]
fn pass_without_the_system(heap: &Heap<Sim>, what: &str) {
    for many in [1, 8, 40] {
        let pass = || drop((0..many).map(|_| run(heap, 17)).collect::<Vec<_>>());
        (0..12).for_each(|_| pass());
        let asked = heap.host().asked_for_memory();
        (0..20).for_each(|_| pass());
        let more = heap.host().asked_for_memory() - asked;
        assert_eq!(more, 0, "{what}, {many} at a time");
        let idle = heap.stats().idle;
        assert!(idle <= KEPT, "{what}: {idle} bytes lie idle");
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
fn values_that_pass_through_take_nothing_from_the_system() {
    let heap = large_heap();
    pass_without_the_system(&heap, "nothing idle");

    // As much as may lie idle does, in one piece.
    drop((0..100).map(|_| run(&heap, 17)).collect::<Vec<_>>());
    let idle = heap.stats().idle;
    assert!(idle > KEPT / 2 && idle <= KEPT, "{idle} bytes lie idle");
    pass_without_the_system(&heap, "large pieces idle");

    // And in pieces that are too small for what passes.
    let small: Vec<_> = (0..2 * KEPT as usize / CHUNK / 4)
        .map(|_| run(&heap, 2))
        .collect();
    let mut nth = 0;
    let (kept, freed): (Vec<_>, Vec<_>) = small.into_iter().partition(|_| {
        nth += 1;
        nth % 2 == 0
    });
    drop(freed);
    pass_without_the_system(&heap, "small pieces idle");
    drop(kept);

    heap.collect().unwrap();
    assert_eq!((heap.used(), heap.stats().idle), (0, 0));
    sound(&heap);
}

/// A heap with a high limit keeps four times as much, and no longer when the limit is lowered.
#[test]
#[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
fn a_high_limit_lets_more_lie_idle() {
    let heap = Heap::format(Sim::new(28 << 20), CHUNK as u64, u64::MAX, 1, 0).unwrap();
    let pass = || drop((0..200).map(|_| run(&heap, 17)).collect::<Vec<_>>());
    (0..12).for_each(|_| pass());
    let asked = heap.host().asked_for_memory();
    (0..5).for_each(|_| pass());
    assert_eq!(heap.host().asked_for_memory(), asked);
    let idle = heap.stats().idle;
    assert!(idle > 3 * KEPT && idle <= 4 * KEPT, "{idle} bytes lie idle");

    // As many again, of which what is too much goes back.
    drop((0..300).map(|_| run(&heap, 17)).collect::<Vec<_>>());
    assert!(heap.stats().idle <= 4 * KEPT);

    heap.set_limit(24 << 20);
    // Whoever frees gives back at least what it frees, as long as there is more than is kept.
    (0..60).for_each(|_| drop((0..20).map(|_| run(&heap, 17)).collect::<Vec<_>>()));
    let idle = heap.stats().idle;
    assert!(idle <= KEPT, "{idle} bytes lie idle");
    sound(&heap);
}

/// A run too large to be kept goes back at once, in as few pieces as it can.
#[test]
#[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
fn what_is_too_large_to_be_kept_goes_back() {
    let heap = large_heap();
    let large = || drop(run(&heap, KEPT as usize / CHUNK / 2 + 1));
    large();
    assert_eq!(heap.used(), 0);
    drop(run(&heap, 100));
    let asked = heap.host().asked_for_memory();
    large();
    // It used what lay idle, too.
    assert_eq!(heap.used(), 0);
    // Taken, given back, and the first chunk of it by itself, whose word is the last to go.
    assert_eq!(heap.host().asked_for_memory() - asked, 3);
}

/// Whoever gives idle memory back may be killed at any store: nothing is lost or counted twice.
#[test]
#[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
fn a_death_while_idle_memory_is_given_back_loses_none() {
    let mut k = 0;
    loop {
        let heap = large_heap();
        let victim = sibling(&heap, 2);
        let value = run(&victim, 100);
        let idle = KEPT as usize / CHUNK / 100;
        drop((0..idle).map(|_| run(&heap, 100)).collect::<Vec<_>>());
        victim.host().crash_at(k);
        let freed = catch_unwind(AssertUnwindSafe(|| drop(value)));
        if let Err(panic) = &freed {
            assert!(panic.is::<Crash>(), "at store {k}");
        }
        victim.host().die();
        heap.recover();
        sound(&heap);
        let stats = heap.stats();
        assert_eq!(stats.used, stats.idle, "at store {k}");
        assert!(stats.idle <= KEPT + 100 * CHUNK as u64, "at store {k}");
        heap.collect().unwrap();
        assert_eq!((heap.used(), heap.stats().idle), (0, 0), "at store {k}");
        if freed.is_ok() {
            break;
        }
        k += 1 + k / 16;
    }
    assert!(k > 300, "it gave something back: {k} stores");
}

/// What grows a container takes memory from the system while nobody waits for its lock.
#[test]
#[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
fn a_container_grows_without_asking_the_system_under_its_lock() {
    let heap = heap();
    let list = RawList::create(&heap).unwrap();
    let dict = RawDict::create(&heap).unwrap();
    let sums = RawDict::create(&heap).unwrap();
    let set = RawSet::create(&heap).unwrap();
    let used = heap.used();
    for i in 0..400 {
        list.push(&mut heap.prepare_int(i).unwrap()).unwrap();
        assert_eq!(heap.host().committed_in(), None, "at item {i}");
        for key in [Plain::Int(i), Plain::Text(format!("a key in a block {i}"))] {
            let mut value = heap.prepare_int(i).unwrap();
            with_key(&heap, &key, |key| dict.insert(key, None, &mut value)).unwrap();
            assert_eq!(heap.host().committed_in(), None, "at {key:?}");
            for n in [Number::Float(0.5), Number::Int(i64::MAX / 1000)] {
                with_key(&heap, &key, |key| sums.add(key, None, n)).unwrap();
                assert_eq!(heap.host().committed_in(), None, "the sum of {key:?}");
            }
        }
        let mut members = Vec::new();
        let texts: Vec<String> = (0..i % 7).map(|n| format!("an element {i} {n}")).collect();
        members.extend(texts.iter().map(|text| Member {
            key: Key::str(&heap, text),
            original: None,
        }));
        set.combine(Algebra::Union, &mut members).unwrap();
        assert_eq!(heap.host().committed_in(), None, "a union");
        if i % 50 == 49 {
            set.combine(Algebra::Difference, &mut members).unwrap();
            set.combine(Algebra::Intersection, &mut members).unwrap();
            assert_eq!(heap.host().committed_in(), None, "an intersection");
        }
    }
    assert!(heap.used() > used + 8 * heap.chunk_size(), "it was asked");
    sound(&heap);
}

/// To a listener an operation that gave its lock up in between is one.
#[test]
#[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
fn an_operation_that_asks_the_system_is_counted_once() {
    let heap = heap();
    heap.count_operations(true);
    let list = RawList::create(&heap).unwrap();
    let dict = RawDict::create(&heap).unwrap();
    let used = heap.used();
    for i in 0..400 {
        list.push(&mut heap.prepare_int(i).unwrap()).unwrap();
        let key = Plain::Text(format!("a key in a block {i}"));
        with_key(&heap, &key, |key| {
            dict.insert(key, None, &mut heap.prepare_int(i).unwrap())
        })
        .unwrap();
        with_key(&heap, &key, |key| dict.add(key, None, Number::Float(0.5))).unwrap();
    }
    assert!(heap.used() > used + 8 * heap.chunk_size(), "it was asked");
    let count = |op| {
        let all = heap.operations();
        let of = |o: &(Op, u64)| if o.0 == op { o.1 } else { 0 };
        all.iter().flat_map(|o| &o.operations).map(of).sum::<u64>()
    };
    assert_eq!(
        (count(Op::Append), count(Op::Set), count(Op::Add)),
        (400, 400, 400)
    );
}

/// Memory that one process is just giving back does not lack another who needs it at the limit.
#[test]
#[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
fn what_is_being_given_back_can_be_had() {
    let mut n = 0;
    loop {
        let heap = large_heap();
        drop(run(&heap, 100));
        heap.set_limit(100 * CHUNK as u64);
        let other = sibling(&heap, 2);
        let needs = move || drop(run(&other, 90));
        heap.host().interrupt_at(n, needs);
        heap.collect().unwrap();
        if heap.host().was_not_interrupted() {
            break;
        }
        sound(&heap);
        n += 1 + n / 32;
    }
    assert!(n > 100, "{n} accesses");
}
