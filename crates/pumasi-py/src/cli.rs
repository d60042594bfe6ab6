//! The command line, for the script which the Python package installs.

use std::ffi::OsString;
use std::path::PathBuf;

use pumasi_cli::Embedding;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Run the command line with these arguments, the program's name first; return its exit code.
///
/// For a process that does nothing else: from here on its waits do not come back to Python.
#[pyfunction]
#[pyo3(signature = (arguments, /))]
pub fn cli_main(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<i32> {
    let python: PathBuf = py.import("sys")?.getattr("executable")?.extract()?;
    let program = python.clone().into_os_string();
    let command = |rest: &[&str]| {
        let mut line = vec![program.clone()];
        line.extend(rest.iter().map(OsString::from));
        line
    };
    let embedding = Embedding::in_python(
        python.clone(),
        command(&["-m", "pumasi"]),
        command(&["-m", "pumasi", "--task"]),
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
