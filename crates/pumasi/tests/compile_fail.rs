//! What the macros refuse, and that what the compiler then says helps.
//!
//! The expected texts are the compiler's, so they belong to one version of it. After a change:
//! `TRYBUILD=overwrite cargo test -p pumasi --test compile_fail`, and read what changed.

use std::process::Command;

/// The compiler that the `.stderr` files are from.
const WRITTEN_BY: &str = "rustc 1.95.";

#[test]
fn mistakes_are_told_where_they_are_made() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();

    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile_pass/*.rs");
    if version.starts_with(WRITTEN_BY) {
        cases.compile_fail("tests/compile_fail/*.rs");
    } else {
        eprintln!("skipped: the texts are those of {WRITTEN_BY}, this is {version}");
    }
}
