//! Reading classes of failures, and what people say of them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::{Json, Uuid};

use super::Source;
use crate::ids::{ConnectionId, FailureClassId, UserId};
use crate::store::keyset::{After, Slice, instant, instant_text};
use crate::store::{StoreError, Tx};

/// Which classes a list shows; empty fields do not restrict.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassQuery {
    pub is_open: Option<bool>,
    pub is_muted: Option<bool>,
    pub connection: Option<ConnectionId>,
}

/// A class as it was folded last.
#[derive(Clone, Debug)]
pub struct ClassRow {
    pub id: FailureClassId,
    pub connection: ConnectionId,
    pub connection_name: String,
    pub system: String,
    pub stream: String,
    pub source: Source,
    pub kind: Option<String>,
    /// The system's own code.
    pub code: Option<String>,
    /// The core field, the fields a system complained of, or the workflow.
    pub about: Option<String>,
    /// Without what differs from record to record.
    pub message: String,
    pub is_open: bool,
    /// How many records fail; of runs, how many flows.
    pub things: i64,
    pub failures: i64,
    pub samples: Vec<Sample>,
    pub first_seen_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    /// When the outbox tries the next of them by itself.
    pub next_try_at: Option<DateTime<Utc>>,
    /// When the stream is read next.
    pub next_read_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub muted_at: Option<DateTime<Utc>>,
    pub muted_by: Option<UserId>,
    pub note: Option<String>,
    pub version: i64,
}

/// One of the newest failures of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// None for a run.
    pub entity: Option<String>,
    pub entity_id: Option<Uuid>,
    pub thing: String,
    pub message: Option<String>,
    pub at: DateTime<Utc>,
}

/// One failure.
#[derive(Clone, Debug)]
pub struct FailingRow {
    pub entity: Option<String>,
    pub entity_id: Option<Uuid>,
    /// The record's key, where a field of it fails.
    pub key: Option<String>,
    /// The write or the run.
    pub reference: Option<Uuid>,
    pub message: String,
    pub at: DateTime<Utc>,
    pub next_try_at: Option<DateTime<Utc>>,
}

struct Row {
    id: FailureClassId,
    connection: ConnectionId,
    connection_name: String,
    system: String,
    stream: String,
    source: String,
    kind: Option<String>,
    code: Option<String>,
    about: Option<String>,
    message: String,
    state: String,
    things: i64,
    failures: i64,
    samples: Json<Vec<Sample>>,
    first_seen_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    next_try_at: Option<DateTime<Utc>>,
    next_read_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
    muted_at: Option<DateTime<Utc>>,
    muted_by: Option<UserId>,
    note: Option<String>,
    version: i64,
}

/// A page of classes, those that failed last first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    query: ClassQuery,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<ClassRow>, StoreError> {
    let state = query
        .is_open
        .map(|is_open| if is_open { "open" } else { "closed" });
    let rows = rows(tx, None, state, query, limit + 1, after).await?;
    Ok(Slice::cut(rows, limit, |last| After {
        value: instant_text(last.last_seen_at),
        id: last.id.0,
    }))
}

/// One class.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: FailureClassId) -> Result<ClassRow, StoreError> {
    let found = rows(tx, Some(id), None, ClassQuery::default(), 1, None).await?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| StoreError::NotFound(format!("failure class {id}")))
}

