//! What a pool of processes shares: tasks, who is doing them, and their results.
//!
//! ```text
//! List --0--> Buffer of words: bells, counts, places, a row per worker    ([`RawBoard`])
//!      --n--> List --0--> Buffer of words: one state per task             ([`RawBatch`])
//!                  --1--> the function that its tasks are for
//!                  --i--> task i - 2: its arguments, then its result
//! ```
//!
//! A pool has one *owner*, which adds tasks and collects results, and any number of *workers*,
//! which find a task, do it and put its result where the arguments were. Nothing stands between
//! them: no thread carries tasks, no pipe, and no lock is held by who has nothing to do.
//!
//! POOL-1: one word per task says what became of it, and every step is one change of that word:
//! READY to TAKEN by the worker which names itself in it (that is the lease), TAKEN to RETURNED or
//! RAISED by that worker when the result is in place, and to SETTLED by the owner alone. So after
//! any kill the word says whose the task was, and a step that came too late fails and changes
//! nothing.
//! POOL-2: everything else (where to look for the next task, which tasks are finished, how many,
//! who sleeps) is a hint. A hint that a kill left behind costs time: whoever learns of a death
//! looks at the words themselves.
//! POOL-3: a wait of a worker or of the owner is sliced (SYNC-1) and holds nothing (SYNC-2); a
//! worker whose owner has died finds no more tasks.

mod batch;
mod board;
mod worker;

pub use batch::{Outcome, RawBatch};
pub use board::{RawBoard, Row};
pub use worker::{Found, RawWorker};
