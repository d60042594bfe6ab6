//! The report as text: tables where there is room, one program below the other where there is not.

use std::io::{self, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::Library;
use super::numbers::{duration, faster};
use super::report::{Outcome, Report, Row};
use crate::args::Side;
use crate::language::Language::{self, En, Ko};
use crate::language::Text;
use crate::output::{Output, columns};

/// Below so many columns a table of seven would be letters falling down.
const TABLE_FROM: usize = 88;

/// What the tour is, before anything has run.
pub(crate) fn print_opening<W: Write>(out: &mut Output<W>, language: Language) -> io::Result<()> {
    out.paragraph("", OPENING.in_language(language))?;
    out.line("")
}

/// The whole report.
pub(crate) fn print<W: Write>(out: &mut Output<W>, report: &Report) -> io::Result<()> {
    print_machine(out, report)?;
    for side in [Side::Python, Side::Rust] {
        let rows: Vec<&Row> = report
            .programs
            .iter()
            .filter(|row| row.side == side)
            .collect();
        if rows.is_empty() {
            continue;
        }
        out.line("")?;
        out.paragraph("", heading(side).in_language(report.language))?;
        out.line("")?;
        if out.width < TABLE_FROM {
            print_cards(out, &rows, report.language)?;
        } else {
            out.line(&table(&rows, out.width, out.terminal, report.language).to_string())?;
        }
        print_lessons(out, &rows, report.language)?;
    }
    print_verdict(out, report)?;
    print_further(out, report.language)
}

const OPENING: Text = Text {
    en: "This tour runs small programs about processes and threads, each with one idea. Each runs \
         twice, once on pumasi and right after it on what the language has of its own. The Python \
         programs are the same both times, with only the import changed: \"import pumasi as mp\" \
         instead of \"import multiprocessing as mp\".",
    ko: "이 둘러보기는 프로세스와 스레드에 관한 작은 프로그램들을 실행합니다. 프로그램마다 한 가지 \
         개념을 보여 줍니다. 각 프로그램은 이어서 두 번, 한 번은 pumasi로, 한 번은 언어가 원래 가진 \
         기능으로 실행됩니다. 파이썬 프로그램은 import 한 줄만 다릅니다. \"import multiprocessing as mp\" \
         대신 \"import pumasi as mp\"를 씁니다.",
};

fn heading(side: Side) -> &'static Text {
    match side {
        Side::Python => &Text {
            en: "IN PYTHON, pumasi beside multiprocessing. The times are measured inside of the \
                 programs, with the start of their processes and without that of the interpreter.",
            ko: "파이썬: pumasi와 multiprocessing. 시간은 프로그램 안에서 쟀으며, 프로세스를 시작하는 \
                 시간은 들어 있고 인터프리터를 시작하는 시간은 들어 있지 않습니다.",
        },
        Side::Rust => &Text {
            en: "IN RUST, processes on pumasi beside threads of the standard library, which has \
                 nothing that processes could share. A thread starts faster than a process; it \
                 also takes the whole program with it when it crashes.",
            ko: "Rust: pumasi의 프로세스와 표준 라이브러리의 스레드. 표준 라이브러리에는 프로세스끼리 \
                 공유할 수 있는 것이 없습니다. 스레드는 프로세스보다 빨리 시작하지만, 죽을 때는 \
                 프로그램 전체와 함께 죽습니다.",
        },
    }
}

fn print_machine<W: Write>(out: &mut Output<W>, report: &Report) -> io::Result<()> {
    let (version, machine) = (report.version, &report.machine);
    let (processors, system) = (machine.processors, &machine.system);
    let python = report
        .python
        .as_ref()
        .map_or_else(String::new, |python| match report.language {
            En => format!(", Python {}", python.version),
            Ko => format!(", 파이썬 {}", python.version),
        });
    let line = match report.language {
        En => format!("pumasi {version}{python}, {processors} processors, {system}"),
        Ko => format!("pumasi {version}{python}, 프로세서 {processors}개, {system}"),
    };
    out.paragraph("", &line)?;
    if report.quick {
        out.paragraph("", QUICK.in_language(report.language))
    } else {
        Ok(())
    }
}

