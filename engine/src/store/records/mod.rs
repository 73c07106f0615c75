//! Records of connected systems: identity link, snapshot and base, one row each.
//!
//! Statements over a page of keys look each key up by itself (`cross join lateral … offset 0`).
//! With `= any` the planner may read a whole stream instead: on a young table without statistics it
//! takes the part of an index that all its rows share for selective.

mod references;
mod save;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use connector_sdk::{Fields, Record};
use sqlx::types::{Json, Uuid};

pub use self::references::{targets, waiting};
pub use self::save::{Place, Row, Snapshot, save, snapshot};
use super::{StoreError, Tx};
use crate::ids::{ConnectionId, EntityId, RunId};
use crate::mapping::{Reference, Values};

/// A reference of a record whose target is not linked yet: core field to the target's place.
pub type Unresolved = BTreeMap<String, Reference>;

/// A linked record as stored.
#[derive(Clone, Debug)]
pub struct Linked {
    pub key: String,
    pub entity_id: EntityId,
    pub base: Values,
    pub content_hash: Vec<u8>,
    pub remote_version: Option<String>,
    /// When the system says that what was last seen was changed.
    pub remote_changed_at: Option<DateTime<Utc>>,
    /// When it was last seen to be otherwise than before.
    pub seen_at: DateTime<Utc>,
    /// It was asked for by itself then, not listed.
    pub is_asked: bool,
    pub mapping_version: i32,
    pub unresolved: Option<Unresolved>,
    /// When the hub learned that it is gone.
    pub removed_at: Option<DateTime<Utc>>,
    /// When the system says that it went, where it says so.
    pub gone_at: Option<DateTime<Utc>>,
    /// When the hub last wrote it.
    pub written_at: Option<DateTime<Utc>>,
    /// An undo took back what was made of it: it stays out until that is undone.
    pub kept_out: bool,
}

impl Linked {
    pub fn is_removed(&self) -> bool {
        self.removed_at.is_some()
    }
}

/// Every key once, in the order in which all transactions take rows.
fn in_order(keys: &[String]) -> Vec<&str> {
    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Linked records by key. Takes their rows, in key order, so that two pages never wait crosswise.
///
/// # Errors
/// [`StoreError`].
pub async fn by_keys(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<HashMap<String, Linked>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select r.key, r.entity_id, r.base as "base: Json<Values>", r.content_hash,
               r.remote_version, r.remote_changed_at, r.seen_at, r.is_asked, r.mapping_version,
               r.unresolved as "unresolved: Json<Unresolved>", r.removed_at,
               (r.removal ->> 'at')::timestamptz as gone_at, r.written_at,
               coalesce(r.removal ?| array['undone', 'removed_here'], false) as "kept_out!"
        from unnest($3::text[]) as wanted (key)
        cross join lateral (
            select key, entity_id, base, content_hash, remote_version, remote_changed_at, seen_at,
                   is_asked, mapping_version, unresolved, removed_at, removal, written_at
            from records
            where connection_id = $1 and stream = $2 and key = wanted.key
            for update
            offset 0
        ) r
        "#,
        connection.0,
        stream,
        &in_order(keys) as &[&str],
    )
    .fetch_all(tx.conn())
    .await?;
    let linked = rows.into_iter().map(|row| {
        let linked = Linked {
            key: row.key,
            entity_id: EntityId(row.entity_id),
            base: row.base.0,
            content_hash: row.content_hash,
            remote_version: row.remote_version,
            remote_changed_at: row.remote_changed_at,
            seen_at: row.seen_at,
            is_asked: row.is_asked,
            mapping_version: row.mapping_version,
            unresolved: row.unresolved.map(|json| json.0),
            removed_at: row.removed_at,
            gone_at: row.gone_at,
            written_at: row.written_at,
            kept_out: row.kept_out,
        };
        (linked.key.clone(), linked)
    });
    Ok(linked.collect())
}

