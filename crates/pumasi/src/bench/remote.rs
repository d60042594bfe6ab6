//! Workers that are processes, kept for many passes.
//!
//! Each is this program started anew with the task of this file, and then calls the task that is
//! measured, as often as it is told to. Calls and results lie in two shared lists; which call is
//! next is a number that all workers count up. So nobody waits for another to hand something out,
//! and a large input or result is copied into shared memory and out of it, once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::containers::{Array, Queue, RawList, Value};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::object::ObjectRef;
use crate::heap::value::Fetch;
use crate::process::{Builder, Call, Child, JoinError, Refusal, Unpacking, find_task, run_here};

use super::crew::{Busy, Crew, Stopped, Work, chunk_size};
use super::record::{Pass, Spent};
use super::system::{Clock, Meter, Thread, process_cpu, this_thread, thread_cpu};

/// How often a waiting parent looks whether its workers live.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The numbers that a worker reports: wall, cpu, waited, serialising, and the cpu of all threads of
/// its process; at first its thread.
const NUMBERS: usize = 5;
const WORK: u64 = 1;
const LEAVE: u64 = 0;

/// What a worker is told at its start.
#[derive(Clone, Serialize, Deserialize)]
struct Seat {
    index: usize,
    /// The path of the task, and its place in the source.
    task: (String, String, u32, u32),
    calls: ObjectRef,
    results: ObjectRef,
    /// Calls are taken in pieces of so many, and how many pieces have been.
    chunk: usize,
    taken: Value<u64>,
    numbers: Array<f64>,
    busy: Array<u8>,
    orders: Queue<u64>,
    answers: Queue<u64>,
}

/// The processes.
pub(crate) struct Remote<T, R> {
    work: Arc<Work<T, R>>,
    call: Arc<dyn Fn(T) -> Call<R> + Send + Sync>,
    table: Table,
    seats: Vec<Seat>,
    children: Vec<Child<core::result::Result<(), String>>>,
    threads: Vec<Thread>,
    /// The results of the last pass, written down.
    found: Vec<R>,
}

/// The shared objects which all have in common.
struct Table {
    calls: RawList,
    results: RawList,
    taken: Value<u64>,
    numbers: Array<f64>,
    busy: Array<u8>,
    answers: Queue<u64>,
}

impl Table {
    fn new(workers: usize) -> Result<Table> {
        let heap = Heap::global()?;
        Ok(Table {
            calls: RawList::create(heap)?,
            results: RawList::create(heap)?,
            taken: Value::new(0)?,
            numbers: Array::filled(workers * NUMBERS, 0.0)?,
            busy: Array::filled(workers, 0)?,
            answers: Queue::new()?,
        })
    }
}

impl<T: Clone, R> Remote<T, R> {
    /// No process is started yet.
    pub(crate) fn new(
        work: &Arc<Work<T, R>>,
        call: &Arc<dyn Fn(T) -> Call<R> + Send + Sync>,
        workers: usize,
    ) -> Result<Remote<T, R>> {
        let table = Table::new(workers)?;
        let mut seats = Vec::new();
        for index in 0..workers {
            seats.push(Seat {
                index,
                task: Default::default(),
                calls: table.calls.object().clone(),
                results: table.results.object().clone(),
                chunk: chunk_size(work.inputs.len(), workers),
                taken: table.taken.clone(),
                numbers: table.numbers.clone(),
                busy: table.busy.clone(),
                orders: Queue::new()?,
                answers: table.answers.clone(),
            });
        }
        Ok(Remote {
            work: Arc::clone(work),
            call: Arc::clone(call),
            table,
            seats,
            children: Vec::new(),
            threads: Vec::new(),
            found: Vec::new(),
        })
    }

    /// Writes all calls down; returns their bytes.
    fn put_calls(&self) -> core::result::Result<u64, Stopped> {
        let heap = self.table.calls.object().heap();
        let (mut bytes, mut nothing) = (0, Vec::new());
        let first = self.table.calls.len().map_err(died)? == 0;
        for (position, input) in self.work.inputs.iter().enumerate() {
            let call = (self.call)(input.clone());
            let parcel = call.arguments.map_err(unsendable)?;
            bytes += parcel.bytes.len() as u64;
            let objects: Vec<&ObjectRef> = parcel.objects.iter().collect();
            let mut entry = heap
                .prepare_pickle(&parcel.bytes, &objects)
                .map_err(unsendable)?;
            if first {
                self.table.calls.push(&mut entry).map_err(died)?;
                nothing.push(heap.prepare_int(0).map_err(died)?);
            } else {
                let position = position as isize;
                self.table.calls.set(position, &mut entry).map_err(died)?;
            }
        }
        self.table.results.extend(&mut nothing).map_err(died)?;
        Ok(bytes)
    }

