//! Records of which it is not sure whose they are, and what a person said of them.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use connector_sdk::{Fields, Record};
use serde::{Deserialize, Serialize};
use sqlx::types::{Json, Uuid};

use super::link_events::Method;
use super::{StoreError, Tx};
use crate::ids::{ConnectionId, EntityId, MatchId, RunId, UserId};
use crate::likeness::Likeness;
use crate::mapping::Values;

/// Questions of one page that watchers are told of one by one.
const MOST_NEWS: usize = 50;

/// Where records are held, and by what.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub connection: ConnectionId,
    pub stream: &'a str,
    /// The kind that they are of.
    pub entity: &'a str,
    /// What they are marked with; see [`Plan::mark`](super::plans::Plan::mark).
    pub mapping_version: i32,
}

/// Why a record is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It looks like one that is here.
    Possible,
    /// Its strong key names several.
    Ambiguous,
    /// The one that its strong key names has another record there.
    Taken,
    /// The one that its strong key names is being created there: it may be the same record.
    BeingMade,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Ambiguous => "ambiguous",
            Self::Taken => "taken",
            Self::BeingMade => "being_made",
        }
    }
}

/// An entity that a record may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub entity_id: EntityId,
    /// It has another record in the stream.
    pub is_taken: bool,
    #[serde(flatten)]
    pub likeness: Likeness,
}

/// A record to hold until a person says whose it is.
#[derive(Clone, Debug)]
pub struct Held {
    pub key: String,
    pub why: Why,
    /// The likeliest first.
    pub candidates: Vec<Candidate>,
    /// What it is looked up by: field, colon, text.
    pub keys: Vec<String>,
    /// JSON of its fields.
    pub raw: String,
    pub remote_version: Option<String>,
    pub remote_changed_at: Option<DateTime<Utc>>,
}

/// What is known of a record's identity beside its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nobody has said anything yet.
    Open {
        /// Of the record as it was seen last.
        changed_at: Option<DateTime<Utc>>,
    },
    /// It is this entity; who said so, where it was a person.
    Same {
        entity: EntityId,
        method: Method,
        by: Option<UserId>,
        /// Whence it was moved.
        from: Option<EntityId>,
        /// What was agreed of it there, where it goes along.
        base: Option<Values>,
    },
    /// It is one of its own.
    Different,
}

/// What was said of these records, or is being asked.
///
/// # Errors
/// [`StoreError`].
pub async fn said(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<HashMap<String, Said>, StoreError> {
    let mut said = HashMap::new();
    let rows = sqlx::query!(
        r#"
        select m.key, m.state, m.entity_id, m.method, m.decided_by, m.from_entity, m.base as "base: Json<Values>",
               m.remote_changed_at
        from unnest($3::text[]) as wanted (key)
        cross join lateral (
            select key, state, entity_id, method, decided_by, from_entity, base, remote_changed_at
            from matches
            where connection_id = $1 and stream = $2 and key = wanted.key and state <> 'gone'
            for update
            offset 0
        ) m
        "#,
        connection.0,
        stream,
        keys,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let one = match (row.state.as_str(), row.entity_id) {
            ("same", Some(id)) => Said::Same {
                entity: EntityId(id),
                method: Method::read(row.method.as_deref().unwrap_or_default())?,
                by: row.decided_by.map(UserId),
                from: row.from_entity.map(EntityId),
                base: row.base.map(|json| json.0),
            },
            ("open", _) => Said::Open {
                changed_at: row.remote_changed_at,
            },
            _ => Said::Different,
        };
        said.insert(row.key, one);
    }
    Ok(said)
}

/// Holds records, or keeps what is held of them up to date; one that was gone, or whose entity is not
/// here any more, is asked for again.
///
/// # Errors
/// [`StoreError`].
pub async fn hold(
    tx: &mut Tx,
    place: &Place<'_>,
    run: RunId,
    held: &[Held],
) -> Result<(), StoreError> {
    let now = tx.now();
    for one in held {
        let ids: Vec<Uuid> = one.candidates.iter().map(|one| one.entity_id.0).collect();
        let candidates = serde_json::to_value(&one.candidates).map_err(StoreError::Encode)?;
        let id = sqlx::query_scalar!(
            r#"
            insert into matches as known
                (id, connection_id, stream, key, entity, why, state, candidates, candidate_ids, keys, raw,
                 remote_version, remote_changed_at, run_id, opened_at, seen_at, mapping_version)
            values ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $10::text::json, $11, $12, $13, $14, $14, $15)
            on conflict (tenant_id, connection_id, stream, key) do update
            set entity = excluded.entity, why = excluded.why, state = 'open',
                candidates = excluded.candidates, candidate_ids = excluded.candidate_ids,
                keys = excluded.keys, raw = excluded.raw, remote_version = excluded.remote_version,
                remote_changed_at = excluded.remote_changed_at, run_id = excluded.run_id,
                mapping_version = excluded.mapping_version,
                opened_at = case when known.state = 'open' then known.opened_at
                                 else excluded.opened_at end,
                seen_at = excluded.seen_at, entity_id = null, method = null, from_entity = null, base = null, decided_at = null,
                decided_by = null, note = null, version = known.version + 1
            returning id as "id: MatchId"
            "#,
            MatchId::fresh().0,
            place.connection.0,
            place.stream,
            one.key,
            place.entity,
            one.why.as_str(),
            candidates,
            &ids,
            &one.keys,
            one.raw,
            one.remote_version,
            one.remote_changed_at,
            run.0,
            now,
            place.mapping_version,
        )
        .fetch_one(tx.conn())
        .await?;
        if held.len() <= MOST_NEWS {
            tx.changed("match", id);
        }
    }
    Ok(())
}

