//! Encoded values: tuples as they are stored, and keys as they are compared, in every language.
//!
//! An encoding is a row of items, each a tag and what belongs to it:
//!
//! ```text
//! 0 none | 1 false | 2 true | 3 int: zigzag LEB128 | 4 big int: length, two's complement LE
//! 5 float: 8 bytes LE | 6 complex: two floats | 7 str: length, UTF-8 | 8 bytes: length, bytes
//! 9 tuple: number of items, the items | 10 typed: length, bytes
//! ```
//!
//! Lengths and numbers are LEB128. The same value always gives the same bytes. In the *canonical*
//! form values which are equal in Python give the same bytes, too: numbers are written as the
//! first of int, float, complex that holds them exactly, so that `1`, `1.0`, `True` and `1+0j` are
//! one key. A NaN equals a NaN of the same bits (in Python it equals only itself as an object).
//!
//! A typed item is, in a stored tuple, a Rust type's id and bytes (as in a block of `Tag::Typed`),
//! and in a key whatever a language's binding has stand for a value of a type of its own.

use crate::error::{Error, Result};

/// One item of an encoding; a tuple's items follow it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    /// Nothing.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer of any size: two's complement, least significant byte first.
    BigInt(&'a [u8]),
    /// A float.
    Float(f64),
    /// The two parts of a complex number.
    Complex(f64, f64),
    /// UTF-8, to be checked by whoever relies on it.
    Str(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A tuple of so many items.
    Tuple(usize),
    /// A value of a type of one language.
    Typed(&'a [u8]),
}

const NONE: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const BIG_INT: u8 = 4;
const FLOAT: u8 = 5;
const COMPLEX: u8 = 6;
const STR: u8 = 7;
const BYTES: u8 = 8;
const TUPLE: u8 = 9;
const TYPED: u8 = 10;

/// Appends an item to an encoding.
pub fn write(out: &mut Vec<u8>, item: Item<'_>) {
    match item {
        Item::None => out.push(NONE),
        Item::Bool(false) => out.push(FALSE),
        Item::Bool(true) => out.push(TRUE),
        Item::Int(i) => {
            out.push(INT);
            // Zigzag: small negative numbers stay short.
            leb128(out, ((i << 1) ^ (i >> 63)) as u64);
        }
        Item::BigInt(bytes) => write_bytes(out, BIG_INT, bytes),
        Item::Float(f) => {
            out.push(FLOAT);
            out.extend_from_slice(&f.to_le_bytes());
        }
        Item::Complex(re, im) => {
            out.push(COMPLEX);
            out.extend_from_slice(&re.to_le_bytes());
            out.extend_from_slice(&im.to_le_bytes());
        }
        Item::Str(bytes) => write_bytes(out, STR, bytes),
        Item::Bytes(bytes) => write_bytes(out, BYTES, bytes),
        Item::Tuple(items) => {
            out.push(TUPLE);
            leb128(out, items as u64);
        }
        Item::Typed(bytes) => write_bytes(out, TYPED, bytes),
    }
}

/// Calls `f` with the canonical form of an item, and whether it was in that form already.
pub fn canonical<R>(item: Item<'_>, f: impl FnOnce(Item<'_>, bool) -> R) -> R {
    match item {
        Item::Bool(b) => f(Item::Int(i64::from(b)), false),
        Item::BigInt(bytes) => {
            let shortest = trimmed(bytes);
            match small(shortest) {
                Some(i) => f(Item::Int(i), false),
                None => f(Item::BigInt(shortest), shortest.len() == bytes.len()),
            }
        }
        Item::Float(float) => canonical_float(float, f),
        Item::Complex(re, 0.0) => canonical_float(re, |item, _| f(item, false)),
        Item::Complex(re, im) => {
            // A sum with zero turns -0.0 into 0.0 and leaves everything else alone.
            let (a, b) = (re + 0.0, im + 0.0);
            let same = a.to_bits() == re.to_bits() && b.to_bits() == im.to_bits();
            f(Item::Complex(a, b), same)
        }
        other => f(other, true),
    }
}

fn canonical_float<R>(float: f64, f: impl FnOnce(Item<'_>, bool) -> R) -> R {
    if !float.is_finite() || float.fract() != 0.0 {
        return f(Item::Float(float), true);
    }
    // Both ends are powers of two, hence exact.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float) {
        return f(Item::Int(float as i64), false);
    }
    let bits = float.to_bits();
    // Of a number from 2^63 on, the mantissa stands at least 11 bits to the left.
    let exponent = ((bits >> 52) & 0x7ff) as usize - 1075;
    let mantissa = u128::from((bits & ((1 << 52) - 1)) | (1 << 52));
    let mut bytes = vec![0; exponent / 8 + 10];
    let shifted = (mantissa << (exponent % 8)).to_le_bytes();
    bytes[exponent / 8..].copy_from_slice(&shifted[..10]);
    if float < 0.0 {
        let mut carry = true;
        for byte in &mut bytes {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    f(Item::BigInt(trimmed(&bytes)), false)
}

/// Without the bytes that only repeat the sign.
pub(crate) fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes {
        let sign = match rest.last() {
            Some(below) if below & 0x80 != 0 => 0xff,
            Some(_) => 0,
            None => break,
        };
        if *last != sign {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// The integer, if it fits.
pub fn small(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) {
        0xff
    } else {
        0
    };
    let mut whole = [fill; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}

fn write_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    leb128(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn leb128(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads an encoding item by item. The bytes may be anything: what is no encoding is an error.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins at the first item.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// The next item; None at the end.
    #[allow(
        clippy::should_implement_trait,
        reason = "a tuple's items follow it: not a flat row"
    )]
    pub fn next(&mut self) -> Option<Result<Item<'a>>> {
        (!self.rest.is_empty()).then(|| self.item().ok_or_else(broken))
    }

    /// What is not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn item(&mut self) -> Option<Item<'a>> {
        Some(match self.take(1)?[0] {
            NONE => Item::None,
            FALSE => Item::Bool(false),
            TRUE => Item::Bool(true),
            INT => {
                let zigzag = self.leb128()?;
                Item::Int((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
            }
            BIG_INT => Item::BigInt(self.bytes()?),
            FLOAT => Item::Float(self.float()?),
            COMPLEX => Item::Complex(self.float()?, self.float()?),
            STR => Item::Str(self.bytes()?),
            BYTES => Item::Bytes(self.bytes()?),
            TUPLE => {
                let items = usize::try_from(self.leb128()?).ok()?;
                // Each item takes a byte at least.
                (items <= self.rest.len()).then_some(Item::Tuple(items))?
            }
            TYPED => Item::Typed(self.bytes()?),
            _ => return None,
        })
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = usize::try_from(self.leb128()?).ok()?;
        self.take(n)
    }

    fn float(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn leb128(&mut self) -> Option<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }
}

#[cold]
fn broken() -> Error {
    Error::Corrupt {
        offset: 0,
        what: "an encoded tuple that is none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(items: &[Item<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        for item in items {
            write(&mut out, *item);
        }
        out
    }

    fn form(item: Item<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        canonical(item, |form, _| write(&mut out, form));
        out
    }

    #[test]
    fn items_come_back() {
        let items = [
            Item::Tuple(3),
            Item::None,
            Item::Bool(true),
            Item::Int(-1),
            Item::Int(i64::MIN),
            Item::Int(i64::MAX),
            Item::BigInt(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]),
            Item::Float(0.5),
            Item::Complex(1.5, -0.0),
            Item::Str("품앗이".as_bytes()),
            Item::Bytes(&[0; 300]),
            Item::Typed(b"12345678"),
        ];
        let bytes = encoded(&items);
        let mut reader = Reader::new(&bytes);
        for item in items {
            assert_eq!(reader.next().unwrap().unwrap(), item);
        }
        assert!(reader.next().is_none());
    }

    #[test]
    fn what_is_equal_has_one_form() {
        let one = form(Item::Int(1));
        for item in [
            Item::Bool(true),
            Item::Float(1.0),
            Item::Complex(1.0, -0.0),
            Item::BigInt(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(form(item), one, "{item:?}");
        }
        assert_eq!(form(Item::Float(-0.0)), form(Item::Int(0)));
        assert_eq!(form(Item::Float(-3.0)), form(Item::Int(-3)));
        assert_ne!(form(Item::Float(0.5)), form(Item::Int(0)));
        // 2^63 and -2^70, which no i64 holds.
        assert_eq!(
            form(Item::Float(9_223_372_036_854_775_808.0)),
            form(Item::BigInt(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]))
        );
        assert_eq!(
            form(Item::Float(-(2f64.powi(70)))),
            form(Item::BigInt(&[0, 0, 0, 0, 0, 0, 0, 0, 0xc0]))
        );
    }

    #[test]
    fn a_form_says_whether_it_is_the_value_itself() {
        let same = |item| canonical(item, |_, same| same);
        assert!(same(Item::Int(7)) && same(Item::Str(b"a")) && same(Item::Float(0.5)));
        assert!(!same(Item::Bool(true)) && !same(Item::Float(7.0)));
    }

    #[test]
    fn what_is_no_encoding_is_refused() {
        for bytes in [
            &[11u8][..],
            &[STR, 2, b'a'],
            &[FLOAT, 0, 0],
            &[INT, 0x80],
            &[TUPLE, 200, 1, NONE],
            &[
                BIG_INT, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
            ],
        ] {
            assert!(Reader::new(bytes).next().unwrap().is_err(), "{bytes:?}");
        }
    }
}
