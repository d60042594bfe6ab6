//! Values of a `Shareable` type in the bytes of a buffer: what Value and Array read and write.
//!
//! An access of 1, 2, 4 or 8 bytes is one atomic load or store, so that it is whole even for one
//! who takes no lock (Python's views) and after a kill. Larger ones are copied under the lock of
//! their owner.

use core::mem::size_of;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::containers::RawBuffer;
use crate::error::{Error, Result};
use crate::heap::shareable::{self, Shareable};

/// What a buffer's maker notes about it: half of the type's id is enough to tell a mistake.
pub(crate) const fn tag<T: Shareable>() -> u32 {
    (T::TYPE_ID ^ (T::TYPE_ID >> 32)) as u32
}

/// Fails unless the buffer was made for values of `T`.
pub(crate) fn expect<T: Shareable>(buffer: &RawBuffer) -> Result<()> {
    if buffer.tag() == tag::<T>() {
        return Ok(());
    }
    Err(Error::TypeMismatch {
        expected: core::any::type_name::<T>(),
        found: "values of another type".to_owned(),
    })
}

/// Whether a value of this size is read and written in one piece.
pub(crate) const fn in_one_piece(size: usize) -> bool {
    matches!(size, 1 | 2 | 4 | 8)
}

/// The address of a value of `size` bytes at byte `at`, which is a multiple of `size` if that is
/// read in one piece.
#[inline(always)]
fn address(buffer: &RawBuffer, at: usize, size: usize) -> Result<*mut u8> {
    if at > buffer.len() || size > buffer.len() - at {
        return Err(Error::IndexOutOfRange { what: "buffer" });
    }
    debug_assert!(!in_one_piece(size) || at.is_multiple_of(size));
    // SAFETY: `ptr` is valid for `len` bytes, and `at + size` does not go past them.
    Ok(unsafe { buffer.ptr().add(at) })
}

/// Reads the value at byte `at`.
#[inline(always)]
pub(crate) fn read<T: Shareable>(buffer: &RawBuffer, at: usize) -> Result<T> {
    let size = size_of::<T>();
    let from = address(buffer, at, size)?;
    let mut whole = [0; 8];
    // SAFETY: the address is inside the buffer, which the caller's handle keeps mapped; the
    // buffer is aligned to 64 bytes and `at` to the size, so that the atomic is aligned, and
    // values of this buffer are only accessed in this size.
    unsafe {
        match size {
            1 => whole[0] = AtomicU8::from_ptr(from).load(Ordering::Acquire),
            2 => whole[..2].copy_from_slice(
                &AtomicU16::from_ptr(from.cast())
                    .load(Ordering::Acquire)
                    .to_ne_bytes(),
            ),
            4 => whole[..4].copy_from_slice(
                &AtomicU32::from_ptr(from.cast())
                    .load(Ordering::Acquire)
                    .to_ne_bytes(),
            ),
            8 => {
                whole = AtomicU64::from_ptr(from.cast())
                    .load(Ordering::Acquire)
                    .to_ne_bytes()
            }
            _ => return read_large(buffer, at),
        }
    }
    shareable::from_bytes(&whole[..size]).ok_or_else(no_value)
}

fn read_large<T: Shareable>(buffer: &RawBuffer, at: usize) -> Result<T> {
    let mut bytes = vec![0; size_of::<T>()];
    buffer.read(at, &mut bytes)?;
    shareable::from_bytes(&bytes).ok_or_else(no_value)
}

#[cold]
fn no_value() -> Error {
    Error::corrupt(0, "bytes that are no value of their type")
}

/// Writes the value at byte `at`.
#[inline(always)]
pub(crate) fn write<T: Shareable>(buffer: &RawBuffer, at: usize, value: &T) -> Result<()> {
    let bytes = shareable::to_bytes(value);
    let to = address(buffer, at, bytes.len())?;
    // SAFETY: as in `read`.
    unsafe {
        match *bytes {
            [a] => AtomicU8::from_ptr(to).store(a, Ordering::Release),
            [a, b] => {
                let word = u16::from_ne_bytes([a, b]);
                AtomicU16::from_ptr(to.cast()).store(word, Ordering::Release);
            }
            [a, b, c, d] => {
                let word = u32::from_ne_bytes([a, b, c, d]);
                AtomicU32::from_ptr(to.cast()).store(word, Ordering::Release);
            }
            [a, b, c, d, e, f, g, h] => {
                let word = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
                AtomicU64::from_ptr(to.cast()).store(word, Ordering::Release);
            }
            _ => return buffer.write(at, bytes),
        }
    }
    Ok(())
}

/// Integers and floats: what `fetch_add` adds, with the wrap-around of Rust's atomics.
pub trait Arithmetic: Shareable + PartialOrd {
    #[doc(hidden)]
    fn plus(self, n: Self) -> Self;
}

macro_rules! arithmetic {
    ($($integer:ty)*) => {$(
        impl Arithmetic for $integer {
            #[inline(always)]
            fn plus(self, n: Self) -> Self {
                self.wrapping_add(n)
            }
        }
    )*};
}

arithmetic! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize }

impl Arithmetic for f32 {
    fn plus(self, n: Self) -> Self {
        self + n
    }
}

impl Arithmetic for f64 {
    fn plus(self, n: Self) -> Self {
        self + n
    }
}
