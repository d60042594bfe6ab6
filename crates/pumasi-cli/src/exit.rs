//! The exit codes, decided in one place, and the troubles which end a command early.

use std::fmt;
use std::io;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything went well; also when the reader of the output closed the pipe.
    Success,
    /// A program of the tour gave a wrong result, or none; a measured function failed; a name could
    /// not be taken away.
    Wrong,
    /// The command line was not understood.
    Usage,
    /// Something which the command needs is not there, such as a Python with pumasi.
    Unavailable,
    /// Ended by a signal, whose number is added to 128 as shells do: 130 after Ctrl-C.
    Signal(u8),
}

impl Exit {
    /// The number which the operating system gets: 0, 1, 2, 3, or 128 and the signal's number.
    pub fn code(self) -> i32 {
        match self {
            Exit::Success => 0,
            Exit::Wrong => 1,
            Exit::Usage => 2,
            Exit::Unavailable => 3,
            Exit::Signal(number) => 128 + i32::from(number),
        }
    }
}

/// Why a command could not come to its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The output could not be written.
    Output(io::Error),
    /// Something needed is missing; the sentence says what, and what to do.
    Missing(String),
    /// This signal asked to end.
    Signal(u8),
}

impl Trouble {
    /// Says on standard error what there is to say, and gives the exit code which follows from it.
    pub(crate) fn tell(self) -> Exit {
        let exit = match &self {
            Trouble::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Exit::Success;
            }
            Trouble::Output(_) | Trouble::Missing(_) => Exit::Unavailable,
            Trouble::Signal(number) => Exit::Signal(*number),
        };
        eprintln!("pumasi: {self}");
        exit
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Output(error) => write!(f, "cannot write the output: {error}"),
            Trouble::Missing(what) => f.write_str(what),
            Trouble::Signal(number) => write!(f, "ended by signal {number}"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Output(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_codes() {
        let codes = [Exit::Success, Exit::Wrong, Exit::Usage, Exit::Unavailable].map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3]);
        assert_eq!(Exit::Signal(2).code(), 130);
    }

    #[test]
    fn a_closed_pipe_is_success() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Trouble::from(closed).tell(), Exit::Success);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Trouble::from(full).tell(), Exit::Unavailable);
    }
}
