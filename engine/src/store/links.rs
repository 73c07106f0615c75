//! Reading side of records: which records an entity is linked with, and what marks it in lists.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use connector_sdk::{Fields, Record};
use sqlx::types::{Json, Uuid};

use super::{StoreError, Tx, echoes};
use crate::ids::{ConnectionId, EntityId, RunId};
use crate::mapping::Values;

/// A record that is an entity.
#[derive(Clone, Debug)]
pub struct LinkRow {
    pub connection_id: ConnectionId,
    pub connection_name: String,
    pub system: String,
    pub stream: String,
    pub key: String,
    pub linked_at: DateTime<Utc>,
    pub method: String,
    pub seen_at: DateTime<Utc>,
    pub removed_at: Option<DateTime<Utc>>,
    /// As last seen.
    pub record: Record,
    /// What both sides last agreed on.
    pub base: Values,
}

/// The records of an entity, oldest link first, removed ones included.
///
/// # Errors
/// [`StoreError`].
pub async fn of_entity(tx: &mut Tx, id: EntityId) -> Result<Vec<LinkRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select r.connection_id as "connection_id: ConnectionId", c.name, c.system, r.stream, r.key,
               r.linked_at, r.link_method, r.seen_at, r.removed_at, r.remote_version,
               r.remote_changed_at, r.raw as "raw: Json<Fields>", r.base as "base: Json<Values>"
        from records r
        join connections c on c.id = r.connection_id
        where r.entity_id = $1
        order by r.linked_at, r.connection_id, r.stream, r.key
        "#,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| LinkRow {
            connection_id: row.connection_id,
            connection_name: row.name,
            system: row.system,
            stream: row.stream,
            linked_at: row.linked_at,
            method: row.link_method,
            seen_at: row.seen_at,
            removed_at: row.removed_at,
            record: Record {
                key: row.key.clone(),
                version: row.remote_version,
                changed_at: row.remote_changed_at,
                fields: row.raw.0,
            },
            key: row.key,
            base: row.base.0,
        })
        .collect())
}

/// A link as lists show it.
#[derive(Clone, Debug)]
pub struct RowLink {
    pub connection_id: ConnectionId,
    pub system: String,
    pub key: String,
}

/// What marks an entity in a list.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    pub links: Vec<RowLink>,
    /// Open ones.
    pub conflicts: i64,
    /// Writes owed to systems.
    pub pending_writes: i64,
}

/// The marks of some entities, in three statements.
///
/// # Errors
/// [`StoreError`].
pub async fn marks(tx: &mut Tx, ids: &[Uuid]) -> Result<HashMap<Uuid, Marks>, StoreError> {
    let mut marks: HashMap<Uuid, Marks> = HashMap::with_capacity(ids.len());
    let links = sqlx::query!(
        r#"
        select r.entity_id, r.connection_id as "connection_id: ConnectionId", c.system, r.key
        from records r
        join connections c on c.id = r.connection_id
        where r.entity_id = any($1) and r.removed_at is null
        order by r.linked_at, r.connection_id, r.key
        "#,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in links {
        let link = RowLink {
            connection_id: row.connection_id,
            system: row.system,
            key: row.key,
        };
        marks.entry(row.entity_id).or_default().links.push(link);
    }
    let conflicts = sqlx::query!(
        r#"
        select entity_id, count(*) as "count!"
        from conflicts
        where entity_id = any($1) and state = 'open'
        group by entity_id
        "#,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in conflicts {
        marks.entry(row.entity_id).or_default().conflicts = row.count;
    }
    let writes = sqlx::query!(
        r#"
        select entity_id, count(*) as "count!"
        from writes
        where entity_id = any($1) and state in ('pending', 'sending')
        group by entity_id
        "#,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in writes {
        marks.entry(row.entity_id).or_default().pending_writes = row.count;
    }
    Ok(marks)
}

/// A link that is to be moved.
#[derive(Clone, Debug)]
pub struct Linked {
    pub entity: String,
    pub entity_id: EntityId,
    /// What was agreed of it.
    pub base: Values,
    /// The run that saw the record last.
    pub run: RunId,
    pub record: Record,
}

/// The link of a record that lives, locked.
///
/// # Errors
/// [`StoreError::NotFound`] for a record that is not linked, or gone.
pub async fn take(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    key: &str,
) -> Result<Linked, StoreError> {
    let row = sqlx::query!(
        r#"
        select entity, entity_id, run_id as "run_id!", base as "base: Json<Values>",
               raw as "raw: Json<Fields>", remote_version,
               remote_changed_at
        from records
        where connection_id = $1 and stream = $2 and key = $3 and removed_at is null
          and run_id is not null
        for update
        "#,
        connection.0,
        stream,
        key,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("record {key} of {stream}")))?;
    Ok(Linked {
        entity: row.entity,
        entity_id: EntityId(row.entity_id),
        base: row.base.0,
        run: RunId(row.run_id),
        record: Record {
            key: key.to_owned(),
            version: row.remote_version,
            changed_at: row.remote_changed_at,
            fields: row.raw.0,
        },
    })
}

