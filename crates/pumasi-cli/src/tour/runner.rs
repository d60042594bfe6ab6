//! Runs one program in a process of its own, under a watchdog.
//!
//! The program leads a process group, so that whatever it starts can be ended with it: when it takes
//! too long, when a signal asks the tour to end, and also when it has ended and left something
//! behind. The group is killed before its leader is reaped, because until then nobody else can have
//! its number. What it prints goes to anonymous files, which cannot fill up or stay open as pipes do.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::numbers::duration;
use crate::language::Language::{self, En, Ko};

/// How often the watchdog looks. Programs measure their own time, so this adds nothing to it.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How much of a program's complaints is passed on.
const LAST_LINES: usize = 12;

/// What a program left when it ended well.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) stdout: String,
    /// Seconds from the start of the process to its end.
    pub(crate) seconds: f64,
}

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It could not be started or watched.
    System(io::Error),
    /// It did not end in time.
    TooSlow(Duration),
    /// It ended with an error, after these last words.
    Ended(ExitStatus, String),
    /// What it printed is not a result; this is why.
    Nonsense(String),
    /// This signal asked the tour to end.
    Signal(u8),
}

impl Failure {
    /// The failure in words.
    pub(crate) fn in_language(&self, language: Language) -> String {
        match (language, self) {
            (En, Failure::System(error)) => format!("could not be run: {error}"),
            (Ko, Failure::System(error)) => format!("실행하지 못했습니다: {error}"),
            (En, Failure::TooSlow(limit)) => {
                format!("did not end within {}", duration(limit.as_secs_f64()))
            }
            (Ko, Failure::TooSlow(limit)) => {
                format!("{} 안에 끝나지 않았습니다", duration(limit.as_secs_f64()))
            }
            (En, Failure::Ended(status, words)) => format!("ended with {status}: {words}"),
            (Ko, Failure::Ended(status, words)) => {
                format!("오류로 끝났습니다({status}): {words}")
            }
            (En, Failure::Nonsense(why)) => format!("printed no result: {why}"),
            (Ko, Failure::Nonsense(why)) => format!("결과를 출력하지 않았습니다: {why}"),
            (En, Failure::Signal(number)) => format!("ended by signal {number}"),
            (Ko, Failure::Signal(number)) => format!("시그널 {number}(으)로 끝났습니다"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::System(error)
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        Failure::System(error.into())
    }
}

/// Notices SIGINT and SIGTERM for as long as it lives, instead of letting them end the process.
pub(crate) struct Signals {
    received: Arc<AtomicUsize>,
    registered: Vec<signal_hook::SigId>,
}

impl Signals {
    /// Begins to notice.
    ///
    /// # Errors
    ///
    /// When the system refuses to register a handler.
    pub(crate) fn notice() -> io::Result<Self> {
        let mut signals = Self {
            received: Arc::default(),
            registered: Vec::new(),
        };
        for number in [SIGINT, SIGTERM] {
            let received = Arc::clone(&signals.received);
            let value = usize::try_from(number).unwrap_or_default();
            signals
                .registered
                .push(signal_hook::flag::register_usize(number, received, value)?);
        }
        Ok(signals)
    }

    /// The signal which was received last, if one was.
    pub(crate) fn received(&self) -> Option<u8> {
        let number = self.received.load(Ordering::Relaxed);
        u8::try_from(number).ok().filter(|number| *number != 0)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// Runs a command to its end, which `patience` or a signal may bring about early.
///
/// # Errors
///
/// A [`Failure`] when the command did not end well by itself.
pub(crate) fn run(
    command: &mut Command,
    patience: Duration,
    signals: &Signals,
) -> Result<Printed, Failure> {
    let (mut stdout, mut stderr) = (anonymous_file("stdout")?, anonymous_file("stderr")?);
    command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?);
    let started = Instant::now();
    let child = command.process_group(0).spawn()?;
    let (status, cut_short) = watch(child, Some(started + patience), signals, &mut || {})?;
    let seconds = started.elapsed().as_secs_f64();
    match cut_short {
        Some(CutShort::Signal(number)) => Err(Failure::Signal(number)),
        Some(CutShort::Deadline) => Err(Failure::TooSlow(patience)),
        None if status.success() => Ok(Printed {
            stdout: contents(&mut stdout)?,
            seconds,
        }),
        None => Err(Failure::Ended(status, last_words(&contents(&mut stderr)?))),
    }
}

/// Runs a command to its end, and hands on each line that it prints as it comes.
///
/// # Errors
///
/// As [`run`], but there is no limit to its time: it has one of its own.
pub(crate) fn stream(
    command: &mut Command,
    signals: &Signals,
    mut line: impl FnMut(&str),
) -> Result<(), Failure> {
    let mut stderr = anonymous_file("stderr")?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr.try_clone()?);
    let mut child = command.process_group(0).spawn()?;
    let stdout = child.stdout.take();
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines = stdout.map(|stdout| io::BufReader::new(stdout).lines());
        for line in lines.into_iter().flatten().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut hand_on = || receiver.try_iter().for_each(|found| line(&found));
    let (status, cut_short) = watch(child, None, signals, &mut hand_on)?;
    // Nobody is left who could write to the pipe, so the reader comes to its end.
    let _ = reader.join();
    hand_on();
    match cut_short {
        Some(CutShort::Signal(number)) => Err(Failure::Signal(number)),
        None if status.success() => Ok(()),
        _ => Err(Failure::Ended(status, last_words(&contents(&mut stderr)?))),
    }
}

/// Why the watchdog did not wait any longer.
enum CutShort {
    Deadline,
    Signal(u8),
}

/// Waits for the child, then kills what is left of its group, then reaps it.
fn watch(
    mut child: Child,
    deadline: Option<Instant>,
    signals: &Signals,
    look: &mut dyn FnMut(),
) -> Result<(ExitStatus, Option<CutShort>), Failure> {
    let pid = Pid::from_child(&child);
    let cut_short = loop {
        if has_ended(pid)? {
            break None;
        }
        if let Some(number) = signals.received() {
            break Some(CutShort::Signal(number));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break Some(CutShort::Deadline);
        }
        look();
        std::thread::sleep(LOOK_EVERY);
    };
    // An empty group is an error here, and the best case.
    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    Ok((child.wait()?, cut_short))
}

/// Whether the child has ended; it is not reaped by asking.
fn has_ended(pid: Pid) -> Result<bool, Failure> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(rustix::process::waitid(WaitId::Pid(pid), options)?.is_some())
}

fn anonymous_file(name: &str) -> io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create(
        name,
        MemfdFlags::CLOEXEC,
    )?))
}

