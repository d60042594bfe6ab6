//! `Queue<T>`.

use std::thread;
use std::time::Duration;

use pumasi::containers::{Joined, Order};
use pumasi::heap::value::Fetch;
use pumasi::{Dynamic, Error, Event, List, Queue};

use crate::common::{eventually, hang, kill, tidy};

fn closed<T>(found: Result<T, Error>) -> bool {
    matches!(found, Err(Error::Closed { .. }))
}

fn full<T>(found: Result<T, Error>) -> bool {
    matches!(found, Err(Error::Full { .. }))
}

#[test]
fn what_is_put_first_is_taken_first() {
    let _tidy = tidy();
    let queue: Queue<String> = Queue::new().unwrap();
    assert_eq!((queue.len(), queue.bound()), (0, None));
    assert_eq!(queue.order(), Order::FirstFirst);
    queue.put("rice").unwrap();
    let salt = "salt".repeat(600);
    queue.put(&salt).unwrap();
    queue
        .put_many(["tea", "a text longer than a cell"])
        .unwrap();
    assert_eq!(queue.len(), 4);
    assert!(!queue.is_empty() && !queue.is_full());
    let all = ["rice", &salt, "tea", "a text longer than a cell"];
    assert_eq!(queue.to_vec().unwrap(), all);
    let backward: Vec<String> = queue.iter().unwrap().rev().map(Result::unwrap).collect();
    assert!(backward.iter().rev().eq(all.iter()));
    assert_eq!(queue.get().unwrap(), "rice");
    assert_eq!(queue.try_get().unwrap(), Some(salt));
    assert_eq!(
        queue.get_timeout(Duration::from_secs(50)).unwrap().unwrap(),
        "tea"
    );
    assert_eq!(queue.get_many(10).unwrap(), ["a text longer than a cell"]);
    assert_eq!(queue.try_get().unwrap(), None);
    assert_eq!(queue.get_timeout(Duration::from_millis(2)).unwrap(), None);
    assert!(queue.try_get_many(10).unwrap().is_empty());
    let brief = Duration::from_millis(2);
    assert!(queue.get_many_timeout(10, brief).unwrap().is_empty());
    assert!(queue.get_many(0).unwrap().is_empty());
}

#[test]
fn a_full_one_takes_no_more() {
    let _tidy = tidy();
    let queue: Queue<i32> = Queue::bounded(2).unwrap();
    assert_eq!(queue.bound(), Some(2));
    queue.put(1).unwrap();
    queue.try_put(2).unwrap();
    assert!(queue.is_full());
    assert!(full(queue.try_put(3)));
    assert!(full(queue.put_timeout(3, Duration::from_millis(2))));
    let refusal = queue.try_put(3).unwrap_err().to_string();
    assert_eq!(refusal, "the queue is full");
    assert_eq!(queue.try_put_many([3, 4]).unwrap(), 0);
    assert_eq!(queue.get().unwrap(), 1);
    assert_eq!(queue.try_put_many([3, 4]).unwrap(), 1);
    assert_eq!(queue.to_vec().unwrap(), [2, 3]);
    // Who waits for room goes on when there is some.
    thread::scope(|scope| {
        scope.spawn(|| queue.put_many(4..100).unwrap());
        let mut taken = Vec::new();
        while taken.len() < 98 {
            taken.extend(queue.get_many(3).unwrap());
        }
        assert_eq!(taken, (2..100).collect::<Vec<_>>());
    });
}

#[test]
fn the_last_can_come_first() {
    let _tidy = tidy();
    let stack: Queue<u8> = Queue::builder()
        .order(Order::LastFirst)
        .bound(3)
        .create()
        .unwrap();
    assert_eq!(stack.try_put_many([1, 2, 3, 4]).unwrap(), 3);
    assert_eq!(stack.to_vec().unwrap(), [1, 2, 3]);
    assert_eq!(stack.order(), Order::LastFirst);
    let all: Vec<u8> = stack.drain().map(Result::unwrap).collect();
    assert_eq!(all, [3, 2, 1]);
}

#[test]
fn who_may_not_wait_hears_that_a_queue_is_closed() {
    let _tidy = tidy();
    let queue = Queue::<i32>::new().unwrap();
    // Waits in vain, after which the next would sleep at once.
    for _ in 0..8 {
        let got = queue.get_timeout(Duration::from_millis(1)).unwrap();
        assert_eq!(got, None);
    }
    let get = || pumasi::sync::without_waiting(|| queue.get());
    assert!(matches!(get(), Err(Error::WouldBlock)));
    queue.close().unwrap();
    assert!(closed(get()));
}

