//! Finds the Python which runs the Python programs, and starts them in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::Library;
use super::report::{Brought, Interpreter};
use super::runner::{self, Failure, Printed, Signals};
use crate::embedding::Embedding;
use crate::exit::Trouble;
use crate::language::{Language, Text};

/// How long an interpreter may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks an interpreter who it is, where its library is, and whether it can import pumasi.
const QUESTION: &str = "\
import json, platform, sys, sysconfig
try:
    import pumasi.tour.run
    trouble = None
except ImportError as error:
    trouble = str(error)
print(json.dumps({
    'version': platform.python_version(),
    'executable': sys.executable,
    'standard_library': sysconfig.get_path('stdlib'),
    'trouble': trouble,
}))
";

#[derive(Deserialize)]
struct Answer {
    version: String,
    executable: PathBuf,
    standard_library: PathBuf,
    trouble: Option<String>,
}

/// A Python which was found.
pub(crate) struct Python {
    pub(crate) interpreter: Interpreter,
    /// Why it cannot import pumasi, if it cannot.
    trouble: Option<String>,
}

impl Python {
    /// The first interpreter which can import pumasi; without one, the first which runs at all.
    ///
    /// The embedding names it, or the variable `PUMASI_PYTHON`, and then no other is tried.
    pub(crate) fn find(embedding: &Embedding, signals: &Signals) -> Option<Self> {
        let mut second_best = None;
        for candidate in candidates(embedding) {
            match Self::ask(&candidate, signals) {
                Ok(found) if found.trouble.is_none() => return Some(found),
                Ok(found) => second_best = second_best.or(Some(found)),
                Err(_) => {}
            }
        }
        second_best
    }

    fn ask(program: &Path, signals: &Signals) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        let printed = runner::run(command.args(["-c", QUESTION]), PATIENCE, signals)?;
        let answer: Answer = runner::last_line(&printed)?;
        let interpreter = Interpreter {
            version: answer.version,
            executable: answer.executable,
            standard_library: answer.standard_library,
        };
        Ok(Self {
            interpreter,
            trouble: answer.trouble,
        })
    }

    /// Says what is missing unless this Python, if any, can run programs on pumasi.
    ///
    /// # Errors
    ///
    /// [`Trouble::Missing`], with what to do about it.
    pub(crate) fn usable(found: Option<Self>, language: Language) -> Result<Self, Trouble> {
        let (python, trouble) = match found {
            Some(python) if python.trouble.is_none() => return Ok(python),
            Some(Self {
                interpreter,
                trouble,
            }) => (Some(interpreter), trouble),
            None => (None, None),
        };
        let advice = ADVICE.in_language(language);
        Err(Trouble::Missing(match (python, language) {
            (None, Language::En) => format!("found no Python to run; {advice}"),
            (None, Language::Ko) => format!("실행할 파이썬을 찾지 못했습니다. {advice}"),
            (Some(python), _) => {
                let trouble = trouble.unwrap_or_default();
                let executable = python.executable.display();
                match language {
                    Language::En => {
                        format!("{executable} cannot import pumasi ({trouble}); {advice}")
                    }
                    Language::Ko => {
                        format!(
                            "{executable}에서 pumasi를 import할 수 없습니다({trouble}). {advice}"
                        )
                    }
                }
            }
        }))
    }

    /// The command which runs a program on a library.
    pub(crate) fn program(&self, name: &str, library: Library) -> Command {
        let mut command = Command::new(&self.interpreter.executable);
        command.args(["-m", "pumasi.tour.run", name, "--library", library.name()]);
        command
    }
}

const ADVICE: Text = Text {
    en: "install pumasi in a Python and name it in PUMASI_PYTHON, or take only the Rust programs \
         with --in rust",
    ko: "파이썬에 pumasi를 설치하고 PUMASI_PYTHON으로 지정하거나, --in rust로 Rust 프로그램만 \
         실행하십시오",
};

/// The interpreters to try, in this order.
fn candidates(embedding: &Embedding) -> Vec<PathBuf> {
    if let Some(python) = &embedding.python {
        return vec![python.clone()];
    }
    let named = std::env::var_os("PUMASI_PYTHON").filter(|name| !name.is_empty());
    match named {
        Some(named) => vec![named.into()],
        None => ["python3", "python"].map(PathBuf::from).to_vec(),
    }
}

/// What `pumasi.tour.run --json` prints last.
#[derive(Deserialize)]
struct LastLine {
    process_seconds: f64,
    result: serde_json::Value,
}

/// Reads what a program printed.
///
/// # Errors
///
/// [`Failure::Nonsense`] when its last line is not a result.
pub(crate) fn brought(printed: &Printed) -> Result<Brought, Failure> {
    let last: LastLine = runner::last_line(printed)?;
    Ok(Brought {
        result: last.result,
        process_seconds: last.process_seconds,
    })
}
