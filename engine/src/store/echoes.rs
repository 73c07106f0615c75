//! Echo ledger: what we sent and have not seen come back. An entry is used once and expires; an
//! expired one makes the value a real change, never a dropped one.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::{StoreError, Tx};
use crate::catalogue::Fingerprint;
use crate::ids::{ConnectionId, EntityId, WriteId};
use crate::merge::Echo;

/// One value on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub entity_id: EntityId,
    pub field: String,
    pub value: Fingerprint,
    pub write: WriteId,
}

/// Notes values before they are sent.
///
/// # Errors
/// [`StoreError`].
pub async fn expect(
    tx: &mut Tx,
    connection: ConnectionId,
    sent: &[Sent],
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    if sent.is_empty() {
        return Ok(());
    }
    let entities: Vec<Uuid> = sent.iter().map(|echo| echo.entity_id.0).collect();
    let fields: Vec<&str> = sent.iter().map(|echo| echo.field.as_str()).collect();
    let hashes: Vec<&[u8]> = sent.iter().map(|echo| &echo.value.as_bytes()[..]).collect();
    let writes: Vec<Uuid> = sent.iter().map(|echo| echo.write.0).collect();
    sqlx::query!(
        "
        insert into echoes (connection_id, entity_id, field, value_hash, write_id, expires_at)
        select $1, entity_id, field, value_hash, write_id, $2
        from unnest($3::uuid[], $4::text[], $5::bytea[], $6::uuid[])
            as echo (entity_id, field, value_hash, write_id)
        on conflict (tenant_id, connection_id, entity_id, field, value_hash) do update
        set write_id = excluded.write_id, expires_at = excluded.expires_at, written_at = null
        ",
        connection.0,
        expires_at,
        &entities,
        &fields as &[&str],
        &hashes as &[&[u8]],
        &writes,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What may still come back for these entities.
///
/// # Errors
/// [`StoreError`].
pub async fn expected(
    tx: &mut Tx,
    connection: ConnectionId,
    entities: &[EntityId],
) -> Result<HashMap<EntityId, Vec<Echo>>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "
        select e.entity_id, e.field, e.value_hash, e.written_at, e.write_id
        from unnest($2::uuid[]) as wanted (entity_id)
        cross join lateral (
            select entity_id, field, value_hash, written_at, write_id
            from echoes
            where connection_id = $1 and entity_id = wanted.entity_id and expires_at > $3
            offset 0
        ) e
        ",
        connection.0,
        &ids,
        tx.now(),
    )
    .fetch_all(tx.conn())
    .await?;
    let mut expected: HashMap<EntityId, Vec<Echo>> = HashMap::new();
    for row in rows {
        let bytes = <[u8; 16]>::try_from(row.value_hash.as_slice())
            .map_err(|error| StoreError::corrupt("hash in the echo ledger", error))?;
        expected
            .entry(EntityId(row.entity_id))
            .or_default()
            .push(Echo {
                field: row.field,
                value: Fingerprint::from_bytes(bytes),
                written_at: row.written_at,
                write: WriteId(row.write_id),
            });
    }
    Ok(expected)
}

/// The record's stamp after a write.
pub struct Stamp {
    pub write: WriteId,
    pub at: DateTime<Utc>,
    /// Where it is worked out from what was last seen: how many values the write carried. Once one of
    /// them has come back, what was last seen is from after the write, and says nothing of its stamp.
    pub unless_heard: Option<usize>,
}

/// Notes the record's stamp after a write: past it, with another value, the echo will not come.
///
/// # Errors
/// [`StoreError`].
pub async fn note_stamp(tx: &mut Tx, stamps: &[Stamp]) -> Result<(), StoreError> {
    if stamps.is_empty() {
        return Ok(());
    }
    let writes: Vec<Uuid> = stamps.iter().map(|stamp| stamp.write.0).collect();
    let at: Vec<DateTime<Utc>> = stamps.iter().map(|stamp| stamp.at).collect();
    let carried: Vec<Option<i64>> = stamps
        .iter()
        .map(|stamp| {
            stamp
                .unless_heard
                .map(|count| i64::try_from(count).unwrap_or(i64::MAX))
        })
        .collect();
    sqlx::query!(
        "
        update echoes
        set written_at = stamp.at
        from unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) as stamp (write_id, at, carried)
        where echoes.write_id = stamp.write_id
          and (stamp.carried is null
               or stamp.carried = (select count(*) from echoes e where e.write_id = stamp.write_id))
        ",
        &writes,
        &at,
        &carried as &[Option<i64>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Uses entries up: they came back.
///
/// # Errors
/// [`StoreError`].
pub async fn consume(
    tx: &mut Tx,
    connection: ConnectionId,
    seen: &[(EntityId, String, Fingerprint)],
) -> Result<(), StoreError> {
    if seen.is_empty() {
        return Ok(());
    }
    let entities: Vec<Uuid> = seen.iter().map(|(id, _, _)| id.0).collect();
    let fields: Vec<&str> = seen.iter().map(|(_, field, _)| field.as_str()).collect();
    let hashes: Vec<&[u8]> = seen
        .iter()
        .map(|(_, _, value)| &value.as_bytes()[..])
        .collect();
    sqlx::query!(
        "
        delete from echoes
        using unnest($2::uuid[], $3::text[], $4::bytea[]) as seen (entity_id, field, value_hash)
        where echoes.connection_id = $1
          and echoes.entity_id = seen.entity_id
          and echoes.field = seen.field
          and echoes.value_hash = seen.value_hash
        ",
        connection.0,
        &entities,
        &fields as &[&str],
        &hashes as &[&[u8]],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets what is waited for of these fields of an entity: it was written and will not come back.
///
/// # Errors
/// [`StoreError`].
pub async fn forget(
    tx: &mut Tx,
    connection: ConnectionId,
    entity: EntityId,
    fields: &[String],
) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from echoes where connection_id = $1 and entity_id = $2 and field = any($3)",
        connection.0,
        entity.0,
        fields,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Drops entries whose time is over.
///
/// # Errors
/// [`StoreError`].
pub async fn expire(tx: &mut Tx) -> Result<u64, StoreError> {
    let now = tx.now();
    let gone = sqlx::query!("delete from echoes where expires_at <= $1", now)
        .execute(tx.conn())
        .await?;
    Ok(gone.rows_affected())
}

/// Forgets everything that is expected of these entities' records in a system.
///
/// # Errors
/// [`StoreError`].
pub async fn drop_all(
    tx: &mut Tx,
    connection: ConnectionId,
    entities: &[EntityId],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    sqlx::query!(
        "delete from echoes where connection_id = $1 and entity_id = any($2)",
        connection.0,
        &ids,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
