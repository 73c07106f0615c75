//! What the removal of an entity here does to its records and writes.

use sqlx::types::Uuid;

use super::{StoreError, Tx};
use crate::ids::{ConnectionId, EntityId, UserId};

/// Ends links of an entity: its records are kept out until they are let in again. They stay as its
/// history.
///
/// # Errors
/// [`StoreError`].
pub async fn end_links(
    tx: &mut Tx,
    entity: EntityId,
    places: &[(ConnectionId, String)],
    by: UserId,
) -> Result<(), StoreError> {
    if places.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let connections: Vec<Uuid> = places.iter().map(|(connection, _)| connection.0).collect();
    let streams: Vec<&str> = places.iter().map(|(_, stream)| stream.as_str()).collect();
    sqlx::query!(
        "
        update records
        set removed_at = $2, removal = jsonb_build_object('removed_here', $3::uuid),
            unresolved = null
        from unnest($4::uuid[], $5::text[]) as place (connection_id, stream)
        where records.entity_id = $1
          and records.connection_id = place.connection_id
          and records.stream = place.stream
          and records.removed_at is null
        ",
        entity.0,
        now,
        by.0,
        &connections,
        &streams as &[&str],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lets the records in again that [`end_links`] keeps out, unless the entity has another one there by
/// now; returns where.
///
/// # Errors
/// [`StoreError`].
pub async fn let_in(
    tx: &mut Tx,
    entity: EntityId,
) -> Result<Vec<(ConnectionId, String)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        update records out
        set removed_at = null, removal = null
        from (
            select distinct on (connection_id, stream) connection_id, stream, key
            from records
            where entity_id = $1 and removed_at is not null and removal ? 'removed_here'
            order by connection_id, stream, removed_at desc, key
        ) as last
        where out.connection_id = last.connection_id
          and out.stream = last.stream
          and out.key = last.key
          and not exists (
              select
              from records there
              where there.entity_id = $1 and there.connection_id = out.connection_id
                and there.stream = out.stream and there.removed_at is null
          )
        returning out.connection_id as "connection: ConnectionId", out.stream
        "#,
        entity.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.connection, row.stream))
        .collect())
}

/// Drops deletions of an entity's records that were not sent yet.
///
/// # Errors
/// [`StoreError`].
pub async fn drop_deletions(tx: &mut Tx, entity: EntityId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update writes
        set state = 'superseded', settled_at = $2
        where entity_id = $1 and op = 'delete' and state in ('pending', 'failed')
        ",
        entity.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
