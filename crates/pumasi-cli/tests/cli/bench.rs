//! `pumasi bench --report FILE`: what a Rust program has measured, shown by the command.

use std::fs;
use std::time::Duration;

use pumasi::bench::Bench;

use crate::common::{Folder, finish, pumasi};

#[test]
fn a_report_of_rust_is_shown_in_both_languages_and_as_a_page() {
    let folder = Folder::new();
    let (saved, page) = (folder.0.join("saved.json"), folder.0.join("page.html"));
    let bench = Bench::new(|n: u64| n + 1, [1, 2, 3]).name("one <more>");
    // Nothing is given up because of the time: the sixth round is the last.
    let report = bench.workers([1, 2]).precision(f64::INFINITY);
    let report = report.budget(Duration::from_secs(3600));
    let json = serde_json::to_string(&report.run().unwrap()).unwrap();
    fs::write(&saved, &json).unwrap();
    let (saved, page) = (saved.to_str().unwrap(), page.to_str().unwrap());
    for (language, sentence, title) in [
        ("en", "Not worth it", "Every run"),
        ("ko", "그럴 가치가 없습니다", "모든 실행"),
    ] {
        let words = [
            "--lang", language, "bench", "--report", saved, "--html", page,
        ];
        let done = finish(&mut pumasi(&words));
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
        assert!(done.stdout.contains(sentence), "{}", done.stdout);
        assert!(done.stdout.contains("; Rust"), "{}", done.stdout);
        let text = fs::read_to_string(page).unwrap();
        assert!(text.contains("one &lt;more&gt;") && text.contains(title));
    }
    let done = finish(&mut pumasi(&["bench", "--report", saved, "--json"]));
    let shown: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let before: serde_json::Value = serde_json::from_str(&json).unwrap();
    for part in ["function", "items", "machine", "break_even", "left_out"] {
        assert_eq!(shown[part], before[part]);
    }
    let names = |report: &serde_json::Value| -> Vec<String> {
        let variants = report["variants"].as_array().unwrap();
        variants.iter().map(|row| row["name"].to_string()).collect()
    };
    assert_eq!(names(&shown), names(&before));
    assert!(
        shown["sentences"][0]
            .as_str()
            .unwrap()
            .starts_with("Not worth it")
    );
    // What --json prints can be shown as well.
    fs::write(saved, &done.stdout).unwrap();
    let again = finish(&mut pumasi(&["bench", "--report", saved]));
    assert_eq!(again.code, Some(0));
}

#[test]
fn what_is_no_report_is_said_to_be_none() {
    let folder = Folder::new();
    let file = folder.0.join("file.json");
    let name = file.to_str().unwrap();
    for (content, said) in [
        (None, "cannot read"),
        (Some("{"), "cannot read"),
        (Some("{}"), "it is no report of a measurement"),
    ] {
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        let done = finish(&mut pumasi(&["bench", "--report", name]));
        assert_eq!((done.code, done.stdout.as_str()), (Some(3), ""));
        assert!(done.stderr.contains(said), "{}", done.stderr);
    }
    let done = finish(&mut pumasi(&["bench"]));
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("MODULE:FUNCTION"), "{}", done.stderr);
    let done = finish(&mut pumasi(&["bench", "a:b", "--report", name]));
    assert_eq!(done.code, Some(2));
}
