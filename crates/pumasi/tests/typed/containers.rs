//! List and Dict in one process: what every method does, and what every type comes back as.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use pumasi::containers::{Element, StoredAs};
use pumasi::{Dict, Dynamic, Error, Heap, List, Lock, Shareable, Value, Vector};

use crate::common::tidy;

#[derive(Clone, Copy, Debug, PartialEq, Shareable)]
#[repr(C)]
struct Point {
    x: f64,
    y: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Shareable)]
#[repr(C)]
struct Place {
    x: f64,
    y: f64,
}

/// Every value comes back from a list as it went in.
#[track_caller]
fn round_trip<T: Element + PartialEq + std::fmt::Debug>(values: Vec<T>) {
    let list = List::new().unwrap();
    for value in &values {
        list.push(value).unwrap();
    }
    assert_eq!(list.to_vec().unwrap(), values);
    for (i, value) in values.iter().enumerate() {
        assert_eq!(list.get(i).unwrap().as_ref(), Some(value));
    }
}

#[test]
fn values_come_back_as_they_went_in() {
    let _tidy = tidy();
    round_trip(vec![i8::MIN, -1, 0, i8::MAX]);
    round_trip(vec![0, u8::MAX]);
    round_trip(vec![u16::MAX]);
    round_trip(vec![i16::MIN]);
    round_trip(vec![i32::MIN, i32::MAX]);
    round_trip(vec![u32::MAX]);
    round_trip(vec![i64::MIN, -1, 0, 1 << 59, i64::MAX]);
    round_trip(vec![0, 1 << 59, 1 << 63, u64::MAX]);
    round_trip(vec![usize::MAX, 0]);
    round_trip(vec![isize::MIN]);
    round_trip(vec![0, 1 << 100, u128::MAX]);
    round_trip(vec![i128::MIN, -(1 << 64), -1, i128::MAX]);
    round_trip(vec![0.0, -0.0, 1.5, f64::MAX, f64::INFINITY]);
    round_trip(vec![0.25f32, f32::MIN_POSITIVE]);
    round_trip(vec![true, false]);
    round_trip(vec!['a', '품', '\u{10ffff}', '\0']);
    let texts = [
        "",
        "short",
        "eight888",
        "품앗이 품앗이",
        &"long ".repeat(1000),
    ];
    round_trip(texts.map(String::from).to_vec());
    round_trip(vec![vec![], vec![0u8; 7], vec![1; 8], vec![2; 5000]]);
    round_trip(vec![None, Some(1), Some(-1)]);
    round_trip(vec![
        ("a".to_owned(), 1, 2.5, None),
        ("b".to_owned(), -1, 0.5, Some(true)),
    ]);
    round_trip(vec![((1u8,), (2u8, (3u8, "x".to_owned())))]);
    round_trip(vec![Point { x: 1.0, y: 2.0 }]);
    round_trip(vec![(Point { x: 1.0, y: 2.0 }, 7)]);
    round_trip(vec![[1u8, 2, 3], [4, 5, 6]]);
}

