//! Stored snapshots of a stream, of records that are linked or held, read to map them again.

use chrono::{DateTime, Utc};
use connector_sdk::{Fields, Record};
use sqlx::types::{Json, Uuid};

use super::{StoreError, Tx, matches};
use crate::ids::ConnectionId;

/// Living records of a stream that were last mapped by another version than this, by key from `after` on,
/// as last seen; among them those that are held until a person says whose they are. Takes the rows of
/// those that are linked: nobody puts a newer snapshot under them meanwhile. Where any are held it
/// takes the turn of their kind first, as pages do.
///
/// # Errors
/// [`StoreError`].
pub async fn outdated(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    version: i32,
    after: &str,
    limit: i64,
) -> Result<Vec<Record>, StoreError> {
    let held = sqlx::query_scalar!(
        "
        select entity
        from matches
        where connection_id = $1 and stream = $2 and state = 'open' and mapping_version <> $3
        limit 1
        ",
        connection.0,
        stream,
        version,
    )
    .fetch_optional(tx.conn())
    .await?;
    if let Some(entity) = held {
        matches::in_turn(tx, &entity).await?;
    }
    let rows = sqlx::query!(
        r#"
        with linked as (
            select key, raw, remote_version, remote_changed_at
            from records
            where connection_id = $1
              and stream = $2
              and key > $3
              and removed_at is null
              and mapping_version <> $4
            order by key
            limit $5
            for update
        ), held as (
            select key, raw, remote_version, remote_changed_at
            from matches
            where connection_id = $1
              and stream = $2
              and key > $3
              and state = 'open'
              and mapping_version <> $4
            order by key
            limit $5
        )
        select key as "key!", raw as "raw!: Json<Fields>", remote_version, remote_changed_at
        from (select * from linked union all select * from held) outdated
        order by key
        limit $5
        "#,
        connection.0,
        stream,
        after,
        version,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let records = rows.into_iter().map(|row| Record {
        key: row.key,
        version: row.remote_version,
        changed_at: row.remote_changed_at,
        fields: row.raw.0,
    });
    Ok(records.collect())
}

/// How many records [`outdated`] would find.
///
/// # Errors
/// [`StoreError`].
pub async fn count_outdated(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    version: i32,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"
        select (
            select count(*)
            from records
            where connection_id = $1
              and stream = $2
              and removed_at is null
              and mapping_version <> $3
        ) + (
            select count(*)
            from matches
            where connection_id = $1
              and stream = $2
              and state = 'open'
              and mapping_version <> $3
        ) as "count!"
        "#,
        connection.0,
        stream,
        version,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(count)
}

/// Keys of living records, spread over all of them.
///
/// # Errors
/// [`StoreError`].
pub async fn sample(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    wanted: i32,
) -> Result<Vec<String>, StoreError> {
    let keys = sqlx::query_scalar!(
        r#"
        select min(key) as "key!"
        from (
            select key, ntile($3) over (order by key) as part
            from records
            where connection_id = $1 and stream = $2 and removed_at is null
        ) parts
        group by part
        order by 1
        "#,
        connection.0,
        stream,
        wanted,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(keys)
}

/// How much of a stream is not as it was at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Records that were seen anew or removed since, or whose entity changed.
    pub records: i64,
    /// Records there are.
    pub of: i64,
}

/// How much of a stream has moved since a moment.
///
/// # Errors
/// [`StoreError`].
pub async fn moved_since(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    since: DateTime<Utc>,
) -> Result<Moved, StoreError> {
    // Ids of changes sort by the time they were made.
    let floor: Uuid = crate::ids::RunId::floor(since).0;
    let moved = sqlx::query!(
        r#"
        select count(*) filter (where r.removed_at is null) as "of!",
               count(*) filter (
                   where r.seen_at > $3 or r.removed_at > $3 or (
                       r.removed_at is null and exists (
                           select from changes c
                           where c.entity_id = r.entity_id and c.id >= $4
                             and (c.at > $3)
                       )
                   )
               ) as "records!"
        from records r
        where r.connection_id = $1 and r.stream = $2
        "#,
        connection.0,
        stream,
        since,
        floor,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Moved {
        records: moved.records,
        of: moved.of,
    })
}
