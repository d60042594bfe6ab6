//! List, Dict and Set against plain models: random sequences of operations, every result compared,
//! and the heap's own check after each sequence.

mod deques;
mod graphs;
mod observed;
mod queues;
mod sets;
#[path = "../support/mod.rs"]
mod support;
mod system;
mod vectors;
mod waiting;

use proptest::prelude::*;
use pumasi::containers::{Number, Part, RawDict, RawList, Slice};
use pumasi::heap::value::Fetch;
use support::{Plain, copy, heap, items, pairs, plain, prepare, prepare_all, sound, with_key};

/// How many random sequences a model runs: a few under Miri, which takes a thousand times as long.
const fn cases(n: u32) -> u32 {
    if cfg!(miri) { 2 } else { n }
}

fn value() -> impl Strategy<Value = Plain> {
    prop_oneof![
        any::<i64>().prop_map(Plain::Int),
        (0i64..10).prop_map(Plain::Int),
        "[a-c]{0,12}".prop_map(Plain::Text),
        // Longer than what is copied under the lock.
        (0usize..3).prop_map(|n| Plain::Text("x".repeat(1000 + n * 700))),
    ]
}

#[derive(Clone, Debug)]
enum ListOp {
    Push(Plain),
    Pop(isize),
    Set(isize, Plain),
    Insert(isize, Plain),
    Extend(Vec<Plain>),
    SetSlice(Option<isize>, Option<isize>, isize, Vec<Plain>),
    DelSlice(Option<isize>, Option<isize>, isize),
    Reverse,
    Sort,
    Clear,
}

fn list_op() -> impl Strategy<Value = ListOp> {
    let i = -60isize..60;
    let bound = || proptest::option::of(-60isize..60);
    prop_oneof![
        6 => value().prop_map(ListOp::Push),
        4 => prop_oneof![Just(-1isize), i.clone()].prop_map(ListOp::Pop),
        3 => (i.clone(), value()).prop_map(|(i, v)| ListOp::Set(i, v)),
        3 => (i, value()).prop_map(|(i, v)| ListOp::Insert(i, v)),
        3 => proptest::collection::vec(value(), 0..40).prop_map(ListOp::Extend),
        2 => (bound(), bound(), -3isize..4, proptest::collection::vec(value(), 0..6))
            .prop_map(|(a, b, s, v)| ListOp::SetSlice(a, b, s, v)),
        2 => (bound(), bound(), -3isize..4).prop_map(|(a, b, s)| ListOp::DelSlice(a, b, s)),
        1 => Just(ListOp::Reverse),
        1 => Just(ListOp::Sort),
        1 => Just(ListOp::Clear),
    ]
}

fn at(i: isize, len: usize) -> Option<usize> {
    let i = if i < 0 { i + len as isize } else { i };
    usize::try_from(i).ok().filter(|&i| i < len)
}

fn apply_list(list: &RawList<pumasi::sys::sim::Sim>, model: &mut Vec<Plain>, op: ListOp) {
    let heap = list.object().heap();
    let mut out = Fetch::new();
    match op {
        ListOp::Push(v) => {
            list.push(&mut prepare(heap, &v).unwrap()).unwrap();
            model.push(v);
        }
        ListOp::Pop(i) => match (list.pop(i, &mut out), at(i, model.len())) {
            (Ok(cell), Some(i)) => assert_eq!(plain(cell, &mut out), model.remove(i)),
            (got, want) => assert_eq!(got.is_ok(), want.is_some()),
        },
        ListOp::Set(i, v) => {
            let got = list.set(i, &mut prepare(heap, &v).unwrap());
            match at(i, model.len()) {
                Some(i) => {
                    got.unwrap();
                    model[i] = v;
                }
                None => assert!(got.is_err()),
            }
        }
        ListOp::Insert(i, v) => {
            list.insert(i, &mut prepare(heap, &v).unwrap()).unwrap();
            let len = model.len() as isize;
            let i = if i < 0 { (i + len).max(0) } else { i.min(len) };
            model.insert(i as usize, v);
        }
        ListOp::Extend(v) => {
            list.extend(&mut prepare_all(heap, &v)).unwrap();
            model.extend(v);
        }
        ListOp::SetSlice(start, stop, step, v) => {
            let slice = Slice { start, stop, step };
            let got = list.set_slice(slice, &mut prepare_all(heap, &v));
            let Ok(span) = slice.resolve(model.len()) else {
                return assert!(got.is_err());
            };
            if step == 1 {
                got.unwrap();
                model.splice(span.first..span.first + span.count, v);
            } else if span.count == v.len() {
                got.unwrap();
                for (i, v) in v.into_iter().enumerate() {
                    model[span.at(i)] = v;
                }
            } else {
                assert!(got.is_err());
            }
        }
        ListOp::DelSlice(start, stop, step) => {
            let slice = Slice { start, stop, step };
            let got = list.del_slice(slice);
            let Ok(span) = slice.resolve(model.len()) else {
                return assert!(got.is_err());
            };
            got.unwrap();
            let rising = span.rising();
            for i in (0..rising.count).rev() {
                model.remove(rising.at(i));
            }
        }
        ListOp::Reverse => {
            list.reverse().unwrap();
            model.reverse();
        }
        ListOp::Sort => {
            let version = list.version();
            let mut order: Vec<usize> = (0..model.len()).collect();
            order.sort_by(|&a, &b| model[a].cmp(&model[b]));
            list.reorder_if(version, &order).unwrap();
            model.sort();
        }
        ListOp::Clear => {
            list.clear().unwrap();
            model.clear();
        }
    }
}

