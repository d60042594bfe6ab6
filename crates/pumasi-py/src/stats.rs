//! The counters of operations per object: the first listener of the observer seam.

use pumasi::heap::ObjectStats;
use pumasi::heap::object::ObjectRef;
use pumasi::observer::Op;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::heap;
use crate::reference::object_of;
use crate::typed::typed_of;

/// Return how often each operation was done on each shared object, and how often it had to wait.
///
/// Counting is off until `pumasi.heap.counting` is set to True, and then covers every process of
/// the program. With an object, return its counters alone, of a Value or an Array with those of
/// its lock. What is done to raw ctypes objects, and through views of an Array, is not counted:
/// it is done to plain memory.
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
    let wanted = shared.map(made_of).transpose()?;
    let heap = match wanted.as_deref() {
        Some([object, ..]) => object.heap().clone(),
        _ => heap::default()?.clone(),
    };
    let mut all = py.detach(|| heap.operations());
    if let Some(wanted) = wanted {
        all.retain(|object| {
            let token = (object.offset, object.generation);
            wanted.iter().any(|wanted| wanted.token() == token)
        });
        return counters(py, &all);
    }
    let found = PyDict::new(py);
    for object in &all {
        let name = format!("{}@{:x}", object.kind.name(), object.offset);
        found.set_item(name, counters(py, core::slice::from_ref(object))?)?;
    }
    Ok(found)
}

/// The shared objects whose counters are those of `shared`.
fn made_of(shared: &Bound<'_, PyAny>) -> PyResult<Vec<ObjectRef>> {
    let py = shared.py();
    if let Some(object) = object_of(shared) {
        return Ok(vec![object.clone()]);
    }
    if let Some(typed) = typed_of(shared) {
        return Ok(typed.objects().cloned().collect());
    }
    // A queue of the package has the shared one inside.
    if let Ok(inner) = shared.getattr(intern!(py, "_queue"))
        && let Some(object) = object_of(&inner)
    {
        return Ok(vec![object.clone()]);
    }
    let name = shared.get_type().name()?;
    Err(PyTypeError::new_err(
        if shared.hasattr(intern!(py, "_wrapper"))? {
            format!(
                "{name} is a raw ctypes object, plain memory whose accesses nothing counts; make \
                 it with a lock (Value, Array) to have them counted"
            )
        } else {
            format!("{name} is not a shared object")
        },
    ))
}

fn counters<'py>(py: Python<'py>, objects: &[ObjectStats]) -> PyResult<Bound<'py, PyDict>> {
    let counters = PyDict::new(py);
    for op in Op::ALL {
        let all = objects.iter().flat_map(|object| &object.operations);
        let count: u64 = all.filter(|each| each.0 == op).map(|each| each.1).sum();
        if count > 0 {
            counters.set_item(op.name(), count)?;
        }
    }
    if !objects.is_empty() {
        let contended: u64 = objects.iter().map(|object| object.contended).sum();
        counters.set_item("contended", contended)?;
    }
    Ok(counters)
}
