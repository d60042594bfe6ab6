//! Values without a native form: pickles, with large buffers beside them.
//!
//! ```text
//! length of the type's name (u16) | number of buffers (u16) | length of the pickle (u64)
//! | lengths of the buffers (u64 each) | name | pickle | padding | buffers, each from a multiple of 64
//! ```
//!
//! All little-endian, offsets counted from the start. The name is for people and for programs in
//! Rust, which cannot read the pickle. Buffers lie behind each other, so that reading the value
//! copies them once, all together, and gives views of the copy, which is read-only. What comes out
//! of a queue is nobody else's, so that its buffers stay where they are: the views are of the heap
//! itself, and writable.

use core::ffi::c_int;
use core::mem::MaybeUninit;
use std::sync::Arc;

use pumasi::Heap;
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::{Pinned, Prepared};
use pumasi::sys::{Host, Real};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PySlice};

use crate::errors::{CorruptHeap, OrRaise};
use crate::reference::gather;
use crate::store::Nested;

const HEADER: usize = 12;
/// NumPy's largest alignment, and a cache line.
const ALIGN: usize = 64;

/// Makes the pickle of a value ready to be stored, or to be sent to one receiver.
pub fn prepare<'h>(
    heap: &'h Heap,
    value: &Bound<'_, PyAny>,
    nested: Nested,
) -> PyResult<Prepared<'h>> {
    static STORED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static SENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static ARGUMENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static OUTCOME: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let dumps = match nested {
        Nested::Share | Nested::Copy => STORED.import(py, "pumasi._storing", "dumps")?,
        Nested::Send => SENT.import(py, "pumasi._storing", "dumps_to_send")?,
        Nested::Argument => ARGUMENT.import(py, "pumasi._sending", "dumps_argument")?,
        Nested::Outcome => OUTCOME.import(py, "pumasi._sending", "dumps")?,
    };
    let (pickled, objects) = gather(|| dumps.call1((value,)))?;
    let (pickle, buffers): (Bound<'_, PyAny>, Vec<Bound<'_, PyAny>>) = pickled.extract()?;
    let pickle = PyUntypedBuffer::get(&pickle)?;
    let buffers = buffers
        .iter()
        .map(PyUntypedBuffer::get)
        .collect::<PyResult<Vec<_>>>()?;
    let name = value.get_type().fully_qualified_name()?.to_string();
    let head = head(&name, &pickle, &buffers)?;
    let edges: Vec<&ObjectRef> = objects.iter().collect();
    let mut parts: Vec<&[u8]> = vec![&head, bytes_of(&pickle)];
    let mut len = head.len() + pickle.len_bytes();
    for buffer in &buffers {
        parts.push(&PADDING[..len.next_multiple_of(ALIGN) - len]);
        parts.push(bytes_of(buffer));
        len = len.next_multiple_of(ALIGN) + buffer.len_bytes();
    }
    heap.prepare_pickle_of(&parts, &edges).or_raise()
}

const PADDING: [u8; ALIGN] = [0; ALIGN];

/// What stands in front of the pickle.
fn head(name: &str, pickle: &PyUntypedBuffer, buffers: &[PyUntypedBuffer]) -> PyResult<Vec<u8>> {
    let count = u16::try_from(buffers.len())
        .map_err(|_| PyValueError::new_err("a value with more than 65535 large buffers"))?;
    // A name is for people: one that long is cut, at a character.
    let mut shown = name.len().min(1000);
    while !name.is_char_boundary(shown) {
        shown -= 1;
    }
    let name = &name.as_bytes()[..shown];
    let mut out = Vec::with_capacity(HEADER + 8 * buffers.len() + name.len());
    out.extend_from_slice(&(name.len() as u16).to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&(pickle.len_bytes() as u64).to_le_bytes());
    for buffer in buffers {
        out.extend_from_slice(&(buffer.len_bytes() as u64).to_le_bytes());
    }
    out.extend_from_slice(name);
    Ok(out)
}

/// The bytes of a contiguous buffer.
fn bytes_of(buffer: &PyUntypedBuffer) -> &[u8] {
    let len = buffer.len_bytes();
    if len == 0 {
        return &[];
    }
    // SAFETY: a simple buffer is `len` bytes at `buf_ptr`, which its export keeps in place. We stay
    // attached until they are copied, so that no Python code writes them meanwhile.
    unsafe { core::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), len) }
}

