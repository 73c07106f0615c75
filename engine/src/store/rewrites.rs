//! Fields that a system changes again and again after the hub wrote them: counted, frozen, let go.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::Value;
use sqlx::types::{Json, Uuid};

use super::keyset::{After, Slice, instant, instant_text};
use super::{StoreError, Tx};
use crate::ids::{BreakerId, ConnectionId, EntityId, FailureClassId, RunId, WriteId};
use crate::mapping::Values;

/// Changes of a field after writes of ours within [`WINDOW`] that freeze it.
pub const MOST: i64 = 5;
/// How far back changes are counted, and how long after a write one counts as its answer.
pub const WINDOW: TimeDelta = TimeDelta::minutes(10);

/// How long a change that froze nothing is kept in mind: a slow loop sets the same two values again.
const FORGOTTEN: TimeDelta = TimeDelta::days(2);

/// A system changed a field that the hub had just written.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewrite {
    pub entity_id: EntityId,
    pub field: String,
    pub write: WriteId,
    /// What the hub wrote.
    pub ours: Value,
    /// What the system shows.
    pub theirs: Value,
}

/// A write of the last minutes.
#[derive(Clone, Debug)]
pub struct Written {
    pub write: WriteId,
    /// By core field.
    pub sent: Values,
    /// Whether a person's edit asked for it.
    pub is_by_person: bool,
}

/// Counts rewrites; fields that reach [`MOST`] within [`WINDOW`], or with the same two values in a row,
/// are frozen. Returns how many were.
///
/// # Errors
/// [`StoreError`].
pub async fn note(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entity: &str,
    run: Option<RunId>,
    rewrites: &[Rewrite],
) -> Result<u64, StoreError> {
    if rewrites.is_empty() {
        return Ok(0);
    }
    let now = tx.now();
    let since = now - WINDOW;
    let ids: Vec<Uuid> = rewrites.iter().map(|_| BreakerId::fresh().0).collect();
    let entities: Vec<Uuid> = rewrites.iter().map(|one| one.entity_id.0).collect();
    let fields: Vec<&str> = rewrites.iter().map(|one| one.field.as_str()).collect();
    let writes: Vec<Uuid> = rewrites.iter().map(|one| one.write.0).collect();
    let json = |value: &Value| serde_json::to_string(value).map_err(StoreError::Encode);
    let ours = rewrites
        .iter()
        .map(|one| json(&one.ours))
        .collect::<Result<Vec<_>, _>>()?;
    let theirs = rewrites
        .iter()
        .map(|one| json(&one.theirs))
        .collect::<Result<Vec<_>, _>>()?;
    let frozen = sqlx::query!(
        r#"
        with noted as (
            insert into rewrites
                (id, connection_id, stream, entity, entity_id, field, write_id, ours, theirs, times,
                 run_id)
            select distinct on (entity_id, field)
                   id, $1, $2, $3, entity_id, field, write_id, ours::jsonb, theirs::jsonb,
                   array[$4::timestamptz], $5
            from unnest($6::uuid[], $7::uuid[], $8::text[], $9::uuid[], $10::text[], $11::text[])
                as row (id, entity_id, field, write_id, ours, theirs)
            order by entity_id, field
            on conflict (tenant_id, connection_id, stream, entity_id, field) do update
            set write_id = excluded.write_id,
                ours = excluded.ours,
                theirs = excluded.theirs,
                run_id = excluded.run_id,
                times = array(
                    select at from unnest(rewrites.times) as at where at > $12 order by at
                ) || excluded.times,
                repeats = case
                    when rewrites.ours = excluded.ours and rewrites.theirs = excluded.theirs
                    then rewrites.repeats + 1
                    else 1
                end,
                frozen_at = case
                    when rewrites.frozen_at is not null then rewrites.frozen_at
                    when (select count(*) from unnest(rewrites.times) as at where at > $12) + 1 >= $13
                    then $4
                    when rewrites.ours = excluded.ours and rewrites.theirs = excluded.theirs
                         and rewrites.repeats + 1 >= $13
                    then $4
                end
            where rewrites.write_id <> excluded.write_id
            returning frozen_at = $4 as is_frozen
        ),
        -- What was not frozen in its time is forgotten.
        forgotten as (
            delete from rewrites
            where connection_id = $1 and stream = $2 and frozen_at is null
              and times[cardinality(times)] <= $14
              and entity_id <> all ($7)
        )
        select count(*) filter (where is_frozen) as "frozen!" from noted
        "#,
        connection.0,
        stream,
        entity,
        now,
        run.map(|id| id.0),
        &ids,
        &entities,
        &fields as &[&str],
        &writes,
        &ours,
        &theirs,
        since,
        MOST,
        now - FORGOTTEN,
    )
    .fetch_one(tx.conn())
    .await?
    .frozen;
    let frozen = u64::try_from(frozen).unwrap_or(0);
    if frozen > 0 {
        metrics::counter!("syncline_fields_frozen_total").increment(frozen);
    }
    Ok(frozen)
}

