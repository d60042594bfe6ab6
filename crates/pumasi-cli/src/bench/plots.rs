//! The plots of a report as inline SVG: classes only, so that the page's style gives the colours.

use std::fmt::Write;

use super::report::{Report, Variant};
use super::words;
use crate::language::Language::{self, En, Ko};
use crate::tour::numbers::duration;

const WIDTH: f64 = 860.0;
/// Room at the left for names and numbers.
const LEFT: f64 = 56.0;
const NAMES: f64 = 235.0;

/// What a worker's time is divided into, in the order of the stack: name in the data, in two
/// languages.
pub(crate) const PARTS: [(&str, &str, &str); 8] = [
    ("computing", "computing", "계산"),
    ("serialising", "pickling", "피클"),
    ("gil", "waiting for the GIL", "GIL 대기"),
    ("lock", "waiting for a lock", "락 대기"),
    ("sleep", "asleep", "수면"),
    ("io", "input and output", "입출력"),
    ("no_core", "no core free", "코어 없음"),
    ("idle", "no work", "일 없음"),
];

/// Text that stands in a page.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Speed-up against the number of workers: a line for each family, its intervals, the fitted curve
/// dashed, and what it would be if nothing were lost.
pub(crate) fn speedup(report: &Report, language: Language) -> String {
    let (height, bottom) = (340.0, 300.0);
    let most = report.variants.iter().map(|v| v.workers).max().unwrap_or(1);
    let tops = report
        .variants
        .iter()
        .map(|v| v.speedup.high.unwrap_or(v.speedup.median));
    let top = tops.fold(1.2, f64::max).min(most.max(2) as f64 * 1.5) * 1.08;
    let x = |workers: f64| {
        LEFT + 20.0 + (workers - 1.0) / (most.max(2) as f64 - 1.0) * (WIDTH - LEFT - 60.0)
    };
    let y = |speedup: f64| bottom - (speedup / top).clamp(0.0, 1.0) * (bottom - 16.0);
    let mut svg = open(height, title(0, language));
    let step = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
        .into_iter()
        .find(|step| top / step <= 8.0)
        .unwrap_or(32.0);
    let mut tick = 0.0;
    while tick <= top {
        line(&mut svg, "grid", (LEFT, y(tick)), (WIDTH - 10.0, y(tick)));
        text(
            &mut svg,
            "tick end",
            (LEFT - 8.0, y(tick) + 4.0),
            &format!("{tick}"),
        );
        tick += step;
    }
    for workers in workers(report) {
        let place = (x(workers as f64), bottom + 18.0);
        text(&mut svg, "tick middle", place, &workers.to_string());
    }
    let axis = match language {
        En => "workers",
        Ko => "작업자 수",
    };
    text(&mut svg, "tick middle", (WIDTH / 2.0, bottom + 36.0), axis);
    // Nothing is lost as far as there are cores.
    let cores = (report.cores as f64).min(most as f64);
    line(&mut svg, "ideal", (x(1.0), y(1.0)), (x(cores), y(cores)));
    for (number, family) in families(report).iter().enumerate() {
        let color = number % 6;
        let points: Vec<&Variant> = report
            .variants
            .iter()
            .filter(|v| v.family == *family)
            .collect();
        // Families at the same place are set apart by a few units.
        let shift = number as f64 * 5.0 - 5.0;
        let path: Vec<String> = points
            .iter()
            .map(|v| {
                format!(
                    "{:.1},{:.1}",
                    x(v.workers as f64) + shift,
                    y(v.speedup.median)
                )
            })
            .collect();
        let _ = write!(
            svg,
            "<polyline class=\"family f{color}\" points=\"{}\"/>",
            path.join(" ")
        );
        for variant in &points {
            let at = x(variant.workers as f64) + shift;
            if let (Some(low), Some(high)) = (variant.speedup.low, variant.speedup.high) {
                line(
                    &mut svg,
                    &format!("whisker f{color}"),
                    (at, y(low)),
                    (at, y(high)),
                );
            }
            let _ = write!(
                svg,
                "<circle class=\"dot f{color}\" cx=\"{at:.1}\" cy=\"{:.1}\" r=\"4\"><title>{}: {:.2}</title></circle>",
                y(variant.speedup.median),
                escaped(&words::name(variant, language)),
                variant.speedup.median
            );
        }
        curve(&mut svg, report, family, color, &x, &y);
    }
    svg.push_str("</svg>");
    svg + &legend(families(report).iter().enumerate().map(|(number, family)| {
        (
            format!("f{}", number % 6),
            words::family(report, family, language),
        )
    }))
}

