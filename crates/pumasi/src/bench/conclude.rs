//! What the numbers mean: what binds the work, which way to do it pays, and from how many items on.
//!
//! Nothing here goes by the wall clock alone, which on a busy machine measures the others. A
//! thread's life is time on a core, time ready without one, and time asleep; what it slept in was
//! looked at from outside. So a verdict says what the work does, also where everything takes
//! three times as long as it would on an idle machine. `Pass::unhurried` is the wall clock less the
//! time without a core.
//!
//! Long because the verdicts and the advice look at the same few quantities, which are defined once.

use std::collections::BTreeMap;

use super::intervals::{Estimate, estimate, median, ratio};
use super::record::{Kind, Measured, Pass, Series, Spent};
use super::report::{Advice, BreakEven, Fact, Finding, Profile, Report, Row, Verdict};
use super::scaling::{Fit, fit};

/// A work that is on a core for less than this share of its time waits for something.
const WAITS_BELOW: f64 = 0.5;
const GIL_ABOVE: f64 = 0.7;
const GIL_BELOW: f64 = 0.4;
/// How many times the time of the thread that calls all threads are on cores.
const ITSELF_ABOVE: f64 = 1.3;
/// The share of the time for which other threads are on cores, where this one waits for them; on a
/// busy machine they are not for all of it.
const ELSEWHERE_ABOVE: f64 = 0.25;
const LOCK_ABOVE: f64 = 0.25;
const COPYING_ABOVE: f64 = 0.3;
const INFLATED: f64 = 1.3;
/// Gains below this are not worth a second way of doing things.
const WORTH: f64 = 1.15;
/// Seconds on a core below which what a pass takes is partly our own bookkeeping.
const MEASURABLE: f64 = 0.002;
/// Seconds of a pass which may be the handing out of work and nothing else; what a pass loses beyond
/// that it loses in the work itself.
const HANDING_OUT: f64 = 0.002;
/// Bytes below which copying them is not what takes the time.
const MUCH: u64 = 64 * 1024;

/// Concludes what there is to conclude.
///
/// ```
/// use pumasi::bench::{Measured, conclude};
///
/// # let pass = r#"{"seconds": 2.0, "host_waited": 0.0, "host_cpu": 2.0, "process_cpu": 2.0,
/// #     "serialising": 0.0, "moving": 0.0, "bytes_sent": 0, "bytes_received": 0, "workers":
/// #     [{"wall": 2.0, "cpu": 2.0, "waited": 0.0, "serialising": 0.0, "moving": 0.0}]}"#;
/// # let written = format!(r#"{{"function": "sums", "items": 5, "cores": 4, "machine":
/// #     {{"cpu": "", "system": "", "python": null}}, "budget": 20.0, "seconds": 12.0, "rounds": 6,
/// #     "hosts": [{{"variant": {{"kind": "serial", "workers": 1, "method": null,
/// #     "arguments": null}}, "start_ups": [], "free_start_ups": [], "loops": 1,
/// #     "placed_seconds": 0.0, "placed_bytes": 0,
/// #     "runs": [{pass}, {pass}, {pass}, {pass}, {pass}, {pass}], "probe": null}}],
/// #     "left_out": [], "warnings": [], "reference": {{}}}}"#);
/// let mut measured: Measured = serde_json::from_str(&written)?; // six runs of 2 s, in series
/// let report = conclude(measured.clone())?;
/// assert_eq!((report.variants[0].seconds.median, report.advice.worth_it), (2.0, false));
/// measured.hosts.clear();
/// assert!(conclude(measured).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A sentence, when the record is not of a measurement: when it does not begin with a serial
/// variant, or has one without runs.
pub fn conclude(measured: Measured) -> Result<Report, String> {
    match measured.hosts.first() {
        Some(first) if first.variant.kind == Kind::Serial => {}
        _ => return Err("the first variant is not the serial one".to_owned()),
    }
    if let Some(host) = measured.hosts.iter().find(|host| host.runs.is_empty()) {
        return Err(format!("{} has no runs", host.variant.name()));
    }
    Ok(report(measured))
}

