//! Plain bytes in the heap: what ctypes objects lie in, and the gate of a manager.

use core::ffi::c_int;

use pumasi::containers::RawBuffer;
use pumasi::heap::object::ObjectRef;
use pyo3::exceptions::PyBrokenPipeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyMemoryView;
use pyo3::{PyClass, ffi};

use crate::errors::OrRaise;
use crate::heap;
use crate::reference::{Reference, assert_spawning, given};

/// Zeroed bytes in the heap which never move, and live while any process has them.
///
/// Offers the writable buffer protocol. Pickles only while a process is being started.
#[pyclass(frozen, weakref, module = "pumasi._core")]
pub struct Block {
    raw: RawBuffer,
}

impl Block {
    /// The one that lives in a shared object.
    pub fn of_object(object: ObjectRef) -> PyResult<Block> {
        Ok(Block {
            raw: RawBuffer::from_object(object).or_raise()?,
        })
    }

    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }
}

#[pymethods]
impl Block {
    #[new]
    #[pyo3(signature = (size, /))]
    fn new(size: &Bound<'_, PyAny>) -> PyResult<Block> {
        let raw = match given(Some(size)) {
            Some(object) => RawBuffer::from_object(object),
            None => RawBuffer::create(&*heap::target()?, size.extract()?, 0),
        };
        Ok(Block {
            raw: raw.or_raise()?,
        })
    }

    fn __len__(&self) -> usize {
        self.raw.len()
    }

    /// Return a writable view of the bytes, which keeps them alive.
    fn create_memoryview<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        assert_spawning(slf)?;
        by_reference(slf)
    }

    /// Fills in the view.
    ///
    /// # Safety
    /// Called by the interpreter with a view to fill.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let raw = &slf.get().raw;
        // SAFETY: `view` is the interpreter's to fill. The bytes stay where they are as long as
        // the handle in `slf` lives, which the view keeps (HEAP-1); other processes write them
        // meanwhile, which is what the user asked for: nothing here makes a reference of them.
        let outcome = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                slf.as_ptr(),
                raw.ptr().cast(),
                raw.len() as ffi::Py_ssize_t,
                0,
                flags,
            )
        };
        if outcome == -1 {
            return Err(PyErr::fetch(slf.py()));
        }
        Ok(())
    }
}

/// `(class, (Reference,))`: how everything whose class takes a Reference pickles.
pub fn by_reference<'py, T: PyClass>(slf: &Bound<'py, T>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let reference = py.get_type::<Reference>().call1((slf,))?;
    (slf.as_any().get_type(), (reference,))
        .into_pyobject(py)
        .map(Bound::into_any)
}

/// The same where subclasses may have an `__init__` of their own: it is not called for what arrives,
/// as it is not for multiprocessing's.
pub fn by_new<'py, T: PyClass>(slf: &Bound<'py, T>) -> PyResult<Bound<'py, PyAny>> {
    static NEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = slf.py();
    let reference = py.get_type::<Reference>().call1((slf,))?;
    let new = NEW.import(py, "copyreg", "__newobj__")?;
    (new, (slf.as_any().get_type(), reference))
        .into_pyobject(py)
        .map(Bound::into_any)
}

/// Open until its manager is shut down, in any process; what is behind it then refuses to work.
#[pyclass(frozen, module = "pumasi._core")]
pub struct Gate {
    raw: RawBuffer,
}

#[pymethods]
impl Gate {
    #[new]
    #[pyo3(signature = (reference=None, /))]
    fn new(reference: Option<&Bound<'_, PyAny>>) -> PyResult<Gate> {
        let raw = match given(reference) {
            Some(object) => RawBuffer::from_object(object),
            None => RawBuffer::create(&*heap::target()?, 8, 0),
        };
        Ok(Gate {
            raw: raw.or_raise()?,
        })
    }

    /// Close it, for ever and for all processes.
    fn close(&self) -> PyResult<()> {
        self.raw.fetch_add(0, 1).map(|_| ()).or_raise()
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        // A buffer which is no gate counts as closed.
        !self.raw.load(0).is_ok_and(|closings| closings == 0)
    }

    /// Raise BrokenPipeError if it was closed, as a proxy does whose server has ended.
    #[inline(always)]
    pub fn check(&self) -> PyResult<()> {
        if self.closed() { Err(closed()) } else { Ok(()) }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        by_reference(slf)
    }
}

impl Gate {
    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }
}

#[cold]
fn closed() -> PyErr {
    PyBrokenPipeError::new_err((libc::EPIPE, "the manager of this object was shut down"))
}
