//! A call run in a process that was started for something else: how a measurement calls a task.

use std::time::Instant;

use crate::process::boot::TaskIo;
use crate::process::message::Refusal;
use crate::process::parcel::{Parcel, Unpacking};
use crate::process::task::Task;

/// A call that was run in a process which had been started for something else.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its result, written down.
    pub(crate) result: Parcel,
    /// Seconds in which the arguments were read and the result was written down.
    pub(crate) serialising: f64,
}

/// Runs a call of `task` in this process, with its arguments as they were written down.
pub(crate) fn run_here(
    task: &'static Task,
    arguments: Vec<u8>,
) -> core::result::Result<Ran, Refusal> {
    let mut io = TaskIo {
        parent: None,
        arguments: Unpacking::new(arguments),
        result: Parcel::default(),
        began: None,
        ended: None,
    };
    let received = Instant::now();
    (task.run)(&mut io)?;
    let whole = received.elapsed();
    let inside = io.began.zip(io.ended).map_or(whole, |(from, to)| to - from);
    Ok(Ran {
        result: io.result,
        serialising: (whole.saturating_sub(inside)).as_secs_f64(),
    })
}
