//! `Counter<K>`.

use std::thread;

use pumasi::{Counter, Dict, Dynamic, Error, List};

use crate::common::tidy;

#[test]
fn a_missing_key_counts_as_none() {
    let _tidy = tidy();
    let words: Counter<String> = Counter::new().unwrap();
    assert!(words.is_empty().unwrap());
    words.extend(["rice", "salt", "rice", "tea"]).unwrap();
    assert_eq!(words.count("rice").unwrap(), 2);
    assert_eq!(words.count("sand").unwrap(), 0);
    assert_eq!(words.len().unwrap(), 3, "a look adds no key");
    assert_eq!(words.add("salt", -3).unwrap(), -2);
    assert_eq!(words.add("oil", 1).unwrap(), 1);
    assert_eq!(words.total().unwrap(), 2);
    let common = words.most_common(3).unwrap();
    let wanted = [("rice", 2), ("tea", 1), ("oil", 1)];
    assert_eq!(common, wanted.map(|(word, n)| (word.to_owned(), n)));
    assert_eq!(words.most_common(99).unwrap().len(), 4);
    assert_eq!(words.remove("oil").unwrap(), Some(1));
    assert_eq!(words.remove("oil").unwrap(), None);
    words.add("much", i64::MAX).unwrap();
    assert!(matches!(words.add("much", 1), Err(Error::NotANumber)));
    words.add("more", i64::MAX).unwrap();
    assert!(matches!(words.total(), Err(Error::NotANumber)));
    words.clear().unwrap();
    assert_eq!(words.iter().unwrap().count(), 0);
}

#[test]
fn it_is_a_dictionary_and_nests() {
    let _tidy = tidy();
    let counts = Counter::of([1_u8, 1, 2]).unwrap();
    let dict: &Dict<u8, i64> = counts.as_dict();
    assert_eq!(dict.get(1).unwrap(), Some(2));
    let held = dict.locked().unwrap();
    held.update(2, |n| n.unwrap_or(0) * 10).unwrap();
    drop(held);
    assert_eq!(counts.count(2).unwrap(), 10);
    let both: List<Counter<u8>> = List::new().unwrap();
    both.push(&counts).unwrap();
    both.get(0).unwrap().unwrap().add(3, 1).unwrap();
    assert_eq!(both.get(0).unwrap().as_ref(), Some(&counts));
    assert_eq!(counts.count(3).unwrap(), 1);
    let anything: List = List::new().unwrap();
    anything.push(&counts).unwrap();
    let Some(Dynamic::Dict(same)) = anything.get(0).unwrap() else {
        panic!("no dictionary");
    };
    assert_eq!(&same.cast::<u8, i64>(), counts.as_dict());
}

#[pumasi::task]
fn count(upto: u64, counts: Counter<u64>) -> pumasi::Result<()> {
    counts.extend((0..upto).map(|n| n % 7))
}

#[test]
fn processes_and_threads_lose_no_count() {
    let _tidy = tidy();
    let counts = Counter::new().unwrap();
    let children = [0, 1].map(|_| count::spawn(700, counts.clone()).unwrap());
    thread::scope(|scope| {
        scope.spawn(|| counts.extend((0..700).map(|n| n % 7)).unwrap());
    });
    for child in children {
        child.join().unwrap().unwrap();
    }
    assert_eq!(counts.total().unwrap(), 2100);
    assert!(counts.iter().unwrap().all(|pair| pair.unwrap().1 == 300));
}