/// The last write of each of these entities that was settled since a moment, by field.
///
/// # Errors
/// [`StoreError`].
pub async fn written(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entities: &[EntityId],
    since: DateTime<Utc>,
) -> Result<HashMap<EntityId, Vec<Written>>, StoreError> {
    if entities.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"
        select w.entity_id, w.id, w.sent as "sent!: Json<Values>",
               w.cause_user_id is not null as "is_by_person!"
        from unnest($3::uuid[]) as wanted (entity_id)
        cross join lateral (
            select id, entity_id, sent, cause_user_id, settled_at
            from writes
            where entity_id = wanted.entity_id and connection_id = $1 and stream = $2
              and state = 'settled' and op = 'upsert' and sent is not null and settled_at > $4
            offset 0
        ) w
        order by w.settled_at desc, w.id desc
        "#,
        connection.0,
        stream,
        &ids,
        since,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut written: HashMap<EntityId, Vec<Written>> = HashMap::new();
    for row in rows {
        let entity = EntityId(row.entity_id);
        written.entry(entity).or_default().push(Written {
            write: WriteId(row.id),
            sent: row.sent.0,
            is_by_person: row.is_by_person,
        });
    }
    Ok(written)
}

/// The frozen fields of these entities in one stream.
///
/// # Errors
/// [`StoreError`].
pub async fn frozen(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entities: &[EntityId],
) -> Result<HashMap<EntityId, BTreeSet<String>>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "
        select r.entity_id, r.field
        from unnest($3::uuid[]) as wanted (entity_id)
        cross join lateral (
            select entity_id, field
            from rewrites
            where entity_id = wanted.entity_id and connection_id = $1 and stream = $2
              and frozen_at is not null
            offset 0
        ) r
        ",
        connection.0,
        stream,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut frozen: HashMap<EntityId, BTreeSet<String>> = HashMap::new();
    for row in rows {
        let entity = EntityId(row.entity_id);
        frozen.entry(entity).or_default().insert(row.field);
    }
    Ok(frozen)
}

/// Lets a field of these entities go: it is read and written again. Returns whose field was frozen.
///
/// # Errors
/// [`StoreError`].
pub async fn release(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    entities: &[EntityId],
    field: &str,
) -> Result<Vec<EntityId>, StoreError> {
    let ids: Vec<Uuid> = entities.iter().map(|id| id.0).collect();
    let released = sqlx::query_scalar!(
        "
        delete from rewrites
        where connection_id = $1 and stream = $2 and entity_id = any($3) and field = $4
          and frozen_at is not null
        returning entity_id
        ",
        connection.0,
        stream,
        &ids,
        field,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(released.into_iter().map(EntityId).collect())
}

/// A frozen field as listed.
#[derive(Clone, Debug)]
pub struct Frozen {
    pub id: BreakerId,
    pub connection: ConnectionId,
    pub connection_name: String,
    pub stream: String,
    pub entity: String,
    pub entity_id: EntityId,
    /// The record's key in its system; none when it is gone.
    pub key: Option<String>,
    pub field: String,
    pub ours: Value,
    pub theirs: Value,
    /// When the system changed it, oldest first.
    pub times: Vec<DateTime<Utc>>,
    pub frozen_at: DateTime<Utc>,
    /// The run that saw the last change.
    pub run: Option<RunId>,
    /// The class of failures it belongs to.
    pub class: FailureClassId,
}

struct Row {
    id: BreakerId,
    connection: ConnectionId,
    connection_name: String,
    stream: String,
    entity: String,
    entity_id: EntityId,
    key: Option<String>,
    field: String,
    ours: Json<Value>,
    theirs: Json<Value>,
    times: Vec<DateTime<Utc>>,
    frozen_at: DateTime<Utc>,
    run: Option<RunId>,
    class: Option<FailureClassId>,
}

impl TryFrom<Row> for Frozen {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let class = row
            .class
            .ok_or_else(|| StoreError::NotFound(format!("breaker {}", row.id)))?;
        Ok(Self {
            id: row.id,
            connection: row.connection,
            connection_name: row.connection_name,
            stream: row.stream,
            entity: row.entity,
            entity_id: row.entity_id,
            key: row.key,
            field: row.field,
            ours: row.ours.0,
            theirs: row.theirs.0,
            times: row.times,
            frozen_at: row.frozen_at,
            run: row.run,
            class,
        })
    }
}