/// The curve of a family's best model, scaled to go through its single worker.
fn curve(
    svg: &mut String,
    report: &Report,
    family: &str,
    color: usize,
    x: &impl Fn(f64) -> f64,
    y: &impl Fn(f64) -> f64,
) {
    let mut fits = report.fits.iter().filter(|fit| fit.family == family);
    let Some(fit) = fits.rfind(|fit| fit.refused.is_none()) else {
        return;
    };
    let one = report
        .variants
        .iter()
        .find(|v| v.family == family && v.workers == 1);
    let (Some(serial), Some(one)) = (fit.serial_fraction, one) else {
        return;
    };
    let cost = fit.contention.map_or(0.0, |found| found.value);
    let own = report.variants.iter().filter(|v| v.family == family);
    let most = own.map(|v| v.workers).max().unwrap_or(1) as f64;
    let points: Vec<String> = (0..=60)
        .map(|step| {
            let k = 1.0 + (most - 1.0) * f64::from(step) / 60.0;
            let capacity = k / (1.0 + serial.value * (k - 1.0) + cost * k * (k - 1.0));
            format!("{:.1},{:.1}", x(k), y(one.free_speedup.median * capacity))
        })
        .collect();
    let _ = write!(
        svg,
        "<polyline class=\"fitted f{color}\" points=\"{}\"/>",
        points.join(" ")
    );
}

/// What the workers of each variant did with their time: a stacked bar each.
pub(crate) fn breakdown(report: &Report, language: Language) -> String {
    let height = 12.0 + 30.0 * report.variants.len() as f64;
    let mut svg = open(height, title(1, language));
    for (row, variant) in report.variants.iter().enumerate() {
        let top = 8.0 + 30.0 * row as f64;
        let name = words::name(variant, language);
        text(&mut svg, "name end", (NAMES - 10.0, top + 14.0), &name);
        let mut left = NAMES;
        for (index, (part, english, korean)) in PARTS.iter().enumerate() {
            let share = variant.breakdown.get(*part).copied().unwrap_or_default();
            let width = share * (WIDTH - NAMES - 10.0);
            let said = if language == En { english } else { korean };
            if width > 0.0 {
                let _ = write!(
                    svg,
                    "<rect class=\"p{index}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"20\"><title>{}: {said} {}</title></rect>",
                    escaped(&name),
                    words::percent(share)
                );
            }
            left += width;
        }
    }
    svg.push_str("</svg>");
    let used = PARTS.iter().enumerate().filter(|(_, (part, _, _))| {
        report
            .variants
            .iter()
            .any(|v| v.breakdown.get(*part).is_some_and(|share| *share > 0.005))
    });
    svg + &legend(used.map(|(index, (_, english, korean))| {
        let said = if language == En { english } else { korean };
        (format!("p{index}"), (*said).to_owned())
    }))
}

