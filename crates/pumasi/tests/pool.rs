//! Pools: every task is done once, or known to be lost, whenever a worker is killed.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use pumasi::heap::cell::Cell;
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::Fetch;
use pumasi::pool::{Outcome, RawBatch, RawBoard, RawWorker};
use pumasi::sync::with_check;
use pumasi::sys::Host;
use pumasi::sys::sim::{Crash, Sim};
use pumasi::{Error, Heap};
use support::{Plain, heap, plain, prepare, prepare_all, sibling};

fn text(i: i64) -> Plain {
    Plain::Text(format!("the arguments or the result of task {i}"))
}

/// A board with one batch of tasks, and both.
fn pool<H: Host>(heap: &Heap<H>, tasks: u64) -> (RawBoard<H>, RawBatch<H>) {
    let board = RawBoard::create(heap, 8).unwrap();
    let function = heap.prepare_int(77).unwrap();
    let batch = RawBatch::create(heap, tasks, 5, 1, function).unwrap();
    board.publish(&batch).unwrap();
    (board, batch)
}

/// Does tasks until none is found.
fn work(heap: &Heap<Sim>, board: (u64, u64), id: u32) {
    let board = RawBoard::from_object(ObjectRef::from_token(heap, board).unwrap()).unwrap();
    let mut worker = RawWorker::new(board, id);
    let mut out = Fetch::new();
    while let Some(found) = worker.take().unwrap() {
        let batch = worker.batch().unwrap();
        assert_eq!(
            plain(batch.function(&mut out).unwrap(), &mut out),
            Plain::Int(77)
        );
        let given = plain(batch.get(found.task, &mut out).unwrap(), &mut out);
        assert_eq!(given, text(found.task as i64));
        let mut result = prepare(heap, &text(found.task as i64 + 1000)).unwrap();
        assert!(
            worker
                .finish(found.task, Outcome::Returned, &mut result)
                .unwrap()
        );
    }
}

/// Collects what is finished into `done`, and checks each result.
fn collect(batch: &RawBatch<Sim>, done: &mut BTreeSet<u64>) {
    let mut finished = Vec::new();
    batch.finished(|task| finished.push(task));
    let mut out = Fetch::new();
    for task in finished {
        if batch.settle(task).unwrap().is_some() {
            let result = plain(batch.get(task, &mut out).unwrap(), &mut out);
            assert_eq!(result, text(task as i64 + 1000));
            batch.clear(task).unwrap();
            assert!(done.insert(task), "task {task} was collected twice");
        }
    }
}

/// Kills a worker at each of its stores; how many there were. One that is woken sleeps before there
/// are tasks.
fn kill_a_worker_everywhere(woken: bool) -> usize {
    let mut points = 0;
    for k in 0.. {
        let owner = heap();
        owner.join().unwrap();
        let (board, batch) = pool(&owner, 4);
        let add = || {
            if batch.count() == 0 {
                let tasks: Vec<Plain> = (0..4).map(text).collect();
                batch.add(&mut prepare_all(&owner, &tasks)).unwrap();
                board.ring(4);
                board.drain();
            }
        };
        if !woken {
            add();
        }
        let token = board.object().token();
        let victim = sibling(&owner, 2);
        victim.join().unwrap();
        victim.host().crash_at(k);
        // Asked for after each sleep.
        let check = || {
            add();
            Ok(())
        };
        let ended = catch_unwind(AssertUnwindSafe(|| {
            with_check(&check, || work(&victim, token, 1));
        }));
        victim.host().no_crash();
        match ended {
            Ok(()) => break,
            Err(payload) if payload.is::<Crash>() => points += 1,
            Err(other) => std::panic::resume_unwind(other),
        }
        owner.recover();
        let lost = batch.orphaned(1);
        assert!(lost.len() <= 1, "lost {lost:?} at store {k}");
        let mut done = BTreeSet::new();
        collect(&batch, &mut done);
        add();
        work(&sibling(&owner, 3), token, 2);
        collect(&batch, &mut done);
        let all: BTreeSet<u64> = done.iter().chain(&lost).copied().collect();
        assert_eq!(all, (0..4).collect(), "store {k}");
        assert_eq!(done.len() + lost.len(), 4, "store {k}");
        board.retire(0).unwrap();
        drop((board, batch));
        let report = owner.check();
        assert!(
            report.errors.is_empty() && report.pending == 0,
            "store {k}: {report:#?}"
        );
    }
    points
}

#[test]
fn a_worker_killed_at_any_store_costs_at_most_the_task_at_hand() {
    let awake = kill_a_worker_everywhere(false);
    assert!(awake > 60, "only {awake} points");
    let woken = kill_a_worker_everywhere(true);
    // Two for its sleep, one for the place where it begins.
    assert!(
        woken >= awake + 3,
        "{woken} points, {awake} without a sleep"
    );
}

