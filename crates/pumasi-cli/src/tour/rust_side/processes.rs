//! The programs on pumasi: processes which share lists, dicts, arrays and locks.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use pumasi::process::{Call, Child};
use pumasi::sync::LockError;
use pumasi::{Array, Dict, Event, List, Lock, Semaphore, Value};
use serde_json::Value as Json;

use super::identifiers::{self, Counts};
use super::threads::{Ways, count_with_threads, files, primes_with_threads, processors};
use super::work::{
    COMPUTERS, EACH, PLACES, PRIMES_BELOW, QUICK_PRIMES_BELOW, VISITORS, WORKERS, count_primes,
    each_of_many, runs, stay, timed,
};
use super::{Error, Task, json, unknown};
use crate::embedding::Embedding;
use crate::tour::findings::{
    Identifiers, KilledHolder, Length, Lengths, Semaphore as Visits, SharedArray,
    ThreadsAndProcesses,
};

/// What a child's task returns.
type Done = pumasi::Result<()>;

/// Runs one program.
pub(super) fn run(name: &str, task: &Task, _embedding: &Embedding) -> Result<Json, Error> {
    match name {
        "separate_memory" => json(separate_memory()?),
        "manager_list" => json(shared_list()?),
        "shared_array" => json(shared_array()?),
        "race" => json(race(task.pick(20, 3))?),
        "race_at_once" => many(task, |rounds| together(rounds, race_together::call)),
        "lock" => many(task, locked_once),
        "one_call" => many(task, one_call_once),
        "semaphore" => json(semaphore(task)?),
        "threads_and_processes" => json(threads_and_processes(
            task.pick(PRIMES_BELOW, QUICK_PRIMES_BELOW),
        )?),
        "killed_holder" => json(killed_holder()?),
        "count_identifiers" => json(count_identifiers(task)?),
        _ => Err(unknown(name)),
    }
}

/// Starts a process for each call and waits for all of them.
fn in_processes(calls: impl IntoIterator<Item = Call<Done>>) -> Result<(), Error> {
    let start = |call| pumasi::process::Builder::new().spawn(call);
    let children: Vec<Child<Done>> = calls.into_iter().map(start).collect::<Result<_, _>>()?;
    for child in children {
        child.join()??;
    }
    Ok(())
}

// ---- separate and shared memory ----------------------------------------------------------------

/// Changes in a process of its own, like every variable of the child.
static OWN: AtomicU64 = AtomicU64::new(0);

#[pumasi::task]
fn append_to_own(each: u32) -> Done {
    OWN.fetch_add(each.into(), Ordering::Relaxed);
    Ok(())
}

fn separate_memory() -> Result<Length, Error> {
    let (seconds, done) = timed(|| in_processes((0..WORKERS).map(|_| append_to_own::call(EACH))));
    done?;
    Ok(Length {
        length: OWN.load(Ordering::Relaxed),
        seconds,
        operation_seconds: None,
    })
}

#[pumasi::task]
fn append(list: List<u32>) -> Done {
    (0..EACH).try_for_each(|i| list.push(i))
}

fn shared_list() -> Result<Length, Error> {
    let list = List::new()?;
    let (seconds, done) = timed(|| in_processes((0..WORKERS).map(|_| append::call(list.clone()))));
    done?;
    let measured = List::<u32>::new()?;
    Ok(Length {
        length: list.len()? as u64,
        seconds,
        operation_seconds: Some(each_of_many(|i| measured.push(i))?),
    })
}

#[pumasi::task]
fn write_ten(array: Array<i32>, first: u32) -> Done {
    (0..EACH).try_for_each(|i| array.set((first * EACH + i) as usize, i.cast_signed()))
}

fn shared_array() -> Result<SharedArray, Error> {
    let array = Array::filled((WORKERS * EACH) as usize, 0i32)?;
    let (seconds, done) =
        timed(|| in_processes((0..WORKERS).map(|first| write_ten::call(array.clone(), first))));
    done?;
    let sum: i32 = array.to_vec()?.iter().sum();
    let operation_seconds = each_of_many(|i| array.set((i % 40) as usize, i.cast_signed()))?;
    Ok(SharedArray {
        length: array.len() as u64,
        sum: sum.unsigned_abs().into(),
        seconds,
        operation_seconds,
    })
}