async fn rows(
    tx: &mut Tx,
    id: Option<FailureClassId>,
    state: Option<&str>,
    query: ClassQuery,
    limit: i64,
    after: Option<&After>,
) -> Result<Vec<ClassRow>, StoreError> {
    let before = after.map(|after| instant(&after.value)).transpose()?;
    let rows = sqlx::query_as!(
        Row,
        r#"
        select f.id as "id: FailureClassId", f.connection_id as "connection: ConnectionId",
               c.name as connection_name, c.system, f.stream, f.source, f.kind, f.code, f.about,
               f.message, f.state, f.things, f.failures, f.samples as "samples: Json<Vec<Sample>>",
               f.first_seen_at, f.last_seen_at, f.next_try_at,
               (select min(s.next_at)
                from schedules s
                where s.connection_id = f.connection_id and s.stream = f.stream and not s.paused)
                   as next_read_at,
               f.closed_at, f.muted_at, f.muted_by as "muted_by: UserId", f.note, f.version
        from failure_classes f
        join connections c on c.id = f.connection_id
        where ($1::uuid is null or f.id = $1)
          and ($2::text is null or f.state = $2)
          and ($3::boolean is null or (f.muted_at is not null) = $3)
          and ($4::uuid is null or f.connection_id = $4)
          and ($5::timestamptz is null or (f.last_seen_at, f.id) < ($5, $6))
        order by f.last_seen_at desc, f.id desc
        limit $7
        "#,
        id.map(|id| id.0),
        state,
        query.is_muted,
        query.connection.map(|id| id.0),
        before,
        after.map(|after| after.id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(ClassRow::try_from).collect()
}

impl TryFrom<Row> for ClassRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            connection: row.connection,
            connection_name: row.connection_name,
            system: row.system,
            stream: row.stream,
            source: Source::read(&row.source)?,
            kind: row.kind,
            code: row.code,
            about: row.about,
            message: row.message,
            is_open: row.state == "open",
            things: row.things,
            failures: row.failures,
            samples: row.samples.0,
            first_seen_at: row.first_seen_at,
            last_seen_at: row.last_seen_at,
            next_try_at: row.next_try_at,
            next_read_at: row.next_read_at,
            closed_at: row.closed_at,
            muted_at: row.muted_at,
            muted_by: row.muted_by,
            note: row.note,
            version: row.version,
        })
    }
}

/// A page of what fails now for the cause of a class, the newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn records(
    tx: &mut Tx,
    class: &ClassRow,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<FailingRow>, StoreError> {
    let before = after.map(|after| instant(&after.value)).transpose()?;
    let rows = sqlx::query!(
        r#"
        select entity, entity_id, thing as "thing!", ref as reference,
               coalesce(message, '') as "message!", at as "at!", next_at, place as "place!"
        from (
            -- What settles ties: a record has no id of its own.
            select *, coalesce(ref, md5(thing)::uuid) as place
            from failing
            where class = $1 and connection_id = $2 and stream = $3
        ) as failing
        where $4::timestamptz is null or (at, place) < ($4, $5)
        order by at desc, place desc
        limit $6
        "#,
        class.id.0,
        class.connection.0,
        class.stream,
        before,
        after.map(|after| after.id),
        limit + 1,
    )
    .fetch_all(tx.conn())
    .await?;
    let slice = Slice::cut(rows, limit, |last| After {
        value: instant_text(last.at),
        id: last.place,
    });
    let items = slice.items.into_iter().map(|row| FailingRow {
        entity: row.entity,
        entity_id: row.entity_id,
        key: (class.source == Source::Field).then_some(row.thing),
        reference: row.reference,
        message: row.message,
        at: row.at,
        next_try_at: row.next_at,
    });
    Ok(Slice {
        items: items.collect(),
        next: slice.next,
        total: None,
    })
}

/// Hides a class from whoever does not ask for hidden ones, or shows it again. What fails goes on
/// failing.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`].
pub async fn mute(
    tx: &mut Tx,
    id: FailureClassId,
    version: i64,
    by: Option<UserId>,
    note: Option<&str>,
) -> Result<(), StoreError> {
    let now = tx.now();
    let muted = sqlx::query!(
        "
        update failure_classes
        set muted_at = case when $3::uuid is not null then $4::timestamptz end,
            muted_by = $3,
            note = $5,
            version = version + 1
        where id = $1 and version = $2
        ",
        id.0,
        version,
        by.map(|by| by.0),
        now,
        note,
    )
    .execute(tx.conn())
    .await?;
    if muted.rows_affected() == 0 {
        get(tx, id).await?;
        return Err(StoreError::Stale(format!("failure class {id}")));
    }
    Ok(())
}
