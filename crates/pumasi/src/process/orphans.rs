//! Children whose handles were dropped while they ran.
//!
//! The system keeps a zombie of each process that ended until its parent asks for its status.
//! Nobody will ask for these, so they are asked for whenever a task is started or a handle is
//! dropped. There is no thread that waits for them, and none is needed: what is left at any time
//! is gone with this process.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use crate::process::child::reap;
use crate::process::mailbox::Mailbox;

/// A child that nobody has a handle of, the arguments that it may not have taken yet, and the
/// pipe that keeps it alive if it is a daemon.
struct Orphan {
    pid: u32,
    _mailbox: Option<Mailbox>,
    _lifeline: Option<OwnedFd>,
}

static ORPHANS: Mutex<Vec<Orphan>> = Mutex::new(Vec::new());

/// Takes over a child that still runs.
pub(crate) fn adopt(pid: u32, mailbox: Option<Mailbox>, lifeline: Option<OwnedFd>) {
    ORPHANS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Orphan {
            pid,
            _mailbox: mailbox,
            _lifeline: lifeline,
        });
}

/// Clears away those that have ended.
pub(crate) fn sweep() {
    let ended: Vec<Orphan> = ORPHANS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extract_if(.., |orphan| reap(orphan.pid).is_some())
        .collect();
    // Not under the lock: a mailbox may hold the last of much.
    drop(ended);
}
