//! A variant with its workers, and the record that is made of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::crew::{Crew, Stopped};
use super::record::{Pass, Probe, Series, Variant};
use super::system::{self, Clock, Glances};
use super::waits::Waits;

/// Between two glances at what the workers do.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long a run should take, so that the clock can measure it.
const SHORTEST_RUN: f64 = 0.02;

/// A variant with its workers.
pub(crate) struct Host<R> {
    pub(crate) crew: Box<dyn Crew<R>>,
    pub(crate) series: Series,
}

impl<R> Host<R> {
    /// Nothing is started yet.
    pub(crate) fn new(crew: Box<dyn Crew<R>>, variant: Variant) -> Host<R> {
        Host {
            crew,
            series: Series {
                variant,
                start_ups: Vec::new(),
                free_start_ups: Vec::new(),
                placed_seconds: 0.0,
                placed_bytes: 0,
                runs: Vec::new(),
                loops: 1,
                probe: None,
            },
        }
    }

    /// Starts the workers anew, and notes how long that took.
    pub(crate) fn start(&mut self, patience: Duration) -> Result<(), Stopped> {
        let clock = Clock::new();
        let (before, began) = (clock.waited(), Instant::now());
        let theirs = self.crew.start(patience)?;
        let took = began.elapsed().as_secs_f64();
        let queued = clock.waited() - before + theirs;
        self.series.start_ups.push(took);
        self.series
            .free_start_ups
            .push((took - queued).max(took / 10.0));
        Ok(())
    }

    /// Chooses how many passes are one run.
    pub(crate) fn calibrate(&mut self, seconds: f64) {
        self.series.loops = loops(SHORTEST_RUN, seconds, 1_000_000);
    }

    /// Does a run while looking at what its workers do.
    pub(crate) fn watch(&mut self, loops: u32, patience: Duration) -> Result<(), Stopped> {
        let threads = self.crew.threads();
        let waits = Waits::new(self.crew.own());
        let from_here = system::forget_peaks(&threads);
        let (busy, done) = (self.crew.busy(), AtomicBool::new(false));
        let (over, mut glances) = (&done, Glances::new(&threads));
        let (record, glances) = thread::scope(|scope| {
            let observer = scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    glances.look(&busy);
                    thread::sleep(LOOK_EVERY);
                }
                glances
            });
            let ended = Ended(over);
            let record = self.crew.run(loops, patience);
            drop(ended);
            (record, observer.join())
        });
        let record: Pass = record?;
        let glances = glances.map_err(|_| Stopped::Died("the observer panicked".to_owned()))?;
        self.series.probe = Some(Probe {
            record,
            gil_held: None,
            shares: glances.shares(),
            memory: system::memory(&threads).filter(|_| from_here),
            lock_waits: waits.map_or(0, |waits| waits.count()),
        });
        Ok(())
    }
}

/// Says so when it is dropped, also by a panic: a scope waits for its threads.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many times so many seconds are as long as is wanted.
pub(crate) fn loops(wanted: f64, seconds: f64, most: u32) -> u32 {
    ((wanted / seconds.max(1e-9)).ceil() as u32).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_passes_are_repeated() {
        assert_eq!(loops(0.02, 0.0, 100), 100);
        assert_eq!(loops(0.02, 0.006, 100), 4);
        assert_eq!(loops(0.02, 1.0, 100), 1);
    }
}
