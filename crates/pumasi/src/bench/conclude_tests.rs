//! Each verdict, and its opposite, on records that are made up: nothing here looks at a clock.

use super::*;
use crate::bench::record::{Machine, Probe, Variant};

/// A variant as if it had run eight times; `spent` is what each of its workers spent.
fn host(variant: &Variant, seconds: f64, spent: Spent, states: &[(&str, f64)]) -> Series {
    let workers = vec![spent; variant.workers];
    let run = Pass {
        seconds,
        process_cpu: spent.cpu * variant.workers as f64,
        workers,
        ..Pass::default()
    };
    let shares = states
        .iter()
        .map(|(name, share)| ((*name).to_owned(), *share));
    Series {
        variant: variant.clone(),
        start_ups: vec![0.002],
        free_start_ups: vec![0.002],
        placed_seconds: 0.0,
        placed_bytes: 0,
        runs: vec![run.clone(); 8],
        loops: 1,
        probe: Some(Probe {
            record: run,
            shares: shares.collect(),
            ..Probe::default()
        }),
    }
}

fn spent(wall: f64, cpu: f64) -> Spent {
    Spent {
        wall,
        cpu,
        ..Spent::default()
    }
}

fn with_gil(mut host: Series, held: f64) -> Series {
    host.probe.as_mut().unwrap().gil_held = Some(held);
    host
}

fn variant(kind: Kind, workers: usize, arguments: Option<&str>) -> Variant {
    Variant {
        kind,
        workers,
        method: arguments.map(|_| "fork".to_owned()),
        arguments: arguments.map(str::to_owned),
    }
}

fn serial() -> Variant {
    variant(Kind::Serial, 1, None)
}

fn threads() -> Variant {
    variant(Kind::Threads, 4, None)
}

fn pickled() -> Variant {
    variant(Kind::Processes, 4, Some("pickled"))
}

fn native() -> Variant {
    variant(Kind::Processes, 4, Some("native"))
}

fn measured(hosts: Vec<Series>) -> Measured {
    Measured {
        function: "work".to_owned(),
        items: 100,
        cores: 4,
        machine: Machine {
            python: Some("3.13".to_owned()),
            ..Machine::default()
        },
        budget: 20.0,
        seconds: 1.0,
        rounds: 8,
        hosts,
        left_out: Vec::new(),
        warnings: Vec::new(),
        reference: BTreeMap::new(),
    }
}

fn in_rust(mut measured: Measured) -> Measured {
    measured.machine.python = None;
    measured
}

fn codes(report: &Report) -> Vec<&'static str> {
    report
        .verdicts
        .iter()
        .map(|verdict| verdict.code.code())
        .collect()
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

fn the_number(verdict: &Verdict, name: &str) -> f64 {
    match verdict.numbers[name] {
        Fact::Number(value) => value,
        Fact::Text(_) => f64::NAN,
    }
}

#[test]
fn what_is_no_measurement_is_refused() {
    assert!(conclude(measured(Vec::new())).is_err());
    let first = host(&threads(), 1.0, spent(1.0, 1.0), &[]);
    assert!(conclude(measured(vec![first])).is_err());
    let mut empty = host(&serial(), 1.0, spent(1.0, 1.0), &[]);
    empty.runs.clear();
    assert!(
        conclude(measured(vec![empty]))
            .unwrap_err()
            .contains("no runs")
    );
}

#[test]
fn the_interpreters_lock_binds_by_how_long_it_is_held() {
    for (held, code) in [
        (1.0, "gil"),
        (0.71, "gil"),
        (0.69, "gil-partly"),
        (0.41, "gil-partly"),
        (0.39, "releases-gil"),
        (0.0, "releases-gil"),
    ] {
        let one = with_gil(host(&serial(), 1.0, spent(1.0, 1.0), &[]), held);
        let four = host(&threads(), 0.3, spent(0.3, 0.25), &[("gil", 0.2)]);
        let report = conclude(measured(vec![one, four])).unwrap();
        assert_eq!(codes(&report), [code], "{held}");
        // A gain of threads that cannot be is noise.
        let kind = if code == "gil" {
            Kind::Serial
        } else {
            Kind::Threads
        };
        assert_eq!(report.advice.kind, kind, "{held}");
    }
}

