//! Workers that are threads of this process: one for the serial program, several for the others.
//!
//! A thread cannot be ended from outside. One that does not come back is left behind, with its
//! share of the work, until the function returns or the program ends.

use std::cell::Cell;
use std::hint::black_box;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::crew::{Busy, Crew, Stopped, Work, chunk_size};
use super::record::{Kind, Pass, Spent};
use super::system::{Clock, Meter, Thread, this_thread, thread_cpu};

/// What the threads share.
struct Bench<T, R> {
    work: Arc<Work<T, R>>,
    /// Inputs are taken in pieces of so many, from here on.
    chunk: usize,
    next: AtomicUsize,
    results: Mutex<Vec<Option<R>>>,
    busy: Vec<AtomicBool>,
}

impl<T, R> Bench<T, R> {
    fn take(&self) -> Range<usize> {
        let items = self.work.inputs.len();
        let from = self.next.fetch_add(self.chunk, Ordering::Relaxed);
        from.min(items)..(from + self.chunk).min(items)
    }
}

enum Answer {
    Ready(Thread, f64),
    Done(f64, Spent),
    Failed(usize, String),
}

/// The threads.
pub(crate) struct Local<T, R> {
    bench: Arc<Bench<T, R>>,
    kind: Kind,
    orders: Vec<Sender<u32>>,
    answers: Option<Receiver<(usize, Answer)>>,
    threads: Vec<Thread>,
}

impl<T, R> Local<T, R> {
    pub(crate) fn new(work: &Arc<Work<T, R>>, kind: Kind, workers: usize) -> Local<T, R> {
        let items = work.inputs.len();
        Local {
            bench: Arc::new(Bench {
                work: Arc::clone(work),
                chunk: if kind == Kind::Serial {
                    items
                } else {
                    chunk_size(items, workers)
                },
                next: AtomicUsize::new(0),
                results: Mutex::new((0..items).map(|_| None).collect()),
                busy: (0..workers).map(|_| AtomicBool::new(false)).collect(),
            }),
            kind,
            orders: Vec::new(),
            answers: None,
            threads: Vec::new(),
        }
    }

    /// The next answers, one of each worker, in the order of workers.
    fn answers(&self, deadline: Instant) -> Result<Vec<Answer>, Stopped> {
        let mut found: Vec<(usize, Answer)> = Vec::new();
        while found.len() < self.bench.busy.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self
                .answers
                .as_ref()
                .map(|answers| answers.recv_timeout(left));
            match answer {
                Some(Ok((_, Answer::Failed(at, message)))) => {
                    let items = self.bench.work.inputs.len();
                    let message = format!("it panicked for input {at} of {items}: {message}");
                    return Err(Stopped::Failed(message));
                }
                Some(Ok(answer)) => found.push(answer),
                Some(Err(RecvTimeoutError::Timeout)) => return Err(Stopped::TooSlow),
                Some(Err(RecvTimeoutError::Disconnected)) | None => {
                    return Err(Stopped::Died("its threads have ended".to_owned()));
                }
            }
        }
        found.sort_by_key(|answer| answer.0);
        Ok(found.into_iter().map(|answer| answer.1).collect())
    }

    fn once(&self, loops: u32, deadline: Instant) -> Result<(f64, Vec<Spent>), Stopped> {
        self.bench.next.store(0, Ordering::Relaxed);
        for order in &self.orders {
            let _ = order.send(loops); // Who is gone does not answer either.
        }
        let mut taken = 0.0;
        let mut spent = Vec::new();
        for answer in self.answers(deadline)? {
            if let Answer::Done(seconds, one) = answer {
                taken = f64::max(taken, seconds);
                spent.push(one);
            }
        }
        Ok((taken, spent))
    }
}

