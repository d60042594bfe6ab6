//! Values without a native form: pickles, with large buffers beside them.
//!
//! ```text
//! length of the type's name (u16) | number of buffers (u16) | length of the pickle (u64)
//! | lengths of the buffers (u64 each) | name | pickle | padding | buffers, each from a multiple of 64
//! ```
//!
//! All little-endian, offsets counted from the start. The name is for people and for programs in
//! Rust, which cannot read the pickle. Buffers lie behind each other, so that reading the value
//! copies them once, all together, and gives views of the copy, which is read-only.

use pumasi::Heap;
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::Prepared;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PySlice};

use crate::errors::{CorruptHeap, OrRaise};
use crate::reference::gather;

const HEADER: usize = 12;
/// NumPy's largest alignment, and a cache line.
const ALIGN: usize = 64;

/// Makes the pickle of a value ready to be stored.
pub fn prepare<'h>(heap: &'h Heap, value: &Bound<'_, PyAny>) -> PyResult<Prepared<'h>> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let (pickled, objects) = gather(|| {
        DUMPS
            .import(py, "pumasi._storing", "dumps")?
            .call1((value,))
    })?;
    let (pickle, buffers): (Bound<'_, PyAny>, Vec<Bound<'_, PyAny>>) = pickled.extract()?;
    let pickle = PyUntypedBuffer::get(&pickle)?;
    let buffers = buffers
        .iter()
        .map(PyUntypedBuffer::get)
        .collect::<PyResult<Vec<_>>>()?;
    let name = value.get_type().fully_qualified_name()?.to_string();
    let framed = frame(&name, &pickle, &buffers)?;
    let edges: Vec<&ObjectRef> = objects.iter().collect();
    heap.prepare_pickle(&framed, &edges).or_raise()
}

fn frame(name: &str, pickle: &PyUntypedBuffer, buffers: &[PyUntypedBuffer]) -> PyResult<Vec<u8>> {
    let count = u16::try_from(buffers.len())
        .map_err(|_| PyValueError::new_err("a value with more than 65535 large buffers"))?;
    // A name is for people: one that long is cut, at a character.
    let mut shown = name.len().min(1000);
    while !name.is_char_boundary(shown) {
        shown -= 1;
    }
    let name = &name.as_bytes()[..shown];
    let lengths: usize = buffers.iter().map(|b| b.len_bytes() + ALIGN).sum();
    let mut out =
        Vec::with_capacity(HEADER + 8 * buffers.len() + name.len() + pickle.len_bytes() + lengths);
    out.extend_from_slice(&(name.len() as u16).to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&(pickle.len_bytes() as u64).to_le_bytes());
    for buffer in buffers {
        out.extend_from_slice(&(buffer.len_bytes() as u64).to_le_bytes());
    }
    out.extend_from_slice(name);
    append(&mut out, pickle);
    for buffer in buffers {
        out.resize(out.len().next_multiple_of(ALIGN), 0);
        append(&mut out, buffer);
    }
    Ok(out)
}

/// Appends the bytes of a contiguous buffer.
fn append(out: &mut Vec<u8>, buffer: &PyUntypedBuffer) {
    let len = buffer.len_bytes();
    out.reserve(len);
    // SAFETY: a simple buffer is `len` bytes at `buf_ptr`, which its export keeps in place; the
    // spare capacity holds as many, and they are written before the length covers them.
    unsafe {
        core::ptr::copy_nonoverlapping(
            buffer.buf_ptr().cast::<u8>(),
            out.as_mut_ptr().add(out.len()),
            len,
        );
        out.set_len(out.len() + len);
    }
}

/// The value of a stored pickle.
pub fn load<'py>(py: Python<'py>, framed: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let frame =
        Frame::parse(framed).ok_or_else(|| CorruptHeap::new_err("a pickle without its frame"))?;
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

struct Frame {
    pickle: core::ops::Range<usize>,
    buffers: Vec<core::ops::Range<usize>>,
}

impl Frame {
    /// Where everything is; None for bytes that are no frame.
    fn parse(framed: &[u8]) -> Option<Frame> {
        let number = |at: usize, n: usize| {
            let mut whole = [0; 8];
            whole[..n].copy_from_slice(framed.get(at..at.checked_add(n)?)?);
            usize::try_from(u64::from_le_bytes(whole)).ok()
        };
        let (name, count, pickle) = (number(0, 2)?, number(2, 2)?, number(4, 8)?);
        let mut at = HEADER + 8 * count + name;
        let mut next = |len: usize| {
            let range = at..at.checked_add(len)?;
            at = range.end.checked_next_multiple_of(ALIGN)?;
            (range.end <= framed.len()).then_some(range)
        };
        let pickle = next(pickle)?;
        let mut buffers = Vec::with_capacity(count);
        for i in 0..count {
            buffers.push(next(number(HEADER + 8 * i, 8)?)?);
        }
        Some(Frame { pickle, buffers })
    }
}