    /// Waits for an answer of each worker.
    fn answers(&mut self, deadline: Instant) -> core::result::Result<(), Stopped> {
        let mut missing = self.children.len();
        while missing > 0 {
            match self.table.answers.get_timeout(LOOK_EVERY) {
                Ok(Some(_)) => missing -= 1,
                Ok(None) => {
                    if let Some(dead) = self.children.iter_mut().position(|c| !c.is_alive()) {
                        return Err(ended(self.children.swap_remove(dead).join()));
                    }
                    if Instant::now() >= deadline {
                        return Err(Stopped::TooSlow);
                    }
                }
                Err(error) => return Err(died(error)),
            }
        }
        Ok(())
    }

    fn leave(&mut self) {
        for seat in &self.seats[..self.children.len()] {
            let _ = seat.orders.put(LEAVE);
        }
        for mut child in self.children.drain(..) {
            // A function that does not come back is not waited for.
            if matches!(child.join_timeout(Duration::from_secs(2)), Ok(None)) {
                let _ = child.kill();
                let _ = child.join();
            }
        }
    }

    fn numbers(&self, worker: usize) -> core::result::Result<[f64; NUMBERS], Stopped> {
        let mut found = [0.0; NUMBERS];
        for (offset, number) in found.iter_mut().enumerate() {
            let at = worker * NUMBERS + offset;
            *number = self.table.numbers.get(at).map_err(died)?;
        }
        Ok(found)
    }
}

impl<T, R> Remote<T, R>
where
    T: Clone,
    R: DeserializeOwned,
{
    fn once(
        &mut self,
        pass: &mut Pass,
        deadline: Instant,
    ) -> core::result::Result<Vec<Spent>, Stopped> {
        let began = Instant::now();
        pass.bytes_sent += self.put_calls()?;
        pass.serialising += began.elapsed().as_secs_f64();
        self.table.taken.set(0).map_err(died)?;
        for seat in &self.seats {
            seat.orders.put(WORK).map_err(died)?;
        }
        self.answers(deadline)?;
        let mut spent = Vec::new();
        for worker in 0..self.seats.len() {
            let [wall, cpu, waited, serialising, process] = self.numbers(worker)?;
            pass.process_cpu += process;
            spent.push(Spent {
                wall,
                cpu,
                waited,
                serialising,
                moving: 0.0,
            });
        }
        let back = Instant::now();
        self.found.clear();
        let mut fetch = Fetch::new();
        for position in 0..self.work.inputs.len() {
            let read = self.table.results.get(position as isize, &mut fetch);
            read.map_err(died)?;
            let bytes = fetch.to_vec();
            pass.bytes_received += bytes.len() as u64;
            self.found
                .push(Unpacking::only(bytes).map_err(Stopped::Unsendable)?);
        }
        pass.serialising += back.elapsed().as_secs_f64();
        Ok(spent)
    }
}

impl<T, R> Crew<R> for Remote<T, R>
where
    T: Clone + Send + Sync + 'static,
    R: DeserializeOwned + Send + 'static,
{
    fn start(&mut self, patience: Duration) -> core::result::Result<f64, Stopped> {
        let deadline = Instant::now() + patience;
        self.leave();
        // There is at least one input.
        let task = (self.call)(self.work.inputs[0].clone()).task;
        let place = task.place;
        for seat in &mut self.seats {
            let file = place.file.to_owned();
            seat.task = (task.name.to_owned(), file, place.line, place.column);
            let child = Builder::new()
                .name("pumasi bench")
                .daemon(true)
                .spawn(worker::call(seat.clone()))
                .map_err(died)?;
            self.children.push(child);
        }
        self.answers(deadline)?;
        self.threads.clear();
        let mut queued = 0.0;
        for worker in 0..self.seats.len() {
            let [process, thread, waited, ..] = self.numbers(worker)?;
            self.threads.push((process as u32, thread as u32));
            queued = f64::max(queued, waited);
        }
        Ok(queued)
    }

    fn run(&mut self, loops: u32, patience: Duration) -> core::result::Result<Pass, Stopped> {
        let deadline = Instant::now() + patience;
        let (clock, own) = (Clock::new(), thread_cpu());
        let before = clock.waited();
        let mut workers = vec![Spent::default(); self.seats.len()];
        let mut pass = Pass::default();
        let began = Instant::now();
        for _ in 0..loops {
            let spent = self.once(&mut pass, deadline)?;
            workers
                .iter_mut()
                .zip(spent)
                .for_each(|(all, one)| all.add(one));
        }
        let passes = f64::from(loops);
        pass.seconds = began.elapsed().as_secs_f64() / passes;
        pass.host_waited = (clock.waited() - before) / passes;
        pass.host_cpu = (thread_cpu() - own) / passes;
        pass.process_cpu /= passes;
        pass.serialising /= passes;
        pass.bytes_sent /= u64::from(loops);
        pass.bytes_received /= u64::from(loops);
        pass.workers = workers.into_iter().map(|spent| spent.over(loops)).collect();
        Ok(pass)
    }

    fn results(&mut self) -> Vec<R> {
        core::mem::take(&mut self.found)
    }

    fn threads(&self) -> Vec<Thread> {
        self.threads.clone()
    }

    fn busy(&self) -> Busy {
        let busy = self.table.busy.clone();
        Box::new(move |worker| busy.get(worker).unwrap_or(0) != 0)
    }

    fn own(&self) -> Vec<u64> {
        let table = &self.table;
        let orders = self.seats.iter().map(|seat| seat.orders.raw().object());
        let mut all: Vec<&ObjectRef> = orders.collect();
        all.extend([
            table.calls.object(),
            table.results.object(),
            table.answers.raw().object(),
        ]);
        for (one, other) in [
            table.taken.objects(),
            table.numbers.objects(),
            table.busy.objects(),
        ] {
            all.extend([one, other]);
        }
        all.into_iter().map(ObjectRef::offset).collect()
    }
}