impl<T, R> Crew<R> for Local<T, R>
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    fn start(&mut self, patience: Duration) -> Result<f64, Stopped> {
        let (tell, answers) = channel();
        self.answers = Some(answers);
        self.orders.clear();
        for index in 0..self.bench.busy.len() {
            let (order, orders) = channel();
            let (bench, tell) = (Arc::clone(&self.bench), tell.clone());
            let serial = self.kind == Kind::Serial;
            let started = thread::Builder::new()
                .name("pumasi bench".to_owned())
                .spawn(move || work(&bench, index, serial, &orders, &tell));
            started.map_err(|why| Stopped::Died(format!("no thread could be started: {why}")))?;
            self.orders.push(order);
        }
        let mut queued = 0.0;
        self.threads.clear();
        for answer in self.answers(Instant::now() + patience)? {
            if let Answer::Ready(thread, waited) = answer {
                self.threads.push(thread);
                queued = f64::max(queued, waited);
            }
        }
        Ok(queued)
    }

    fn run(&mut self, loops: u32, patience: Duration) -> Result<Pass, Stopped> {
        let deadline = Instant::now() + patience;
        let (clock, own) = (Clock::new(), thread_cpu());
        let before = clock.waited();
        let mut workers = vec![Spent::default(); self.bench.busy.len()];
        let mut pass = Pass::default();
        if self.kind == Kind::Serial {
            // Handing over to the worker and back is no part of the serial program.
            let (seconds, spent) = self.once(loops, deadline)?;
            pass.seconds = seconds / f64::from(loops);
            workers = spent;
        } else {
            let began = Instant::now();
            for _ in 0..loops {
                let (_, spent) = self.once(1, deadline)?;
                workers
                    .iter_mut()
                    .zip(spent)
                    .for_each(|(all, one)| all.add(one));
            }
            pass.seconds = began.elapsed().as_secs_f64() / f64::from(loops);
            pass.host_waited = (clock.waited() - before) / f64::from(loops);
            pass.host_cpu = (thread_cpu() - own) / f64::from(loops);
        }
        pass.workers = workers.into_iter().map(|spent| spent.over(loops)).collect();
        // What other threads of this process do is not known to be this function's.
        pass.process_cpu = pass.sum(|worker| worker.cpu);
        Ok(pass)
    }

    fn results(&mut self) -> Vec<R> {
        let mut results = self
            .bench
            .results
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        results.iter_mut().filter_map(Option::take).collect()
    }

    fn threads(&self) -> Vec<Thread> {
        self.threads.clone()
    }

    fn busy(&self) -> Busy {
        let bench = Arc::clone(&self.bench);
        Box::new(move |worker| bench.busy[worker].load(Ordering::Relaxed))
    }
}

fn work<T: Clone, R>(
    bench: &Bench<T, R>,
    index: usize,
    serial: bool,
    orders: &Receiver<u32>,
    tell: &Sender<(usize, Answer)>,
) {
    let mut meter = Meter::new();
    let _ = tell.send((index, Answer::Ready(this_thread(), meter.queued())));
    for loops in orders {
        let at = Cell::new(0);
        meter.start();
        bench.busy[index].store(true, Ordering::Relaxed);
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if serial {
                // All passes but the last give their results to nobody.
                for _ in 1..loops {
                    for (position, input) in bench.work.inputs.iter().enumerate() {
                        at.set(position);
                        black_box((bench.work.function)(black_box(input.clone())));
                    }
                }
            }
            share(bench, &at);
        }));
        let seconds = began.elapsed().as_secs_f64();
        bench.busy[index].store(false, Ordering::Relaxed);
        let answer = match outcome {
            Ok(()) => Answer::Done(seconds, meter.stop()),
            Err(panic) => Answer::Failed(at.get(), said(&*panic)),
        };
        if tell.send((index, answer)).is_err() {
            return;
        }
    }
}

/// Does what is left to be taken, and puts the results where they belong.
fn share<T: Clone, R>(bench: &Bench<T, R>, at: &Cell<usize>) {
    let mut found = Vec::new();
    loop {
        let range = bench.take();
        if range.is_empty() {
            break;
        }
        for position in range {
            at.set(position);
            let input = black_box(bench.work.inputs[position].clone());
            found.push((position, (bench.work.function)(input)));
        }
    }
    let mut results = bench.results.lock().unwrap_or_else(PoisonError::into_inner);
    for (position, result) in found {
        results[position] = Some(result);
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a value that is no text".to_owned())
}
