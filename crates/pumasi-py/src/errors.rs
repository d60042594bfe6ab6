//! From the core's one error type to the exceptions that users of multiprocessing already catch.

use pumasi::Error;
use pyo3::exceptions::{
    PyAssertionError, PyBufferError, PyFileExistsError, PyFileNotFoundError, PyIndexError,
    PyKeyError, PyMemoryError, PyOSError, PyPermissionError, PyRuntimeError, PyTypeError,
    PyValueError,
};
use pyo3::import_exception;
use pyo3::prelude::*;

// Defined in Python, so that `help()`, tracebacks and pickles name them where users import them.
import_exception!(pumasi.exceptions, PumasiError);
import_exception!(pumasi.exceptions, WrongHeap);
import_exception!(pumasi.exceptions, StaleReference);
import_exception!(pumasi.exceptions, HeapGone);
import_exception!(pumasi.exceptions, CorruptHeap);
import_exception!(pumasi.exceptions, OwnerDiedWarning);
import_exception!(threading, BrokenBarrierError);

/// The exception for an error of the core.
///
/// A missing key is a value in the core and no error, and a wait which a signal ended has left the
/// signal's own exception with whoever waited (see `wait`); neither arrives here.
#[cold]
pub fn to_exception(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::OutOfMemory { .. } => PyMemoryError::new_err(text),
        Error::StaleReference { .. } => StaleReference::new_err(text),
        Error::WrongHeap { .. } => WrongHeap::new_err(text),
        Error::HeapGone { .. } => HeapGone::new_err(text),
        Error::Corrupt { .. } => CorruptHeap::new_err(text),
        Error::BadName { .. } => PyValueError::new_err(text),
        Error::HeapExists { .. } => PyFileExistsError::new_err(text),
        Error::NoSuchHeap { .. } => PyFileNotFoundError::new_err(text),
        Error::Denied { .. } => PyPermissionError::new_err(text),
        // As in multiprocessing, without a text.
        Error::BrokenBarrier => BrokenBarrierError::new_err(()),
        Error::IndexOutOfRange { .. } => PyIndexError::new_err(text),
        Error::Empty { what } if what.starts_with("popitem") => PyKeyError::new_err(what),
        Error::Empty { .. } | Error::Full { .. } => PyIndexError::new_err(text),
        Error::Exported { .. } => PyBufferError::new_err(capitalized(&text)),
        Error::SliceSize { .. } | Error::ZeroStep => PyValueError::new_err(text),
        Error::Modified { what }
            if what.contains("changed size") || what.contains("during iteration") =>
        {
            PyRuntimeError::new_err(what)
        }
        // multiprocessing tells an RLock's release by the wrong thread from one release too many.
        Error::NotHeld { what } if what.starts_with("attempt") => PyAssertionError::new_err(what),
        Error::Modified { .. } | Error::NotHeld { .. } => PyValueError::new_err(text),
        Error::TypeMismatch { .. } | Error::NotANumber => PyTypeError::new_err(text),
        Error::Os { call, source } => match source.raw_os_error() {
            Some(errno) => PyOSError::new_err((errno, format!("{call}: {source}"))),
            None => PyOSError::new_err(text),
        },
        _ => PumasiError::new_err(text),
    }
}

/// As Python's own sentence begins.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// `?` for results of the core in functions which return a [`PyResult`].
pub trait OrRaise<T> {
    /// The value, or the exception for the error.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for pumasi::Result<T> {
    #[inline(always)]
    fn or_raise(self) -> PyResult<T> {
        self.map_err(to_exception)
    }
}
