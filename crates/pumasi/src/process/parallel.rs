//! Many calls, a few processes at a time.

use std::num::NonZeroUsize;
use std::thread;

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::process::builder::Builder;
use crate::process::child::Child;
use crate::process::error::JoinError;
use crate::process::task::Call;
use crate::process::wait::wait_any;

/// Runs each call in a process of its own, as many at a time as the machine has processors for
/// this program, and returns what became of each, in the order of the calls.
///
/// Blocks until the last process has ended. A process that dies fails its own call alone.
///
/// # Errors
/// When a process cannot be started. Those which run by then go on by themselves.
///
/// ```
/// #[pumasi::task]
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let results = pumasi::process::parallel((1..=4).map(square::call))?;
///     let squares: Result<Vec<u64>, _> = results.into_iter().collect();
///     assert_eq!(squares?, [1, 4, 9, 16]);
///     Ok(())
/// }
/// ```
pub fn parallel<R: DeserializeOwned>(
    calls: impl IntoIterator<Item = Call<R>>,
) -> Result<Vec<core::result::Result<R, JoinError>>> {
    let at_most = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut results = Vec::new();
    let mut running: Vec<Child<R>> = Vec::new();
    let mut places: Vec<usize> = Vec::new();
    for (place, call) in calls.into_iter().enumerate() {
        if running.len() == at_most {
            finish_one(&mut running, &mut places, &mut results)?;
        }
        running.push(Builder::new().spawn(call)?);
        places.push(place);
        results.push(None);
    }
    while !running.is_empty() {
        finish_one(&mut running, &mut places, &mut results)?;
    }
    Ok(results.into_iter().flatten().collect())
}

fn finish_one<R: DeserializeOwned>(
    running: &mut Vec<Child<R>>,
    places: &mut Vec<usize>,
    results: &mut [Option<core::result::Result<R, JoinError>>],
) -> Result<()> {
    let index = wait_any(running)?;
    let place = places.swap_remove(index);
    results[place] = Some(running.swap_remove(index).join());
    Ok(())
}
