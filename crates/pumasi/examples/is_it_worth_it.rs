//! Threads, processes, or neither? A function of one's own, measured in all three ways.
//!
//! With a file's name as argument the report goes there, too: `pumasi bench --report FILE` shows it
//! with sentences and bars, and `--html PAGE` makes a page with plots of it.

use std::time::Duration;

use pumasi::bench::Bench;

/// How many steps the numbers below this one take to come to 1 (Collatz).
#[pumasi::task]
fn steps(below: u64) -> u64 {
    let of = |n: u64| {
        let next = |n: &u64| match n {
            1 => None,
            n if n % 2 == 0 => Some(n / 2),
            n => Some(3 * n + 1),
        };
        std::iter::successors(Some(n), next).count() as u64 - 1
    };
    (1..below).map(of).sum()
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let report = Bench::new(steps, [20_000; 16])
        .processes(steps::call)
        .precision(0.5)
        .budget(Duration::from_secs(60))
        .run()?;
    println!("{report}");
    if let Some(file) = std::env::args().nth(1) {
        std::fs::write(file, serde_json::to_string(&report)?)?;
    }
    assert_eq!(report.variants[0].name, "serial");
    let differs = |code: &str| ["not-deterministic", "different"].contains(&code);
    let mut warnings = report.warnings.iter();
    assert!(
        !warnings.any(|warning| differs(&warning.code)),
        "it gives the same everywhere"
    );
    Ok(())
}
