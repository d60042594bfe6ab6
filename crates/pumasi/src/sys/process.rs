//! Which process is alive.
//!
//! A pidfd is readable exactly when every thread of a process has ended, also before its parent
//! has reaped it. A pid can have been reused since it was written down, so that start time and
//! start of stack are compared too; the latter changes at an exec, after which the process no
//! longer has our mapping and will never release anything.

use std::fs;
use std::io::{self, Read};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};

use crate::sys::Identity;

/// Start time and start of stack of a process, from `/proc/PID/stat`.
fn stat(pid: u32) -> io::Result<(u64, u64)> {
    let path = if pid == 0 {
        "/proc/self/stat".to_owned()
    } else {
        format!("/proc/{pid}/stat")
    };
    // At once, and not until nothing more comes: the kernel makes the line anew for each reader, and
    // every start of a process waits for this. It has 52 fields, most of them short.
    let mut buffer = [0; 2048];
    let length = fs::File::open(path)?.read(&mut buffer)?;
    // The second field is the program's name in parentheses and may hold anything, also half a
    // letter; what follows the last parenthesis is numbers. That is field 3, so that field n is at
    // n - 3.
    let line = &buffer[..length];
    let end = line
        .iter()
        .rposition(|&byte| byte == b')')
        .unwrap_or(length);
    let rest = str::from_utf8(&line[end..])
        .unwrap_or("")
        .trim_start_matches(')');
    let field = |n: usize| {
        rest.split_ascii_whitespace()
            .nth(n - 3)
            .and_then(|f| f.parse::<u64>().ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "short stat"))
    };
    Ok((field(22)?, field(28)?))
}

/// The identity of the calling process.
pub fn own_identity() -> Identity {
    let pid = rustix::process::getpid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs();
    let (start, stack) = stat(0).unwrap_or((0, 0));
    Identity { pid, start, stack }
}

/// Whether that very process still runs our code.
pub fn alive(who: Identity) -> bool {
    let Some(pid) = i32::try_from(who.pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => {
            let mut fds = [PollFd::new(&fd, PollFlags::IN)];
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            if rustix::event::poll(&mut fds, Some(&now)) == Ok(1) {
                return false;
            }
        }
        Err(Errno::SRCH) => return false,
        // Denied by a sandbox or out of descriptors: what /proc says has to do.
        Err(_) => {}
    }
    match stat(who.pid) {
        Ok((start, stack)) => {
            // A zero was written down by a process that could not read its own stat, and one is
            // shown to those who may not look (ptrace rules): neither says anything.
            let same = |now: u64, then: u64| now == 0 || then == 0 || now == then;
            same(start, who.start) && same(stack, who.stack)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => false,
        // /proc is hidden from us: a living pid is all that is known.
        Err(_) => true,
    }
}

/// The signal that ended a child of ours which nobody has reaped yet. Leaves it to be reaped.
pub fn ended_by(pid: u32) -> Option<i32> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    rustix::process::waitid(WaitId::Pid(pid), look)
        .ok()??
        .terminating_signal()
}

/// The inode of the pid namespace, or 0 where it cannot be read.
pub fn pid_namespace() -> u64 {
    rustix::fs::stat("/proc/self/ns/pid").map_or(0, |s| s.st_ino)
}

/// A random identity for a heap.
pub fn random_u128() -> u128 {
    let mut bytes = [0u8; 16];
    if fs::File::open("/dev/urandom")
        .and_then(|mut f| io::Read::read_exact(&mut f, &mut bytes))
        .is_err()
    {
        // No /dev in this sandbox: the kernel's random uuid, else pid and clock.
        let text = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        let fallback = || {
            let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
            (u128::from(own_identity().pid) << 96) | ((t.tv_sec as u128) << 32) | t.tv_nsec as u128
        };
        return u128::from_str_radix(&hex, 16).unwrap_or_else(|_| fallback());
    }
    u128::from_le_bytes(bytes)
}

/// Has `f` run when this process leaves in order: by returning from `main` or by `exit`, in
/// whichever thread. An abort, a signal and `_exit` do not run it.
pub fn at_exit(f: extern "C" fn()) -> Result<(), Errno> {
    // SAFETY: a function of the program itself, which is never unloaded; one that is in a
    // shared object is taken off the list by the loader when the object goes.
    if unsafe { libc::atexit(f) } == 0 {
        Ok(())
    } else {
        Err(Errno::NOMEM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_an_impostor_is_not() {
        let me = own_identity();
        assert!(me.start != 0 && me.stack != 0);
        assert!(alive(me));
        assert!(!alive(Identity {
            start: me.start + 1,
            ..me
        }));
        assert!(!alive(Identity {
            stack: me.stack + 4096,
            ..me
        }));
    }

    #[test]
    fn a_reaped_and_an_unreaped_child_are_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let fd = rustix::process::pidfd_open(
            Pid::from_raw(pid.cast_signed()).unwrap(),
            PidfdFlags::empty(),
        )
        .unwrap();
        rustix::event::poll(&mut [PollFd::new(&fd, PollFlags::IN)], None).unwrap();
        let who = Identity {
            pid,
            ..Identity::default()
        };
        assert!(!alive(who), "ended, not reaped");
        child.wait().unwrap();
        assert!(!alive(who), "reaped");
    }

    #[test]
    fn a_name_may_end_in_half_a_letter() {
        use std::process::{Command, Stdio};

        // The kernel cuts names to 15 bytes, wherever that is in a letter.
        let mut child = Command::new("sh")
            .args(["-c", r"printf 'a\355\225' > /proc/$$/comm; echo; read _"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let name = fs::read(format!("/proc/{}/comm", child.id())).unwrap();
        let found = stat(child.id());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(str::from_utf8(&name).is_err());
        let (start, stack) = found.unwrap();
        assert!(start != 0 && stack != 0);
    }
}
