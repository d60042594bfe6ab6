//! One measurement from the first look to the last round.
//!
//! The order of things: one pass, in a process where there are processes, to see that the function
//! comes back; two in series, to see how long it takes and whether it gives the same; a watched
//! run, to see what it waits for; the other variants, each checked against the serial results and
//! watched once; and then rounds in which every variant runs once, in an order that is shuffled
//! anew, so that whatever happens to the machine happens to all. The rounds end when every interval
//! is narrow, or when the budget is spent.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::Call;

use super::crew::{Crew, Stopped, Work};
use super::host::{Host, loops};
use super::intervals::{FEWEST, estimate, median};
use super::local::Local;
use super::random::Random;
use super::record::{Kind, Measured, Remark, Variant};
use super::system;
use super::{BenchError, Options};

/// For which one pass is waited for at least, however small the budget is.
const LEAST_PATIENCE: Duration = Duration::from_secs(5);
const MOST_ROUNDS: usize = 60;

/// Makes workers that are processes.
pub(crate) type MakeRemote<T, R> = dyn Fn(
    &Arc<Work<T, R>>,
    &Arc<dyn Fn(T) -> Call<R> + Send + Sync>,
    usize,
) -> crate::error::Result<Box<dyn Crew<R>>>;

/// How a function is called in another process.
pub(crate) struct Processes<T, R> {
    pub(crate) call: Arc<dyn Fn(T) -> Call<R> + Send + Sync>,
    pub(crate) make: Box<MakeRemote<T, R>>,
}

pub(crate) struct Session<'a, T, R> {
    name: String,
    work: Arc<Work<T, R>>,
    processes: Option<&'a Processes<T, R>>,
    options: &'a mut Options,
    began: Instant,
    cores: usize,
    hosts: Vec<Host<R>>,
    left_out: Vec<Remark>,
    warnings: Vec<Remark>,
    expected: Vec<R>,
    /// How many cores a call keeps busy by itself; told by a process that does nothing else.
    itself: f64,
}

