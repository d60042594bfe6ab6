//! The programs on the threads, mutexes and atomics of Rust's standard library.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Barrier, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;

use super::identifiers::{self, Counts};
use super::work::{
    COMPUTERS, EACH, PLACES, PRIMES_BELOW, QUICK_PRIMES_BELOW, VISITORS, WORKERS, count_primes,
    each_of_many, runs, stay, timed,
};
use super::{Error, Task, data, json, unknown};
use crate::tour::findings::{
    Identifiers, Length, Lengths, Semaphore, SharedArray, ThreadsAndProcesses,
};

/// Runs one program.
pub(super) fn run(name: &str, task: &Task) -> Result<Value, Error> {
    match name {
        "separate_memory" => json(plain_list()),
        "manager_list" => json(shared_list()),
        "shared_array" => json(shared_array()),
        "race" => json(race(task.pick(20, 3), 40, || race_once(EACH, false))?),
        "race_at_once" => many(task, |rounds| race_once(rounds, true)),
        "lock" => many(task, locked_once),
        "one_call" => many(task, one_call_once),
        "semaphore" => json(semaphore(task)),
        "threads_and_processes" => json(ten_threads(task.pick(PRIMES_BELOW, QUICK_PRIMES_BELOW))),
        "count_identifiers" => json(count_identifiers(task)?),
        _ => Err(unknown(name)),
    }
}

/// A lock without poison: a thread which panics ends the program anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the body in so many threads and waits for all of them.
fn in_threads(threads: u32, body: impl Fn(u32) + Sync) {
    thread::scope(|scope| {
        for i in 0..threads {
            let body = &body;
            scope.spawn(move || body(i));
        }
    });
}

fn plain_list() -> Length {
    let list = Mutex::new(Vec::new());
    let (seconds, ()) = timed(|| in_threads(WORKERS, |_| lock(&list).extend(0..EACH)));
    Length {
        length: lock(&list).len() as u64,
        seconds,
        operation_seconds: None,
    }
}

fn shared_list() -> Length {
    let length = plain_list();
    let list = Mutex::new(Vec::new());
    let each = each_of_many(|i| {
        lock(&list).push(i);
        Ok::<_, io::Error>(())
    });
    Length {
        operation_seconds: each.ok(),
        ..length
    }
}

fn shared_array() -> SharedArray {
    let array: Vec<AtomicI32> = (0..WORKERS * EACH).map(|_| AtomicI32::new(0)).collect();
    let write = |at: u32, value: u32| {
        let value = i32::try_from(value).unwrap_or(i32::MAX);
        array[at as usize].store(value, Ordering::SeqCst);
    };
    let (seconds, ()) = timed(|| {
        in_threads(WORKERS, |first| {
            (0..EACH).for_each(|i| write(first * EACH + i, i))
        })
    });
    let sum = array
        .iter()
        .map(|number| number.load(Ordering::SeqCst))
        .sum::<i32>();
    let each = each_of_many(|i| {
        write(i % 40, i);
        Ok::<_, io::Error>(())
    });
    SharedArray {
        length: array.len() as u64,
        sum: sum.unsigned_abs().into(),
        seconds,
        operation_seconds: each.unwrap_or_default(),
    }
}

fn race(times: u32, expected: u64, once: impl Fn() -> u64) -> Result<Lengths, Error> {
    runs(times, expected, || Ok(once()))
}

/// Several runs of many rounds which begin together.
fn many(task: &Task, once: impl Fn(u32) -> u64) -> Result<Value, Error> {
    let (times, rounds) = task.pick((10, 5000), (3, 5000));
    json(race(times, u64::from(WORKERS * rounds), || once(rounds))?)
}

/// Reads, changes and writes back, with the lock held for each step but not from one to the next.
fn race_once(rounds: u32, together: bool) -> u64 {
    let list = Mutex::new(Vec::new());
    let barrier = Barrier::new(if together { WORKERS as usize } else { 1 });
    in_threads(WORKERS, |_| {
        barrier.wait();
        for i in 0..rounds {
            let mut current = lock(&list).clone();
            current.push(i);
            *lock(&list) = current;
        }
    });
    lock(&list).len() as u64
}

fn locked_once(rounds: u32) -> u64 {
    let list = Mutex::new(Vec::new());
    let barrier = Barrier::new(WORKERS as usize);
    in_threads(WORKERS, |_| {
        barrier.wait();
        for i in 0..rounds {
            let mut held = lock(&list);
            let mut current = held.clone();
            current.push(i);
            *held = current;
        }
    });
    lock(&list).len() as u64
}

