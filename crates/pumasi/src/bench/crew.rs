//! What the session asks of workers, whether they are threads or processes.

use std::time::Duration;

use super::record::Pass;
use super::system::Thread;

/// A function and the inputs it is called with, one call for each.
pub(crate) struct Work<T, R> {
    pub(crate) function: Box<dyn Fn(T) -> R + Send + Sync>,
    pub(crate) inputs: Vec<T>,
}

/// Why workers did not come back with a result.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// They were waited for long enough.
    TooSlow,
    /// The function panicked.
    Failed(String),
    /// A worker ended.
    Died(String),
    /// The call or its result cannot be sent to another process.
    Unsendable(String),
}

/// Says of a worker, by its number, whether it has work now.
pub(crate) type Busy = Box<dyn Fn(usize) -> bool + Send>;

/// Workers that do the work together. Dropped, they end.
pub(crate) trait Crew<R> {
    /// Starts them, ends those that were there before, and waits until all are ready; returns for
    /// how long one of them was ready to begin and had no core.
    fn start(&mut self, patience: Duration) -> Result<f64, Stopped>;
    /// Does so many passes over the inputs, and returns their mean.
    fn run(&mut self, loops: u32, patience: Duration) -> Result<Pass, Stopped>;
    /// Takes the results of the last pass.
    fn results(&mut self) -> Vec<R>;
    /// Which threads they are.
    fn threads(&self) -> Vec<Thread>;
    /// Which of them have work.
    fn busy(&self) -> Busy;
    /// The offsets of the shared objects which are the measurement's and not the work's.
    fn own(&self) -> Vec<u64> {
        Vec::new()
    }
}

/// How many inputs are handed out at a time: as `Pool.map` does, four pieces for each worker.
pub(crate) fn chunk_size(items: usize, workers: usize) -> usize {
    items.div_ceil(workers * 4).max(1)
}
