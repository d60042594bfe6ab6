//! The report: everything that was measured and concluded.
//!
//! It is written down by serde as what `pumasi bench --report FILE` shows, in a terminal or as a
//! page with plots; `Display` gives the short form.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::intervals::Estimate;
use super::record::{Kind, Machine, Remark};
use super::scaling::Fit;

/// What a measurement found. Times are seconds, sizes bytes, shares from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
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
    /// The share of the serial program's time for which it had no core.
    pub busy: f64,
    /// What each way to do the work took, the serial one first.
    pub variants: Vec<Row>,
    /// What was not measured, and why.
    pub left_out: Vec<Remark>,
    /// What to be wary of.
    pub warnings: Vec<Remark>,
    /// What binds the work, the most important first.
    pub verdicts: Vec<Verdict>,
    /// What to use.
    pub advice: Advice,
    /// How many items must there be before processes pay.
    pub break_even: Vec<BreakEven>,
    /// How it scales, with predictions.
    pub fits: Vec<Fit>,
}

/// What one way to do the work took.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// `threads 2`.
    pub name: String,
    /// Serial, threads or processes.
    pub kind: Kind,
    /// How many workers share the inputs.
    pub workers: usize,
    /// How processes are started, where there is a choice.
    pub method: Option<String>,
    /// How inputs reach other processes, where there is a choice.
    pub arguments: Option<String>,
    /// The variants which differ in the number of workers only.
    pub family: String,
    /// One pass over the inputs, by the clock.
    pub seconds: Estimate,
    /// The same, less the time without a core.
    pub free_seconds: Estimate,
    /// Against serial, by the clock: from the ratios of the rounds.
    pub speedup: Estimate,
    /// The same, less the time without a core.
    pub free_speedup: Estimate,
    /// The speed-up that each worker stands for.
    pub efficiency: f64,
    /// Until the last worker was ready; none for serial.
    pub start_up_seconds: Option<Estimate>,
    /// The same of the quickest start, less the time without a core.
    pub free_start_up_seconds: Option<f64>,
    /// To put the inputs into shared memory, once.
    pub placed_seconds: f64,
    /// What they take there.
    pub placed_bytes: u64,
    /// Copied in each pass.
    pub bytes_copied: u64,
    /// The share of a pass in which somebody wrote values down, read them back, or moved bytes.
    pub copying_share: f64,
    /// In writing values down and reading them back, of all processes together.
    pub serialising_seconds: f64,
    /// On cores, of all workers together.
    pub cpu_seconds: f64,
    /// The share of the time in which the interpreter's lock was held, where there is one.
    pub gil_held: Option<f64>,
    /// The share of the workers' time that they waited for locks.
    pub lock_share: f64,
    /// Operations on shared objects that had to wait, in the watched run.
    pub lock_waits: u64,
    /// Peak memory of parent and workers.
    pub memory_bytes: Option<u64>,
    /// Where the workers' time went, as shares of it.
    pub breakdown: Profile,
    /// The passes that each run is the mean of.
    pub loops: u32,
    /// The single runs.
    pub runs: Vec<f64>,
}

/// Where one variant's time went, as shares of its workers' time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Profile {
    /// On a core.
    pub computing: f64,
    /// Ready to run, and none was free.
    pub no_core: f64,
    /// Waiting for the interpreter's lock.
    pub gil: f64,
    /// Waiting for another lock.
    pub lock: f64,
    /// Asleep until a time.
    pub sleep: f64,
    /// Waiting for input or output.
    pub io: f64,
    /// Writing values down and reading them back.
    pub serialising: f64,
    /// Without work.
    pub idle: f64,
}

/// What may bind a work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Finding {
    /// Python's interpreter lock.
    Gil,
    /// The same, for part of the time.
    GilPartly,
    /// It computes without the interpreter's lock.
    ReleasesGil,
    /// It computes, and no interpreter is there to hold a lock.
    Computes,
    /// A single call uses several cores by itself.
    ParallelItself,
    /// Sleep, input and output.
    Waiting,
    /// A lock that the workers wait for.
    Lock,
    /// The bandwidth of memory.
    Memory,
    /// Writing values down, reading them back, and moving the bytes.
    Copying,
    /// The start of the workers.
    StartUp,
    /// It is done before anything else could have begun.
    TooSmall,
}

