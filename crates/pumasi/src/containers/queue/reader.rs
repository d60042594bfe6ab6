//! A descriptor for `poll` that is readable while there is an item (QUEUE-6).

use core::sync::atomic::Ordering;
use std::os::fd::RawFd;

use crate::containers::queue::RawQueue;
use crate::error::Result;
use crate::heap::ring::{HUB_BELL, HUB_BELL_INODE, HUB_RUNG};
use crate::observer::Op;
use crate::sys::{Host, Real, bell};

impl RawQueue<Real> {
    /// A descriptor that is readable exactly while there is an item, for `poll` and its relatives;
    /// nobody may read from it. It is this process's until [`RawQueue::close_reader`], which is to
    /// be called once for each call of this.
    ///
    /// Other processes that put and take reach it through `/proc`, by the process that made it. If
    /// that one has ended, those who have not used it yet cannot: then a new one is made here, and
    /// whoever waits at the old one is not woken by them.
    ///
    /// # Errors
    /// [`Error::Os`](crate::Error::Os) when the process has no descriptor left;
    /// [`Error::WouldBlock`](crate::Error::WouldBlock) where this thread may not wait.
    pub fn reader(&self) -> Result<(RawFd, u64)> {
        let held = self.enter(Op::Wait, "queue.reader")?;
        let heap = held.heap;
        if let Some(bell) = heap.bell(self.hub)
            && let Some(fd) = bell::take(bell)
        {
            return Ok((fd, bell.inode));
        }
        let bell = bell::make()?;
        let word = (u64::from(bell.pid) << 32) | u64::from(bell.fd);
        held.host()
            .store64(self.hub + HUB_RUNG, 0, Ordering::Release);
        held.host()
            .store64(self.hub + HUB_BELL_INODE, bell.inode, Ordering::Release);
        held.host()
            .store64(self.hub + HUB_BELL, word, Ordering::Release);
        heap.tell_reader(self.hub);
        Ok((bell.fd.cast_signed(), bell.inode))
    }

    /// Closes what [`RawQueue::reader`] has opened, named by the second that it gave.
    pub fn close_reader(inode: u64) {
        bell::give_up(inode);
    }
}
