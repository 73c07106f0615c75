//! Comparing the records of a stream with its system: how often, how far, what was found.

mod absences;
mod found;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

pub use self::absences::{
    absent, confirm, count_confirmed, forget, list, suspect, suspect_unlisted,
};
pub use self::found::{DifferenceRow, NewDifference, differ, differences, tidy, written};
use super::{StoreError, SystemTx, Tx};
use crate::ids::ConnectionId;
use crate::reconcile::Cause;

/// How the records of a stream are compared, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepRow {
    pub within: TimeDelta,
    pub paused: bool,
    pub place: String,
    pub round_began_at: Option<DateTime<Utc>>,
    pub checked: i64,
    pub differing: BTreeMap<Cause, u64>,
    pub round_ended_at: Option<DateTime<Utc>>,
    pub last_checked: Option<i64>,
    pub last_differing: Option<BTreeMap<Cause, u64>>,
    /// 0 for a stream that has the defaults.
    pub version: i64,
}

impl Default for SweepRow {
    fn default() -> Self {
        Self {
            within: TimeDelta::days(7),
            paused: false,
            place: String::new(),
            round_began_at: None,
            checked: 0,
            differing: BTreeMap::new(),
            round_ended_at: None,
            last_checked: None,
            last_differing: None,
            version: 0,
        }
    }
}

