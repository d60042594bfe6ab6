//! Indices and slices by Python's rules.

use crate::error::{Error, Result};

/// A slice as it was written: `start:stop:step`, each with Python's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// First index; negative counts from the end.
    pub start: Option<isize>,
    /// Index after the last; negative counts from the end.
    pub stop: Option<isize>,
    /// Distance, not zero.
    pub step: isize,
}

impl Slice {
    /// Everything.
    pub const ALL: Slice = Slice {
        start: None,
        stop: None,
        step: 1,
    };
}

/// A slice applied to a length: `first`, `first + step`, ... `count` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First index, meaningful if `count > 0`; for `step == 1` also where to insert.
    pub first: usize,
    /// Distance between two.
    pub step: isize,
    /// How many.
    pub count: usize,
}

impl Span {
    /// The `i`-th index.
    #[inline]
    pub fn at(&self, i: usize) -> usize {
        self.first
            .wrapping_add_signed(self.step.wrapping_mul(i as isize))
    }

    /// The same indices in rising order.
    #[must_use]
    pub fn rising(&self) -> Span {
        if self.step >= 0 || self.count == 0 {
            return *self;
        }
        Span {
            first: self.at(self.count - 1),
            step: -self.step,
            count: self.count,
        }
    }
}

impl Slice {
    /// Applies the slice to a sequence of `len` items, as `slice.indices` does.
    ///
    /// # Errors
    /// [`Error::ZeroStep`].
    pub fn resolve(self, len: usize) -> Result<Span> {
        if self.step == 0 {
            return Err(Error::ZeroStep);
        }
        let len = len.min(isize::MAX as usize) as isize;
        // For a negative step the places before the first and after the last shift by one.
        let (low, high) = if self.step > 0 {
            (0, len)
        } else {
            (-1, len - 1)
        };
        let place = |i: isize| {
            if i < 0 {
                i.saturating_add(len).max(low)
            } else {
                i.min(high)
            }
        };
        let (from, to) = if self.step > 0 {
            (self.start.map_or(low, place), self.stop.map_or(high, place))
        } else {
            (self.start.map_or(high, place), self.stop.map_or(low, place))
        };
        let count = if self.step > 0 && from < to {
            (to - from - 1) / self.step + 1
        } else if self.step < 0 && to < from {
            (from - to - 1) / self.step.saturating_neg() + 1
        } else {
            0
        };
        Ok(Span {
            first: from.max(0) as usize,
            step: self.step,
            count: count as usize,
        })
    }
}

/// An index by Python's rules; `None` when it is outside.
#[inline(always)]
pub(crate) fn index(i: isize, len: u64) -> Option<u64> {
    let i = if i < 0 {
        (len as i64).wrapping_add(i as i64)
    } else {
        i as i64
    };
    ((i as u64) < len).then_some(i as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(start: Option<isize>, stop: Option<isize>, step: isize, len: usize) -> Vec<usize> {
        let span = Slice { start, stop, step }.resolve(len).unwrap();
        (0..span.count).map(|i| span.at(i)).collect()
    }

    #[test]
    fn slices_are_pythons() {
        assert_eq!(indices(None, None, 1, 3), [0, 1, 2]);
        assert_eq!(indices(None, None, -1, 3), [2, 1, 0]);
        assert_eq!(indices(Some(-2), None, 1, 5), [3, 4]);
        assert_eq!(indices(Some(1), Some(100), 2, 5), [1, 3]);
        assert_eq!(indices(Some(4), Some(0), -2, 5), [4, 2]);
        assert_eq!(indices(Some(-100), Some(-99), 1, 5), [] as [usize; 0]);
        assert_eq!(indices(Some(3), Some(1), 1, 5), [] as [usize; 0]);
        assert_eq!(indices(None, None, isize::MIN, 5), [4]);
        assert_eq!(indices(Some(isize::MAX), Some(isize::MIN), -1, 2), [1, 0]);
        assert!(
            Slice {
                start: None,
                stop: None,
                step: 0
            }
            .resolve(1)
            .is_err()
        );
    }

    #[test]
    fn rising_spans_have_the_same_indices() {
        let span = Slice {
            start: None,
            stop: None,
            step: -2,
        }
        .resolve(6)
        .unwrap();
        let mut all: Vec<_> = (0..span.count).map(|i| span.at(i)).collect();
        all.reverse();
        let rising = span.rising();
        assert_eq!(
            (0..rising.count).map(|i| rising.at(i)).collect::<Vec<_>>(),
            all
        );
    }
}
