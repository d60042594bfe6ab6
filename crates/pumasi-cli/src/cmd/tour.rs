//! `pumasi tour`: runs the programs, and prints what they brought.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::args::{Side, TourArgs};
use crate::embedding::Embedding;
use crate::exit::{Exit, Trouble};
use crate::language::Language;
use crate::output::{Output, softened};
use crate::tour::ideas::{IDEAS, Idea};
use crate::tour::progress::Progress;
use crate::tour::python::{self, Python};
use crate::tour::report::{Brought, Machine, Outcome, Report, Row};
use crate::tour::runner::{self, Failure, Signals};
use crate::tour::{Library, rust_side, text};

/// Obeys `pumasi tour`.
pub(crate) fn run(
    args: &TourArgs,
    language: Language,
    embedding: &Embedding,
) -> Result<Exit, Trouble> {
    if args.list {
        return list(language);
    }
    let signals = Signals::notice()?;
    let python = Python::find(embedding, &signals);
    if args.source {
        return print_sources(args, &Python::usable(python, language)?, &signals);
    }
    let guide = Guide::new(args, language, embedding, signals, python)?;
    let mut out = Output::stdout();
    if !args.json {
        text::print_opening(&mut out, language)?;
        out.flush()?;
    }
    let report = guide.lead()?;
    if args.json {
        out.line(&serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?)?;
    } else {
        text::print(&mut out, &report)?;
    }
    out.flush()?;
    Ok(judge(&report))
}

fn list(language: Language) -> Result<Exit, Trouble> {
    let mut out = Output::stdout();
    let width = IDEAS
        .iter()
        .map(|idea| idea.name.len())
        .max()
        .unwrap_or_default();
    for idea in IDEAS {
        out.paragraph(
            &format!("{:width$}  ", idea.name),
            idea.shows.in_language(language),
        )?;
    }
    out.flush()?;
    Ok(Exit::Success)
}

fn print_sources(args: &TourArgs, python: &Python, signals: &Signals) -> Result<Exit, Trouble> {
    let mut out = Output::stdout();
    for name in &args.programs {
        let mut command = python.program(name, Library::Pumasi);
        let printed = runner::run(command.arg("--source"), args.patience(), signals);
        match printed {
            Ok(printed) => out.line(&printed.stdout)?,
            Err(failure) => {
                return Err(Trouble::Missing(failure.in_language(Language::En)));
            }
        }
    }
    out.flush()?;
    Ok(Exit::Success)
}

/// The exit code of a report, with the wrong results named on standard error.
fn judge(report: &Report) -> Exit {
    for (row, outcome, trouble) in report.troubles() {
        let (program, library) = (row.program, outcome.library.name());
        eprintln!("pumasi: {program} ({library}): {}", softened(trouble));
    }
    if report.ok {
        Exit::Success
    } else {
        Exit::Wrong
    }
}

/// What is needed to lead through the tour.
struct Guide<'a> {
    args: &'a TourArgs,
    language: Language,
    embedding: &'a Embedding,
    signals: Signals,
    python: Option<Python>,
    scratch: Scratch,
}

/// A program to run: what is compared is run one right after the other.
struct Stop {
    idea: &'static Idea,
    side: Side,
    standard: Option<Library>,
}

impl<'a> Guide<'a> {
    fn new(
        args: &'a TourArgs,
        language: Language,
        embedding: &'a Embedding,
        signals: Signals,
        python: Option<Python>,
    ) -> Result<Self, Trouble> {
        let python = if args.side == Some(Side::Rust) {
            python
        } else {
            Some(Python::usable(python, language)?)
        };
        Ok(Self {
            args,
            language,
            embedding,
            signals,
            python,
            scratch: Scratch::new()?,
        })
    }

