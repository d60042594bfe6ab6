//! The numbers of ctypes as machine words: reading and writing them in shared memory, making them
//! from Python's and Python's from them.
//!
//! Memory that other processes write is only touched by one atomic access of the number's own
//! width, so that a reader without the lock (a NumPy view is one) sees a whole old or new value.

use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

/// A simple C type whose values are numbers or truth values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

/// The outcome of an arithmetic step on a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Add,
    Max,
    Min,
}

impl Number {
    /// The type that a buffer's format names, for little-endian numbers of this machine.
    pub fn of_format(format: &str) -> Option<Number> {
        Some(
            match format.strip_prefix(['<', '=', '@']).unwrap_or(format) {
                "?" => Number::Bool,
                "b" => Number::I8,
                "B" => Number::U8,
                "h" => Number::I16,
                "H" => Number::U16,
                "i" => Number::I32,
                "I" => Number::U32,
                "l" | "q" => Number::I64,
                "L" | "Q" => Number::U64,
                "f" => Number::F32,
                "d" => Number::F64,
                _ => return None,
            },
        )
    }

    /// Bytes of one.
    #[inline(always)]
    pub const fn size(self) -> usize {
        match self {
            Number::Bool | Number::I8 | Number::U8 => 1,
            Number::I16 | Number::U16 => 2,
            Number::I32 | Number::U32 | Number::F32 => 4,
            Number::I64 | Number::U64 | Number::F64 => 8,
        }
    }

    /// Reads the bits of the number at `at`, in the low bytes of the word.
    ///
    /// # Safety
    /// `at` is valid for `size()` bytes, aligned to them, and only accessed atomically while it is
    /// shared.
    #[inline(always)]
    pub unsafe fn read(self, at: *mut u8) -> u64 {
        // SAFETY: the caller's promise, for the width that belongs to this type.
        unsafe {
            match self.size() {
                1 => u64::from(AtomicU8::from_ptr(at).load(Ordering::Relaxed)),
                2 => u64::from(AtomicU16::from_ptr(at.cast()).load(Ordering::Relaxed)),
                4 => u64::from(AtomicU32::from_ptr(at.cast()).load(Ordering::Relaxed)),
                _ => AtomicU64::from_ptr(at.cast()).load(Ordering::Relaxed),
            }
        }
    }

    /// Writes the low bytes of `bits` as the number at `at`.
    ///
    /// # Safety
    /// As for [`Number::read`].
    #[inline(always)]
    pub unsafe fn write(self, at: *mut u8, bits: u64) {
        // SAFETY: the caller's promise, for the width that belongs to this type.
        unsafe {
            match self.size() {
                1 => AtomicU8::from_ptr(at).store(bits as u8, Ordering::Relaxed),
                2 => AtomicU16::from_ptr(at.cast()).store(bits as u16, Ordering::Relaxed),
                4 => AtomicU32::from_ptr(at.cast()).store(bits as u32, Ordering::Relaxed),
                _ => AtomicU64::from_ptr(at.cast()).store(bits, Ordering::Relaxed),
            }
        }
    }

