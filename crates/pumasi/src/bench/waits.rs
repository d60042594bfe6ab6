//! How often operations on shared objects had to wait.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::heap::Heap;

/// How many count in this process, and whether operations were counted before the first one came.
static COUNTING: Mutex<(usize, bool)> = Mutex::new((0, false));

/// Counts them, for as long as it lives.
pub(crate) struct Waits {
    heap: Heap,
    before: u64,
    /// The offsets of objects that are looked away from.
    own: HashSet<u64>,
}

impl Waits {
    /// None where there is no shared memory.
    pub(crate) fn new(own: impl IntoIterator<Item = u64>) -> Option<Waits> {
        let heap = Heap::global().ok()?.clone();
        let mut counting = counting();
        if counting.0 == 0 {
            counting.1 = heap.counts_operations();
            heap.count_operations(true);
        }
        counting.0 += 1;
        drop(counting);
        let mut waits = Waits {
            heap,
            before: 0,
            own: own.into_iter().collect(),
        };
        waits.before = waits.total();
        Some(waits)
    }

    /// Those of all processes since the beginning; of objects which are there still.
    pub(crate) fn count(&self) -> u64 {
        self.total().saturating_sub(self.before)
    }

    fn total(&self) -> u64 {
        let all = self.heap.operations().into_iter();
        all.filter(|object| !self.own.contains(&object.offset))
            .map(|object| object.contended)
            .sum()
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut counting = counting();
        counting.0 -= 1;
        if counting.0 == 0 {
            self.heap.count_operations(counting.1);
        }
    }
}

fn counting() -> MutexGuard<'static, (usize, bool)> {
    COUNTING.lock().unwrap_or_else(PoisonError::into_inner)
}
