//! Lets a half of pumasi that is written in Python do its work, and takes what it found.

use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::exit::{Exit, Trouble};
use crate::language::Language;
use crate::tour::runner::{self, Failure, Signals};

/// A line of what such a half prints, as JSON. Other lines are the program's own, and passed over.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Progress {
        what: String,
        share: f64,
    },
    Error {
        #[serde(default)]
        code: String,
        message: String,
    },
    #[serde(alias = "advice")]
    Report(Value),
}

/// Runs the command to its end; what it reported, or how to exit when it said why it cannot.
///
/// `progress` hears how far it is, as a share of 1, and with what.
pub(super) fn ask(
    command: &mut Command,
    signals: &Signals,
    language: Language,
    mut progress: impl FnMut(f64, String),
) -> Result<Result<Value, Exit>, Trouble> {
    let mut last = None;
    let ended = runner::stream(command, signals, |line| match serde_json::from_str(line) {
        Ok(Line::Progress { what, share }) => progress(share, what),
        Ok(other) => last = Some(other),
        Err(_) => {}
    });
    match (last, ended) {
        (_, Err(Failure::Signal(number))) => Err(Trouble::Signal(number)),
        (Some(Line::Error { code, message }), _) => {
            eprintln!("pumasi: {message}");
            Ok(Err(match code.as_str() {
                "usage" | "no-inputs" => Exit::Usage,
                "not-found" => Exit::Unavailable,
                _ => Exit::Wrong,
            }))
        }
        (Some(Line::Report(report)), Ok(())) => Ok(Ok(report)),
        (_, Err(failure)) => Err(Trouble::Missing(failure.in_language(language))),
        (_, Ok(())) => {
            let nonsense = Failure::Nonsense("no report".to_owned());
            Err(Trouble::Missing(nonsense.in_language(language)))
        }
    }
}
