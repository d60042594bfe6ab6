//! Handles as arguments and results of tasks.

use pumasi::containers::Element;
use pumasi::{
    Array, BoundedSemaphore, Dict, Dynamic, Error, Event, Heap, List, Lock, RLock, Semaphore, Value,
};
use serde::{Deserialize, Serialize};

use crate::common::tidy;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shared {
    list: List<String>,
    dict: Dict<String, i64>,
    value: Value<u64>,
    array: Array<f64>,
    wide: Value<[u64; 3]>,
    lock: Lock,
    rlock: RLock,
    semaphore: Semaphore,
    bounded: BoundedSemaphore,
    event: Event,
}

#[pumasi::task]
fn use_all(shared: Shared) -> pumasi::Result<List> {
    shared.list.push("from the child")?;
    shared.dict.add("n", 2)?;
    shared.value.fetch_add(3)?;
    shared.array.set(1, 0.5)?;
    shared.wide.update(|wide| wide[2] = 7)?;
    shared.lock.acquire()?.keep();
    let _in_vain = shared.rlock.acquire()?;
    shared.semaphore.release(1)?;
    shared.bounded.acquire()?.keep();
    shared.event.set();
    let made_here = List::new()?;
    made_here.push("made in the child")?;
    made_here.push(&shared.dict)?;
    Ok(made_here)
}

#[test]
fn every_handle_travels() {
    let _tidy = tidy();
    let shared = Shared {
        list: List::new().unwrap(),
        dict: Dict::of([("n".to_owned(), 1)]).unwrap(),
        value: Value::new(1).unwrap(),
        array: Array::filled(2, 0.0).unwrap(),
        wide: Value::new([0; 3]).unwrap(),
        lock: Lock::new().unwrap(),
        rlock: RLock::new().unwrap(),
        semaphore: Semaphore::new(0).unwrap(),
        bounded: BoundedSemaphore::new(2).unwrap(),
        event: Event::new().unwrap(),
    };
    let made = use_all::spawn(shared.clone())
        .unwrap()
        .join()
        .unwrap()
        .unwrap();
    assert_eq!(made.get(0).unwrap(), Some("made in the child".into()));
    assert_eq!(
        made.get(1).unwrap(),
        Some(Dynamic::from(shared.dict.clone()))
    );
    assert_eq!(shared.list.to_vec().unwrap(), ["from the child"]);
    assert_eq!(shared.dict.get("n").unwrap(), Some(3));
    assert_eq!(shared.value.get().unwrap(), 4);
    assert_eq!(shared.array.to_vec().unwrap(), [0.0, 0.5]);
    assert_eq!(shared.wide.get().unwrap(), [0, 0, 7]);
    assert!(shared.lock.is_locked());
    assert!(shared.rlock.try_acquire().unwrap().is_some());
    assert_eq!((shared.semaphore.value(), shared.bounded.value()), (1, 1));
    assert!(shared.event.is_set());
}

#[pumasi::task]
fn wants_numbers(value: Value<f64>) -> f64 {
    value.get().unwrap_or_default()
}

#[pumasi::task]
fn wants_a_list(list: List<i64>) -> usize {
    list.len().unwrap_or_default()
}

#[test]
fn a_handle_of_another_type_is_refused_where_it_arrives() {
    // Both ends are one program, so only a forged message can bring this about; the same check
    // stands where a handle is read.
    let _tidy = tidy();
    let dict = Dict::<i64, i64>::new().unwrap();
    let found = List::<Dict<i64, i64>>::of([dict])
        .unwrap()
        .cast::<List<i64>>();
    assert!(matches!(found.get(0), Err(Error::TypeMismatch { .. })));
    assert_eq!(
        wants_a_list::spawn(List::of([1, 2]).unwrap())
            .unwrap()
            .join()
            .unwrap(),
        2
    );
    assert_eq!(
        wants_numbers::spawn(Value::new(2.5).unwrap())
            .unwrap()
            .join()
            .unwrap(),
        2.5
    );
}

#[pumasi::task]
fn fails(how: String) -> pumasi::Result<()> {
    match how.as_str() {
        "memory" => Err(Error::OutOfMemory {
            requested: 3,
            limit: 2,
            used: 1,
        }),
        _ => Value::new(0)?.locked()?.set(1).and(Err(Error::NotANumber)),
    }
}

#[test]
fn an_error_comes_home_in_its_words() {
    let _tidy = tidy();
    let error = fails::spawn("memory".to_owned())
        .unwrap()
        .join()
        .unwrap()
        .unwrap_err();
    assert!(error.is_out_of_memory(), "{error}");
    let error = fails::spawn(String::new())
        .unwrap()
        .join()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.to_string(), Error::NotANumber.to_string());
    assert!(matches!(error, Error::Elsewhere { .. }));
}

#[pumasi::task]
fn counts(words: Vec<String>, dict: Dict<String, i64>, start: Event) -> pumasi::Result<()> {
    start.wait()?;
    for word in words {
        dict.add(&word, 1)?;
        dict.update("in all", |old| old.unwrap_or(0) + 1)?;
    }
    Ok(())
}

#[test]
fn processes_lose_no_update() {
    let _tidy = tidy();
    let (dict, start) = (Dict::new().unwrap(), Event::new().unwrap());
    let words: Vec<_> = (0..300).map(|i| format!("word {}", i % 7)).collect();
    let children: Vec<_> = (0..3)
        .map(|_| counts::spawn(words.clone(), dict.clone(), start.clone()).unwrap())
        .collect();
    start.set();
    for child in children {
        child.join().unwrap().unwrap();
    }
    assert_eq!(dict.get("in all").unwrap(), Some(900));
    assert_eq!(dict.values().unwrap().iter().sum::<i64>(), 1800);
}

#[test]
fn a_handle_in_a_file_would_be_an_empty_promise() {
    let _tidy = tidy();
    let list = List::<i64>::new().unwrap();
    let error = postcard::to_extend(&list, Vec::new());
    assert!(error.is_err());
    drop(list);
    fn not_in_the_way<T: Element>() {}
    not_in_the_way::<List<i64>>();
    assert!(Heap::global().unwrap().used() > 0);
}