#[test]
fn a_value_of_another_type_is_told() {
    let _tidy = tidy();
    #[track_caller]
    fn refused<S: StoredAs<Dynamic>, T: Element + std::fmt::Debug>(stored: S, words: &str) {
        let list: List = List::new().unwrap();
        list.push(stored).unwrap();
        let error = list.cast::<T>().get(0).unwrap_err();
        assert!(matches!(error, Error::TypeMismatch { .. }), "{error}");
        assert_eq!(error.to_string(), words);
    }
    refused::<_, i64>("rice", "expected i64, found a string");
    refused::<_, u8>(256, "expected u8, found the integer 256");
    refused::<_, u8>(-1, "expected u8, found the integer -1");
    refused::<_, i8>(128, "expected i8, found the integer 128");
    refused::<_, u64>(-1, "expected u64, found the integer -1");
    refused::<_, u64>(1u128 << 64, "expected u64, found an integer of 9 bytes");
    refused::<_, i64>(u64::MAX, "expected i64, found an integer of 9 bytes");
    refused::<_, i64>(true, "expected i64, found the bool true");
    refused::<_, i64>(1.0, "expected i64, found the float 1.0");
    refused::<_, bool>(1, "expected bool, found the integer 1");
    refused::<_, char>("ab", "expected char, found a string");
    refused::<_, String>(Dynamic::None, "expected alloc::string::String, found None");
    refused::<_, List<i64>>(
        1,
        "expected pumasi::containers::typed::list::List<i64>, found the integer 1",
    );
    refused::<_, (u8, u8)>((1, 2, 3), "expected (u8, u8), found a tuple");
    let typed = List::of([Point { x: 1.0, y: 2.0 }])
        .unwrap()
        .cast::<Place>();
    let error = typed.get(0).unwrap_err().to_string();
    assert!(
        error.contains("Place, found a value of another type"),
        "{error}"
    );
    // An integer where a float belongs is fine, as in Python.
    assert_eq!(
        List::of([3]).unwrap().cast::<f64>().get(0).unwrap(),
        Some(3.0)
    );
    let dict: Dict = Dict::new().unwrap();
    let list: List = List::new().unwrap();
    list.push(&dict).unwrap();
    assert_eq!(
        list.cast::<List<i64>>().get(0).unwrap_err().to_string(),
        "expected List, found Dict"
    );
}

#[test]
fn lists_do_what_vec_does() {
    let _tidy = tidy();
    let list = List::of([1, 2, 3]).unwrap();
    assert_eq!((list.len().unwrap(), list.is_empty().unwrap()), (3, false));
    assert_eq!(
        (list.first().unwrap(), list.last().unwrap()),
        (Some(1), Some(3))
    );
    assert_eq!(list.get(3).unwrap(), None);
    list.set(0, 10).unwrap();
    list.insert(1, 15).unwrap();
    list.insert(100, 40).unwrap();
    assert_eq!(list.to_vec().unwrap(), [10, 15, 2, 3, 40]);
    assert_eq!(list.remove(2).unwrap(), 2);
    assert_eq!(list.pop().unwrap(), Some(40));
    assert!(matches!(list.remove(3), Err(Error::IndexOutOfRange { .. })));
    assert!(matches!(list.set(3, 1), Err(Error::IndexOutOfRange { .. })));
    list.extend([9, 8, 7]).unwrap();
    list.extend([6, 5]).unwrap();
    assert_eq!(list.range(1..=2).unwrap(), [15, 3]);
    assert_eq!(list.range(6..100).unwrap(), [6, 5]);
    assert_eq!(list.range(100..).unwrap(), [0; 0]);
    list.sort().unwrap();
    assert_eq!(list.to_vec().unwrap(), [3, 5, 6, 7, 8, 9, 10, 15]);
    list.sort_by(|a, b| b.cmp(a)).unwrap();
    list.reverse().unwrap();
    assert_eq!(list.position(&7).unwrap(), Some(3));
    assert!(list.contains(&15).unwrap() && !list.contains(&1).unwrap());
    list.remove_range(1..7).unwrap();
    list.splice(1..1, [4, 4]).unwrap();
    assert_eq!(list.to_vec().unwrap(), [3, 4, 4, 15]);
    assert_eq!(list.update(3, |n| std::mem::replace(n, 16)).unwrap(), 15);
    assert_eq!(
        list.iter()
            .unwrap()
            .rev()
            .map(Result::unwrap)
            .collect::<Vec<_>>(),
        [16, 4, 4, 3]
    );
    list.clear().unwrap();
    assert_eq!((list.pop().unwrap(), list.last().unwrap()), (None, None));
    assert!(matches!(list.remove(0), Err(Error::IndexOutOfRange { .. })));
    assert_eq!(list.iter().unwrap().len(), 0);
}

