//! A range of memory that other processes write too.
//!
//! No Rust reference to the bytes is ever made: words go through atomics, payload through raw
//! copies. Each access is checked for bounds and alignment in one comparison.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// A mapped or allocated range, accessed by offset.
#[derive(Clone, Copy, Debug)]
pub struct Mem {
    base: *mut u8,
    size: u64,
    /// How many words of 64 and of 32 bits that is, for one comparison per access.
    words64: u64,
    words32: u64,
}

// SAFETY: `Mem` is an address and a length; every access through it is atomic or a raw copy
// whose races the callers account for.
unsafe impl Send for Mem {}
// SAFETY: as for Send.
unsafe impl Sync for Mem {}

#[cold]
#[inline(never)]
fn outside(off: u64) -> ! {
    panic!("damaged heap: access at {off:#x} is outside the heap or not aligned")
}

impl Mem {
    /// Takes over a range.
    ///
    /// # Safety
    /// `base` is aligned to a page and the `size` bytes from it stay readable and writable for
    /// as long as a copy of the result is used. `size` is a multiple of 8.
    pub unsafe fn new(base: *mut u8, size: u64) -> Mem {
        Mem {
            base,
            size,
            words64: size >> 3,
            words32: size >> 2,
        }
    }

    /// Bytes in the range.
    #[inline(always)]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the range starts in this process.
    #[inline(always)]
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// The address of `len` bytes at `off`.
    #[inline(always)]
    pub fn range(&self, off: u64, len: u64) -> *mut u8 {
        if off > self.size || len > self.size - off {
            outside(off);
        }
        // SAFETY: the sum is inside the range, which `new` was promised to be valid.
        unsafe { self.base.add(off as usize) }
    }

    /// The 32-bit word at `off`.
    #[inline(always)]
    pub fn word32(&self, off: u64) -> &AtomicU32 {
        // Rotating puts a misaligned offset's low bits at the top, so that one comparison
        // refuses both what is outside and what is not aligned.
        if off.rotate_right(2) >= self.words32 {
            outside(off);
        }
        // SAFETY: in bounds and aligned by the check above; the word is only accessed atomically
        // and only in this size (the contract of `Host`).
        unsafe { &*self.base.add(off as usize).cast::<AtomicU32>() }
    }

    /// The 64-bit word at `off`.
    #[inline(always)]
    pub fn word64(&self, off: u64) -> &AtomicU64 {
        if off.rotate_right(3) >= self.words64 {
            outside(off);
        }
        // SAFETY: as for `word32`.
        unsafe { &*self.base.add(off as usize).cast::<AtomicU64>() }
    }

    /// The `n` 64-bit words from `off`.
    #[inline(always)]
    pub fn words64(&self, off: u64, n: u64) -> &[AtomicU64] {
        // The first and the last word are checked as in `word64`; what lies between is inside.
        if off.rotate_right(3) >= self.words64 || n > self.words64 - (off >> 3) {
            outside(off);
        }
        // SAFETY: in bounds and aligned by the check above; as for `word64`, each is only
        // accessed atomically and in this size.
        unsafe { core::slice::from_raw_parts(self.base.add(off as usize).cast(), n as usize) }
    }

    /// The address of a payload of 1, 2, 4 or 8 bytes that is read and written in one piece.
    #[inline(always)]
    fn whole(&self, off: u64, size: usize) -> *mut u8 {
        if !matches!(size, 1 | 2 | 4 | 8) || !off.is_multiple_of(size as u64) {
            outside(off);
        }
        self.range(off, size as u64)
    }

    /// Reads `size` (1, 2, 4 or 8) bytes of payload at a multiple of that, in one piece.
    #[inline(always)]
    pub fn load_whole(&self, off: u64, size: usize) -> u64 {
        let from = self.whole(off, size);
        // SAFETY: `whole` checked bounds and alignment, and payload of this size is accessed
        // atomically and in this size, or copied by one who puts up with half of a change.
        unsafe {
            match size {
                1 => u64::from(AtomicU8::from_ptr(from).load(Ordering::Acquire)),
                2 => u64::from(AtomicU16::from_ptr(from.cast()).load(Ordering::Acquire)),
                4 => u64::from(AtomicU32::from_ptr(from.cast()).load(Ordering::Acquire)),
                _ => AtomicU64::from_ptr(from.cast()).load(Ordering::Acquire),
            }
        }
    }

    /// Writes the low `size` (1, 2, 4 or 8) bytes of `bits` at a multiple of that, in one piece.
    #[inline(always)]
    pub fn store_whole(&self, off: u64, size: usize, bits: u64) {
        let to = self.whole(off, size);
        // SAFETY: as in `load_whole`.
        unsafe {
            match size {
                1 => AtomicU8::from_ptr(to).store(bits as u8, Ordering::Release),
                2 => AtomicU16::from_ptr(to.cast()).store(bits as u16, Ordering::Release),
                4 => AtomicU32::from_ptr(to.cast()).store(bits as u32, Ordering::Release),
                _ => AtomicU64::from_ptr(to.cast()).store(bits, Ordering::Release),
            }
        }
    }

    /// Copies bytes in.
    #[inline(always)]
    pub fn copy_in(&self, off: u64, bytes: &[u8]) {
        let to = self.range(off, bytes.len() as u64);
        // SAFETY: `range` checked the target; a private slice cannot overlap the shared range.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
    }

    /// Copies bytes out.
    #[inline(always)]
    pub fn copy_out(&self, off: u64, bytes: &mut [MaybeUninit<u8>]) {
        let from = self.range(off, bytes.len() as u64);
        // SAFETY: `range` checked the source; a private slice cannot overlap the shared range.
        unsafe {
            core::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr().cast::<u8>(), bytes.len())
        }
    }
}
