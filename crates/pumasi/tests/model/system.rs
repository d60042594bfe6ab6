//! Memory is taken from the system where nobody waits for it.

use pumasi::containers::{Algebra, Key, Member, Number, RawDict, RawList, RawSet};
use pumasi::observer::Op;

use crate::support::{Plain, heap, sound, with_key};

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
