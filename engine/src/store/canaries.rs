//! Versions of mappings that are in force for some records of their stream only.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::keyset::{After, Slice};
use super::{StoreError, Tx};
use crate::ids::{CanaryId, ConnectionId, MappingId, PreviewId, RunId, UserId};

/// How much is borne of what goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Records of which a field could not be taken over.
    pub failures: i64,
    pub conflicts: i64,
    /// Values that the system stored in another form.
    pub near_misses: i64,
}

/// What happened under a canary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub records: i64,
    pub failures: i64,
    pub conflicts: i64,
    pub near_misses: i64,
}

/// A canary to begin.
#[derive(Clone, Debug)]
pub struct NewCanary<'a> {
    pub id: CanaryId,
    pub mapping: MappingId,
    pub connection: ConnectionId,
    pub stream: &'a str,
    pub version: i32,
    /// Percent of the records; `None` for a list.
    pub share: Option<i32>,
    pub keys: &'a [String],
    pub limits: Limits,
    pub preview: Option<PreviewId>,
    pub run: RunId,
    pub by: UserId,
}

/// A canary as stored.
#[derive(Clone, Debug)]
pub struct Canary {
    pub id: CanaryId,
    pub mapping: MappingId,
    pub version: i32,
    pub share: Option<i32>,
    pub keys: Vec<String>,
    pub limits: Limits,
    pub seen: Seen,
    /// running, stopped, promoted
    pub state: String,
    /// limit, asked, replaced
    pub reason: Option<String>,
    pub preview: Option<PreviewId>,
    pub run: RunId,
    pub applied_at: Option<DateTime<Utc>>,
    pub by: UserId,
    pub at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// A canary under way, with what it puts in force.
#[derive(Clone, Debug)]
pub struct Running {
    pub id: CanaryId,
    pub version: i32,
    pub body: String,
    share: Option<i32>,
    keys: Vec<String>,
}

impl Running {
    /// Whether a record is among those it is in force for: always the same for one key.
    pub fn takes(&self, key: &str) -> bool {
        match self.share {
            Some(share) => place(key) < share,
            None => self.keys.iter().any(|taken| taken == key),
        }
    }
}

/// Where a key lies among a hundred.
fn place(key: &str) -> i32 {
    let digest = Sha256::digest(key.as_bytes());
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    i32::try_from(number % 100).unwrap_or(0)
}

/// Begins one.
///
/// # Errors
/// [`StoreError::Conflict`] while another of the stream is under way.
pub async fn insert(tx: &mut Tx, new: &NewCanary<'_>) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        insert into canaries
            (id, mapping_id, connection_id, stream, mapping_version, share, keys, most_failures,
             most_conflicts, most_misses, state, preview_id, run_id, by, at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'running', $11, $12, $13, $14)
        ",
        new.id.0,
        new.mapping.0,
        new.connection.0,
        new.stream,
        new.version,
        new.share,
        new.keys,
        new.limits.failures,
        new.limits.conflicts,
        new.limits.near_misses,
        new.preview.map(|id| id.0),
        new.run.0,
        new.by.0,
        now,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| match StoreError::from(error) {
        error if error.is_unique_violation() => {
            StoreError::Conflict("a canary of this stream is under way already".to_owned())
        }
        error => error,
    })?;
    Ok(())
}