/// The sweep of a stream, as it is.
///
/// # Errors
/// [`StoreError`].
pub async fn get(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<SweepRow, StoreError> {
    let row = sqlx::query!(
        r#"
        select within_seconds, paused, place, round_began_at, checked,
               differing as "differing: Json<BTreeMap<Cause, u64>>", round_ended_at, last_checked,
               last_differing as "last_differing: Json<BTreeMap<Cause, u64>>", version
        from sweeps
        where connection_id = $1 and stream = $2
        "#,
        connection.0,
        stream,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else {
        return Ok(SweepRow::default());
    };
    Ok(SweepRow {
        within: TimeDelta::seconds(row.within_seconds),
        paused: row.paused,
        place: row.place,
        round_began_at: row.round_began_at,
        checked: row.checked,
        differing: row.differing.0,
        round_ended_at: row.round_ended_at,
        last_checked: row.last_checked,
        last_differing: row.last_differing.map(|json| json.0),
        version: row.version,
    })
}

/// Sets how often every record is compared, and whether that rests. The caller read this version.
///
/// # Errors
/// [`StoreError::Stale`].
pub async fn put(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    (within, paused): (TimeDelta, bool),
    version: i64,
) -> Result<i64, StoreError> {
    sqlx::query_scalar!(
        "
        insert into sweeps as known (connection_id, stream, within_seconds, paused)
        values ($1, $2, $3, $4)
        on conflict (tenant_id, connection_id, stream) do update
        set within_seconds = excluded.within_seconds,
            paused = excluded.paused,
            version = known.version + 1
        where known.version = $5
        returning version
        ",
        connection.0,
        stream,
        within.num_seconds(),
        paused,
        version,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::Stale(format!("sweep of {stream:?}")))
}

/// Says when the next part of the records is due to be compared.
///
/// # Errors
/// [`StoreError`].
pub async fn due(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update streams set sweep_due_at = $3 where connection_id = $1 and stream = $2",
        connection.0,
        stream,
        at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Living records of a stream by key, from `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn keys(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "
        select key
        from records
        where connection_id = $1 and stream = $2 and key > $3 and removed_at is null
        order by key
        limit $4
        ",
        connection.0,
        stream,
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// What a part of a round came to.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// Where it began, exclusive.
    pub from: &'a str,
    /// Its last key; `None` at the end of the round.
    pub to: Option<&'a str>,
    pub checked: u64,
    pub differing: &'a BTreeMap<Cause, u64>,
    /// When its records were asked for.
    pub at: DateTime<Utc>,
}

/// Notes that a range of keys was compared, and moves the round on behind it.
///
/// # Errors
/// [`StoreError`].
pub async fn compared(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    part: Compared<'_>,
) -> Result<(), StoreError> {
    let now = tx.now();
    // The range of before that this one ends in keeps its rest: its row is named by its upper end.
    sqlx::query!(
        "
        delete from compared
        where connection_id = $1 and stream = $2
          and (up_to > $3 or up_to is null)
          and ($4::text is null or up_to <= $4)
        ",
        connection.0,
        stream,
        part.from,
        part.to,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into compared (connection_id, stream, up_to, at) values ($1, $2, $3, $4)",
        connection.0,
        stream,
        part.to,
        part.at,
    )
    .execute(tx.conn())
    .await?;
    let before = get(tx, connection, stream).await?;
    let is_new = before.round_began_at.is_none();
    let (mut checked, mut differing) = match is_new {
        true => (0, BTreeMap::new()),
        false => (before.checked, before.differing),
    };
    checked += i64::try_from(part.checked).unwrap_or(i64::MAX);
    for (cause, count) in part.differing {
        *differing.entry(*cause).or_default() += count;
    }
    sqlx::query!(
        "
        insert into sweeps as known
            (connection_id, stream, place, round_began_at, checked, differing, round_ended_at,
             last_checked, last_differing)
        values ($1, $2, coalesce($3, ''), case when $3::text is not null then $4::timestamptz end,
                $5::bigint, $6::jsonb, case when $3::text is null then $7::timestamptz end,
                case when $3::text is null then $5::bigint end,
                case when $3::text is null then $6::jsonb end)
        on conflict (tenant_id, connection_id, stream) do update
        set place = excluded.place,
            round_began_at = excluded.round_began_at,
            checked = excluded.checked,
            differing = excluded.differing,
            round_ended_at = coalesce(excluded.round_ended_at, known.round_ended_at),
            last_checked = coalesce(excluded.last_checked, known.last_checked),
            last_differing = coalesce(excluded.last_differing, known.last_differing)
        ",
        connection.0,
        stream,
        part.to,
        before.round_began_at.unwrap_or(part.at),
        checked,
        Json(&differing) as _,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that all records of a stream were compared at this time: a listing of everything.
///
/// # Errors
/// [`StoreError`].
pub async fn compared_all(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    (checked, differing): (u64, &BTreeMap<Cause, u64>),
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update sweeps set round_began_at = null, place = '' where connection_id = $1 and stream = $2",
        connection.0,
        stream,
    )
    .execute(tx.conn())
    .await?;
    let part = Compared {
        from: "",
        to: None,
        checked,
        differing,
        at,
    };
    compared(tx, connection, stream, part).await
}

/// When the record was compared that was compared the longest time ago. Of records that never were:
/// when the first of them was linked. `None` where there are no records.
///
/// # Errors
/// [`StoreError`].
pub async fn oldest(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        select case
            when not exists (
                select from records
                where connection_id = $1 and stream = $2 and removed_at is null
            ) then null
            when exists (
                select from compared
                where connection_id = $1 and stream = $2 and up_to is null
            ) then (select min(at) from compared where connection_id = $1 and stream = $2)
            else (
                select min(linked_at) from records
                where connection_id = $1 and stream = $2 and removed_at is null
                  and key > coalesce(
                      (select max(up_to) from compared where connection_id = $1 and stream = $2), '')
            )
        end as oldest
        "#,
        connection.0,
        stream,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// What is published of a stream for those who watch all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    pub connection: ConnectionId,
    pub stream: String,
    /// Records that differed in the last round that ended, or else in the one under way.
    pub drift: i64,
    /// Of the record that was compared the longest time ago, where one was.
    pub oldest_at: Option<DateTime<Utc>>,
    pub open_gaps: i64,
}

/// Figures of all streams that are switched on, of all tenants.
///
/// # Errors
/// [`StoreError`].
pub async fn figures(tx: &mut SystemTx) -> Result<Vec<Figure>, StoreError> {
    Ok(sqlx::query_as!(
        Figure,
        r#"
        select s.connection_id as "connection: ConnectionId", s.stream,
               coalesce((
                   select sum(value::bigint)::bigint
                   from jsonb_each_text(coalesce(w.last_differing, w.differing))
                   where key not in ('in_flight', 'normalisation', 'out_of_scope')
               ), 0) as "drift!",
               (select min(at) from compared c
                where c.tenant_id = s.tenant_id and c.connection_id = s.connection_id
                  and c.stream = s.stream) as oldest_at,
               (select count(*) from gaps g
                where g.tenant_id = s.tenant_id and g.connection_id = s.connection_id
                  and g.stream = s.stream and g.closed_at is null) as "open_gaps!"
        from streams s
        left join sweeps w on w.tenant_id = s.tenant_id and w.connection_id = s.connection_id
                          and w.stream = s.stream
        where s.enabled
        order by s.tenant_id, s.connection_id, s.stream
        limit 10000
        "#,
    )
    .fetch_all(tx.conn())
    .await?)
}
