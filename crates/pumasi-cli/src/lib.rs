//! The command line of pumasi, as a library: `cargo install pumasi-cli` gives it as the program
//! `pumasi`, and the Python package carries it and runs the same [`run`].
//!
//! It only parses and prints. Results go to standard output and trouble to standard error; a reader
//! who has seen enough and closes the pipe is no trouble. The exit codes are those of [`Exit`].

#![deny(unsafe_code)]

mod advice;
mod args;
mod bench;
mod cmd;
mod embedding;
mod exit;
mod language;
mod output;
mod tour;

pub use bench::render as render_bench;
pub use embedding::Embedding;
pub use exit::Exit;

use std::ffi::OsString;

/// The whole command line of a process in which another one runs a task of this library, where
/// the running executable is not `pumasi` itself ([`Embedding::task_command`]).
const TASK: &str = "--task";

/// Runs the task that this process was started with, and does not come back.
fn task() -> i32 {
    let why = match pumasi::init() {
        Ok(_) => format!("{TASK} is for processes which pumasi starts"),
        Err(error) => error.to_string(),
    };
    eprintln!("error: {why}");
    Exit::Usage.code()
}

/// Obeys a command line and returns the exit code, one of [`Exit`].
///
/// `args` are the arguments with the program's own name first, as in [`std::env::args_os`];
/// `embedding` says what this process is: the program itself, or a Python which loaded it.
///
/// Blocks until the command is done. While `tour`, `bench` or `advise` runs, SIGINT and SIGTERM end the programs
/// it has started, and then the command.
pub fn run(args: impl IntoIterator<Item = OsString>, embedding: Embedding) -> i32 {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|first| first == TASK) {
        return task();
    }
    let args = match args::parse(args) {
        Ok(args) => args,
        Err(told) => return told.code(),
    };
    let done = match &args.command {
        args::Command::Advise(advise) => cmd::advise::run(advise, args.language(), &embedding),
        args::Command::Bench(bench) => cmd::bench::run(bench, args.language(), &embedding),
        args::Command::Ls(ls) => cmd::names::ls(ls, args.language()),
        args::Command::Rm(rm) => cmd::names::rm(rm, args.language()),
        args::Command::Run(program) => cmd::run::run(program, args.language(), &embedding),
        args::Command::Tour(tour) => cmd::tour::run(tour, args.language(), &embedding),
        args::Command::TourProgram(program) => cmd::tour_program::run(program, &embedding),
    };
    done.unwrap_or_else(|trouble| trouble.tell()).code()
}