/// Whether one of these records is not linked yet. Takes no rows.
///
/// # Errors
/// [`StoreError`].
pub async fn is_any_unlinked(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<bool, StoreError> {
    let keys = in_order(keys);
    let linked = sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
        from unnest($3::text[]) as wanted (key)
        cross join lateral (
            select key
            from records
            where connection_id = $1 and stream = $2 and key = wanted.key
            offset 0
        ) r
        "#,
        connection.0,
        stream,
        &keys as &[&str],
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(usize::try_from(linked).is_ok_and(|linked| linked < keys.len()))
}

/// Takes the rows of all living records of some entities, in the order in which pages take theirs.
///
/// # Errors
/// [`StoreError`].
pub async fn take_all(tx: &mut Tx, entities: &[EntityId]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    sqlx::query!(
        "
        select r.key
        from (
            select place.connection_id, place.stream, place.key
            from unnest($1::uuid[]) as wanted (entity_id)
            cross join lateral (
                select connection_id, stream, key
                from records
                where entity_id = wanted.entity_id and removed_at is null
                offset 0
            ) place
            order by place.connection_id, place.stream, place.key
        ) found
        cross join lateral (
            select key
            from records
            where connection_id = found.connection_id and stream = found.stream and key = found.key
            for update
            offset 0
        ) r
        ",
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}

/// The record of each entity in one stream, where it has one that lives. Takes rows as [`by_keys`].
///
/// # Errors
/// [`StoreError`].
pub async fn by_entities(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entities: &[EntityId],
) -> Result<HashMap<EntityId, Linked>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"
        select r.key, r.entity_id, r.base as "base: Json<Values>", r.content_hash,
               r.remote_version, r.remote_changed_at, r.seen_at, r.is_asked, r.mapping_version,
               r.unresolved as "unresolved: Json<Unresolved>"
        from (
            select place.key, place.entity_id
            from unnest($1::uuid[]) as wanted (entity_id)
            cross join lateral (
                select key, entity_id
                from records
                where entity_id = wanted.entity_id and connection_id = $2 and stream = $3
                  and removed_at is null
                offset 0
            ) place
            order by place.key
        ) found
        cross join lateral (
            select key, entity_id, base, content_hash, remote_version, remote_changed_at, seen_at,
                   is_asked, mapping_version, unresolved
            from records
            where connection_id = $2 and stream = $3 and key = found.key
              and entity_id = found.entity_id and removed_at is null
            for update
            offset 0
        ) r
        "#,
        &ids,
        connection.0,
        stream,
    )
    .fetch_all(tx.conn())
    .await?;
    let linked = rows.into_iter().map(|row| {
        let linked = Linked {
            key: row.key,
            entity_id: EntityId(row.entity_id),
            base: row.base.0,
            content_hash: row.content_hash,
            remote_version: row.remote_version,
            remote_changed_at: row.remote_changed_at,
            seen_at: row.seen_at,
            is_asked: row.is_asked,
            mapping_version: row.mapping_version,
            unresolved: row.unresolved.map(|json| json.0),
            removed_at: None,
            gone_at: None,
            written_at: None,
            kept_out: false,
        };
        (linked.entity_id, linked)
    });
    Ok(linked.collect())
}

/// Notes that records were written now.
///
/// # Errors
/// [`StoreError`].
pub async fn note_written(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update records
        set written_at = $4
        from unnest($3::text[]) as written (key)
        where connection_id = $1 and stream = $2 and records.key = written.key
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

/// How many records of a stream are there.
///
/// # Errors
/// [`StoreError`].
pub async fn count(tx: &mut Tx, connection: ConnectionId, stream: &str) -> Result<u64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
        from records
        where connection_id = $1 and stream = $2 and removed_at is null
        "#,
        connection.0,
        stream,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The fields of one record as last seen.
///
/// # Errors
/// [`StoreError`].
pub async fn raw(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<Vec<Record>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select r.key, r.raw as "raw: Json<Fields>", r.remote_version, r.remote_changed_at
        from unnest($3::text[]) as wanted (key)
        cross join lateral (
            select key, raw, remote_version, remote_changed_at
            from records
            where connection_id = $1 and stream = $2 and key = wanted.key
            offset 0
        ) r
        "#,
        connection.0,
        stream,
        &in_order(keys) as &[&str],
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

/// Marks records as removed in their system.
///
/// # Errors
/// [`StoreError`].
pub async fn remove(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: Option<RunId>,
    removed: &[(String, serde_json::Value)],
) -> Result<(), StoreError> {
    let now = tx.now();
    let keys: Vec<&str> = removed.iter().map(|(key, _)| key.as_str()).collect();
    let removals: Vec<String> = removed
        .iter()
        .map(|(_, removal)| removal.to_string())
        .collect();
    sqlx::query!(
        "
        update records
        set removed_at = $3, removal = gone.removal::jsonb, run_id = $4, unresolved = null
        from unnest($5::text[], $6::text[]) as gone (key, removal)
        where connection_id = $1 and stream = $2 and records.key = gone.key
        ",
        connection.0,
        stream,
        now,
        run.map(|id| id.0),
        &keys as &[&str],
        &removals,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A place an entity is linked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub connection: ConnectionId,
    pub stream: String,
    pub entity_id: EntityId,
    pub key: String,
}

/// All living links of these entities.
///
/// # Errors
/// [`StoreError`].
pub async fn links(tx: &mut Tx, entities: &[EntityId]) -> Result<Vec<Link>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "
        select r.connection_id, r.stream, r.entity_id, r.key
        from unnest($1::uuid[]) as wanted (entity_id)
        cross join lateral (
            select connection_id, stream, entity_id, key
            from records
            where entity_id = wanted.entity_id and removed_at is null
            offset 0
        ) r
        order by r.entity_id, r.connection_id, r.stream
        ",
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let links = rows.into_iter().map(|row| Link {
        connection: ConnectionId(row.connection_id),
        stream: row.stream,
        entity_id: EntityId(row.entity_id),
        key: row.key,
    });
    Ok(links.collect())
}

/// Puts values over the base of a record: both sides are agreed on them from now on.
///
/// # Errors
/// [`StoreError`].
pub async fn agree(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    key: &str,
    values: &Values,
) -> Result<(), StoreError> {
    let values = serde_json::to_string(values).map_err(StoreError::Encode)?;
    sqlx::query!(
        "
        update records
        set base = (base::jsonb || $4::text::jsonb)::json
        where connection_id = $1 and stream = $2 and key = $3
        ",
        connection.0,
        stream,
        key,
        values,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