#[test]
fn rust_computes_and_holds_no_interpreters_lock() {
    let one = host(&serial(), 1.0, spent(1.0, 1.0), &[]);
    let four = host(&threads(), 0.26, spent(0.26, 0.25), &[]);
    let report = conclude(in_rust(measured(vec![one, four]))).unwrap();
    assert_eq!(codes(&report), ["computes"]);
    assert_eq!(report.advice.variant, "threads 4");
    assert!(report.to_string().contains("=> use threads 4"), "{report}");
}

#[test]
fn what_is_parallel_itself_is_told_so() {
    let mut one = host(&serial(), 1.0, spent(1.0, 1.0), &[]);
    for run in &mut one.runs {
        run.process_cpu = 3.0;
    }
    let four = host(&threads(), 1.0, spent(1.0, 0.3), &[]);
    let report = conclude(measured(vec![one, four])).unwrap();
    assert_eq!(codes(&report), ["parallel-itself"]);
    assert!(close(the_number(&report.verdicts[0], "cores"), 3.0));
    assert!(!report.advice.worth_it);
    // The thread that called may wait for those which compute; or for something else.
    for (process, code, cores) in [(1.8, "parallel-itself", 1.8), (0.2, "waiting", 0.0)] {
        let mut one = host(&serial(), 1.0, spent(1.0, 0.02), &[("lock", 0.9)]);
        for run in &mut one.runs {
            run.process_cpu = process;
        }
        let report = conclude(in_rust(measured(vec![one]))).unwrap();
        assert_eq!(codes(&report), [code]);
        if cores > 0.0 {
            assert!(close(the_number(&report.verdicts[0], "cores"), cores));
        }
    }
}

#[test]
fn waiting_by_what_it_waits_for() {
    for (state, other) in [("sleep", "io"), ("io", "sleep")] {
        let one = host(&serial(), 1.0, spent(1.0, 0.01), &[(state, 0.9)]);
        let four = host(&threads(), 0.25, spent(0.25, 0.003), &[(state, 0.9)]);
        let report = conclude(measured(vec![one, four])).unwrap();
        assert_eq!(codes(&report), ["waiting"]);
        assert!(the_number(&report.verdicts[0], state) > 0.9);
        assert!(close(the_number(&report.verdicts[0], other), 0.0));
        assert_eq!(report.advice.kind, Kind::Threads);
    }
    // Half of the time on a core is computing.
    let one = host(&serial(), 1.0, spent(1.0, 0.51), &[("io", 0.5)]);
    let report = conclude(in_rust(measured(vec![one]))).unwrap();
    assert_eq!(codes(&report), ["computes"]);
}

#[test]
fn a_lock_binds_where_most_ways_wait_for_it() {
    let one = || host(&serial(), 1.0, spent(1.0, 0.02), &[("sleep", 0.9)]);
    let waits = |variant, lock| {
        let states = [("lock", lock), ("sleep", 0.9 - lock)];
        host(&variant, 1.0, spent(1.0, 0.01), &states)
    };
    let all = measured(vec![one(), waits(threads(), 0.7), waits(native(), 0.7)]);
    let report = conclude(all).unwrap();
    assert_eq!(codes(&report), ["lock", "waiting"]);
    assert!(!report.advice.worth_it);
    // A lock of threads alone is found when it is all there is, and not where processes have none.
    let report = conclude(measured(vec![one(), waits(threads(), 0.7)])).unwrap();
    assert_eq!(codes(&report)[0], "lock");
    let free = host(&native(), 0.25, spent(0.25, 0.005), &[("sleep", 0.9)]);
    let report = conclude(measured(vec![one(), waits(threads(), 0.7), free])).unwrap();
    assert_eq!(codes(&report), ["waiting"]);
    assert_eq!(report.advice.kind, Kind::Processes);
    // Nor is a way better in which nobody was seen to wait for it, for want of a core to do so.
    let busy = Spent {
        waited: 0.8,
        ..spent(1.0, 0.01)
    };
    let missed = host(&pickled(), 1.0, busy, &[("sleep", 0.1)]);
    let all = vec![one(), waits(threads(), 0.7), waits(native(), 0.7), missed];
    let report = conclude(measured(all)).unwrap();
    assert_eq!(codes(&report), ["lock", "waiting"]);
    assert!(!report.advice.worth_it, "{report}");
    // A little waiting for locks binds nothing.
    let report = conclude(measured(vec![one(), waits(threads(), 0.2)])).unwrap();
    assert!(!codes(&report).contains(&"lock"));
}

