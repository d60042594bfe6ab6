//! Runs the real binary under a watchdog, with a stand-in for Python whose answers a test chooses.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// No test waits longer for a command.
const WATCHDOG: Duration = Duration::from_secs(300);

/// What a command left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A folder of a test's own, removed with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("pumasi-cli-test-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Self(path),
                // Left behind by one of the same number that was killed.
                Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
            }
        }
    }

    /// What is left in it.
    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The binary, with nothing of this machine's environment that it would notice.
pub(crate) fn pumasi(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumasi"));
    command.args(args);
    for name in ["PUMASI_PYTHON", "LC_ALL", "LC_MESSAGES", "LANG", "COLUMNS"] {
        command.env_remove(name);
    }
    command.env("PUMASI_PYTHON", "/nonexistent/python");
    command
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Done {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let stdout = thread::spawn(move || read(&mut stdout));
    let stderr = thread::spawn(move || read(&mut stderr));
    let status = wait(&mut child);
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    Done {
        code: status.code(),
        stdout,
        stderr,
    }
}

/// Waits for the end of a child, which the watchdog brings about if need be.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + WATCHDOG;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("the watchdog ended {child:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn read(from: &mut impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

/// A stand-in for a Python with pumasi. `program` is a shell script which answers for the programs
/// of the tour: `$name` is the program, `$library` what it runs on.
pub(crate) fn fake_python(folder: &Path, program: &str) -> PathBuf {
    let path = folder.join("fake-python");
    let script = format!(
        r#"#!/bin/sh
if [ "$1" = -c ]; then
    echo '{{"version": "3.99.0", "executable": "{}", "standard_library": "/nonexistent",'
    echo "not the last line"
    echo '{{"version": "3.99.0", "executable": "{}", "standard_library": "/nonexistent", "trouble": null}}'
    exit
fi
name=$3 library=$5
{program}
"#,
        path.display(),
        path.display(),
    );
    write_program(&path, &script);
    path
}

/// Writes a file that can be run, by another process: what this one has open for writing, a child
/// that another test starts has open, too, until its exec, and meanwhile the file cannot be run.
pub(crate) fn write_program(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    let copied = Command::new("cp").args([&draft, path]).status();
    assert!(copied.unwrap().success());
}

/// The result of a program as the Python side prints it.
pub(crate) fn result(json: &str) -> String {
    format!("echo 'some words'; echo '{{\"process_seconds\": 0.25, \"result\": {json}}}'")
}