/// The same of a record that has a serial variant, and runs of each.
pub(crate) fn report(measured: Measured) -> Report {
    let mut verdicts = verdicts(&measured);
    let advice = advice(&measured);
    let bound = |verdict: &Verdict| matches!(verdict.code, Finding::Lock | Finding::StartUp);
    if !advice.worth_it
        && !verdicts.iter().any(bound)
        && let Some(too_small) = too_small(&measured)
    {
        // What else was seen is the harness's doing as much as the work's.
        verdicts.retain(|verdict| verdict.code == Finding::Waiting);
        verdicts.insert(0, too_small);
    }
    let has = |code| verdicts.iter().any(|verdict| verdict.code == code);
    let fits = if has(Finding::TooSmall) {
        Vec::new()
    } else {
        fits(&measured, has(Finding::Waiting))
    };
    Report {
        busy: share_without_core(measured.serial()),
        variants: measured.hosts.iter().map(|h| row(&measured, h)).collect(),
        break_even: parallel(&measured)
            .filter(|host| host.variant.kind == Kind::Processes)
            .map(|host| pays(&measured, host))
            .collect(),
        verdicts,
        advice,
        fits,
        function: measured.function,
        items: measured.items,
        cores: measured.cores,
        machine: measured.machine,
        budget: measured.budget,
        seconds: measured.seconds,
        rounds: measured.rounds,
        left_out: measured.left_out,
        warnings: measured.warnings,
    }
}

// ---- the quantities ------------------------------------------------------------------------

fn of_runs(host: &Series, of: impl Fn(&Pass) -> f64) -> Estimate {
    // There is at least one run.
    estimate(host.runs.iter().map(of)).unwrap_or(Estimate {
        median: f64::NAN,
        low: None,
        high: None,
        values: 0,
    })
}

fn faster(serial: &Series, host: &Series, of: fn(&Pass) -> f64) -> Estimate {
    let values = |host: &Series| host.runs.iter().map(of).collect::<Vec<_>>();
    ratio(&values(serial), &values(host)).unwrap_or(Estimate {
        median: 1.0,
        low: None,
        high: None,
        values: 0,
    })
}

/// The timed runs and the watched one.
fn all_runs(host: &Series) -> impl Iterator<Item = &Pass> {
    let watched = host.probe.iter().map(|probe| &probe.record);
    host.runs.iter().chain(watched)
}

/// Divides the time of a variant's workers by what they did in it.
pub(crate) fn profile(host: &Series) -> Profile {
    let part = |of: fn(&Spent) -> f64| all_runs(host).map(|run| run.sum(of)).sum::<f64>();
    let seconds: f64 = all_runs(host).map(|run| run.seconds).sum();
    let total = seconds * host.variant.workers as f64;
    let (wall, cpu) = (part(|w| w.wall), part(|w| w.cpu));
    let waited = part(|w| w.waited);
    let serialising = part(|w| w.serialising).min(cpu);
    let asleep = (wall - cpu - waited).max(0.0);
    let share = |state: &str| {
        let shares = host.probe.as_ref().map(|probe| &probe.shares);
        shares
            .and_then(|shares| shares.get(state))
            .copied()
            .unwrap_or(0.0)
    };
    let seen: f64 = ["gil", "lock", "sleep", "io"].map(share).iter().sum();
    let slept = |state| {
        if seen > 0.0 {
            asleep * share(state) / seen
        } else {
            0.0
        }
    };
    let mut found = Profile {
        computing: cpu - serialising,
        no_core: waited.min(total),
        gil: slept("gil"),
        lock: slept("lock"),
        sleep: slept("sleep"),
        io: if seen > 0.0 { slept("io") } else { asleep },
        serialising,
        idle: 0.0,
    };
    let used = cpu + found.no_core + found.gil + found.lock + found.sleep + found.io;
    found.idle = (total - used).max(0.0);
    let whole = total.max(used);
    if whole > 0.0 {
        for each in [
            &mut found.computing,
            &mut found.no_core,
            &mut found.gil,
            &mut found.lock,
            &mut found.sleep,
            &mut found.io,
            &mut found.serialising,
            &mut found.idle,
        ] {
            *each /= whole;
        }
    }
    found
}

