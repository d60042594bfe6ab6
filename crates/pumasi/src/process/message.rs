//! What parent and child tell each other over their channel.
//!
//! The parent sends one [`Boot`] before the child exists. The child answers [`Report::Started`]
//! once it has its arguments, and one more report at its end. Each is one message which arrives
//! whole or not at all, and is still there for the reader when its sender is dead.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::heap::HeapId;
use crate::sys::spawn;

/// The first thing in a [`Boot`], changed whenever what follows it changes: a child of another
/// version of this crate (see `set_executable`) says so instead of misreading it.
const VERSION: [u8; 8] = *b"pumasi 1";

/// What a child is started with.
#[derive(Serialize, Deserialize)]
pub(crate) struct Boot {
    /// The path of the function to run.
    pub(crate) task: String,
    /// Where in the source it is: file, line, column.
    pub(crate) place: (String, u32, u32),
    /// Its types as text.
    pub(crate) signature: String,
    /// The process's name.
    pub(crate) name: String,
    /// Whether the name was chosen by the user, and so worth showing to the system.
    pub(crate) named: bool,
    /// Whether to end with the parent; the pipe that tells of it comes with the message too.
    pub(crate) daemon: bool,
    /// The process id of the parent.
    pub(crate) parent: u32,
    /// The identity of the heap; its memory comes with the message.
    pub(crate) heap: HeapId,
    /// The token of the list in it that takes what is too large for a message.
    pub(crate) mailbox: (u64, u64),
    /// The arguments.
    pub(crate) arguments: Payload,
}

/// Where written values are.
#[derive(Serialize, Deserialize)]
pub(crate) enum Payload {
    /// In the message itself.
    Inline(Vec<u8>),
    /// In the mailbox.
    Mailbox,
}

/// What a child tells its parent.
#[derive(Serialize, Deserialize)]
pub(crate) enum Report {
    /// It has read its arguments and begins.
    Started,
    /// The task returned this.
    Returned(Payload),
    /// The task panicked.
    Panicked { message: String, place: String },
    /// The task could not be run, or its result not be written down.
    Refused(Refusal),
}

/// Why a child did not run a task to its result.
#[derive(Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such task in the child's program.
    NoSuchTask {
        /// The child's program.
        executable: String,
    },
    /// The arguments are not what the task takes.
    Arguments(String),
    /// The result cannot be written down.
    Result(String),
}

/// Writes a message; `None` when it would be too long for a channel.
fn encode(message: &impl Serialize) -> Option<Vec<u8>> {
    let bytes = postcard::to_extend(message, VERSION.to_vec()).ok()?;
    (bytes.len() <= spawn::MAX_MESSAGE).then_some(bytes)
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    let Some(rest) = bytes.strip_prefix(&VERSION) else {
        return Err("it was written by another version of pumasi".to_owned());
    };
    postcard::from_bytes(rest).map_err(|why| why.to_string())
}

/// Sends a message, and descriptors with it, without waiting.
pub(crate) fn send(
    channel: impl AsFd,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    let bytes = encode(message).ok_or(rustix::io::Errno::MSGSIZE)?;
    spawn::send(channel, &bytes, descriptors)
}

/// Takes what this process was started with out of its channel: the heap's memory comes with
/// it, and for a daemon the pipe to its parent.
pub(crate) fn receive_boot(channel: impl AsFd) -> Result<(Boot, Vec<OwnedFd>), String> {
    match spawn::receive(channel) {
        Ok(Some((bytes, descriptors))) if !bytes.is_empty() => Ok((decode(&bytes)?, descriptors)),
        Ok(_) => Err("its channel is empty".to_owned()),
        Err(errno) => Err(errno.to_string()),
    }
}

/// Takes the next report, if one has come.
pub(crate) fn receive_report(channel: impl AsFd) -> Result<Option<Report>, String> {
    match spawn::receive(channel) {
        Ok(Some((bytes, _))) if !bytes.is_empty() => decode(&bytes).map(Some),
        Ok(_) => Ok(None),
        Err(errno) => Err(errno.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_another_version_is_told_apart() {
        let mut bytes = encode(&Report::Started).unwrap();
        assert!(matches!(decode(&bytes), Ok(Report::Started)));
        bytes[7] = b'0';
        let why = decode::<Report>(&bytes).err().unwrap();
        assert!(why.contains("another version"), "{why}");
    }

    #[test]
    fn a_message_too_long_for_a_channel_is_not_sent() {
        let (ours, _theirs) = spawn::channel().unwrap();
        let report = Report::Returned(Payload::Inline(vec![0; spawn::MAX_MESSAGE]));
        assert_eq!(send(&ours, &report, &[]), Err(rustix::io::Errno::MSGSIZE));
    }
}
