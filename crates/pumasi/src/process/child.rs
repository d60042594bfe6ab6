//! The handle of a child, and how its end becomes a result or an error.
//! Long because every method has its example.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdout};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::process::error::{JoinError, Who};
use crate::process::mailbox::Mailbox;
use crate::process::message::{self, Payload, Refusal, Report};
use crate::process::orphans;
use crate::process::parcel::Unpacking;
use crate::process::status::ExitStatus;
use crate::process::wait;
use crate::sys::spawn;

/// A process that was started with a task which returns an `R`.
///
/// Dropping the handle neither ends the process nor waits for it, as with the standard library's
/// `Child` and threads: it goes on by itself, and its result is lost. Its entry in the system's
/// table (a zombie once it has ended) is cleared the next time that this program starts a task
/// or drops a handle, and by the system when this program ends.
#[must_use = "a dropped handle leaves the process running and its result unread"]
pub struct Child<R> {
    running: Running,
    result: PhantomData<fn() -> R>,
}

impl<R> Child<R> {
    pub(crate) fn new(running: Running) -> Child<R> {
        Child {
            running,
            result: PhantomData,
        }
    }

    pub(crate) fn running(&mut self) -> &mut Running {
        &mut self.running
    }

    /// The process's id.
    ///
    /// ```
    /// #[pumasi::task]
    /// fn own_pid() -> u32 {
    ///     std::process::id()
    /// }
    ///
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = own_pid::spawn()?;
    /// assert_eq!(child.pid(), child.join()?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.who.pid
    }

    /// The process's name.
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn count() {}
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = count::spawn()?;
    /// assert_eq!(child.name(), "count-1"); // unless the builder was given another
    /// child.join()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.running.who.name
    }

    /// The path of the function that it was started with.
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn count() {}
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = count::spawn()?;
    /// assert!(child.task_name().ends_with("::count")); // with crate and modules
    /// child.join()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn task_name(&self) -> &'static str {
        self.running.task
    }

    /// How the process ended, or `None` while it runs. Does not wait.
    ///
    /// ```
    /// use pumasi::process::{ExitStatus, wait_all};
    ///
    /// # #[pumasi::task]
    /// # fn leave() {
    /// #     std::process::exit(3)
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut child = leave::spawn()?; // which calls exit(3)
    /// wait_all(&mut [&mut child]);
    /// assert_eq!(child.exitcode(), Some(ExitStatus::Code(3)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn exitcode(&mut self) -> Option<ExitStatus> {
        self.running.poll()
    }

    /// Whether the process still runs. Does not wait. A stopped process (SIGSTOP) is alive.
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn wait(end: pumasi::Event) -> pumasi::Result<()> {
    /// #     end.wait()
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let end = pumasi::Event::new()?;
    /// let mut child = wait::spawn(end.clone())?;
    /// assert!(child.is_alive());
    /// end.set();
    /// child.join()??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_alive(&mut self) -> bool {
        self.running.poll().is_none()
    }

    /// Ends the process at once, with SIGKILL. Does not wait for the end. A process that has
    /// ended already is left alone.
    ///
    /// What it held becomes free and what it shared stays whole, as after any death.
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn sleep() {
    /// #     loop {
    /// #         std::thread::park();
    /// #     }
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut child = sleep::spawn()?;
    /// child.kill()?;
    /// let why = child.join().unwrap_err();
    /// assert_eq!(why.signal(), Some(9));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Os`] when the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.running.signal(Signal::KILL)
    }

    /// Asks the process to end, with SIGTERM. Does not wait for the end. A process that has
    /// ended already is left alone.
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn sleep() {
    /// #     loop {
    /// #         std::thread::park();
    /// #     }
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut child = sleep::spawn()?;
    /// child.terminate()?; // a program may catch it; this one does not
    /// assert_eq!(child.join().unwrap_err().signal(), Some(15));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Os`] when the system refuses.
    pub fn terminate(&mut self) -> Result<()> {
        self.running.signal(Signal::TERM)
    }

    /// A descriptor that becomes readable when the process ends, for a `poll` of one's own;
    /// `None` where the system gives none (a sandbox may deny pidfds).
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn work() {}
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let child = work::spawn()?;
    /// if let Some(descriptor) = child.sentinel() {
    ///     println!("poll {descriptor:?} together with sockets and pipes");
    /// }
    /// child.join()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sentinel(&self) -> Option<BorrowedFd<'_>> {
        self.running.sentinel()
    }

    /// The reading end of the child's standard output, once, if the builder made it a pipe.
    ///
    /// ```
    /// use std::{io, process::Stdio};
    ///
    /// # #[pumasi::task]
    /// # fn hello() {
    /// #     println!("hello");
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = pumasi::process::Builder::new().stdout(Stdio::piped());
    /// let mut child = builder.spawn(hello::call())?;
    /// let text = io::read_to_string(child.take_stdout().expect("it is a pipe"))?;
    /// assert!(text.contains("hello") && child.take_stdout().is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.running.stdout.take()
    }

    /// The reading end of the child's standard error, once, if the builder made it a pipe.
    ///
    /// ```
    /// use std::{io, process::Stdio};
    ///
    /// # #[pumasi::task]
    /// # fn warn() {
    /// #     eprintln!("careful");
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = pumasi::process::Builder::new().stderr(Stdio::piped());
    /// let mut child = builder.spawn(warn::call())?;
    /// let text = io::read_to_string(child.take_stderr().expect("it is a pipe"))?;
    /// assert!(text.contains("careful"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.running.stderr.take()
    }
}

