//! The child's side: from the first line of `main` to the exit of a process that runs a task.
//!
//! A child is its parent's program started anew. `init` finds the number of a socket in the
//! environment; when standard input is that very socket, this process was started to run a task,
//! and `init` does not return. The environment alone proves nothing, as every program that the
//! child starts inherits it.

#[cfg(feature = "bench")]
pub(crate) mod here;

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::heap::global;
use crate::process::handover;
use crate::process::mailbox::Mailbox;
use crate::process::message::{self, Boot, Refusal, Report};
use crate::process::parcel::{Parcel, Unpacking};
use crate::process::task::{self, Task};
use crate::sys::spawn;

/// The environment variable that holds the number of the channel.
pub(crate) const BOOT: &str = "PUMASI_BOOT";

/// What Rust's own runtime exits with after a panic.
const PANICKED: i32 = 101;
/// What a child exits with that could not run its task; a shell says it of a missing command.
const REFUSED: i32 = 127;

/// Whether `init` has run in this process, so that its children will run it too.
static INITIALISED: AtomicBool = AtomicBool::new(false);
/// The pipe by which a daemon learns of its parent's end.
static LIFELINE: OnceLock<Option<OwnedFd>> = OnceLock::new();
static CURRENT: OnceLock<Current> = OnceLock::new();
static LAST_PANIC: Mutex<Option<(String, String)>> = Mutex::new(None);

/// What is known about the running process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Current {
    /// The name it was started under, `MainProcess` for one that no task was started in.
    pub name: String,
    /// The process that started it with a task.
    pub parent_pid: Option<u32>,
    /// Whether it ends with the process that started it.
    pub daemon: bool,
}

/// Name, parent and kind of the running process.
///
/// ```
/// let here = pumasi::process::current();
/// assert_eq!((here.name.as_str(), here.parent_pid), ("MainProcess", None));
/// ```
pub fn current() -> &'static Current {
    CURRENT.get_or_init(|| Current {
        name: "MainProcess".to_owned(),
        parent_pid: None,
        daemon: false,
    })
}

/// Whether a child of this program will find its way to its task.
pub(crate) fn is_initialised() -> bool {
    INITIALISED.load(Ordering::Relaxed)
}

/// Remembers that this program's `main` begins as it should.
pub(crate) fn set_initialised() {
    INITIALISED.store(true, Ordering::Relaxed);
}

/// Runs the task that this process was started with and exits; returns if there is none.
pub(crate) fn run_task_if_started_with_one() {
    if let Some(channel) = take_channel() {
        set_initialised();
        exit(serve(&channel));
    }
}

/// The channel that this process was started with, taken out of its standard input.
fn take_channel() -> Option<OwnedFd> {
    let number: u64 = std::env::var(BOOT).ok()?.parse().ok()?;
    let stdin = std::io::stdin();
    if spawn::channel_number(&stdin) != Ok(number) {
        return None;
    }
    // Standard input becomes what multiprocessing makes it: empty.
    let channel = rustix::io::fcntl_dupfd_cloexec(&stdin, 3).ok()?;
    if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    {
        let _ = rustix::stdio::dup2_stdin(&null);
    }
    Some(channel)
}

/// Runs the task of a channel and reports; returns the exit code.
fn serve(channel: &OwnedFd) -> i32 {
    let (boot, descriptors) = match message::receive_boot(channel) {
        Ok(received) => received,
        Err(why) => return refuse(channel, Refusal::Arguments(why)),
    };
    let (task, mut io) = match prepare(channel, boot, descriptors) {
        Ok(ready) => ready,
        Err(refusal) => return refuse(channel, refusal),
    };
    remember_panics(channel);
    let outcome = catch_unwind(AssertUnwindSafe(|| (task.run)(&mut io)));
    match outcome {
        Ok(Ok(())) => match io.send_result() {
            Ok(()) => 0,
            Err(refusal) => refuse(channel, refusal),
        },
        Ok(Err(refusal)) => refuse(channel, refusal),
        Err(_) => {
            report_panic(channel);
            PANICKED
        }
    }
}

/// Becomes what the parent asked for: a daemon, a name, a place in the heap; finds the task.
fn prepare(
    channel: &OwnedFd,
    boot: Boot,
    descriptors: Vec<OwnedFd>,
) -> core::result::Result<(&'static Task, TaskIo<'_>), Refusal> {
    let mut descriptors = descriptors.into_iter();
    let memory = descriptors.next();
    if boot.daemon {
        // Kept for good: a lifeline that is closed tells of nothing.
        let lifeline = LIFELINE.get_or_init(|| descriptors.next());
        let bound = lifeline
            .as_ref()
            .ok_or(rustix::io::Errno::BADF)
            .and_then(|lifeline| spawn::die_with_parent(lifeline.as_fd()));
        bound.map_err(|errno| {
            Refusal::Arguments(format!("it cannot be made to end with its parent: {errno}"))
        })?;
    }
    name_process(&boot);
    CURRENT.get_or_init(|| Current {
        name: boot.name.clone(),
        parent_pid: Some(boot.parent),
        daemon: boot.daemon,
    });
    let task = find_task(&boot)?;
    let unreachable = |why: Error| Refusal::Arguments(format!("the shared heap: {why}"));
    let memory = memory.ok_or_else(|| Refusal::Arguments("no shared heap came".to_owned()))?;
    let heap = handover::open(&memory, boot.heap).map_err(unreachable)?;
    global::leave_at_exit().map_err(unreachable)?;
    let mailbox = Mailbox::open(&heap, boot.mailbox).map_err(unreachable)?;
    let arguments = mailbox.bytes(boot.arguments).map_err(unreachable)?;
    let io = TaskIo {
        parent: Some((channel.as_fd(), mailbox)),
        arguments: Unpacking::new(arguments),
        result: Parcel::default(),
        began: None,
        ended: None,
    };
    Ok((task, io))
}

