//! `DefaultDict<K, V>` and `Namespace`.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use pumasi::{
    Counter, DefaultDict, Deque, Dict, Dynamic, Error, List, Namespace, Queue, Set, Shareable,
};

use crate::common::tidy;

#[derive(Clone, Copy, Debug, Default, PartialEq, Shareable)]
#[repr(C)]
struct Point {
    x: f64,
    y: f64,
}

#[test]
fn what_is_missing_is_made_and_stored() {
    let _tidy = tidy();
    let groups: DefaultDict<String, List<u8>> = DefaultDict::new().unwrap();
    assert!(groups.is_empty().unwrap(), "the factory is no entry");
    assert_eq!(groups.find("a").unwrap(), None);
    assert!(!groups.contains_key("a").unwrap());
    assert_eq!(groups.len().unwrap(), 0, "a look makes nothing");
    let made = groups.get("a").unwrap();
    made.push(1).unwrap();
    assert_eq!(groups.get("a").unwrap(), made, "made once");
    assert_eq!(groups.find("a").unwrap(), Some(made));
    groups.insert("b", List::of([7]).unwrap()).unwrap();
    groups.extend([("c", List::new().unwrap())]).unwrap();
    let mut lengths = Vec::new();
    for pair in groups.iter().unwrap() {
        let (key, list) = pair.unwrap();
        lengths.push((key, list.len().unwrap()));
    }
    let wanted = [("a", 1), ("b", 1), ("c", 0)];
    assert_eq!(lengths, wanted.map(|(key, n)| (key.to_owned(), n)));
    let taken = groups.remove("b").unwrap().unwrap();
    assert_eq!(taken.to_vec().unwrap(), [7]);
    assert_eq!(groups.remove("b").unwrap(), None);
    groups.clear().unwrap();
    assert!(groups.is_empty().unwrap());
    assert!(
        groups.get("a").unwrap().is_empty().unwrap(),
        "the factory is left"
    );
}

#[test]
fn every_sort_begins_empty() {
    let _tidy = tidy();
    macro_rules! begins {
        ($type:ty) => {
            DefaultDict::<u8, $type>::new().unwrap().get(1).unwrap()
        };
    }
    assert_eq!(begins!(i64), 0);
    assert_eq!(begins!(u8), 0);
    assert_eq!(begins!(f32), 0.0);
    assert!(!begins!(bool));
    assert_eq!(begins!(char), '\0');
    assert_eq!(begins!(String), "");
    assert_eq!(begins!(Vec<u8>), b"");
    assert_eq!(begins!(Option<String>), None);
    assert_eq!(begins!(Point), Point::default());
    assert!(begins!(List<u8>).is_empty().unwrap());
    assert!(begins!(Dict<u8, u8>).is_empty().unwrap());
    assert!(begins!(Set<u8>).is_empty().unwrap());
    assert!(begins!(Deque<u8>).is_empty().unwrap());
    assert!(begins!(Queue<u8>).is_empty());
    assert!(begins!(Counter<u8>).is_empty().unwrap());
    assert!(begins!(Namespace).is_empty().unwrap());
    let nested: DefaultDict<u8, DefaultDict<u8, i64>> = DefaultDict::new().unwrap();
    assert_eq!(nested.get(1).unwrap().add(2, 3).unwrap(), 3);
    assert_eq!(nested.get(1).unwrap().get(2).unwrap(), 3);
}

#[test]
fn a_change_begins_with_what_is_made() {
    let _tidy = tidy();
    let texts: DefaultDict<u8, String> = DefaultDict::new().unwrap();
    assert_eq!(texts.update(1, |text| text + "a").unwrap(), "a");
    assert_eq!(texts.update(1, |text| text + "b").unwrap(), "ab");
    let sums: DefaultDict<u8, f64> = DefaultDict::new().unwrap();
    assert_eq!(sums.add(1, 0.5).unwrap(), 0.5);
    assert_eq!(sums.add(1, 0.5).unwrap(), 1.0);
    // Another dictionary, read as one: its values have to be of the type.
    let words: Dict<u8, String> = Dict::of([(1, "one".to_owned())]).unwrap();
    let same = DefaultDict::from(words.clone());
    assert_eq!(same.get(1).unwrap(), "one");
    assert_eq!(same.get(2).unwrap(), "");
    assert_eq!(words.get(2).unwrap(), Some(String::new()));
    let numbers = DefaultDict::from(words.cast::<u8, i64>());
    assert!(matches!(numbers.get(1), Err(Error::TypeMismatch { .. })));
    assert!(matches!(
        numbers.update(1, |n| n),
        Err(Error::TypeMismatch { .. })
    ));
}

#[test]
fn only_what_is_missing_is_made() {
    let _tidy = tidy();
    let rows: Dict<u8, List<u8>> = Dict::new().unwrap();
    let made = Cell::new(0);
    let make = || {
        made.set(made.get() + 1);
        List::of([1])
    };
    let first = rows.get_or_insert_with(7, make).unwrap();
    assert_eq!(rows.get_or_insert_with(7, make).unwrap(), first);
    assert_eq!(made.get(), 1);
    let failed = rows.get_or_insert_with(8, || Err(Error::NotANumber));
    assert!(matches!(failed, Err(Error::NotANumber)));
    assert_eq!(rows.len().unwrap(), 1);
}

