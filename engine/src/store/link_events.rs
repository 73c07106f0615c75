//! How records came to their entities, where that was not by being read first.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::{Json, Uuid};

use super::{StoreError, Tx};
use crate::ids::{ConnectionId, EntityId, RunId, UserId};
use crate::likeness::Evidence;

/// What a link rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The record holds the hub's id.
    HubId,
    /// It has the value of a strong key.
    StrongKey,
    /// Somebody said so.
    Person,
    /// Two records over there became one.
    Merge,
    /// Over there it became a record of another stream.
    Conversion,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HubId => "hub_id",
            Self::StrongKey => "strong_key",
            Self::Person => "person",
            Self::Merge => "merge",
            Self::Conversion => "conversion",
        }
    }

    /// # Errors
    /// [`StoreError::Corrupt`] for a text that is none.
    pub(super) fn read(text: &str) -> Result<Self, StoreError> {
        Ok(match text {
            "hub_id" => Self::HubId,
            "strong_key" => Self::StrongKey,
            "person" => Self::Person,
            "merge" => Self::Merge,
            "conversion" => Self::Conversion,
            _ => return Err(StoreError::corrupt("link method", text.to_owned())),
        })
    }
}

/// A link that was made or moved.
#[derive(Clone, Debug)]
pub struct Made {
    pub key: String,
    pub entity_id: EntityId,
    /// Whence it was moved.
    pub from: Option<EntityId>,
    pub method: Method,
    pub evidence: Vec<Evidence>,
    pub score: Option<i32>,
    /// Who said so.
    pub by: Option<UserId>,
}

/// Notes links of one stream.
///
/// # Errors
/// [`StoreError`].
pub async fn note(
    tx: &mut Tx,
    (connection, stream): (ConnectionId, &str),
    entity: &str,
    run: Option<RunId>,
    made: &[Made],
) -> Result<(), StoreError> {
    if made.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let ids: Vec<Uuid> = made.iter().map(|_| crate::ids::fresh()).collect();
    let keys: Vec<&str> = made.iter().map(|one| one.key.as_str()).collect();
    let entities: Vec<Uuid> = made.iter().map(|one| one.entity_id.0).collect();
    let from: Vec<Option<Uuid>> = made.iter().map(|one| one.from.map(|id| id.0)).collect();
    let methods: Vec<&str> = made.iter().map(|one| one.method.as_str()).collect();
    let scores: Vec<Option<i32>> = made.iter().map(|one| one.score).collect();
    let users: Vec<Option<Uuid>> = made.iter().map(|one| one.by.map(|by| by.0)).collect();
    let evidence = made
        .iter()
        .map(|one| serde_json::to_string(&one.evidence).map_err(StoreError::Encode))
        .collect::<Result<Vec<String>, _>>()?;
    sqlx::query!(
        "
        insert into link_events
            (id, connection_id, stream, key, entity, entity_id, from_entity, method, evidence, score, at,
             run_id, user_id)
        select id, $1, $2, key, $3, entity_id, from_entity, method, evidence::jsonb, score, $4, $5, user_id
        from unnest($6::uuid[], $7::text[], $8::uuid[], $9::uuid[], $10::text[], $11::text[], $12::int[],
                    $13::uuid[])
            as made (id, key, entity_id, from_entity, method, evidence, score, user_id)
        ",
        connection.0,
        stream,
        entity,
        now,
        run.map(|id| id.0),
        &ids,
        &keys as &[&str],
        &entities,
        &from as &[Option<Uuid>],
        &methods as &[&str],
        &evidence,
        &scores as &[Option<i32>],
        &users as &[Option<Uuid>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A link of an entity's history, as it is shown.
#[derive(Clone, Debug)]
pub struct EventRow {
    pub id: Uuid,
    pub connection_id: ConnectionId,
    pub connection_name: String,
    pub stream: String,
    pub key: String,
    pub entity_id: EntityId,
    pub from: Option<EntityId>,
    pub method: String,
    pub evidence: Vec<Evidence>,
    pub score: Option<i32>,
    pub at: DateTime<Utc>,
    pub run: Option<RunId>,
    pub user: Option<UserId>,
}

/// Links that came to an entity or left it, newest first; 200 at most.
///
/// # Errors
/// [`StoreError`].
pub async fn of_entity(tx: &mut Tx, id: EntityId) -> Result<Vec<EventRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select e.id, e.connection_id, coalesce(c.name, '') as "name!", e.stream, e.key, e.entity_id,
               e.from_entity, e.method, e.evidence as "evidence: Json<Vec<Evidence>>", e.score, e.at,
               e.run_id, e.user_id
        from link_events e
        left join connections c on c.id = e.connection_id
        where e.entity_id = $1 or e.from_entity = $1
        order by e.at desc, e.id desc
        limit 200
        "#,
        id.0,
    )
    .fetch_all(tx.conn())
    .await?;
    let events = rows.into_iter().map(|row| EventRow {
        id: row.id,
        connection_id: ConnectionId(row.connection_id),
        connection_name: row.name,
        stream: row.stream,
        key: row.key,
        entity_id: EntityId(row.entity_id),
        from: row.from_entity.map(EntityId),
        method: row.method,
        evidence: row.evidence.map(|json| json.0).unwrap_or_default(),
        score: row.score,
        at: row.at,
        run: row.run_id.map(RunId),
        user: row.user_id.map(UserId),
    });
    Ok(events.collect())
}