#[derive(Clone, Debug)]
enum DictOp {
    Insert(Plain, Plain),
    Remove(Plain),
    SetDefault(Plain, Plain),
    Add(Plain, i64),
    PopItem,
    Clear,
}

fn key() -> impl Strategy<Value = Plain> {
    prop_oneof![
        4 => (0i64..30).prop_map(Plain::Int),
        4 => "[a-d]{0,3}".prop_map(Plain::Text),
        2 => "[a-c]{8,10}".prop_map(Plain::Text),
        1 => any::<i64>().prop_map(Plain::Int),
        1 => (0usize..3).prop_map(|n| Plain::Text("k".repeat(1020 + n * 4))),
    ]
}

fn dict_op() -> impl Strategy<Value = DictOp> {
    prop_oneof![
        8 => (key(), value()).prop_map(|(k, v)| DictOp::Insert(k, v)),
        5 => key().prop_map(DictOp::Remove),
        3 => (key(), value()).prop_map(|(k, v)| DictOp::SetDefault(k, v)),
        3 => (key(), -5i64..6).prop_map(|(k, n)| DictOp::Add(k, n)),
        2 => Just(DictOp::PopItem),
        1 => Just(DictOp::Clear),
    ]
}

type Model = Vec<(Plain, Plain)>;

