//! The habits that a program can check, read off the sources of the whole repository.
//!
//! Each check is a function from text to complaints, so that the tests at the end can show it
//! a bad input and see it complain; the tests before them run it over the real tree.
//!
//! | check | fails when |
//! |---|---|
//! | layers | a module of `crates/pumasi/src` uses one that is not listed before it in [`LAYERS`] |
//! | opening | a Rust file does not open with a `//!` comment |
//! | citations | an invariant is cited that `ARCHITECTURE.md` does not define, or defines twice |
//! | length | a source past [`LONG`] lines does not say at its top what it is "long because" of |
//! | leftovers | a source holds an unfinished place, or a TODO without an issue |

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the core from low to high: each may use only those before it.
///
/// `lib.rs` stands above all of them.
const LAYERS: [&str; 11] = [
    "error",
    "observer",
    "sys",
    "heap",
    "sync",
    "containers",
    "process",
    "pool",
    "bench",
    "manager",
    "race",
];

/// The families of invariants in `ARCHITECTURE.md`.
const FAMILIES: [&str; 16] = [
    "HEAP", "PART", "BLOCK", "LOCK", "SYNC", "LOG", "LIST", "DICT", "CELL", "PIN", "OBS", "PROC",
    "PY", "POOL", "SET", "NAME",
];

/// A source longer than this many lines must say why it is one thing.
const LONG: usize = 500;

/// Where a long source says so: within this many lines from its top.
const TOP: usize = 30;

/// One line that breaks a habit: its number, from 1, and what is wrong with it.
type Complaint = (usize, String);

// ---- the checks ----------------------------------------------------------------------------

/// Complains of every module above `module` that `source` names by a path.
///
/// `depth` is how many names deep the file's own module is: 1 for `heap.rs` and `heap/mod.rs`.
fn upward_uses(module: &str, depth: usize, source: &str) -> Vec<Complaint> {
    let Some(own) = LAYERS.iter().position(|layer| *layer == module) else {
        return vec![(1, format!("`{module}` has no place in the order of layers"))];
    };
    root_names(depth, &without_comments(source))
        .into_iter()
        .filter(|(_, used)| LAYERS.iter().position(|layer| layer == used) > Some(own))
        .map(|(line, used)| (line, format!("`{module}` uses `{used}`, which is above it")))
        .collect()
}

/// Complains when a Rust source does not open with its `//!` comment.
fn missing_opening(source: &str) -> Vec<Complaint> {
    let first = source.lines().find(|line| !line.trim().is_empty());
    match first {
        Some(line) if line.starts_with("//! ") => Vec::new(),
        _ => vec![(
            1,
            "does not open with a `//!` comment saying what it is".into(),
        )],
    }
}

/// Complains of the invariants cited in `text` that are not in `defined`.
fn undefined_citations(defined: &BTreeMap<String, usize>, text: &str) -> Vec<Complaint> {
    numbered_lines(text)
        .flat_map(|(number, line)| citations(line).into_iter().map(move |id| (number, id)))
        .filter(|(_, id)| !defined.contains_key(id))
        .map(|(number, id)| {
            (
                number,
                format!("cites {id}, which ARCHITECTURE.md does not define"),
            )
        })
        .collect()
}

/// Complains of a long source that does not say why it is one thing.
fn unexplained_length(source: &str) -> Vec<Complaint> {
    let lines = source.lines().count();
    let explained = source
        .lines()
        .take(TOP)
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
        .contains("long because");
    if lines > LONG && !explained {
        return vec![(
            1,
            format!("has {lines} lines and does not say what it is long because of"),
        )];
    }
    Vec::new()
}

/// Complains of places that were left unfinished.
fn leftovers(source: &str) -> Vec<Complaint> {
    // Put together here, so that a search for them does not find this file.
    let unfinished = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
    ];
    let later = concat!("TO", "DO");
    let mut complaints = Vec::new();
    for (number, line) in numbered_lines(source) {
        for word in unfinished.iter().filter(|word| line.contains(**word)) {
            complaints.push((number, format!("holds an unfinished place: {word}")));
        }
        if line.contains(later) && !line.contains('#') {
            complaints.push((number, format!("has a {later} without an issue's number")));
        }
    }
    complaints
}

