//! The statistics of measurements, for `pumasi.measure`.

use pumasi::bench;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Return the median of some values and the ends of its 95 % interval, which needs six values.
///
/// >>> from pumasi import _core
/// >>> _core.bench_estimate([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
/// (3.5, 1.0, 6.0)
#[pyfunction]
#[pyo3(signature = (values, /))]
pub fn bench_estimate(values: Vec<f64>) -> PyResult<(f64, Option<f64>, Option<f64>)> {
    let found = bench::estimate(values)
        .ok_or_else(|| PyValueError::new_err("no values to take a median of"))?;
    Ok((found.median, found.low, found.high))
}

/// Return the report that follows from the record of a measurement, both as JSON.
#[pyfunction]
#[pyo3(signature = (record, /))]
pub fn bench_conclude(py: Python<'_>, record: &str) -> PyResult<String> {
    let report = py.detach(|| {
        let measured = serde_json::from_str(record).map_err(|error| error.to_string())?;
        let report = bench::conclude(measured)?;
        serde_json::to_string(&report).map_err(|error| error.to_string())
    });
    report.map_err(PyValueError::new_err)
}
