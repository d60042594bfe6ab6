//! The cost of pumasi's core from Rust, beside a robust pthread mutex.

mod cases;
mod robust;

use std::process::ExitCode;

fn main() -> ExitCode {
    pumasi_bench::report::program(cases::run)
}
