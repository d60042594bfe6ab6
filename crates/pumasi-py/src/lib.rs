//! The Python bindings of pumasi, built as `pumasi._core`.

use pyo3::prelude::*;

/// The native half of the package `pumasi`.
#[pymodule]
fn _core(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
