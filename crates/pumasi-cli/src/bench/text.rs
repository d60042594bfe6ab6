//! The report in a terminal: a table with bars, and below it what it means.

use std::io::{self, Write};

use super::report::{Report, Variant};
use super::words;
use crate::language::Language::{self, En, Ko};
use crate::language::Text;
use crate::output::{Output, columns};
use crate::tour::numbers::{duration, rounded};

/// Below so many columns the intervals are left out.
const WIDE_FROM: usize = 90;
const BAR: usize = 20;

/// Prints all of it.
pub(crate) fn print<W: Write>(
    out: &mut Output<W>,
    report: &Report,
    language: Language,
) -> io::Result<()> {
    out.paragraph("", &words::heading(report, language))?;
    out.paragraph("", &words::machine(report))?;
    out.line("")?;
    let rows = times(report, out.width, out.terminal, language);
    print_columns(out, &rows)?;
    print_columns(out, &costs(report, language))?;
    out.paragraph("", LEGEND.in_language(language))?;
    out.line("")?;
    out.paragraph("=> ", &words::advice(report, language))?;
    for verdict in &report.verdicts {
        out.paragraph(" - ", &words::verdict(report, verdict, language))?;
    }
    let pays: Vec<String> = report
        .break_even
        .iter()
        .map(|found| words::break_even(found, language))
        .collect();
    list(out, &pays, &BREAK_EVEN, language)?;
    list(out, &words::fits(report, language), &FITS, language)?;
    let warnings: Vec<String> = words::busy(report, language)
        .into_iter()
        .chain(report.warnings.iter().map(|w| words::warning(w, language)))
        .collect();
    list(out, &warnings, &WARNINGS, language)?;
    let left: Vec<String> = report
        .left_out
        .iter()
        .map(|found| words::left_out(found, language))
        .collect();
    list(out, &left, &LEFT_OUT, language)
}

fn list<W: Write>(
    out: &mut Output<W>,
    lines: &[String],
    title: &Text,
    language: Language,
) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    out.line("")?;
    out.line(title.in_language(language))?;
    for line in lines {
        out.paragraph(" - ", line)?;
    }
    Ok(())
}

pub(crate) const BREAK_EVEN: Text = Text {
    en: "When do processes pay?",
    ko: "프로세스는 언제 이득인가?",
};
pub(crate) const FITS: Text = Text {
    en: "How does it scale?",
    ko: "얼마나 확장되는가?",
};
pub(crate) const WARNINGS: Text = Text {
    en: "Be wary:",
    ko: "주의:",
};
pub(crate) const LEFT_OUT: Text = Text {
    en: "Left out:",
    ko: "제외:",
};
const LEGEND: Text = Text {
    en: "time: median of one pass over all inputs, with its 95 % interval (order statistics); \
         speed-up: against serial, median of the rounds' ratios",
    ko: "시간: 모든 입력을 한 번 처리한 시간의 중앙값과 95 % 구간(순서 통계량). 속도 향상: 직렬 \
         대비, 회차별 비율의 중앙값",
};

/// How long each variant took, with a bar of its speed-up.
fn times(report: &Report, width: usize, terminal: bool, language: Language) -> Vec<Vec<String>> {
    let intervals = width >= WIDE_FROM;
    let most = report
        .variants
        .iter()
        .map(|variant| variant.speedup.median)
        .fold(1.0, f64::max);
    let row = |variant: &Variant| {
        let mut cells = vec![
            words::name(variant, language),
            duration(variant.seconds.median),
            words::interval(variant.seconds, duration),
            rounded_finely(variant.speedup.median),
            words::interval(variant.speedup, rounded_finely),
            bar(variant.speedup.median / most, terminal),
        ];
        if !intervals {
            cells.remove(4);
            cells.remove(2);
        }
        cells
    };
    let mut head = match language {
        En => vec!["", "time", "", "speed-up", "", ""],
        Ko => vec!["", "시간", "", "속도 향상", "", ""],
    };
    if !intervals {
        head.remove(4);
        head.remove(2);
    }
    let head = head.into_iter().map(str::to_owned).collect();
    std::iter::once(head)
        .chain(report.variants.iter().map(row))
        .collect()
}

/// What else each variant costs.
fn costs(report: &Report, language: Language) -> Vec<Vec<String>> {
    let none = || "-".to_owned();
    let row = |variant: &Variant| {
        vec![
            words::name(variant, language),
            words::percent(variant.efficiency),
            variant
                .start_up_seconds
                .map_or_else(none, |found| duration(found.median)),
            variant.memory_bytes.map_or_else(none, words::bytes),
            if variant.copies() {
                words::bytes(variant.bytes_copied)
            } else {
                none()
            },
            variant.gil_held.map_or_else(none, words::percent),
            words::percent(variant.lock_share),
        ]
    };
    let head = match language {
        En => [
            "",
            "per worker",
            "start-up",
            "memory",
            "copied",
            "GIL held",
            "on locks",
        ],
        Ko => [
            "",
            "작업자당",
            "시작",
            "메모리",
            "복사",
            "GIL 점유",
            "락 대기",
        ],
    };
    std::iter::once(head.map(str::to_owned).to_vec())
        .chain(report.variants.iter().map(row))
        .collect()
}

/// Rows in columns: the first and the one with bars to the left, numbers to the right.
fn print_columns<W: Write>(out: &mut Output<W>, rows: &[Vec<String>]) -> io::Result<()> {
    let count = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..count)
        .map(|index| {
            rows.iter()
                .map(|row| columns(&row[index]))
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let room = " ".repeat(width - columns(cell));
            let left =
                index == 0 || cell.starts_with(['█', '#', '▏', '▎', '▍', '▌', '▋', '▊', '▉']);
            line += &if left {
                format!("{cell}{room}  ")
            } else {
                format!("{room}{cell}  ")
            };
        }
        out.line(&line)?;
    }
    out.line("")
}

/// A speed-up with two digits behind the point where they tell something.
fn rounded_finely(ratio: f64) -> String {
    if ratio < 9.95 {
        format!("{ratio:.2}")
    } else {
        rounded(ratio)
    }
}

/// A bar of eighths of a column on terminals, of whole ones elsewhere.
fn bar(share: f64, terminal: bool) -> String {
    let eighths = (share.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    if !terminal {
        return "#".repeat(eighths.div_ceil(8));
    }
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_eighths_on_terminals_only() {
        assert_eq!(bar(0.5, true), "█".repeat(BAR / 2));
        assert_eq!(bar(0.025, true), "▌");
        assert_eq!(bar(0.025, false), "#");
        assert_eq!(bar(7.0, false).len(), BAR);
    }
}
