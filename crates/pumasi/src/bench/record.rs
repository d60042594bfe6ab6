//! What a measurement writes down, before anybody thinks about it. Times are seconds.
//!
//! Two programs make such records: [`Bench`](super::Bench) of a Rust function, and the Python
//! package of a Python one. What follows from them is the same for both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which way the work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One call after the other.
    Serial,
    /// Several threads of one process.
    Threads,
    /// Several processes.
    Processes,
}

impl Kind {
    /// Its name in reports.
    ///
    /// ```
    /// assert_eq!(pumasi::bench::Kind::Threads.name(), "threads");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Kind::Serial => "serial",
            Kind::Threads => "threads",
            Kind::Processes => "processes",
        }
    }
}

/// One way to do the work.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Variant {
    /// Serial, threads or processes.
    pub kind: Kind,
    /// How many workers share the inputs.
    pub workers: usize,
    /// How processes are started, where there is a choice.
    pub method: Option<String>,
    /// How inputs reach other processes, where there is a choice.
    pub arguments: Option<String>,
}

impl Variant {
    /// The variants which differ in the number of workers only.
    ///
    /// ```
    /// # use pumasi::bench::{Kind, Variant};
    /// # let method = Some("fork".to_owned());
    /// let two = Variant { kind: Kind::Processes, workers: 2, method, arguments: None };
    /// assert_eq!(two.family(), "processes-fork");
    /// assert_eq!(Variant { workers: 4, ..two.clone() }.family(), two.family());
    /// ```
    pub fn family(&self) -> String {
        let parts = [&self.method, &self.arguments];
        let parts = parts.into_iter().flatten().map(String::as_str);
        let all: Vec<&str> = std::iter::once(self.kind.name()).chain(parts).collect();
        all.join("-")
    }

    /// What it is called in reports: `threads 2`, `processes 2 (fork, pickled)`.
    ///
    /// ```
    /// # use pumasi::bench::{Kind, Variant};
    /// # let method = Some("fork".to_owned());
    /// let two = Variant { kind: Kind::Processes, workers: 2, method, arguments: None };
    /// assert_eq!(two.name(), "processes 2 (fork)");
    /// ```
    pub fn name(&self) -> String {
        let parts = [&self.method, &self.arguments];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        match (self.kind, parts.is_empty()) {
            (Kind::Serial, _) => "serial".to_owned(),
            (kind, true) => format!("{} {}", kind.name(), self.workers),
            (kind, false) => format!("{} {} ({})", kind.name(), self.workers, parts.join(", ")),
        }
    }

    /// Whether inputs are copied for each pass.
    pub(crate) fn copies(&self) -> bool {
        self.kind == Kind::Processes
            && !matches!(self.arguments.as_deref(), Some("native" | "shared"))
    }
}

/// What one worker spent in one pass over the inputs, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Spent {
    /// While it had work.
    pub wall: f64,
    /// Of that, on a core.
    pub cpu: f64,
    /// Of that, ready to run and without a core.
    pub waited: f64,
    /// In writing values down and reading them back.
    pub serialising: f64,
    /// In moving bytes through pipes.
    pub moving: f64,
}

impl Spent {
    /// Adds what another stretch took.
    ///
    /// ```
    /// use pumasi::bench::Spent;
    ///
    /// let mut all = Spent { wall: 2.0, cpu: 1.5, ..Spent::default() };
    /// all.add(Spent { wall: 1.0, cpu: 0.5, ..Spent::default() });
    /// assert_eq!((all.wall, all.cpu), (3.0, 2.0));
    /// ```
    pub fn add(&mut self, other: Spent) {
        self.wall += other.wall;
        self.cpu += other.cpu;
        self.waited += other.waited;
        self.serialising += other.serialising;
        self.moving += other.moving;
    }

    /// The mean of so many passes.
    pub(crate) fn over(self, loops: u32) -> Spent {
        let loops = f64::from(loops);
        Spent {
            wall: self.wall / loops,
            cpu: self.cpu / loops,
            waited: self.waited / loops,
            serialising: self.serialising / loops,
            moving: self.moving / loops,
        }
    }
}

