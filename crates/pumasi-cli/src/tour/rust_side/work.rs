//! What the programs compute and how they measure, the same for processes and threads.

use std::time::{Duration, Instant};

use crate::tour::findings::Lengths;

/// Processes or threads in the programs about lists.
pub(super) const WORKERS: u32 = 4;
/// What each of them appends.
pub(super) const EACH: u32 = 10;
/// Operations of which the mean is taken for the time of one.
pub(super) const MEASURED: u32 = 100_000;

/// Threads or processes in the program which computes.
pub(super) const COMPUTERS: usize = 10;
/// What each of them computes: the primes below this. Ten times about a tenth of a second, so that
/// the start of a process does not hide what is gained.
pub(super) const PRIMES_BELOW: u64 = 1_500_000;
pub(super) const QUICK_PRIMES_BELOW: u64 = 50_000;

/// Those who want in, and the places there are.
pub(super) const VISITORS: u64 = 8;
pub(super) const PLACES: u64 = 3;

/// How many primes there are below the limit, by plain division.
pub(super) fn count_primes(limit: u64) -> u64 {
    let mut found: Vec<u64> = Vec::new();
    for number in 2..limit {
        let small = found.iter().take_while(|prime| **prime * **prime <= number);
        if small.into_iter().all(|prime| number % prime != 0) {
            found.push(number);
        }
    }
    found.len() as u64
}

/// Does something and says how many seconds it took.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed().as_secs_f64(), result)
}

/// The mean seconds of one operation, of [`MEASURED`].
pub(super) fn each_of_many<E>(mut operation: impl FnMut(u32) -> Result<(), E>) -> Result<f64, E> {
    let started = Instant::now();
    for i in 0..MEASURED {
        operation(i)?;
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(MEASURED))
}

/// Runs a race several times; each run gives the length it ended with.
pub(super) fn runs<E>(
    times: u32,
    expected: u64,
    mut once: impl FnMut() -> Result<u64, E>,
) -> Result<Lengths, E> {
    let (seconds, lengths) = timed(|| (0..times).map(|_| once()).collect::<Result<_, _>>());
    Ok(Lengths {
        lengths: lengths?,
        expected,
        seconds,
    })
}

/// How long a visitor stays inside.
pub(super) fn stay(quick: bool) -> Duration {
    Duration::from_millis(if quick { 10 } else { 50 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_counted() {
        assert_eq!(
            [0, 2, 3, 100, 20_000].map(count_primes),
            [0, 0, 1, 25, 2262]
        );
    }
}
