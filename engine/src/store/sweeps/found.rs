//! Differences that sweeps found, and what they are judged by.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::types::{Json, Uuid};

use super::forget;
use crate::ids::{ConnectionId, DifferenceId, EntityId, RunId};
use crate::mapping::Values;
use crate::reconcile::{Cause, Sent};
use crate::store::keyset::{After, Slice};
use crate::store::{StoreError, Tx};

/// Differences of a stream that are kept, the newest of them.
const KEPT: i64 = 1_000;

/// A difference to note.
#[derive(Clone, Debug)]
pub struct NewDifference {
    pub key: String,
    pub entity: &'static str,
    pub entity_id: EntityId,
    pub cause: Cause,
    pub fields: Vec<String>,
}

/// A difference that a sweep found.
#[derive(Clone, Debug)]
pub struct DifferenceRow {
    pub id: DifferenceId,
    pub key: String,
    pub entity: String,
    pub entity_id: EntityId,
    pub cause: String,
    pub fields: Vec<String>,
    pub found_at: DateTime<Utc>,
    pub run_id: RunId,
}

/// Notes differences.
///
/// # Errors
/// [`StoreError`].
pub async fn differ(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    found: &[NewDifference],
) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let ids: Vec<Uuid> = found.iter().map(|_| DifferenceId::fresh().0).collect();
    let keys: Vec<&str> = found.iter().map(|one| one.key.as_str()).collect();
    let entities: Vec<&str> = found.iter().map(|one| one.entity).collect();
    let entity_ids: Vec<Uuid> = found.iter().map(|one| one.entity_id.0).collect();
    let causes: Vec<&str> = found.iter().map(|one| one.cause.as_str()).collect();
    let fields: Vec<String> = found
        .iter()
        .map(|one| serde_json::to_string(&one.fields))
        .collect::<Result<_, _>>()
        .map_err(StoreError::Encode)?;
    sqlx::query!(
        "
        insert into differences
            (id, connection_id, stream, key, entity, entity_id, cause, fields, found_at, run_id)
        select id, $1, $2, key, entity, entity_id, cause,
               array(select jsonb_array_elements_text(fields::jsonb)), $3, $4
        from unnest($5::uuid[], $6::text[], $7::text[], $8::uuid[], $9::text[], $10::text[])
            as row (id, key, entity, entity_id, cause, fields)
        ",
        connection.0,
        stream,
        now,
        run.0,
        &ids,
        &keys as &[&str],
        &entities as &[&str],
        &entity_ids,
        &causes as &[&str],
        &fields,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Differences of a stream, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<DifferenceRow>, StoreError> {
    let rows = sqlx::query_as!(
        DifferenceRow,
        r#"
        select id as "id: DifferenceId", key, entity, entity_id as "entity_id: EntityId", cause,
               fields, found_at, run_id as "run_id: RunId"
        from differences
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
    .await?;
    Ok(Slice::cut(rows, limit, |last| After {
        value: String::new(),
        id: last.id.0,
    }))
}

/// Forgets what earlier sweeps of a stream left: what a run that was killed had listed, and all but
/// the newest differences.
///
/// # Errors
/// [`StoreError`].
pub async fn tidy(tx: &mut Tx, connection: ConnectionId, stream: &str) -> Result<(), StoreError> {
    forget(tx, connection, stream).await?;
    sqlx::query!(
        "
        delete from differences
        where connection_id = $1 and stream = $2 and id < (
            select id from differences
            where connection_id = $1 and stream = $2
            order by id desc
            offset $3
            limit 1
        )
        ",
        connection.0,
        stream,
        KEPT,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The settled writes of entities in a stream, newest first, a few of each; and whether more is owed
/// or under way.
///
/// # Errors
/// [`StoreError`].
pub async fn written(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entities: &[EntityId],
) -> Result<BTreeMap<EntityId, (Vec<Sent>, bool)>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"
        select w.entity_id as "entity_id!: EntityId", w.state as "state!",
               w.sent as "sent: Json<Values>", w.before as "before: Json<Values>", w.sent_at
        from unnest($3::uuid[]) as wanted (id)
        cross join lateral (
            select entity_id, state, sent, before, sent_at, created_at
            from writes
            where entity_id = wanted.id and connection_id = $1 and stream = $2
              and state in ('pending', 'sending', 'settled') and op = 'upsert'
            order by created_at desc
            limit 5
        ) w
        order by w.entity_id, w.created_at desc
        "#,
        connection.0,
        stream,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut written: BTreeMap<EntityId, (Vec<Sent>, bool)> = BTreeMap::new();
    for row in rows {
        let (sent, is_owed) = written.entry(row.entity_id).or_default();
        if row.state != "settled" {
            *is_owed = true;
        } else if let (Some(values), Some(before), Some(sent_at)) =
            (row.sent, row.before, row.sent_at)
        {
            sent.push(Sent {
                values: values.0,
                before: before.0,
                sent_at,
            });
        }
    }
    Ok(written)
}
