//! The command line, for the script which the Python package installs.

use std::ffi::OsString;
use std::path::PathBuf;

use pumasi_cli::Embedding;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// What a process for a task of the command line runs: this library alone, from the file named in
/// its first argument. Importing the package as well would take three times as long.
const TASK_PROCESS: &str = "\
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
loader = ExtensionFileLoader('pumasi._core', sys.argv[1])
core = module_from_spec(spec_from_loader('pumasi._core', loader))
loader.exec_module(core)
sys.exit(core.cli_main(['pumasi', '--task']))
";

/// Run the command line with these arguments, the program's name first; return its exit code.
///
/// For a process that does nothing else: from here on its waits do not come back to Python.
#[pyfunction]
#[pyo3(pass_module, signature = (arguments, /))]
pub fn cli_main(module: &Bound<'_, PyModule>, arguments: Vec<OsString>) -> PyResult<i32> {
    let py = module.py();
    let python: PathBuf = py.import("sys")?.getattr("executable")?.extract()?;
    let program = python.clone().into_os_string();
    let command = |rest: &[&str]| {
        let mut line = vec![program.clone()];
        line.extend(rest.iter().map(OsString::from));
        line
    };
    let library: String = module.filename()?.extract()?;
    let embedding = Embedding::in_python(
        python.clone(),
        command(&["-m", "pumasi"]),
        command(&["-I", "-S", "-c", TASK_PROCESS, &library]),
    );
    pumasi::sync::wait_by_default(true);
    Ok(py.detach(|| pumasi_cli::run(arguments, embedding)))
}

/// Return a report of `pumasi.bench` as the command line shows it, of its JSON.
///
/// `form` is "text" or "html", `language` "en" or "ko".
#[pyfunction]
#[pyo3(signature = (report, form, language, /))]
pub fn render_bench(report: &str, form: &str, language: &str) -> PyResult<String> {
    pumasi_cli::render_bench(report, form, language).map_err(PyValueError::new_err)
}
