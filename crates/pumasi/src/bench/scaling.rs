//! What the times at several numbers of workers say of other numbers of workers.
//!
//! Three models, all of the capacity C(k) = t(1) / t(k), so that C(1) is 1:
//!
//! - **Karp and Flatt** ("Measuring parallel processor performance", 1990): the serial fraction
//!   which one single measurement at k workers amounts to. It fits nothing, so it can check
//!   nothing.
//! - **Amdahl** (1967): k/C = 1 + s (k - 1), with the serial fraction s.
//! - **Universal Scalability Law** (N. J. Gunther, "Guerrilla Capacity Planning", 2007):
//!   k/C = 1 + s (k - 1) + c k (k - 1), where c is what the workers cost each other pairwise.
//!
//! Both are linear in what is fitted, so least squares with coefficients that cannot be negative
//! have a closed form, and no library of numerical methods is needed. The intervals are
//! percentiles of a bootstrap over the rounds (B. Efron and R. Tibshirani, 1993) with a fixed
//! seed, so that the same measurement always gives the same report.
//!
//! A fit through as many points as it has coefficients always looks perfect. Amdahl is therefore
//! refused below three numbers of workers, and the law of scalability below six, which is what
//! Gunther advises.

use std::collections::BTreeMap;

use serde::Serialize;

use super::intervals::{FEWEST, median};
use super::random::Random;

const AMDAHL_POINTS: usize = 3;
const USL_POINTS: usize = 6;
const PREDICTED: [usize; 4] = [4, 8, 16, 64];
const RESAMPLES: usize = 400;

/// For each number of workers the capacities of the single rounds.
pub type Capacities = BTreeMap<usize, Vec<f64>>;

/// A fitted number between the bounds of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounded {
    /// The number.
    pub value: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// The speed-up over the serial program which is expected of so many cores: not measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The number of workers, each with a core.
    pub workers: usize,
    /// The speed-up.
    pub speedup: Bounded,
}

/// A model of one family of variants, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Which variants, but for their numbers of workers.
    pub family: String,
    /// `karp-flatt`, `amdahl` or `usl`.
    pub model: &'static str,
    /// How many numbers of workers were measured.
    pub points: usize,
    /// How many the model needs.
    pub needed: usize,
    /// Why there is no fit: too few `points`, or too few `rounds`.
    pub refused: Option<&'static str>,
    /// The share of the work that does not divide.
    pub serial_fraction: Option<Bounded>,
    /// What workers cost each other pairwise.
    pub contention: Option<Bounded>,
    /// The number of workers from which on more make it slower.
    pub best_workers: Option<f64>,
    /// What is expected of other numbers of cores.
    pub predictions: Vec<Prediction>,
}

type Solve = fn(&BTreeMap<usize, f64>) -> (f64, f64);

/// The serial fraction which a speed-up on two workers or more amounts to, from 0 to 1.
///
/// ```
/// use pumasi::bench::karp_flatt;
///
/// // 1.6 times as fast on two workers: a quarter of the work does not divide.
/// assert!((karp_flatt(1.6, 2) - 0.25).abs() < 1e-9);
/// assert_eq!(karp_flatt(2.0, 2), 0.0);
/// ```
pub fn karp_flatt(speedup: f64, workers: usize) -> f64 {
    let workers = workers.max(2) as f64;
    let found = (1.0 / speedup - 1.0 / workers) / (1.0 - 1.0 / workers);
    found.clamp(0.0, 1.0)
}

/// C(k) of the law of scalability, and with no contention Amdahl's.
///
/// ```
/// use pumasi::bench::capacity;
///
/// assert_eq!(capacity(0.0, 0.0, 8), 8.0);
/// assert!(capacity(0.1, 0.0, 1000) < 10.0); // a tenth that does not divide is the end of it
/// assert!(capacity(0.1, 0.01, 64) < capacity(0.1, 0.01, 8)); // and contention makes it slower
/// ```
pub fn capacity(serial: f64, contention: f64, workers: usize) -> f64 {
    let k = workers as f64;
    k / (1.0 + serial * (k - 1.0) + contention * k * (k - 1.0))
}