impl<T, R> Drop for Remote<T, R> {
    fn drop(&mut self) {
        for mut child in self.children.drain(..) {
            let _ = child.kill();
            let _ = child.join();
        }
    }
}

fn died(error: Error) -> Stopped {
    Stopped::Died(error.to_string())
}

fn unsendable(error: Error) -> Stopped {
    Stopped::Unsendable(error.to_string())
}

fn ended(outcome: core::result::Result<core::result::Result<(), String>, JoinError>) -> Stopped {
    match outcome {
        Ok(Ok(())) => Stopped::Died("a worker left before its time".to_owned()),
        Ok(Err(why)) => Stopped::Unsendable(why),
        Err(JoinError::Panicked { message, place, .. }) => {
            Stopped::Failed(format!("it panicked at {place}: {message}"))
        }
        Err(error) => Stopped::Died(error.to_string()),
    }
}

/// Works until it is told to leave.
#[pumasi::task]
fn worker(seat: Seat) -> core::result::Result<(), String> {
    let said = |error: Error| error.to_string();
    let calls = RawList::from_object(seat.calls.clone()).map_err(said)?;
    let results = RawList::from_object(seat.results.clone()).map_err(said)?;
    let (name, file, line, column) = &seat.task;
    let task = find_task(name, file, *line, *column).ok_or_else(|| format!("no task {name}"))?;
    let heap = calls.object().heap().clone();
    let mut meter = Meter::new();
    let (process, thread) = this_thread();
    let ready = [process.into(), thread.into(), meter.queued(), 0.0, 0.0];
    let at = seat.index * NUMBERS;
    seat.numbers.copy_in(at, &ready).map_err(said)?;
    seat.answers.put(seat.index as u64).map_err(said)?;
    let mut fetch = Fetch::new();
    while seat.orders.get().map_err(said)? == WORK {
        meter.start();
        let everybody = process_cpu();
        seat.busy.set(seat.index, 1).map_err(said)?;
        let (items, mut serialising) = (calls.len().map_err(said)?, 0.0);
        loop {
            let from = seat.taken.fetch_add(1).map_err(said)? as usize * seat.chunk;
            if from >= items {
                break;
            }
            for position in from..(from + seat.chunk).min(items) {
                let position = position as isize;
                calls.get(position, &mut fetch).map_err(said)?;
                let ran = run_here(task, fetch.to_vec()).map_err(|refusal| match refusal {
                    Refusal::Arguments(why) | Refusal::Result(why) => why,
                    Refusal::NoSuchTask { executable } => executable,
                })?;
                let began = Instant::now();
                let objects: Vec<&ObjectRef> = ran.result.objects.iter().collect();
                let mut entry = heap
                    .prepare_pickle(&ran.result.bytes, &objects)
                    .map_err(said)?;
                results.set(position, &mut entry).map_err(said)?;
                serialising += ran.serialising + began.elapsed().as_secs_f64();
            }
        }
        let spent = meter.stop();
        seat.busy.set(seat.index, 0).map_err(said)?;
        let everybody = process_cpu() - everybody;
        let numbers = [spent.wall, spent.cpu, spent.waited, serialising, everybody];
        seat.numbers.copy_in(at, &numbers).map_err(said)?;
        seat.answers.put(seat.index as u64).map_err(said)?;
    }
    Ok(())
}
