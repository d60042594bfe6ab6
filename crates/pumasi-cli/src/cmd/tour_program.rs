//! `pumasi tour-program`: one Rust program of the tour, in this process.

use crate::args::TourProgramArgs;
use crate::embedding::Embedding;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::tour::Library;
use crate::tour::rust_side::{self, Task};

/// Obeys `pumasi tour-program`.
///
/// A process which one of these programs starts is this command again: it runs its task in
/// `pumasi::init`, and does not come back from there.
pub(crate) fn run(args: &TourProgramArgs, embedding: &Embedding) -> Result<Exit, Trouble> {
    pumasi::process::set_executable(embedding.task_command.clone());
    pumasi::init().map_err(|error| Trouble::Missing(error.to_string()))?;
    let library = if args.threads {
        Library::Threads
    } else {
        Library::Pumasi
    };
    let task = Task {
        library,
        quick: args.quick,
        data: args.data.clone(),
    };
    let result = rust_side::run(&args.program, &task, embedding);
    let result = result.map_err(|error| Trouble::Missing(error.to_string()))?;
    let mut out = Output::stdout();
    out.line(&result.to_string())?;
    out.flush()?;
    Ok(Exit::Success)
}
