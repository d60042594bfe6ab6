//! What is measured, beside a robust pthread mutex.
//!
//! - *lock pair*: acquiring and releasing a free pumasi Lock through its untyped face; the rival
//!   is the same of a robust, process-shared pthread mutex. The internal lock of the containers
//!   cannot be reached alone: *one locked operation* is the length of a list, which is that lock
//!   taken, checked for who else uses the list, and given up.
//! - *push*: an integer to a list that begins empty, in pages used before; the rival pushes to a
//!   `Vec` of this process under its mutex.
//! - *get*: an integer under a short text, of a hundred in turn; the rival reads a `HashMap`
//!   under its mutex.
//! - *insert*: an integer under a new short text, into a dictionary that begins empty, in pages
//!   used before, its growth included; the rival inserts into a `HashMap` under its mutex.
//!
//! All by one process which has the memory to itself, with nobody waiting. The rivals' containers
//! are private, and what is in them would be lost or torn with their process.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;

use pumasi::containers::RawList;
use pumasi::sync::{Acquired, OnDeath, RawLock};
use pumasi::{Dict, Heap, List};
use pumasi_bench::report::Row;
use pumasi_bench::timing::{BATCH, Contender, Effort, in_batches, in_turns};

use crate::robust::RobustMutex;

const OURS: &str = "pumasi";

/// Measures everything and hands out each row when it is done.
pub fn run(effort: Effort, print: &mut dyn FnMut(Row)) -> Result<(), Box<dyn Error>> {
    let heap = pumasi::init()?;
    let robust = RobustMutex::new()?;
    let words: Vec<String> = (0..BATCH).map(|i| format!("w{i}")).collect();
    print(lock_pair(heap, &robust, effort)?);
    print(locked_operation(heap, &robust, effort)?);
    print(push(&robust, effort)?);
    print(get(&robust, &words, effort)?);
    print(insert(&robust, &words, effort)?);
    Ok(())
}

fn lock_pair(heap: &Heap, robust: &RobustMutex, effort: Effort) -> Result<Row, Box<dyn Error>> {
    let lock = RawLock::create(heap, OnDeath::Auto)?;
    let pair = |_| {
        assert_eq!(lock.acquire(None).expect("a free lock"), Acquired::Yes);
        lock.release().expect("our own lock");
    };
    let ours = Contender::looped(OURS, pair);
    Ok(Row {
        operation: "lock pair",
        at_most: Some(8.0),
        samples: in_turns(vec![ours, pthread(robust)], effort),
    })
}

fn locked_operation(
    heap: &Heap,
    robust: &RobustMutex,
    effort: Effort,
) -> Result<Row, Box<dyn Error>> {
    let list = RawList::create(heap)?;
    let len = |_| {
        black_box(list.len().expect("our own list"));
    };
    let ours = Contender::looped(OURS, len);
    Ok(Row {
        operation: "one locked operation (List len)",
        at_most: Some(8.0),
        samples: in_turns(vec![ours, pthread(robust)], effort),
    })
}

fn push(robust: &RobustMutex, effort: Effort) -> Result<Row, Box<dyn Error>> {
    let list = List::<i64>::new()?;
    let ours = in_batches(
        OURS,
        || list.clear().expect("our own list"),
        |i| list.push(i as i64).expect("memory for an item"),
    );
    let private = std::cell::RefCell::new(Vec::new());
    let rival = in_batches(
        "Vec under pthread robust",
        || *private.borrow_mut() = Vec::new(),
        |i| robust.locked(|| private.borrow_mut().push(i as i64)),
    );
    Ok(Row {
        operation: "List push",
        at_most: Some(30.0),
        samples: in_turns(vec![ours, rival], effort),
    })
}

fn get(robust: &RobustMutex, words: &[String], effort: Effort) -> Result<Row, Box<dyn Error>> {
    let words = &words[..100];
    let dict = Dict::<String, i64>::new()?;
    let mut private = HashMap::new();
    for (word, i) in words.iter().zip(0i64..) {
        dict.insert(word, i)?;
        private.insert(word.clone(), i);
    }
    let word = |i: u64| words[(i % 100) as usize].as_str();
    let ours = Contender::looped(OURS, |i| {
        black_box(dict.get(word(i)).expect("our own dict"));
    });
    let rival = Contender::looped("HashMap under pthread robust", |i| {
        black_box(robust.locked(|| private.get(word(i)).copied()));
    });
    Ok(Row {
        operation: "Dict get",
        at_most: Some(40.0),
        samples: in_turns(vec![ours, rival], effort),
    })
}

fn insert(robust: &RobustMutex, words: &[String], effort: Effort) -> Result<Row, Box<dyn Error>> {
    let dict = Dict::<String, i64>::new()?;
    let word = |i: u64| &words[i as usize];
    let ours = in_batches(
        OURS,
        || dict.clear().expect("our own dict"),
        |i| {
            dict.insert(word(i).as_str(), i as i64)
                .expect("memory for an entry")
        },
    );
    let private = std::cell::RefCell::new(HashMap::new());
    let rival = in_batches(
        "HashMap under pthread robust",
        || *private.borrow_mut() = HashMap::new(),
        |i| {
            robust.locked(|| private.borrow_mut().insert(word(i).clone(), i as i64));
        },
    );
    Ok(Row {
        operation: "Dict insert into recycled pages",
        at_most: Some(120.0),
        samples: in_turns(vec![ours, rival], effort),
    })
}

fn pthread(robust: &RobustMutex) -> Contender<'_> {
    Contender::looped("pthread robust", |_| robust.pair())
}
