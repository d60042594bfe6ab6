//! Bells: pipes with a byte in them or none, for those who wait in `poll` and not at a futex.
//!
//! One process makes the pipe; another that has to ring it opens it by the maker's entry in
//! `/proc`, as heaps are opened, and keeps it open. It is opened for reading and writing, so that
//! neither end is ever missing. A child of a fork inherits what its parent has open.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use rustix::fs::{FileType, Mode, OFlags};

use crate::error::{Error, Result};
use crate::sys::Bell;

/// An open bell, and how many have asked for it.
struct Open {
    inode: u64,
    users: u32,
    fd: OwnedFd,
}

static OPEN: Mutex<Vec<Open>> = Mutex::new(Vec::new());

const BOTH: OFlags = OFlags::RDWR.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

fn open(path: String) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, BOTH, Mode::empty())
}

/// The bell behind a maker's entry, if it is still that one.
fn find(bell: Bell) -> Option<OwnedFd> {
    let fd = open(format!("/proc/{}/fd/{}", bell.pid, bell.fd)).ok()?;
    let found = rustix::fs::fstat(&fd).ok()?;
    let is_pipe = FileType::from_raw_mode(found.st_mode) == FileType::Fifo;
    (is_pipe && found.st_ino == bell.inode).then_some(fd)
}

/// Opens a bell for one more user; its descriptor here, or `None` when its maker is gone and this
/// process has never opened it.
pub(crate) fn take(bell: Bell) -> Option<RawFd> {
    let mut open = OPEN.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(known) = open.iter_mut().find(|known| known.inode == bell.inode) {
        known.users += 1;
        return Some(known.fd.as_raw_fd());
    }
    let fd = find(bell)?;
    let raw = fd.as_raw_fd();
    open.push(Open {
        inode: bell.inode,
        users: 1,
        fd,
    });
    Some(raw)
}

/// One user less; the last one closes it here.
pub(crate) fn give_up(inode: u64) {
    let mut open = OPEN.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(i) = open.iter().position(|known| known.inode == inode) {
        open[i].users -= 1;
        if open[i].users == 0 {
            open.swap_remove(i);
        }
    }
}

/// Makes a bell, with one user.
///
/// # Errors
/// [`Error::Os`] when the process has no descriptor left.
pub(crate) fn make() -> Result<Bell> {
    let (reader, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(Error::os("pipe"))?;
    // One descriptor for both ends.
    let fd = open(format!("/proc/self/fd/{}", reader.as_raw_fd())).map_err(Error::os("open"))?;
    drop((reader, writer));
    let found = rustix::fs::fstat(&fd).map_err(Error::os("fstat"))?;
    let bell = Bell {
        pid: std::process::id(),
        fd: fd.as_raw_fd().unsigned_abs(),
        inode: found.st_ino,
    };
    OPEN.lock().unwrap_or_else(|e| e.into_inner()).push(Open {
        inode: bell.inode,
        users: 1,
        fd,
    });
    Ok(bell)
}

/// Makes it readable, or no longer readable.
pub(crate) fn ring(bell: Bell, on: bool) {
    // A fork in another thread may have left the table locked in this child for ever.
    let Some(mut open) = (0..1000).find_map(|_| {
        OPEN.try_lock().ok().or_else(|| {
            std::thread::yield_now();
            None
        })
    }) else {
        if let Some(fd) = find(bell) {
            set(&fd, on);
        }
        return;
    };
    if let Some(known) = open.iter().find(|known| known.inode == bell.inode) {
        set(&known.fd, on);
        return;
    }
    if let Some(fd) = find(bell) {
        set(&fd, on);
        open.push(Open {
            inode: bell.inode,
            // Whoever rings has it for as long as the process lives.
            users: 1,
            fd,
        });
    }
}

fn set(fd: &OwnedFd, on: bool) {
    // Neither waits, and neither can fail in a way that matters: the pipe is full or empty.
    if on {
        let _ = rustix::io::write(fd, &[1]);
    } else {
        let mut bytes = [0; 64];
        while matches!(rustix::io::read(fd, &mut bytes), Ok(n) if n == bytes.len()) {}
    }
}
