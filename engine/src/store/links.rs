//! Reading side of records: which records an entity is linked with, and what marks it in lists.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use connector_sdk::{Fields, Record};
use sqlx::types::{Json, Uuid};

use super::{StoreError, Tx};
use crate::ids::{ConnectionId, EntityId};
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
