//! A process is killed while it holds a lock: the next one gets it, is told, and repairs.

use std::time::Instant;

use pumasi::sync::LockError;
use pumasi::{Event, List, Lock};

/// Moves money from one account to the other, and is killed half-way.
#[pumasi::task]
fn transfer(lock: Lock, accounts: List<i64>, half_way: Event) -> pumasi::Result<()> {
    let _guard = lock.acquire()?;
    accounts.update(0, |balance| *balance -= 10)?;
    half_way.set();
    loop {
        std::thread::park();
    }
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (lock, half_way) = (Lock::new()?, Event::new()?);
    let accounts = List::of([100, 100])?;
    let mut child = transfer::spawn(lock.clone(), accounts.clone(), half_way.clone())?;
    half_way.wait()?;
    child.kill()?;

    let begin = Instant::now();
    let guard = match lock.acquire() {
        Ok(guard) => guard,
        Err(LockError::Abandoned(abandoned)) => {
            let death = abandoned.death();
            println!(
                "after {:?}: process {} died with the lock",
                begin.elapsed(),
                death.pid
            );
            assert_eq!(death.pid, child.pid());
            let missing = 200 - accounts.to_vec()?.iter().sum::<i64>();
            println!("{missing} are missing, and go back to where they came from");
            accounts.update(0, |balance| *balance += missing)?;
            abandoned.accept()
        }
        Err(LockError::Failed(error)) => return Err(error.into()),
    };
    assert_eq!(accounts.to_vec()?, [100, 100]);
    drop(guard);
    println!("{}", child.join().unwrap_err());
    Ok(())
}
