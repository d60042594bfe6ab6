//! The statistics: a median, and the interval in which the true one lies.
//!
//! Times on a computer are not normally distributed: they have a floor and a long tail. So
//! nothing here assumes a distribution. The interval of a median is the one between two order
//! statistics, whose coverage is the binomial distribution's (W. J. Conover, "Practical
//! Nonparametric Statistics", chapter 3; J.-Y. Le Boudec, "Performance Evaluation of Computer and
//! Communication Systems", theorem 2.1). Below six values no such interval reaches 95 %, and none
//! is given.

use serde::Serialize;

/// How sure an interval is to contain the true median.
pub const CONFIDENCE: f64 = 0.95;

/// Values below which no interval reaches that.
pub const FEWEST: usize = 6;

/// A median, and its interval where there were values enough for one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The middle value, or the mean of the two in the middle.
    pub median: f64,
    /// The lower end of the 95 % interval.
    pub low: Option<f64>,
    /// The upper end of the 95 % interval.
    pub high: Option<f64>,
    /// How many values there were.
    pub values: usize,
}

impl Estimate {
    /// Half the width of the interval as a share of the median; infinite without an interval.
    ///
    /// ```
    /// use pumasi::bench::estimate;
    ///
    /// let found = estimate([9.0, 9.5, 10.0, 10.0, 10.5, 11.0]).unwrap();
    /// assert_eq!(found.precision(), 0.1); // 10, give or take a tenth
    /// assert!(estimate([10.0]).unwrap().precision().is_infinite());
    /// ```
    pub fn precision(&self) -> f64 {
        match (self.low, self.high) {
            (Some(low), Some(high)) if self.median != 0.0 => (high - low) / 2.0 / self.median.abs(),
            _ => f64::INFINITY,
        }
    }
}

/// The median of some values with its interval; `None` of no values.
///
/// ```
/// let found = pumasi::bench::estimate((1..=15).map(f64::from)).unwrap();
/// assert_eq!((found.low, found.median, found.high), (Some(4.0), 8.0, Some(12.0)));
/// ```
pub fn estimate(values: impl IntoIterator<Item = f64>) -> Option<Estimate> {
    let mut ordered: Vec<f64> = values.into_iter().collect();
    ordered.sort_by(f64::total_cmp);
    let median = middle(&ordered)?;
    let rank = rank(ordered.len());
    Some(Estimate {
        median,
        low: rank.map(|rank| ordered[rank - 1]),
        high: rank.map(|rank| ordered[ordered.len() - rank]),
        values: ordered.len(),
    })
}

/// The ratio of two measurements which were taken in turns, from its single rounds, so that what
/// slows the machine down for a while slows both down; `None` without a round that has both.
///
/// ```
/// use pumasi::bench::ratio;
///
/// // Every second round the machine was ten times as slow.
/// let (ours, theirs) = ([1.0, 10.0].repeat(4), [2.0, 20.0].repeat(4));
/// assert_eq!(ratio(&theirs, &ours).unwrap().median, 2.0);
/// assert_eq!(ratio(&[], &[]), None);
/// ```
pub fn ratio(numerators: &[f64], denominators: &[f64]) -> Option<Estimate> {
    let pairs = numerators.iter().zip(denominators);
    estimate(pairs.filter_map(|(above, below)| (*below > 0.0).then_some(above / below)))
}

/// The middle value of some; `None` of none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut ordered: Vec<f64> = values.into_iter().collect();
    ordered.sort_by(f64::total_cmp);
    middle(&ordered)
}

fn middle(ordered: &[f64]) -> Option<f64> {
    let half = ordered.len() / 2;
    match ordered.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(ordered[half]),
        _ => Some(f64::midpoint(ordered[half - 1], ordered[half])),
    }
}

/// Which value from each end bounds the interval of the median.
fn rank(count: usize) -> Option<usize> {
    let (mut tail, mut best) = (0.0, None);
    // The binomial coefficients over 2^count, by logarithms: both are too large for numbers.
    let mut logarithm = -(count as f64) * core::f64::consts::LN_2;
    for rank in 1..=count / 2 {
        tail += logarithm.exp();
        if 1.0 - 2.0 * tail < CONFIDENCE {
            break;
        }
        best = Some(rank);
        logarithm += ((count - rank + 1) as f64 / rank as f64).ln();
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::random::Random;

    #[test]
    fn the_interval_of_a_median_is_between_order_statistics() {
        // The table of the sign test: of 6 values the extremes, of 15 the 4th from each end.
        let found = estimate([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]).unwrap();
        assert_eq!(
            (found.median, found.low, found.high),
            (3.5, Some(1.0), Some(6.0))
        );
        assert_eq!([9, 12, 20, 25, 50].map(rank), [2, 3, 6, 8, 18].map(Some));
        // Many values, whose coefficients overflow: the normal distribution says 469.
        assert!((468..=470).contains(&rank(1000).unwrap()));
        assert!(rank(5000).unwrap() > 2400);
    }

    #[test]
    fn no_interval_below_six_values() {
        let found = estimate([1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!((found.low, found.high), (None, None));
        assert!(found.precision().is_infinite());
        assert_eq!(estimate([]), None);
        assert_eq!(ratio(&[1.0], &[0.0]), None);
    }

    #[test]
    fn the_interval_covers_the_median_as_often_as_it_says() {
        let mut random = Random::new(3);
        let (true_median, trials) = (core::f64::consts::LN_2, 2000);
        let mut hits = 0;
        for _ in 0..trials {
            let found = estimate((0..12).map(|_| -(1.0 - random.share()).ln())).unwrap();
            let covers = found.low.unwrap() <= true_median && true_median <= found.high.unwrap();
            hits += usize::from(covers);
        }
        assert!(hits as f64 / f64::from(trials) > CONFIDENCE - 0.01);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine is ten times slower in every second round; the ratio does not see it.
        let ours = [1.0, 10.0].repeat(4);
        let theirs = [2.0, 20.0].repeat(4);
        let found = ratio(&theirs, &ours).unwrap();
        assert_eq!(
            (found.median, found.low, found.high),
            (2.0, Some(2.0), Some(2.0))
        );
    }
}
