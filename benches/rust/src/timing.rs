//! Timing an operation: loops long enough to measure, the contenders taken in turns.
//!
//! The cost of the loop itself, below half a nanosecond, is left in for every contender.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pumasi::bench::{Estimate, estimate};

/// How long a run takes: enough to trust the medians, or just to see that all works.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often every contender has its turn.
    pub rounds: usize,
    /// How long one turn is to take.
    pub turn: Duration,
}

impl Effort {
    /// What `make bench` uses.
    pub const FULL: Effort = Effort {
        rounds: 9,
        turn: Duration::from_millis(100),
    };
    /// A second in all.
    pub const QUICK: Effort = Effort {
        rounds: 3,
        turn: Duration::from_millis(5),
    };
}

/// One way to do an operation: does it so many times and says how long that took, leaving out
/// whatever it had to prepare.
pub struct Contender<'a> {
    name: &'static str,
    run: Box<dyn FnMut(u64) -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender which prepares and times by itself.
    pub fn new(name: &'static str, run: impl FnMut(u64) -> Duration + 'a) -> Self {
        Contender {
            name,
            run: Box::new(run),
        }
    }

    /// A contender with nothing to prepare: `operation` gets the number of the repetition.
    pub fn looped(name: &'static str, mut operation: impl FnMut(u64) + 'a) -> Self {
        Contender::new(name, move |times| time(times, &mut operation))
    }
}

/// How many operations one container gets before it is emptied for the next.
pub const BATCH: u64 = 10_000;

/// A contender whose container is emptied after every batch, which does not count. What it filled
/// in the batch before is what it fills again.
pub fn in_batches<'a>(
    name: &'static str,
    mut empty: impl FnMut() + 'a,
    mut operation: impl FnMut(u64) + 'a,
) -> Contender<'a> {
    Contender::new(name, move |times| {
        let mut taken = Duration::ZERO;
        let mut left = times;
        while left > 0 {
            let now = left.min(BATCH);
            empty();
            taken += time(now, &mut operation);
            left -= now;
        }
        taken
    })
}

/// One contender's nanoseconds per operation, one value for each round.
pub struct Sample {
    /// Who was measured.
    pub contender: &'static str,
    /// Nanoseconds for one operation.
    pub values: Vec<f64>,
}

impl Sample {
    /// The median, and its interval where there are values enough, as `pumasi::bench` has them.
    pub fn estimate(&self) -> Option<Estimate> {
        estimate(self.values.iter().copied())
    }

    /// The middle value; zero of none.
    pub fn median(&self) -> f64 {
        self.estimate().map_or(0.0, |found| found.median)
    }
}

/// How long it takes to do `operation` so many times.
pub fn time(times: u64, mut operation: impl FnMut(u64)) -> Duration {
    let start = Instant::now();
    for number in 0..times {
        operation(black_box(number));
    }
    start.elapsed()
}

/// Measures all contenders, A B, A B, A B.
pub fn in_turns(mut contenders: Vec<Contender<'_>>, effort: Effort) -> Vec<Sample> {
    let counts: Vec<u64> = contenders
        .iter_mut()
        .map(|one| calibrated(one, effort.turn))
        .collect();
    let mut samples: Vec<Sample> = contenders
        .iter()
        .map(|one| Sample {
            contender: one.name,
            values: Vec::new(),
        })
        .collect();
    for _ in 0..effort.rounds {
        for ((contender, &count), sample) in contenders.iter_mut().zip(&counts).zip(&mut samples) {
            let taken = (contender.run)(count);
            sample.values.push(taken.as_secs_f64() * 1e9 / count as f64);
        }
    }
    samples
}

/// How many operations take about as long as a turn is to be.
fn calibrated(contender: &mut Contender<'_>, turn: Duration) -> u64 {
    let mut count = 1;
    loop {
        let taken = (contender.run)(count);
        if taken * 10 >= turn {
            let scale = turn.as_secs_f64() / taken.as_secs_f64();
            return ((count as f64 * scale) as u64).max(1);
        }
        count *= 4;
    }
}