impl<R: DeserializeOwned> Child<R> {
    /// Waits until the process has ended and gives what its task returned.
    ///
    /// A task that returned has its result delivered even if the process was killed on its way
    /// out afterwards.
    ///
    /// ```
    /// #[pumasi::task]
    /// fn half(n: u64) -> u64 {
    ///     assert!(n % 2 == 0, "{n} is odd");
    ///     n / 2
    /// }
    ///
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(half::spawn(4)?.join()?, 2);
    /// let why = half::spawn(5)?.join().unwrap_err(); // it panicked, not we
    /// assert_eq!(why.panic_message(), Some("5 is odd"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A [`JoinError`] that says how the process died: the signal, the exit code, the message of
    /// the panic, or why it never ran the task.
    pub fn join(mut self) -> core::result::Result<R, JoinError> {
        self.running.wait(None);
        self.running.verdict()
    }

    /// Gives what the task returned if the process has ended, `None` while it runs.
    ///
    /// ```
    /// # #[pumasi::task]
    /// # fn answer(start: pumasi::Event) -> pumasi::Result<i32> {
    /// #     start.wait()?;
    /// #     Ok(42)
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let start = pumasi::Event::new()?;
    /// let mut child = answer::spawn(start.clone())?; // which waits for it
    /// assert!(child.try_join()?.is_none());
    /// start.set();
    /// assert_eq!(child.join()??, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`join`](Child::join); [`JoinError::AlreadyTaken`] when the result was given before.
    pub fn try_join(&mut self) -> core::result::Result<Option<R>, JoinError> {
        self.join_timeout(Duration::ZERO)
    }

    /// Waits at most so long for the process to end; gives what its task returned, or `None`
    /// when it still runs.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # #[pumasi::task]
    /// # fn answer(start: pumasi::Event) -> pumasi::Result<i32> {
    /// #     start.wait()?;
    /// #     Ok(42)
    /// # }
    /// # #[pumasi::main]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let start = pumasi::Event::new()?;
    /// let mut child = answer::spawn(start.clone())?; // which waits for it
    /// assert!(child.join_timeout(Duration::from_millis(5))?.is_none());
    /// start.set(); // the handle is still ours, and the child goes on
    /// assert_eq!(child.join()??, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`join`](Child::join); [`JoinError::AlreadyTaken`] when the result was given before.
    pub fn join_timeout(
        &mut self,
        timeout: Duration,
    ) -> core::result::Result<Option<R>, JoinError> {
        // A time too far away to be written down is no limit.
        match self.running.wait(Instant::now().checked_add(timeout)) {
            Some(_) => self.running.verdict().map(Some),
            None => Ok(None),
        }
    }
}

impl<R> fmt::Debug for Child<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("name", &self.running.who.name)
            .field("pid", &self.running.who.pid)
            .field("task", &self.running.task)
            .field("status", &self.running.status)
            .finish_non_exhaustive()
    }
}

/// A child without the type of its result.
#[doc(hidden)]
#[derive(Debug)]
pub struct Running {
    who: Who,
    task: &'static str,
    pidfd: Option<OwnedFd>,
    channel: OwnedFd,
    mailbox: Option<Mailbox>,
    /// The end of a pipe by which a daemon knows that we live. Only ever closed.
    lifeline: Option<OwnedFd>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    status: Option<ExitStatus>,
    taken: bool,
}

