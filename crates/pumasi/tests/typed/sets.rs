//! Set in one process, between processes, and when one of them is killed.

use std::collections::HashSet;

use pumasi::{Dict, Dynamic, Error, Event, List, Set};

use crate::common::{kill, tidy};

#[test]
fn every_method_of_a_set() {
    let _tidy = tidy();
    let set = Set::<String>::new().unwrap();
    assert!(set.is_empty().unwrap());
    assert!(set.insert("rice").unwrap());
    assert!(!set.insert("rice".to_owned()).unwrap());
    assert!(
        set.extend(["salt", "a text which is longer than a cell"])
            .unwrap()
    );
    assert!(!set.extend(["salt"]).unwrap());
    assert_eq!(set.len().unwrap(), 3);
    assert!(set.contains("a text which is longer than a cell").unwrap());
    assert_eq!(set.iter().unwrap().len(), 3);
    assert!(set.toggle_all(["rice", "pepper"]).unwrap());
    assert_eq!(
        set.to_vec().unwrap(),
        ["salt", "a text which is longer than a cell", "pepper"]
    );
    assert_eq!(
        set.to_set().unwrap(),
        HashSet::from(["salt", "a text which is longer than a cell", "pepper"].map(String::from))
    );
    assert!(set.retain_all(["salt", "pepper", "nothing"]).unwrap());
    assert!(set.remove_all(["salt"]).unwrap());
    assert!(!set.remove("salt").unwrap());
    assert_eq!(set.pop_last().unwrap().as_deref(), Some("pepper"));
    assert_eq!(set.pop_last().unwrap(), None);
    set.insert("more").unwrap();
    set.clear().unwrap();
    assert!(set.is_empty().unwrap());
}

#[test]
fn elements_are_equal_as_in_python() {
    let _tidy = tidy();
    let set: Set = Set::new().unwrap();
    assert!(set.insert(1.0).unwrap());
    assert!(!set.insert(1).unwrap());
    assert!(!set.insert(true).unwrap());
    assert!(set.insert((1, 2.0)).unwrap());
    assert!(set.contains((true, 2)).unwrap());
    // As they were given.
    assert_eq!(set.to_vec().unwrap()[0], Dynamic::Float(1.0));
    let error = set.clone().cast::<i64>().to_vec().unwrap_err();
    assert!(matches!(error, Error::TypeMismatch { .. }), "{error}");
    let error = set.insert(List::<i64>::new().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[test]
fn a_set_in_another_container_is_the_set_itself() {
    let _tidy = tidy();
    let inner = Set::of([1, 2]).unwrap();
    let outer = Dict::<String, Set<i64>>::new().unwrap();
    outer.insert("set", inner.clone()).unwrap();
    let again = outer.get("set").unwrap().unwrap();
    assert_eq!(again, inner);
    again.insert(3).unwrap();
    assert_eq!(inner.len().unwrap(), 3);
    let mixed = outer.cast::<String, Dynamic>();
    let found = mixed.get("set").unwrap().unwrap();
    assert!(found.to_string().starts_with("<Set@0x"), "{found}");
    assert_eq!(Set::try_from(found).unwrap().cast::<i64>(), inner);
}

#[pumasi::task]
fn toggle_for_ever(set: Set<i64>, ready: Event) -> pumasi::Result<()> {
    ready.set();
    loop {
        set.toggle_all(0..200)?;
    }
}

#[test]
fn a_kill_leaves_all_or_nothing_of_a_change() {
    let _tidy = tidy();
    let set = Set::of(0..100).unwrap();
    for _ in 0..6 {
        let ready = Event::new().unwrap();
        let child = toggle_for_ever::spawn(set.clone(), ready.clone()).unwrap();
        ready.wait().unwrap();
        for _ in 0..5 {
            all_or_nothing(&set);
        }
        kill(child);
        all_or_nothing(&set);
    }
}

/// Either half of the numbers is there, and nothing of the other.
#[track_caller]
fn all_or_nothing(set: &Set<i64>) {
    let mut found = set.to_vec().unwrap();
    found.sort_unstable();
    let first = found.first().copied();
    assert!(first == Some(0) || first == Some(100), "{first:?}");
    let from = first.unwrap_or_default();
    assert_eq!(found, (from..from + 100).collect::<Vec<_>>());
}