    /// Python's number for `bits`, a new reference or null with MemoryError set.
    #[inline(always)]
    pub fn to_python(self, py: Python<'_>, bits: u64) -> PyResult<Bound<'_, PyAny>> {
        // SAFETY: the constructors may be called while attached, and each gives a new reference
        // or null with an exception set.
        unsafe {
            let made = match self {
                Number::Bool => ffi::PyBool_FromLong(i64::from(bits as u8 != 0)),
                Number::I8 => ffi::PyLong_FromLong(i64::from(bits as i8)),
                Number::U8 => ffi::PyLong_FromLong(i64::from(bits as u8)),
                Number::I16 => ffi::PyLong_FromLong(i64::from(bits as i16)),
                Number::U16 => ffi::PyLong_FromLong(i64::from(bits as u16)),
                Number::I32 => ffi::PyLong_FromLong(i64::from(bits as i32)),
                Number::U32 => ffi::PyLong_FromLong(i64::from(bits as u32)),
                Number::I64 => ffi::PyLong_FromLong(bits as i64),
                Number::U64 => ffi::PyLong_FromUnsignedLongLong(bits),
                Number::F32 => ffi::PyFloat_FromDouble(f64::from(f32::from_bits(bits as u32))),
                Number::F64 => ffi::PyFloat_FromDouble(f64::from_bits(bits)),
            };
            Bound::from_owned_ptr_or_err(py, made)
        }
    }

    /// The bits of what ctypes would store for `value`; None where its own word is wanted, for an
    /// unusual type or for the error.
    #[inline(always)]
    pub fn bits_of(self, value: &Bound<'_, PyAny>) -> Option<u64> {
        let object = value.as_ptr();
        // SAFETY: `object` is a live object and we are attached; each getter is called on the
        // type it is for, which makes it infallible, or is followed by a look for an exception.
        unsafe {
            match self {
                Number::F32 | Number::F64 => {
                    let float = if ffi::PyFloat_CheckExact(object) != 0 {
                        ffi::PyFloat_AS_DOUBLE(object)
                    } else if ffi::PyLong_CheckExact(object) != 0 {
                        let mut overflow = 0;
                        let small = ffi::PyLong_AsLongAndOverflow(object, &raw mut overflow);
                        if overflow != 0 {
                            return None;
                        }
                        small as f64
                    } else {
                        return None;
                    };
                    Some(self.of_float(float))
                }
                Number::Bool => {
                    if ffi::PyBool_Check(object) != 0 {
                        Some(u64::from(object == ffi::Py_True()))
                    } else {
                        None
                    }
                }
                _ if ffi::PyLong_CheckExact(object) != 0 => {
                    // Never fails for an int: the high bits are dropped, as ctypes drops them.
                    Some(ffi::PyLong_AsUnsignedLongLongMask(object))
                }
                _ => None,
            }
        }
    }

    #[inline(always)]
    fn of_float(self, float: f64) -> u64 {
        if self == Number::F32 {
            u64::from((float as f32).to_bits())
        } else {
            float.to_bits()
        }
    }

    /// The bits of `old` stepped by `operand`, both as `read` gives them, with the wrap-around of
    /// the C type.
    #[inline(always)]
    pub fn step(self, step: Step, old: u64, operand: u64) -> u64 {
        if matches!(self, Number::F32 | Number::F64) {
            let wide = |bits: u64| {
                if self == Number::F32 {
                    f64::from(f32::from_bits(bits as u32))
                } else {
                    f64::from_bits(bits)
                }
            };
            let (a, b) = (wide(old), wide(operand));
            return match step {
                Step::Add => self.of_float(a + b),
                // As Python's max(a, b) and min(a, b): the first unless the second is beyond it.
                Step::Max => self.of_float(if b > a { b } else { a }),
                Step::Min => self.of_float(if b < a { b } else { a }),
            };
        }
        if step == Step::Add {
            return old.wrapping_add(operand);
        }
        let second_is_less = if matches!(self, Number::I8 | Number::I16 | Number::I32 | Number::I64)
        {
            self.signed(operand) < self.signed(old)
        } else {
            self.unsigned(operand) < self.unsigned(old)
        };
        if second_is_less == (step == Step::Min) {
            operand
        } else {
            old
        }
    }

    /// Whether two values are the same number.
    #[inline(always)]
    pub fn same(self, a: u64, b: u64) -> bool {
        match self {
            Number::F32 => f32::from_bits(a as u32) == f32::from_bits(b as u32),
            Number::F64 => f64::from_bits(a) == f64::from_bits(b),
            Number::Bool => (a as u8 != 0) == (b as u8 != 0),
            _ => self.unsigned(a) == self.unsigned(b),
        }
    }

    fn unsigned(self, bits: u64) -> u64 {
        let unused = 64 - 8 * self.size() as u32;
        (bits << unused) >> unused
    }

    fn signed(self, bits: u64) -> i64 {
        let unused = 64 - 8 * self.size() as u32;
        ((bits << unused) as i64) >> unused
    }
}