#[pumasi::task]
fn sort(upto: u64, groups: DefaultDict<u64, List<u64>>, sums: Namespace) -> pumasi::Result<()> {
    for n in 0..upto {
        groups.get(n % 50)?.push(n)?;
        sums.add("all", 1_i64)?;
    }
    Ok(())
}

#[test]
fn processes_and_threads_get_one_value_for_a_key() {
    let _tidy = tidy();
    let (groups, sums) = (DefaultDict::new().unwrap(), Namespace::new().unwrap());
    let children = [0, 1].map(|_| sort::spawn(500, groups.clone(), sums.clone()).unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..500 {
                groups.get(n % 50).unwrap().push(n).unwrap();
            }
        });
    });
    for child in children {
        child.join().unwrap().unwrap();
    }
    let mut all = 0;
    for pair in groups.iter().unwrap() {
        all += pair.unwrap().1.len().unwrap();
    }
    assert_eq!(all, 1500, "nothing went to a list that was not stored");
    assert_eq!(groups.len().unwrap(), 50);
    assert_eq!(sums.get::<i64>("all").unwrap(), Some(1000));
}

#[test]
fn a_namespace_has_values_of_any_type() {
    let _tidy = tidy();
    let field = Namespace::new().unwrap();
    assert!(field.is_empty().unwrap());
    field.set("crop", "rice").unwrap();
    field.set("rows", 4).unwrap();
    field.set("corner", Point { x: 1.0, y: 2.0 }).unwrap();
    field.set("log", List::<String>::new().unwrap()).unwrap();
    assert_eq!(field.get::<String>("crop").unwrap().unwrap(), "rice");
    assert_eq!(field.get::<u8>("rows").unwrap(), Some(4));
    let corner = field.get::<Point>("corner").unwrap();
    assert_eq!(corner, Some(Point { x: 1.0, y: 2.0 }));
    let log = field.get::<List<String>>("log").unwrap().unwrap();
    log.push("sown").unwrap();
    assert_eq!(field.get::<i64>("owner").unwrap(), None);
    assert!(matches!(
        field.get::<i64>("crop"),
        Err(Error::TypeMismatch { .. })
    ));
    assert_eq!(field.get::<Dynamic>("rows").unwrap(), Some(4.into()));
    assert_eq!(field.add("rows", 1_i64).unwrap(), 5);
    assert_eq!(field.add("area", 2.5).unwrap(), 2.5);
    assert!(matches!(field.add("crop", 1_i64), Err(Error::NotANumber)));
    let longer = |crop: Option<String>| crop.unwrap_or_default() + "!";
    assert_eq!(field.update("crop", longer).unwrap(), "rice!");
    let names = ["crop", "rows", "corner", "log", "area"];
    assert_eq!(field.names().unwrap(), names);
    assert_eq!(field.len().unwrap(), 5);
    assert!(field.remove("log").unwrap());
    assert!(!field.remove("log").unwrap());
    assert!(!field.contains("log").unwrap());
    assert!(field.contains("area").unwrap());
    let values: Vec<Dynamic> = field.iter().unwrap().map(|pair| pair.unwrap().1).collect();
    assert_eq!(values[1], 5.into());
    field.clear().unwrap();
    assert!(field.is_empty().unwrap());
}

#[test]
fn a_change_of_a_value_can_be_waited_for() {
    let _tidy = tidy();
    let steps = Namespace::new().unwrap();
    let others = steps.clone();
    let other =
        thread::spawn(move || (1..=3).try_for_each(|_| others.add("done", 1_i64).map(drop)));
    let three = |done: Option<i64>| done == Some(3);
    let long = Some(Duration::from_secs(60));
    assert!(steps.wait("done", long, three).unwrap());
    assert!(
        !steps
            .wait("more", Some(Duration::ZERO), |n: Option<i64>| n.is_some())
            .unwrap()
    );
    other.join().unwrap().unwrap();
}

#[test]
fn they_are_dictionaries_and_nest() {
    let _tidy = tidy();
    let groups: DefaultDict<u8, i64> = DefaultDict::new().unwrap();
    let names = Namespace::new().unwrap();
    let anything: List = List::new().unwrap();
    anything.push(&groups).unwrap();
    anything.push(names.clone()).unwrap();
    names.set("groups", &groups).unwrap();
    groups.add(1, 2).unwrap();
    names.set("a", true).unwrap();
    let Some(Dynamic::Dict(same)) = anything.get(0).unwrap() else {
        panic!("no dictionary");
    };
    assert_eq!(&same.cast::<u8, i64>(), groups.as_dict());
    let Some(Dynamic::Dict(same)) = anything.get(1).unwrap() else {
        panic!("no dictionary");
    };
    assert_eq!(Namespace::from(same.cast()), names);
    let nested = names
        .get::<DefaultDict<u8, i64>>("groups")
        .unwrap()
        .unwrap();
    assert_eq!(nested.get(1).unwrap(), 2);
    assert_eq!(nested, groups);
    let held = names.as_dict().locked().unwrap();
    held.insert("b", 1).unwrap();
    drop(held);
    assert_eq!(names.names().unwrap(), ["groups", "a", "b"]);
    assert!(format!("{names:?} {groups:?}").contains("Namespace"));
}