#[test]
fn memory_binds_where_cores_lose_more_than_they_share() {
    let of = |inflated: f64, together: f64, host_of: &Variant| {
        let one = with_gil(host(&serial(), 1.0, spent(1.0, 1.0), &[]), 0.02);
        let each = spent(inflated / 4.0, inflated / 4.0);
        let four = host(host_of, inflated / 4.0, each, &[]);
        let mut all = measured(vec![one, four]);
        all.reference = BTreeMap::from([(1, 0.01), (4, together)]);
        conclude(all).unwrap()
    };
    let report = of(2.0, 0.0102, &threads());
    assert_eq!(codes(&report), ["releases-gil", "memory"]);
    let memory = &report.verdicts[1];
    assert!(close(the_number(memory, "inflated"), 2.0));
    assert!(close(memory.share, 0.5));
    // Views of arrays in shared memory load it as threads do.
    let shared = variant(Kind::Processes, 4, Some("shared"));
    assert_eq!(codes(&of(2.0, 0.0102, &shared)), ["releases-gil", "memory"]);
    // Hyper-threads would explain the same.
    assert_eq!(codes(&of(2.0, 0.019, &threads())), ["releases-gil"]);
    // A loss that small is nothing.
    assert_eq!(codes(&of(1.2, 0.01, &threads())), ["releases-gil"]);
    // Where pickles are made more time on cores is no wonder.
    assert_eq!(codes(&of(2.0, 0.0102, &pickled())), ["releases-gil"]);
}

#[test]
fn memory_needs_a_reference_and_a_work_that_can_be_measured() {
    let with = |seconds: f64, reference: &[(usize, f64)]| {
        let one = host(&serial(), seconds, spent(seconds, seconds), &[]);
        let four = host(
            &threads(),
            seconds / 2.0,
            spent(seconds / 2.0, seconds / 2.0),
            &[],
        );
        let mut all = in_rust(measured(vec![one, four]));
        all.reference = reference.iter().copied().collect();
        codes(&conclude(all).unwrap()).contains(&"memory")
    };
    assert!(with(1.0, &[(1, 0.01), (4, 0.01)]));
    assert!(!with(1.0, &[]));
    assert!(!with(1.0, &[(1, 0.01)]));
    assert!(!with(0.001, &[(1, 0.01), (4, 0.01)]));
    // Of what waits nobody knows what it would load.
    let one = host(&serial(), 1.0, spent(1.0, 0.1), &[("io", 0.9)]);
    let four = host(&threads(), 0.3, spent(0.3, 0.1), &[("io", 0.9)]);
    let mut all = measured(vec![one, four]);
    all.reference = BTreeMap::from([(1, 0.01), (4, 0.01)]);
    assert_eq!(codes(&conclude(all).unwrap()), ["waiting"]);
}

