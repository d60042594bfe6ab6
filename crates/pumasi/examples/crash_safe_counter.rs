//! A counter that is right although its workers are killed all the time.
//!
//! Each worker counts in the shared value and remembers, under its own key, how far it came. Both
//! are single calls, so that a kill between two of them is the only thing that can happen: it
//! costs at most one count for each worker that was killed.

use std::time::Duration;

use pumasi::{Dict, Value};

#[pumasi::task]
fn count(total: Value<u64>, by_worker: Dict<u32, u64>, worker: u32) -> pumasi::Result<()> {
    loop {
        total.fetch_add(1)?;
        by_worker.add(worker, 1)?;
    }
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (total, by_worker) = (Value::new(0u64)?, Dict::new()?);
    const WORKERS: u32 = 8;
    for worker in 0..WORKERS {
        let mut child = count::spawn(total.clone(), by_worker.clone(), worker)?;
        while by_worker.get(worker)?.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill()?;
        println!("{}", child.join().unwrap_err());
    }
    let (total, remembered) = (total.get()?, by_worker.values()?.iter().sum::<u64>());
    println!("counted {total}, remembered {remembered}");
    assert!((remembered..=remembered + u64::from(WORKERS)).contains(&total));
    Ok(())
}
