//! What a schedule would cost before it is made or changed. An order that names what was shown is
//! refused when that holds no more.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, TimeDelta, Utc};
use engine::budget;
use engine::ids::{ConnectionId, ScheduleId};
use engine::runtime::cron::{Times, Timing};
use engine::store::schedules::{self, Schedule};
use engine::{StoreError, Tx};
use sha2::{Digest, Sha256};

use crate::schedules::{Refusal, Wish, checked};

/// More firings in a day than any expression of five fields has.
const MOST: usize = 1_500;
/// Records of one call, as systems give them.
const PAGE: i64 = 2_000;
/// Finished runs of the stream that say what one costs.
const SAMPLE: i64 = 20;
/// Place of scheduled reads among the lanes of a budget.
const INCREMENTAL: usize = 2;

/// What a schedule would do.
#[derive(Clone, Debug)]
pub struct SchedulePreview {
    /// Of all that the answer depends on: an order names it.
    pub token: String,
    pub next: Vec<DateTime<Utc>>,
    pub runs_per_day: u64,
    /// What one run came to lately, rounded up; one where none was yet.
    pub calls_per_run: u64,
    pub calls_per_day: u64,
    /// Of the other schedules of the connection.
    pub others_per_day: u64,
    /// What scheduled reads may use of the connection's budget in a day; `None` where none is known.
    pub budget_per_day: Option<u64>,
    /// Other schedules of the connection that fire within a minute of one of the next five times.
    pub overlaps: Vec<(ScheduleId, String)>,
}

impl SchedulePreview {
    /// Whether the connection's schedules together ask for more than the budget gives.
    pub fn is_over(&self) -> bool {
        let together = self.calls_per_day.saturating_add(self.others_per_day);
        self.budget_per_day.is_some_and(|budget| together > budget)
    }
}

