//! The heap on its way into a child.
//!
//! A ticket leads to the heap through the process that wrote it, which may have ended before the
//! child looks. So the memory itself goes along with the boot message.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::error::{Error, Result};
use crate::heap::{Heap, HeapId};

/// A descriptor of the heap's memory, for a message to a child.
pub(crate) fn memory(heap: &Heap) -> Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", heap.host().raw_fd());
    let file = File::options().read(true).write(true).open(path);
    file.map(OwnedFd::from).map_err(|source| Error::Os {
        call: "opening the heap's memory again",
        source,
    })
}

/// Opens the heap that came with a message. The environment names the same one, so that it is
/// the default heap of this process too.
pub(crate) fn open(memory: &OwnedFd, heap: HeapId) -> Result<Heap> {
    let (own, descriptor) = (std::process::id(), memory.as_raw_fd());
    Heap::attach_ticket(&format!("{own}:{descriptor}:{heap:032x}"))
}
