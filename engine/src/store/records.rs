//! Records of connected systems: identity link, snapshot and base, one row each.
//!
//! Statements over a page of keys look each key up by itself (`cross join lateral … offset 0`).
//! With `= any` the planner may read a whole stream instead: on a young table without statistics it
//! takes the part of an index that all its rows share for selective.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use connector_sdk::{Fields, Record};
use sha2::{Digest, Sha256};
use sqlx::types::{Json, Uuid};

use super::{Statement, StoreError, Tx};
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
    pub mapping_version: i32,
    pub unresolved: Option<Unresolved>,
    pub removed: bool,
    /// An undo took back what was made of it: it stays out until that is undone.
    pub kept_out: bool,
}

/// A record to store, over whatever is stored for its key.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: String,
    pub entity_id: EntityId,
    /// JSON of the record's fields.
    pub raw: String,
    pub base: Values,
    pub remote_version: Option<String>,
    pub remote_changed_at: Option<DateTime<Utc>>,
    pub content_hash: Vec<u8>,
    pub unresolved: Option<Unresolved>,
    pub problems: Option<serde_json::Value>,
    pub link_method: &'static str,
}

/// Where rows belong: one stream of one connection, mapped to one kind of entity.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub connection: ConnectionId,
    pub stream: &'a str,
    pub entity: &'a str,
    pub mapping_version: i32,
    pub run: Option<RunId>,
}

/// JSON of a record's fields and the hash that tells whether they changed.
///
/// # Errors
/// [`StoreError::Encode`].
pub fn snapshot(fields: &Fields) -> Result<(String, Vec<u8>), StoreError> {
    let mut raw = serde_json::to_string(fields).map_err(StoreError::Encode)?;
    if raw.contains("\\u0000") {
        // Postgres stores no NUL; the field itself is refused by its mapping.
        raw = raw.replace("\\u0000", "\\ufffd");
    }
    let hash = Sha256::digest(raw.as_bytes())[..16].to_vec();
    Ok((raw, hash))
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
               r.remote_version, r.mapping_version, r.unresolved as "unresolved: Json<Unresolved>",
               r.removed_at is not null as "removed!",
               coalesce(r.removal ? 'undone', false) as "kept_out!"
        from unnest($3::text[]) as wanted (key)
        cross join lateral (
            select key, entity_id, base, content_hash, remote_version, mapping_version, unresolved,
                   removed_at, removal
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
            mapping_version: row.mapping_version,
            unresolved: row.unresolved.map(|json| json.0),
            removed: row.removed,
            kept_out: row.kept_out,
        };
        (linked.key.clone(), linked)
    });
    Ok(linked.collect())
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
               r.remote_version, r.mapping_version, r.unresolved as "unresolved: Json<Unresolved>"
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
            select key, entity_id, base, content_hash, remote_version, mapping_version, unresolved
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
            mapping_version: row.mapping_version,
            unresolved: row.unresolved.map(|json| json.0),
            removed: false,
            kept_out: false,
        };
        (linked.entity_id, linked)
    });
    Ok(linked.collect())
}

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

/// The statement that stores records, new or known.
///
/// # Errors
/// [`StoreError::Encode`].
pub fn save(place: Place<'_>, now: DateTime<Utc>, rows: &[Row]) -> Result<Statement, StoreError> {
    let mut keys = Vec::with_capacity(rows.len());
    let mut entities = Vec::with_capacity(rows.len());
    let mut raws = Vec::with_capacity(rows.len());
    let mut bases = Vec::with_capacity(rows.len());
    let mut versions = Vec::with_capacity(rows.len());
    let mut changed = Vec::with_capacity(rows.len());
    let mut hashes = Vec::with_capacity(rows.len());
    let mut unresolved = Vec::with_capacity(rows.len());
    let mut problems = Vec::with_capacity(rows.len());
    let mut methods = Vec::with_capacity(rows.len());
    for row in rows {
        keys.push(row.key.as_str());
        entities.push(row.entity_id.0);
        raws.push(row.raw.as_str());
        bases.push(serde_json::to_string(&row.base).map_err(StoreError::Encode)?);
        versions.push(row.remote_version.as_deref());
        changed.push(row.remote_changed_at);
        hashes.push(row.content_hash.as_slice());
        let waiting = row
            .unresolved
            .as_ref()
            .map(serde_json::to_string)
            .transpose();
        unresolved.push(waiting.map_err(StoreError::Encode)?);
        problems.push(row.problems.as_ref().map(ToString::to_string));
        methods.push(row.link_method);
    }
    let query = sqlx::query!(
        "
        insert into records
            (connection_id, stream, key, entity, entity_id, raw, base, remote_version,
             remote_changed_at, content_hash, unresolved, problems, mapping_version, link_method,
             linked_at, seen_at, run_id)
        select $1, $2, key, $3, entity_id, raw::json, base::json, remote_version,
               remote_changed_at, content_hash, unresolved::jsonb, problems::jsonb, $4, link_method,
               $5, $5, $6
        from unnest($7::text[], $8::uuid[], $9::text[], $10::text[], $11::text[],
                    $12::timestamptz[], $13::bytea[], $14::text[], $15::text[], $16::text[])
            as row (key, entity_id, raw, base, remote_version, remote_changed_at, content_hash,
                    unresolved, problems, link_method)
        on conflict (tenant_id, connection_id, stream, key) do update
        set entity_id = excluded.entity_id,
            raw = excluded.raw,
            base = excluded.base,
            remote_version = excluded.remote_version,
            remote_changed_at = excluded.remote_changed_at,
            content_hash = excluded.content_hash,
            unresolved = excluded.unresolved,
            problems = excluded.problems,
            mapping_version = excluded.mapping_version,
            seen_at = excluded.seen_at,
            run_id = excluded.run_id,
            removed_at = null,
            removal = null
        ",
        place.connection.0,
        place.stream,
        place.entity,
        place.mapping_version,
        now,
        place.run.map(|id| id.0),
        &keys as &[&str],
        &entities,
        &raws as &[&str],
        &bases,
        &versions as &[Option<&str>],
        &changed as &[Option<DateTime<Utc>>],
        &hashes as &[&[u8]],
        &unresolved as &[Option<String>],
        &problems as &[Option<String>],
        &methods as &[&str],
    );
    Ok(Statement::new(query))
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
