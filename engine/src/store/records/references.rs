//! What records point at, and those that wait for it.

use std::collections::HashMap;

use sqlx::types::Json;

use super::Unresolved;
use crate::ids::{ConnectionId, EntityId};
use crate::store::{StoreError, Tx};

/// The living entities that records of `stream` with these keys are linked to: what references
/// point at.
///
/// # Errors
/// [`StoreError`].
pub async fn targets(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<HashMap<String, EntityId>, StoreError> {
    let rows = sqlx::query!(
        "
        select r.key, r.entity_id
        from unnest($3::text[]) as wanted (key)
        cross join lateral (
            select key, entity_id, removed_at
            from records
            where connection_id = $1 and stream = $2 and key = wanted.key
            offset 0
        ) r
        where r.removed_at is null
        ",
        connection.0,
        stream,
        keys,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.key, EntityId(row.entity_id)))
        .collect())
}

/// Records of a stream that wait for the target of a reference, by key, from `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn waiting(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, Unresolved)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select key, unresolved as "unresolved!: Json<Unresolved>"
        from records
        where connection_id = $1
          and stream = $2
          and key > $3
          and unresolved is not null
          and removed_at is null
        order by key
        limit $4
        "#,
        connection.0,
        stream,
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let waiting = rows.into_iter().map(|row| (row.key, row.unresolved.0));
    Ok(waiting.collect())
}
