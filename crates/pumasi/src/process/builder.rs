//! How a child is started.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};

use rustix::pipe::PipeFlags;

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::global::HEAP_VARIABLE;
use crate::process::boot;
use crate::process::child::{Child, Running};
use crate::process::error::Who;
use crate::process::handover;
use crate::process::mailbox::Mailbox;
use crate::process::message::{self, Boot};
use crate::process::orphans;
use crate::process::parcel::Parcel;
use crate::process::task::{Call, Task, TestEntry};
use crate::sys::spawn;

/// The program and arguments that children are started with, if not this program's own.
static EXECUTABLE: RwLock<Option<Vec<OsString>>> = RwLock::new(None);
/// Numbers the processes that nobody named.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// Has children run `command`, a program and its first arguments, instead of this program.
///
/// The program must be built with the same tasks and begin with
/// [`pumasi::init()`](crate::process::init). An empty command goes back to this program, with the
/// arguments it was started with.
///
/// ```
/// use pumasi::process::set_executable;
///
/// # #[pumasi::task]
/// # fn one() -> u8 {
/// #     1
/// # }
/// # #[pumasi::main]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # fn this_program() -> Vec<std::ffi::OsString> {
/// #     vec![std::env::current_exe().unwrap().into()]
/// # }
/// set_executable(this_program()); // a path, and arguments
/// assert_eq!(one::spawn()?.join()?, 1);
/// set_executable(Vec::new()); // as it was
/// # Ok(())
/// # }
/// ```
pub fn set_executable(command: Vec<OsString>) {
    let command = (!command.is_empty()).then_some(command);
    *EXECUTABLE.write().unwrap_or_else(PoisonError::into_inner) = command;
}

/// Settings for a child, for what `work::spawn(..)` leaves at its default.
///
/// ```
/// #[pumasi::task]
/// fn greeting(name: String) -> String {
///     let me = &pumasi::process::current().name;
///     format!("{me} greets {name} in {}", std::env::var("LAND").unwrap())
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let child = pumasi::process::Builder::new()
///         .name("host")
///         .env("LAND", "Korea")
///         .spawn(greeting::call("you".to_owned()))?;
///     assert_eq!(child.join()?, "host greets you in Korea");
///     Ok(())
/// }
/// ```
#[derive(Default)]
#[must_use = "a builder starts nothing until `spawn`"]
pub struct Builder {
    name: Option<String>,
    environment: Vec<(OsString, Option<OsString>)>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    daemon: bool,
}

