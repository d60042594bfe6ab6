//! `pumasi run`: a Python program, with multiprocessing replaced in it.
//!
//! This process becomes the interpreter, so that the program's exit status, signals and terminal
//! are its own. What the interpreter does then is in the Python package, in `_run.py`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::args::RunArgs;
use crate::embedding::Embedding;
use crate::exit::{Exit, Trouble};
use crate::language::Language;
use crate::tour::python::Python;
use crate::tour::runner::Signals;

/// What the interpreter runs. `-c` puts the working directory on the path, where a file of the
/// program's could stand before a module of the same name; it goes before anything is imported.
const BEGIN: &str = "import sys; sys.path[:1] == [''] and sys.path.pop(0); \
                     from pumasi._run import main; main()";

/// Obeys `pumasi run`; comes back only if there is no interpreter to become.
pub(crate) fn run(
    args: &RunArgs,
    language: Language,
    embedding: &Embedding,
) -> Result<Exit, Trouble> {
    let program = match &embedding.python {
        // It has pumasi: it is running this.
        Some(python) => python.clone(),
        None => {
            let signals = Signals::notice()?;
            let found = Python::usable(Python::find(embedding, &signals), language)?;
            found.interpreter.executable
        }
    };
    let mut command = Command::new(&program);
    for warning in &args.warnings {
        command.arg("-W").arg(warning);
    }
    for option in &args.options {
        command.arg("-X").arg(option);
    }
    command.args(["-c", BEGIN]);
    if args.follow {
        command.arg("--follow");
    }
    let error = command.args(args.words()).exec();
    Err(Trouble::Missing(format!("{}: {error}", program.display())))
}
