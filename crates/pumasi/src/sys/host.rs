//! The trait that the heap, the locks and the containers are written against.

use core::sync::atomic::{AtomicPtr, Ordering};
use core::time::Duration;

use crate::error::Result;

/// What identifies a process for as long as the machine runs: a pid alone is reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// Clock ticks from boot to the start of the process (field 22 of its stat).
    pub start: u64,
    /// Where its stack starts (field 28), which an exec changes though it keeps the other two.
    pub stack: u64,
}

/// A descriptor which tells those who wait in `poll` that there is something: whoever made it,
/// its number there, and what it is, for a number is soon another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bell {
    /// Process id of the maker.
    pub pid: u32,
    /// The descriptor in that process.
    pub fd: u32,
    /// The inode of the pipe.
    pub inode: u64,
}

/// Memory that processes share, and the operating system below it.
///
/// Offsets are in bytes from the start of the memory. There are two sizes of access, 32 and 64
/// bits, and one address is only ever accessed in one of them. An access outside the memory or
/// not aligned to its size panics with "damaged heap"; callers check what they read from the
/// heap before they use it as an offset, so that this is a backstop and not an error path.
pub trait Host: Send + Sync + Sized + 'static {
    /// Bytes of memory.
    fn size(&self) -> u64;

    /// Reads a 32-bit word.
    fn load32(&self, off: u64, order: Ordering) -> u32;
    /// Writes a 32-bit word.
    fn store32(&self, off: u64, value: u32, order: Ordering);
    /// Replaces `old` by `new`; `Err` has what was found instead. Acquire-release on success.
    fn cas32(&self, off: u64, old: u32, new: u32) -> core::result::Result<u32, u32>;
    /// Adds, wrapping, and gives what was there before.
    fn add32(&self, off: u64, n: u32) -> u32;

    /// Reads a 64-bit word.
    fn load64(&self, off: u64, order: Ordering) -> u64;
    /// Writes a 64-bit word.
    fn store64(&self, off: u64, value: u64, order: Ordering);
    /// Writes neighbouring 64-bit words one after the other, each whole, in no order that another
    /// thread could rely on.
    #[inline(always)]
    fn store_row(&self, off: u64, words: &[u64]) {
        for (i, &word) in words.iter().enumerate() {
            self.store64(off + i as u64 * 8, word, Ordering::Relaxed);
        }
    }
    /// Replaces `old` by `new`; `Err` has what was found instead. Sequentially consistent.
    fn cas64(&self, off: u64, old: u64, new: u64) -> core::result::Result<u64, u64>;
    /// Adds, wrapping, and gives what was there before. Sequentially consistent.
    fn add64(&self, off: u64, n: u64) -> u64;
    /// Sets bits and gives what was there before. Sequentially consistent.
    fn or64(&self, off: u64, bits: u64) -> u64;
    /// Keeps only `bits` and gives what was there before. Sequentially consistent.
    fn and64(&self, off: u64, bits: u64) -> u64;

    /// Orders what this thread stored before against what it loads after, for all threads: for
    /// two that each change one word and then look at the other's.
    fn fence(&self) {
        core::sync::atomic::fence(Ordering::SeqCst);
    }
    /// A fence of `order`: Release for what is stored after it, Acquire for what was loaded before.
    #[inline(always)]
    fn fence_of(&self, order: Ordering) {
        core::sync::atomic::fence(order);
    }

    /// Reads `size` bytes of payload at a multiple of that, in one piece; 1, 2, 4 or 8.
    fn load_whole(&self, off: u64, size: usize) -> u64;
    /// Writes the low `size` bytes of `bits` at a multiple of that, in one piece; 1, 2, 4 or 8.
    fn store_whole(&self, off: u64, size: usize, bits: u64);
    /// Copies bytes into the memory. Nobody else may access the range meanwhile.
    fn copy_in(&self, off: u64, bytes: &[u8]);
    /// Copies bytes out of the memory. What others write meanwhile may come out torn.
    fn copy_out(&self, off: u64, bytes: &mut [core::mem::MaybeUninit<u8>]);
    /// Copies `words` 64-bit words within the memory; the ranges do not overlap.
    fn copy_words(&self, from: u64, to: u64, words: u64);
    /// Fills `words` 64-bit words with zero.
    fn zero_words(&self, off: u64, words: u64);

    /// Makes sure that the range is backed by memory, so that no later access can fail.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] when the system has none.
    fn commit(&self, off: u64, len: u64) -> Result<()>;
    /// Gives the memory of the range back to the system; it reads as zero afterwards.
    fn decommit(&self, off: u64, len: u64);

    /// Sleeps until woken, at most `timeout`, if the 32-bit word still has `expected`.
    /// May return for no reason.
    fn futex_wait(&self, off: u64, expected: u32, timeout: Duration);
    /// Wakes at most `n` sleepers of the word.
    fn futex_wake(&self, off: u64, n: u32);
    /// How often a lock is tried before its waiter sleeps.
    fn spins(&self) -> u32;

    /// Makes the descriptor that a bell names readable, or no longer readable. Never waits; where
    /// the descriptor cannot be reached any more it does nothing.
    fn ring(&self, _bell: Bell, _on: bool) {}

    /// Who this process is.
    fn identity(&self) -> Identity;
    /// Whether that process still runs: never wrong about a dead one that it calls alive for
    /// longer than the kernel takes to end it, never wrong about a living one.
    fn alive(&self, who: Identity) -> bool;
    /// The signal that ended a process, where this process may know: its parent, until it has
    /// reaped it.
    fn ended_by(&self, _pid: u32) -> Option<i32> {
        None
    }
    /// The processor that the calling thread runs on; another one a moment later, perhaps.
    fn processor(&self) -> usize {
        0
    }
    /// Has the calling thread run on one of the processors that it may use and that are `free`;
    /// which it may use afterwards is what it was. Does nothing if there is none.
    fn change_processor(&self, _free: impl Fn(usize) -> bool) {}
    /// Lets others that wait for this processor go ahead.
    fn give_way(&self) {}
    /// A number for the calling thread, unique in its process, never zero.
    fn thread(&self) -> u32;
    /// Time from a fixed point, monotonic.
    fn now(&self) -> Duration;
    /// 64 random bits.
    fn random(&self) -> u64;

    /// The word that leads to this process's private state; null in a child after a fork.
    fn private(&self) -> &AtomicPtr<()>;

    /// Marks a place inside a critical section, for the simulator's report of where it stopped.
    #[inline(always)]
    fn section(&self, _name: &'static str) {}
}
