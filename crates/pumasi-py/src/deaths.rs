//! What a process that died while it held something leaves to say: a record, and a warning.

use std::ffi::CString;
use std::sync::atomic::{AtomicU64, Ordering};

use pumasi::sync::Death;
use pyo3::prelude::*;

use crate::errors::OwnerDiedWarning;

/// A process which died while it held a lock.
#[pyclass(frozen, eq, module = "pumasi._core")]
#[derive(Clone, Copy, PartialEq)]
pub struct OwnerDied {
    /// The process id.
    #[pyo3(get)]
    pid: u32,
    /// The number of the signal that ended it; None where nobody who knows has told.
    #[pyo3(get)]
    signal: Option<i32>,
}

#[pymethods]
impl OwnerDied {
    fn __repr__(&self) -> String {
        match self.signal {
            Some(signal) => format!("OwnerDied(pid={}, signal={signal})", self.pid),
            None => format!("OwnerDied(pid={}, signal=None)", self.pid),
        }
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("pid", "signal")
    }
}

/// The death of which the last `acquire` of a handle told: `1 << 63 | signal(31) | pid(32)`, or 0.
#[derive(Default)]
pub struct LastDeath(AtomicU64);

impl LastDeath {
    #[inline(always)]
    pub fn forget(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    pub fn keep(&self, death: Death) {
        let signal = death.signal.unwrap_or(0).cast_unsigned();
        let word = (1 << 63) | (u64::from(signal) << 32) | u64::from(death.pid);
        self.0.store(word, Ordering::Relaxed);
    }

    pub fn get(&self) -> Option<OwnerDied> {
        let word = self.0.load(Ordering::Relaxed);
        (word != 0).then(|| OwnerDied {
            pid: word as u32,
            signal: Some(((word >> 32) & 0x7fff_ffff) as i32).filter(|&signal| signal != 0),
        })
    }
}

/// Issues `OwnerDiedWarning` at the caller's line.
pub fn warn_of(py: Python<'_>, death: Death) -> PyResult<()> {
    let held = "held this lock: what the lock protects may be half changed";
    warn(py, death, held)
}

/// The same for one that died with tasks of a queue.
pub fn warn_of_tasks(py: Python<'_>, death: Death) -> PyResult<()> {
    let had = "had tasks of this queue that were not done: they count as done now";
    warn(py, death, had)
}

fn warn(py: Python<'_>, death: Death, what: &str) -> PyResult<()> {
    let how = match death.signal {
        Some(signal) => match pumasi::process::signal_name(signal) {
            Some(name) => format!("was ended by {name}"),
            None => format!("was ended by signal {signal}"),
        },
        None => "died".to_owned(),
    };
    let message = format!("process {} {how} while it {what}", death.pid);
    let message = CString::new(message)?;
    PyErr::warn(py, &py.get_type::<OwnerDiedWarning>(), &message, 1)
}
