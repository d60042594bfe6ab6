//! What Linux tells of threads: their time on a core, waiting for one, and what they sleep in.
//!
//! `/proc/PID/task/TID/schedstat` counts the nanoseconds which a thread spent on a core and, ready
//! to run, waiting for one. What neither explains is time in which it slept, and
//! `/proc/PID/task/TID/syscall` says what in: a futex (a lock), a sleep, or something else, which
//! is input or output. Where the kernel does not tell, the numbers are zero.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use rustix::thread::gettid;
use rustix::time::{ClockId, clock_gettime};

use super::record::{Machine, Spent};

/// The numbers of the system calls that wait on a futex.
const FUTEX: &[&str] = if cfg!(target_arch = "x86_64") {
    &["202", "449"]
} else {
    &["98", "449"]
};
/// The numbers of those that sleep.
const SLEEP: &[&str] = if cfg!(target_arch = "x86_64") {
    &["35", "230"]
} else {
    &["101", "115"]
};

/// Process and thread of a worker.
pub(crate) type Thread = (u32, u32);

/// The calling thread.
pub(crate) fn this_thread() -> Thread {
    (std::process::id(), gettid().as_raw_nonzero().get() as u32)
}

/// Seconds for which all threads of this process were on a core.
pub(crate) fn process_cpu() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

/// Seconds for which this thread was on a core.
pub(crate) fn thread_cpu() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// How long the thread that makes it was ready, and had no core.
pub(crate) struct Clock(Option<File>);

impl Clock {
    pub(crate) fn new() -> Clock {
        let (process, thread) = this_thread();
        Clock(File::open(format!("/proc/{process}/task/{thread}/schedstat")).ok())
    }

    /// The seconds so far.
    pub(crate) fn waited(&self) -> f64 {
        let mut bytes = [0; 100];
        let read = self.0.as_ref().map(|file| file.read_at(&mut bytes, 0));
        let Some(Ok(length)) = read else { return 0.0 };
        let text = String::from_utf8_lossy(&bytes[..length]);
        let waited = text.split_whitespace().nth(1);
        waited
            .and_then(|number| number.parse::<f64>().ok())
            .unwrap_or(0.0)
            / 1e9
    }
}

/// Measures what the thread that makes it spends.
pub(crate) struct Meter {
    clock: Clock,
    last: f64,
    began: (Instant, f64),
}

impl Meter {
    pub(crate) fn new() -> Meter {
        let clock = Clock::new();
        Meter {
            last: clock.waited(),
            clock,
            began: (Instant::now(), thread_cpu()),
        }
    }

    /// For how long the thread has been ready without a core, in its whole life.
    pub(crate) fn queued(&self) -> f64 {
        self.clock.waited()
    }

    /// Begins a stretch of work.
    pub(crate) fn start(&mut self) {
        self.last = self.clock.waited();
        self.began = (Instant::now(), thread_cpu());
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) -> Spent {
        let (wall, cpu) = self.began;
        Spent {
            wall: wall.elapsed().as_secs_f64(),
            cpu: thread_cpu() - cpu,
            waited: self.clock.waited() - self.last,
            ..Spent::default()
        }
    }
}

/// Looks again and again at what some threads do.
pub(crate) struct Glances {
    files: Vec<Option<File>>,
    seen: BTreeMap<String, f64>,
}

impl Glances {
    pub(crate) fn new(threads: &[Thread]) -> Glances {
        let open = |(process, thread): &Thread| {
            File::open(format!("/proc/{process}/task/{thread}/syscall")).ok()
        };
        Glances {
            files: threads.iter().map(open).collect(),
            seen: BTreeMap::new(),
        }
    }

    /// Notes what they do now; `busy` says which of them have work.
    pub(crate) fn look(&mut self, busy: &dyn Fn(usize) -> bool) {
        for (index, file) in self.files.iter().enumerate() {
            let state = if busy(index) {
                let mut bytes = [0; 300];
                let read = file.as_ref().map(|file| file.read_at(&mut bytes, 0));
                let Some(Ok(length)) = read else { continue };
                state(&String::from_utf8_lossy(&bytes[..length]))
            } else {
                "idle"
            };
            *self.seen.entry(state.to_owned()).or_default() += 1.0;
        }
    }