/// The invariants that a text defines, each with how often it does.
///
/// A definition is a line whose first word, past the marks of a list, a table, a heading or bold
/// type, is the invariant's number.
fn definitions(architecture: &str) -> BTreeMap<String, usize> {
    let mut defined = BTreeMap::new();
    for line in architecture.lines() {
        let start = line.trim_start_matches([' ', '-', '*', '|', '#', '`', '[', '>']);
        if let Some(id) = citations(start).first()
            && start.starts_with(id.as_str())
        {
            *defined.entry(id.clone()).or_insert(0) += 1;
        }
    }
    defined
}

// ---- reading Rust --------------------------------------------------------------------------

fn numbered_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The invariants that a line cites: a family, a hyphen, a number, and no word on either side.
fn citations(line: &str) -> Vec<String> {
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    for (at, _) in line.match_indices('-') {
        let start = at
            - bytes[..at]
                .iter()
                .rev()
                .take_while(|b| is_word(**b))
                .count();
        let digits = bytes[at + 1..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        let end = at + 1 + digits;
        let whole = bytes.get(end).is_none_or(|byte| !is_word(*byte));
        if digits > 0 && whole && FAMILIES.contains(&&line[start..at]) {
            found.push(line[start..end].to_owned());
        }
    }
    found
}

/// The source with every comment, string and character literal blanked, line breaks kept.
fn without_comments(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut kept = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let length = blank_length(&bytes[at..], at > 0 && is_word(bytes[at - 1]));
        for byte in &mut kept[at..at + length] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at += length.max(1);
    }
    String::from_utf8(kept).expect("only whole literals and comments are blanked")
}

/// How many bytes at the start of `rest` are a comment or a literal; 0 when it opens with code.
fn blank_length(rest: &[u8], inside_word: bool) -> usize {
    if rest.starts_with(b"//") {
        return rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return block_comment_length(rest);
    }
    if rest[0] == b'"' {
        return quoted_length(rest, b'"');
    }
    if rest[0] == b'\'' {
        // A lifetime has no closing quote right after its first character.
        let escaped = rest.get(1) == Some(&b'\\');
        let width = rest.get(1).map_or(0, |byte| match byte {
            0xf0.. => 4,
            0xe0.. => 3,
            0xc0.. => 2,
            _ => 1,
        });
        let closed = rest.get(1 + width) == Some(&b'\'');
        return if escaped || closed {
            quoted_length(rest, b'\'')
        } else {
            0
        };
    }
    if rest[0] == b'r' && !inside_word {
        return raw_string_length(rest);
    }
    0
}

fn block_comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string_length(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let mut end = vec![b'"'];
    end.resize(1 + hashes, b'#');
    let body = 2 + hashes;
    rest[body..]
        .windows(end.len())
        .position(|window| window == end)
        .map_or(rest.len(), |found| body + found + end.len())
}

/// Every name right below the crate's root that a source without comments reaches by a path:
/// `crate::name`, each name of `crate::{..}`, and `super::name` where that leads to the root.
fn root_names(depth: usize, code: &str) -> Vec<(usize, String)> {
    let bytes = code.as_bytes();
    let mut names = Vec::new();
    let mut line = 1;
    // The braces open at this point; true for those of an inline `mod name { .. }`.
    let mut braces: Vec<bool> = Vec::new();
    let mut opens_module = false;
    let mut at = 0;
    while at < bytes.len() {
        if !is_word(bytes[at]) {
            match bytes[at] {
                b'\n' => line += 1,
                b'{' => braces.push(std::mem::take(&mut opens_module)),
                b'}' => drop(braces.pop()),
                b';' => opens_module = false,
                _ => {}
            }
            at += 1;
            continue;
        }
        let length = word_length(&bytes[at..]);
        match &code[at..at + length] {
            "mod" => opens_module = true,
            "crate" => names.extend(names_after(&code[at + length..], line)),
            "super" if !code[..at].trim_end().ends_with("::") => {
                let inline = braces.iter().filter(|module| **module).count();
                let (ups, rest) = climb(&code[at..]);
                if ups == depth + inline {
                    names.extend(names_after(rest, line));
                }
            }
            _ => {}
        }
        at += length;
    }
    names
}

fn word_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_word(**byte)).count()
}

/// Counts the leading `super::super` of a path; the rest begins at the `::` after them.
fn climb(path: &str) -> (usize, &str) {
    let mut ups = 1;
    let mut rest = &path["super".len()..];
    while let Some(next) = rest.trim_start().strip_prefix("::")
        && let Some(after) = next.trim_start().strip_prefix("super")
    {
        ups += 1;
        rest = after;
    }
    (ups, rest)
}