/// Fits all models to one family; `base` is the speed-up of its single worker over serial.
///
/// ```
/// use pumasi::bench::{Capacities, capacity, fit};
///
/// // A tenth of this work does not divide; six rounds with 1, 2 and 4 workers.
/// let measured = Capacities::from([1, 2, 4].map(|k| (k, vec![capacity(0.1, 0.0, k); 6])));
/// let fits = fit("threads", &measured, 1.0);
/// let serial = fits[0].serial_fraction.unwrap().value;
/// assert!(fits[0].model == "amdahl" && (serial - 0.1).abs() < 1e-9);
/// assert_eq!(fits[1].refused, Some("points")); // the other law wants six of them
/// ```
pub fn fit(family: &str, values: &Capacities, base: f64) -> Vec<Fit> {
    let rounds = values.values().map(Vec::len).min().unwrap_or(0);
    let refused = |model, needed, why| Fit {
        family: family.to_owned(),
        model,
        points: values.len(),
        needed,
        refused: Some(why),
        serial_fraction: None,
        contention: None,
        best_workers: None,
        predictions: Vec::new(),
    };
    let from_one = values.keys().next() == Some(&1);
    if !from_one || rounds < FEWEST || values.len() < 2 {
        let why = if rounds < FEWEST { "rounds" } else { "points" };
        return vec![
            refused("amdahl", AMDAHL_POINTS, why),
            refused("usl", USL_POINTS, why),
        ];
    }
    let fitted = |model, needed, solve| fitted(family, model, needed, values, base, solve);
    let mut fits = if values.len() < AMDAHL_POINTS {
        vec![
            fitted("karp-flatt", 2, one_point),
            refused("amdahl", AMDAHL_POINTS, "points"),
        ]
    } else {
        vec![fitted("amdahl", AMDAHL_POINTS, amdahl)]
    };
    fits.push(if values.len() < USL_POINTS {
        refused("usl", USL_POINTS, "points")
    } else {
        fitted("usl", USL_POINTS, usl)
    });
    fits
}

fn fitted(
    family: &str,
    model: &'static str,
    needed: usize,
    values: &Capacities,
    base: f64,
    solve: Solve,
) -> Fit {
    let mut random = Random::new(1);
    let rounds = values.values().map(Vec::len).min().unwrap_or(0);
    let solutions: Vec<(f64, f64)> = (0..RESAMPLES)
        .map(|_| {
            let chosen: Vec<usize> = (0..rounds).map(|_| random.below(rounds)).collect();
            solve(&medians(values, |each| {
                chosen.iter().map(|index| each[*index]).collect()
            }))
        })
        .collect();
    let (serial, contention) = solve(&medians(values, <[f64]>::to_vec));
    let bounded = |of: &dyn Fn((f64, f64)) -> f64| {
        let resampled = solutions.iter().map(|solution| of(*solution)).collect();
        bounded(of((serial, contention)), resampled)
    };
    Fit {
        family: family.to_owned(),
        model,
        points: values.len(),
        needed,
        refused: None,
        serial_fraction: Some(bounded(&|(serial, _)| serial)),
        contention: (model == "usl").then(|| bounded(&|(_, contention)| contention)),
        best_workers: (contention > 0.0 && serial < 1.0)
            .then(|| ((1.0 - serial) / contention).sqrt()),
        predictions: PREDICTED
            .iter()
            .map(|&workers| Prediction {
                workers,
                speedup: bounded(&|(s, c)| base * capacity(s, c, workers)),
            })
            .collect(),
    }
}

fn medians(values: &Capacities, chosen: impl Fn(&[f64]) -> Vec<f64>) -> BTreeMap<usize, f64> {
    let median = |each: &Vec<f64>| median(chosen(each)).unwrap_or(1.0);
    values.iter().map(|(k, each)| (*k, median(each))).collect()
}

fn bounded(value: f64, mut resampled: Vec<f64>) -> Bounded {
    resampled.sort_by(f64::total_cmp);
    let edge = (resampled.len() as f64 * 0.025).round() as usize;
    Bounded {
        value,
        low: resampled[edge].min(value),
        high: resampled[resampled.len() - 1 - edge].max(value),
    }
}

fn one_point(medians: &BTreeMap<usize, f64>) -> (f64, f64) {
    let found = medians.last_key_value();
    found.map_or((0.0, 0.0), |(workers, measured)| {
        (karp_flatt(measured.max(1e-9), *workers), 0.0)
    })
}

fn amdahl(medians: &BTreeMap<usize, f64>) -> (f64, f64) {
    let (mut above, mut below) = (0.0, 0.0);
    for (&workers, &measured) in medians {
        let k = workers as f64;
        above += (k / measured - 1.0) * (k - 1.0);
        below += (k - 1.0) * (k - 1.0);
    }
    ((above / below).clamp(0.0, 1.0), 0.0)
}