/// One pass over the inputs, or the mean of several.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Pass {
    /// By the clock.
    pub seconds: f64,
    /// For which who hands the work out had no core.
    pub host_waited: f64,
    /// For which who hands the work out was on one.
    pub host_cpu: f64,
    /// For which all threads of that process were on a core.
    pub process_cpu: f64,
    /// In which it wrote values down and read them back.
    pub serialising: f64,
    /// In which it moved bytes.
    pub moving: f64,
    /// Bytes sent to the workers.
    pub bytes_sent: u64,
    /// Bytes received from them.
    pub bytes_received: u64,
    /// What each worker spent.
    pub workers: Vec<Spent>,
}

impl Pass {
    /// The seconds it would have taken had no worker waited for a core.
    ///
    /// Where others use the machine too, this is what the variant itself can do; exact as far as
    /// the worker which waited longest was also the last one to end.
    ///
    /// ```
    /// use pumasi::bench::{Pass, Spent};
    ///
    /// let worker = Spent { wall: 3.0, cpu: 2.0, waited: 1.0, ..Spent::default() };
    /// let pass = Pass { seconds: 3.0, workers: vec![worker], ..Pass::default() };
    /// assert_eq!(pass.unhurried(), 2.0); // for a third of it there was no core
    /// ```
    pub fn unhurried(&self) -> f64 {
        let most = |of: fn(&Spent) -> f64| self.workers.iter().map(of).fold(0.0, f64::max);
        let waited = most(|worker| worker.waited) + self.host_waited;
        let floor = most(|worker| worker.cpu).max(self.host_cpu);
        (self.seconds - waited).max(floor).max(self.seconds * 1e-3)
    }

    pub(crate) fn sum(&self, of: impl Fn(&Spent) -> f64) -> f64 {
        self.workers.iter().map(of).sum()
    }
}

/// What one watched run showed of a variant.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Probe {
    /// The run.
    pub record: Pass,
    /// The share of the time in which the interpreter's lock was held, where there is one.
    pub gil_held: Option<f64>,
    /// What the workers were seen to do, as shares of the glances: `running`, `gil`, `lock`,
    /// `sleep`, `io`, `idle`.
    pub shares: BTreeMap<String, f64>,
    /// Peak memory of parent and workers, in bytes.
    pub memory: Option<u64>,
    /// Operations on shared objects that had to wait.
    pub lock_waits: u64,
}

/// One variant, and everything that was measured of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Series {
    /// The variant.
    pub variant: Variant,
    /// Seconds until the last worker was ready, of each start.
    pub start_ups: Vec<f64>,
    /// The same, less the time without a core.
    pub free_start_ups: Vec<f64>,
    /// Seconds in which the inputs were put into shared memory, once.
    pub placed_seconds: f64,
    /// Bytes that they take there.
    pub placed_bytes: u64,
    /// The timed runs, one for each round.
    pub runs: Vec<Pass>,
    /// The passes that each run is the mean of.
    pub loops: u32,
    /// The watched run.
    pub probe: Option<Probe>,
}

/// Where it was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// System, version and architecture.
    pub system: String,
    /// The version of Python, where the function is Python's.
    pub python: Option<String>,
}

/// A variant that was left out, or something to be wary of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The variant that it is about, if it is about one.
    #[serde(default)]
    pub name: String,
    /// What it is, for programs.
    pub code: String,
    /// With which numbers, or in which words.
    pub detail: String,
}

/// A whole measurement.
#[derive(Clone, Debug, Deserialize)]
pub struct Measured {
    /// What was measured.
    pub function: String,
    /// How many inputs it was called with.
    pub items: usize,
    /// How many cores this process may use.
    pub cores: usize,
    /// Where it was measured.
    pub machine: Machine,
    /// The seconds that could be spent.
    pub budget: f64,
    /// The seconds that were.
    pub seconds: f64,
    /// How often each variant had its turn.
    pub rounds: usize,
    /// The variants, the serial one first.
    pub hosts: Vec<Series>,
    /// What was left out.
    pub left_out: Vec<Remark>,
    /// What to be wary of.
    pub warnings: Vec<Remark>,
    /// For one and for several workers at once the seconds on a core which the same plain
    /// arithmetic took: what cores share with each other is in it.
    pub reference: BTreeMap<usize, f64>,
}

impl Measured {
    pub(crate) fn serial(&self) -> &Series {
        &self.hosts[0]
    }
}
