//! The report as a page for browsers: one file that needs nothing else, light, dark and on paper.

use super::plots::{self, escaped};
use super::report::{Report, Variant};
use super::text::{BREAK_EVEN, FITS, LEFT_OUT, WARNINGS};
use super::words;
use crate::language::Language::{self, En, Ko};
use crate::language::Text;
use crate::tour::numbers::{duration, rounded};

/// The whole page.
pub(crate) fn page(report: &Report, language: Language) -> String {
    let lang = match language {
        En => "en",
        Ko => "ko",
    };
    let title = format!("pumasi bench: {}", report.function);
    let verdicts = items(
        report
            .verdicts
            .iter()
            .map(|verdict| words::verdict(report, verdict, language)),
    );
    let plots: String = [
        plots::speedup(report, language),
        plots::breakdown(report, language),
        plots::distribution(report, language),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, plot)| {
        format!(
            "<figure><h2>{}</h2>{plot}<figcaption>{}</figcaption></figure>\n",
            plots::title(number, language),
            caption(number).in_language(language)
        )
    })
    .collect();
    format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{}</h1>\n<p class=\"quiet\">{}<br>{}</p>\n\
         <section class=\"advice{}\"><p>{}</p>{verdicts}</section>\n\
         {}\n{plots}{}</main>\n</body>\n</html>\n",
        escaped(&title),
        escaped(&title),
        escaped(&words::heading(report, language)),
        escaped(&words::machine(report)),
        if report.advice.worth_it { " pays" } else { "" },
        escaped(&words::advice(report, language)),
        table(report, language),
        further(report, language),
    )
}

fn further(report: &Report, language: Language) -> String {
    let pays = report
        .break_even
        .iter()
        .map(|found| words::break_even(found, language));
    let warnings = report.warnings.iter().map(|w| words::warning(w, language));
    let warnings = words::busy(report, language).into_iter().chain(warnings);
    let left = report
        .left_out
        .iter()
        .map(|found| words::left_out(found, language));
    section(&BREAK_EVEN, language, pays)
        + &section(&FITS, language, words::fits(report, language).into_iter())
        + &section(&WARNINGS, language, warnings)
        + &section(&LEFT_OUT, language, left)
}

fn section(title: &Text, language: Language, lines: impl Iterator<Item = String>) -> String {
    let lines = items(lines);
    if lines.is_empty() {
        return lines;
    }
    let title = title.in_language(language);
    format!("<section><h2>{title}</h2>{lines}</section>\n")
}

fn items(lines: impl Iterator<Item = String>) -> String {
    let lines: String = lines
        .map(|line| format!("<li>{}</li>", escaped(&line)))
        .collect();
    if lines.is_empty() {
        lines
    } else {
        format!("<ul>{lines}</ul>")
    }
}

