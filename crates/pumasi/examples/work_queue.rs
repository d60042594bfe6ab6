//! Several processes take their work from one queue. One is killed with work in its hands: the
//! others go on, and whoever waits for the end is told, and has it done again.

use std::collections::HashSet;

use pumasi::containers::Joined;
use pumasi::{Event, Queue};

/// Takes jobs until there will be none.
#[pumasi::task]
fn worker(jobs: Queue<u64>, results: Queue<(u64, u64)>) -> pumasi::Result<u64> {
    let mut done = 0;
    for job in jobs.until_closed() {
        let job = job?;
        results.put((job, (1..=job).product()))?;
        jobs.task_done()?;
        done += 1;
    }
    Ok(done)
}

/// Takes a job and does not come to its end.
#[pumasi::task]
fn unlucky(jobs: Queue<u64>, has_one: Event) -> pumasi::Result<()> {
    jobs.get()?;
    has_one.set();
    loop {
        std::thread::park();
    }
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let jobs = Queue::builder().bound(8).counts_tasks(true).create()?;
    let results = Queue::new()?;
    jobs.put(1)?;
    let has_one = Event::new()?;
    let mut victim = unlucky::spawn(jobs.clone(), has_one.clone())?;
    has_one.wait()?;
    let workers = [
        worker::spawn(jobs.clone(), results.clone())?,
        worker::spawn(jobs.clone(), results.clone())?,
    ];
    // Waits whenever eight jobs lie in the queue.
    jobs.put_many(2..=20)?;
    victim.kill()?;

    if let Joined::Died(death) = jobs.join()? {
        println!("process {} died with a job in its hands", death.pid);
        assert_eq!(death.pid, victim.pid());
    }
    let mut found: Vec<(u64, u64)> = results.drain().collect::<pumasi::Result<_>>()?;
    let done: HashSet<u64> = found.iter().map(|(job, _)| *job).collect();
    let missing: Vec<u64> = (1..=20).filter(|job| !done.contains(job)).collect();
    println!("to be done again: {missing:?}");
    assert_eq!(missing, [1]);
    jobs.put_many(&missing)?;
    assert_eq!(jobs.join()?, Joined::Done);
    jobs.close()?;
    for (n, worker) in workers.into_iter().enumerate() {
        println!("worker {n} has done {} jobs", worker.join()??);
    }
    found.extend(results.drain().collect::<pumasi::Result<Vec<_>>>()?);
    found.sort_unstable();
    assert_eq!(found.len(), 20);
    println!("20! = {}", found[19].1);
    Ok(())
}
