//! Words counted by several processes into one dictionary, each word in one call.
//!
//! `cargo run --example word_count FILE...` counts in files; without any, in its own source.

use std::path::PathBuf;

use pumasi::Dict;

#[pumasi::task]
fn count(file: PathBuf, counts: Dict<String, u64>) -> Result<(), String> {
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let words = text.split(|c: char| !c.is_alphanumeric());
    for word in words.filter(|word| !word.is_empty()) {
        counts.add(word, 1).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        files.push(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/word_count.rs").into());
    }
    let counts = Dict::new()?;
    let calls = files
        .into_iter()
        .map(|file| count::call(file, counts.clone()));
    for result in pumasi::process::parallel(calls)? {
        result??;
    }
    let mut words = counts.to_vec()?;
    words.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    for (word, n) in words.iter().take(5) {
        println!("{n:6} {word}");
    }
    assert!(!words.is_empty());
    Ok(())
}