#[test]
fn a_closed_one_is_emptied_and_ends() {
    let _tidy = tidy();
    let queue = Queue::of([1, 2, 3]).unwrap();
    assert!(!queue.is_closed());
    queue.close().unwrap();
    queue.close().unwrap();
    assert!(queue.is_closed());
    assert!(closed(queue.put(4)));
    assert!(closed(queue.put_many([4])));
    let mut rest = queue.until_closed();
    assert_eq!(rest.next().unwrap().unwrap(), 1);
    assert_eq!(
        queue.drain().map(Result::unwrap).collect::<Vec<_>>(),
        [2, 3]
    );
    assert!(rest.next().is_none());
    assert!(rest.next().is_none());
    assert!(closed(queue.get()));
    assert!(closed(queue.try_get()));
    assert!(closed(queue.get_many(2)));
    assert!(queue.drain().next().is_none());

    // Those who wait are told, on both sides.
    let queue: Queue<i32> = Queue::bounded(1).unwrap();
    thread::scope(|scope| {
        let takers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| queue.until_closed().map(Result::unwrap).sum::<i32>()))
            .collect();
        queue.put_many([1, 2, 3, 4]).unwrap();
        queue.close().unwrap();
        let sums = takers.into_iter().map(|taker| taker.join().unwrap());
        assert_eq!(sums.sum::<i32>(), 10);
    });
    let queue: Queue<i32> = Queue::bounded(1).unwrap();
    queue.put(1).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| closed(queue.put(2)));
        queue.close().unwrap();
        assert!(waits.join().unwrap());
    });
}

#[test]
fn an_item_of_another_type_is_an_error_and_out() {
    let _tidy = tidy();
    let queue: Queue = Queue::new().unwrap();
    queue.put(1).unwrap();
    queue.put("two").unwrap();
    queue.put(3).unwrap();
    let numbers: Queue<i32> = queue.clone().cast();
    let found: Vec<_> = numbers.drain().collect();
    assert!(
        matches!(&found[..], [Ok(1), Err(Error::TypeMismatch { .. }), Ok(3)]),
        "{found:?}"
    );
    assert!(queue.is_empty());
    queue.put("four").unwrap();
    assert!(numbers.get().is_err());
    assert_eq!(queue.len(), 0);
}

#[test]
fn tasks_are_counted() {
    let _tidy = tidy();
    let queue: Queue<u32> = Queue::builder().counts_tasks(true).create().unwrap();
    assert_eq!(queue.join().unwrap(), Joined::Done);
    queue.put_many([1, 2]).unwrap();
    assert_eq!(queue.get_many(2).unwrap(), [1, 2]);
    queue.task_done().unwrap();
    assert_eq!(queue.unfinished(), 1);
    assert_eq!(queue.join_timeout(Duration::from_millis(2)).unwrap(), None);
    thread::scope(|scope| {
        let waits = scope.spawn(|| queue.join().unwrap());
        queue.task_done().unwrap();
        assert_eq!(waits.join().unwrap(), Joined::Done);
    });
    assert!(matches!(queue.task_done(), Err(Error::NotHeld { .. })));

    let plain: Queue<i32> = Queue::new().unwrap();
    assert!(!plain.counts_tasks());
    for refused in [plain.task_done().err(), plain.join().err()] {
        assert!(refused.unwrap().to_string().contains("counts_tasks(true)"));
    }
}

#[test]
fn it_nests_to_be_answered_in() {
    let _tidy = tidy();
    let questions: Queue<Queue<i64>> = Queue::new().unwrap();
    let answers: Queue<i64> = Queue::new().unwrap();
    questions.put(&answers).unwrap();
    let asked = questions.get().unwrap();
    assert_eq!(asked, answers);
    asked.put(42).unwrap();
    assert_eq!(answers.get().unwrap(), 42);

    let anything: List = List::new().unwrap();
    anything.push(&answers).unwrap();
    let found = anything.get(0).unwrap().unwrap();
    assert_eq!(found, Dynamic::from(answers.clone()));
    let back: Queue = found.try_into().unwrap();
    back.put("text").unwrap();
    assert!(answers.get().is_err());
    assert!(Queue::<Queue<i64>>::from(back.raw().clone()).is_empty());
}

