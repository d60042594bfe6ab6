//! Values of a `Shareable` type in the bytes of a buffer: what Value and Array read and write.
//!
//! An access of 1, 2, 4 or 8 bytes is one atomic load or store, so that it is whole even for one
//! who takes no lock (Python's views) and after a kill. Larger ones are copied under the lock of
//! their owner.

use core::mem::size_of;

use crate::containers::RawBuffer;
use crate::containers::typed::locked;
use crate::error::{Error, Result};
use crate::heap::shareable::{self, Shareable};
use crate::observer::Op;
use crate::sync::RawRLock;
use crate::sys::Host;

/// What a buffer's maker notes about it: half of the type's id is enough to tell a mistake.
pub(crate) const fn tag<T: Shareable>() -> u32 {
    (T::TYPE_ID ^ (T::TYPE_ID >> 32)) as u32
}

/// Fails unless the buffer was made for values of `T`.
pub(crate) fn expect<T: Shareable, H: Host>(buffer: &RawBuffer<H>) -> Result<()> {
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

/// Reads the value at byte `at`, a multiple of its size if that is read in one piece.
#[inline(always)]
pub(crate) fn read<T: Shareable, H: Host>(buffer: &RawBuffer<H>, at: usize) -> Result<T> {
    let size = size_of::<T>();
    if !in_one_piece(size) {
        return read_large(buffer, at);
    }
    let off = buffer.range(at, size)?;
    let whole = buffer.host().load_whole(off, size).to_le_bytes();
    shareable::from_bytes(&whole[..size]).ok_or_else(no_value)
}

fn read_large<T: Shareable, H: Host>(buffer: &RawBuffer<H>, at: usize) -> Result<T> {
    let mut bytes = vec![0; size_of::<T>()];
    buffer.copy_out(at, &mut bytes)?;
    shareable::from_bytes(&bytes).ok_or_else(no_value)
}

#[cold]
fn no_value() -> Error {
    Error::corrupt(0, "bytes that are no value of their type")
}

/// Writes the value at byte `at`.
#[inline(always)]
pub(crate) fn write<T: Shareable, H: Host>(
    buffer: &RawBuffer<H>,
    at: usize,
    value: &T,
) -> Result<()> {
    let bytes = shareable::to_bytes(value);
    let size = bytes.len();
    if !in_one_piece(size) {
        return buffer.copy_in(at, bytes);
    }
    let off = buffer.range(at, size)?;
    let mut whole = [0; 8];
    whole[..size].copy_from_slice(bytes);
    buffer
        .host()
        .store_whole(off, size, u64::from_le_bytes(whole));
    Ok(())
}

/// Whether an operation on a value or array may write.
#[inline(always)]
const fn writes(op: Op) -> bool {
    !matches!(op, Op::Get | Op::Snapshot)
}

/// One step on a value or array under its lock, of which the observer is told.
#[inline(always)]
pub(crate) fn step<R, H: Host>(
    buffer: &RawBuffer<H>,
    lock: &RawRLock<H>,
    op: Op,
    f: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let mut access = buffer.object().access(op);
    let held = lock.hold()?;
    let result = f()?;
    if writes(op) {
        buffer.object().written();
    }
    access.inside(held.contended());
    drop(held);
    access.done();
    Ok(result)
}

/// The same of a step that runs code of the user, or takes long: the lock knows its thread then.
pub(crate) fn long_step<R, H: Host>(
    buffer: &RawBuffer<H>,
    lock: &RawRLock<H>,
    op: Op,
    f: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let mut access = buffer.object().access(op);
    let (alone, contended) = locked::alone(lock)?;
    let result = f()?;
    if writes(op) {
        buffer.object().written();
    }
    access.inside(contended);
    drop(alone);
    access.done();
    Ok(result)
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
