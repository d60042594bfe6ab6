//! Numbers as people read them: times, counts, and how much faster one thing is than another.

use crate::language::Language;
use crate::output::FIRM_BLANK;

/// A time with a fitting unit and three significant digits: `45 ns`, `8.21 µs`, `12.3 ms`, `1.60 s`.
/// Number and unit are held together by [`FIRM_BLANK`].
pub(crate) fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 0.999_5e-6 => (s * 1e9, "ns"),
        s if s < 0.999_5e-3 => (s * 1e6, "µs"),
        s if s < 0.999_5 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    format!("{}{FIRM_BLANK}{unit}", significant(value))
}

/// A count with its thousands apart: `1,446,927`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A ratio of times in words: above 1 the first is faster than what it is compared with.
pub(crate) fn faster(ratio: f64, language: Language) -> String {
    match (language, ratio) {
        (Language::En, r) if r >= SAME => format!("{} times faster", rounded(r)),
        (Language::Ko, r) if r >= SAME => format!("{}배 빠름", rounded(r)),
        (Language::En, r) if r <= 1.0 / SAME => format!("{} times slower", rounded(1.0 / r)),
        (Language::Ko, r) if r <= 1.0 / SAME => format!("{}배 느림", rounded(1.0 / r)),
        (Language::En, _) => "about the same".to_owned(),
        (Language::Ko, _) => "거의 같음".to_owned(),
    }
}

/// Differences below this are the machine's, not the library's.
const SAME: f64 = 1.2;

/// A speed-up: `1.9`, `43`.
pub(crate) fn rounded(ratio: f64) -> String {
    if ratio < 9.95 {
        format!("{ratio:.1}")
    } else {
        count(ratio.round() as u64)
    }
}

fn significant(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_fitting_unit() {
        let told = [45e-9, 8.211e-6, 0.0123, 0.9999, 1.6, 75.0].map(duration);
        let told = told.map(|time| crate::output::softened(&time));
        assert_eq!(told[..3], ["45.0 ns", "8.21 µs", "12.3 ms"]);
        assert_eq!(told[3..], ["1.00 s", "1.60 s", "75.0 s"]);
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_446_927].map(count),
            ["0", "999", "1,000", "1,446,927"]
        );
    }

    #[test]
    fn ratios_in_words() {
        assert_eq!(faster(1211.6, Language::En), "1,212 times faster");
        assert_eq!(faster(1.5, Language::Ko), "1.5배 빠름");
        assert_eq!(faster(1.1, Language::En), "about the same");
        assert_eq!(faster(0.5, Language::En), "2.0 times slower");
    }
}