impl Finding {
    /// Its name in the report's data.
    ///
    /// ```
    /// use pumasi::bench::Finding;
    ///
    /// assert_eq!(Finding::StartUp.code(), "start-up");
    /// assert_eq!(Finding::StartUp.to_string(), "would pay if the workers ran already");
    /// ```
    pub fn code(self) -> &'static str {
        match self {
            Finding::Gil => "gil",
            Finding::GilPartly => "gil-partly",
            Finding::ReleasesGil => "releases-gil",
            Finding::Computes => "computes",
            Finding::ParallelItself => "parallel-itself",
            Finding::Waiting => "waiting",
            Finding::Lock => "lock",
            Finding::Memory => "memory",
            Finding::Copying => "copying",
            Finding::StartUp => "start-up",
            Finding::TooSmall => "too-small",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Finding::Gil => "bound by the interpreter's lock",
            Finding::GilPartly => "partly bound by the interpreter's lock",
            Finding::ReleasesGil => "computes without the interpreter's lock",
            Finding::Computes => "computes",
            Finding::ParallelItself => "is parallel already",
            Finding::Waiting => "waits for sleep, input or output",
            Finding::Lock => "bound by a lock",
            Finding::Memory => "bound by memory",
            Finding::Copying => "copies",
            Finding::StartUp => "would pay if the workers ran already",
            Finding::TooSmall => "too small",
        })
    }
}

/// A number or a text that a verdict rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// A number.
    Number(f64),
    /// A variant's name.
    Text(String),
}

/// One finding, how much of the time it stands for, and what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What it is.
    pub code: Finding,
    /// Of the time; for [`ParallelItself`](Finding::ParallelItself) the cores.
    pub share: f64,
    /// What it rests on.
    pub numbers: BTreeMap<&'static str, Fact>,
}

/// What to use.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// Serial, threads or processes.
    #[serde(rename = "use")]
    pub kind: Kind,
    /// The variant's name.
    pub variant: String,
    /// Its workers.
    pub workers: usize,
    /// The expected speed-up over the serial program for exactly these inputs, with the start-up
    /// paid.
    pub gain: f64,
    /// The same without the start-up, where the workers are kept for more.
    pub warm_gain: f64,
    /// Whether anything gains enough to be another way of doing things.
    pub worth_it: bool,
}

/// How many items must there be before a variant pays.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BreakEven {
    /// The variant's name.
    pub variant: String,
    /// The number, or none where no number is enough.
    pub items: Option<f64>,
    /// Whether it follows from the start-up alone, as if the work were divided without loss: these
    /// inputs were too few to measure the loss.
    pub at_least: bool,
}

/// A line for each variant, then what binds the work, and what to use.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            function,
            items,
            cores,
            rounds,
            seconds,
            ..
        } = self;
        writeln!(
            f,
            "{function}: {items} inputs, {cores} cores, {rounds} rounds in {seconds:.1} s"
        )?;
        let wide = self.variants.iter().map(|row| row.name.len()).max();
        for row in &self.variants {
            let Row {
                name,
                speedup,
                efficiency,
                ..
            } = row;
            let (time, start) = (Time(row.seconds.median), row.start_up_seconds);
            write!(f, "  {name:wide$}  {time:>8}", wide = wide.unwrap_or(0))?;
            if let (Some(low), Some(high)) = (row.seconds.low, row.seconds.high) {
                write!(f, " ({} to {})", Time(low), Time(high))?;
            }
            write!(f, "  {:.2} times", speedup.median)?;
            if let (Some(low), Some(high)) = (speedup.low, speedup.high) {
                write!(f, " ({low:.2} to {high:.2})")?;
            }
            write!(f, ", {:.0} % per worker", efficiency * 100.0)?;
            match start {
                Some(start) => writeln!(f, ", start-up {}", Time(start.median))?,
                None => writeln!(f)?,
            }
        }
        for verdict in &self.verdicts {
            writeln!(f, "- {} ({:.2})", verdict.code, verdict.share)?;
        }
        for Remark { code, detail, .. } in &self.warnings {
            writeln!(f, "! {code}: {detail}")?;
        }
        for Remark { name, code, detail } in &self.left_out {
            writeln!(f, "! {name} was left out: {code}, {detail}")?;
        }
        let Advice { variant, gain, .. } = &self.advice;
        if self.advice.worth_it {
            write!(
                f,
                "=> use {variant}: {gain:.1} times as fast, start-up included"
            )
        } else {
            f.write_str("=> not worth it: keep it serial")
        }
    }
}

/// Seconds, shown with three digits and a fitting unit.
struct Time(f64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            s if s < 1e-6 => (s * 1e9, "ns"),
            s if s < 1e-3 => (s * 1e6, "µs"),
            s if s < 1.0 => (s * 1e3, "ms"),
            s => (s, "s"),
        };
        let digits = match value {
            v if v < 9.995 => 2,
            v if v < 99.95 => 1,
            _ => 0,
        };
        f.pad(&format!("{value:.digits$} {unit}"))
    }
}