#[test]
fn an_owner_killed_at_any_store_leaves_a_sound_heap() {
    let act = |heap: &Heap<Sim>| {
        let (board, batch) = pool(heap, 3);
        batch
            .add(&mut prepare_all(heap, &[text(0), text(1)]))
            .unwrap();
        assert!(batch.cancel(1).unwrap());
        board.ring(1);
        board.retire(0).unwrap();
    };
    for k in 0.. {
        let survivor = heap();
        survivor.join().unwrap();
        let victim = sibling(&survivor, 2);
        victim.join().unwrap();
        victim.host().crash_at(k);
        let ended = catch_unwind(AssertUnwindSafe(|| act(&victim)));
        victim.host().no_crash();
        if ended.is_ok() {
            assert!(k > 40);
            return;
        }
        survivor.recover();
        let report = survivor.check();
        assert!(
            report.errors.is_empty() && report.pending == 0,
            "store {k}: {report:#?}"
        );
    }
}

#[test]
fn steps_that_come_too_late_change_nothing() {
    let owner = heap();
    let (board, batch) = pool(&owner, 3);
    batch
        .add(&mut prepare_all(&owner, &[text(0), text(1), text(2)]))
        .unwrap();
    let mut worker = RawWorker::new(board.clone(), 3);
    let found = worker.take().unwrap().unwrap();
    assert_eq!((found.task, found.new_batch), (0, true));
    let row = board.look(3);
    assert_eq!((row.task, row.done), ((5 << 32) + 1, 0));
    assert!(!batch.cancel(0).unwrap(), "it was begun");
    assert!(!batch.give_up(0, 4).unwrap(), "another does it");
    assert!(batch.give_up(0, 3).unwrap());
    let mut result = prepare(&owner, &text(1000)).unwrap();
    assert!(!worker.finish(0, Outcome::Returned, &mut result).unwrap());
    assert_eq!(board.done(), 0);
    assert!(batch.cancel(1).unwrap());
    assert_eq!(worker.take().unwrap().map(|found| found.task), Some(2));
    let mut raised = prepare(&owner, &text(1002)).unwrap();
    assert!(worker.finish(2, Outcome::Raised, &mut raised).unwrap());
    assert_eq!((board.done(), board.look(3).done), (1, 2));
    assert_eq!(batch.settle(2).unwrap(), Some(Outcome::Raised));
    assert_eq!(batch.settle(2).unwrap(), None);
    assert!(matches!(
        batch.settle(3),
        Err(Error::IndexOutOfRange { .. })
    ));
    assert!(
        batch.add(&mut prepare_all(&owner, &[text(3)])).is_err(),
        "no room"
    );
}

#[test]
fn dismissed_and_orphaned_workers_end() {
    let owner = heap();
    owner.join().unwrap();
    let (board, batch) = pool(&owner, 2);
    batch.add(&mut prepare_all(&owner, &[text(0)])).unwrap();
    board.dismiss(1);
    assert_eq!(RawWorker::new(board.clone(), 1).take().unwrap(), None);
    board.reset(1);
    let other = sibling(&owner, 2);
    let token = board.object().token();
    let theirs = RawBoard::from_object(ObjectRef::from_token(&other, token).unwrap()).unwrap();
    let mut worker = RawWorker::new(theirs, 1);
    assert!(worker.take().unwrap().is_some());
    owner.host().die();
    assert_eq!(worker.take().unwrap(), None, "nobody wants its work");
}

#[test]
fn a_wait_of_the_owner_ends_with_what_it_wants_or_the_time() {
    let owner = heap();
    let (board, batch) = pool(&owner, 2);
    batch
        .add(&mut prepare_all(&owner, &[text(0), text(1)]))
        .unwrap();
    let before = board.now();
    board.wait(1, Duration::from_millis(120)).unwrap();
    assert!(board.now() - before >= 120_000_000);
    let mut worker = RawWorker::new(board.clone(), 0);
    let found = worker.take().unwrap().unwrap();
    let mut result = prepare(&owner, &text(1000)).unwrap();
    assert!(
        worker
            .finish(found.task, Outcome::Returned, &mut result)
            .unwrap()
    );
    let before = board.now();
    board.wait(1, Duration::from_secs(100)).unwrap();
    assert!(board.now() - before < 1_000_000_000);
}

