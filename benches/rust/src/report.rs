//! Rows of the table, as text for people or as a JSON object a line for the Python suite.
//!
//! The fields: `operation`; `at_most`, the target in nanoseconds or null; `samples`, ours first, each with
//! `contender` and `values` in nanoseconds, one for each round.

use std::error::Error;
use std::process::ExitCode;

use crate::timing::{Effort, Sample};

/// A whole program: reads its options, measures by `run`, prints each row when it is done.
///
/// `--json` prints for the Python suite, `--quick` only shows that everything works. The exit
/// status is 0 whatever the numbers are; it is 1 when something did not work, 2 on a wrong option.
pub fn program(
    run: impl FnOnce(Effort, &mut dyn FnMut(Row)) -> Result<(), Box<dyn Error>>,
) -> ExitCode {
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
    let print = &mut |row: Row| println!("{}", if json { row.json() } else { row.text() });
    match run(effort, print) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a benchmark broke: {error}");
            ExitCode::FAILURE
        }
    }
}

/// An operation, what it is to cost at most, and what it did cost: ours first, then the rivals.
pub struct Row {
    /// What was done.
    pub operation: &'static str,
    /// The target in nanoseconds, where there is one.
    pub at_most: Option<f64>,
    /// At least one.
    pub samples: Vec<Sample>,
}

impl Row {
    /// The row as one line of text.
    pub fn text(&self) -> String {
        let [ours, rivals @ ..] = &self.samples[..] else {
            return format!("{}: nothing measured", self.operation);
        };
        let mut line = format!("{}: {}", self.operation, described(ours));
        for rival in rivals {
            let ratio = rival.median() / ours.median();
            line += &format!("; {} {}, {ratio:.2}x", rival.contender, described(rival));
        }
        if let Some(at_most) = self.at_most {
            let verdict = if ours.median() <= at_most {
                "reached"
            } else {
                "not reached"
            };
            line += &format!("; at most {at_most} ns: {verdict}");
        }
        line
    }

    /// The row as one line of JSON. No string in it needs escaping: all are written in this program.
    pub fn json(&self) -> String {
        let samples: Vec<String> = self
            .samples
            .iter()
            .map(|one| {
                let values: Vec<String> = one.values.iter().map(|ns| format!("{ns:.3}")).collect();
                format!(
                    r#"{{"contender":"{}","values":[{}]}}"#,
                    one.contender,
                    values.join(",")
                )
            })
            .collect();
        format!(
            r#"{{"operation":"{}","at_most":{},"samples":[{}]}}"#,
            self.operation,
            self.at_most.map_or("null".to_owned(), |ns| ns.to_string()),
            samples.join(",")
        )
    }
}

fn described(sample: &Sample) -> String {
    let found = sample.estimate();
    match found.and_then(|found| Some((found.low?, found.high?))) {
        Some((low, high)) => format!("{:.1} ns ({low:.1} to {high:.1})", sample.median()),
        None => format!("{:.1} ns", sample.median()),
    }
}
