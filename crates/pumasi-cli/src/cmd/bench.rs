//! `pumasi bench`: lets Python measure, shows how far it is, and prints what it found, or what was
//! found before.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::args::BenchArgs;
use crate::bench::report::Report;
use crate::bench::{page, text, words};
use crate::cmd::ask::ask;
use crate::embedding::Embedding;
use crate::exit::{Exit, Trouble};
use crate::language::Language;
use crate::output::Output;
use crate::tour::python::Python;
use crate::tour::runner::Signals;

/// Obeys `pumasi bench`.
pub(crate) fn run(
    args: &BenchArgs,
    language: Language,
    embedding: &Embedding,
) -> Result<Exit, Trouble> {
    if let Some(path) = &args.report {
        return show(args, saved(path)?, language);
    }
    let signals = Signals::notice()?;
    let python = Python::usable(Python::find(embedding, &signals), language)?;
    let mut command = Command::new(&python.interpreter.executable);
    command.args(["-m", "pumasi.measure"]).args(args.words());
    let bar = progress(args.quiet);
    let asked = ask(&mut command, &signals, language, |share, what| {
        bar.set_position((share * 1000.0) as u64);
        bar.set_message(what);
    });
    bar.finish_and_clear();
    match asked? {
        Ok(report) => show(args, report, language),
        Err(exit) => Ok(exit),
    }
}

/// A report that was written to a file.
fn saved(path: &Path) -> Result<Value, Trouble> {
    let missing = |why: &dyn std::fmt::Display| {
        Trouble::Missing(format!("cannot read {}: {why}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| missing(&error))?;
    let content: Value = serde_json::from_str(&text).map_err(|error| missing(&error))?;
    match serde_json::from_value::<Report>(content.clone()) {
        Ok(_) => Ok(content),
        Err(error) => Err(missing(&format!(
            "it is no report of a measurement, {error}"
        ))),
    }
}

fn show(args: &BenchArgs, mut content: Value, language: Language) -> Result<Exit, Trouble> {
    let report: Report = serde_json::from_value(content.clone()).map_err(std::io::Error::from)?;
    if let Some(path) = &args.html {
        std::fs::write(path, page::page(&report, language)).map_err(|error| {
            Trouble::Missing(format!("cannot write {}: {error}", path.display()))
        })?;
    }
    let mut out = Output::stdout();
    if args.json {
        let said: Vec<String> = std::iter::once(words::advice(&report, language))
            .chain(
                report
                    .verdicts
                    .iter()
                    .map(|verdict| words::verdict(&report, verdict, language)),
            )
            .map(|sentence| crate::output::softened(&sentence))
            .collect();
        if let Some(content) = content.as_object_mut() {
            content.insert("sentences".to_owned(), said.into());
            content.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
        }
        out.line(&serde_json::to_string_pretty(&content).map_err(std::io::Error::from)?)?;
    } else {
        text::print(&mut out, &report, language)?;
    }
    out.flush()?;
    Ok(Exit::Success)
}

/// A bar of the budget on terminals; nothing elsewhere.
fn progress(quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1000);
    let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {elapsed}  {wide_msg}");
    let style = style.expect("the template is a valid one");
    bar.set_style(style.progress_chars("━╸─"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