    /// Each state's share of the glances.
    pub(crate) fn shares(mut self) -> BTreeMap<String, f64> {
        let total: f64 = self.seen.values().sum();
        self.seen.values_mut().for_each(|count| *count /= total);
        self.seen
    }
}

fn state(line: &str) -> &'static str {
    match line.split_whitespace().next() {
        None | Some("running") => "running",
        Some(number) if FUTEX.contains(&number) => "lock",
        Some(number) if SLEEP.contains(&number) => "sleep",
        Some(_) => "io",
    }
}

/// Has the peaks of this process and its workers begin at what they have now; false where the kernel
/// does not do that.
pub(crate) fn forget_peaks(workers: &[Thread]) -> bool {
    // "5" is the request for it: proc_pid_clear_refs(5).
    let forget = |process: u32| fs::write(format!("/proc/{process}/clear_refs"), "5").is_ok();
    let all: Vec<bool> = processes(workers).into_iter().map(forget).collect();
    forget(std::process::id()) && all.into_iter().all(|done| done)
}

/// The processes of workers that are none of this process's own threads.
fn processes(workers: &[Thread]) -> Vec<u32> {
    let own = std::process::id();
    let all = workers.iter().map(|(process, _)| *process);
    all.filter(|process| *process != own).collect()
}

/// The peak memory of this process with its workers, in bytes.
///
/// This process counts in full, a worker that is another with the pages which are its own; each with
/// what it had given back since its peak, as if all had peaked at once.
pub(crate) fn memory(workers: &[Thread]) -> Option<u64> {
    let (resident, _, freed) = memory_of(std::process::id())?;
    let theirs = processes(workers).into_iter().filter_map(memory_of);
    Some(resident + freed + theirs.map(|(_, own, freed)| own + freed).sum::<u64>())
}

/// Resident bytes of a process, those which are its own, and those given back since its peak.
fn memory_of(process: u32) -> Option<(u64, u64, u64)> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let resident = kilobytes("Rss:", &rollup);
    let own = kilobytes("Private_Clean:", &rollup) + kilobytes("Private_Dirty:", &rollup);
    Some((
        resident,
        own,
        kilobytes("VmHWM:", &status).saturating_sub(resident),
    ))
}

fn kilobytes(name: &str, text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

/// The machine that this runs on.
pub(crate) fn machine() -> Machine {
    let architecture = std::env::consts::ARCH;
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        cpu: model.unwrap_or_else(|| architecture.to_owned()),
        system: format!("Linux {} {architecture}", release.trim()),
        python: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_seen_asleep_and_waiting_for_a_lock() {
        use std::sync::{Mutex, mpsc};
        use std::time::Duration;

        let (told, sleeper) = mpsc::channel();
        let (lock, (leave, left)) = (Mutex::new(()), mpsc::channel::<()>());
        std::thread::scope(|scope| {
            let held = lock.lock().unwrap();
            let locks = told.clone();
            scope.spawn(|| {
                let told = locks;
                told.send((0, this_thread())).unwrap();
                drop(lock.lock());
            });
            scope.spawn(move || {
                told.send((1, this_thread())).unwrap();
                while left.try_recv() == Err(mpsc::TryRecvError::Empty) {
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            let mut threads: Vec<(u32, Thread)> = sleeper.iter().take(2).collect();
            threads.sort_unstable();
            for ((_, thread), wanted) in threads.iter().zip(["lock", "sleep"]) {
                // However long it takes until they are there.
                loop {
                    let mut glances = Glances::new(&[*thread]);
                    glances.look(&|_| true);
                    let seen = glances.shares();
                    if seen.is_empty() || seen.contains_key(wanted) {
                        break; // Nothing is seen where the system forbids to look.
                    }
                }
            }
            drop(leave);
            drop(held);
        });
    }

    #[test]
    fn a_meter_counts_what_is_done() {
        let mut meter = Meter::new();
        meter.start();
        let mut sum = 0u64;
        while thread_cpu() - meter.began.1 < 0.002 {
            sum = std::hint::black_box(sum + 1);
        }
        let spent = meter.stop();
        assert!(spent.cpu >= 0.002 && spent.wall > 0.0 && spent.waited >= 0.0);
        assert!(memory(&[this_thread()]).is_none_or(|bytes| bytes > 100_000));
        assert!(!machine().cpu.is_empty());
    }
}
