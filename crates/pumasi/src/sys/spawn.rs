//! What starting a child needs from the system: the channel to it, and its end with its parent.
//!
//! The channel is a pair of sockets that keep message boundaries. One end becomes the child's
//! standard input, the only descriptor that `std::process::Command` hands over without a moment
//! in which some other thread's child could inherit it too.
//!
//! A daemon ends with its parent. `PR_SET_PDEATHSIG` alone would be wrong: it follows the
//! *thread* that started the child, so a child started from a short-lived thread would die with
//! that. The child gets the reading end of a pipe instead, which nobody ever writes to and whose
//! other end only the parent has, and asks the kernel for a SIGKILL when that end is gone.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::process::Signal;

/// The longest message of a channel in bytes. A socket's buffer (208 KiB unless the system was
/// set up otherwise) takes one of these and a few short ones without anybody reading.
pub const MAX_MESSAGE: usize = 96 << 10;

/// Which signal tells of news on a descriptor. From Linux's asm-generic/fcntl.h, which both of
/// our architectures use; the crate libc lacks it.
const F_SETSIG: i32 = 10;

/// The two ends of a channel: messages stay whole, and neither end survives an exec by itself.
pub fn channel() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// The most descriptors that a message brings.
const DESCRIPTORS: usize = 2;

/// Sends one message, and descriptors with it, without waiting.
pub fn send(
    channel: impl AsFd,
    message: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::NOBUFS);
    }
    let sent = retry_on_intr(|| {
        rustix::net::sendmsg(
            channel.as_fd(),
            &[IoSlice::new(message)],
            &mut ancillary,
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        )
    })?;
    if sent == message.len() {
        Ok(())
    } else {
        Err(Errno::MSGSIZE)
    }
}

/// Takes the next message and the descriptors that came with it, without waiting: `None` when
/// there is none now, an empty message when the other end is gone.
pub fn receive(channel: impl AsFd) -> rustix::io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut message = vec![0; MAX_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        rustix::net::recvmsg(
            channel.as_fd(),
            &mut [IoSliceMut::new(&mut message)],
            &mut ancillary,
            RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
        )
    });
    let length = match received {
        Ok(received) => received.bytes,
        Err(Errno::AGAIN) => return Ok(None),
        // The other end was closed with our message unread.
        Err(Errno::CONNRESET) => 0,
        Err(errno) => return Err(errno),
    };
    message.truncate(length);
    let mut descriptors = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            descriptors.extend(received);
        }
    }
    Ok(Some((message, descriptors)))
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The status as `waitpid` reports it.
    pub status: i32,
    /// The most memory it had at a time, in bytes.
    pub peak: u64,
}

/// Takes the status of a child that has ended from the system: `None` while it runs.
///
/// # Errors
/// `ECHILD` when there is no such child, or somebody else has taken its status.
pub fn reap(pid: u32) -> rustix::io::Result<Option<Ended>> {
    let mut status = 0;
    // SAFETY: a C struct of integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { core::mem::zeroed() };
    // rustix has no wait that tells what the child used.
    let reaped = retry_on_intr(|| {
        // SAFETY: both pointers lead to locals that outlive the call.
        let pid = unsafe {
            libc::wait4(
                pid.cast_signed(),
                &raw mut status,
                libc::WNOHANG,
                &raw mut usage,
            )
        };
        if pid >= 0 { Ok(pid) } else { Err(last_errno()) }
    })?;
    // Linux counts it in KiB.
    let peak = u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10;
    Ok((reaped != 0).then_some(Ended { status, peak }))
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

/// The number by which a child knows that its standard input is the channel it was started with.
pub fn channel_number(channel: impl AsFd) -> rustix::io::Result<u64> {
    let stat = rustix::fs::fstat(channel)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Socket {
        Ok(stat.st_ino)
    } else {
        Err(Errno::NOTSOCK)
    }
}

/// Has the kernel kill this process when the last other end of `lifeline`, a pipe, is closed,
/// which the end of the parent does. Kills it at once when that has happened already.
///
/// `lifeline` must stay open.
pub fn die_with_parent(lifeline: BorrowedFd<'_>) -> rustix::io::Result<()> {
    if notify_by_kill(lifeline).is_err() {
        // A sandbox that denies it: then the thread that started us has to live as long as we.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    }
    // What happened before we asked is not told any more. Comparing getppid() would do as well,
    // but not for a program that was started through another one (a wrapper, a debugger).
    if is_closed(lifeline) {
        rustix::process::kill_process(rustix::process::getpid(), Signal::KILL)?;
    }
    Ok(())
}

/// Whether the other end of a pipe is gone.
fn is_closed(pipe: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    retry_on_intr(|| rustix::event::poll(&mut fds, Some(&now))) == Ok(1)
}

fn notify_by_kill(pipe: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let own = rustix::process::getpid().as_raw_pid();
    set(pipe, libc::F_SETOWN, own)?;
    set(pipe, F_SETSIG, Signal::KILL.as_raw())?;
    let flags = rustix::fs::fcntl_getfl(pipe)?;
    rustix::fs::fcntl_setfl(pipe, flags | OFlags::from_bits_retain(libc::O_ASYNC as u32))
}

/// The `fcntl` commands with a number, which rustix does not have.
fn set(fd: BorrowedFd<'_>, command: i32, value: i32) -> rustix::io::Result<()> {
    debug_assert!(matches!(command, libc::F_SETOWN | F_SETSIG));
    // SAFETY: the descriptor is open, and both commands take an int and touch no memory.
    if unsafe { libc::fcntl(fd.as_raw_fd(), command, value) } == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_reaped_once() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = loop {
            if let Some(ended) = reap(child.id()).unwrap() {
                break ended;
            }
            std::thread::yield_now();
        };
        assert!(ended.status == 0 && ended.peak > 0, "{ended:?}");
        assert_eq!(reap(child.id()), Err(Errno::CHILD));
        assert!(child.wait().is_err());
    }

    #[test]
    fn messages_stay_whole_and_carry_descriptors() {
        let (ours, theirs) = channel().unwrap();
        assert!(receive(&ours).unwrap().is_none(), "nothing was sent yet");
        let file = std::fs::File::open("/dev/null").unwrap();
        send(&theirs, b"one", &[]).unwrap();
        send(&theirs, b"two", &[file.as_fd(), file.as_fd()]).unwrap();
        assert_eq!(receive(&ours).unwrap().unwrap().0, b"one");
        let (message, descriptors) = receive(&ours).unwrap().unwrap();
        assert_eq!((message.as_slice(), descriptors.len()), (&b"two"[..], 2));
        drop(theirs);
        assert_eq!(receive(&ours).unwrap().unwrap().0, b"", "the end");
    }

    #[test]
    fn the_longest_message_waits_for_nobody() {
        let (ours, theirs) = channel().unwrap();
        send(&theirs, b"started", &[]).unwrap();
        send(&theirs, &vec![7; MAX_MESSAGE], &[]).unwrap();
        receive(&ours).unwrap().unwrap();
        assert_eq!(receive(&ours).unwrap().unwrap().0.len(), MAX_MESSAGE);
    }

    #[test]
    fn only_a_socket_has_a_channel_number() {
        let (ours, theirs) = channel().unwrap();
        assert_ne!(channel_number(&ours), channel_number(&theirs));
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(channel_number(&file), Err(Errno::NOTSOCK));
    }
}