async fn rows(
    tx: &mut Tx,
    id: Option<BreakerId>,
    connection: Option<ConnectionId>,
    limit: i64,
    after: Option<&After>,
) -> Result<Vec<Frozen>, StoreError> {
    let before = after.map(|after| instant(&after.value)).transpose()?;
    let rows = sqlx::query_as!(
        Row,
        r#"
        select r.id as "id: BreakerId", r.connection_id as "connection: ConnectionId",
               c.name as connection_name, r.stream, r.entity, r.entity_id as "entity_id: EntityId",
               (select key
                from records
                where records.entity_id = r.entity_id and records.connection_id = r.connection_id
                  and records.stream = r.stream and records.removed_at is null) as key,
               r.field, r.ours as "ours: Json<Value>", r.theirs as "theirs: Json<Value>",
               r.times, r.frozen_at as "frozen_at!", r.run_id as "run: RunId",
               (select f.class
                from failing f
                where f.source = 'breaker' and f.entity_id = r.entity_id and f.about = r.field
                  and f.connection_id = r.connection_id and f.stream = r.stream)
                   as "class: FailureClassId"
        from rewrites r
        join connections c on c.id = r.connection_id
        where r.frozen_at is not null
          and ($1::uuid is null or r.id = $1)
          and ($2::uuid is null or r.connection_id = $2)
          and ($3::timestamptz is null or (r.frozen_at, r.id) < ($3, $4))
        order by r.frozen_at desc, r.id desc
        limit $5
        "#,
        id.map(|id| id.0),
        connection.map(|id| id.0),
        before,
        after.map(|after| after.id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Frozen::try_from).collect()
}

/// A page of frozen fields, those frozen last first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    connection: Option<ConnectionId>,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Frozen>, StoreError> {
    let rows = rows(tx, None, connection, limit + 1, after).await?;
    Ok(Slice::cut(rows, limit, |last| After {
        value: instant_text(last.frozen_at),
        id: last.id.0,
    }))
}

/// One frozen field.
///
/// # Errors
/// [`StoreError::NotFound`], also when it was let go meanwhile.
pub async fn get(tx: &mut Tx, id: BreakerId) -> Result<Frozen, StoreError> {
    let found = rows(tx, Some(id), None, 1, None).await?.into_iter().next();
    found.ok_or_else(|| StoreError::NotFound(format!("breaker {id}")))
}

/// A field whose values a system stores in another form.
#[derive(Clone, Debug)]
pub struct NearMiss {
    pub field: String,
    pub count: i64,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    pub last_entity: EntityId,
}

/// Counts values that were stored in another form than they were sent: field and entity of each.
///
/// # Errors
/// [`StoreError`].
pub async fn miss(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    misses: &[(String, EntityId)],
) -> Result<(), StoreError> {
    if misses.is_empty() {
        return Ok(());
    }
    metrics::counter!("syncline_near_misses_total").increment(misses.len() as u64);
    let now = tx.now();
    let fields: Vec<&str> = misses.iter().map(|(field, _)| field.as_str()).collect();
    let entities: Vec<Uuid> = misses.iter().map(|(_, entity)| entity.0).collect();
    sqlx::query!(
        "
        insert into near_misses
            (connection_id, stream, field, count, first_at, last_at, last_entity)
        select $1, $2, field, count(*), $3, $3, (array_agg(entity_id))[1]
        from unnest($4::text[], $5::uuid[]) as row (field, entity_id)
        group by field
        order by field
        on conflict (tenant_id, connection_id, stream, field) do update
        set count = near_misses.count + excluded.count,
            last_at = excluded.last_at,
            last_entity = excluded.last_entity
        ",
        connection.0,
        stream,
        now,
        &fields as &[&str],
        &entities,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The near misses of a stream, by field.
///
/// # Errors
/// [`StoreError`].
pub async fn misses(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Vec<NearMiss>, StoreError> {
    Ok(sqlx::query_as!(
        NearMiss,
        r#"
        select field, count, first_at, last_at, last_entity as "last_entity: EntityId"
        from near_misses
        where connection_id = $1 and stream = $2
        order by field
        "#,
        connection.0,
        stream,
    )
    .fetch_all(tx.conn())
    .await?)
}