fn share_without_core(host: &Series) -> f64 {
    let waited: f64 = host.runs.iter().map(|run| run.sum(|w| w.waited)).sum();
    let seconds: f64 = host.runs.iter().map(|run| run.seconds).sum();
    if seconds > 0.0 { waited / seconds } else { 0.0 }
}

/// The share of the time with a core at hand in which the work used it.
fn on_core(host: &Series) -> f64 {
    let sum = |of: fn(&Spent) -> f64| all_runs(host).map(|run| run.sum(of)).sum::<f64>();
    let ready = sum(|w| (w.wall - w.waited).max(w.cpu));
    if ready > 0.0 {
        sum(|w| w.cpu) / ready
    } else {
        1.0
    }
}

/// How many cores a single call keeps busy by itself, where that is more than one.
///
/// Its other threads may do all of it, while the one that called waits for them.
fn own_parallelism(host: &Series) -> Option<f64> {
    let sum = |of: fn(&Spent) -> f64| host.runs.iter().map(|run| run.sum(of)).sum::<f64>();
    let (thread, ready) = (sum(|w| w.cpu), sum(|w| (w.wall - w.waited).max(w.cpu)));
    let process: f64 = host.runs.iter().map(|run| run.process_cpu).sum();
    let measurable = process >= host.runs.len() as f64 * MEASURABLE;
    if !measurable || process < thread * ITSELF_ABOVE || process < ready * ELSEWHERE_ABOVE {
        return None;
    }
    Some(if on_core(host) < WAITS_BELOW {
        (process / ready).max(1.0)
    } else {
        process / thread
    })
}

fn parallel(measured: &Measured) -> impl Iterator<Item = &Series> {
    measured
        .hosts
        .iter()
        .filter(|host| host.variant.workers > 1)
}

/// The share of the time with work and with a core at hand that workers wait for locks.
fn on_locks(host: &Series) -> f64 {
    let shares = profile(host);
    let able = 1.0 - shares.no_core - shares.idle;
    if able > 0.01 { shares.lock / able } else { 0.0 }
}

/// Seconds on a core that one pass takes, all workers together.
fn cpu(host: &Series) -> f64 {
    of_runs(host, |run| run.sum(|worker| worker.cpu)).median
}

/// The share of a pass in which somebody wrote values down, read them back, or moved bytes.
fn copying(host: &Series) -> f64 {
    let workers = host.variant.workers as f64;
    let spent = of_runs(host, |run| {
        let theirs = run.sum(|worker| worker.serialising + worker.moving);
        run.serialising + run.moving + theirs / workers
    });
    let whole = of_runs(host, |run| run.seconds).median;
    if whole > 0.0 {
        (spent.median / whole).min(1.0)
    } else {
        0.0
    }
}

/// Seconds before a variant can begin on a free machine; of several starts the quickest.
fn start_cost(host: &Series) -> f64 {
    let quickest = host.free_start_ups.iter().copied().reduce(f64::min);
    quickest.unwrap_or(0.0) + host.placed_seconds
}

/// Seconds of a pass on a free machine.
///
/// By the clock where there are more workers than cores, and where workers wait for a lock, here or
/// in most of the ways (a few glances at a busy machine may miss it in one): then whoever has no core
/// keeps the others waiting, and the times without a core do not lie side by side.
fn pass_seconds(measured: &Measured, host: &Series) -> f64 {
    let workers = host.variant.workers;
    let locked = || on_locks(host) > LOCK_ABOVE || lock(measured).is_some();
    if workers > measured.cores || (workers > 1 && locked()) {
        return of_runs(host, |run| run.seconds).median;
    }
    of_runs(host, Pass::unhurried).median
}

