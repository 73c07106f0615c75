//! Conflicts: groups of fields on which two sides disagree and no policy decides.

use std::collections::{BTreeMap, HashMap};

use connector_sdk::Value;
use sqlx::types::{Json, Uuid};

use super::changes::FieldChange;
use super::{StoreError, Tx};
use crate::ids::{ConflictId, ConnectionId, EntityId, RunId, UserId};

/// The three sides of one field.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sides {
    /// `None` where nothing was ever agreed.
    pub base: Option<Value>,
    pub core: Value,
    pub remote: Value,
}

/// A conflict to open.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    pub entity: &'static str,
    pub entity_id: EntityId,
    pub record_key: String,
    pub group: String,
    /// `edit`, `delete` or `overwritten`.
    pub kind: &'static str,
    pub fields: BTreeMap<String, Sides>,
}

/// An open conflict, taken for resolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    pub id: ConflictId,
    pub entity: String,
    pub entity_id: EntityId,
    pub connection: ConnectionId,
    pub stream: String,
    pub record_key: String,
    pub group: String,
    pub kind: String,
    pub fields: BTreeMap<String, Sides>,
    pub version: i64,
}

/// Opens conflicts; one that is open already for the same group shows the newest values.
///
/// # Errors
/// [`StoreError`].
pub async fn open(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: Option<RunId>,
    opened: &[Opened],
) -> Result<(), StoreError> {
    if opened.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let ids: Vec<Uuid> = opened.iter().map(|_| ConflictId::fresh().0).collect();
    let kinds: Vec<&str> = opened.iter().map(|row| row.entity).collect();
    let entities: Vec<Uuid> = opened.iter().map(|row| row.entity_id.0).collect();
    let keys: Vec<&str> = opened.iter().map(|row| row.record_key.as_str()).collect();
    let groups: Vec<&str> = opened.iter().map(|row| row.group.as_str()).collect();
    let what: Vec<&str> = opened.iter().map(|row| row.kind).collect();
    let fields = opened
        .iter()
        .map(|row| serde_json::to_string(&row.fields).map_err(StoreError::Encode))
        .collect::<Result<Vec<_>, _>>()?;
    sqlx::query!(
        "
        insert into conflicts
            (id, entity, entity_id, connection_id, stream, record_key, field_group, kind, fields,
             opened_at, run_id)
        select id, entity, entity_id, $1, $2, record_key, field_group, kind, fields::jsonb, $3, $4
        from unnest($5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::text[], $10::text[],
                    $11::text[])
            as row (id, entity, entity_id, record_key, field_group, kind, fields)
        on conflict (tenant_id, entity_id, connection_id, stream, field_group, kind)
            where state = 'open'
        do update
        set fields = excluded.fields,
            run_id = excluded.run_id,
            version = conflicts.version + 1
        where conflicts.fields is distinct from excluded.fields
        ",
        connection.0,
        stream,
        now,
        run.map(|id| id.0),
        &ids,
        &kinds as &[&str],
        &entities,
        &keys as &[&str],
        &groups as &[&str],
        &what as &[&str],
        &fields,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Adds what a person sets to open questions over the removal of the entity's records: whoever answers
/// decides over that too, and has to have seen it.
///
/// # Errors
/// [`StoreError`].
pub async fn add_edits(
    tx: &mut Tx,
    entity: EntityId,
    edits: &[FieldChange],
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, fields as "fields: Json<BTreeMap<String, Sides>>"
        from conflicts
        where entity_id = $1 and state = 'open' and kind = 'delete'
        for update
        "#,
        entity.0,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let Json(mut fields) = row.fields;
        for edit in edits {
            let sides = fields.entry(edit.field.clone()).or_insert_with(|| Sides {
                base: Some(edit.old.clone()),
                core: Value::Null,
                remote: Value::Null,
            });
            sides.core = edit.new.clone();
        }
        sqlx::query!(
            "update conflicts set fields = $2, version = version + 1 where id = $1",
            row.id,
            Json(fields) as Json<BTreeMap<String, Sides>>,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Groups with an open conflict, per entity, against one stream.
///
/// # Errors
/// [`StoreError`].
pub async fn open_groups(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entities: &[EntityId],
) -> Result<HashMap<EntityId, Vec<String>>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "
        select c.entity_id, c.field_group
        from unnest($1::uuid[]) as wanted (entity_id)
        cross join lateral (
            select entity_id, field_group
            from conflicts
            where entity_id = wanted.entity_id and connection_id = $2 and stream = $3
              and state = 'open'
            offset 0
        ) c
        ",
        &ids,
        connection.0,
        stream,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut groups: HashMap<EntityId, Vec<String>> = HashMap::new();
    for row in rows {
        groups
            .entry(EntityId(row.entity_id))
            .or_default()
            .push(row.field_group);
    }
    Ok(groups)
}

/// Whose a conflict is: the kind of entity and which one. Takes no row.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn entity_of(tx: &mut Tx, id: ConflictId) -> Result<(String, EntityId), StoreError> {
    let row = sqlx::query!(
        "select entity, entity_id from conflicts where id = $1",
        id.0
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("conflict {id}")))?;
    Ok((row.entity, EntityId(row.entity_id)))
}

/// An open conflict, locked for resolution, if its row still is at `version`.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::Conflict`] when it is resolved.
pub async fn take(tx: &mut Tx, id: ConflictId, version: i64) -> Result<Open, StoreError> {
    let row = sqlx::query!(
        r#"
        select entity, entity_id, connection_id, stream, record_key, field_group, kind,
               fields as "fields: Json<BTreeMap<String, Sides>>", state, version
        from conflicts
        where id = $1
        for update
        "#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("conflict {id}")))?;
    if row.state != "open" {
        return Err(StoreError::Conflict(format!(
            "conflict {id} is resolved already"
        )));
    }
    if row.version != version {
        return Err(StoreError::Stale(format!("conflict {id}")));
    }
    Ok(Open {
        id,
        entity: row.entity,
        entity_id: EntityId(row.entity_id),
        connection: ConnectionId(row.connection_id),
        stream: row.stream,
        record_key: row.record_key,
        group: row.field_group,
        kind: row.kind,
        fields: row.fields.0,
        version: row.version,
    })
}

/// Closes a conflict that a person decided.
///
/// # Errors
/// [`StoreError`].
pub async fn resolve(
    tx: &mut Tx,
    id: ConflictId,
    choice: &str,
    note: Option<&str>,
    by: UserId,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update conflicts
        set state = 'resolved', choice = $2, note = $3, resolved_at = $4, resolved_by = $5,
            version = version + 1
        where id = $1
        ",
        id.0,
        choice,
        note,
        now,
        by.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Closes open conflicts whose two sides have come to agree by themselves. What a write of ours went
/// over stays: that both sides agree is our doing.
///
/// # Errors
/// [`StoreError`].
pub async fn settle(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    agreed: &[(EntityId, String)],
) -> Result<(), StoreError> {
    if agreed.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let entities: Vec<Uuid> = agreed.iter().map(|(id, _)| id.0).collect();
    let groups: Vec<&str> = agreed.iter().map(|(_, group)| group.as_str()).collect();
    sqlx::query!(
        "
        update conflicts
        set state = 'resolved', choice = 'agreed', resolved_at = $3, version = version + 1
        from unnest($4::uuid[], $5::text[]) as agreed (entity_id, field_group)
        where conflicts.connection_id = $1
          and conflicts.stream = $2
          and conflicts.entity_id = agreed.entity_id
          and conflicts.field_group = agreed.field_group
          and conflicts.state = 'open'
          and conflicts.kind <> 'overwritten'
        ",
        connection.0,
        stream,
        now,
        &entities,
        &groups as &[&str],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends what is asked about an entity that went into `winner`: there is nothing left of it to decide
/// over. What a write of ours went over is asked of the winner from now on, unless the same is already.
///
/// # Errors
/// [`StoreError`].
pub async fn join(tx: &mut Tx, loser: EntityId, winner: EntityId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update conflicts as c
        set entity_id = $2, version = version + 1
        where c.entity_id = $1 and c.state = 'open' and c.kind = 'overwritten'
          and not exists (
              select from conflicts as own
              where own.entity_id = $2 and own.state = 'open' and own.kind = c.kind
                and own.connection_id = c.connection_id and own.stream = c.stream
                and own.field_group = c.field_group
          )
        ",
        loser.0,
        winner.0,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "
        update conflicts
        set state = 'resolved', choice = 'joined', resolved_at = $2, version = version + 1
        where entity_id = $1 and state = 'open'
        ",
        loser.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Says of open conflicts over these groups that what the system held is not there any more: a write of
/// ours that had been on its way when they were opened went over it. Where such a question is open
/// already, that one is left to answer.
///
/// # Errors
/// [`StoreError`].
pub async fn went_over(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    written: &[(EntityId, String)],
) -> Result<(), StoreError> {
    if written.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let entities: Vec<Uuid> = written.iter().map(|(id, _)| id.0).collect();
    let groups: Vec<&str> = written.iter().map(|(_, group)| group.as_str()).collect();
    sqlx::query!(
        "
        update conflicts as c
        set kind = case when asked.already then c.kind else 'overwritten' end,
            state = case when asked.already then 'resolved' else c.state end,
            choice = case when asked.already then 'overwritten' end,
            resolved_at = case when asked.already then $3::timestamptz end,
            version = c.version + 1
        from unnest($4::uuid[], $5::text[]) as written (entity_id, field_group)
        cross join lateral (
            select exists (
                select from conflicts as own
                where own.entity_id = written.entity_id and own.connection_id = $1
                  and own.stream = $2 and own.field_group = written.field_group
                  and own.kind = 'overwritten' and own.state = 'open'
            ) as already
        ) as asked
        where c.connection_id = $1
          and c.stream = $2
          and c.entity_id = written.entity_id
          and c.field_group = written.field_group
          and c.kind = 'edit'
          and c.state = 'open'
        ",
        connection.0,
        stream,
        now,
        &entities,
        &groups as &[&str],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