#[test]
fn copying_and_the_way_around_it() {
    let run = |serialising: f64, bytes: u64| {
        let one = with_gil(host(&serial(), 1.0, spent(1.0, 1.0), &[]), 1.0);
        let theirs = Spent {
            serialising: serialising * 0.75,
            ..spent(0.9, 0.6)
        };
        let mut slow = host(&pickled(), 0.9, theirs, &[]);
        for run in &mut slow.runs {
            (run.serialising, run.bytes_sent) = (serialising, bytes);
        }
        let fast = host(&native(), 0.3, spent(0.27, 0.26), &[]);
        let pool = variant(Kind::Processes, 4, Some("pool"));
        let pool = host(&pool, 0.5, spent(0.5, 0.3), &[]);
        conclude(measured(vec![one, slow, pool, fast])).unwrap()
    };
    let report = run(0.4, 100_000_000);
    assert_eq!(codes(&report), ["gil", "copying"]);
    assert_eq!(report.advice.variant, "processes 4 (fork, native)");
    let copying = &report.verdicts[1];
    assert_eq!(
        copying.numbers["variant"],
        Fact::Text("processes 4 (fork, pickled)".to_owned())
    );
    assert!(close(copying.share, (0.4 + 0.3) / 0.9));
    // Little time, or few bytes: the pickling of nothing in particular.
    assert_eq!(codes(&run(0.1, 100_000_000)), ["gil"]);
    assert_eq!(codes(&run(0.4, 5_000)), ["gil"]);
}

#[test]
fn copying_counts_in_rust_too() {
    let one = host(&serial(), 1.0, spent(1.0, 1.0), &[]);
    let mut two = host(
        &variant(Kind::Processes, 2, None),
        1.0,
        spent(0.5, 0.5),
        &[],
    );
    for run in &mut two.runs {
        (run.serialising, run.bytes_received) = (0.5, 1 << 20);
    }
    let report = conclude(in_rust(measured(vec![one, two]))).unwrap();
    assert_eq!(codes(&report), ["computes", "copying"]);
    assert_eq!(report.variants[1].name, "processes 2");
}

#[test]
fn start_up_which_eats_the_gain() {
    let one = with_gil(host(&serial(), 0.1, spent(0.1, 0.1), &[]), 1.0);
    let mut four = host(&native(), 0.03, spent(0.03, 0.03), &[]);
    four.start_ups = vec![0.3];
    four.free_start_ups = vec![0.5, 0.3];
    let report = conclude(measured(vec![one.clone(), four.clone()])).unwrap();
    assert_eq!(codes(&report), ["gil", "start-up"]);
    assert!(!report.advice.worth_it);
    assert!(close(report.advice.gain, 1.0));
    // 0.3 s of start against 0.7 ms gained by each item.
    assert!(close(report.break_even[0].items.unwrap(), 0.3 / 0.0007));
    assert!(!report.break_even[0].at_least);
    // With a start that costs little it pays.
    four.free_start_ups = vec![0.01];
    let report = conclude(measured(vec![one, four])).unwrap();
    assert_eq!(codes(&report), ["gil"]);
    assert!(report.advice.worth_it);
    assert!(close(report.advice.gain, 0.1 / 0.04));
    assert!(close(report.advice.warm_gain, 0.1 / 0.03));
}

#[test]
fn what_is_too_small_is_not_worth_it() {
    let one = with_gil(host(&serial(), 1e-5, spent(1e-5, 1e-5), &[]), 1.0);
    let two = host(&threads(), 1e-4, spent(5e-5, 1e-5), &[("lock", 0.5)]);
    let four = host(&pickled(), 4e-4, spent(1e-4, 1e-4), &[]);
    let report = conclude(measured(vec![one, two, four])).unwrap();
    assert_eq!(codes(&report), ["too-small"]);
    assert!(!report.advice.worth_it);
    assert_eq!(report.advice.variant, "serial");
    assert!(report.break_even[0].at_least);
    assert!(report.fits.is_empty());
    assert!(report.to_string().ends_with("not worth it: keep it serial"));
    // A work that waits is said to, as well.
    let one = host(&serial(), 1e-4, spent(1e-4, 1e-5), &[("sleep", 0.9)]);
    let two = host(&threads(), 1e-3, spent(1e-3, 1e-5), &[("sleep", 0.9)]);
    let report = conclude(measured(vec![one, two])).unwrap();
    assert_eq!(codes(&report), ["too-small", "waiting"]);
}