/// Whether a write to an entity's record in a stream, or in any, may be under way.
///
/// # Errors
/// [`StoreError`].
pub async fn is_being_written(
    tx: &mut Tx,
    entity: EntityId,
    place: Option<(ConnectionId, &str)>,
) -> Result<bool, StoreError> {
    let is = sqlx::query_scalar!(
        r#"
        select exists (
            select
            from writes
            where entity_id = $1 and (state = 'sending' or state = 'pending' and look_first)
              and ($2::uuid is null or connection_id = $2 and stream = $3)
        ) as "is!"
        "#,
        entity.0,
        place.map(|(connection, _)| connection.0),
        place.map(|(_, stream)| stream),
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(is)
}

/// Ends what is owed to an entity's record in a stream, expected of it and asked because of it.
///
/// # Errors
/// [`StoreError`].
pub async fn withdraw(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entity: EntityId,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update writes
        set state = 'superseded', settled_at = $4
        where connection_id = $1 and stream = $2 and entity_id = $3 and state in ('pending', 'failed')
        ",
        connection.0,
        stream,
        entity.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "
        update conflicts
        set state = 'resolved', choice = 'relinked', resolved_at = $4, version = version + 1
        where connection_id = $1 and stream = $2 and entity_id = $3 and state = 'open'
        ",
        connection.0,
        stream,
        entity.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    echoes::drop_all(tx, connection, &[entity]).await
}

/// How a record came to be known as it is, whoever's it is: what of it a page may not show yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub seen_at: DateTime<Utc>,
    pub written_at: Option<DateTime<Utc>>,
    pub is_asked: bool,
}

/// Ends a link that [`take`] took: the record's row goes, and with it what [`withdraw`] ends. Whoever calls
/// this links the record anew in the same transaction, and calls [`keep`] then.
///
/// # Errors
/// [`StoreError`].
pub async fn release(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    (key, entity): (&str, EntityId),
) -> Result<Known, StoreError> {
    withdraw(tx, connection, stream, entity).await?;
    let known = sqlx::query_as!(
        Known,
        "
        delete from records
        where connection_id = $1 and stream = $2 and key = $3
        returning seen_at, written_at, is_asked
        ",
        connection.0,
        stream,
        key,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(known)
}

/// Says of a record that was linked anew how it came to be known.
///
/// # Errors
/// [`StoreError`].
pub async fn keep(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    key: &str,
    known: Known,
) -> Result<(), StoreError> {
    sqlx::query!(
        "
        update records
        set seen_at = $4, written_at = $5, is_asked = $6
        where connection_id = $1 and stream = $2 and key = $3
        ",
        connection.0,
        stream,
        key,
        known.seen_at,
        known.written_at,
        known.is_asked,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Those of these entities whose record in the stream went into another one.
///
/// # Errors
/// [`StoreError`].
pub async fn merged_away(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entities: &[EntityId],
) -> Result<BTreeSet<EntityId>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query_scalar!(
        "
        select distinct entity_id
        from records
        where entity_id = any($3) and connection_id = $1 and stream = $2 and removed_at is not null
          and removal -> 'how' ->> 'kind' in ('merged_into', 'converted_into')
        ",
        connection.0,
        stream,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(EntityId).collect())
}

/// Those of these entities whose id a living record of the stream still holds in `field` that was moved
/// away from them, with its key: a system that knows records by that id would take it for theirs.
///
/// # Errors
/// [`StoreError`].
pub async fn named_elsewhere(
    tx: &mut Tx,
    (connection, stream): (ConnectionId, &str),
    field: &str,
    entities: &[EntityId],
) -> Result<HashMap<EntityId, String>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "
        select e.from_entity, r.key
        from unnest($4::uuid[]) as wanted (id)
        cross join lateral (
            select from_entity, key
            from link_events
            where from_entity = wanted.id and connection_id = $1 and stream = $2
            offset 0
        ) e
        cross join lateral (
            select key
            from records
            where connection_id = $1 and stream = $2 and key = e.key and removed_at is null
              and entity_id <> wanted.id and lower(raw ->> $3) = wanted.id::text
            offset 0
        ) r
        order by r.key
        ",
        connection.0,
        stream,
        field,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let named = rows
        .into_iter()
        .filter_map(|row| Some((EntityId(row.from_entity?), row.key)));
    Ok(named.collect())
}

/// How many writes this transaction owes to each stream: those that it asked for, or added to.
///
/// # Errors
/// [`StoreError`].
pub async fn owed_by_this(
    tx: &mut Tx,
) -> Result<BTreeMap<(ConnectionId, String), u64>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select connection_id, stream, count(*) as "count!"
        from writes
        where state = 'pending' and xmin = pg_current_xact_id()::xid
        group by connection_id, stream
        "#,
    )
    .fetch_all(tx.conn())
    .await?;
    let owed = rows.into_iter().map(|row| {
        let place = (ConnectionId(row.connection_id), row.stream);
        (place, u64::try_from(row.count).unwrap_or_default())
    });
    Ok(owed.collect())
}

/// The stream of an entity's record that went into one of another stream, and what both sides last
/// agreed on of it; the last one, if there were several.
///
/// # Errors
/// [`StoreError`].
pub async fn converted(
    tx: &mut Tx,
    connection: ConnectionId,
    entity: EntityId,
) -> Result<Option<(String, Values)>, StoreError> {
    let row = sqlx::query!(
        r#"
        select stream, base as "base: Json<Values>"
        from records
        where entity_id = $2 and connection_id = $1 and removed_at is not null
          and removal -> 'how' ->> 'kind' = 'converted_into'
        order by removed_at desc
        limit 1
        "#,
        connection.0,
        entity.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (row.stream, row.base.0)))
}