impl Builder {
    /// A child that is named after its task, shares stdout and stderr with this process, and
    /// lives on when this process ends.
    ///
    /// ```
    /// use pumasi::process::Builder;
    ///
    /// # #[pumasi::task]
    /// # fn double(n: u64) -> u64 {
    /// #     2 * n
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = Builder::new().spawn(double::call(4))?; // the same as double::spawn(4)
    /// assert_eq!(child.join()?, 8);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The process's name, for messages and (its first 15 bytes) for `ps` and `top`.
    ///
    /// ```
    /// use pumasi::process::{Builder, current};
    ///
    /// #[pumasi::task]
    /// fn my_name() -> String {
    ///     current().name.clone()
    /// }
    ///
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = Builder::new().name("reader").spawn(my_name::call())?;
    /// assert_eq!(child.name(), "reader");
    /// assert_eq!(child.join()?, "reader");
    /// # Ok(())
    /// # }
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// Sets an environment variable of the child.
    ///
    /// ```
    /// use pumasi::process::Builder;
    ///
    /// #[pumasi::task]
    /// fn land() -> Option<String> {
    ///     std::env::var("LAND").ok()
    /// }
    ///
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = Builder::new().env("LAND", "Korea").spawn(land::call())?;
    /// assert_eq!(child.join()?.as_deref(), Some("Korea"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Builder {
        self.environment
            .push((key.as_ref().into(), Some(value.as_ref().into())));
        self
    }

    /// Takes an environment variable from the child.
    ///
    /// ```
    /// use pumasi::process::Builder;
    ///
    /// #[pumasi::task]
    /// fn has_path() -> bool {
    ///     std::env::var_os("PATH").is_some()
    /// }
    ///
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = Builder::new().env_remove("PATH").spawn(has_path::call())?;
    /// assert!(!child.join()?); // a child has the environment of its parent, but for that
    /// # Ok(())
    /// # }
    /// ```
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Builder {
        self.environment.push((key.as_ref().into(), None));
        self
    }

    /// Where the child's standard output goes. With `Stdio::piped()` see [`Child::take_stdout`].
    ///
    /// ```
    /// use std::process::Stdio;
    ///
    /// # #[pumasi::task]
    /// # fn talk() {
    /// #     println!("a line that nobody needs");
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let quiet = pumasi::process::Builder::new().stdout(Stdio::null());
    /// quiet.spawn(talk::call())?.join()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Builder {
        self.stdout = Some(stdout.into());
        self
    }

    /// Where the child's standard error goes. With `Stdio::piped()` see [`Child::take_stderr`].
    ///
    /// ```
    /// use std::process::Stdio;
    ///
    /// # #[pumasi::task]
    /// # fn fail() {
    /// #     panic!("said on stderr");
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let quiet = pumasi::process::Builder::new().stderr(Stdio::null());
    /// let why = quiet.spawn(fail::call())?.join().unwrap_err();
    /// assert_eq!(why.panic_message(), Some("said on stderr")); // `join` knows it nevertheless
    /// # Ok(())
    /// # }
    /// ```
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Builder {
        self.stderr = Some(stderr.into());
        self
    }

    /// Whether the system kills the child when this process ends, however it ends.
    ///
    /// It follows the process, not the thread that started the child. A copy of this process
    /// made by a bare `fork` in a C library counts as this process until it ends or runs
    /// another program.
    ///
    /// ```
    /// use pumasi::process::{Builder, current};
    ///
    /// #[pumasi::task]
    /// fn watch() -> bool {
    ///     current().daemon
    /// }
    ///
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = Builder::new().daemon(true).spawn(watch::call())?; // killed when we end
    /// assert!(child.join()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn daemon(mut self, daemon: bool) -> Builder {
        self.daemon = daemon;
        self
    }

    /// Starts a process for the call. Returns as soon as it has been started.
    ///
    /// ```
    /// use pumasi::process::Builder;
    ///
    /// # #[pumasi::task]
    /// # fn double(n: u64) -> u64 {
    /// #     2 * n
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = Builder::new().name("doubler").spawn(double::call(4))?;
    /// println!("process {} works", child.pid());
    /// assert_eq!(child.join()?, 8);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::Unsupported`] when the arguments could not be written down or this program did
    ///   not begin with [`init`](crate::process::init), so that its children would not either.
    /// - [`Error::OutOfMemory`] when the arguments are large and the heap has no room for them.
    /// - [`Error::Os`] when the system starts no process.
    pub fn spawn<R>(self, call: Call<R>) -> Result<Child<R>> {
        orphans::sweep();
        let Call {
            task, arguments, ..
        } = call;
        Ok(Child::new(self.start(task, arguments?)?))
    }

    fn start(self, task: &'static Task, arguments: Parcel) -> Result<Running> {
        let mut command = command()?;
        let (name, named) = match self.name {
            Some(name) => (name, true),
            None => {
                let number = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
                (format!("{}-{number}", task.short_name()), false)
            }
        };
        let heap = Heap::global()?;
        let mut mailbox = Mailbox::create(heap)?;
        let boot = Boot {
            task: task.name.to_owned(),
            place: (
                task.place.file.to_owned(),
                task.place.line,
                task.place.column,
            ),
            signature: task.signature.to_owned(),
            name: name.clone(),
            named,
            daemon: self.daemon,
            parent: std::process::id(),
            heap: heap.id(),
            mailbox: mailbox.token(),
            arguments: mailbox.pack_arguments(arguments)?,
        };

        let (ours, theirs) = spawn::channel().map_err(Error::os("socketpair"))?;
        let lifeline = if self.daemon {
            Some(rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(Error::os("pipe2"))?)
        } else {
            None
        };
        // With the memory in hand the child needs nothing of us any more: we may end at any time.
        let memory = handover::memory(heap)?;
        let mut descriptors = vec![memory.as_fd()];
        descriptors.extend(lifeline.iter().map(|(reader, _)| reader.as_fd()));
        message::send(&ours, &boot, &descriptors).map_err(Error::os("sendmsg"))?;

        let number = spawn::channel_number(&theirs).map_err(Error::os("fstat"))?;
        for (key, value) in self.environment {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command
            .stdin(theirs)
            .env(boot::BOOT, number.to_string())
            .env(HEAP_VARIABLE, heap.ticket());
        if let Some(stdout) = self.stdout {
            command.stdout(stdout);
        }
        if let Some(stderr) = self.stderr {
            command.stderr(stderr);
        }
        let process = command.spawn().map_err(|source| Error::Os {
            call: "starting the program of the child",
            source,
        })?;
        let who = Who {
            name,
            pid: process.id(),
        };
        let lifeline = lifeline.map(|(_, writer)| writer);
        Ok(Running::new(
            who, task.name, process, ours, mailbox, lifeline,
        ))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of the environment may be secrets.
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("daemon", &self.daemon)
            .finish_non_exhaustive()
    }
}

/// The program to start, with its arguments: the one that was set, or this one.
fn command() -> Result<Command> {
    let executable = EXECUTABLE.read().unwrap_or_else(PoisonError::into_inner);
    if let Some([program, arguments @ ..]) = executable.as_deref() {
        let mut command = Command::new(program);
        command.args(arguments);
        return Ok(command);
    }
    // The link names the file that runs, also after a new build has taken its name.
    let mut command = Command::new("/proc/self/exe");
    let mut own = std::env::args_os();
    if let Some(program) = own.next() {
        command.arg0(program);
    }
    if boot::is_initialised() {
        command.args(own);
    } else if let Some(TestEntry(path)) = inventory::iter::<TestEntry>().next() {
        // The test harness names tests without the crate.
        let name = path.split_once("::").map_or(*path, |(_, name)| name);
        command.args([name, "--exact", "--nocapture", "--test-threads=1"]);
    } else {
        return Err(Error::Unsupported {
            what: "a child starts as this program does, from the first line of `main`, so \
                   `main` must begin with pumasi::init() (or have #[pumasi::main]; in tests, \
                   pumasi::process::test_support!())"
                .to_owned(),
        });
    }
    Ok(command)
}