impl Running {
    pub(crate) fn new(
        who: Who,
        task: &'static str,
        mut process: std::process::Child,
        channel: OwnedFd,
        mailbox: Mailbox,
        lifeline: Option<OwnedFd>,
    ) -> Running {
        // Nobody else reaps it before us, so the number still means our child.
        let pidfd = as_pid(who.pid)
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        Running {
            task,
            pidfd,
            channel,
            mailbox: Some(mailbox),
            lifeline,
            stdout: process.stdout.take(),
            stderr: process.stderr.take(),
            status: None,
            taken: false,
            who,
        }
    }

    /// How the process ended, or `None` while it runs.
    pub(crate) fn poll(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = reap(self.who.pid);
        }
        self.status
    }

    /// What becomes readable at the end of the process.
    pub(crate) fn sentinel(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Waits for the end of the process; `None` when the deadline came first.
    fn wait(&mut self, deadline: Option<Instant>) -> Option<ExitStatus> {
        let mut pause = wait::Pause::until(deadline);
        loop {
            if let Some(status) = self.poll() {
                return Some(status);
            }
            if !pause.wait([self.sentinel()].into_iter()) {
                return None;
            }
        }
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.poll().is_some() {
            return Ok(());
        }
        let sent = match (&self.pidfd, as_pid(self.who.pid)) {
            (Some(pidfd), _) => rustix::process::pidfd_send_signal(pidfd, signal),
            (None, Some(pid)) => rustix::process::kill_process(pid, signal),
            (None, None) => Err(Errno::SRCH),
        };
        match sent {
            // It ended between the look and the signal.
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(Error::os("pidfd_send_signal")(errno)),
        }
    }

    /// The result of a process that has ended, or why there is none.
    fn verdict<R: DeserializeOwned>(&mut self) -> core::result::Result<R, JoinError> {
        let who = self.who.clone();
        if self.taken {
            return Err(JoinError::AlreadyTaken { who });
        }
        self.taken = true;
        let status = self.status.unwrap_or(ExitStatus::Unknown);
        let mut started = false;
        let mut last = None;
        loop {
            match message::receive_report(&self.channel) {
                Ok(Some(Report::Started)) => started = true,
                Ok(Some(report)) => last = Some(report),
                Ok(None) => break,
                Err(reason) => return Err(JoinError::BadResult { who, reason }),
            }
        }
        match last {
            Some(Report::Returned(result)) => self
                .unpack(result)
                .map_err(|reason| JoinError::BadResult { who, reason }),
            Some(Report::Panicked { message, place }) => Err(JoinError::Panicked {
                who,
                message,
                place,
            }),
            Some(Report::Refused(refusal)) => Err(self.refused(refusal)),
            _ => Err(died(who, status, started)),
        }
    }

    fn unpack<R: DeserializeOwned>(&mut self, result: Payload) -> core::result::Result<R, String> {
        // Dropped when the result has handles of its own.
        let mailbox = self.mailbox.take().ok_or("its mailbox is gone")?;
        let bytes = mailbox.bytes(result).map_err(|why| why.to_string())?;
        Unpacking::only(bytes)
    }

    fn refused(&self, refusal: Refusal) -> JoinError {
        let who = self.who.clone();
        match refusal {
            Refusal::NoSuchTask { executable } => JoinError::NoSuchTask {
                who,
                task: self.task.to_owned(),
                executable,
            },
            Refusal::Arguments(reason) => JoinError::BadArguments { who, reason },
            Refusal::Result(reason) => JoinError::BadResult { who, reason },
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.poll().is_none() {
            orphans::adopt(self.who.pid, self.mailbox.take(), self.lifeline.take());
        }
        orphans::sweep();
    }
}

/// Why a process that reported no end has ended.
fn died(who: Who, status: ExitStatus, started: bool) -> JoinError {
    match status {
        ExitStatus::Signal { .. } => JoinError::Killed { who, status },
        ExitStatus::Unknown => JoinError::StatusUnknown { who },
        ExitStatus::Code(_) if started => JoinError::Exited { who, status },
        ExitStatus::Code(_) => JoinError::NotStarted { who, status },
    }
}

fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(pid.cast_signed())
}

/// Takes the exit status of a child from the system if it has ended, and leaves it in the heap
/// for those who find what the child held.
pub(crate) fn reap(pid: u32) -> Option<ExitStatus> {
    match spawn::reap(pid) {
        Ok(None) => None,
        Ok(Some(ended)) => {
            for heap in Heap::all_open() {
                heap.record_exit(pid, ended.status, ended.peak);
            }
            Some(ExitStatus::from_wait(ended.status))
        }
        // Someone else reaped it, so it has ended.
        Err(_) => Some(ExitStatus::Unknown),
    }
}
