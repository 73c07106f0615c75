//! How many calls a minute takes: per key, user, tenant and address, counted in the database, so that
//! all processes share one count.

use chrono::{DateTime, Utc};
use engine::ids::TenantId;
use engine::{StoreError, SystemTx};

/// Calls of a tenant in a minute unless its security policy says otherwise; a user has half of it.
pub const TENANT: i32 = 60_000;
/// Calls from an address in a minute, signed in or not.
pub const ADDRESS: i32 = 60_000;

/// Whose calls are counted, and how many are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// `key/…`, `user/…`, `tenant/…`, `address/…`; `day/…` where a day's calls are counted.
    pub subject: String,
    pub most: i32,
    pub window: Window,
}

/// In how long calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    Minute,
    /// By UTC.
    Day,
}

impl Window {
    fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Day => 86_400,
        }
    }

    /// When the window began, in minutes since 1970: by this the table tells windows apart.
    fn began(self, now: DateTime<Utc>) -> i64 {
        let seconds = self.seconds();
        now.timestamp().div_euclid(seconds) * seconds / 60
    }
}

/// Under which a tenant's calls of a day are counted.
pub fn day_of(tenant: TenantId) -> String {
    format!("day/{}", tenant.0.simple())
}

/// Calls of a tenant today.
///
/// # Errors
/// [`StoreError`].
pub async fn today(tx: &mut SystemTx, tenant: TenantId) -> Result<i64, StoreError> {
    let began = Window::Day.began(tx.now());
    let calls = sqlx::query_scalar!(
        "select calls from rate_counts where subject = $1 and minute = $2",
        day_of(tenant),
        began,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(calls.map_or(0, i64::from))
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
    /// In how long calls are counted.
    pub window: Window,
}

impl Rate {
    fn after(now: DateTime<Utc>, limit: &Limit, calls: i32) -> Self {
        let (window, limit) = (limit.window, limit.most);
        let seconds = window.seconds();
        Self {
            limit,
            remaining: (limit - calls).max(0),
            reset: seconds - now.timestamp().rem_euclid(seconds),
            is_over: calls > limit,
            window,
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
    let began: Vec<i64> = limits.iter().map(|limit| limit.window.began(now)).collect();
    // In one order, so that two calls never wait for each other.
    let rows = sqlx::query!(
        "insert into rate_counts (subject, minute, calls)
         select counted.subject, counted.minute, 1
         from unnest($1::text[], $2::bigint[]) as counted (subject, minute)
         order by counted.subject
         on conflict (subject) do update
         set calls = case when rate_counts.minute = excluded.minute then rate_counts.calls + 1
                          else 1 end,
             minute = excluded.minute
         returning subject, calls",
        &subjects,
        &began,
    )
    .fetch_all(tx.conn())
    .await?;
    // About one call in a thousand, by the microsecond it comes in.
    if now.timestamp_subsec_micros().is_multiple_of(1000) {
        forget(tx).await?;
    }
    let rates = rows.into_iter().filter_map(|row| {
        let limit = limits.iter().find(|limit| limit.subject == row.subject)?;
        Some(Rate::after(now, limit, row.calls))
    });
    // What is over comes first; then what has least left.
    Ok(rates.min_by_key(|rate| (!rate.is_over, rate.remaining)))
}

/// Forgets who has not called for an hour; a row that somebody counts in just now is left alone.
async fn forget(tx: &mut SystemTx) -> Result<(), StoreError> {
    let minute = Window::Minute.began(tx.now());
    let day = Window::Day.began(tx.now());
    sqlx::query!(
        "delete from rate_counts where subject in
             (select subject from rate_counts
              where minute < case when subject like 'day/%' then $2 else $1::bigint end
              for update skip locked)",
        minute - 60,
        day,
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
        let minute = Limit {
            subject: String::new(),
            most: 10,
            window: Window::Minute,
        };
        let rate = Rate::after(now, &minute, 4);
        assert_eq!((rate.remaining, rate.reset, rate.is_over), (6, 15, false));
        assert!(!Rate::after(now, &minute, 10).is_over);
        let over = Rate::after(now, &minute, 11);
        assert_eq!((over.remaining, over.is_over), (0, true));
        let day = Limit {
            window: Window::Day,
            ..minute
        };
        assert_eq!(Rate::after(now, &day, 4).reset, 16 * 3600 - 45);
    }
}
