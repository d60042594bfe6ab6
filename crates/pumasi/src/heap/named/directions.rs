//! What the file of a name says, and how its entries lead to the memory (NAME-3).

use std::io::ErrorKind;
use std::os::fd::RawFd;

use crate::error::{Error, Result};
use crate::heap::layout::{FORMAT, MAX_PARTICIPANTS};
use crate::heap::{Heap, HeapId};
use crate::sys::names::NameFile;
use crate::sys::{Identity, process};

/// First word of the file: "pumaname", little-endian.
const MAGIC: u64 = u64::from_le_bytes(*b"pumaname");
/// Bytes of the head.
const HEAD: usize = 64;
/// Bytes of an entry.
pub(super) const ENTRY: usize = 16;
/// Bytes of the file.
const SIZE: usize = HEAD + MAX_PARTICIPANTS as usize * ENTRY;
/// Where the entry of a slot is.
pub(super) fn entry_at(slot: u64) -> u64 {
    HEAD as u64 + slot % MAX_PARTICIPANTS * ENTRY as u64
}

/// The entry of a process with the memory at a descriptor.
pub(super) fn entry(me: Identity, fd: RawFd) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..4].copy_from_slice(&me.pid.to_le_bytes());
    bytes[4..8].copy_from_slice(&fd.to_le_bytes());
    bytes[8..].copy_from_slice(&me.start.to_le_bytes());
    bytes
}

/// A whole file, with one entry.
pub(super) fn content(id: HeapId, slot: u64, own: [u8; ENTRY]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SIZE);
    for word in [
        MAGIC,
        FORMAT,
        id as u64,
        (id >> 64) as u64,
        process::pid_namespace(),
    ] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.resize(SIZE, 0);
    let at = entry_at(slot) as usize;
    bytes[at..at + ENTRY].copy_from_slice(&own);
    bytes
}

/// What a file says: which heap has the name, and where to look for it.
pub(super) struct Directions {
    pub(super) id: HeapId,
    entries: Vec<(Identity, u32)>,
}

/// Reads a file, which anybody may have written (HEAP-5).
pub(super) fn directions(file: &NameFile) -> Result<Directions> {
    let path = file.path().display();
    let other = |what: &str| {
        Err(Error::Unsupported {
            what: format!("{path} is {what}; `pumasi rm --force` takes it away"),
        })
    };
    let Some(bytes) = file.read(SIZE)? else {
        return other("no name of a heap");
    };
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(word)
    };
    if word(0) != MAGIC {
        return other("no name of a heap");
    }
    if word(8) != FORMAT {
        return other("the name of a heap of another version of pumasi");
    }
    if word(32) != process::pid_namespace() {
        return Err(Error::Unsupported {
            what: format!(
                "{path} names a heap of processes in another pid namespace (another container); share one namespace, for example with --pid"
            ),
        });
    }
    let mut entries = Vec::new();
    for at in (HEAD..SIZE).step_by(ENTRY) {
        let (pid, fd) = (word(at) as u32, (word(at) >> 32) as u32);
        if pid != 0 {
            let who = Identity {
                pid,
                start: word(at + 8),
                stack: 0,
            };
            entries.push((who, fd));
        }
    }
    Ok(Directions {
        id: u128::from(word(16)) | (u128::from(word(24)) << 64),
        entries,
    })
}

/// The heap that the file leads to, if some process still has it (NAME-3). This process is no
/// participant of it yet.
pub(super) fn reach(to: &Directions) -> Result<Option<Heap>> {
    let mut refused = None;
    for &(who, fd) in &to.entries {
        if !process::alive(who) {
            continue;
        }
        match Heap::of_process(who.pid, fd, to.id) {
            Ok(heap) => return Ok(Some(heap)),
            Err(Error::Os { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                refused = Some(who.pid);
            }
            // It has left, or become another program: ask the next.
            Err(Error::Os { .. } | Error::HeapGone { .. } | Error::Corrupt { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    match refused {
        // Whether the heap is there cannot be known from here.
        Some(pid) => Err(Error::Denied {
            what: format!(
                "process {pid} has the heap open and does not let this process look at its descriptors (it runs with other privileges, or was made undumpable)"
            ),
        }),
        None => Ok(None),
    }
}
