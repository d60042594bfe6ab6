//! `pumasi ls` and `pumasi rm`: the heaps with a name, and taking a name away.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};
use pumasi::heap::named::NamedHeap;
use pumasi::{Error, Heap};
use serde_json::json;

use crate::args::{LsArgs, RmArgs};
use crate::exit::{Exit, Trouble};
use crate::language::{Language, Text};
use crate::output::Output;

const NAME: Text = Text {
    en: "name",
    ko: "이름",
};
const USED: Text = Text {
    en: "used",
    ko: "사용",
};
const LIMIT: Text = Text {
    en: "limit",
    ko: "한도",
};
const PROCESSES: Text = Text {
    en: "processes",
    ko: "프로세스",
};
const NOBODY: Text = Text {
    en: "none: gone, its name is free",
    ko: "없음: 힙은 사라졌고 이름은 비어 있습니다",
};

fn trouble(error: &Error) -> Trouble {
    Trouble::Missing(error.to_string())
}

/// Obeys `pumasi ls`.
pub(crate) fn ls(args: &LsArgs, language: Language) -> Result<Exit, Trouble> {
    let heaps = Heap::named().map_err(|error| trouble(&error))?;
    let mut out = Output::stdout();
    if args.json {
        let heaps: Vec<_> = heaps
            .iter()
            .map(|heap| {
                json!({
                    "name": heap.name,
                    "used": heap.used,
                    "limit": heap.limit,
                    "processes": heap.pids,
                    "trouble": heap.trouble,
                })
            })
            .collect();
        out.line(&serde_json::to_string_pretty(&heaps).map_err(std::io::Error::from)?)?;
    } else if !heaps.is_empty() {
        out.line(&table(&heaps, language))?;
    }
    out.flush()?;
    Ok(Exit::Success)
}

fn table(heaps: &[NamedHeap], language: Language) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let heads = [NAME, USED, LIMIT, PROCESSES].map(|text| text.in_language(language));
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    table.set_header(heads);
    for heap in heaps {
        let who = match (&heap.trouble, heap.pids.as_slice()) {
            (Some(trouble), _) => trouble.clone(),
            (None, []) => NOBODY.in_language(language).to_owned(),
            (None, pids) => listed(pids),
        };
        let known = !heap.pids.is_empty();
        let size = |n| right(if known { size(n) } else { String::new() });
        table.add_row([
            Cell::new(&heap.name),
            size(heap.used),
            size(heap.limit),
            Cell::new(who),
        ]);
    }
    table.to_string()
}

fn listed(pids: &[u32]) -> String {
    let mut text = String::new();
    for pid in pids {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(text, "{comma}{pid}");
    }
    text
}

/// `3.5 MiB`.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = (0..4).take_while(|&i| bytes >> (10 * (i + 1)) > 0).count();
    if step == 0 {
        return format!("{bytes} B");
    }
    let value = bytes as f64 / f64::from(1u32 << 10).powi(step as i32);
    format!("{value:.1} {}", units[step])
}

/// Obeys `pumasi rm`: each name that can be taken away is, whatever becomes of the others.
pub(crate) fn rm(args: &RmArgs, language: Language) -> Result<Exit, Trouble> {
    let known = Heap::named().map_err(|error| trouble(&error))?;
    let mut exit = Exit::Success;
    for name in &args.names {
        let found = known.iter().find(|heap| heap.name == *name);
        if let Err(why) = remove(name, found, args.force, language) {
            eprintln!("pumasi: {why}");
            exit = Exit::Wrong;
        }
    }
    Ok(exit)
}

fn remove(
    name: &str,
    found: Option<&NamedHeap>,
    force: bool,
    language: Language,
) -> Result<(), String> {
    if let Some(heap) = found.filter(|_| !force) {
        if let Some(trouble) = &heap.trouble {
            return Err(trouble.clone());
        }
        if !heap.pids.is_empty() {
            let pids = listed(&heap.pids);
            return Err(match language {
                Language::En => format!(
                    "{name:?} is open in {pids}; --force takes the name away, and they go on without it"
                ),
                Language::Ko => format!(
                    "{name:?}: {pids}에서 열려 있습니다. --force로 이름만 지우면 그 프로세스들은 이름 없이 계속 씁니다"
                ),
            });
        }
    }
    Heap::unlink(name).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        let sizes = [0, 1023, 1024, 1536, 64 << 20, 5 << 40].map(size);
        let expected = ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "64.0 MiB", "5.0 TiB"];
        assert_eq!(sizes, expected);
    }

    #[test]
    fn an_open_heap_keeps_its_name_unless_it_is_forced() {
        let name = format!("test.rm.{}", std::process::id());
        let heap = Heap::builder().name(&name).limit(1 << 20).create().unwrap();
        let known = Heap::named().unwrap();
        let found = known.iter().find(|heap| heap.name == name);
        assert!(table(&known, Language::En).contains(&name));
        for language in [Language::En, Language::Ko] {
            let why = remove(&name, found, false, language).unwrap_err();
            assert!(why.contains(&std::process::id().to_string()) && why.contains("--force"));
        }
        remove(&name, found, true, Language::En).unwrap();
        let why = remove(&name, None, false, Language::En).unwrap_err();
        assert!(why.contains("no process has"), "{why}");
        heap.close();
    }
}