/// The first names of the path or paths that `rest` goes on with after `crate` or `super`.
fn names_after(rest: &str, line: usize) -> Vec<(usize, String)> {
    let Some(path) = rest.trim_start().strip_prefix("::") else {
        return Vec::new();
    };
    let path = path.trim_start();
    let Some(group) = path.strip_prefix('{') else {
        return vec![(line, path[..word_length(path.as_bytes())].to_owned())];
    };
    let mut names = Vec::new();
    let (mut depth, mut line, mut expects_name) = (0, line, true);
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'\n' => line += 1,
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => expects_name = true,
            _ if is_word(byte) && expects_name && depth == 0 => {
                let length = word_length(&group.as_bytes()[at..]);
                names.push((line, group[at..at + length].to_owned()));
                expects_name = false;
            }
            _ => {}
        }
    }
    names
}

// ---- the real tree -------------------------------------------------------------------------

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below these directories with one of these extensions, sorted, as paths from the root.
fn files(directories: &[&str], extensions: &[&str]) -> Vec<PathBuf> {
    let mut waiting: Vec<_> = directories.iter().map(PathBuf::from).collect();
    let mut found = Vec::new();
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = fs::read_dir(root().join(&directory)) else {
            continue; // one that is still empty is not in the tree
        };
        for entry in entries {
            let entry = entry.expect("the sources can be listed");
            let path = directory.join(entry.file_name());
            let kind = entry.file_type().expect("a file has a type");
            if kind.is_dir() && entry.file_name() != "target" {
                waiting.push(path);
            } else if kind.is_file()
                && let Some(extension) = path.extension()
                && extensions.iter().any(|wanted| extension == *wanted)
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

fn is_test(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    path.components().any(|part| part.as_os_str() == "tests")
        || name.is_some_and(|name| name.starts_with("test"))
}

/// Runs one check over some files, and fails with every complaint it has, as `file:line: text`.
fn run(files: &[PathBuf], check: impl Fn(&Path, &str) -> Vec<Complaint>) {
    assert!(!files.is_empty(), "a check without a file checks nothing");
    let complaints: Vec<String> = files
        .iter()
        .flat_map(|path| {
            check(path, &read(path))
                .into_iter()
                .map(move |(line, text)| format!("{}:{line}: {text}", path.display()))
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn a_module_uses_only_what_lies_below_it() {
    let source = Path::new("crates/pumasi/src");
    let modules: Vec<_> = files(&["crates/pumasi/src"], &["rs"])
        .into_iter()
        .filter(|path| path != &source.join("lib.rs"))
        .collect();
    if modules.is_empty() {
        return; // a core of one file has no layers
    }
    run(&modules, |path, text| {
        let inner = path
            .strip_prefix(source)
            .expect("it was found below it")
            .with_extension("");
        let mut names: Vec<_> = inner.iter().map(|name| name.to_string_lossy()).collect();
        names.pop_if(|last| last == "mod");
        upward_uses(&names[0], names.len(), text)
    });
}

#[test]
fn every_rust_file_opens_with_what_it_is() {
    let files = files(&["crates", "benches", "fuzz"], &["rs"]);
    run(&files, |_, text| missing_opening(text));
}

#[test]
fn every_cited_invariant_is_defined_once() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap_or_default();
    let defined = definitions(&architecture);
    let twice: Vec<_> = defined.iter().filter(|(_, times)| **times > 1).collect();
    assert!(
        twice.is_empty(),
        "ARCHITECTURE.md defines these more than once: {twice:?}"
    );

    let mut files = files(
        &["crates", "docs", "python", "tests", "ci"],
        &["rs", "md", "py", "pyi"],
    );
    files.push("ARCHITECTURE.md".into());
    files.retain(|path| root().join(path).exists());
    run(&files, |_, text| undefined_citations(&defined, text));
}

#[test]
fn a_long_source_says_why_it_is_one_thing() {
    let mut files = files(&["crates", "python", "benches", "ci"], &["rs", "py"]);
    files.retain(|path| !is_test(path));
    run(&files, |_, text| unexplained_length(text));
}

#[test]
fn no_source_is_left_unfinished() {
    let mut files = files(&["crates", "python"], &["rs", "py"]);
    files.retain(|path| !is_test(path));
    run(&files, |_, text| leftovers(text));
}

// ---- the checks, checked -------------------------------------------------------------------

mod shown_a_bad_input {
    use super::*;

    fn lines(complaints: &[Complaint]) -> Vec<usize> {
        complaints.iter().map(|(line, _)| *line).collect()
    }

    #[test]
    fn layers_complain_of_an_upward_use_in_every_form() {
        let source = "\
use crate::sync::Lock;
use crate::{
    error::Error,
    containers::{List, pool},
};
fn f(x: &crate::process::Child) {}
use crate :: race :: Checker;
";
        assert_eq!(lines(&upward_uses("heap", 1, source)), [1, 4, 6, 7]);
    }

    #[test]
    fn layers_complain_of_an_upward_use_by_super() {
        assert_eq!(
            lines(&upward_uses("heap", 1, "use super::sync::Lock;")),
            [1]
        );
        assert_eq!(
            lines(&upward_uses("heap", 2, "use super::super::sync::Lock;")),
            [1]
        );
        let inline = "mod tests {\n    use super::super::pool;\n}\nuse super::manager;\n";
        assert_eq!(lines(&upward_uses("heap", 1, inline)), [2, 4]);
    }

    #[test]
    fn layers_complain_of_a_module_without_a_place() {
        assert_eq!(lines(&upward_uses("helpers", 1, "")), [1]);
    }

    #[test]
    fn layers_allow_what_lies_below_and_what_is_no_code() {
        let source = r##"
//! See [`crate::pool`].
use crate::{error::{Error, pool}, sys::futex};
use super::sys; // use crate::race::Checker;
mod tests { use super::pool; }
const TEXT: &str = "crate::pool \" crate::race";
const RAW: &str = r#"crate::manager "quoted" "#;
/* crate::sync /* nested */ crate::pool */
fn f<'a>(x: &'a str, y: char) -> bool { y == '"' || y == '\'' || y == '품' }
pub(crate) fn g() {}
"##;
        assert_eq!(upward_uses("heap", 1, source), []);
    }

    #[test]
    fn opening_complains_of_a_file_without_one() {
        assert_eq!(lines(&missing_opening("use std::fs;\n//! Late.\n")), [1]);
        assert_eq!(lines(&missing_opening("")), [1]);
        assert_eq!(missing_opening("\n//! What it is.\n"), []);
    }

    #[test]
    fn citations_complain_of_a_number_that_is_not_defined() {
        let architecture = format!(
            "- **{0}-1** one\n| {0}-2 | two |\n### {1}-1: three\nsee {1}-7\n",
            "HEAP", "LOCK"
        );
        let defined = definitions(&architecture);
        assert_eq!(defined.len(), 3);
        let text = format!(
            "// SAFETY: {0}-1\n// {0}-3 and {1}-1\n// X{0}-9 {0}-9x {0}- {1}-7\n",
            "HEAP", "LOCK"
        );
        assert_eq!(lines(&undefined_citations(&defined, &text)), [2, 3]);
    }

    #[test]
    fn definitions_count_a_number_that_is_given_twice() {
        let architecture = format!("- {0}-1 this\n- {0}-1 that\n", "HEAP");
        assert_eq!(definitions(&architecture)[concat!("HEAP", "-1")], 2);
    }

    #[test]
    fn length_complains_of_a_long_source_without_a_reason() {
        let long = "x\n".repeat(LONG + 1);
        assert_eq!(lines(&unexplained_length(&long)), [1]);
        assert_eq!(unexplained_length(&"x\n".repeat(LONG)), []);
        assert_eq!(
            unexplained_length(&format!("//! Long because it is one.\n{long}")),
            []
        );
        let late = format!("{}// long because\n{long}", "\n".repeat(TOP));
        assert_eq!(lines(&unexplained_length(&late)), [1]);
    }

    #[test]
    fn leftovers_complain_of_unfinished_places() {
        let source = [
            concat!("to", "do!()"),
            concat!("unimple", "mented!()"),
            concat!("// FIX", "ME"),
            concat!("// TO", "DO later"),
            concat!("// TO", "DO(#12) with an issue"),
        ]
        .join("\n");
        assert_eq!(lines(&leftovers(&source)), [1, 2, 3, 4]);
    }

    #[test]
    #[should_panic(expected = "checks nothing")]
    fn a_check_over_no_files_fails() {
        run(&[], |_, _| Vec::new());
    }

    #[test]
    #[should_panic(expected = "Cargo.toml:1: bad")]
    fn a_complaint_fails_with_its_place() {
        run(&["Cargo.toml".into()], |_, _| vec![(1, "bad".into())]);
    }
}