#[pumasi::task]
fn count_up(queue: Queue<(u64, String)>) -> pumasi::Result<()> {
    for n in 0.. {
        queue.put((n, format!("item number {n} of many")))?;
    }
    Ok(())
}

#[test]
fn a_killed_producer_leaves_whole_items() {
    let _tidy = tidy();
    let queue: Queue<(u64, String)> = Queue::bounded(50).unwrap();
    let child = count_up::spawn(queue.clone()).unwrap();
    let mut next = 0;
    let mut check = |(n, text): (u64, String)| {
        assert_eq!((n, text), (next, format!("item number {next} of many")));
        next += 1;
    };
    for _ in 0..500 {
        check(queue.get().unwrap());
    }
    kill(child);
    queue.drain().map(Result::unwrap).for_each(&mut check);
    queue
        .put((next, format!("item number {next} of many")))
        .unwrap();
    assert_eq!(queue.get().unwrap().0, next);
}

/// Takes an item and is killed before it has arrived.
#[pumasi::task]
fn take(queue: Queue<String>, taken: Event) -> pumasi::Result<()> {
    let mut out = Fetch::new();
    let _on_its_way = queue.raw().get(None, &mut out)?;
    taken.set();
    hang()
}

#[test]
fn an_item_on_its_way_to_the_dead_goes_back() {
    let _tidy = tidy();
    let (queue, taken) = (Queue::<String>::new().unwrap(), Event::new().unwrap());
    let texts = ["the first of them all", "the second"];
    queue.put_many(texts).unwrap();
    let child = take::spawn(queue.clone(), taken.clone()).unwrap();
    taken.wait().unwrap();
    assert_eq!(queue.to_vec().unwrap(), texts[1..]);
    assert_eq!(queue.get().unwrap(), texts[1]);
    // Who waits already gets it, too.
    thread::scope(|scope| {
        let waits = scope.spawn(|| queue.get().unwrap());
        kill(child);
        assert_eq!(waits.join().unwrap(), texts[0]);
    });
}

/// Takes two items, is done with one, and never with the other.
#[pumasi::task]
fn do_one(queue: Queue<u32>, half: Event) -> pumasi::Result<()> {
    queue.get_many(2)?;
    queue.task_done()?;
    half.set();
    hang()
}

#[test]
fn the_tasks_of_the_dead_are_reported_once() {
    let _tidy = tidy();
    let queue: Queue<u32> = Queue::builder().counts_tasks(true).create().unwrap();
    let half = Event::new().unwrap();
    queue.put_many([1, 2]).unwrap();
    let child = do_one::spawn(queue.clone(), half.clone()).unwrap();
    half.wait().unwrap();
    assert_eq!(queue.unfinished(), 1);
    let pid = kill(child);
    let Joined::Died(death) = queue.join().unwrap() else {
        panic!("nobody was told");
    };
    assert_eq!((death.pid, death.signal), (pid, Some(9)));
    assert_eq!(queue.unfinished(), 0);
    assert_eq!(queue.join().unwrap(), Joined::Done);
}

#[pumasi::task]
fn pass_on(from: Queue<u64>, to: Queue<u64>) -> pumasi::Result<()> {
    for item in from.until_closed() {
        to.put(item? + 1000)?;
    }
    Ok(())
}

#[test]
fn processes_and_threads_lose_nothing() {
    let _tidy = tidy();
    let (from, to): (Queue<u64>, Queue<u64>) =
        (Queue::bounded(16).unwrap(), Queue::bounded(16).unwrap());
    let children: Vec<_> = (0..2)
        .map(|_| pass_on::spawn(from.clone(), to.clone()).unwrap())
        .collect();
    let mut all = thread::scope(|scope| {
        let putters: Vec<_> = (0..2u64)
            .map(|n| {
                let from = &from;
                scope.spawn(move || {
                    for i in 0..200 {
                        from.put(n * 200 + i).unwrap();
                    }
                    from.put_many((0..100).map(|i| 400 + n * 100 + i)).unwrap();
                })
            })
            .collect();
        let taker = scope.spawn(|| to.until_closed().map(Result::unwrap).collect::<Vec<u64>>());
        for putter in putters {
            putter.join().unwrap();
        }
        from.close().unwrap();
        for child in children {
            child.join().unwrap().unwrap();
        }
        to.close().unwrap();
        taker.join().unwrap()
    });
    all.sort_unstable();
    assert_eq!(all, (1000..1600).collect::<Vec<u64>>());
    eventually("an empty queue", || from.is_empty());
}
