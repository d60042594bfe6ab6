//! `pumasi advise`: lets Python run a program and judge its shared objects, and prints the advice.

use std::process::Command;

use serde_json::Value;

use crate::advice::{self, Advised};
use crate::args::AdviseArgs;
use crate::cmd::ask::ask;
use crate::embedding::Embedding;
use crate::exit::{Exit, Trouble};
use crate::language::Language;
use crate::output::Output;
use crate::tour::python::Python;
use crate::tour::runner::Signals;

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
    match ask(&mut command, &signals, language, |_, _| {})? {
        Ok(advice) => show(args, advice, language),
        Err(exit) => Ok(exit),
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
