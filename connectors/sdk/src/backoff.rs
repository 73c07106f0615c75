//! Waiting between attempts inside one call. What outlives a process is the engine's to repeat.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

use crate::{ConnectorError, Result};

/// How often and how far apart to try again: doubling waits with full jitter.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Attempts after the first.
    pub retries: usize,
    pub first: Duration,
    pub longest: Duration,
}

impl Backoff {
    fn builder(self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .with_max_times(self.retries)
            .with_jitter()
    }

    /// The waits, one per further attempt.
    pub fn delays(self) -> impl Iterator<Item = Duration> + Send {
        self.builder().build()
    }

    /// Runs `attempt` until it succeeds, fails with an error that `repeat` declines, or the
    /// attempts are used up; the last error is the answer.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn retry<T, F>(
        self,
        attempt: impl FnMut() -> F + Send,
        repeat: impl FnMut(&ConnectorError) -> bool + Send,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        attempt.retry(self.builder()).when(repeat).await
    }
}

/// A random time between two, so that many who were refused at once do not come back at once.
/// Without randomness from the system it is the longer one.
pub fn between(shortest: Duration, longest: Duration) -> Duration {
    let Ok(random) = getrandom::u32() else {
        return longest;
    };
    let share = f64::from(random) / f64::from(u32::MAX);
    shortest + longest.saturating_sub(shortest).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const QUICK: Backoff = Backoff {
        retries: 3,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(4),
    };

    #[test]
    fn waits_are_bounded_and_as_many_as_said() {
        let waits: Vec<_> = QUICK.delays().collect();
        assert_eq!(waits.len(), 3);
        // Jitter adds at most the wait itself.
        assert!(waits.iter().all(|wait| *wait <= QUICK.longest * 2));
        for _ in 0..100 {
            let wait = between(Duration::from_secs(5), Duration::from_secs(60));
            assert!((5.0..=60.0).contains(&wait.as_secs_f64()));
        }
    }

    #[tokio::test]
    async fn only_what_may_be_repeated_is_repeated() {
        let tries = std::sync::atomic::AtomicUsize::new(0);
        let count = || tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let fail = async || -> Result<()> {
            count();
            Err(ConnectorError::transient("busy"))
        };
        let error = QUICK
            .retry(fail, ConnectorError::is_retryable)
            .await
            .unwrap_err();
        assert_eq!((error.kind, tries.into_inner()), (ErrorKind::Transient, 4));
    }
}
