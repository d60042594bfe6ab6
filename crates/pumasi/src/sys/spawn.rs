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

/// Sends one message, and a descriptor with it, without waiting.
pub fn send(
    channel: impl AsFd,
    message: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> rustix::io::Result<()> {
    let descriptors: Vec<_> = descriptor.into_iter().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
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

/// Takes the next message and the descriptor that came with it, without waiting: `None` when
/// there is none now, an empty message when the other end is gone.
pub fn receive(channel: impl AsFd) -> rustix::io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    let mut message = vec![0; MAX_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
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
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok(Some((message, descriptor)))
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
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_whole_and_carry_a_descriptor() {
        let (ours, theirs) = channel().unwrap();
        assert!(receive(&ours).unwrap().is_none(), "nothing was sent yet");
        let file = std::fs::File::open("/dev/null").unwrap();
        send(&theirs, b"one", None).unwrap();
        send(&theirs, b"two", Some(file.as_fd())).unwrap();
        assert_eq!(receive(&ours).unwrap().unwrap().0, b"one");
        let (message, descriptor) = receive(&ours).unwrap().unwrap();
        assert_eq!(message, b"two");
        assert!(descriptor.is_some());
        drop(theirs);
        assert_eq!(receive(&ours).unwrap().unwrap().0, b"", "the end");
    }

    #[test]
    fn the_longest_message_waits_for_nobody() {
        let (ours, theirs) = channel().unwrap();
        send(&theirs, b"started", None).unwrap();
        send(&theirs, &vec![7; MAX_MESSAGE], None).unwrap();
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