    /// Runs everything that was asked for.
    fn lead(&self) -> Result<Report, Trouble> {
        let started = Instant::now();
        let stops = self.stops();
        let runs = stops
            .iter()
            .map(|stop| 1 + usize::from(stop.standard.is_some()))
            .sum();
        let mut progress = Progress::new(runs, self.args.quiet, self.language);
        let mut programs = Vec::new();
        for stop in &stops {
            let pumasi = self.outcome(stop, Library::Pumasi, &mut progress)?;
            let standard = stop
                .standard
                .map(|library| self.outcome(stop, library, &mut progress))
                .transpose()?;
            programs.push(Row::new(
                stop.idea,
                stop.side,
                pumasi,
                standard,
                self.language,
            ));
        }
        let mut report = Report {
            version: env!("CARGO_PKG_VERSION"),
            language: self.language,
            quick: self.args.quick,
            machine: Machine::here(),
            python: self
                .python
                .as_ref()
                .map(|python| python.interpreter.clone()),
            seconds: started.elapsed().as_secs_f64(),
            ok: true,
            programs,
        };
        report.judge();
        Ok(report)
    }

    fn stops(&self) -> Vec<Stop> {
        let wanted = |idea: &&Idea| {
            self.args.programs.is_empty() || self.args.programs.iter().any(|p| p == idea.name)
        };
        let sides = [Side::Python, Side::Rust].into_iter();
        let sides = sides.filter(|side| self.args.side.is_none_or(|wanted| wanted == *side));
        sides
            .flat_map(|side| {
                IDEAS
                    .iter()
                    .filter(wanted)
                    .map(move |idea| stop(idea, side))
            })
            .collect()
    }

    fn outcome(
        &self,
        stop: &Stop,
        library: Library,
        progress: &mut Progress,
    ) -> Result<Outcome, Trouble> {
        let title = stop.idea.title.in_language(self.language);
        progress.begin(&format!("{title} ({})", library.name()));
        let brought = match stop.side {
            Side::Python => self.run_python(stop.idea.name, library),
            Side::Rust => self.run_rust(stop.idea.name, library),
        };
        if let Err(Failure::Signal(number)) = brought {
            return Err(Trouble::Signal(number));
        }
        progress.step();
        Ok(Outcome::of(stop.idea, library, brought, self.language))
    }

    fn run_python(&self, name: &str, library: Library) -> Result<Brought, Failure> {
        let python = self
            .python
            .as_ref()
            .ok_or_else(|| Failure::Nonsense(String::new()))?;
        let mut command = python.program(name, library);
        command.arg("--json");
        python::brought(&self.run(command)?)
    }

    fn run_rust(&self, name: &str, library: Library) -> Result<Brought, Failure> {
        let mut command = self.itself()?;
        command.args(["tour-program", name]);
        if library == Library::Threads {
            command.arg("--threads");
        }
        if let Some(python) = &self.python {
            command
                .arg("--data")
                .arg(&python.interpreter.standard_library);
        }
        let printed = self.run(command)?;
        Ok(Brought {
            result: runner::last_line(&printed)?,
            process_seconds: printed.seconds,
        })
    }

    fn run(&self, mut command: Command) -> Result<runner::Printed, Failure> {
        if self.args.quick {
            command.arg("--quick");
        }
        command.env("TMPDIR", &self.scratch.0);
        runner::run(&mut command, self.args.patience(), &self.signals)
    }

    /// The command which runs this command line in a new process.
    fn itself(&self) -> Result<Command, Failure> {
        match self.embedding.command.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args);
                Ok(command)
            }
            None => Ok(Command::new(std::env::current_exe()?)),
        }
    }
}

fn stop(idea: &'static Idea, side: Side) -> Stop {
    let standard = match side {
        Side::Python => Some(Library::Multiprocessing),
        Side::Rust => rust_side::has_threads(idea.name).then_some(Library::Threads),
    };
    Stop {
        idea,
        side,
        standard,
    }
}

/// A folder for the programs' temporary files, gone when the tour is over, whatever became of them.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("pumasi-tour-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on it, and there is nobody left to tell.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
