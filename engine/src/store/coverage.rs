//! What is known to be complete of a stream: everything up to `covered_to`, but for the gaps.

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::{Gap, GapReason};

use super::keyset::{After, Slice};
use super::{StoreError, Tx};
use crate::ids::{ConnectionId, GapId, RunId};

/// Most keys that are noted of one gap; one about more is about any record.
const MOST_KEYS: usize = 10_000;

/// A stretch of time of which not every change was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapRow {
    pub id: GapId,
    pub reason: GapReason,
    /// `None`: from the beginning.
    pub from_at: Option<DateTime<Utc>>,
    pub to_at: DateTime<Utc>,
    /// The records it is about, where the system named them.
    pub keys: Option<Vec<String>>,
    pub found_at: DateTime<Utc>,
    pub run_id: Option<RunId>,
    pub closed_at: Option<DateTime<Utc>>,
    /// The sweep that closed it.
    pub closed_by: Option<RunId>,
}

struct Row {
    id: GapId,
    reason: String,
    from_at: Option<DateTime<Utc>>,
    to_at: DateTime<Utc>,
    keys: Option<Vec<String>>,
    found_at: DateTime<Utc>,
    run_id: Option<RunId>,
    closed_at: Option<DateTime<Utc>>,
    closed_by: Option<RunId>,
}

impl TryFrom<Row> for GapRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            reason: read_reason(&row.reason)?,
            from_at: row.from_at,
            to_at: row.to_at,
            keys: row.keys,
            found_at: row.found_at,
            run_id: row.run_id,
            closed_at: row.closed_at,
            closed_by: row.closed_by,
        })
    }
}

fn reason(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Overflow => "overflow",
        GapReason::Gap => "gap",
        GapReason::Lost => "lost",
    }
}

fn read_reason(text: &str) -> Result<GapReason, StoreError> {
    match text {
        "overflow" => Ok(GapReason::Overflow),
        "gap" => Ok(GapReason::Gap),
        "lost" => Ok(GapReason::Lost),
        other => Err(StoreError::corrupt("reason of a gap", other.to_owned())),
    }
}

/// Notes gaps that a read was told of. One that says no beginning began where the stream was covered
/// up to, one that says no end lasts until now. The same one told twice is one, unless its stamp tells no
/// more than the second and it was first found within that: there may have been another since. One that
/// ends before it begins is about the moment of its end, and one that ends far in the future ends now.
/// Returns how many are new.
///
/// # Errors
/// [`StoreError`].
pub async fn note(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    gaps: &[Gap],
) -> Result<u64, StoreError> {
    let now = tx.now();
    let mut noted = 0;
    for gap in gaps {
        // As told, or the same told again would be another; their clock may be ahead of ours.
        let ahead = now + TimeDelta::days(1);
        let to = gap.to.filter(|to| *to <= ahead).unwrap_or(now);
        let from = gap.from.map(|from| from.min(to));
        let keys = (1..=MOST_KEYS).contains(&gap.keys.len()).then(|| {
            let mut keys = gap.keys.clone();
            keys.sort_unstable();
            keys.dedup();
            keys
        });
        noted += sqlx::query!(
            "
            insert into gaps (id, connection_id, stream, reason, from_at, to_at, keys, found_at, run_id)
            select $1, $2, $3, $4, coalesce($5, s.covered_to), $6, $7, $8, $9
            from streams s
            where s.connection_id = $2 and s.stream = $3
              and not exists (
                  select from gaps known
                  where known.connection_id = $2 and known.stream = $3 and known.reason = $4
                    and known.from_at = $5 and known.to_at = $6 and known.keys is not distinct from $7
                    and not (known.to_at = date_trunc('second', known.to_at)
                             and known.found_at >= known.to_at
                             and known.found_at < known.to_at + interval '1 second')
              )
            ",
            GapId::fresh().0,
            connection.0,
            stream,
            reason(gap.reason),
            from,
            to,
            keys.as_deref() as Option<&[String]>,
            now,
            run.0,
        )
        .execute(tx.conn())
        .await?
        .rows_affected();
    }
    Ok(noted)
}

/// The gaps of a stream that are open, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn open(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Vec<GapRow>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"
        select id as "id: GapId", reason, from_at, to_at, keys, found_at,
               run_id as "run_id: RunId", closed_at, closed_by as "closed_by: RunId"
        from gaps
        where connection_id = $1 and stream = $2 and closed_at is null
        order by id
        "#,
        connection.0,
        stream,
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(GapRow::try_from)
    .collect()
}

/// Gaps of a stream, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<GapRow>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select id as "id: GapId", reason, from_at, to_at, keys, found_at,
               run_id as "run_id: RunId", closed_at, closed_by as "closed_by: RunId"
        from gaps
        where connection_id = $1 and stream = $2 and ($4::uuid is null or id < $4)
        order by id desc
        limit $3::bigint + 1
        "#,
        connection.0,
        stream,
        limit,
        after.map(|after| after.id),
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(GapRow::try_from)
    .collect::<Result<Vec<_>, _>>()?;
    Ok(Slice::cut(rows, limit, |last| After {
        value: String::new(),
        id: last.id.0,
    }))
}

/// Closes gaps: a sweep has brought what they might have hidden.
///
/// # Errors
/// [`StoreError`].
pub async fn close(tx: &mut Tx, gaps: &[GapId], run: RunId) -> Result<u64, StoreError> {
    let now = tx.now();
    let ids: Vec<sqlx::types::Uuid> = gaps.iter().map(|id| id.0).collect();
    let closed = sqlx::query!(
        "update gaps set closed_at = $2, closed_by = $3 where id = any($1) and closed_at is null",
        &ids,
        now,
        run.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(closed.rows_affected())
}

/// Up to when a stream is covered; `None` before the first complete read.
///
/// # Errors
/// [`StoreError`].
pub async fn covered_to(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let covered = sqlx::query_scalar!(
        "select covered_to from streams where connection_id = $1 and stream = $2",
        connection.0,
        stream,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(covered.flatten())
}

/// How far a stream is covered, and what is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    pub covered_to: Option<DateTime<Utc>>,
    pub pass_began_at: Option<DateTime<Utc>>,
    pub sweep_due_at: Option<DateTime<Utc>>,
    /// The failure of the newest read, if it failed.
    pub failed: Option<Failed>,
}

/// A read that came to no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub run_id: RunId,
    pub message: Option<String>,
}

/// How far a stream is covered.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn of_stream(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Covered, StoreError> {
    let row = sqlx::query!(
        r#"
        select s.covered_to, s.pass_began_at, s.sweep_due_at,
               r.id as "run_id?: RunId", r.error ->> 'message' as message, r.state as "state?"
        from streams s
        left join lateral (
            select id, error, state
            from finished_runs
            where connection_id = s.connection_id and stream = s.stream
              and workflow = 'pull_stream' and state in ('succeeded', 'failed')
            order by id desc
            limit 1
        ) r on true
        where s.connection_id = $1 and s.stream = $2
        "#,
        connection.0,
        stream,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("stream {stream:?} of {connection}")))?;
    let failed = row
        .run_id
        .filter(|_| row.state.as_deref() == Some("failed"));
    Ok(Covered {
        covered_to: row.covered_to,
        pass_began_at: row.pass_began_at,
        sweep_due_at: row.sweep_due_at,
        failed: failed.map(|run_id| Failed {
            run_id,
            message: row.message,
        }),
    })
}