fn contents(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_words(complaints: &str) -> String {
    let lines: Vec<_> = complaints.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// The last line of what a program printed, read as JSON.
///
/// # Errors
///
/// [`Failure::Nonsense`] when there is no such line.
pub(crate) fn last_line<T: serde::de::DeserializeOwned>(printed: &Printed) -> Result<T, Failure> {
    let line = printed.stdout.trim_end().lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| Failure::Nonsense(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> Result<Printed, Failure> {
        let signals = Signals::notice().unwrap();
        run(Command::new("sh").args(["-c", script]), patience, &signals)
    }

    const LONG: Duration = Duration::from_secs(100);

    /// Waits until a `sleep` has been ended.
    fn sees_the_end_of(process: u32) {
        let deadline = Instant::now() + LONG;
        let alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            stat.contains("(sleep)") && !stat.contains(") Z ")
        };
        while alive() {
            assert!(
                Instant::now() < deadline,
                "process {process} is still there"
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    #[test]
    fn the_last_line_is_the_result() {
        let printed = shell("echo some words; echo '[1, 2]'", LONG).unwrap();
        assert_eq!(last_line::<Vec<u32>>(&printed).unwrap(), [1, 2]);
        assert!(matches!(
            last_line::<u32>(&printed),
            Err(Failure::Nonsense(_))
        ));
    }

    #[test]
    fn last_words_are_passed_on() {
        let failure = shell("echo the reason >&2; exit 5", LONG).unwrap_err();
        assert!(
            failure
                .in_language(En)
                .ends_with("exit status: 5: the reason"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_program_which_does_not_end_is_ended_with_its_children() {
        let name = format!("pumasi-runner-test-{}", std::process::id());
        let told = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&told);
        let script = format!("sleep 100000 & echo $! > {}; wait", told.display());
        // With more patience each time, until it came as far as to say who its child is.
        let mut patience = Duration::from_millis(50);
        let child = loop {
            let failure = shell(&script, patience);
            assert!(matches!(failure, Err(Failure::TooSlow(_))), "{failure:?}");
            let written = std::fs::read_to_string(&told).unwrap_or_default();
            if let Ok(child) = written.trim().parse() {
                break child;
            }
            patience *= 2;
        };
        std::fs::remove_file(&told).unwrap();
        sees_the_end_of(child);
    }

    #[test]
    fn what_a_program_leaves_behind_is_ended() {
        let printed = shell("sleep 1000 & echo $!", LONG).unwrap();
        sees_the_end_of(last_line(&printed).unwrap());
    }

    #[test]
    fn what_cannot_be_started_is_said() {
        let signals = Signals::notice().unwrap();
        let failure = run(&mut Command::new("/nonexistent/program"), LONG, &signals);
        assert!(matches!(failure, Err(Failure::System(_))), "{failure:?}");
    }
}
