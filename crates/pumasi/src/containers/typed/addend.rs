//! What a dictionary adds to in place.

use crate::containers::Number;
use crate::containers::typed::stored::Stored;
use crate::containers::typed::{Dynamic, Element};
use crate::error::{Error, Result};

/// A type that [`Dict::add`](crate::Dict::add) adds: `i64`, `u64`, `f64`, and [`Dynamic`] numbers.
///
/// ```
/// use pumasi::containers::Addend;
/// use pumasi::Dict;
///
/// fn sum<N: Addend>(sums: &Dict<u8, N>, numbers: Vec<N>) -> pumasi::Result<()> {
///     numbers.into_iter().try_for_each(|n| sums.add(0, n).map(drop))
/// }
///
/// let sums = Dict::of([(0, 0.5)])?;
/// sum(&sums, vec![1.0, 2.0])?;
/// assert_eq!(sums.get(0)?, Some(3.5));
/// # Ok::<(), pumasi::Error>(())
/// ```
pub trait Addend: Element {
    #[doc(hidden)]
    fn number(&self) -> Result<Number>;
    #[doc(hidden)]
    fn of_number(number: Number) -> Result<Self>;
}

impl Addend for i64 {
    #[inline(always)]
    fn number(&self) -> Result<Number> {
        Ok(Number::Int(*self))
    }

    #[inline(always)]
    fn of_number(number: Number) -> Result<Self> {
        i64::made_of(stored(number))
    }
}

impl Addend for u64 {
    fn number(&self) -> Result<Number> {
        i64::try_from(*self)
            .map(Number::Int)
            .map_err(|_| Error::NotANumber)
    }

    fn of_number(number: Number) -> Result<Self> {
        u64::made_of(stored(number))
    }
}

impl Addend for f64 {
    fn number(&self) -> Result<Number> {
        Ok(Number::Float(*self))
    }

    fn of_number(number: Number) -> Result<Self> {
        f64::made_of(stored(number))
    }
}

impl Addend for Dynamic {
    fn number(&self) -> Result<Number> {
        match self {
            Dynamic::Int(i) => Ok(Number::Int(*i)),
            Dynamic::Bool(b) => Ok(Number::Int((*b).into())),
            Dynamic::Float(float) => Ok(Number::Float(*float)),
            _ => Err(Error::NotANumber),
        }
    }

    fn of_number(number: Number) -> Result<Self> {
        Dynamic::made_of(stored(number))
    }
}

#[inline(always)]
fn stored(number: Number) -> Stored<'static> {
    match number {
        Number::Int(i) => Stored::Int(i),
        Number::Float(float) => Stored::Float(float),
    }
}