fn gil(measured: &Measured) -> f64 {
    let probe = measured.serial().probe.as_ref();
    probe.and_then(|probe| probe.gil_held).unwrap_or(0.0)
}

fn held_by_gil(measured: &Measured) -> bool {
    gil(measured) >= GIL_ABOVE && on_core(measured.serial()) >= WAITS_BELOW
}

// ---- the verdicts --------------------------------------------------------------------------

fn verdict<const N: usize>(
    code: Finding,
    share: f64,
    numbers: [(&'static str, Fact); N],
) -> Verdict {
    Verdict {
        code,
        share,
        numbers: BTreeMap::from(numbers),
    }
}

fn name(host: &Series) -> (&'static str, Fact) {
    ("variant", Fact::Text(host.variant.name()))
}

fn number(name: &'static str, value: f64) -> (&'static str, Fact) {
    (name, Fact::Number(value))
}

fn verdicts(measured: &Measured) -> Vec<Verdict> {
    let on_core = on_core(measured.serial());
    let mut found: Vec<Verdict> = lock(measured).into_iter().collect();
    found.push(nature(measured, on_core));
    if on_core >= WAITS_BELOW {
        found.extend(memory(measured));
    }
    found.extend(copies(measured));
    found.extend(start_up(measured));
    found
}

/// What the work does: it waits, or it computes, with the interpreter's lock or without.
fn nature(measured: &Measured, on_core: f64) -> Verdict {
    let (serial, gil) = (measured.serial(), gil(measured));
    let itself = own_parallelism(serial);
    if on_core < WAITS_BELOW && itself.is_none() {
        let shares = profile(serial);
        let numbers = [
            number("sleep", shares.sleep),
            number("io", shares.io),
            number("on_core", on_core),
        ];
        return verdict(Finding::Waiting, 1.0 - on_core, numbers);
    }
    if gil >= GIL_BELOW {
        let code = if gil >= GIL_ABOVE {
            Finding::Gil
        } else {
            Finding::GilPartly
        };
        let threads = parallel(measured).find(|host| host.variant.kind == Kind::Threads);
        let mut found = verdict(code, gil, []);
        if let Some(threads) = threads {
            let waiting = Fact::Number(profile(threads).gil);
            found.numbers.insert("threads_waiting", waiting);
        }
        return found;
    }
    if let Some(cores) = itself {
        verdict(Finding::ParallelItself, cores, [number("cores", cores)])
    } else if measured.machine.python.is_none() {
        verdict(Finding::Computes, on_core, [number("on_core", on_core)])
    } else {
        verdict(Finding::ReleasesGil, 1.0 - gil, [number("gil", gil)])
    }
}

/// A lock binds when workers wait for it in most of the ways to do the work side by side.
fn lock(measured: &Measured) -> Option<Verdict> {
    let mut shares: Vec<(f64, &Series)> = parallel(measured)
        .map(|host| (on_locks(host), host))
        .collect();
    shares.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (share, host) = *shares.get(shares.len().checked_sub(1)? / 2)?;
    if share < LOCK_ABOVE {
        return None;
    }
    let waits = host.probe.as_ref().map_or(0, |probe| probe.lock_waits);
    let numbers = [name(host), number("contended", waits as f64)];
    Some(verdict(Finding::Lock, share, numbers))
}

/// Memory binds when the same work takes more time on a core where several do it at once.
fn memory(measured: &Measured) -> Option<Verdict> {
    let one = cpu(measured.serial());
    let (&fewest, &alone) = measured.reference.first_key_value()?;
    let (&most, &together) = measured.reference.last_key_value()?;
    if fewest == most || one < MEASURABLE {
        return None;
    }
    let shared = together / alone;
    let fits = |host: &&Series| host.variant.workers <= measured.cores && !host.variant.copies();
    let (inflated, host) = parallel(measured)
        .filter(fits)
        .map(|host| (cpu(host) / one, host))
        .min_by(|one, other| one.0.total_cmp(&other.0))?;
    if inflated < INFLATED || inflated - 1.0 < 2.0 * (shared - 1.0) {
        return None;
    }
    let numbers = [
        name(host),
        number("inflated", inflated),
        number("reference", shared),
    ];
    Some(verdict(Finding::Memory, 1.0 - 1.0 / inflated, numbers))
}

/// Copying binds when the usual way, which copies inputs and results, spends much time on that.
fn copies(measured: &Measured) -> Option<Verdict> {
    let usual =
        |host: &&Series| host.variant.copies() && host.variant.arguments.as_deref() != Some("pool");
    let hosts = measured.hosts.iter().filter(usual);
    let host = hosts.max_by_key(|host| host.variant.workers)?;
    let share = copying(host);
    let moved = host
        .runs
        .iter()
        .map(|run| run.bytes_sent + run.bytes_received);
    let moved = moved.max().unwrap_or(0);
    if share < COPYING_ABOVE || moved < MUCH {
        return None;
    }
    let numbers = [name(host), number("bytes", moved as f64)];
    Some(verdict(Finding::Copying, share, numbers))
}

/// Start-up binds when a variant wins with its workers ready, and loses with their start.
fn start_up(measured: &Measured) -> Option<Verdict> {
    let serial = pass_seconds(measured, measured.serial());
    let processes = parallel(measured).filter(|host| host.variant.kind == Kind::Processes);
    processes
        .map(|host| (host, pass_seconds(measured, host), start_cost(host)))
        .find(|(_, done, start)| {
            serial > 0.001 && done * WORTH < serial && serial < (start + done) * WORTH
        })
        .map(|(host, done, start)| {
            let numbers = [name(host), number("seconds", start)];
            verdict(Finding::StartUp, start / (start + done), numbers)
        })
}

/// The work is too small when starting others and handing it out takes much of what it takes alone.
fn too_small(measured: &Measured) -> Option<Verdict> {
    let serial = pass_seconds(measured, measured.serial());
    let held = held_by_gil(measured);
    let cheapest = parallel(measured)
        .filter(|host| !(held && host.variant.kind == Kind::Threads))
        .map(|host| {
            let ideal = serial / host.variant.workers as f64;
            let lost = pass_seconds(measured, host) - ideal;
            start_cost(host) + lost.clamp(0.0, HANDING_OUT)
        })
        .reduce(f64::min)?;
    let numbers = [
        number("serial_seconds", serial),
        number("cheapest_start", cheapest),
    ];
    (cheapest >= serial * 0.4).then(|| verdict(Finding::TooSmall, 1.0, numbers))
}

// ---- the advice ----------------------------------------------------------------------------

fn advice(measured: &Measured) -> Advice {
    let serial_host = measured.serial();
    let serial = pass_seconds(measured, serial_host);
    let mut others: Vec<&Series> = measured.hosts[1..].iter().collect();
    others.sort_by_key(|host| (host.variant.kind, host.variant.workers));
    let held = held_by_gil(measured);
    let (mut best, mut best_cost) = (serial_host, serial);
    for host in others {
        if held && host.variant.kind == Kind::Threads {
            continue; // A gain that cannot be is noise.
        }
        let cost = start_cost(host) + pass_seconds(measured, host);
        if cost * WORTH < best_cost {
            (best, best_cost) = (host, cost);
        }
    }
    let worth_it = best.variant.kind != Kind::Serial && best_cost * WORTH <= serial;
    if !worth_it {
        (best, best_cost) = (serial_host, serial);
    }
    Advice {
        kind: best.variant.kind,
        variant: best.variant.name(),
        workers: best.variant.workers,
        gain: serial / best_cost.max(1e-9),
        warm_gain: serial / pass_seconds(measured, best).max(1e-9),
        worth_it,
    }
}

fn pays(measured: &Measured, host: &Series) -> BreakEven {
    let items = measured.items.max(1) as f64;
    let whole = pass_seconds(measured, measured.serial());
    let (serial, done) = (whole / items, pass_seconds(measured, host) / items);
    let start = start_cost(host);
    let found = |items, at_least| BreakEven {
        variant: host.variant.name(),
        items,
        at_least,
    };
    if done * WORTH < serial && whole > 0.001 {
        return found(Some((start / (serial - done)).max(1.0)), false);
    }
    if whole < 2.0 * start {
        let ideal = serial / host.variant.workers as f64;
        let needed = (serial > ideal).then(|| start / (serial - ideal));
        return found(needed, true);
    }
    found(None, false)
}

fn fits(measured: &Measured, every_count: bool) -> Vec<Fit> {
    let mut families: Vec<(String, BTreeMap<usize, &Series>)> = Vec::new();
    for host in &measured.hosts[1..] {
        if host.variant.kind == Kind::Threads && held_by_gil(measured) {
            continue; // They take turns, which is all there is to say.
        }
        if !every_count && host.variant.workers > measured.cores {
            continue;
        }
        let family = host.variant.family();
        let at = families.iter().position(|known| known.0 == family);
        let at = at.unwrap_or_else(|| {
            families.push((family, BTreeMap::new()));
            families.len() - 1
        });
        families[at].1.insert(host.variant.workers, host);
    }
    let unhurried = |host: &Series| host.runs.iter().map(Pass::unhurried).collect::<Vec<_>>();
    families
        .iter()
        .flat_map(|(family, hosts)| {
            let Some(one) = hosts.get(&1) else {
                return fit(family, &BTreeMap::new(), 1.0);
            };
            let base = faster(measured.serial(), one, Pass::unhurried).median;
            let one = unhurried(one);
            let capacities = |host: &Series| {
                let each = one.iter().zip(unhurried(host));
                each.map(|(first, seconds)| first / seconds).collect()
            };
            let values = hosts.iter().map(|(k, host)| (*k, capacities(host)));
            fit(family, &values.collect(), base)
        })
        .collect()
}

fn row(measured: &Measured, host: &Series) -> Row {
    let Series { variant, probe, .. } = host;
    let speedup = faster(measured.serial(), host, |run| run.seconds);
    let shares = profile(host);
    let is_serial = variant.kind == Kind::Serial;
    let start = estimate(host.start_ups.iter().copied());
    let copied = |run: &Pass| run.bytes_sent + run.bytes_received;
    let serialising = |run: &Pass| run.serialising + run.sum(|worker| worker.serialising);
    Row {
        name: variant.name(),
        kind: variant.kind,
        workers: variant.workers,
        method: variant.method.clone(),
        arguments: variant.arguments.clone(),
        family: variant.family(),
        seconds: of_runs(host, |run| run.seconds),
        free_seconds: of_runs(host, Pass::unhurried),
        speedup,
        free_speedup: faster(measured.serial(), host, Pass::unhurried),
        efficiency: speedup.median / variant.workers.max(1) as f64,
        start_up_seconds: start.filter(|_| !is_serial),
        free_start_up_seconds: (!is_serial).then(|| start_cost(host)),
        placed_seconds: host.placed_seconds,
        placed_bytes: host.placed_bytes,
        bytes_copied: host.runs.last().map_or(0, copied),
        copying_share: copying(host),
        serialising_seconds: median(host.runs.iter().map(serialising)).unwrap_or(0.0),
        cpu_seconds: cpu(host),
        gil_held: probe.as_ref().and_then(|probe| probe.gil_held),
        lock_share: shares.lock,
        lock_waits: probe.as_ref().map_or(0, |probe| probe.lock_waits),
        memory_bytes: probe.as_ref().and_then(|probe| probe.memory),
        breakdown: shares,
        loops: host.loops,
        runs: host.runs.iter().map(|run| run.seconds).collect(),
    }
}

#[cfg(test)]
#[path = "conclude_tests.rs"]
mod tests;
