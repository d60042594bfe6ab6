//! pumasi beside what a Rust programmer would take instead: iceoryx2, ipc-channel and lmdb between
//! processes, crossbeam-channel and the standard library's locks between the threads of one.
//!
//! A process that is the other side is a task of this program, a thread runs the same code. Both
//! sleep at a queue of orders between their turns, so that nobody disturbs another's turn.

mod links;
mod maps;
mod messages;
mod peer;

use std::error::Error;
use std::process::ExitCode;

use pumasi_bench::report::{self, Row};
use pumasi_bench::timing::Effort;

#[pumasi::main]
fn main() -> ExitCode {
    peer::end_if_it_hangs();
    report::program(run)
}

fn run(effort: Effort, print: &mut dyn FnMut(Row)) -> Result<(), Box<dyn Error>> {
    messages::run(effort, print)?;
    maps::run(effort, print)
}
