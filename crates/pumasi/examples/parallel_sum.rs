//! A sum in pieces: one call for each piece, as many processes at a time as there are processors.

use std::ops::Range;
use std::time::Instant;

/// How many numbers of a range are prime, the slow way.
#[pumasi::task]
fn primes(range: Range<u64>) -> u64 {
    let is_prime = |n: &u64| {
        *n > 1
            && (2..)
                .take_while(|d| d * d <= *n)
                .all(|d| !n.is_multiple_of(d))
    };
    range.filter(is_prime).count() as u64
}

#[pumasi::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limit = 2_000_000;
    let pieces = 16;

    let begin = Instant::now();
    let alone = primes(0..limit);
    println!(
        "{alone} primes below {limit}: {:.2?} in one process",
        begin.elapsed()
    );

    let begin = Instant::now();
    let calls = (0..pieces).map(|n| primes::call(limit * n / pieces..limit * (n + 1) / pieces));
    let mut together = 0;
    for result in pumasi::process::parallel(calls)? {
        together += result?;
    }
    println!(
        "{together} primes below {limit}: {:.2?} in several",
        begin.elapsed()
    );
    assert_eq!(together, alone);
    Ok(())
}
