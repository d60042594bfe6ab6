//! Know before you choose: a function of yours measured in series, on threads and on processes.
//!
//! ```
//! use std::time::Duration;
//!
//! use pumasi::bench::Bench;
//!
//! /// How many numbers below this one are prime.
//! #[pumasi::task]
//! fn primes(below: u64) -> u64 {
//!     let is_prime = |n: &u64| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0);
//!     (2..below).filter(is_prime).count() as u64
//! }
//!
//! #[pumasi::main]
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let report = Bench::new(primes, [30, 40, 50])
//!         .processes(primes::call)
//!         .budget(Duration::from_millis(500))
//!         .run()?;
//!     println!("{report}");
//!     assert!(!report.advice.worth_it); // far too small for another way to pay
//!     Ok(())
//! }
//! ```
//!
//! # What it does
//!
//! Each variant (in series, and 1, 2, 4 ... threads and processes up to the cores) warms up with
//! passes that are not counted, and is checked: results that differ from the serial ones are a
//! warning. A work too short for the clock is repeated within one run. Then all variants run in
//! turns, in rounds whose order is shuffled anew, so that whatever happens to the machine happens
//! to all; until each median is known to 2 % ([`precision`](Bench::precision)) or the
//! [`budget`](Bench::budget) is spent. What is reported of each variant are the median with its
//! 95 % interval (from order statistics; six runs at least), the speed-up as the median of the
//! rounds' ratios, the share of it that each worker stands for, and what the start of the workers
//! costs.
//!
//! Threads take inputs in pieces, as they come free. Processes are kept for all passes; they take
//! calls out of a shared list and put results into another, so that what a pass takes has the
//! writing and the reading of both in it, but not the start of the processes, which is given
//! besides, and which the advice counts.
//!
//! # What it concludes
//!
//! [`Report::verdicts`] say what binds the work: waiting, a lock, memory, copying, start-up; or that
//! it is too small for anything but a loop. They do not go by the clock alone: Linux counts for each
//! thread how long it was on a core, and how long it was ready and had none, so that a verdict is
//! the same on a busy machine. What a worker sleeps in is looked at from outside, every two
//! milliseconds of one run. [`Report::advice`] says what to use, [`Report::break_even`] from how many
//! inputs on processes pay, and [`Report::fits`] how the work scales, by Amdahl's law and the
//! Universal Scalability Law, which are refused where there are too few numbers of workers.
//!
//! It is the engine of `pumasi bench` and Python's `pumasi.bench`, too: they measure Python
//! functions, and what follows from the numbers is [concluded](conclude()) here. A report written
//! down with serde is shown by `pumasi bench --report FILE`, in two languages, and as a page with
//! plots by `--html PAGE`.
//!
//! # What it cannot
//!
//! A thread cannot be ended from outside: a function that does not come back is an error after the
//! budget, and five seconds at least, but its thread stays until the program ends. With
//! [`processes`](Bench::processes) the first pass is made in a process, which can be killed; there
//! it is seen, too, whether a call keeps several cores busy by itself. The memory of a variant is that
//! of the whole program while it ran, with whatever else the program holds.

#![deny(unsafe_code)]

mod conclude;
mod crew;
mod host;
mod intervals;
mod local;
mod random;
mod record;
mod remote;
mod report;
mod scaling;
mod session;
mod system;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::process::Call;

pub use conclude::conclude;
pub use intervals::{CONFIDENCE, Estimate, FEWEST, estimate, ratio};
pub use record::{Kind, Machine, Measured, Pass, Probe, Remark, Series, Spent, Variant};
pub use report::{Advice, BreakEven, Fact, Finding, Profile, Report, Row, Verdict};
pub use scaling::{Bounded, Capacities, Fit, Prediction, capacity, fit, karp_flatt};

use crew::{Crew, Work};
use remote::Remote;
use session::{Processes, Session};

/// Why a function could not be measured, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// There is nothing to call it with.
    #[error("there are no inputs: give at least one to call the function with")]
    NoInputs,
    /// A setting has no meaning.
    #[error("{0}")]
    Usage(&'static str),
    /// The function panicked.
    #[error("{variant}: the function failed: {why}")]
    Failed {
        /// Which variant it was.
        variant: String,
        /// For which input, and with which message.
        why: String,
    },
    /// One pass took too long.
    #[error(
        "one pass over {items} inputs had not ended after {seconds} s: give fewer or smaller \
         inputs, or a larger budget"
    )]
    TooSlow {
        /// How many inputs there are.
        items: usize,
        /// For how long it was waited for.
        seconds: f64,
    },
    /// A worker ended.
    #[error("{variant}: {why}; a function that exits or crashes cannot be measured")]
    Died {
        /// Which variant it was.
        variant: String,
        /// How it ended.
        why: String,
    },
    /// The shared memory or the processes gave an error of their own.
    #[error(transparent)]
    Pumasi(#[from] Error),
}

