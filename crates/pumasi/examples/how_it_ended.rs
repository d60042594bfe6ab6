//! Every end of a process is told: its result, its panic, its exit code or its signal.

use std::time::Duration;

use pumasi::process::{Child, JoinError};

#[pumasi::task]
fn work(how: String) -> u32 {
    match how.as_str() {
        "returns" => 42,
        "panics" => panic!("the well is dry"),
        "exits" => std::process::exit(3),
        _ => loop {
            std::thread::park();
        },
    }
}

fn start(how: &str) -> pumasi::Result<Child<u32>> {
    pumasi::process::Builder::new()
        .name(how)
        .spawn(work::call(how.to_owned()))
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    assert_eq!(start("returns")?.join()?, 42);
    println!("one returned 42");

    let error = start("panics")?.join().unwrap_err();
    println!("{error}");
    assert_eq!(error.panic_message(), Some("the well is dry"));

    let error = start("exits")?.join().unwrap_err();
    println!("{error}");
    assert_eq!(error.code(), Some(3));

    let mut child = start("is killed")?;
    assert!(child.join_timeout(Duration::from_millis(20))?.is_none());
    child.kill()?;
    let error = child.join().unwrap_err();
    println!("{error}");
    assert!(matches!(error, JoinError::Killed { .. }));
    Ok(())
}
