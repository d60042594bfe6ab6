//! Variables are not shared: what a child changes stays in the child.
//!
//! A child is the program started anew. It gets the arguments of its task, and nothing that the
//! parent's variables held.

use std::sync::atomic::{AtomicU64, Ordering};

static COUNTER: AtomicU64 = AtomicU64::new(0);

#[pumasi::task]
fn count(times: u64) -> u64 {
    for _ in 0..times {
        COUNTER.fetch_add(1, Ordering::Relaxed);
    }
    COUNTER.load(Ordering::Relaxed)
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    COUNTER.store(100, Ordering::Relaxed);

    let first = count::spawn(10)?;
    let second = count::spawn(20)?;
    let (first, second) = (first.join()?, second.join()?);
    println!("the children counted to {first} and {second}");
    assert_eq!((first, second), (10, 20), "each began at 0");

    let here = COUNTER.load(Ordering::Relaxed);
    println!("the parent's counter is still {here}");
    assert_eq!(here, 100);
    Ok(())
}
