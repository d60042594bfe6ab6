//! `pumasi advise`: lets Python run a program and judge its shared objects, and prints the advice.

use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::advice::{self, Advised};
use crate::args::AdviseArgs;
use crate::embedding::Embedding;
use crate::exit::{Exit, Trouble};
use crate::language::Language;
use crate::output::Output;
use crate::tour::python::Python;
use crate::tour::runner::{self, Failure, Signals};

/// What `python -m pumasi.advise` prints.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Advice(Value),
    Error { message: String },
}

/// Obeys `pumasi advise`.
pub(crate) fn run(
    args: &AdviseArgs,
    language: Language,
    embedding: &Embedding,
) -> Result<Exit, Trouble> {
    let signals = Signals::notice()?;
    let python = Python::usable(Python::find(embedding, &signals), language)?;
    let mut command = Command::new(&python.interpreter.executable);
    command
        .args(["-m", "pumasi.advise"])
        .arg(&args.program)
        .args(&args.arguments);
    let mut last = None;
    let ended = runner::stream(&mut command, &signals, |line| {
        last = serde_json::from_str(line).ok().or(last.take());
    });
    match (last, ended) {
        (_, Err(Failure::Signal(number))) => Err(Trouble::Signal(number)),
        (Some(Line::Error { message }), _) => {
            eprintln!("pumasi: {message}");
            Ok(Exit::Wrong)
        }
        (Some(Line::Advice(advice)), Ok(())) => show(args, advice, language),
        (_, Err(failure)) => Err(Trouble::Missing(failure.in_language(language))),
        (_, Ok(())) => {
            let nonsense = Failure::Nonsense("no advice".to_owned());
            Err(Trouble::Missing(nonsense.in_language(language)))
        }
    }
}

fn show(args: &AdviseArgs, mut content: Value, language: Language) -> Result<Exit, Trouble> {
    let advised: Advised = serde_json::from_value(content.clone()).map_err(std::io::Error::from)?;
    let mut out = Output::stdout();
    if args.json {
        let objects = content.get_mut("objects").and_then(Value::as_array_mut);
        for (object, known) in objects.into_iter().flatten().zip(&advised.objects) {
            if let Some(object) = object.as_object_mut() {
                let said = crate::output::softened(&advice::sentence(known, language));
                object.insert("sentence".to_owned(), said.into());
            }
        }
        out.line(&serde_json::to_string_pretty(&content).map_err(std::io::Error::from)?)?;
    } else {
        advice::print(&mut out, &advised, language)?;
    }
    out.flush()?;
    Ok(Exit::Success)
}
