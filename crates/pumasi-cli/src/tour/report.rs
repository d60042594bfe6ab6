//! What the tour found: one struct, printed as text by [`super::text`] and as JSON by serde.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::Library;
use super::ideas::Idea;
use super::runner::Failure;
use crate::args::Side;
use crate::language::{Language, Text};

/// A whole tour.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The version of pumasi's command line.
    pub(crate) version: &'static str,
    pub(crate) language: Language,
    pub(crate) quick: bool,
    pub(crate) machine: Machine,
    pub(crate) python: Option<Interpreter>,
    /// Seconds which the whole tour took.
    pub(crate) seconds: f64,
    /// Whether every result was right.
    pub(crate) ok: bool,
    pub(crate) programs: Vec<Row>,
}

/// Where the times were measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processors: usize,
    pub(crate) system: String,
}

impl Machine {
    /// The machine on which this process runs.
    pub(crate) fn here() -> Self {
        let name = rustix::system::uname();
        let part = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!(
                "{} {} {}",
                part(name.sysname()),
                part(name.release()),
                part(name.machine())
            ),
        }
    }
}

/// The Python which ran the programs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Interpreter {
    pub(crate) version: String,
    pub(crate) executable: PathBuf,
    /// The folder of its standard library.
    pub(crate) standard_library: PathBuf,
}

/// One program of one side: on pumasi, and on what the language has of its own.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) program: &'static str,
    pub(crate) side: Side,
    pub(crate) title: &'static str,
    pub(crate) shows: &'static str,
    pub(crate) pumasi: Outcome,
    /// Nothing where the standard library has no such thing.
    pub(crate) standard: Option<Outcome>,
    /// The standard library's seconds divided by pumasi's.
    pub(crate) ratio: Option<f64>,
    /// The same for a single operation.
    pub(crate) operation_ratio: Option<f64>,
    pub(crate) lesson: Option<&'static str>,
}

/// What one run of a program brought.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) library: Library,
    /// What it printed, in few words.
    pub(crate) printed: Option<String>,
    /// Seconds which its work took, measured inside of it.
    pub(crate) seconds: Option<f64>,
    /// Seconds which a single operation took.
    pub(crate) operation_seconds: Option<f64>,
    /// Seconds of the whole process, with the start of the interpreter.
    pub(crate) process_seconds: Option<f64>,
    /// Whether it would have waited for ever, had it not had a limit of its own.
    pub(crate) endless: bool,
    /// What is wrong: with the result, or with the run when there is no result.
    pub(crate) trouble: Option<String>,
    pub(crate) remark: Option<String>,
    #[serde(skip)]
    digest: Option<u32>,
    /// The program's own JSON.
    pub(crate) result: Option<Value>,
}

/// What a program printed as JSON, and how long its process took.
#[derive(Debug)]
pub(crate) struct Brought {
    pub(crate) result: Value,
    pub(crate) process_seconds: f64,
}

impl Outcome {
    /// Reads, judges and says what a run brought.
    pub(crate) fn of(
        idea: &Idea,
        library: Library,
        brought: Result<Brought, Failure>,
        language: Language,
    ) -> Self {
        let mut outcome = Self {
            library,
            printed: None,
            seconds: None,
            operation_seconds: None,
            process_seconds: None,
            endless: false,
            trouble: None,
            remark: None,
            digest: None,
            result: None,
        };
        let read = brought.and_then(|brought| {
            let finding = (idea.read)(&brought.result);
            outcome.process_seconds = Some(brought.process_seconds);
            outcome.result = Some(brought.result);
            finding.map_err(|error| Failure::Nonsense(error.to_string()))
        });
        match read {
            Ok(finding) => {
                let say = |said: crate::language::Said| said.in_language(language).to_owned();
                outcome.printed = Some(finding.printed(language));
                outcome.seconds = Some(finding.seconds());
                outcome.operation_seconds = finding.operation_seconds();
                outcome.endless = finding.endless();
                outcome.trouble = finding.complaint(library).map(say);
                outcome.remark = finding.remark().map(say);
                outcome.digest = finding.digest();
            }
            Err(failure) => outcome.trouble = Some(failure.in_language(language)),
        }
        outcome
    }
}

impl Row {
    /// One program's runs side by side.
    pub(crate) fn new(
        idea: &'static Idea,
        side: Side,
        pumasi: Outcome,
        standard: Option<Outcome>,
        language: Language,
    ) -> Self {
        let of_standard = standard.as_ref().filter(|outcome| !outcome.endless);
        let ratio = |seconds: fn(&Outcome) -> Option<f64>| {
            Some(seconds(of_standard?)? / seconds(&pumasi)?).filter(|ratio| ratio.is_finite())
        };
        let lesson = idea
            .lesson
            .as_ref()
            .filter(|(sides, _)| sides.contains(&side));
        Self {
            program: idea.name,
            side,
            title: idea.title.in_language(language),
            shows: idea.shows.in_language(language),
            ratio: ratio(|outcome| outcome.seconds),
            operation_ratio: ratio(|outcome| outcome.operation_seconds),
            lesson: lesson.map(|(_, text)| text.in_language(language)),
            pumasi,
            standard,
        }
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        std::iter::once(&self.pumasi).chain(&self.standard)
    }

    fn outcomes_mut(&mut self) -> impl Iterator<Item = &mut Outcome> {
        std::iter::once(&mut self.pumasi).chain(&mut self.standard)
    }
}

impl Report {
    /// Compares what has to be the same in different programs, and judges the whole.
    pub(crate) fn judge(&mut self) {
        let mut first = HashMap::new();
        for row in &mut self.programs {
            let program = row.program;
            for outcome in row.outcomes_mut() {
                let Some(digest) = outcome.digest else {
                    continue;
                };
                let same = *first.entry(program).or_insert(digest) == digest;
                if !same && outcome.trouble.is_none() {
                    outcome.trouble = Some(DIFFERENT.in_language(self.language).to_owned());
                }
            }
        }
        let wrong = self.troubles().count();
        self.ok = wrong == 0;
    }

    /// Everything that is wrong: the program, what it ran on, and the trouble.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (&Row, &Outcome, &str)> {
        self.programs.iter().flat_map(|row| {
            row.outcomes()
                .filter_map(move |outcome| Some((row, outcome, outcome.trouble.as_deref()?)))
        })
    }
}

const DIFFERENT: Text = Text {
    en: "counted otherwise than the first program which counted the same files",
    ko: "같은 파일을 센 첫 프로그램과 결과가 다릅니다",
};