const QUICK: Text = Text {
    en: "A quick tour: few rounds and little data, so the times mean little.",
    ko: "빠른 둘러보기: 횟수와 데이터를 줄였으므로 시간은 큰 의미가 없습니다.",
};

fn table(rows: &[&Row], width: usize, terminal: bool, language: Language) -> Table {
    let mut table = Table::new();
    table
        .load_style(if terminal {
            presets::UTF8_FULL
        } else {
            presets::ASCII_FULL
        })
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX))
        .set_header(header(rows, language));
    for (number, row) in rows.iter().enumerate() {
        table.add_row(cells(number + 1, row, language));
    }
    // Times and numbers stay whole; the words share what is left.
    let short = ColumnConstraint::Boundaries {
        lower: Width::Fixed(4),
        upper: Width::Fixed(12),
    };
    for column in [0, 3, 5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(short);
        }
    }
    table
}

fn header(rows: &[&Row], language: Language) -> Vec<String> {
    let standard = standard_name(rows);
    match language {
        En => vec![
            String::new(),
            "what it shows".to_owned(),
            "pumasi printed".to_owned(),
            "took".to_owned(),
            format!("{standard} printed"),
            "took".to_owned(),
            "pumasi is".to_owned(),
        ],
        Ko => vec![
            String::new(),
            "무엇을 보이는가".to_owned(),
            "pumasi의 출력".to_owned(),
            "시간".to_owned(),
            format!("{standard}의 출력"),
            "시간".to_owned(),
            "pumasi는".to_owned(),
        ],
    }
}

fn standard_name(rows: &[&Row]) -> &'static str {
    let standard = rows.iter().find_map(|row| row.standard.as_ref());
    standard
        .map_or(Library::Multiprocessing, |outcome| outcome.library)
        .name()
}

fn cells(number: usize, row: &Row, language: Language) -> Vec<String> {
    let title = format!("{}\n{}", row.title, row.shows);
    let standard = row.standard.as_ref();
    let none = || NONE.in_language(language).to_owned();
    vec![
        number.to_string(),
        title,
        printed(&row.pumasi, language),
        took(&row.pumasi, language),
        standard.map_or_else(none, |outcome| printed(outcome, language)),
        standard.map_or_else(String::new, |outcome| took(outcome, language)),
        compared(row, language),
    ]
}

const NONE: Text = Text {
    en: "has no such thing",
    ko: "이런 것이 없음",
};

/// What a program printed, or what went wrong.
fn printed(outcome: &Outcome, language: Language) -> String {
    let wrong = outcome.trouble.as_ref().map(|trouble| match language {
        En => format!("WRONG: {trouble}"),
        Ko => format!("틀림: {trouble}"),
    });
    let parts: Vec<_> = outcome.printed.iter().cloned().chain(wrong).collect();
    parts.join("\n")
}

fn took(outcome: &Outcome, language: Language) -> String {
    match (outcome.endless, outcome.seconds) {
        (true, _) => FOR_EVER.in_language(language).to_owned(),
        (false, Some(seconds)) => duration(seconds),
        (false, None) => String::new(),
    }
}

const FOR_EVER: Text = Text {
    en: "for ever",
    ko: "영원히",
};

fn compared(row: &Row, language: Language) -> String {
    let whole = row.ratio.map(|ratio| faster(ratio, language));
    let operation = row.operation_ratio.map(|ratio| match language {
        En => format!("one operation: {}", faster(ratio, language)),
        Ko => format!("연산 하나: {}", faster(ratio, language)),
    });
    let parts: Vec<_> = whole.into_iter().chain(operation).collect();
    parts.join("\n")
}