/// What is told of the progress: what is done now, and which share of the budget is spent.
type Progress = Box<dyn FnMut(&str, f64)>;

/// How a measurement is made.
struct Options {
    workers: Option<Vec<usize>>,
    threads: bool,
    budget: Duration,
    precision: f64,
    progress: Option<Progress>,
}

/// A measurement to be made: a function, its inputs, and how much effort it is worth.
#[must_use = "nothing is measured until `run`"]
pub struct Bench<T, R> {
    name: String,
    work: Work<T, R>,
    processes: Option<Processes<T, R>>,
    options: Options,
}

impl<T, R> std::fmt::Debug for Bench<T, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench")
            .field("name", &self.name)
            .field("inputs", &self.work.inputs.len())
            .finish_non_exhaustive()
    }
}

impl<T, R> Bench<T, R>
where
    T: Clone + Send + Sync + 'static,
    R: PartialEq + Send + 'static,
{
    /// Calls of `function` with each of the inputs, in series and on threads.
    ///
    /// The function gets a clone of its input, and should do the same at each call: it is called
    /// many times. Where cloning costs, make it an `Arc`.
    ///
    /// ```
    /// use pumasi::bench::Bench;
    ///
    /// let squares = Bench::new(|n: u64| n * n, 0..100); // nothing runs yet
    /// println!("{}", squares.budget(std::time::Duration::from_millis(50)).run()?);
    /// # Ok::<(), pumasi::bench::BenchError>(())
    /// ```
    pub fn new<F>(function: F, inputs: impl IntoIterator<Item = T>) -> Bench<T, R>
    where
        F: Fn(T) -> R + Send + Sync + 'static,
    {
        Bench {
            name: std::any::type_name::<F>().to_owned(),
            work: Work {
                function: Box::new(function),
                inputs: inputs.into_iter().collect(),
            },
            processes: None,
            options: Options {
                workers: None,
                threads: true,
                budget: Duration::from_secs(20),
                precision: 0.02,
                progress: None,
            },
        }
    }

    /// Measures processes, too: `call` is the [`task`](macro@crate::task)'s own.
    ///
    /// `main` must begin with [`pumasi::init()`](crate::init), as for every task.
    ///
    /// ```
    /// use pumasi::bench::{Bench, Kind};
    ///
    /// #[pumasi::task]
    /// fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let soon = std::time::Duration::from_millis(200);
    /// let bench = Bench::new(square, 0..100).processes(square::call); // the same function twice
    /// let report = bench.workers([1]).budget(soon).run()?;
    /// assert!(report.variants.iter().any(|row| row.kind == Kind::Processes));
    /// # Ok(())
    /// # }
    /// ```
    pub fn processes<C>(mut self, call: C) -> Bench<T, R>
    where
        C: Fn(T) -> Call<R> + Send + Sync + 'static,
        R: DeserializeOwned,
    {
        self.processes = Some(Processes {
            call: Arc::new(call),
            make: Box::new(|work, call, workers| {
                let crew = Remote::new(work, call, workers)?;
                Ok(Box::new(crew) as Box<dyn Crew<R>>)
            }),
        });
        self
    }

    /// What the report calls it; otherwise the function's path.
    ///
    /// ```
    /// # use pumasi::bench::Bench;
    /// # let soon = std::time::Duration::from_millis(50);
    /// let report = Bench::new(|n: u64| n * n, 0..9).name("squares").budget(soon).run()?;
    /// assert_eq!(report.function, "squares"); // a closure has no name that says much
    /// # Ok::<(), pumasi::bench::BenchError>(())
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Bench<T, R> {
        self.name = name.into();
        self
    }

    /// The numbers of workers; otherwise 1, 2, 4 ... up to the cores. Of more workers than inputs
    /// nothing is measured.
    ///
    /// ```
    /// # use pumasi::bench::Bench;
    /// # let soon = std::time::Duration::from_millis(50);
    /// let report = Bench::new(|n: u64| n * n, 0..9).workers([3]).budget(soon).run()?;
    /// let names: Vec<_> = report.variants.iter().map(|row| row.name.as_str()).collect();
    /// assert_eq!(names, ["serial", "threads 3"]); // in series in any case
    /// # Ok::<(), pumasi::bench::BenchError>(())
    /// ```
    pub fn workers(mut self, counts: impl IntoIterator<Item = usize>) -> Bench<T, R> {
        let mut counts: Vec<usize> = counts.into_iter().collect();
        counts.sort_unstable();
        counts.dedup();
        self.options.workers = Some(counts);
        self
    }

    /// Leaves threads out.
    ///
    /// ```
    /// # use pumasi::bench::Bench;
    /// # let soon = std::time::Duration::from_millis(50);
    /// let report = Bench::new(|n: u64| n * n, 0..9).without_threads().budget(soon).run()?;
    /// assert_eq!(report.variants.len(), 1); // serial; and processes, if it is told of them
    /// # Ok::<(), pumasi::bench::BenchError>(())
    /// ```
    pub fn without_threads(mut self) -> Bench<T, R> {
        self.options.threads = false;
        self
    }

    /// How long it may take, about: 20 s unless said.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pumasi::bench::{Bench, BenchError};
    ///
    /// let report = Bench::new(|n: u64| n * n, 0..9).budget(Duration::from_millis(50)).run()?;
    /// assert_eq!(report.budget, 0.05);
    /// let none = Bench::new(|n: u64| n * n, 0..9).budget(Duration::ZERO).run();
    /// assert!(matches!(none, Err(BenchError::Usage(_))));
    /// # Ok::<(), BenchError>(())
    /// ```
    pub fn budget(mut self, budget: Duration) -> Bench<T, R> {
        self.options.budget = budget;
        self
    }

    /// Half the width of an interval, as a share of its median, at which it is narrow enough: 0.02
    /// unless said.
    ///
    /// ```
    /// # use pumasi::bench::Bench;
    /// # let soon = std::time::Duration::from_millis(50);
    /// let bench = Bench::new(|n: u64| n * n, 0..9).precision(0.1); // 10 % will do
    /// let report = bench.budget(soon).run()?;
    /// println!("known to {:.1} %", 100.0 * report.variants[0].seconds.precision());
    /// # Ok::<(), pumasi::bench::BenchError>(())
    /// ```
    pub fn precision(mut self, precision: f64) -> Bench<T, R> {
        self.options.precision = precision;
        self
    }

    /// Has `tell` called now and then, with what is done and the share of the budget that is spent.
    ///
    /// ```
    /// # use pumasi::bench::Bench;
    /// # let soon = std::time::Duration::from_millis(50);
    /// let bench = Bench::new(|n: u64| n * n, 0..9).progress(|what, spent| {
    ///     eprint!("\r{what}, {:.0} %", 100.0 * spent); // threads 2, 37 %
    /// });
    /// bench.budget(soon).run()?;
    /// # Ok::<(), pumasi::bench::BenchError>(())
    /// ```
    pub fn progress(mut self, tell: impl FnMut(&str, f64) + 'static) -> Bench<T, R> {
        self.options.progress = Some(Box::new(tell));
        self
    }

    /// Measures, and concludes.
    ///
    /// Blocks for about the budget; less where every median is known before that, more where single
    /// passes take long. Leaves no process behind.
    ///
    /// ```
    /// # use pumasi::bench::{Bench, BenchError};
    /// # let soon = std::time::Duration::from_millis(50);
    /// let report = Bench::new(|n: u64| n * n, 0..9).budget(soon).run()?;
    /// println!("{report}"); // a line for each variant, what binds the work, what to use
    /// assert_eq!(report.variants[0].name, "serial");
    /// let nothing = Bench::new(|n: u64| n * n, []).run();
    /// assert!(matches!(nothing, Err(BenchError::NoInputs)));
    /// # Ok::<(), BenchError>(())
    /// ```
    ///
    /// # Errors
    /// [`BenchError`], with a sentence that says what to do: when there are no inputs, the function
    /// panics, ends its process, or takes longer than the budget (and five seconds) for one pass.
    pub fn run(mut self) -> Result<Report, BenchError> {
        if self.work.inputs.is_empty() {
            return Err(BenchError::NoInputs);
        }
        if self.options.budget.is_zero() {
            return Err(BenchError::Usage("the budget is more than nothing"));
        }
        if self
            .options
            .workers
            .iter()
            .flatten()
            .any(|count| *count == 0)
        {
            return Err(BenchError::Usage("a number of workers is at least 1"));
        }
        let (work, processes) = (Arc::new(self.work), self.processes.as_ref());
        let session = Session::new(self.name, work, processes, &mut self.options);
        Ok(conclude::report(session.measure()?))
    }
}