/// Says what a schedule would do; `replaces` names the one that it would be.
///
/// # Errors
/// [`Refusal`], as making it.
pub async fn preview(
    tx: &mut Tx,
    wish: &Wish,
    replaces: Option<ScheduleId>,
) -> Result<SchedulePreview, Refusal> {
    let (connection, stream) = checked(tx, wish).await?;
    let now = tx.now();
    let id = replaces.unwrap_or_else(ScheduleId::fresh);
    let times = Times::new(&wish.timing).map_err(schedules::ScheduleError::from)?;
    times
        .first(id, now)
        .map_err(schedules::ScheduleError::from)?;
    let firings = |count| {
        let firings = times.firings(id, now, count);
        firings
            .into_iter()
            .map(|firing| firing.at)
            .collect::<Vec<_>>()
    };
    let next = firings(5);
    let runs_per_day = in_a_day(&firings(MOST), now);
    let mut others = schedules::list(tx).await?;
    others.retain(|other| {
        other.spec.connection_id == Some(connection)
            && Some(other.id) != replaces
            && other.spec.pause.is_none()
    });
    let mut costs = BTreeMap::new();
    for stream in others
        .iter()
        .filter_map(|other| other.spec.stream.clone())
        .chain([stream.clone()])
    {
        if let Entry::Vacant(place) = costs.entry(stream) {
            let cost = calls_per_run(tx, connection, place.key()).await?;
            place.insert(cost);
        }
    }
    let cost_of =
        |stream: Option<&String>| stream.and_then(|one| costs.get(one)).copied().unwrap_or(1);
    let others_per_day = others
        .iter()
        .map(|other| per_day(other, now) * cost_of(other.spec.stream.as_ref()))
        .sum();
    let calls_per_run = cost_of(Some(&stream));
    let budget_per_day = match budget::get(tx, &connection.to_string()).await {
        Ok(row) => Some(allowed(row.spec.refill, row.spec.reserve[INCREMENTAL])),
        Err(StoreError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(SchedulePreview {
        token: token(wish, &others, budget_per_day),
        overlaps: overlaps(&next, &others),
        next,
        runs_per_day,
        calls_per_run,
        calls_per_day: runs_per_day * calls_per_run,
        others_per_day,
        budget_per_day,
    })
}

/// Refuses an order by a preview that holds no more.
///
/// # Errors
/// [`StoreError::Conflict`] inside [`Refusal`].
pub async fn check(
    tx: &mut Tx,
    wish: &Wish,
    replaces: Option<ScheduleId>,
    shown: &str,
) -> Result<(), Refusal> {
    if preview(tx, wish, replaces).await?.token == shown {
        return Ok(());
    }
    let message =
        "the preview is of another schedule, or other schedules or the budget changed since";
    Err(StoreError::Conflict(message.to_owned()).into())
}

fn in_a_day(firings: &[DateTime<Utc>], now: DateTime<Utc>) -> u64 {
    let until = now + TimeDelta::days(1);
    firings.iter().take_while(|at| **at < until).count() as u64
}

fn per_day(schedule: &Schedule, now: DateTime<Utc>) -> u64 {
    in_a_day(&schedule.next_times(MOST), now)
}

/// The part of a day's calls that is not kept for those before.
fn allowed(refill: f64, reserve: f64) -> u64 {
    let calls = refill * 86_400.0 * (1.0 - reserve);
    // Figures of a budget are finite and at most 10^9 a second.
    calls.max(0.0) as u64
}

fn overlaps(next: &[DateTime<Utc>], others: &[Schedule]) -> Vec<(ScheduleId, String)> {
    let Some(last) = next.last() else {
        return Vec::new();
    };
    let is_near = |one: &DateTime<Utc>| {
        let apart = |other: &DateTime<Utc>| (*one - *other).abs() < TimeDelta::minutes(1);
        next.iter().any(apart)
    };
    let meets = |other: &&Schedule| {
        let times = other.next_times(MOST);
        let mut soon = times
            .iter()
            .take_while(|at| **at <= *last + TimeDelta::minutes(1));
        soon.any(is_near)
    };
    let meeting = others.iter().filter(meets);
    meeting
        .map(|other| (other.id, other.spec.name.clone()))
        .collect()
}

/// What reading a stream came to lately: a call at least, and one for each page.
async fn calls_per_run(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<u64, StoreError> {
    let calls = sqlx::query_scalar!(
        r#"
        select ceil(avg(1 + read / $4))::bigint
        from (
            select coalesce((counts ->> 'read')::bigint, 0) as read
            from finished_runs
            where connection_id = $1 and stream = $2 and workflow = $5 and state = 'succeeded'
            order by id desc
            limit $3
        ) as runs
        "#,
        connection.0,
        stream,
        SAMPLE,
        PAGE,
        crate::pulls::PULL_WORKFLOW,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(calls
        .and_then(|calls| u64::try_from(calls).ok())
        .unwrap_or(1)
        .max(1))
}

fn token(wish: &Wish, others: &[Schedule], budget: Option<u64>) -> String {
    let Timing {
        cron,
        time_zone,
        gap,
        repeat,
        starts_at,
        ends_at,
        jitter_seconds,
    } = &wish.timing;
    let others: Vec<(ScheduleId, i64)> = others
        .iter()
        .map(|other| (other.id, other.version))
        .collect();
    let facts = serde_json::json!({
        "workflow": wish.workflow,
        "connection": wish.connection_id,
        "stream": wish.stream,
        "timing": [
            serde_json::json!(cron),
            serde_json::json!(time_zone),
            serde_json::json!(gap),
            serde_json::json!(repeat),
            serde_json::json!(starts_at),
            serde_json::json!(ends_at),
            serde_json::json!(jitter_seconds),
        ],
        "overlap": wish.overlap,
        "catch_up": wish.catch_up,
        "catch_up_limit": wish.catch_up_limit,
        "others": others,
        "budget": budget,
    });
    let digest = Sha256::digest(facts.to_string().as_bytes());
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