fn print_cards<W: Write>(out: &mut Output<W>, rows: &[&Row], language: Language) -> io::Result<()> {
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            out.line("")?;
        }
        out.paragraph(&format!("{:>2}. ", number + 1), row.title)?;
        out.paragraph("    ", row.shows)?;
        for outcome in std::iter::once(&row.pumasi).chain(&row.standard) {
            let said = printed(outcome, language).replace('\n', "; ");
            let line = format!("{said} [{}]", took(outcome, language));
            out.paragraph(&format!("    {}: ", outcome.library.name()), &line)?;
        }
        let compared = compared(row, language).replace('\n', "; ");
        if !compared.is_empty() {
            let is = match language {
                En => "=> pumasi is",
                Ko => "=> pumasi는",
            };
            out.paragraph("    ", &format!("{is} {compared}"))?;
        }
    }
    Ok(())
}

/// What there is to learn, under the numbers of the programs.
fn print_lessons<W: Write>(
    out: &mut Output<W>,
    rows: &[&Row],
    language: Language,
) -> io::Result<()> {
    let lessons = rows.iter().enumerate().filter_map(|(number, row)| {
        let parts: Vec<&str> = row
            .lesson
            .into_iter()
            .chain(row.pumasi.remark.as_deref())
            .collect();
        if parts.is_empty() {
            None
        } else {
            Some((number + 1, row.title, parts.join(" ")))
        }
    });
    for (place, (number, title, lesson)) in lessons.enumerate() {
        if place == 0 {
            out.line("")?;
            out.line(NOTICE.in_language(language))?;
        }
        out.paragraph(&format!("{number:>2}. "), &format!("{title}: {lesson}"))?;
    }
    Ok(())
}

const NOTICE: Text = Text {
    en: "What to notice:",
    ko: "눈여겨볼 점:",
};

fn print_verdict<W: Write>(out: &mut Output<W>, report: &Report) -> io::Result<()> {
    let (programs, seconds) = (report.programs.len(), duration(report.seconds));
    let wrong = report.troubles().count();
    let verdict = match (report.language, wrong) {
        (En, 0) => {
            format!("All {programs} programs gave the right results, in {seconds} together.")
        }
        (Ko, 0) => {
            format!("프로그램 {programs}개의 결과가 모두 맞습니다. 모두 {seconds} 걸렸습니다.")
        }
        (En, 1) => "One result is wrong or missing; see WRONG above.".to_owned(),
        (En, _) => format!("{wrong} results are wrong or missing; see WRONG above."),
        (Ko, _) => format!("결과 {wrong}개가 틀렸거나 없습니다. 위의 \"틀림\"을 보십시오."),
    };
    out.line("")?;
    out.paragraph("", &verdict)
}

/// What to read next.
fn print_further<W: Write>(out: &mut Output<W>, language: Language) -> io::Result<()> {
    out.line("")?;
    out.line(FURTHER.in_language(language))?;
    let width = FURTHER_LINES
        .iter()
        .map(|(what, _)| columns(what))
        .max()
        .unwrap_or_default();
    for (what, text) in FURTHER_LINES {
        let text = text.in_language(language);
        if out.width < TABLE_FROM {
            out.line(&format!("  {what}"))?;
            out.paragraph("      ", text)?;
        } else {
            out.paragraph(&format!("  {what:width$}  "), text)?;
        }
    }
    Ok(())
}

const FURTHER: Text = Text {
    en: "What to read next:",
    ko: "더 읽을거리:",
};

const FURTHER_LINES: &[(&str, Text)] = &[
    (
        "pumasi tour --source lock",
        Text {
            en: "a program of this tour, to read",
            ko: "이 둘러보기의 프로그램을 읽습니다",
        },
    ),
    (
        "python -m pumasi.tour.run lock",
        Text {
            en: "the same program, run alone",
            ko: "같은 프로그램만 실행합니다",
        },
    ),
    (
        "python -c 'import pumasi; help(pumasi)'",
        Text {
            en: "what there is to import",
            ko: "import할 수 있는 것을 봅니다",
        },
    ),
    (
        "examples/python",
        Text {
            en: "short scripts to start from",
            ko: "시작점으로 삼을 짧은 예제",
        },
    ),
    (
        "README.md, README.ko.md",
        Text {
            en: "from the first install to a shared dict, in a minute",
            ko: "설치부터 공유 dict까지 1분",
        },
    ),
    (
        "ARCHITECTURE.md",
        Text {
            en: "how it works inside",
            ko: "내부 구조",
        },
    ),
];
