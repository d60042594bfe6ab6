//! Set beside a plain ordered list of elements, and DefaultDict beside a Dict.

use proptest::prelude::*;
use pumasi::containers::{Algebra, Part, RawDict, RawSet};
use pumasi::heap::object::Kind;
use pumasi::heap::value::Fetch;

use crate::support::{Plain, combine, elements, heap, plain, sound, with_key};
use crate::{Model, apply_dict, dict_op, key};

#[derive(Clone, Debug)]
enum SetOp {
    Add(Plain),
    Remove(Plain),
    Pop,
    Clear,
    Combine(Algebra, Vec<Plain>),
}

fn set_op() -> impl Strategy<Value = SetOp> {
    let how = prop_oneof![
        4 => Just(Algebra::Union),
        2 => Just(Algebra::Difference),
        1 => Just(Algebra::Intersection),
        2 => Just(Algebra::SymmetricDifference),
    ];
    prop_oneof![
        6 => key().prop_map(SetOp::Add),
        4 => key().prop_map(SetOp::Remove),
        2 => Just(SetOp::Pop),
        1 => Just(SetOp::Clear),
        5 => (how, proptest::collection::vec(key(), 0..30)).prop_map(|(how, k)| SetOp::Combine(how, k)),
    ]
}

fn apply(set: &RawSet<pumasi::sys::sim::Sim>, model: &mut Vec<Plain>, op: SetOp) {
    let heap = set.object().heap();
    match op {
        SetOp::Add(k) => {
            let new = with_key(heap, &k, |key| set.add(key, None)).unwrap();
            assert_eq!(new, !model.contains(&k));
            if new {
                model.push(k);
            }
        }
        SetOp::Remove(k) => {
            let there = with_key(heap, &k, |key| set.remove(key)).unwrap();
            assert_eq!(there, model.contains(&k));
            model.retain(|x| *x != k);
        }
        SetOp::Pop => {
            let mut out = Fetch::new();
            let got = set.pop(&mut out).unwrap();
            assert_eq!(got.map(|cell| plain(cell, &mut out)), model.pop());
        }
        SetOp::Clear => {
            set.clear().unwrap();
            model.clear();
        }
        SetOp::Combine(how, keys) => {
            let before = model.clone();
            match how {
                Algebra::Intersection => model.retain(|x| keys.contains(x)),
                Algebra::Difference => model.retain(|x| !keys.contains(x)),
                Algebra::Union | Algebra::SymmetricDifference => {
                    if how == Algebra::SymmetricDifference {
                        model.retain(|x| !keys.contains(x));
                    }
                    for k in &keys {
                        if !before.contains(k) && !model.contains(k) {
                            model.push(k.clone());
                        }
                    }
                }
            }
            assert_eq!(combine(set, how, &keys).unwrap(), *model != before);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_set_does_what_a_list_without_doubles_does(ops in proptest::collection::vec(set_op(), 1..60)) {
        let heap = heap();
        let set = RawSet::create(&heap).unwrap();
        let mut model = Vec::new();
        for op in ops {
            apply(&set, &mut model, op);
            prop_assert_eq!(set.len().unwrap(), model.len());
        }
        prop_assert_eq!(&elements(&set), &model);
        prop_assert_eq!(set.snapshot().unwrap().len(), model.len());
        for k in &model {
            prop_assert!(with_key(&heap, k, |key| set.contains(key)).unwrap());
        }
        sound(&heap);
        drop(set);
        prop_assert_eq!(heap.check().live, 0);
    }

    #[test]
    fn a_default_dict_does_what_a_dict_does_and_keeps_its_factory(
        ops in proptest::collection::vec(dict_op(), 1..80),
    ) {
        let heap = heap();
        let dict = RawDict::create_of(&heap, Kind::DefaultDict).unwrap();
        let mut factory = heap.prepare_bytes(pumasi::heap::cell::Tag::Str, b"what makes values").unwrap();
        dict.set_factory(&mut factory).unwrap();
        let mut model = Model::new();
        for op in ops {
            apply_dict(&dict, &mut model, op);
            prop_assert_eq!(dict.len().unwrap(), model.len());
        }
        prop_assert_eq!(&crate::support::pairs(&dict), &model);
        prop_assert_eq!(dict.snapshot(Part::Items).unwrap().len(), 2 * model.len());
        let mut out = Fetch::new();
        let factory = dict.factory(&mut out).unwrap();
        prop_assert_eq!(plain(factory, &mut out), Plain::Text("what makes values".into()));
        sound(&heap);
        drop(dict);
        prop_assert_eq!(heap.check().live, 0);
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
fn a_set_of_many_changes_in_one_step() {
    // Large tables and large leaves of removals are allocated outside the lock.
    let heap =
        pumasi::Heap::format(pumasi::sys::sim::Sim::new(8 << 20), 4096, u64::MAX, 1, 0).unwrap();
    let set = RawSet::create(&heap).unwrap();
    let ints = |from: i64, to: i64| (from..to).map(Plain::Int).collect::<Vec<_>>();
    assert!(combine(&set, Algebra::Union, &ints(0, 5000)).unwrap());
    assert!(!combine(&set, Algebra::Union, &ints(0, 5000)).unwrap());
    assert!(combine(&set, Algebra::SymmetricDifference, &ints(2000, 8000)).unwrap());
    assert_eq!(elements(&set), [ints(0, 2000), ints(5000, 8000)].concat());
    assert!(combine(&set, Algebra::Difference, &ints(10, 6000)).unwrap());
    assert!(combine(&set, Algebra::Intersection, &ints(5, 7000)).unwrap());
    assert_eq!(elements(&set), [ints(5, 10), ints(6000, 7000)].concat());
    sound(&heap);
}

#[test]
fn a_bucket_gives_all_its_keys_and_no_others() {
    use pumasi::containers::Key;
    let heap = heap();
    let dict = RawDict::create(&heap).unwrap();
    let name = |bucket: u8, n: u8| [b"bucket ".as_slice(), &[bucket], b" number ", &[n]].concat();
    for (bucket, n) in (0..5).flat_map(|b| (0..4).map(move |n| (b, n))) {
        let bytes = name(bucket, n);
        let key = Key::in_bucket(&heap, &bytes, 8);
        let mut original = heap
            .prepare_bytes(
                pumasi::heap::cell::Tag::Str,
                format!("given as {bucket} {n}").as_bytes(),
            )
            .unwrap();
        let mut value = crate::support::prepare(&heap, &Plain::Int(1)).unwrap();
        dict.insert(&key, Some(&mut original), &mut value).unwrap();
    }
    let gone = name(3, 1);
    dict.remove(&Key::in_bucket(&heap, &gone, 8), &mut Fetch::new())
        .unwrap();
    let given = |found: Vec<pumasi::containers::Found<_>>| -> Vec<Plain> {
        found
            .into_iter()
            .map(|mut key| plain(key.cell, &mut key.original))
            .collect()
    };
    let text = |b, n| Plain::Text(format!("given as {b} {n}"));
    let mut found = given(dict.bucket(&gone[..8]).unwrap());
    found.sort();
    assert_eq!(found, [text(3, 0), text(3, 2), text(3, 3)]);
    assert_eq!(given(dict.bucket(b"bucket x").unwrap()), []);
    assert_eq!(dict.keys_beginning(b"bucket ").unwrap().len(), 19);
    sound(&heap);
}

#[test]
fn processes_with_different_seeds_are_noticed() {
    let heap = heap();
    assert!(!heap.note_hash_seed(5));
    assert!(!heap.note_hash_seed(5));
    assert!(heap.note_hash_seed(7));
    assert!(heap.note_hash_seed(5));
}
