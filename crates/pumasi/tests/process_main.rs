//! A program whose own `main` begins with `pumasi::init()`, or forgets to; no test harness.

use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pumasi::process::{Builder, JoinError};

/// Tells a child of ours what to do wrong.
const FORGET: &str = "PUMASI_TEST_FORGET";
/// What a child that forgot `init` found when it wanted a child of its own.
const REFUSED: i32 = 42;

#[pumasi::task]
fn arguments() -> Vec<String> {
    std::env::args().skip(1).collect()
}

#[pumasi::task]
fn comm() -> String {
    std::fs::read_to_string("/proc/self/comm")
        .unwrap()
        .trim()
        .to_owned()
}

fn main() -> ExitCode {
    match std::env::var(FORGET).as_deref() {
        Ok("init") => return ExitCode::from(7),
        Ok("init, and go on") => std::process::exit(go_on()),
        _ => begins_with_init(),
    }
    ExitCode::SUCCESS
}

/// What a `main` does that starts processes and never called `init`.
fn go_on() -> i32 {
    match comm::spawn() {
        Err(error) if error.to_string().contains("pumasi::init()") => REFUSED,
        _ => 1,
    }
}

#[pumasi::main]
fn begins_with_init() {
    let (_finished, wait) = mpsc::channel::<()>();
    thread::spawn(move || {
        if wait.recv_timeout(Duration::from_secs(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("process_main hangs");
            std::process::abort();
        }
    });

    let own: Vec<_> = std::env::args().skip(1).collect();
    assert_eq!(
        arguments::spawn().unwrap().join().unwrap(),
        own,
        "the arguments are passed on"
    );

    let comm = comm::spawn().unwrap().join().unwrap();
    assert!(comm.starts_with("process_main"), "`ps` would show {comm}");

    for (forget, code) in [("init", 7), ("init, and go on", REFUSED)] {
        let child = Builder::new()
            .env(FORGET, forget)
            .spawn(comm::call())
            .unwrap();
        let error = child.join().unwrap_err();
        assert!(
            matches!(error, JoinError::NotStarted { .. }),
            "{forget}: {error}"
        );
        assert_eq!(error.code(), Some(code), "{forget}");
    }
    println!("3 passed, 0 failed");
}
