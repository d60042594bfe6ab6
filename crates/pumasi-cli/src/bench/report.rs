//! What Python's `pumasi.measure` sends and Rust's `pumasi::bench` writes down: times in seconds, sizes in bytes, shares from 0 to 1.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A whole measurement.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) function: String,
    pub(crate) items: u64,
    pub(crate) cores: u64,
    pub(crate) machine: Machine,
    pub(crate) budget: f64,
    pub(crate) seconds: f64,
    pub(crate) rounds: u64,
    /// Share of the serial program's time for which it had no core.
    pub(crate) busy: f64,
    pub(crate) variants: Vec<Variant>,
    pub(crate) left_out: Vec<Finding>,
    pub(crate) warnings: Vec<Finding>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) advice: Advice,
    pub(crate) break_even: Vec<BreakEven>,
    pub(crate) fits: Vec<Fit>,
}

/// Where it was measured.
#[derive(Debug, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) system: String,
    /// None where the function is Rust's.
    pub(crate) python: Option<String>,
}

/// A median with its interval.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
}

/// One way to do the work.
#[derive(Debug, Deserialize)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) workers: u64,
    pub(crate) arguments: Option<String>,
    pub(crate) family: String,
    pub(crate) seconds: Estimate,
    pub(crate) speedup: Estimate,
    pub(crate) free_speedup: Estimate,
    pub(crate) efficiency: f64,
    pub(crate) start_up_seconds: Option<Estimate>,
    pub(crate) bytes_copied: u64,
    pub(crate) placed_bytes: u64,
    pub(crate) serialising_seconds: f64,
    pub(crate) gil_held: Option<f64>,
    pub(crate) lock_share: f64,
    pub(crate) memory_bytes: Option<u64>,
    /// Shares of the workers' time, by what they did in it.
    pub(crate) breakdown: BTreeMap<String, f64>,
    pub(crate) runs: Vec<f64>,
}

impl Variant {
    /// Whether inputs and results are copied in each pass.
    pub(crate) fn copies(&self) -> bool {
        self.kind == "processes" && !matches!(self.arguments.as_deref(), Some("native" | "shared"))
    }
}

/// Something that was left out, or to be wary of.
#[derive(Debug, Deserialize)]
pub(crate) struct Finding {
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) code: String,
    pub(crate) detail: String,
}

/// What binds the work.
#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) code: String,
    pub(crate) share: f64,
    pub(crate) numbers: serde_json::Map<String, serde_json::Value>,
}

impl Verdict {
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.numbers
            .get(name)
            .and_then(serde_json::Value::as_f64)
            .unwrap_or_default()
    }
}

/// What to use.
#[derive(Debug, Deserialize)]
pub(crate) struct Advice {
    #[serde(rename = "use")]
    pub(crate) kind: String,
    pub(crate) variant: String,
    pub(crate) gain: f64,
    pub(crate) warm_gain: f64,
    pub(crate) worth_it: bool,
}

/// From how many items on a variant pays.
#[derive(Debug, Deserialize)]
pub(crate) struct BreakEven {
    pub(crate) variant: String,
    pub(crate) items: Option<f64>,
    pub(crate) at_least: bool,
}

/// A model of one family of variants, or why there is none.
#[derive(Debug, Deserialize)]
pub(crate) struct Fit {
    pub(crate) family: String,
    pub(crate) model: String,
    pub(crate) points: u64,
    pub(crate) needed: u64,
    pub(crate) refused: Option<String>,
    pub(crate) serial_fraction: Option<Bounded>,
    pub(crate) contention: Option<Bounded>,
    pub(crate) best_workers: Option<f64>,
    pub(crate) predictions: Vec<Prediction>,
}

/// A fitted number and its interval.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Bounded {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// What is expected of more workers than were measured.
#[derive(Debug, Deserialize)]
pub(crate) struct Prediction {
    pub(crate) workers: u64,
    pub(crate) speedup: Bounded,
}