fn table(report: &Report, language: Language) -> String {
    let head: String = HEAD
        .iter()
        .map(|text| format!("<th scope=\"col\">{}</th>", text.in_language(language)))
        .collect();
    let rows: String = report
        .variants
        .iter()
        .map(|variant| row(variant, report, language))
        .collect();
    format!(
        "<div class=\"table\"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

fn row(variant: &Variant, report: &Report, language: Language) -> String {
    let chosen = if variant.name == report.advice.variant {
        " class=\"chosen\""
    } else {
        ""
    };
    let plus = |value: String, interval: String| {
        let interval = escaped(&interval);
        format!("{}<small>{interval}</small>", escaped(&value))
    };
    let none = || "–".to_owned();
    let two = |ratio: f64| {
        if ratio < 9.95 {
            format!("{ratio:.2}")
        } else {
            rounded(ratio)
        }
    };
    let cells = [
        plus(
            duration(variant.seconds.median),
            words::interval(variant.seconds, duration),
        ),
        plus(
            two(variant.speedup.median),
            words::interval(variant.speedup, two),
        ),
        words::percent(variant.efficiency),
        variant
            .start_up_seconds
            .map_or_else(none, |found| duration(found.median)),
        variant.memory_bytes.map_or_else(none, words::bytes),
        if variant.copies() {
            words::bytes(variant.bytes_copied)
        } else if variant.kind == "processes" {
            words::bytes(variant.placed_bytes)
        } else {
            none()
        },
        if variant.serialising_seconds > 0.0 {
            duration(variant.serialising_seconds)
        } else {
            none()
        },
        variant.gil_held.map_or_else(none, words::percent),
        words::percent(variant.lock_share),
    ];
    let cells: String = cells
        .iter()
        .map(|cell| format!("<td>{cell}</td>"))
        .collect();
    let name = escaped(&words::name(variant, language));
    format!("<tr{chosen}><th scope=\"row\">{name}</th>{cells}</tr>")
}

const HEAD: [Text; 10] = [
    Text { en: "", ko: "" },
    Text {
        en: "time",
        ko: "시간",
    },
    Text {
        en: "speed-up",
        ko: "속도 향상",
    },
    Text {
        en: "per worker",
        ko: "작업자당",
    },
    Text {
        en: "start-up",
        ko: "시작",
    },
    Text {
        en: "peak memory",
        ko: "최대 메모리",
    },
    Text {
        en: "copied",
        ko: "복사",
    },
    Text {
        en: "pickling",
        ko: "피클",
    },
    Text {
        en: "GIL held",
        ko: "GIL 점유",
    },
    Text {
        en: "on locks",
        ko: "락 대기",
    },
];

fn caption(plot: usize) -> Text {
    match plot {
        0 => Text {
            en: "Medians of the rounds' ratios to serial, with 95 % intervals. Dashed: the fitted \
                 model, for a machine that is free. Dotted: if nothing were lost.",
            ko: "직렬 대비 회차별 비율의 중앙값과 95 % 구간. 파선: 한가한 컴퓨터에 맞춘 모델. 점선: \
                 손실이 없을 때.",
        },
        1 => Text {
            en: "Shares of all workers' time. What they slept in was looked at from outside, every \
                 two milliseconds of one run.",
            ko: "모든 작업자 시간의 비율. 무엇을 기다렸는지는 한 번의 실행을 밖에서 2밀리초마다 \
                 관찰했습니다.",
        },
        _ => Text {
            en: "A dot for each run, a stroke for the median; the scale is logarithmic.",
            ko: "점은 실행 하나, 세로선은 중앙값. 로그 눈금입니다.",
        },
    }
}

/// Colours told apart also by those who see few of them (after Okabe and Ito).
const STYLE: &str = "
:root{color-scheme:light dark;--back:#fff;--text:#1d2026;--quiet:#5c6370;--rule:#d9dce2;--card:#f4f6f8;
--good:#00704f;--f0:#0072b2;--f1:#d55e00;--f2:#00835f;--f3:#b0509a;--f4:#8a6d00;--f5:#3d6fb6;--idle:#e3e6ea}
@media(prefers-color-scheme:dark){:root{--back:#15181d;--text:#e6e8eb;--quiet:#9aa2ad;--rule:#333a44;
--card:#1d2229;--good:#4cc9a0;--f0:#56b4e9;--f1:#ff8c42;--f2:#2fc79a;--f3:#dd8fc9;--f4:#e6c229;--f5:#8fb5f0;--idle:#2a3038}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,'Noto Sans KR',sans-serif}
main{max-width:68rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.5rem;margin:0 0 .3rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:1.6rem 0 .5rem}
.quiet,figcaption,small{color:var(--quiet);font-size:.85rem}
.advice{background:var(--card);border-left:4px solid var(--quiet);padding:.8rem 1.2rem;margin:1.2rem 0}
.advice.pays{border-color:var(--good)}.advice p{font-size:1.15rem;font-weight:600;margin:.2rem 0}
.advice ul{margin:.4rem 0;padding-left:1.2rem}
.table{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.86rem}
th,td{padding:.35rem .4rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th[scope=row],th:first-child{text-align:left}thead th{color:var(--quiet);font-weight:500}
td small{display:block}.chosen th,.chosen td{background:var(--card);font-weight:600}
figure{margin:1.6rem 0;break-inside:avoid}svg{width:100%;height:auto;display:block}
svg text{fill:var(--text);font-size:13px}.tick{fill:var(--quiet)!important;font-size:12px}
.end{text-anchor:end}.middle{text-anchor:middle}
.grid{stroke:var(--rule)}.ideal{stroke:var(--quiet);stroke-dasharray:1 5;stroke-width:2;stroke-linecap:round}
.family,.fitted{fill:none;stroke-width:2}.fitted{stroke-dasharray:6 5;opacity:.75}.whisker{stroke-width:2}
.family.f0,.fitted.f0,.whisker.f0{stroke:var(--f0)}.family.f1,.fitted.f1,.whisker.f1{stroke:var(--f1)}
.family.f2,.fitted.f2,.whisker.f2{stroke:var(--f2)}.family.f3,.fitted.f3,.whisker.f3{stroke:var(--f3)}
.family.f4,.fitted.f4,.whisker.f4{stroke:var(--f4)}.family.f5,.fitted.f5,.whisker.f5{stroke:var(--f5)}
.dot.f0{fill:var(--f0)}.dot.f1{fill:var(--f1)}.dot.f2{fill:var(--f2)}.dot.f3{fill:var(--f3)}
.dot.f4{fill:var(--f4)}.dot.f5{fill:var(--f5)}
rect.p0{fill:var(--f2)}rect.p1{fill:var(--f4)}rect.p2{fill:var(--f1)}rect.p3{fill:var(--f3)}
rect.p4{fill:var(--f0)}rect.p5{fill:var(--f5)}rect.p6{fill:var(--quiet)}rect.p7{fill:var(--idle)}
.run{fill:var(--f0);opacity:.45}.median{stroke:var(--text);stroke-width:2}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;padding:0;margin:.5rem 0;font-size:.9rem}
.legend i{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.4rem}
i.f0,i.p4{background:var(--f0)}i.f1,i.p2{background:var(--f1)}i.f2,i.p0{background:var(--f2)}
i.f3,i.p3{background:var(--f3)}i.f4,i.p1{background:var(--f4)}i.f5,i.p5{background:var(--f5)}
i.p6{background:var(--quiet)}i.p7{background:var(--idle)}
@media print{:root{--back:#fff;--text:#000;--quiet:#444;--rule:#bbb;--card:#f2f2f2;--good:#00704f;--f0:#0072b2;
--f1:#d55e00;--f2:#00835f;--f3:#b0509a;--f4:#8a6d00;--f5:#3d6fb6;--idle:#ddd}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}main{max-width:none;padding:0}
html,body{font-size:9.5pt}.table{overflow:visible}table{font-size:7pt}th,td{padding:.2rem .25rem}
th,td small{white-space:normal;font-size:inherit}section{break-inside:avoid}h2{break-after:avoid}}
@page{margin:14mm}
";