impl<'a, T, R> Session<'a, T, R>
where
    T: Clone + Send + Sync + 'static,
    R: PartialEq + Send + 'static,
{
    pub(crate) fn new(
        name: String,
        work: Arc<Work<T, R>>,
        processes: Option<&'a Processes<T, R>>,
        options: &'a mut Options,
    ) -> Self {
        Session {
            name,
            work,
            processes,
            options,
            began: Instant::now(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            hosts: Vec::new(),
            left_out: Vec::new(),
            warnings: Vec::new(),
            expected: Vec::new(),
            itself: 1.0,
        }
    }

    pub(crate) fn measure(mut self) -> Result<Measured, BenchError> {
        self.look_in_a_process()?;
        self.look_at_serial()?;
        self.open_variants()?;
        let reference = self.reference();
        let rounds = self.rounds()?;
        Ok(Measured {
            function: self.name,
            items: self.work.inputs.len(),
            cores: self.cores,
            machine: system::machine(),
            budget: self.options.budget.as_secs_f64(),
            seconds: self.began.elapsed().as_secs_f64(),
            rounds,
            hosts: self.hosts.into_iter().map(|host| host.series).collect(),
            left_out: self.left_out,
            warnings: self.warnings,
            reference,
        })
    }

    fn left(&self) -> Duration {
        self.options.budget.saturating_sub(self.began.elapsed())
    }

    fn patience(&self) -> Duration {
        self.options.budget.max(LEAST_PATIENCE)
    }

    fn say(&mut self, what: &str) {
        let spent = self.began.elapsed().as_secs_f64() / self.options.budget.as_secs_f64();
        if let Some(tell) = &mut self.options.progress {
            tell(what, spent.min(1.0));
        }
    }

    fn warn(&mut self, code: &str, detail: String) {
        self.warnings.push(Remark {
            code: code.to_owned(),
            detail,
            ..Remark::default()
        });
    }

    fn leave_out(&mut self, variant: &Variant, code: &str, detail: String) {
        self.left_out.push(Remark {
            name: variant.name(),
            code: code.to_owned(),
            detail,
        });
    }

    /// A first pass where a function that hangs or ends its process harms nobody.
    fn look_in_a_process(&mut self) -> Result<(), BenchError> {
        let Some(processes) = self.processes else {
            return Ok(());
        };
        self.say("processes");
        let patience = self.patience();
        let mut crew = (processes.make)(&self.work, &processes.call, 1)?;
        let outcome = crew.start(patience);
        match outcome.and_then(|_| crew.run(1, patience)) {
            Ok(pass) => {
                let calls = pass.sum(|worker| worker.cpu);
                self.itself = if calls > 0.0 {
                    pass.process_cpu / calls
                } else {
                    1.0
                };
                Ok(())
            }
            Err(Stopped::Unsendable(why)) => {
                self.leave_out(&variant(Kind::Processes, 1), "failed", why);
                self.processes = None;
                Ok(())
            }
            Err(stopped) => Err(self.error("processes 1", stopped)),
        }
    }

    fn error(&self, variant: &str, stopped: Stopped) -> BenchError {
        match stopped {
            Stopped::TooSlow => BenchError::TooSlow {
                items: self.work.inputs.len(),
                seconds: self.patience().as_secs_f64(),
            },
            Stopped::Failed(why) => BenchError::Failed {
                variant: variant.to_owned(),
                why,
            },
            Stopped::Died(why) | Stopped::Unsendable(why) => BenchError::Died {
                variant: variant.to_owned(),
                why,
            },
        }
    }

    fn look_at_serial(&mut self) -> Result<(), BenchError> {
        self.say("serial");
        let patience = self.patience();
        let mut host = self.host(Kind::Serial, 1)?;
        let mut first = || -> Result<(f64, Vec<R>), Stopped> {
            host.start(patience)?;
            let pass = host.crew.run(1, patience)?;
            Ok((pass.seconds, host.crew.results()))
        };
        let (mut seconds, expected) = first().map_err(|why| self.error("serial", why))?;
        self.expected = expected;
        if seconds < self.options.budget.as_secs_f64() / 8.0 {
            let again = host.crew.run(1, patience);
            let again = again.map_err(|why| self.error("serial", why))?;
            seconds = seconds.min(again.seconds);
            self.compare(&mut host, "not-deterministic");
        } else {
            self.warn("long-pass", format!("{seconds:.3}"));
        }
        host.calibrate(seconds);
        let watched = host.watch(self.watched_loops(seconds), patience);
        watched.map_err(|why| self.error("serial", why))?;
        self.hosts.push(host);
        Ok(())
    }

    /// How many passes give enough glances, within a fortieth of the budget.
    fn watched_loops(&self, seconds: f64) -> u32 {
        let wanted = (self.options.budget.as_secs_f64() / 40.0).min(0.2);
        loops(wanted, seconds, 20_000)
    }

    fn compare(&mut self, host: &mut Host<R>, code: &str) {
        let results = host.crew.results();
        if self.warnings.iter().any(|known| known.code == code) {
            return;
        }
        // What is not equal to itself (a NaN is in it) cannot be compared.
        let equal = |one: &R, other: &R| one == other;
        let differ =
            |(one, other): (&R, &R)| equal(one, one) && equal(other, other) && !equal(one, other);
        if let Some(at) = self.expected.iter().zip(&results).position(differ) {
            let (name, items) = (host.series.variant.name(), self.work.inputs.len());
            self.warn(code, format!("{name}: the result of input {at} of {items}"));
        }
    }

    fn host(&self, kind: Kind, workers: usize) -> Result<Host<R>, BenchError> {
        let crew: Box<dyn Crew<R>> = match (kind, self.processes) {
            (Kind::Processes, Some(processes)) => {
                (processes.make)(&self.work, &processes.call, workers)?
            }
            _ => Box::new(Local::new(&self.work, kind, workers)),
        };
        Ok(Host::new(crew, variant(kind, workers)))
    }

    /// The variants besides the serial one, the most telling first, in case the budget does not
    /// suffice for all: as many workers as there are cores; then one; then those between.
    fn plan(&self) -> Vec<(Kind, usize)> {
        let items = self.work.inputs.len();
        let default = worker_counts(self.cores);
        let asked = self.options.workers.as_ref();
        let counts = asked.unwrap_or(&default);
        let waits = self.waits();
        let mut variants = Vec::new();
        if self.options.threads {
            let mut threads = counts.clone();
            if asked.is_none() && waits {
                // Who waits needs no core: more threads than cores may pay.
                threads.extend([4, 8]);
                threads.sort_unstable();
                threads.dedup();
            }
            variants.extend(threads.into_iter().map(|k| (Kind::Threads, k)));
        }
        if self.processes.is_some() {
            variants.extend(counts.iter().map(|&k| (Kind::Processes, k)));
        }
        variants.retain(|(_, workers)| *workers <= items);
        let largest = counts.iter().copied().max().unwrap_or(1);
        let telling = if waits {
            usize::MAX
        } else {
            self.cores.min(largest)
        };
        let most = variants.iter().map(|(_, k)| *k).max().unwrap_or(1);
        variants.sort_by_key(|&(_, workers)| match workers {
            k if k == telling.min(most) => 0,
            1 => 1,
            _ => 2,
        });
        variants
    }

    fn waits(&self) -> bool {
        let probe = self.hosts[0].series.probe.as_ref();
        probe.is_some_and(|probe| {
            let spent = probe.record.workers[0];
            spent.cpu < 0.5 * (spent.wall - spent.waited).max(spent.cpu)
        })
    }

    fn open_variants(&mut self) -> Result<(), BenchError> {
        let budget = self.options.budget;
        let probe = self.hosts[0].series.probe.as_ref();
        let serial = probe.map_or(0.0, |probe| probe.record.seconds);
        for (number, (kind, workers)) in self.plan().into_iter().enumerate() {
            let planned = variant(kind, workers);
            if number >= 2 && self.left() < budget / 4 {
                self.leave_out(&planned, "budget", budget.as_secs_f64().to_string());
                continue;
            }
            self.say(&planned.name());
            // Another way may cost more, but not without end.
            let twice = Duration::from_secs_f64(2.0 * serial);
            let patience = (self.left() / 2).max(LEAST_PATIENCE).max(twice);
            let mut host = self.host(kind, workers)?;
            match self.open(&mut host, patience) {
                Ok(()) => self.hosts.push(host),
                Err(Stopped::TooSlow) => {
                    self.leave_out(
                        &planned,
                        "too-slow",
                        format!("{:.3}", patience.as_secs_f64()),
                    );
                }
                Err(Stopped::Died(why)) => {
                    return Err(self.error(&planned.name(), Stopped::Died(why)));
                }
                // What works in series and fails here is a finding about this variant.
                Err(Stopped::Failed(why) | Stopped::Unsendable(why)) => {
                    self.leave_out(&planned, "failed", why);
                }
            }
        }
        self.hosts
            .sort_by_key(|host| (host.series.variant.kind, host.series.variant.workers));
        Ok(())
    }

    fn open(&mut self, host: &mut Host<R>, patience: Duration) -> Result<(), Stopped> {
        host.start(patience)?;
        let mut first = host.crew.run(1, patience)?;
        self.compare(host, "different");
        let cheap = host.series.start_ups[0] * 2.0 < self.left().as_secs_f64() / 20.0;
        if host.series.variant.kind == Kind::Processes && cheap {
            // Started anew, twice, to know what a start costs.
            host.start(patience)?;
            host.start(patience)?;
            first = host.crew.run(1, patience)?;
        }
        host.calibrate(first.seconds);
        host.watch(self.watched_loops(first.seconds), patience)
    }

    /// How much more time on a core the same arithmetic takes on several cores at once.
    ///
    /// That is what the cores share with each other (hyper-threads, a clock that slows down); a
    /// work which loses more than this loses it in memory.
    fn reference(&mut self) -> BTreeMap<usize, f64> {
        let most = self
            .hosts
            .iter()
            .map(|host| host.series.variant.workers)
            .max();
        let most = most.unwrap_or(1).min(self.cores);
        if most < 2 || self.left() < Duration::from_secs(1) {
            return BTreeMap::new();
        }
        self.say("reference");
        let mut crews = BTreeMap::new();
        for count in [1, most] {
            let work = Arc::new(Work {
                function: Box::new(spin),
                inputs: vec![4_000_000_u64; count],
            });
            let mut crew = Local::new(&work, Kind::Threads, count);
            if crew.start(LEAST_PATIENCE).is_err() {
                return BTreeMap::new();
            }
            crews.insert(count, (crew, Vec::new()));
        }
        for _ in 0..6 {
            for (crew, taken) in crews.values_mut() {
                let Ok(pass) = crew.run(1, self.options.budget.max(LEAST_PATIENCE)) else {
                    return BTreeMap::new();
                };
                taken.push(pass.workers.iter().map(|w| w.cpu).fold(0.0, f64::max));
            }
        }
        let median = |taken: Vec<f64>| median(taken.into_iter().skip(1));
        crews
            .into_iter()
            .filter_map(|(count, (_, taken))| Some((count, median(taken)?)))
            .collect()
    }

    fn rounds(&mut self) -> Result<usize, BenchError> {
        let mut random = Random::new(1);
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        for round in 1.. {
            random.shuffle(&mut order);
            let began = Instant::now();
            for &index in &order {
                let name = self.hosts[index].series.variant.name();
                self.say(&name);
                let patience = self.left().max(LEAST_PATIENCE) + self.options.budget;
                let host = &mut self.hosts[index];
                match host.crew.run(host.series.loops, patience) {
                    Ok(mut pass) => {
                        if host.series.variant.kind == Kind::Serial {
                            pass.process_cpu *= self.itself;
                        }
                        host.series.runs.push(pass);
                    }
                    Err(stopped) => return Err(self.error(&name, stopped)),
                }
            }
            let enough = round >= FEWEST && self.precise();
            // One more round must fit in; the first is made whatever it takes.
            if enough || round >= MOST_ROUNDS || self.left() < began.elapsed() {
                return Ok(round);
            }
        }
        Ok(0)
    }

    fn precise(&self) -> bool {
        self.hosts.iter().all(|host| {
            let found = estimate(host.series.runs.iter().map(|run| run.seconds));
            found.is_some_and(|found| found.precision() <= self.options.precision)
        })
    }
}

fn variant(kind: Kind, workers: usize) -> Variant {
    Variant {
        kind,
        workers,
        method: None,
        arguments: None,
    }
}

/// 1, 2, 4 ... and the largest number itself.
fn worker_counts(most: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(1), |count| Some(count * 2));
    let mut counts: Vec<usize> = doubled.take_while(|count| *count < most).collect();
    counts.push(most);
    counts
}

fn spin(rounds: u64) -> u64 {
    (0..rounds).fold(0, |total, number| black_box(total ^ number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_workers_double() {
        let counts = [1, 2, 6].map(worker_counts);
        assert_eq!(counts, [vec![1], vec![1, 2], vec![1, 2, 4, 6]]);
    }
}
