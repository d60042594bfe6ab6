//! How a process ended.

use std::fmt;

/// How a process ended: in order with a code, by a signal, or nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitStatus {
    /// It returned from `main` or called `exit` with this code; 0 means success.
    Code(i32),
    /// This signal ended it.
    Signal {
        /// The number of the signal, 9 for SIGKILL.
        number: i32,
        /// Whether the system wrote its memory to a core file.
        core_dumped: bool,
    },
    /// It has ended, and something else in this program took its status from the system: a
    /// `waitpid(-1)`, or SIGCHLD is ignored.
    Unknown,
}

impl ExitStatus {
    /// Whether it ended in order with code 0.
    ///
    /// ```
    /// use pumasi::process::ExitStatus;
    ///
    /// assert!(ExitStatus::Code(0).success());
    /// assert!(!ExitStatus::Code(1).success() && !ExitStatus::Unknown.success());
    /// ```
    #[must_use]
    pub fn success(self) -> bool {
        self == ExitStatus::Code(0)
    }

    /// The exit code, unless a signal ended it.
    ///
    /// ```
    /// use pumasi::process::ExitStatus;
    ///
    /// assert_eq!(ExitStatus::Code(3).code(), Some(3));
    /// assert_eq!(ExitStatus::Signal { number: 9, core_dumped: false }.code(), None);
    /// ```
    #[must_use]
    pub fn code(self) -> Option<i32> {
        match self {
            ExitStatus::Code(code) => Some(code),
            _ => None,
        }
    }

    /// The number of the signal that ended it.
    ///
    /// ```
    /// use pumasi::process::ExitStatus;
    ///
    /// let killed = ExitStatus::Signal { number: 9, core_dumped: false };
    /// assert_eq!((killed.signal(), killed.to_string().as_str()), (Some(9), "SIGKILL"));
    /// ```
    #[must_use]
    pub fn signal(self) -> Option<i32> {
        match self {
            ExitStatus::Signal { number, .. } => Some(number),
            _ => None,
        }
    }

    /// The status as `waitpid` reports it for a process that has ended.
    pub(crate) fn from_wait(status: i32) -> ExitStatus {
        if libc::WIFSIGNALED(status) {
            ExitStatus::Signal {
                number: libc::WTERMSIG(status),
                core_dumped: libc::WCOREDUMP(status),
            }
        } else {
            ExitStatus::Code(libc::WEXITSTATUS(status))
        }
    }
}

/// `exit code 3`, `SIGKILL`, `SIGSEGV, core dumped`.
impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ExitStatus::Code(code) => write!(f, "exit code {code}"),
            ExitStatus::Signal {
                number,
                core_dumped,
            } => {
                match signal_name(number) {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "signal {number}")?,
                }
                if core_dumped {
                    f.write_str(", core dumped")?;
                }
                Ok(())
            }
            ExitStatus::Unknown => f.write_str("unknown exit status"),
        }
    }
}

/// The name of a signal, `SIGKILL` for 9; realtime signals have none.
///
/// ```
/// use pumasi::process::signal_name;
///
/// assert_eq!(signal_name(11), Some("SIGSEGV"));
/// assert_eq!(signal_name(40), None);
/// ```
#[must_use]
pub fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGSTKFLT => "SIGSTKFLT",
        libc::SIGCHLD => "SIGCHLD",
        libc::SIGCONT => "SIGCONT",
        libc::SIGSTOP => "SIGSTOP",
        libc::SIGTSTP => "SIGTSTP",
        libc::SIGTTIN => "SIGTTIN",
        libc::SIGTTOU => "SIGTTOU",
        libc::SIGURG => "SIGURG",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGVTALRM => "SIGVTALRM",
        libc::SIGPROF => "SIGPROF",
        libc::SIGWINCH => "SIGWINCH",
        libc::SIGIO => "SIGIO",
        libc::SIGPWR => "SIGPWR",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_as_a_person_would_say_it() {
        let killed = |number, core_dumped| ExitStatus::Signal {
            number,
            core_dumped,
        };
        for (status, text) in [
            (ExitStatus::Code(3), "exit code 3"),
            (killed(9, false), "SIGKILL"),
            (killed(11, true), "SIGSEGV, core dumped"),
            (killed(40, false), "signal 40"),
            (ExitStatus::Unknown, "unknown exit status"),
        ] {
            assert_eq!(status.to_string(), text);
        }
    }

    #[test]
    fn only_code_zero_is_success() {
        assert!(ExitStatus::Code(0).success());
        assert!(!ExitStatus::Code(1).success());
        assert!(!ExitStatus::Unknown.success());
        assert_eq!(ExitStatus::Code(7).code(), Some(7));
        assert_eq!(ExitStatus::Code(7).signal(), None);
    }
}
