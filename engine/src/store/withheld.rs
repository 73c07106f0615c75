//! Changes of records that were read and not applied, because they are beyond a cap.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sqlx::types::Uuid;

use super::approvals::{self, Kind};
use super::changes::FieldChange;
use super::keyset::{After, Slice};
use super::{StoreError, Tx};
use crate::ids::{ApprovalId, ConnectionId, EntityId, RunId, WithheldId};

/// A change to withhold.
#[derive(Clone, Debug)]
pub struct Withheld {
    pub key: String,
    pub kind: Kind,
    pub entity: &'static str,
    pub entity_id: Option<EntityId>,
    /// What an overwrite would have set.
    pub fields: Option<Vec<FieldChange>>,
    /// JSON of the tombstone or of the record's fields.
    pub change: String,
}

/// How a withheld change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Applied,
    /// The system shows something else by now.
    Recovered,
    /// The record is not there any more.
    Gone,
    Declined,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Recovered => "recovered",
            Self::Gone => "gone",
            Self::Declined => "declined",
        }
    }
}

/// Which of these records have a change withheld.
///
/// # Errors
/// [`StoreError`].
pub async fn open_of(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
) -> Result<HashMap<String, Kind>, StoreError> {
    let rows = sqlx::query!(
        "
        select w.key, w.kind
        from unnest($3::text[]) as wanted (key)
        cross join lateral (
            select key, kind
            from withheld
            where connection_id = $1 and stream = $2 and key = wanted.key and state = 'open'
            offset 0
        ) w
        -- Mostly nothing is: then no key is looked up.
        where (
            select exists (
                select
                from withheld
                where connection_id = $1 and stream = $2 and state = 'open'
            )
        )
        ",
        connection.0,
        stream,
        keys,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| Ok((row.key, Kind::read(&row.kind)?)))
        .collect()
}

/// Withholds changes and asks for their approval. A newer change of a record takes the place of the one
/// that is withheld already.
///
/// # Errors
/// [`StoreError`].
pub async fn withhold(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    changes: &[Withheld],
) -> Result<(), StoreError> {
    for kind in [Kind::Delete, Kind::Overwrite, Kind::Create] {
        let of_kind: Vec<&Withheld> = changes.iter().filter(|one| one.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let approval = approvals::ask(tx, connection, stream, kind, run).await?;
        insert(tx, connection, stream, run, approval, kind, &of_kind).await?;
    }
    Ok(())
}

async fn insert(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    approval: ApprovalId,
    kind: Kind,
    changes: &[&Withheld],
) -> Result<(), StoreError> {
    let now = tx.now();
    let ids: Vec<Uuid> = changes.iter().map(|_| WithheldId::fresh().0).collect();
    let keys: Vec<&str> = changes.iter().map(|one| one.key.as_str()).collect();
    let entities: Vec<&str> = changes.iter().map(|one| one.entity).collect();
    let entity_ids: Vec<Option<Uuid>> = changes
        .iter()
        .map(|one| one.entity_id.map(|id| id.0))
        .collect();
    let bodies: Vec<&str> = changes.iter().map(|one| one.change.as_str()).collect();
    let fields = changes
        .iter()
        .map(|one| one.fields.as_ref().map(serde_json::to_string).transpose())
        .collect::<Result<Vec<_>, _>>()
        .map_err(StoreError::Encode)?;
    sqlx::query!(
        "
        insert into withheld
            (id, approval_id, connection_id, stream, key, kind, entity, entity_id, fields, change,
             run_id, at, state)
        select id, $3, $1, $2, key, $4, entity, entity_id, fields::jsonb, change::json, $5, $6, 'open'
        from unnest($7::uuid[], $8::text[], $9::text[], $10::uuid[], $11::text[], $12::text[])
            as row (id, key, entity, entity_id, fields, change)
        on conflict (tenant_id, connection_id, stream, key) where state = 'open' do update
        set approval_id = excluded.approval_id,
            kind = excluded.kind,
            entity_id = excluded.entity_id,
            fields = excluded.fields,
            change = excluded.change,
            run_id = excluded.run_id,
            at = excluded.at
        ",
        connection.0,
        stream,
        approval.0,
        kind.as_str(),
        run.0,
        now,
        &ids,
        &keys as &[&str],
        &entities as &[&str],
        &entity_ids as &[Option<Uuid>],
        &fields as &[Option<String>],
        &bodies as &[&str],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends what is withheld of these records.
///
/// # Errors
/// [`StoreError`].
pub async fn end(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    keys: &[String],
    end: End,
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    sqlx::query!(
        "
        update withheld
        set state = $4, ended_at = $5
        from unnest($3::text[]) as over (key)
        where connection_id = $1 and stream = $2 and withheld.key = over.key and state = 'open'
        ",
        connection.0,
        stream,
        keys,
        end.as_str(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What an approval still holds, by age from `after` on.
///
/// # Errors
/// [`StoreError`].
pub async fn open_part(
    tx: &mut Tx,
    approval: ApprovalId,
    after: WithheldId,
    limit: i64,
) -> Result<Vec<(WithheldId, String)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id as "id: WithheldId", key
        from withheld
        where approval_id = $1 and id > $2 and state = 'open'
        order by id
        limit $3
        "#,
        approval.0,
        after.0,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.key)).collect())
}

/// What was read of a record whose change is withheld.
///
/// # Errors
/// [`StoreError`].
pub async fn change(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    key: &str,
) -> Result<Option<Json>, StoreError> {
    let change = sqlx::query_scalar!(
        "
        select change
        from withheld
        where connection_id = $1 and stream = $2 and key = $3 and state = 'open'
        ",
        connection.0,
        stream,
        key,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(change)
}

/// A withheld change as it is shown.
#[derive(Clone, Debug)]
pub struct WithheldRow {
    pub id: WithheldId,
    pub key: String,
    pub entity: String,
    pub entity_id: Option<EntityId>,
    pub fields: Option<Json>,
    pub run_id: RunId,
    pub at: DateTime<Utc>,
    pub state: String,
    pub ended_at: Option<DateTime<Utc>>,
}

/// A page of what an approval is about, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    approval: ApprovalId,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<WithheldRow>, StoreError> {
    let rows = sqlx::query_as!(
        WithheldRow,
        r#"
        select id as "id: WithheldId", key, entity, entity_id as "entity_id: EntityId", fields,
               run_id as "run_id: RunId", at, state, ended_at
        from withheld
        where approval_id = $1 and ($2::uuid is null or id > $2)
        order by id
        limit $3
        "#,
        approval.0,
        after.map(|after| after.id),
        limit + 1,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(Slice::cut(rows, limit, |last| After {
        value: String::new(),
        id: last.id.0,
    }))
}