/// The value of a stored pickle.
pub fn load<'py>(py: Python<'py>, framed: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let frame = Frame::parse(framed, framed.len()).ok_or_else(no_frame)?;
    let loads = LOADS.import(py, "pickle", "loads")?;
    let pickle = PyBytes::new(py, &framed[frame.pickle.clone()]);
    if frame.buffers.is_empty() {
        return loads.call1((pickle,));
    }
    let start = frame.buffers[0].start;
    let all = PyMemoryView::from(PyBytes::new(py, &framed[start..]).as_any())?;
    let buffers = PyList::empty(py);
    for range in &frame.buffers {
        let (from, to) = ((range.start - start) as isize, (range.end - start) as isize);
        buffers.append(all.get_item(PySlice::new(py, from, to, 1))?)?;
    }
    let kwargs = pyo3::types::PyDict::new(py);
    kwargs.set_item("buffers", buffers)?;
    loads.call((pickle,), Some(&kwargs))
}

#[cold]
fn no_frame() -> PyErr {
    CorruptHeap::new_err("a pickle without its frame")
}

/// The value of a pickle that is nobody else's any more: its buffers are used in place.
pub fn load_in_place(py: Python<'_>, pinned: Pinned<Real>) -> PyResult<Bound<'_, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let len = pinned.range().1 as usize;
    let mut head = vec![0; HEADER.min(len)];
    copy(&pinned, 0, &mut head);
    let buffers = head
        .get(2..4)
        .map_or(0, |n| usize::from(u16::from_le_bytes([n[0], n[1]])));
    head.resize((HEADER + 8 * buffers).min(len), 0);
    copy(&pinned, 0, &mut head);
    let frame = Frame::parse(&head, len).ok_or_else(no_frame)?;
    let loads = LOADS.import(py, "pickle", "loads")?;
    let pickle = PyBytes::new_with(py, frame.pickle.len(), |bytes| {
        copy(&pinned, frame.pickle.start, bytes);
        Ok(())
    })?;
    if frame.buffers.is_empty() {
        return loads.call1((pickle,));
    }
    let pinned = Arc::new(pinned);
    let buffers = PyList::empty(py);
    for range in frame.buffers {
        buffers.append(Bound::new(
            py,
            Received {
                pinned: Arc::clone(&pinned),
                range,
            },
        )?)?;
    }
    let kwargs = pyo3::types::PyDict::new(py);
    kwargs.set_item("buffers", buffers)?;
    loads.call((pickle,), Some(&kwargs))
}

/// Copies from a value that is kept in place.
fn copy(pinned: &Pinned<Real>, at: usize, bytes: &mut [u8]) {
    // SAFETY: `MaybeUninit<u8>` has the layout of `u8`, and `copy_out` only writes bytes.
    let bytes = unsafe {
        core::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast::<MaybeUninit<u8>>(), bytes.len())
    };
    let heap = pinned.heap();
    heap.host().copy_out(pinned.range().0 + at as u64, bytes);
}

/// A large buffer that came out of a queue or a pool, in the heap as it was put there.
///
/// Offers the writable buffer protocol: the bytes are the receiver's alone, and go when the last
/// view of them goes.
#[pyclass(frozen, module = "pumasi._core")]
pub struct Received {
    pinned: Arc<Pinned<Real>>,
    range: core::ops::Range<usize>,
}

#[pymethods]
impl Received {
    fn __len__(&self) -> usize {
        self.range.len()
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
        let this = slf.get();
        let start = this.pinned.range().0 + this.range.start as u64;
        let bytes = this
            .pinned
            .heap()
            .host()
            .mem()
            .range(start, this.range.len() as u64);
        // SAFETY: `view` is the interpreter's to fill. The pin in `slf`, which the view keeps,
        // keeps the bytes in place; no container leads to them any more, so that nobody else
        // reads or writes them (PIN-1).
        let outcome = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                slf.as_ptr(),
                bytes.cast(),
                this.range.len() as ffi::Py_ssize_t,
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

struct Frame {
    pickle: core::ops::Range<usize>,
    buffers: Vec<core::ops::Range<usize>>,
}

impl Frame {
    /// Where everything is in `len` bytes that begin with `framed`; None if that is no frame.
    fn parse(framed: &[u8], len: usize) -> Option<Frame> {
        let number = |at: usize, n: usize| {
            let mut whole = [0; 8];
            whole[..n].copy_from_slice(framed.get(at..at.checked_add(n)?)?);
            usize::try_from(u64::from_le_bytes(whole)).ok()
        };
        let (name, count, pickle) = (number(0, 2)?, number(2, 2)?, number(4, 8)?);
        let mut at = HEADER + 8 * count + name;
        let mut next = |size: usize| {
            let range = at..at.checked_add(size)?;
            at = range.end.checked_next_multiple_of(ALIGN)?;
            (range.end <= len).then_some(range)
        };
        let pickle = next(pickle)?;
        let mut buffers = Vec::with_capacity(count);
        for i in 0..count {
            buffers.push(next(number(HEADER + 8 * i, 8)?)?);
        }
        Some(Frame { pickle, buffers })
    }
}