#[test]
fn sorting_keeps_the_order_of_equals() {
    let _tidy = tidy();
    let list = List::of([(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd')]).unwrap();
    list.sort_by(|a, b| a.0.cmp(&b.0)).unwrap();
    assert_eq!(
        list.to_vec().unwrap(),
        [(1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]
    );
}

#[test]
fn dictionaries_do_what_hash_map_does() {
    let _tidy = tidy();
    let dict = Dict::<String, u32>::new().unwrap();
    dict.insert("rice", 1).unwrap();
    dict.insert(String::from("salt"), 2).unwrap();
    dict.insert("a long key, longer than a cell".to_owned(), 3)
        .unwrap();
    dict.insert("rice", 4).unwrap();
    assert_eq!(dict.len().unwrap(), 3);
    assert_eq!(dict.get("rice").unwrap(), Some(4));
    assert_eq!(dict.get("pepper").unwrap(), None);
    assert!(dict.contains_key("salt").unwrap());
    assert_eq!(dict.get_or_insert("salt", 9).unwrap(), 2);
    assert_eq!(dict.get_or_insert("pepper", 9).unwrap(), 9);
    assert_eq!(dict.remove("salt").unwrap(), Some(2));
    assert_eq!(dict.remove("salt").unwrap(), None);
    assert_eq!(
        dict.keys().unwrap(),
        ["rice", "a long key, longer than a cell", "pepper"]
    );
    assert_eq!(dict.values().unwrap(), [4, 3, 9]);
    assert_eq!(dict.pop_last().unwrap(), Some(("pepper".to_owned(), 9)));
    let map = HashMap::from([
        ("rice".to_owned(), 4),
        ("a long key, longer than a cell".to_owned(), 3),
    ]);
    assert_eq!(dict.to_map().unwrap(), map);
    let pairs: Vec<_> = dict.iter().unwrap().map(Result::unwrap).collect();
    assert_eq!((pairs.len(), &pairs[0]), (2, &("rice".to_owned(), 4)));
    assert_eq!(dict.update("rice", |old| old.unwrap() * 2).unwrap(), 8);
    assert_eq!(dict.update("new", |old| old.map_or(5, |_| 0)).unwrap(), 5);
    dict.clear().unwrap();
    assert!(dict.is_empty().unwrap());
    assert_eq!(dict.pop_last().unwrap(), None);
}

#[test]
fn keys_are_equal_as_in_python() {
    let _tidy = tidy();
    let dict: Dict = Dict::new().unwrap();
    dict.insert(1, "one").unwrap();
    dict.insert(true, "true").unwrap();
    dict.insert(1.0, "float").unwrap();
    assert_eq!(dict.to_vec().unwrap(), [(1.into(), "float".into())]);
    dict.insert(Dynamic::Float(-0.0), "zero").unwrap();
    assert_eq!(dict.get(0).unwrap(), Some("zero".into()));
    dict.insert((1, "a".to_owned()), "tuple").unwrap();
    assert_eq!(
        dict.get(Dynamic::Tuple(vec![true.into(), "a".into()]))
            .unwrap(),
        Some("tuple".into())
    );
    dict.insert(0.5, "half").unwrap();
    dict.insert(u64::MAX, "large").unwrap();
    dict.insert(Dynamic::None, "none").unwrap();
    dict.insert(Dynamic::Complex(1.0, 2.0), "complex").unwrap();
    dict.insert(vec![1u8, 2], "bytes").unwrap();
    // The key as it was first given, in its own type.
    let keys: Vec<Dynamic> = dict.keys().unwrap();
    assert_eq!(
        keys,
        [
            Dynamic::Int(1),
            Dynamic::Float(0.0),
            Dynamic::Tuple(vec![1.into(), "a".into()]),
            Dynamic::Float(0.5),
            u64::MAX.into(),
            Dynamic::None,
            Dynamic::Complex(1.0, 2.0),
            Dynamic::Bytes(vec![1, 2]),
        ]
    );
    for key in keys {
        assert!(dict.contains_key(&key).unwrap(), "{key}");
    }
    let flags = Dict::of([(true, 1), (false, 0)]).unwrap();
    assert_eq!(flags.keys().unwrap(), [true, false]);
    let error = dict.insert(List::<i64>::new().unwrap(), 1).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[test]
fn numbers_are_added_in_place() {
    let _tidy = tidy();
    let counts = Dict::<String, i64>::new().unwrap();
    assert_eq!(counts.add("a", 2).unwrap(), 2);
    assert_eq!(counts.add("a", -5).unwrap(), -3);
    let large = Dict::<u8, u64>::of([(0, 1 << 62)]).unwrap();
    assert_eq!(large.add(0, 1).unwrap(), (1 << 62) + 1);
    assert!(matches!(large.add(0, 1 << 62), Err(Error::NotANumber)));
    let floats = Dict::<(u8, u8), f64>::new().unwrap();
    assert_eq!(floats.add((1, 2), 0.5).unwrap(), 0.5);
    let mixed: Dict = Dict::new().unwrap();
    mixed.insert("n", 1).unwrap();
    assert_eq!(mixed.add("n", 0.5.into()).unwrap(), Dynamic::Float(1.5));
    mixed.insert("text", "1").unwrap();
    assert!(matches!(
        mixed.add("text", 1.into()),
        Err(Error::NotANumber)
    ));
}

#[test]
fn containers_nest_by_reference() {
    let _tidy = tidy();
    let table = Dict::<String, List<i64>>::new().unwrap();
    let row = List::of([1]).unwrap();
    table.insert("row", &row).unwrap();
    let again = table.get("row").unwrap().unwrap();
    assert_eq!(again, row);
    again.push(2).unwrap();
    drop((again, row));
    assert_eq!(table.get("row").unwrap().unwrap().to_vec().unwrap(), [1, 2]);
    let any: List = List::new().unwrap();
    any.push(table.clone()).unwrap();
    any.push(any.clone()).unwrap(); // a cycle, which must be broken to free it
    match any.get(0).unwrap().unwrap() {
        Dynamic::Dict(dict) => assert_eq!(dict.cast::<String, List<i64>>(), table),
        other => panic!("{other}"),
    }
    any.clear().unwrap();
    let error = List::<(i64, Dynamic)>::new().unwrap();
    let error = error.push((1, Dynamic::from(table))).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[test]
fn another_heap_is_refused_and_its_limit_kept() {
    let _tidy = tidy();
    let heap = Heap::builder().limit(4 << 20).create().unwrap();
    let list = List::<List<i64>>::new_in(&heap).unwrap();
    let elsewhere = List::new().unwrap();
    assert!(matches!(
        list.push(&elsewhere),
        Err(Error::WrongHeap { .. })
    ));
    list.push(List::new_in(&heap).unwrap()).unwrap();
    let texts = List::<String>::new_in(&heap).unwrap();
    let text = "x".repeat(100_000);
    let mut stored = 0;
    let error = loop {
        match texts.push(text.as_str()) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(
        error.is_out_of_memory() && stored > 10,
        "{error} after {stored}"
    );
    assert_eq!(texts.len().unwrap(), stored);
    texts.clear().unwrap();
    texts.push(text.as_str()).unwrap();
    assert_eq!(heap.check().errors, Vec::<String>::new());
}

#[test]
fn a_locked_container_is_this_threads_alone() {
    let _tidy = tidy();
    let list = List::of([0]).unwrap();
    {
        let alone = list.locked().unwrap();
        let again = list.locked().unwrap(); // re-entrant
        alone.push(1).unwrap();
        again.push(2).unwrap();
        drop(again);
        let other = list.clone();
        let (tried, try_made) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waits = scope.spawn(move || {
                assert!(
                    other
                        .locked_timeout(std::time::Duration::from_millis(1))
                        .unwrap()
                        .is_none()
                );
                tried.send(()).unwrap();
                other.push(3).unwrap(); // waits until the guard goes
                other.len().unwrap()
            });
            try_made.recv().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_eq!(alone.len().unwrap(), 3);
            drop(alone);
            assert_eq!(waits.join().unwrap(), 4);
        });
    }
    assert_eq!(list.to_vec().unwrap(), [0, 1, 2, 3]);
}

#[test]
fn objects_of_other_kinds_lie_in_dynamic_lists() {
    let _tidy = tidy();
    let lock = Lock::new().unwrap();
    let list: List = List::new().unwrap();
    list.push(Dynamic::Object(lock.raw().object().clone()))
        .unwrap();
    match list.get(0).unwrap().unwrap() {
        Dynamic::Object(object) => assert_eq!(&object, lock.raw().object()),
        other => panic!("{other}"),
    }
}

/// `Send` and `Sync` where they belong; guards stay in their thread.
#[test]
fn handles_go_to_other_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<List<String>>();
    shared::<Dict>();
    shared::<Value<u8>>();
    shared::<pumasi::Array<f64>>();
    shared::<Lock>();
    shared::<pumasi::RLock>();
    shared::<pumasi::Semaphore>();
    shared::<pumasi::BoundedSemaphore>();
    shared::<pumasi::Event>();
}

/// What is read without the lock was there at one moment: a value says under which key it was put,
/// and what a list holds never goes down, while the memory of both is used again all the time.
#[test]
fn a_reader_never_sees_half_of_a_change() {
    let _tidy = tidy();
    let dict = Dict::<i64, String>::new().unwrap();
    let list = List::<i64>::new().unwrap();
    let text = |key: i64, n: i64| format!("{key}:{}", "x".repeat((n % 40) as usize));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut found, mut last) = (0u64, 0);
                for key in (0..50).cycle() {
                    if let Some(value) = dict.get(key).unwrap() {
                        assert!(value.starts_with(&format!("{key}:")), "{key}: {value}");
                        assert!(value.trim_end_matches('x').ends_with(':'), "{value}");
                        found += 1;
                    }
                    if let Some(n) = list.get(0).unwrap() {
                        assert!(n >= last, "{n} after {last}");
                        last = n;
                    }
                    if done.load(Ordering::Relaxed) && found > 0 {
                        break;
                    }
                }
            });
        }
        for n in 0..30_000 {
            for key in [n % 50, (n * 7) % 50] {
                dict.insert(key, text(key, n)).unwrap();
                dict.remove((key + 25) % 50).unwrap();
            }
            // New leaves every time, of blocks that were just something else.
            list.clear().unwrap();
            list.extend([n; 12]).unwrap();
            if n % 100 == 0 {
                dict.clear().unwrap();
            }
        }
        dict.insert(1, text(1, 1)).unwrap();
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_dict_is_iterated_from_both_ends() {
    let dict = Dict::of((0..5).map(|n| (n, n * n))).unwrap();
    let mut pairs = dict.iter().unwrap().map(Result::unwrap);
    assert_eq!(pairs.len(), 5);
    assert_eq!(pairs.next_back(), Some((4, 16)));
    assert_eq!(pairs.next(), Some((0, 0)));
    assert_eq!(pairs.len(), 3);
    assert_eq!(
        pairs.by_ref().rev().collect::<Vec<_>>(),
        [(3, 9), (2, 4), (1, 1)]
    );
    assert_eq!(
        (pairs.next(), pairs.next_back(), pairs.len()),
        (None, None, 0)
    );
}

#[test]
#[expect(
    clippy::mutable_key_type,
    reason = "hashed by which object it leads to, and that never changes"
)]
fn equal_handles_hash_alike() {
    let (list, other): (List<u8>, List<u8>) = (List::new().unwrap(), List::new().unwrap());
    let vectors = [Vector::of([1u8]).unwrap(), Vector::of([1u8]).unwrap()];
    let lists = HashSet::from([list.clone(), other.clone(), list.clone()]);
    assert_eq!(lists.len(), 2);
    assert!(lists.contains(&list) && lists.contains(&other));
    assert!(!lists.contains(&List::new().unwrap()));
    let vectors: HashSet<Vector<u8>> = vectors.iter().chain(&vectors).cloned().collect();
    assert_eq!(vectors.len(), 2, "contents do not count");
}

#[test]
fn errors_go_anywhere() {
    fn anywhere<T: std::error::Error + Send + Sync + 'static>() {}
    anywhere::<pumasi::Error>();
    anywhere::<pumasi::process::JoinError>();
    let error: Box<dyn std::error::Error + Send + Sync> =
        Box::new(List::<u8>::new().unwrap().remove(0).unwrap_err());
    assert_eq!(error.to_string(), "pop index out of range");
    assert!(error.source().is_none());
}
