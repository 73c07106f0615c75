//! What a run did, read for undoing it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::types::{Json, Uuid};

use super::changes::FieldChange;
use super::{StoreError, Tx};
use crate::ids::{ConnectionId, EntityId, RunId, WriteId};
use crate::mapping::Values;

/// One logged change of a run.
#[derive(Clone, Debug)]
pub struct Logged {
    pub entity: String,
    pub kind: String,
    pub fields: Vec<FieldChange>,
}

/// Entities that a run changed, by id from `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn changed(
    tx: &mut Tx,
    run: RunId,
    after: EntityId,
    limit: i64,
) -> Result<Vec<EntityId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "
        select distinct entity_id
        from changes
        where run_id = $1 and entity_id > $2
        order by entity_id
        limit $3
        ",
        run.0,
        after.0,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(EntityId).collect())
}

/// What a run logged of these entities, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn logged(
    tx: &mut Tx,
    run: RunId,
    entities: &[EntityId],
) -> Result<BTreeMap<EntityId, Vec<Logged>>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"
        select c.entity_id, c.entity, c.kind, c.fields as "fields: Json<Vec<FieldChange>>"
        from unnest($2::uuid[]) as wanted (entity_id)
        cross join lateral (
            select id, entity_id, entity, kind, fields
            from changes
            where run_id = $1 and entity_id = wanted.entity_id
            offset 0
        ) c
        order by c.entity_id, c.id
        "#,
        run.0,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut logged: BTreeMap<EntityId, Vec<Logged>> = BTreeMap::new();
    for row in rows {
        let one = Logged {
            entity: row.entity,
            kind: row.kind,
            fields: row.fields.0,
        };
        logged.entry(EntityId(row.entity_id)).or_default().push(one);
    }
    Ok(logged)
}

/// One write that a run sent and a system took.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: WriteId,
    pub entity: String,
    pub entity_id: EntityId,
    pub sent: Values,
    /// What the system was known to hold before; `None` where the write made the record.
    pub before: Option<Values>,
}

/// Writes that a run sent, by id from `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn sent(
    tx: &mut Tx,
    run: RunId,
    after: WriteId,
    limit: i64,
) -> Result<Vec<Sent>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, entity, entity_id, sent as "sent!: Json<Values>",
               before as "before: Json<Values>"
        from writes
        where run_id = $1 and id > $2 and state = 'settled' and sent is not null
        order by id
        limit $3
        "#,
        run.0,
        after.0,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let sent = rows.into_iter().map(|row| Sent {
        id: WriteId(row.id),
        entity: row.entity,
        entity_id: EntityId(row.entity_id),
        sent: row.sent.0,
        before: row.before.map(|before| before.0),
    });
    Ok(sent.collect())
}

/// A record of which an entity was made.
#[derive(Clone, Debug)]
pub struct MadeOf {
    pub key: String,
    pub entity: String,
    pub entity_id: EntityId,
}

/// Records of a stream that were linked within a time and of which entities were made, by key from
/// `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn made(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    after: &str,
    limit: i64,
) -> Result<Vec<MadeOf>, StoreError> {
    let rows = sqlx::query!(
        "
        select key, entity, entity_id
        from records
        where connection_id = $1 and stream = $2 and key > $3 and link_method = 'first_read'
          and linked_at between $4 and $5 and removed_at is null
        order by key
        limit $6
        ",
        connection.0,
        stream,
        after,
        from,
        to,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let made = rows.into_iter().map(|row| MadeOf {
        key: row.key,
        entity: row.entity,
        entity_id: EntityId(row.entity_id),
    });
    Ok(made.collect())
}

/// Keeps records out: reading them again makes nothing of them until they are let in again.
///
/// # Errors
/// [`StoreError`].
pub async fn keep_out(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
    undo: RunId,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update records
        set removed_at = $3, removal = jsonb_build_object('undone', $4::uuid), unresolved = null
        where connection_id = $1 and stream = $2 and key = any($5)
        ",
        connection.0,
        stream,
        now,
        undo.0,
        keys,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lets records of these entities in again that an undo keeps out; returns the entities that have
/// one.
///
/// # Errors
/// [`StoreError`].
pub async fn let_in(
    tx: &mut Tx,
    undo: RunId,
    entities: &[EntityId],
) -> Result<Vec<EntityId>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let undo = undo.0.to_string();
    let let_in = sqlx::query_scalar!(
        "
        update records
        set removed_at = null, removal = null
        from unnest($2::uuid[]) as wanted (entity_id)
        cross join lateral (
            select connection_id, stream, key
            from records
            where entity_id = wanted.entity_id and removed_at is not null
              and removal ->> 'undone' = $1
            offset 0
        ) out
        where records.connection_id = out.connection_id and records.stream = out.stream
          and records.key = out.key
        returning records.entity_id
        ",
        undo,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(let_in.into_iter().map(EntityId).collect())
}