fn apply_dict(dict: &RawDict<pumasi::sys::sim::Sim>, model: &mut Model, op: DictOp) {
    let heap = dict.object().heap();
    let mut out = Fetch::new();
    let find = |model: &Model, key: &Plain| model.iter().position(|(k, _)| k == key);
    match op {
        DictOp::Insert(k, v) => {
            let mut p = prepare(heap, &v).unwrap();
            with_key(heap, &k, |key| dict.insert(key, None, &mut p)).unwrap();
            match find(model, &k) {
                Some(i) => model[i].1 = v,
                None => model.push((k, v)),
            }
        }
        DictOp::Remove(k) => {
            let got = with_key(heap, &k, |key| dict.remove(key, &mut out)).unwrap();
            let want = find(model, &k).map(|i| model.remove(i).1);
            assert_eq!(got.map(|cell| plain(cell, &mut out)), want);
        }
        DictOp::SetDefault(k, v) => {
            let mut p = prepare(heap, &v).unwrap();
            let got = with_key(heap, &k, |key| dict.setdefault(key, None, &mut p, &mut out));
            let want = find(model, &k).map(|i| model[i].1.clone());
            assert_eq!(got.unwrap().map(|cell| plain(cell, &mut out)), want);
            if want.is_none() {
                model.push((k, v));
            }
        }
        DictOp::Add(k, n) => {
            let got = with_key(heap, &k, |key| dict.add(key, None, Number::Int(n)));
            match find(model, &k) {
                None => {
                    assert_eq!(got.unwrap(), Number::Int(n));
                    model.push((k, Plain::Int(n)));
                }
                Some(i) => match &mut model[i].1 {
                    Plain::Int(old) if old.checked_add(n).is_some() => {
                        *old += n;
                        assert_eq!(got.unwrap(), Number::Int(*old));
                    }
                    _ => assert!(got.is_err()),
                },
            }
        }
        DictOp::PopItem => {
            let mut second = Fetch::new();
            let got = dict.popitem(&mut out, &mut second).unwrap();
            let got = got.map(|(k, v)| (plain(k, &mut out), plain(v, &mut second)));
            assert_eq!(got, model.pop());
        }
        DictOp::Clear => {
            dict.clear().unwrap();
            model.clear();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_does_what_a_vec_does(ops in proptest::collection::vec(list_op(), 1..60)) {
        let heap = heap();
        let list = RawList::create(&heap).unwrap();
        let mut model = Vec::new();
        for op in ops {
            apply_list(&list, &mut model, op);
            prop_assert_eq!(list.len().unwrap(), model.len());
        }
        prop_assert_eq!(&items(&list), &model);
        let snapshot = list.snapshot().unwrap();
        prop_assert_eq!(snapshot.len(), model.len());
        sound(&heap);
        // Another process, on the memory alone, sees the same.
        let other = copy(&heap, 9);
        let object = pumasi::heap::object::ObjectRef::from_token(&other, list.object().token());
        prop_assert_eq!(items(&RawList::from_object(object.unwrap()).unwrap()), model);
        drop(list);
        sound(&heap);
        prop_assert_eq!(heap.check().live, 0);
    }

    #[test]
    fn a_dict_does_what_an_ordered_map_does(ops in proptest::collection::vec(dict_op(), 1..120)) {
        let heap = heap();
        let dict = RawDict::create(&heap).unwrap();
        let mut model = Vec::new();
        for op in ops {
            apply_dict(&dict, &mut model, op);
            prop_assert_eq!(dict.len().unwrap(), model.len());
        }
        prop_assert_eq!(&pairs(&dict), &model);
        prop_assert_eq!(dict.snapshot(Part::Items).unwrap().len(), 2 * model.len());
        for (k, v) in &model {
            let mut out = Fetch::new();
            let got = with_key(&heap, k, |key| dict.get(key, &mut out)).unwrap();
            prop_assert_eq!(&plain(got.unwrap(), &mut out), v);
        }
        sound(&heap);
        drop(dict);
        prop_assert_eq!(heap.check().live, 0);
    }
}

#[test]
fn a_long_list_has_many_leaves_and_gives_all_memory_back() {
    let heap = heap();
    let list = RawList::create(&heap).unwrap();
    let mut model = Vec::new();
    for i in 0..2000 {
        let v = Plain::Int(i);
        list.push(&mut prepare(&heap, &v).unwrap()).unwrap();
        model.push(v);
    }
    for i in [0, 999, 1998, 500, 1] {
        list.insert(i, &mut prepare(&heap, &Plain::Int(-1)).unwrap())
            .unwrap();
        model.insert(i as usize, Plain::Int(-1));
    }
    assert_eq!(items(&list), model);
    let mut out = Fetch::new();
    while let Some(want) = model.pop() {
        let cell = list.pop(-1, &mut out).unwrap();
        assert_eq!(plain(cell, &mut out), want);
    }
    assert!(list.pop(-1, &mut out).is_err());
    list.push(&mut prepare(&heap, &Plain::Int(7)).unwrap())
        .unwrap();
    assert_eq!(items(&list), [Plain::Int(7)]);
    sound(&heap);
}

/// However the leaves were filled, each position is found: guessed, near the guess or far from it.
#[test]
fn every_position_is_found_in_leaves_of_any_size() {
    let heap = heap();
    let list = RawList::create(&heap).unwrap();
    let mut model: Vec<i64> = Vec::new();
    for round in 0..60_i64 {
        // Evenly filled leaves, leaves that were split, and leaves that a slice has shortened.
        let mut items: Vec<_> = (0..20 + round)
            .map(|i| heap.prepare_int(round * 100 + i).unwrap())
            .collect();
        list.extend(&mut items).unwrap();
        model.extend((0..20 + round).map(|i| round * 100 + i));
        for k in 0..4 {
            let i = (round * 37 + k * 11) % model.len() as i64;
            list.insert(i as isize, &mut heap.prepare_int(-i).unwrap())
                .unwrap();
            model.insert(i as usize, -i);
        }
        let from = (round * 13) as usize % (model.len() - 9);
        let slice = Slice {
            start: Some(from as isize),
            stop: Some(from as isize + 9),
            step: 1,
        };
        list.del_slice(slice).unwrap();
        model.drain(from..from + 9);
    }
    let mut out = Fetch::new();
    for (i, want) in model.iter().enumerate() {
        let found = list.get(i as isize, &mut out).unwrap();
        assert_eq!(found.as_int(), *want, "at {i} of {}", model.len());
    }
    sound(&heap);
}

#[test]
fn nested_containers_live_as_long_as_something_leads_to_them() {
    let heap = heap();
    let outer = RawList::create(&heap).unwrap();
    let inner = RawList::create(&heap).unwrap();
    outer
        .push(&mut heap.prepare_object(inner.object()).unwrap())
        .unwrap();
    outer
        .push(&mut heap.prepare_object(inner.object()).unwrap())
        .unwrap();
    let off = inner.object().offset();
    drop(inner);
    assert!(heap.is_live(off));
    let mut out = Fetch::new();
    outer.pop(0, &mut out).unwrap();
    let again = RawList::from_object(out.take_object().unwrap()).unwrap();
    outer.clear().unwrap();
    assert!(heap.is_live(off), "a handle holds it");
    again
        .push(&mut prepare(&heap, &Plain::Int(1)).unwrap())
        .unwrap();
    drop(again);
    assert!(!heap.is_live(off));
    sound(&heap);
}

#[test]
fn at_the_limit_an_operation_fails_and_changes_nothing() {
    let heap = pumasi::Heap::format(
        pumasi::sys::sim::Sim::new(support::SIZE),
        4096,
        64 << 10,
        1,
        0,
    )
    .unwrap();
    let list = RawList::create(&heap).unwrap();
    let mut n = 0;
    let error = loop {
        let v = Plain::Text("x".repeat(600));
        match prepare(&heap, &v).and_then(|mut v| list.push(&mut v)) {
            Ok(()) => n += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_out_of_memory(), "{error}");
    assert!(n > 20);
    assert_eq!(list.len().unwrap(), n);
    sound(&heap);
    // And the program goes on.
    let mut out = Fetch::new();
    for _ in 0..n {
        list.pop(-1, &mut out).unwrap();
    }
    for _ in 0..n {
        list.push(&mut prepare(&heap, &Plain::Text("y".repeat(600))).unwrap())
            .unwrap();
    }
    sound(&heap);
}

#[test]
fn a_float_key_is_found_and_read_back() {
    use pumasi::containers::Key;
    use pumasi::heap::cell::Tag;
    let heap = heap();
    let dict = RawDict::create(&heap).unwrap();
    let bytes = 1.5f64.to_le_bytes();
    let key = Key::long(&heap, Tag::Float, &bytes);
    for n in [1, 2] {
        dict.insert(&key, None, &mut prepare(&heap, &Plain::Int(n)).unwrap())
            .unwrap();
    }
    assert_eq!(dict.len().unwrap(), 1);
    let mut out = Fetch::new();
    let mut position = 0;
    let version = dict.keys_version();
    let found = dict
        .next_entry(&mut position, version, false, Some(&mut out), None)
        .unwrap();
    assert_eq!(found.unwrap().0.tag(), Tag::Float);
    assert_eq!(out.float(), 1.5);
    sound(&heap);
}

#[test]
fn at_the_limit_a_container_can_still_be_emptied() {
    for how in 0..3 {
        let heap = pumasi::Heap::format(
            pumasi::sys::sim::Sim::new(support::SIZE),
            4096,
            64 << 10,
            1,
            0,
        )
        .unwrap();
        let list = RawList::create(&heap).unwrap();
        let dict = RawDict::create(&heap).unwrap();
        let mut n = 0;
        let fill = |i: i64| {
            let v = Plain::Text("x".repeat(200));
            prepare(&heap, &v).and_then(|mut v| list.push(&mut v))?;
            let mut v = prepare(&heap, &v)?;
            with_key(&heap, &Plain::Int(i), |k| dict.insert(k, None, &mut v))
        };
        while fill(n).is_ok() {
            n += 1;
        }
        // Whatever was left in the free lists goes as well.
        let mut hoard = Vec::new();
        while let Ok(list) = RawList::create(&heap) {
            hoard.push(list);
        }
        match how {
            0 => list.clear().unwrap(),
            1 => list.del_slice(Slice::ALL).unwrap(),
            _ => dict.clear().unwrap(),
        }
        sound(&heap);
    }
}