// ---- races -------------------------------------------------------------------------------------

/// Where processes meet before they begin, so that their work overlaps.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Start {
    there: Value<u32>,
    go: Event,
}

impl Start {
    fn new() -> pumasi::Result<Start> {
        Ok(Start {
            there: Value::new(0)?,
            go: Event::new()?,
        })
    }

    /// Waits until all are there; the last one to come lets them begin.
    fn wait(&self) -> Done {
        if self.there.fetch_add(1)? + 1 == WORKERS {
            self.go.set();
        }
        self.go.wait()
    }
}

/// Reads the list, changes the copy and writes it back.
fn append_to_a_copy(list: &List<u32>, i: u32) -> Done {
    let mut current = list.to_vec()?;
    current.push(i);
    list.splice(.., current)
}

#[pumasi::task]
fn race_alone(list: List<u32>) -> Done {
    (0..EACH).try_for_each(|i| append_to_a_copy(&list, i))
}

#[pumasi::task]
fn race_together(list: List<u32>, start: Start, rounds: u32) -> Done {
    start.wait()?;
    (0..rounds).try_for_each(|i| append_to_a_copy(&list, i))
}

fn race(times: u32) -> Result<Lengths, Error> {
    runs(times, u64::from(WORKERS * EACH), || {
        let list = List::new()?;
        in_processes((0..WORKERS).map(|_| race_alone::call(list.clone())))?;
        Ok(list.len()? as u64)
    })
}

/// Several runs of many rounds which begin together.
fn many(task: &Task, mut once: impl FnMut(u32) -> Result<u64, Error>) -> Result<Json, Error> {
    let (times, rounds) = task.pick((10, 600), (3, 800));
    json(runs(times, u64::from(WORKERS * rounds), || once(rounds))?)
}

/// Has four processes begin together; the length of the list which they leave behind.
fn together(rounds: u32, call: impl Fn(List<u32>, Start, u32) -> Call<Done>) -> Result<u64, Error> {
    let (list, start) = (List::new()?, Start::new()?);
    in_processes((0..WORKERS).map(|_| call(list.clone(), start.clone(), rounds)))?;
    Ok(list.len()? as u64)
}

#[pumasi::task]
fn append_locked(list: List<u32>, start: Start, rounds: u32, lock: Lock) -> Done {
    start.wait()?;
    for i in 0..rounds {
        let _guard = lock.acquire()?;
        append_to_a_copy(&list, i)?;
    }
    Ok(())
}

fn locked_once(rounds: u32) -> Result<u64, Error> {
    let lock = Lock::new()?;
    together(rounds, |list, start, rounds| {
        append_locked::call(list, start, rounds, lock.clone())
    })
}

#[pumasi::task]
fn append_by_one_call(
    list: List<u32>,
    start: Start,
    rounds: u32,
    counts: Dict<String, u64>,
) -> Done {
    start.wait()?;
    for i in 0..rounds {
        counts.add("hits", 1)?;
        list.push(i)?;
    }
    Ok(())
}

fn one_call_once(rounds: u32) -> Result<u64, Error> {
    let counts = Dict::<String, u64>::new()?;
    let length = together(rounds, |list, start, rounds| {
        append_by_one_call::call(list, start, rounds, counts.clone())
    })?;
    Ok(counts.get("hits")?.unwrap_or(0).min(length))
}

// ---- who is let in, and who dies inside --------------------------------------------------------

#[pumasi::task]
fn visit(places: Semaphore, inside: Value<[u64; 2]>, quick: bool) -> Done {
    let _place = places.acquire()?;
    inside.update(|[now, most]| {
        *now += 1;
        *most = (*most).max(*now);
    })?;
    thread::sleep(stay(quick));
    inside.update(|[now, _]| *now -= 1)
}

fn semaphore(task: &Task) -> Result<Visits, Error> {
    let places = Semaphore::new(u32::try_from(PLACES)?)?;
    let inside = Value::new([0, 0])?;
    let visit = |_| visit::call(places.clone(), inside.clone(), task.quick);
    let (seconds, done) = timed(|| in_processes((0..VISITORS).map(visit)));
    done?;
    let [left, most] = inside.get()?;
    Ok(Visits {
        processes: VISITORS,
        places: PLACES,
        most,
        left,
        seconds,
    })
}