fn one_call_once(rounds: u32) -> u64 {
    let (hits, list) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let barrier = Barrier::new(WORKERS as usize);
    in_threads(WORKERS, |_| {
        barrier.wait();
        for i in 0..rounds {
            hits.fetch_add(1, Ordering::SeqCst);
            lock(&list).push(i);
        }
    });
    hits.into_inner().min(lock(&list).len() as u64)
}

/// There is no semaphore in the standard library; a counter with a condition is one.
fn semaphore(task: &Task) -> Semaphore {
    let (inside, freed) = (Mutex::new(0), Condvar::new());
    let most = AtomicU64::new(0);
    let (seconds, ()) = timed(|| {
        in_threads(VISITORS as u32, |_| {
            let wait = freed.wait_while(lock(&inside), |inside| *inside >= PLACES);
            let mut entered = wait.unwrap_or_else(PoisonError::into_inner);
            *entered += 1;
            most.fetch_max(*entered, Ordering::SeqCst);
            drop(entered);
            thread::sleep(stay(task.quick));
            *lock(&inside) -= 1;
            freed.notify_one();
        });
    });
    let left = *lock(&inside);
    Semaphore {
        processes: VISITORS,
        places: PLACES,
        most: most.into_inner(),
        left,
        seconds,
    }
}

fn ten_threads(limit: u64) -> ThreadsAndProcesses {
    let (serial_seconds, serial) =
        timed(|| (0..COMPUTERS).map(|_| count_primes(limit)).sum::<u64>());
    let (threads_seconds, (threads_only_started_seconds, threads)) =
        timed(|| primes_with_threads(limit));
    ThreadsAndProcesses {
        primes: vec![serial, threads],
        serial_seconds,
        threads_seconds,
        threads_only_started_seconds,
        processes_seconds: None,
        seconds: threads_seconds,
    }
}

/// The seconds until all were started, and the primes which all have counted.
pub(super) fn primes_with_threads(limit: u64) -> (f64, u64) {
    let total = AtomicU64::new(0);
    let only_started = thread::scope(|scope| {
        let (only_started, ()) = timed(|| {
            for _ in 0..COMPUTERS {
                scope.spawn(|| total.fetch_add(count_primes(limit), Ordering::SeqCst));
            }
        });
        only_started
    });
    (only_started, total.into_inner())
}

fn count_identifiers(task: &Task) -> Result<Identifiers, Error> {
    let files = files(task)?;
    let threads = processors();
    let mut ways = Ways::default();
    ways.count("serial", || Ok(identifiers::count_files(&files)?))?;
    ways.count("threads", || Ok(count_with_threads(&files, threads)?))?;
    Ok(ways.finding(files.len(), threads))
}

/// The files to count in.
pub(super) fn files(task: &Task) -> Result<Vec<PathBuf>, Error> {
    Ok(identifiers::library_files(
        data(task)?,
        task.pick(None, Some(40)),
    )?)
}

/// As many as can compute at the same time, but never one alone.
pub(super) fn processors() -> usize {
    thread::available_parallelism()
        .map_or(2, usize::from)
        .max(2)
}

/// The count by threads, each with its share of the files.
pub(super) fn count_with_threads(files: &[PathBuf], threads: usize) -> io::Result<Counts> {
    let together = Mutex::new(Counts::new());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|i| {
                let together = &together;
                scope.spawn(move || {
                    let mine = identifiers::count_files(files.iter().skip(i).step_by(threads))?;
                    identifiers::merge(&mut lock(together), mine);
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
    .map(|()| {
        together
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    })
}

/// What counting in several ways brought.
#[derive(Default)]
pub(super) struct Ways {
    digests: BTreeMap<String, u32>,
    seconds: BTreeMap<String, f64>,
    last: (f64, Counts),
}

impl Ways {
    /// Counts in one more way.
    pub(super) fn count(
        &mut self,
        way: &str,
        count: impl FnOnce() -> Result<Counts, Error>,
    ) -> Result<(), Error> {
        let (seconds, counts) = timed(count);
        let counts = counts?;
        self.digests
            .insert(way.to_owned(), identifiers::digest(&counts));
        self.seconds.insert(way.to_owned(), seconds);
        self.last = (seconds, counts);
        Ok(())
    }

    /// The finding, with the time of the last way.
    pub(super) fn finding(self, files: usize, workers: usize) -> Identifiers {
        let (seconds, counts) = self.last;
        let mut most_common: Vec<_> = counts.iter().map(|(name, n)| (name.clone(), *n)).collect();
        most_common.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        most_common.truncate(3);
        Identifiers {
            files: files as u64,
            identifiers: counts.values().sum(),
            different: counts.len() as u64,
            most_common,
            workers: workers as u64,
            digests: self.digests,
            way_seconds: self.seconds,
            seconds,
        }
    }
}
