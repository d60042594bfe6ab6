//! The macros work in a program that forbids `unsafe`.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use pumasi::Shareable;

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Shareable)]
#[repr(C)]
pub struct Point {
    x: f64,
    y: f64,
}

/// Two of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Shareable)]
#[repr(C)]
pub struct Pair<T, const N: usize> {
    values: [T; N],
    other: T,
}

/// Says `n` times `text`.
#[pumasi::task]
pub fn repeated(text: String, n: usize) -> String {
    text.repeat(n)
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pair = Pair {
        values: [Point { x: 1.0, y: 2.0 }; 3],
        other: Point { x: 3.0, y: 4.0 },
    };
    let bytes = pumasi::heap::shareable::to_bytes(&pair);
    assert_eq!(pumasi::heap::shareable::from_bytes(bytes), Some(pair));
    let child = repeated::spawn("품".to_owned(), 2)?;
    assert_eq!(child.join()?, repeated("품".to_owned(), 2));
    Ok(())
}
