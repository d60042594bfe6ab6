//! For how long a wait looks before it sleeps: for as long as pays.
//!
//! To wake a sleeper takes some 25 to 50 µs, on top of which the one who wakes it pays. To look for
//! as long as that costs at most twice what the best choice would have cost, whatever comes (Karlin,
//! Li, Manasse and Owicki 1991, "Empirical studies of competitive spinning"); to look as long as paid
//! off lately costs less. What counts is when something came, not whether the look was long enough:
//! of two that answer each other, one that has slept makes the other's wait longer by a wake-up, and
//! both would look ever shorter and sleep ever after.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

/// Nanoseconds.
const LONGEST: u32 = 50_000;
const SHORTEST: u32 = 1_000;
/// Below the shortest: sleeps at once. Who looks in vain before every sleep has used more of its
/// processor than the one who will wake it, so that the kernel, where both share a core, lets it
/// run only when the other sleeps, and not at once.
const NOT_AT_ALL: u32 = 0;
/// What came within this would have come within the longest look if nobody had slept.
const SOON: Duration = Duration::from_nanos(2 * LONGEST as u64);
/// So many long looks may be in vain one after the other, though it came soon: something that comes
/// every 80 µs gains nothing by them. Then only one wait in so many tries again.
const VAIN: u32 = 8;
const AGAIN: u32 = 64;

/// What the waits of one handle have learnt.
pub(super) struct Patience {
    look: AtomicU32,
    vain: AtomicU32,
}

impl Patience {
    /// Nothing is known: look long.
    pub(super) const fn new() -> Patience {
        Patience {
            look: AtomicU32::new(LONGEST),
            vain: AtomicU32::new(0),
        }
    }

    /// For how long the next wait looks; zero: it sleeps at once.
    pub(super) fn look(&self) -> Duration {
        Duration::from_nanos(self.look.load(Ordering::Relaxed).into())
    }

    /// It came during the look.
    pub(super) fn found(&self) {
        let look = self.look.load(Ordering::Relaxed);
        self.set(look.saturating_mul(2).min(LONGEST));
        self.vain.store(0, Ordering::Relaxed);
    }

    /// It came after a sleep, so long after the look had begun.
    pub(super) fn slept(&self, waited: Duration) {
        if waited <= SOON {
            let vain = self.vain.load(Ordering::Relaxed).wrapping_add(1);
            self.vain.store(vain, Ordering::Relaxed);
            if vain <= VAIN || vain.is_multiple_of(AGAIN) {
                return self.set(LONGEST);
            }
        }
        let half = self.look.load(Ordering::Relaxed) / 2;
        self.set(if half < SHORTEST { NOT_AT_ALL } else { half });
    }

    fn set(&self, look: u32) {
        self.look.store(look, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAKING: Duration = Duration::from_micros(30);

    /// A wait for what comes after so long; returns what it has looked, and what it has waited.
    fn wait(patience: &Patience, comes: Duration) -> (Duration, Duration) {
        let look = patience.look();
        if comes <= look {
            patience.found();
            return (comes, comes);
        }
        let waited = comes + WAKING;
        patience.slept(waited);
        (look, waited)
    }

    #[test]
    fn who_waits_for_long_sleeps_at_once() {
        let patience = Patience::new();
        for _ in 0..10 {
            wait(&patience, Duration::from_millis(3));
        }
        assert!(patience.look().is_zero());
    }

    #[test]
    fn two_that_answer_each_other_end_awake() {
        let (one, other) = (Patience::new(), Patience::new());
        // Both have had nothing to do.
        for patience in [&one, &other] {
            (0..10).for_each(|_| _ = wait(patience, Duration::from_millis(1)));
        }
        let work = Duration::from_micros(9);
        let mut waking = WAKING;
        for turn in 0..40 {
            let patience = [&one, &other][turn % 2];
            // The other has to wake up first if it slept; then it answers.
            let (looked, waited) = wait(patience, 2 * work + waking);
            waking = if looked == waited {
                Duration::ZERO
            } else {
                WAKING
            };
        }
        assert!(waking.is_zero());
        assert_eq!(
            one.look().max(other.look()),
            Duration::from_nanos(LONGEST.into())
        );
    }

    #[test]
    fn looks_that_never_find_anything_become_rare() {
        for period in [60, 65, 90, 150] {
            let patience = Patience::new();
            let (mut looked, mut waited) = (Duration::ZERO, Duration::ZERO);
            for _ in 0..10_000 {
                let (look, wait) = wait(&patience, Duration::from_micros(period));
                looked += look;
                waited += wait;
            }
            assert!(looked * 20 < waited, "{period}: {looked:?} of {waited:?}");
        }
    }
}