#[pumasi::task]
fn hold_for_ever(lock: Lock, held: Event) -> Done {
    let _guard = lock.acquire()?;
    held.set();
    loop {
        // Until the parent kills this process.
        thread::park();
    }
}

/// How long the parent waits for a lock which, it might be, nobody will ever release.
const PATIENCE: Duration = Duration::from_secs(2);

fn killed_holder() -> Result<KilledHolder, Error> {
    let (lock, held) = (Lock::new()?, Event::new()?);
    let mut worker = hold_for_ever::spawn(lock.clone(), held.clone())?;
    held.wait()?;
    worker.kill()?;
    let worker_pid = worker.pid();
    // It is dead now, and joining says of what.
    let ended = worker.join();
    if let Ok(done) = ended {
        return Err(format!("the worker was to be killed and returned {done:?}").into());
    }
    let (seconds, acquired) = timed(|| lock.acquire_timeout(PATIENCE));
    let (acquired, death) = match acquired {
        Ok(guard) => (guard.is_some(), None),
        Err(LockError::Abandoned(abandoned)) => {
            let death = abandoned.death();
            drop(abandoned.accept());
            (true, Some(death))
        }
        Err(LockError::Failed(error)) => return Err(error.into()),
    };
    Ok(KilledHolder {
        acquired,
        patience_seconds: PATIENCE.as_secs_f64(),
        worker_pid: worker_pid.into(),
        told_by: death
            .map(|_| "LockError::Abandoned".to_owned())
            .into_iter()
            .collect(),
        dead_pid: death.map(|death| death.pid.into()),
        dead_signal: death.and_then(|death| death.signal).map(i64::from),
        seconds,
    })
}

// ---- computing ---------------------------------------------------------------------------------

#[pumasi::task]
fn add_primes(total: Value<u64>, limit: u64) -> Done {
    total.fetch_add(count_primes(limit)).map(drop)
}

fn threads_and_processes(limit: u64) -> Result<ThreadsAndProcesses, Error> {
    let (serial_seconds, serial) =
        timed(|| (0..COMPUTERS).map(|_| count_primes(limit)).sum::<u64>());
    let (threads_seconds, (threads_only_started_seconds, threads)) =
        timed(|| primes_with_threads(limit));
    let total = Value::new(0)?;
    let (processes_seconds, done) =
        timed(|| in_processes((0..COMPUTERS).map(|_| add_primes::call(total.clone(), limit))));
    done?;
    Ok(ThreadsAndProcesses {
        primes: vec![serial, threads, total.get()?],
        serial_seconds,
        threads_seconds,
        threads_only_started_seconds,
        processes_seconds: Some(processes_seconds),
        seconds: processes_seconds,
    })
}

#[pumasi::task]
fn add_each_file(shared: Dict<String, u64>, mine: Vec<PathBuf>) -> Result<(), String> {
    for path in mine {
        let counts = identifiers::count_file(&path).map_err(|error| error.to_string())?;
        for (name, n) in counts {
            shared.add(name, n).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

fn count_with_shared_dict(files: &[PathBuf], workers: usize) -> Result<Counts, Error> {
    let shared = Dict::new()?;
    let share = |i| files.iter().skip(i).step_by(workers).cloned().collect();
    let children: Vec<_> = (0..workers)
        .map(|i| add_each_file::spawn(shared.clone(), share(i)))
        .collect::<Result<_, _>>()?;
    for child in children {
        child.join()??;
    }
    Ok(shared.to_map()?)
}

fn count_identifiers(task: &Task) -> Result<Identifiers, Error> {
    let files = files(task)?;
    let workers = processors();
    let mut ways = Ways::default();
    ways.count("serial", || Ok(identifiers::count_files(&files)?))?;
    ways.count("threads", || Ok(count_with_threads(&files, workers)?))?;
    ways.count("shared_dict", || count_with_shared_dict(&files, workers))?;
    Ok(ways.finding(files.len(), workers))
}
