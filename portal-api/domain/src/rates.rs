//! How many calls a minute takes: per key, user, tenant and address, counted in the database, so that
//! all processes share one count.

use chrono::{DateTime, Utc};
use engine::{StoreError, SystemTx};

/// Calls of a tenant in a minute unless its security policy says otherwise; a user has half of it.
pub const TENANT: i32 = 60_000;
/// Calls from an address in a minute, signed in or not.
pub const ADDRESS: i32 = 60_000;
/// Seconds in which calls are counted.
const WINDOW: i64 = 60;

/// Whose calls are counted, and how many are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// `key/…`, `user/…`, `tenant/…`, `address/…`
    pub subject: String,
    pub most: i32,
}

/// Where the tightest of several limits stands after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub limit: i32,
    pub remaining: i32,
    /// Seconds until counting begins anew.
    pub reset: i64,
    /// This call was one too many.
    pub is_over: bool,
}

impl Rate {
    fn after(now: DateTime<Utc>, limit: i32, calls: i32) -> Self {
        Self {
            limit,
            remaining: (limit - calls).max(0),
            reset: WINDOW - now.timestamp().rem_euclid(WINDOW),
            is_over: calls > limit,
        }
    }
}

/// Counts a call against each limit, and says where the tightest stands; `None` without limits.
///
/// # Errors
/// [`StoreError`].
pub async fn count(tx: &mut SystemTx, limits: &[Limit]) -> Result<Option<Rate>, StoreError> {
    if limits.is_empty() {
        return Ok(None);
    }
    let now = tx.now();
    let subjects: Vec<String> = limits.iter().map(|limit| limit.subject.clone()).collect();
    // In one order, so that two calls never wait for each other.
    let rows = sqlx::query!(
        "insert into rate_counts (subject, minute, calls)
         select subject, $2, 1 from unnest($1::text[]) as subject order by subject
         on conflict (subject) do update
         set calls = case when rate_counts.minute = excluded.minute then rate_counts.calls + 1
                          else 1 end,
             minute = excluded.minute
         returning subject, calls",
        &subjects,
        now.timestamp().div_euclid(WINDOW),
    )
    .fetch_all(tx.conn())
    .await?;
    // About one call in a thousand, by the microsecond it comes in.
    if now.timestamp_subsec_micros().is_multiple_of(1000) {
        forget(tx).await?;
    }
    let rates = rows.into_iter().filter_map(|row| {
        let limit = limits.iter().find(|limit| limit.subject == row.subject)?;
        Some(Rate::after(now, limit.most, row.calls))
    });
    // What is over comes first; then what has least left.
    Ok(rates.min_by_key(|rate| (!rate.is_over, rate.remaining)))
}

/// Forgets who has not called for an hour; a row that somebody counts in just now is left alone.
async fn forget(tx: &mut SystemTx) -> Result<(), StoreError> {
    let minute = tx.now().timestamp().div_euclid(WINDOW);
    sqlx::query!(
        "delete from rate_counts where subject in
             (select subject from rate_counts where minute < $1 for update skip locked)",
        minute - 60,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_says_what_is_left_and_until_when() {
        let now: DateTime<Utc> = "2026-11-20T08:00:45Z".parse().unwrap();
        let rate = Rate::after(now, 10, 4);
        assert_eq!((rate.remaining, rate.reset, rate.is_over), (6, 15, false));
        assert!(!Rate::after(now, 10, 10).is_over);
        let over = Rate::after(now, 10, 11);
        assert_eq!((over.remaining, over.is_over), (0, true));
    }
}