/// Ends questions about records that are not there any more.
///
/// # Errors
/// [`StoreError`].
pub async fn gone(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update matches
        set state = 'gone', decided_at = $4, version = version + 1
        where connection_id = $1 and stream = $2 and key = any($3) and state = 'open'
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

/// Ends questions that answered themselves: the record is an entity's by now, or none is like it.
///
/// # Errors
/// [`StoreError`].
pub async fn answered(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    links: &[(String, Option<(EntityId, Method)>)],
) -> Result<(), StoreError> {
    if links.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let keys: Vec<&str> = links.iter().map(|(key, _)| key.as_str()).collect();
    let entities: Vec<Option<Uuid>> = links
        .iter()
        .map(|(_, link)| link.map(|(id, _)| id.0))
        .collect();
    let methods: Vec<Option<&str>> = links
        .iter()
        .map(|(_, link)| link.map(|(_, method)| method.as_str()))
        .collect();
    sqlx::query!(
        "
        update matches
        set state = case when answer.entity_id is null then 'different' else 'same' end,
            entity_id = answer.entity_id, method = answer.method, decided_at = $6, version = version + 1
        from unnest($3::text[], $4::uuid[], $5::text[]) as answer (key, entity_id, method)
        where connection_id = $1 and stream = $2 and matches.key = answer.key and state = 'open'
        ",
        connection.0,
        stream,
        &keys as &[&str],
        &entities as &[Option<Uuid>],
        &methods as &[Option<&str>],
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The entities among these, to be created in a stream, that a record held there may be: by its
/// candidates, or by what it is looked up by (`texts`, per entity as in [`Held::keys`]).
///
/// # Errors
/// [`StoreError`].
pub async fn awaited(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entities: &[(EntityId, Vec<String>)],
) -> Result<BTreeSet<EntityId>, StoreError> {
    if entities.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (mut ids, mut texts) = (Vec::new(), Vec::new());
    for (id, keys) in entities {
        // An entity without a key is asked for by its id alone.
        for text in keys.iter().map(String::as_str).chain([""]) {
            ids.push(id.0);
            texts.push(text);
        }
    }
    let rows = sqlx::query_scalar!(
        r#"
        select distinct wanted.id as "id!"
        from matches m
        join unnest($3::uuid[], $4::text[]) as wanted (id, text)
          on wanted.id = any(m.candidate_ids) or wanted.text = any(m.keys)
        where m.connection_id = $1 and m.stream = $2 and m.state = 'open'
        "#,
        connection.0,
        stream,
        &ids,
        &texts as &[&str],
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(EntityId).collect())
}

/// A question, taken to be answered.
#[derive(Clone, Debug)]
pub struct Open {
    pub id: MatchId,
    pub connection: ConnectionId,
    pub stream: String,
    pub entity: String,
    /// The run that read the record.
    pub run: RunId,
    pub record: Record,
    pub seen_at: DateTime<Utc>,
}

/// The kind of entity that a question is about; its row is not taken.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn kind_of(tx: &mut Tx, id: MatchId) -> Result<String, StoreError> {
    let kind = sqlx::query_scalar!("select entity from matches where id = $1", id.0)
        .fetch_optional(tx.conn())
        .await?;
    kind.ok_or_else(|| StoreError::NotFound(format!("match {id}")))
}

/// An open question, locked, if its row still is at `version`.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::Conflict`] when it is answered.
pub async fn take(tx: &mut Tx, id: MatchId, version: i64) -> Result<Open, StoreError> {
    let row = sqlx::query!(
        r#"
        select connection_id, stream, key, entity, state, run_id, raw as "raw: Json<Fields>",
               remote_version, remote_changed_at, seen_at, version
        from matches
        where id = $1
        for update
        "#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("match {id}")))?;
    if row.state != "open" {
        return Err(StoreError::Conflict(format!(
            "match {id} is answered already"
        )));
    }
    if row.version != version {
        return Err(StoreError::Stale(format!("match {id}")));
    }
    Ok(Open {
        id,
        connection: ConnectionId(row.connection_id),
        stream: row.stream,
        entity: row.entity,
        run: RunId(row.run_id),
        record: Record {
            key: row.key,
            version: row.remote_version,
            changed_at: row.remote_changed_at,
            fields: row.raw.0,
        },
        seen_at: row.seen_at,
    })
}

/// Notes what a person said of a record: that it is an entity, or one of its own.
///
/// # Errors
/// [`StoreError`].
pub async fn decide(
    tx: &mut Tx,
    id: MatchId,
    entity: Option<EntityId>,
    note: Option<&str>,
    by: UserId,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update matches
        set state = case when $2::uuid is null then 'different' else 'same' end, entity_id = $2,
            method = 'person', note = $3, decided_at = $4, decided_by = $5, version = version + 1
        where id = $1
        ",
        id.0,
        entity.map(|id| id.0),
        note,
        now,
        by.0,
    )
    .execute(tx.conn())
    .await?;
    tx.changed("match", id);
    Ok(())
}

/// Notes whose a linked record is from now on, whatever was known of it: where links are moved.
#[derive(Clone, Debug)]
pub struct Moved<'a> {
    pub connection: ConnectionId,
    pub stream: &'a str,
    pub entity: &'a str,
    pub run: RunId,
    pub record: &'a Record,
    /// `None`: one of its own.
    pub to: Option<EntityId>,
    pub from: EntityId,
    /// What was agreed of it there, where it goes along.
    pub base: Option<&'a Values>,
    pub method: Method,
    pub by: Option<UserId>,
    pub note: Option<&'a str>,
}

/// See [`Moved`].
///
/// # Errors
/// [`StoreError`].
pub async fn move_to(tx: &mut Tx, moved: Moved<'_>) -> Result<(), StoreError> {
    let now = tx.now();
    let raw = serde_json::to_string(&moved.record.fields).map_err(StoreError::Encode)?;
    let base = moved.base.map(serde_json::to_string).transpose();
    let base = base.map_err(StoreError::Encode)?;
    sqlx::query!(
        "
        insert into matches as known
            (id, connection_id, stream, key, entity, why, state, candidates, candidate_ids, keys, raw,
             remote_version, remote_changed_at, run_id, opened_at, seen_at, entity_id, decided_at,
             decided_by, note, method, from_entity, base, mapping_version)
        values ($1, $2, $3, $4, $5, 'possible',
                case when $6::uuid is null then 'different' else 'same' end, '[]', '{}', '{}',
                $7::text::json, $8, $9, $10, $11, $11, $6, $11, $12, $13, $14, $15, $16::text::json,
                0)
        on conflict (tenant_id, connection_id, stream, key) do update
        set state = excluded.state, entity_id = excluded.entity_id, raw = excluded.raw,
            remote_version = excluded.remote_version, remote_changed_at = excluded.remote_changed_at,
            decided_at = excluded.decided_at, decided_by = excluded.decided_by, note = excluded.note,
            method = excluded.method, from_entity = excluded.from_entity, base = excluded.base,
            version = known.version + 1
        ",
        MatchId::fresh().0,
        moved.connection.0,
        moved.stream,
        moved.record.key,
        moved.entity,
        moved.to.map(|id| id.0),
        raw,
        moved.record.version,
        moved.record.changed_at,
        moved.run.0,
        now,
        moved.by.map(|by| by.0),
        moved.note,
        moved.method.as_str(),
        moved.from.0,
        base,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Makes the pages of a kind that may make or link entities wait for each other: two that bring the
/// same thing at once would not see each other's.
///
/// # Errors
/// [`StoreError`].
pub async fn in_turn(tx: &mut Tx, entity: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('identity ' || current_tenant() || $1, 0))",
        entity,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
