//! How long to wait before the next attempt: exponential with full jitter, as a pure function.

use std::time::Duration;

/// How often and how fast a step is tried again after transient failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all; the run fails with the last. At least one.
    pub attempts: u32,
    /// Upper bound of the wait before the second attempt; doubles with each further one.
    pub first: Duration,
    /// The bound stops doubling here.
    pub longest: Duration,
}

impl Retry {
    /// Ten attempts over some 25 minutes (half of that on average, by the jitter).
    pub const DEFAULT: Self = Self {
        attempts: 10,
        first: Duration::from_secs(1),
        longest: Duration::from_secs(600),
    };

    /// One attempt.
    pub const NEVER: Self = Self {
        attempts: 1,
        first: Duration::ZERO,
        longest: Duration::ZERO,
    };

    /// The wait after `failed` failed attempts (at least one), evenly between zero and the bound;
    /// the same for the same seed.
    pub fn delay(&self, failed: u32, seed: u64) -> Duration {
        let doublings = failed.saturating_sub(1).min(30);
        let bound = self
            .first
            .saturating_mul(1 << doublings)
            .min(self.longest)
            .as_micros();
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        // 53 bits are what a double holds exactly; the product stays within the bound.
        let share = (mix(seed ^ u64::from(failed)) >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_micros((bound as f64 * share) as u64)
    }
}

/// SplitMix64's finaliser (Steele, Lea, Flood, 2014): every bit of the seed moves every other.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        attempts: 20,
        first: Duration::from_millis(100),
        longest: Duration::from_secs(5),
    };

    #[test]
    fn a_wait_stays_under_its_doubling_bound_and_under_the_longest() {
        for seed in 0..500 {
            for failed in 1..40 {
                let bound = Duration::from_millis(100 << (failed - 1).min(20)).min(RETRY.longest);
                assert!(RETRY.delay(failed, seed) <= bound, "{failed} {seed}");
            }
        }
    }

    #[test]
    fn waits_of_many_seeds_spread_over_the_whole_bound() {
        let waits: Vec<_> = (0..1000).map(|seed| RETRY.delay(7, seed)).collect();
        let mean = waits.iter().sum::<Duration>() / 1000;
        assert!(mean > Duration::from_millis(2300) && mean < Duration::from_millis(2700));
        assert!(waits.iter().any(|wait| *wait < Duration::from_millis(500)));
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(4500)));
    }

    #[test]
    fn the_same_seed_gives_the_same_wait() {
        assert_eq!(RETRY.delay(3, 42), RETRY.delay(3, 42));
        assert_ne!(RETRY.delay(3, 42), RETRY.delay(3, 43));
    }
}
