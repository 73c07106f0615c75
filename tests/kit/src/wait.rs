//! Waiting for something to become true.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks every 50 ms until the answer is there.
///
/// # Errors
/// The question's own error, or that the time is over, with `what` was waited for.
pub async fn until<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let answer = until_done(what, limit, || {
        let asked = ask();
        async move { Ok((0, asked.await?)) }
    });
    answer.await
}

/// Asks every 50 ms until the answer is there, for as long as the number beside it (how much is done)
/// goes on growing: a busy machine may be slow, but what stands still for `stall` has failed.
///
/// # Errors
/// The question's own error, or that nothing was done for `stall`, with `what` was waited for.
pub async fn until_done<T, F>(what: &str, stall: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<(i64, Option<T>)>>,
{
    let (mut most, mut grew) = (i64::MIN, Instant::now());
    loop {
        let (done, answer) = ask().await?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
        if done > most {
            (most, grew) = (done, Instant::now());
        } else if grew.elapsed() > stall {
            bail!("{what} did not come about within {} s", stall.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
