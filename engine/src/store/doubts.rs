//! Writes of which it is not known what they went over: they may have been carried out, and nobody has
//! looked since what lay between the look before them and now.

use std::collections::{BTreeSet, HashMap};

use sqlx::types::{Json, Uuid};

use super::{StoreError, Tx};
use crate::ids::{ConnectionId, EntityId, WriteId};
use crate::mapping::Values;

/// One of them.
#[derive(Clone, Debug)]
pub struct Doubt {
    pub write: WriteId,
    pub entity_id: EntityId,
    pub key: String,
    /// The version of the record at the look before it.
    pub expected: String,
    /// Core values as they were sent, and what the record held in their place.
    pub sent: Values,
    pub before: Values,
}

/// Those among these writes.
///
/// # Errors
/// [`StoreError`].
pub async fn among(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    writes: &[WriteId],
) -> Result<Vec<Doubt>, StoreError> {
    let ids: Vec<Uuid> = writes.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"
        select w.id, w.entity_id, r.key, w.expected as "expected!", w.sent as "sent!: Json<Values>",
               w.before as "before!: Json<Values>"
        from writes w
        join records r
          on r.entity_id = w.entity_id
         and r.connection_id = w.connection_id
         and r.stream = w.stream
         and r.removed_at is null
        where w.id = any($3) and w.connection_id = $1 and w.stream = $2 and w.op = 'upsert'
          and w.look_first and w.expected is not null and w.sent is not null
          and w.before is not null
        order by w.id
        "#,
        connection.0,
        stream,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let doubts = rows.into_iter().map(|row| Doubt {
        write: WriteId(row.id),
        entity_id: EntityId(row.entity_id),
        key: row.key,
        expected: row.expected,
        sent: row.sent.0,
        before: row.before.0,
    });
    Ok(doubts.collect())
}

/// Notes that it was looked what these writes went over.
///
/// # Errors
/// [`StoreError`].
pub async fn settle(tx: &mut Tx, writes: &[WriteId]) -> Result<(), StoreError> {
    if writes.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = writes.iter().map(|id| id.0).collect();
    sqlx::query!("update writes set expected = null where id = any($1)", &ids)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Keeps what these writes carried, of which it is not known whether it arrived, before they are sent
/// again with other values.
///
/// # Errors
/// [`StoreError`].
pub async fn remember(
    tx: &mut Tx,
    writes: impl Iterator<Item = WriteId>,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = writes.map(|id| id.0).collect();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "
        update writes
        set earlier = coalesce(earlier, '[]') || jsonb_build_array(sent)
        where id = any($1) and state = 'sending' and sent is not null
          and not coalesce(earlier, '[]') @> jsonb_build_array(sent)
        ",
        &ids,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends writes that are owed no more, of which it is not known whether an attempt arrived: what it carried
/// is known again in a record that nothing is linked with.
///
/// # Errors
/// [`StoreError`].
pub async fn leave(tx: &mut Tx, left: &[WriteId]) -> Result<(), StoreError> {
    if left.is_empty() {
        return Ok(());
    }
    remember(tx, left.iter().copied()).await?;
    let now = tx.now();
    let ids: Vec<Uuid> = left.iter().map(|id| id.0).collect();
    sqlx::query!(
        "
        update writes set state = 'settled', error = null, settled_at = $1
        where id = any($2) and state = 'sending'
        ",
        now,
        &ids,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What writes to these entities carried that are on their way, or may have been carried out: by attempt,
/// in order. What was left in doubt and is owed no more counts while the entity has no record.
///
/// # Errors
/// [`StoreError`].
pub async fn carried(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entities: &[EntityId],
) -> Result<HashMap<EntityId, Vec<Values>>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"
        select entity_id, earlier as "earlier: Json<Vec<Values>>",
               case when state = 'sending' then sent end as "sent: Json<Values>"
        from writes w
        where connection_id = $1 and stream = $2 and entity_id = any($3) and op = 'upsert'
          and (state = 'sending'
               or (earlier is not null
                   and (state = 'pending'
                        or (state = 'settled' and not exists (
                            select from records r
                            where r.entity_id = w.entity_id and r.connection_id = w.connection_id
                              and r.stream = w.stream and r.removed_at is null)))))
        order by entity_id, created_at
        "#,
        connection.0,
        stream,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut carried: HashMap<EntityId, Vec<Values>> = HashMap::new();
    for row in rows {
        let attempts = carried.entry(EntityId(row.entity_id)).or_default();
        attempts.extend(row.earlier.map(|json| json.0).unwrap_or_default());
        attempts.extend(row.sent.map(|json| json.0));
    }
    Ok(carried)
}

/// Notes removals of records that nothing is linked with, while creates are under way that may have made
/// them.
///
/// # Errors
/// [`StoreError`].
pub async fn note_removed(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    sqlx::query!(
        "
        insert into early_removals (connection_id, stream, key, seen_at)
        select $1, $2, key, $4
        from unnest($3::text[]) as gone (key)
        where exists (
            select
            from writes
            where connection_id = $1 and stream = $2 and op = 'upsert' and before is null
              and (state = 'sending' or state = 'pending' and look_first)
        )
        on conflict do nothing
        ",
        connection.0,
        stream,
        keys,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Those of these records, made by creates that are answered by now, whose removal was told before; it is
/// forgotten here, and so is what no create can be waiting for any more.
///
/// # Errors
/// [`StoreError`].
pub async fn removed_early(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<Vec<String>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let old = tx.now() - chrono::TimeDelta::days(7);
    let gone = sqlx::query!(
        "
        delete from early_removals
        where connection_id = $1 and stream = $2 and (key = any($3) or seen_at < $4)
        returning key
        ",
        connection.0,
        stream,
        keys,
        old,
    )
    .fetch_all(tx.conn())
    .await?;
    let gone = gone.into_iter().map(|row| row.key);
    Ok(gone.filter(|key| keys.contains(key)).collect())
}

/// The entities among these that are being created in a stream.
///
/// # Errors
/// [`StoreError`].
pub async fn being_made(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entities: &[EntityId],
) -> Result<BTreeSet<EntityId>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query_scalar!(
        "
        select distinct entity_id
        from writes
        where connection_id = $1 and stream = $2 and entity_id = any($3) and op = 'upsert'
          and (state = 'sending' or state = 'pending' and look_first) and before is null
        ",
        connection.0,
        stream,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(EntityId).collect())
}