#[test]
fn threads_take_every_task_once() {
    let heap = Heap::builder().limit(64 << 20).create().unwrap();
    let n = 20_000;
    let (board, batch) = pool(&heap, n);
    let done: Vec<u64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|id| {
                let board = board.clone();
                scope.spawn(move || {
                    let mut worker = RawWorker::new(board, id);
                    let mut tasks = Vec::new();
                    while let Some(found) = worker.take().unwrap() {
                        let heap = worker.batch().unwrap().object().heap().clone();
                        let mut result = heap.prepare_int(found.task as i64).unwrap();
                        assert!(
                            worker
                                .finish(found.task, Outcome::Returned, &mut result)
                                .unwrap()
                        );
                        tasks.push(found.task);
                    }
                    tasks
                })
            })
            .collect();
        for first in (0..n).step_by(500) {
            let mut group: Vec<_> = (first..first + 500)
                .map(|i| heap.prepare_int(i as i64).unwrap())
                .collect();
            batch.add(&mut group).unwrap();
            board.ring(3);
        }
        board.wait(n, Duration::from_secs(60)).unwrap();
        board.drain();
        workers
            .into_iter()
            .flat_map(|w| w.join().unwrap())
            .collect()
    });
    assert_eq!(done.len(), n as usize);
    assert_eq!(done.into_iter().collect::<BTreeSet<_>>().len(), n as usize);
    let mut out = Fetch::new();
    let mut seen = 0;
    batch.finished(|task| {
        assert_eq!(
            batch.get(task, &mut out).unwrap(),
            Cell::int(task as i64).unwrap()
        );
        seen += 1;
    });
    assert_eq!(seen, n);
}

#[test]
fn a_worker_keeps_the_order_in_which_calls_were_made() {
    const CALLS: usize = 6_000;
    let heap = Heap::builder().limit(64 << 20).create().unwrap();
    let board = RawBoard::create(&heap, 1).unwrap();
    let taken = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut worker = RawWorker::new(board.clone(), 0);
            let mut taken = Vec::new();
            while let Some(found) = worker.take().unwrap() {
                let batch = worker.batch().unwrap().clone();
                taken.push((batch.number(), found.task));
                let mut result = heap.prepare_int(0).unwrap();
                worker
                    .finish(found.task, Outcome::Returned, &mut result)
                    .unwrap();
            }
            taken
        });
        // As a pool's owner: two calls and then another batch, and what is done is taken out.
        let mut batches: Vec<RawBatch> = Vec::new();
        let (mut calls, mut given) = (0, 0);
        while calls < CALLS {
            let function = heap.prepare_int(1).unwrap();
            let batch = RawBatch::create(&heap, 2, batches.len() as u64, 0, function).unwrap();
            board.publish(&batch).unwrap();
            for _ in 0..2 {
                let task = &mut [heap.prepare_int(calls as i64).unwrap()];
                batch.add(task).unwrap();
                board.ring(1);
                calls += 1;
            }
            batches.push(batch);
            // Batches in front whose tasks were all taken go, as long as that is soon seen.
            while given < batches.len() && board.done() >= 2 * (given as u64 + 1) {
                board.retire(0).unwrap();
                given += 1;
            }
        }
        board.drain();
        worker.join().unwrap()
    });
    let wanted: Vec<_> = (0..CALLS as u64).map(|i| (i / 2, i % 2)).collect();
    assert_eq!(taken, wanted);
}

#[test]
fn damaged_words_give_errors() {
    for number in 0..300u64 {
        let owner = heap();
        owner.join().unwrap();
        let (board, batch) = pool(&owner, 6);
        let tasks: Vec<Plain> = (0..5).map(text).collect();
        batch.add(&mut prepare_all(&owner, &tasks)).unwrap();
        let (b, t) = (board.object().token(), batch.object().token());
        let damaged = support::copy(&owner, 7);
        damaged.join().unwrap();
        let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..3 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let off = (132 * 1024 + random % (64 * 1024)) & !7;
            let value = [0, u64::MAX, random, random >> 44, 1 << 56][(random >> 33) as usize % 5];
            damaged.host().poke(off, value);
        }
        let done = catch_unwind(AssertUnwindSafe(|| {
            let Ok(object) = ObjectRef::from_token(&damaged, b) else {
                return;
            };
            let Ok(board) = RawBoard::from_object(object) else {
                return;
            };
            board.drain();
            let mut worker = RawWorker::new(board.clone(), 1);
            for _ in 0..8 {
                let Ok(Some(found)) = worker.take() else {
                    break;
                };
                let mut value = damaged.prepare_int(1).unwrap();
                let _ = worker.finish(found.task, Outcome::Returned, &mut value);
            }
            let Ok(object) = ObjectRef::from_token(&damaged, t) else {
                return;
            };
            let Ok(batch) = RawBatch::from_object(object) else {
                return;
            };
            let mut finished = Vec::new();
            batch.finished(|task| finished.push(task));
            for task in finished {
                let _ = batch.settle(task);
                let _ = batch.get(task, &mut Fetch::new());
                let _ = batch.clear(task);
            }
            let _ = (batch.orphaned(1), batch.cancel(2), board.retire(0));
        }));
        if let Err(payload) = done {
            let said = payload
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                .unwrap_or_default();
            assert!(said.contains("damaged heap"), "case {number}: {said}");
        }
    }
}