fn find_task(boot: &Boot) -> core::result::Result<&'static Task, Refusal> {
    let (file, line, column) = &boot.place;
    let task = task::find(&boot.task, file, *line, *column).ok_or_else(|| {
        let executable = std::env::current_exe().map_or_else(
            |_| "its program".to_owned(),
            |path| path.display().to_string(),
        );
        Refusal::NoSuchTask { executable }
    })?;
    if task.signature == boot.signature {
        return Ok(task);
    }
    Err(Refusal::Arguments(format!(
        "it was called as {} and is {} in the program of the child",
        boot.signature, task.signature
    )))
}

fn refuse(channel: &OwnedFd, refusal: Refusal) -> i32 {
    // A parent that is gone needs no reason.
    let _ = message::send(channel, &Report::Refused(refusal), &[]);
    REFUSED
}

/// Gives the main thread the name that `ps` and `top` show. An exec of `/proc/self/exe` would
/// leave it at `exe`.
fn name_process(boot: &Boot) {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = std::path::Path::new(&program).file_name().map_or_else(
        || boot.name.clone(),
        |name| name.to_string_lossy().into_owned(),
    );
    let name = if boot.named { &boot.name } else { &program };
    // Through the file, as `init` may run in another thread than the main one. Only a nicety.
    let _ = std::fs::write("/proc/self/comm", name);
}

/// Keeps what a panic of this thread, which runs the task, says. The text still goes to stderr.
fn remember_panics(channel: &OwnedFd) {
    let task_thread = thread::current().id();
    // With `panic = "abort"` there is no later: whichever thread it is, the process ends with it.
    let last_words = if cfg!(panic = "abort") {
        channel.try_clone().ok()
    } else {
        None
    };
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if let Some(channel) = &last_words {
            keep_panic(info);
            report_panic(channel);
        } else if thread::current().id() == task_thread {
            keep_panic(info);
        }
        before(info);
    }));
}

fn keep_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        (None, None) => "a value that is no text".to_owned(),
    };
    let place = info
        .location()
        .map_or_else(String::new, ToString::to_string);
    *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some((message, place));
}

/// The longest part of a panic's message that is carried over, in bytes.
const LONGEST_PANIC: usize = 16 << 10;

fn report_panic(channel: &OwnedFd) {
    let last = LAST_PANIC
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    // `resume_unwind` unwinds without running the hook.
    let (mut message, place) =
        last.unwrap_or_else(|| ("a panic without a message".to_owned(), "?".to_owned()));
    while message.len() > LONGEST_PANIC {
        message.pop();
    }
    let _ = message::send(channel, &Report::Panicked { message, place }, &[]);
}

/// What a registered task is run with: where its arguments are and where its result goes.
#[derive(Debug)]
pub struct TaskIo<'a> {
    /// The channel and the mailbox, where this call is what the process was started for.
    parent: Option<(BorrowedFd<'a>, Mailbox)>,
    arguments: Unpacking,
    result: Parcel,
    /// When the arguments had been read, and when the function had returned.
    began: Option<Instant>,
    ended: Option<Instant>,
}

impl TaskIo<'_> {
    /// The next argument.
    pub(crate) fn take<T: DeserializeOwned>(&mut self) -> core::result::Result<T, Refusal> {
        self.arguments.take().map_err(Refusal::Arguments)
    }

    /// All arguments are there, and the task begins.
    pub fn begin(&mut self) -> core::result::Result<(), Refusal> {
        self.arguments.finish().map_err(Refusal::Arguments)?;
        if let Some((channel, mailbox)) = &self.parent {
            mailbox
                .clear()
                .map_err(|why| Refusal::Arguments(why.to_string()))?;
            // A parent that is gone need not know.
            let _ = message::send(channel, &Report::Started, &[]);
        }
        self.began = Some(Instant::now());
        Ok(())
    }

    /// Writes the result down.
    pub(crate) fn give<T: Serialize>(&mut self, result: &T) -> core::result::Result<(), Refusal> {
        self.ended = Some(Instant::now());
        self.result.put(result).map_err(Refusal::Result)
    }

    fn send_result(self) -> core::result::Result<(), Refusal> {
        let Some((channel, mailbox)) = self.parent else {
            return Ok(());
        };
        let payload = mailbox.pack(self.result);
        let payload = payload.map_err(|why| Refusal::Result(why.to_string()))?;
        match message::send(channel, &Report::Returned(payload), &[]) {
            Ok(()) | Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Ok(()),
            Err(errno) => Err(Refusal::Result(errno.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[pumasi::task]
    fn known(_: u8) {}

    fn boot(task: &str, signature: &str) -> Boot {
        Boot {
            task: task.to_owned(),
            place: (String::new(), 0, 0),
            signature: signature.to_owned(),
            name: String::new(),
            named: false,
            daemon: false,
            parent: 0,
            heap: 0,
            mailbox: (0, 0),
            arguments: message::Payload::Inline(Vec::new()),
        }
    }

    #[test]
    fn a_task_is_found_by_its_path_and_types() {
        let path = concat!(module_path!(), "::known");
        assert!(find_task(&boot(path, "(u8) -> ()")).is_ok());
        let other = find_task(&boot(path, "(u16) -> ()"));
        assert!(
            matches!(&other, Err(Refusal::Arguments(why)) if why.contains("(u16) -> ()")),
            "another build of the program"
        );
        let unknown = find_task(&boot("pumasi::nowhere", "(u8) -> ()"));
        assert!(matches!(unknown, Err(Refusal::NoSuchTask { .. })));
    }
}