/// Solves the normal equations; where a coefficient is negative, fits the other one alone.
fn usl(medians: &BTreeMap<usize, f64>) -> (f64, f64) {
    let (mut aa, mut ab, mut bb, mut ay, mut by) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (&workers, &measured) in medians {
        let k = workers as f64;
        let (a, b, y) = (k - 1.0, k * (k - 1.0), k / measured - 1.0);
        (aa, ab, bb) = (aa + a * a, ab + a * b, bb + b * b);
        (ay, by) = (ay + a * y, by + b * y);
    }
    let determinant = aa * bb - ab * ab;
    let mut serial = (ay * bb - by * ab) / determinant;
    let mut contention = (by * aa - ay * ab) / determinant;
    if contention < 0.0 {
        (serial, contention) = (ay / aa, 0.0);
    } else if serial < 0.0 {
        (serial, contention) = (0.0, by / bb);
    }
    (serial.clamp(0.0, 1.0), contention.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacities(serial: f64, contention: f64, counts: &[usize], noise: f64) -> Capacities {
        let mut random = Random::new(5);
        let mut about = |k| {
            let share = 1.0 - noise + 2.0 * noise * random.share();
            capacity(serial, contention, k) * share
        };
        counts
            .iter()
            .map(|&k| (k, (0..15).map(|_| about(k)).collect()))
            .collect()
    }

    #[test]
    fn karp_and_flatt_on_two_and_three() {
        // Speed-up 1.6 on two: 1 / (0.25 + 0.75 / 2).
        assert!((karp_flatt(1.6, 2) - 0.25).abs() < 1e-12);
        assert!((karp_flatt(1.5, 3) - 0.5).abs() < 1e-12);
        assert_eq!(karp_flatt(4.0, 2), 0.0);
    }

    #[test]
    fn amdahl_is_found_again() {
        let fits = fit("f", &capacities(0.1, 0.0, &[1, 2, 4, 8], 0.03), 0.9);
        let [found, refused] = &fits[..] else {
            panic!("{fits:?}")
        };
        let serial = found.serial_fraction.unwrap();
        assert!(serial.low <= 0.1 && 0.1 <= serial.high);
        assert!(serial.high - serial.low < 0.05);
        let expected = 0.9 / (0.1 + 0.9 / 64.0);
        let at_64 = found.predictions.last().unwrap();
        assert_eq!(at_64.workers, 64);
        assert!(at_64.speedup.low <= expected && expected <= at_64.speedup.high);
        assert_eq!((refused.model, refused.refused), ("usl", Some("points")));
    }

    #[test]
    fn the_law_of_scalability_is_found_again() {
        let fits = fit(
            "f",
            &capacities(0.04, 0.002, &[1, 2, 4, 8, 16, 32], 0.01),
            1.0,
        );
        let found = fits.last().unwrap();
        assert_eq!(found.model, "usl");
        assert!((found.serial_fraction.unwrap().value - 0.04).abs() < 0.02);
        assert!((found.contention.unwrap().value / 0.002 - 1.0).abs() < 0.3);
        let best = (0.96_f64 / 0.002).sqrt();
        assert!((found.best_workers.unwrap() / best - 1.0).abs() < 0.3);
    }

    #[test]
    fn coefficients_are_never_negative() {
        let counts = [1, 2, 4, 8, 16, 32];
        let faster_than_possible =
            counts.map(|k| (k, vec![if k == 1 { 1.0 } else { k as f64 * 1.1 }; 8]));
        for each in fit("f", &faster_than_possible.into(), 1.0) {
            assert!(each.serial_fraction.unwrap().low >= 0.0);
            assert!(each.contention.is_none_or(|found| found.low >= 0.0));
        }
    }

    #[test]
    fn too_few_points_are_refused() {
        let (points, rounds) = (Some("points"), Some("rounds"));
        type Models<'a> = &'a [(&'a str, Option<&'a str>)];
        let expect: [(&[usize], usize, Models<'_>); 5] = [
            (&[1], 9, &[("amdahl", points), ("usl", points)]),
            (&[2, 4, 8], 9, &[("amdahl", points), ("usl", points)]),
            (
                &[1, 2],
                9,
                &[("karp-flatt", None), ("amdahl", points), ("usl", points)],
            ),
            (&[1, 2, 4], 5, &[("amdahl", rounds), ("usl", rounds)]),
            (&[1, 2, 4], 6, &[("amdahl", None), ("usl", points)]),
        ];
        for (counts, rounds, models) in expect {
            let values: Capacities = counts
                .iter()
                .map(|&k| (k, vec![k as f64; rounds]))
                .collect();
            let found: Vec<_> = fit("f", &values, 1.0)
                .iter()
                .map(|each| (each.model, each.refused))
                .collect();
            assert_eq!(found, models, "{counts:?}");
        }
    }
}
