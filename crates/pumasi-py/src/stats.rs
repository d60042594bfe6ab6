//! The counters of operations per object: the first listener of the observer seam.

use pumasi::heap::ObjectStats;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::heap;
use crate::reference::object_of;

/// Return how often each operation was done on each shared object, and how often it had to wait.
///
/// Counting is off until `pumasi.heap.counting` is set to True, and then covers every process of
/// the program. With an object, return its counters alone.
///
/// >>> import pumasi
/// >>> pumasi.heap.counting = True
/// >>> values = pumasi.List([1])
/// >>> values.append(2)
/// >>> pumasi.stats(values)["append"]
/// 1
/// >>> pumasi.heap.counting = False
#[pyfunction]
#[pyo3(signature = (shared=None, /))]
pub fn stats<'py>(
    py: Python<'py>,
    shared: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let wanted = match shared {
        None => None,
        Some(shared) => match object_of(shared) {
            Some(object) => Some(object.token()),
            None => {
                return Err(PyTypeError::new_err(format!(
                    "{} is not a shared object",
                    shared.get_type().name()?
                )));
            }
        },
    };
    let heap = heap::default()?;
    let all = py.detach(|| heap.operations());
    let found = PyDict::new(py);
    for object in &all {
        match wanted {
            None => {
                let name = format!("{}@{:x}", object.kind.name(), object.offset);
                found.set_item(name, counters(py, object)?)?;
            }
            Some(token) if token == (object.offset, object.generation) => {
                return counters(py, object);
            }
            Some(_) => {}
        }
    }
    Ok(found)
}

fn counters<'py>(py: Python<'py>, object: &ObjectStats) -> PyResult<Bound<'py, PyDict>> {
    let counters = PyDict::new(py);
    for (op, count) in &object.operations {
        counters.set_item(op.name(), count)?;
    }
    counters.set_item("contended", object.contended)?;
    Ok(counters)
}
