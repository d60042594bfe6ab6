//! Runs every program of `examples/`; each asserts what it claims.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than any example takes, also unoptimised and on a busy machine.
const HANGS: Duration = Duration::from_secs(300);

#[test]
fn every_example_shows_what_it_says() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names: Vec<_> = fs::read_dir(sources)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for name in names {
        run(&name);
    }
}

fn run(name: &str) {
    let mut command = built(name).map_or_else(
        || {
            // `cargo test --test examples` builds no example. How long the compiler takes, or waits for
            // another, is not what is looked at here.
            let cargo = |word| {
                let mut cargo = Command::new(env!("CARGO"));
                cargo.args([word, "--quiet", "--package", "pumasi", "--example", name]);
                cargo
            };
            assert!(cargo("build").status().unwrap().success(), "{name}");
            cargo("run")
        },
        Command::new,
    );
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > HANGS {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the example {name} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "the example {name} ended with {status}");
}

/// The example's program beside this test's, where a plain `cargo test` puts it.
fn built(name: &str) -> Option<std::path::PathBuf> {
    let own = std::env::current_exe().ok()?;
    let path = own.parent()?.parent()?.join("examples").join(name);
    path.exists().then_some(path)
}