/// The one under way for a stream.
///
/// # Errors
/// [`StoreError`].
pub async fn running(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Option<Running>, StoreError> {
    Ok(sqlx::query_as!(
        Running,
        r#"
        select c.id as "id: CanaryId", c.mapping_version as version, v.body, c.share, c.keys
        from canaries c
        join mapping_versions v
          on v.tenant_id = c.tenant_id and v.mapping_id = c.mapping_id
         and v.version = c.mapping_version
        where c.connection_id = $1 and c.stream = $2 and c.state = 'running'
        "#,
        connection.0,
        stream,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Adds what was seen; one that is beyond a limit by then is stopped. Returns whether it was.
///
/// # Errors
/// [`StoreError`].
pub async fn note(tx: &mut Tx, id: CanaryId, seen: Seen) -> Result<bool, StoreError> {
    if seen == Seen::default() {
        return Ok(false);
    }
    let now = tx.now();
    let stopped = sqlx::query_scalar!(
        r#"
        update canaries
        set records = records + $2,
            failures = failures + $3,
            conflicts = conflicts + $4,
            misses = misses + $5,
            state = case when over.is_over then 'stopped' else state end,
            reason = case when over.is_over then 'limit' else reason end,
            ended_at = case when over.is_over then $6 else ended_at end
        from (
            select failures + $3 > most_failures
                or conflicts + $4 > most_conflicts
                or misses + $5 > most_misses as is_over
            from canaries
            where id = $1
        ) as over
        where id = $1 and state = 'running'
        returning over.is_over as "is_over!"
        "#,
        id.0,
        seen.records,
        seen.failures,
        seen.conflicts,
        seen.near_misses,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let is_stopped = stopped == Some(true);
    if is_stopped {
        tx.changed("canary", id);
    }
    Ok(is_stopped)
}

/// Ends the one under way of a mapping: `promoted` where its version is put in force, else stopped for
/// a reason. Returns whether there was one.
///
/// # Errors
/// [`StoreError`].
pub async fn end(
    tx: &mut Tx,
    mapping: MappingId,
    version: Option<i32>,
    reason: &str,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let ended = sqlx::query!(
        "
        update canaries
        set state = case when mapping_version = $2 then 'promoted' else 'stopped' end,
            reason = case when mapping_version = $2 then null else $3 end,
            ended_at = $4
        where mapping_id = $1 and state = 'running'
        ",
        mapping.0,
        version,
        reason,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(ended.rows_affected() > 0)
}

/// Notes that the stored snapshots are mapped.
///
/// # Errors
/// [`StoreError`].
pub async fn applied(tx: &mut Tx, id: CanaryId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "update canaries set applied_at = $2 where id = $1",
        id.0,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct Row {
    id: CanaryId,
    mapping: MappingId,
    version: i32,
    share: Option<i32>,
    keys: Vec<String>,
    most_failures: i64,
    most_conflicts: i64,
    most_misses: i64,
    records: i64,
    failures: i64,
    conflicts: i64,
    misses: i64,
    state: String,
    reason: Option<String>,
    preview: Option<PreviewId>,
    run: RunId,
    applied_at: Option<DateTime<Utc>>,
    by: UserId,
    at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<Row> for Canary {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            mapping: row.mapping,
            version: row.version,
            share: row.share,
            keys: row.keys,
            limits: Limits {
                failures: row.most_failures,
                conflicts: row.most_conflicts,
                near_misses: row.most_misses,
            },
            seen: Seen {
                records: row.records,
                failures: row.failures,
                conflicts: row.conflicts,
                near_misses: row.misses,
            },
            state: row.state,
            reason: row.reason,
            preview: row.preview,
            run: row.run,
            applied_at: row.applied_at,
            by: row.by,
            at: row.at,
            ended_at: row.ended_at,
        }
    }
}

async fn rows(
    tx: &mut Tx,
    mapping: MappingId,
    id: Option<CanaryId>,
    limit: i64,
    after: Option<&After>,
) -> Result<Vec<Canary>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select id as "id: CanaryId", mapping_id as "mapping: MappingId", mapping_version as version,
               share, keys, most_failures, most_conflicts, most_misses, records, failures, conflicts,
               misses, state, reason, preview_id as "preview: PreviewId", run_id as "run: RunId",
               applied_at, by as "by: UserId", at, ended_at
        from canaries
        where mapping_id = $1 and ($2::uuid is null or id = $2) and ($3::uuid is null or id < $3)
        order by id desc
        limit $4
        "#,
        mapping.0,
        id.map(|id| id.0),
        after.map(|after| after.id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Canary::from).collect())
}

/// Canaries of a mapping, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    mapping: MappingId,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Canary>, StoreError> {
    let rows = rows(tx, mapping, None, limit + 1, after).await?;
    Ok(Slice::cut(rows, limit, |last| After {
        value: last.id.0.to_string(),
        id: last.id.0,
    }))
}

/// One canary of a mapping.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, mapping: MappingId, id: CanaryId) -> Result<Canary, StoreError> {
    let found = rows(tx, mapping, Some(id), 1, None)
        .await?
        .into_iter()
        .next();
    found.ok_or_else(|| StoreError::NotFound(format!("canary {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_takes_about_so_many_and_always_the_same() {
        let running = |share| Running {
            id: CanaryId::fresh(),
            version: 2,
            body: String::new(),
            share: Some(share),
            keys: Vec::new(),
        };
        let taken = |share| {
            let canary = running(share);
            let keys = (0..10_000).map(|key| format!("001{key:012}"));
            keys.filter(|key| canary.takes(key)).collect::<Vec<_>>()
        };
        let ten = taken(10);
        assert!((900..1_100).contains(&ten.len()), "{}", ten.len());
        assert_eq!(ten, taken(10));
        // A larger share is the smaller one and more.
        let twenty = taken(20);
        assert!(ten.iter().all(|key| twenty.contains(key)));
    }
}
