//! The cost of pumasi's core from Rust, beside a robust pthread mutex.
//!
//! `--json` prints for the Python suite, `--quick` only shows that everything works. The exit
//! status is 0 whatever the numbers are; it is 1 when something did not work, 2 on a wrong option.

mod cases;
mod report;
mod robust;
mod timing;

use std::process::ExitCode;

use timing::Effort;

fn main() -> ExitCode {
    let (mut json, mut effort) = (false, Effort::FULL);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--json" => json = true,
            "--quick" => effort = Effort::QUICK,
            other => {
                eprintln!("unknown option {other}; there are --json and --quick");
                return ExitCode::from(2);
            }
        }
    }
    let print = |row: report::Row| println!("{}", if json { row.json() } else { row.text() });
    match cases::run(effort, print) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a benchmark broke: {error}");
            ExitCode::FAILURE
        }
    }
}