#[test]
fn not_worth_it_without_being_small() {
    // Long, and nobody gains: a gain below what is worth it is none.
    let one = with_gil(host(&serial(), 10.0, spent(10.0, 10.0), &[]), 0.5);
    let four = host(&native(), 9.5, spent(9.5, 2.4), &[]);
    let report = conclude(measured(vec![one, four])).unwrap();
    assert_eq!(codes(&report), ["gil-partly"]);
    assert!(!report.advice.worth_it);
    assert_eq!(report.break_even[0].items, None);
}

#[test]
fn the_simpler_of_two_that_gain_alike() {
    let one = host(&serial(), 1.0, spent(1.0, 1.0), &[]);
    let two = host(
        &variant(Kind::Threads, 2, None),
        0.52,
        spent(0.52, 0.5),
        &[],
    );
    let four = host(&threads(), 0.5, spent(0.5, 0.25), &[]);
    let processes = host(&native(), 0.49, spent(0.49, 0.25), &[]);
    let report = conclude(in_rust(measured(vec![one, processes, four, two]))).unwrap();
    assert_eq!(report.advice.variant, "threads 2");
}

#[test]
fn others_on_the_machine_change_no_verdict() {
    let run = |serial_spent: Spent, seconds: f64, each: Spent, done: f64| {
        let one = with_gil(host(&serial(), seconds, serial_spent, &[]), 0.99);
        let four = host(&pickled(), done, each, &[]);
        conclude(measured(vec![one, four])).unwrap()
    };
    let quiet = run(spent(1.0, 1.0), 1.0, spent(0.25, 0.25), 0.26);
    // Everybody gets a third of a core.
    let waited = |waited, one: Spent| Spent { waited, ..one };
    let busy = run(
        waited(2.0, spent(3.0, 1.0)),
        3.0,
        waited(0.5, spent(0.75, 0.25)),
        0.76,
    );
    assert_eq!((codes(&quiet), codes(&busy)), (vec!["gil"], vec!["gil"]));
    assert_eq!(quiet.advice.variant, busy.advice.variant);
    assert!(close(quiet.advice.warm_gain, busy.advice.warm_gain));
    assert!(close(busy.busy, 2.0 / 3.0));
}

#[test]
fn a_breakdown_adds_up() {
    let states = [("gil", 0.1), ("lock", 0.3), ("running", 0.6)];
    let each = Spent {
        waited: 0.2,
        ..spent(0.9, 0.3)
    };
    let found = profile(&host(&threads(), 1.0, each, &states));
    let Profile {
        computing,
        no_core,
        gil,
        lock,
        sleep,
        io,
        serialising,
        idle,
    } = found;
    let all = computing + no_core + gil + lock + sleep + io + serialising + idle;
    assert!(close(all, 1.0), "{found:?}");
    assert!(close(lock, 3.0 * gil) && close(lock, 0.3));
    assert!(close(computing + no_core, 0.5));
    // What was not looked at is input and output.
    let found = profile(&host(&serial(), 1.0, spent(1.0, 0.4), &[]));
    assert!(close(found.io, 0.6) && close(found.computing, 0.4));
}

#[test]
fn families_are_fitted_each_by_itself() {
    let mut hosts = vec![host(&serial(), 1.0, spent(1.0, 1.0), &[])];
    for (workers, seconds) in [(1, 1.0), (2, 0.55), (4, 0.325), (8, 0.3)] {
        let each = spent(seconds, seconds * 0.9);
        for kind in [Kind::Threads, Kind::Processes] {
            hosts.push(host(&variant(kind, workers, None), seconds, each, &[]));
        }
    }
    let report = conclude(in_rust(measured(hosts))).unwrap();
    let fitted: Vec<_> = report
        .fits
        .iter()
        .map(|fit| (fit.family.as_str(), fit.model, fit.points, fit.refused))
        .collect();
    // Eight workers are more than there are cores, and say nothing of cores.
    assert_eq!(
        fitted,
        [
            ("threads", "amdahl", 3, None),
            ("threads", "usl", 3, Some("points")),
            ("processes", "amdahl", 3, None),
            ("processes", "usl", 3, Some("points")),
        ]
    );
    let serial = report.fits[0].serial_fraction.unwrap().value;
    assert!((serial - 0.1).abs() < 1e-6, "{serial}");
}
