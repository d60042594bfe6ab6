//! Rows of the table, as text for people or as a JSON object a line for the Python suite.
//!
//! The fields: `operation`; `at_most`, the target in nanoseconds; `samples`, ours first, each with
//! `contender` and `values` in nanoseconds, one for each round.

use crate::timing::Sample;

/// An operation, what it is to cost at most, and what it did cost: ours first, then the rivals.
pub struct Row {
    /// What was done.
    pub operation: &'static str,
    /// The target in nanoseconds.
    pub at_most: f64,
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
        let verdict = if ours.median() <= self.at_most { "reached" } else { "not reached" };
        line + &format!("; at most {} ns: {verdict}", self.at_most)
    }

    /// The row as one line of JSON. No string in it needs escaping: all are written in this program.
    pub fn json(&self) -> String {
        let samples: Vec<String> = self
            .samples
            .iter()
            .map(|one| {
                let values: Vec<String> = one.values.iter().map(|ns| format!("{ns:.3}")).collect();
                format!(r#"{{"contender":"{}","values":[{}]}}"#, one.contender, values.join(","))
            })
            .collect();
        format!(
            r#"{{"operation":"{}","at_most":{},"samples":[{}]}}"#,
            self.operation,
            self.at_most,
            samples.join(",")
        )
    }
}

fn described(sample: &Sample) -> String {
    let low = sample.values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = sample.values.iter().copied().fold(0.0, f64::max);
    format!("{:.1} ns ({low:.1} to {high:.1})", sample.median())
}
