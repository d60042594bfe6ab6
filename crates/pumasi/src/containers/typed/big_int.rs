//! Integers of more than 64 bits.

use core::fmt;

use crate::containers::typed::Dynamic;
use crate::heap::codec;

/// An integer that does not fit 64 bits.
///
/// ```
/// use pumasi::Dynamic;
///
/// assert!(matches!(Dynamic::from(5_u128), Dynamic::Int(5)));
/// let big = Dynamic::from(u64::MAX);
/// assert!(matches!(big, Dynamic::BigInt(_)));
/// assert_eq!(big.to_string(), "18446744073709551615");
/// assert_eq!(u64::try_from(big)?, u64::MAX);
/// # Ok::<(), pumasi::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BigInt(
    /// Two's complement, least significant byte first, as short as it can be.
    pub(super) Vec<u8>,
);

impl BigInt {
    /// The integer of these bytes, two's complement, which may be a small one.
    pub(super) fn from_le_bytes(bytes: &[u8]) -> Dynamic {
        match codec::small(bytes) {
            Some(small) => Dynamic::Int(small),
            None => Dynamic::BigInt(BigInt(codec::trimmed(bytes).to_vec())),
        }
    }

    /// Two's complement, least significant byte first.
    ///
    /// ```
    /// let pumasi::Dynamic::BigInt(big) = pumasi::Dynamic::from(u64::MAX) else { unreachable!() };
    /// // As short as it can be, and one more bit for the sign.
    /// assert_eq!(big.to_le_bytes(), [255, 255, 255, 255, 255, 255, 255, 255, 0]);
    /// ```
    #[must_use]
    pub fn to_le_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is below zero.
    ///
    /// ```
    /// let pumasi::Dynamic::BigInt(big) = pumasi::Dynamic::from(i128::MIN) else { unreachable!() };
    /// assert!(big.is_negative());
    /// ```
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.0.last().is_some_and(|last| last & 0x80 != 0)
    }

    /// Its absolute value in words of 32 bits, the least significant first.
    fn magnitude(&self) -> Vec<u32> {
        let negative = self.is_negative();
        let mut carry = negative;
        let positive = self.0.iter().map(|byte| {
            if !negative {
                return *byte;
            }
            let (sum, over) = (!byte).overflowing_add(u8::from(carry));
            carry = over;
            sum
        });
        let bytes: Vec<u8> = positive.collect();
        let word = |part: &[u8]| {
            part.iter()
                .rev()
                .fold(0, |word, byte| (word << 8) | u32::from(*byte))
        };
        bytes.chunks(4).map(word).collect()
    }
}

/// In decimal.
impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BASE: u64 = 1_000_000_000;
        let mut words = self.magnitude();
        let mut groups = Vec::new();
        while words.iter().any(|word| *word != 0) {
            let mut rest = 0;
            for word in words.iter_mut().rev() {
                let value = (rest << 32) | u64::from(*word);
                *word = (value / BASE) as u32;
                rest = value % BASE;
            }
            groups.push(rest);
            while words.last() == Some(&0) {
                words.pop();
            }
        }
        let mut digits = groups.pop().unwrap_or(0).to_string();
        for group in groups.into_iter().rev() {
            digits += &format!("{group:09}");
        }
        f.pad_integral(!self.is_negative(), "", &digits)
    }
}

impl fmt::Debug for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