/// Every single run of each variant, and its median: a dot and a stroke.
pub(crate) fn distribution(report: &Report, language: Language) -> String {
    let rows = report.variants.len() as f64;
    let (height, bottom) = (44.0 + 30.0 * rows, 10.0 + 30.0 * rows);
    let all = || report.variants.iter().flat_map(|v| v.runs.iter().copied());
    let low = all().fold(f64::INFINITY, f64::min).max(1e-9);
    let high = all().fold(low, f64::max);
    // Logarithmic: variants differ by factors, and so do a quiet run and a disturbed one.
    let (from, to) = (low.log10() - 0.03, high.log10() + 0.03);
    let x = |seconds: f64| {
        NAMES + (seconds.max(1e-9).log10() - from) / (to - from) * (WIDTH - NAMES - 20.0)
    };
    let mut svg = open(height, title(2, language));
    for tick in ticks(low, high) {
        line(&mut svg, "grid", (x(tick), 4.0), (x(tick), bottom));
        text(
            &mut svg,
            "tick middle",
            (x(tick), bottom + 18.0),
            &duration(tick),
        );
    }
    for (row, variant) in report.variants.iter().enumerate() {
        let middle = 18.0 + 30.0 * row as f64;
        let name = words::name(variant, language);
        text(&mut svg, "name end", (NAMES - 10.0, middle + 4.0), &name);
        for (number, seconds) in variant.runs.iter().enumerate() {
            // Dots at one place are spread out by the order of their runs.
            let at = middle + (number % 5) as f64 * 3.0 - 6.0;
            let _ = write!(
                svg,
                "<circle class=\"run\" cx=\"{:.1}\" cy=\"{at:.1}\" r=\"2.5\"/>",
                x(*seconds)
            );
        }
        let median = x(variant.seconds.median);
        line(
            &mut svg,
            "median",
            (median, middle - 11.0),
            (median, middle + 11.0),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Round numbers of seconds between two bounds: 1, 2 and 5 of each power of ten that lies within,
/// more of them where these are few.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let of = |digits: &[f64]| -> Vec<f64> {
        (low.log10().floor() as i32..=high.log10().ceil() as i32)
            .flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)))
            .filter(|tick| (low * 0.93..=high * 1.07).contains(tick))
            .collect()
    };
    let mut found = of(&[1.0, 2.0, 5.0]);
    if found.len() < 3 {
        found = of(&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0]);
    }
    if found.len() > 6 {
        found.retain(|tick| (tick.log10() - tick.log10().round()).abs() < 1e-9);
    }
    if found.is_empty() {
        found.push(low);
    }
    found
}

/// The headings of the three plots.
pub(crate) fn title(plot: usize, language: Language) -> &'static str {
    match (language, plot) {
        (En, 0) => "Speed-up against workers",
        (En, 1) => "Where the workers' time goes",
        (En, _) => "Every run",
        (Ko, 0) => "작업자 수에 따른 속도 향상",
        (Ko, 1) => "작업자의 시간은 어디로 가는가",
        (Ko, _) => "모든 실행",
    }
}

fn families(report: &Report) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for variant in report.variants.iter().filter(|v| v.kind != "serial") {
        if !found.contains(&variant.family.as_str()) {
            found.push(&variant.family);
        }
    }
    found
}

fn workers(report: &Report) -> Vec<u64> {
    let mut found: Vec<u64> = report.variants.iter().map(|v| v.workers).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn open(height: f64, title: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        escaped(title)
    )
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let _ = write!(
        svg,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, class: &str, at: (f64, f64), said: &str) {
    let said = escaped(said);
    let _ = write!(
        svg,
        "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{said}</text>",
        at.0, at.1
    );
}

fn legend(entries: impl Iterator<Item = (String, String)>) -> String {
    let entries: String = entries
        .map(|(class, said)| format!("<li><i class=\"{class}\"></i>{}</li>", escaped(&said)))
        .collect();
    format!("<ul class=\"legend\">{entries}</ul>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(0.012, 0.03), [0.015, 0.02, 0.03]);
        assert_eq!(ticks(0.1, 0.6), [0.1, 0.2, 0.5]);
        assert_eq!(ticks(0.013, 0.014), [0.013]);
        assert!(ticks(1e-6, 10.0).len() <= 8);
    }

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(
            escaped("<lambda> & \"x\""),
            "&lt;lambda&gt; &amp; &quot;x&quot;"
        );
    }
}
