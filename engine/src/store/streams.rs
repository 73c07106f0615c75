//! Streams of connections: what is read, into which entity, and how far.

use chrono::{DateTime, Utc};
use connector_sdk::{Described, Stream};
use serde::{Deserialize, Serialize};

use super::{StoreError, Tx};
use crate::ids::{ConnectionId, MappingId};

/// How far a stream has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum StreamPhase {
    Never,
    /// The first read is under way.
    Full,
    Incremental,
}

/// What becomes of a record over there whose entity is removed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum OnRemove {
    /// It stays, and its link ends.
    Keep,
    Delete,
}

/// A stream that is set up on a connection.
#[derive(Clone, Debug)]
pub struct StreamRow {
    pub stream: String,
    pub entity: String,
    pub enabled: bool,
    pub on_remove: OnRemove,
    pub mapping_id: Option<MappingId>,
    /// The published version.
    pub mapping_version: Option<i32>,
    pub phase: StreamPhase,
    pub last_read_at: Option<DateTime<Utc>>,
    /// Linked records that are still there.
    pub records: i64,
    /// Records the last run left out by the mapping's filter.
    pub excluded: i64,
    pub version: i64,
}

/// All streams of a connection, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx, connection: ConnectionId) -> Result<Vec<StreamRow>, StoreError> {
    let rows = sqlx::query_as!(
        StreamRow,
        r#"
        select s.stream, s.entity, s.enabled, s.on_remove as "on_remove: OnRemove", m.id as "mapping_id?: MappingId",
               m.published_version as "mapping_version?", s.phase as "phase: StreamPhase",
               s.last_read_at,
               (select count(*) from records r
                where r.connection_id = s.connection_id and r.stream = s.stream
                  and r.removed_at is null) as "records!",
               coalesce((select (r.counts ->> 'excluded')::bigint from all_runs r
                         where r.tenant_id = s.tenant_id and r.id = s.last_run_id), 0)
                   as "excluded!",
               s.version
        from streams s
        left join mappings m on m.connection_id = s.connection_id and m.stream = s.stream
        where s.connection_id = $1
        order by s.stream
        "#,
        connection.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows)
}

/// One stream of a connection.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<StreamRow, StoreError> {
    let all = list(tx, connection).await?;
    all.into_iter()
        .find(|row| row.stream == stream)
        .ok_or_else(|| StoreError::NotFound(format!("stream {stream:?} of {connection}")))
}

/// Sets up a stream, with the system's description of it.
///
/// # Errors
/// [`StoreError::Conflict`] when it is set up already.
pub async fn insert(
    tx: &mut Tx,
    connection: ConnectionId,
    entity: &str,
    enabled: bool,
    description: &Stream,
) -> Result<(), StoreError> {
    let now = tx.now();
    let name = description.name.as_str();
    // One that cannot be compared has no mark, and is compared when the stream is first read.
    let mark = Described::of(description.clone())
        .ok()
        .map(|known| known.mark);
    let described = serde_json::to_value(description).map_err(StoreError::Encode)?;
    let inserted = sqlx::query!(
        "insert into streams
             (connection_id, stream, entity, enabled, description, described_at, description_mark)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict do nothing",
        connection.0,
        name,
        entity,
        enabled,
        described,
        now,
        mark,
    )
    .execute(tx.conn())
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(StoreError::Conflict(format!(
            "stream {name:?} is set up already"
        )));
    }
    Ok(())
}

/// The streams of which a record is deleted when its entity is removed here.
///
/// # Errors
/// [`StoreError`].
pub async fn deleting(tx: &mut Tx) -> Result<Vec<(ConnectionId, String)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select connection_id as "connection: ConnectionId", stream
        from streams
        where on_remove = 'delete' and enabled
        "#,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.connection, row.stream))
        .collect())
}

/// Changes the version of a stream that the caller read. Another entity starts over: nothing of
/// the old one's place in the stream holds for it.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`].
pub async fn update(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entity: &str,
    (enabled, on_remove): (bool, Option<OnRemove>),
    version: i64,
) -> Result<(), StoreError> {
    let updated = sqlx::query!(
        "update streams
         set enabled = $4, version = version + 1,
             on_remove = coalesce($6, on_remove),
             cursor = case when entity = $3 then cursor end,
             phase = case when entity = $3 then phase else 'never' end,
             covered_to = case when entity = $3 then covered_to end,
             pass_began_at = case when entity = $3 then pass_began_at end,
             entity = $3
         where connection_id = $1 and stream = $2 and version = $5",
        connection.0,
        stream,
        entity,
        enabled,
        version,
        on_remove as Option<OnRemove>,
    )
    .execute(tx.conn())
    .await?;
    if updated.rows_affected() == 1 {
        return Ok(());
    }
    get(tx, connection, stream).await?;
    Err(StoreError::Stale(format!("stream {stream:?}")))
}

/// The system's description of a stream, if it was ever asked for.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Corrupt`].
pub async fn description(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Option<Stream>, StoreError> {
    let found = sqlx::query_scalar!(
        "select description from streams where connection_id = $1 and stream = $2",
        connection.0,
        stream,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("stream {stream:?} of {connection}")))?;
    found
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| StoreError::corrupt(format!("description of stream {stream}"), error))
}
