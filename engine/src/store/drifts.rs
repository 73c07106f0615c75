//! Changes of what systems say of streams, where they touch what is mapped.

use chrono::{DateTime, Utc};
use connector_sdk::{Described, Stream, StreamField};
use sqlx::types::{Json, Uuid};

use super::keyset::{After, Slice};
use super::{StoreError, Tx};
use crate::drift::{Drift, Kind};
use crate::ids::{ConnectionId, DriftId, PublicationId, RunId};

/// A drift as it is stored.
#[derive(Clone, Debug)]
pub struct DriftRow {
    pub id: DriftId,
    pub drift: Drift,
    /// `open`, `decided`, `recovered`.
    pub state: String,
    pub found_at: DateTime<Utc>,
    pub run_id: Option<RunId>,
    pub ended_at: Option<DateTime<Utc>>,
    pub publication_id: Option<PublicationId>,
}

struct Row {
    id: DriftId,
    field: String,
    kind: String,
    before: Option<Json<StreamField>>,
    after: Option<Json<StreamField>>,
    core_fields: Vec<String>,
    message: String,
    state: String,
    found_at: DateTime<Utc>,
    run_id: Option<RunId>,
    ended_at: Option<DateTime<Utc>>,
    publication_id: Option<PublicationId>,
}

impl TryFrom<Row> for DriftRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let kind = match row.kind.as_str() {
            "type" => Kind::Type,
            "removed" => Kind::Removed,
            "required" => Kind::Required,
            "choice" => Kind::Choice,
            other => return Err(StoreError::corrupt("kind of a drift", other.to_owned())),
        };
        Ok(Self {
            id: row.id,
            drift: Drift {
                field: row.field,
                kind,
                before: row.before.map(|json| json.0),
                after: row.after.map(|json| json.0),
                core_fields: row.core_fields.into_iter().collect(),
                message: row.message,
            },
            state: row.state,
            found_at: row.found_at,
            run_id: row.run_id,
            ended_at: row.ended_at,
            publication_id: row.publication_id,
        })
    }
}

/// The description of a stream and its mark as stored; locked, so that two who bring a new one are told
/// of each other.
///
/// # Errors
/// [`StoreError`].
pub async fn known(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Option<(Option<Stream>, Option<String>)>, StoreError> {
    let row = sqlx::query!(
        r#"
        select description as "description: Json<Stream>", description_mark
        from streams
        where connection_id = $1 and stream = $2
        for update
        "#,
        connection.0,
        stream,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (row.description.map(|json| json.0), row.description_mark)))
}

/// Drifts of a stream that wait for a decision, by field.
///
/// # Errors
/// [`StoreError`].
pub async fn open(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Vec<DriftRow>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"
        select id as "id: DriftId", field, kind, before as "before: Json<StreamField>",
               after as "after: Json<StreamField>", core_fields, message, state, found_at,
               run_id as "run_id: RunId", ended_at,
               publication_id as "publication_id: PublicationId"
        from drifts
        where connection_id = $1 and stream = $2 and state = 'open'
        order by field
        "#,
        connection.0,
        stream,
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(DriftRow::try_from)
    .collect()
}

/// Drifts of a stream, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<DriftRow>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select id as "id: DriftId", field, kind, before as "before: Json<StreamField>",
               after as "after: Json<StreamField>", core_fields, message, state, found_at,
               run_id as "run_id: RunId", ended_at,
               publication_id as "publication_id: PublicationId"
        from drifts
        where connection_id = $1 and stream = $2 and ($4::uuid is null or id < $4)
        order by id desc
        limit $3::bigint + 1
        "#,
        connection.0,
        stream,
        limit,
        after.map(|after| after.id),
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(DriftRow::try_from)
    .collect::<Result<Vec<_>, _>>()?;
    Ok(Slice::cut(rows, limit, |last| After {
        value: String::new(),
        id: last.id.0,
    }))
}

/// Notes drifts; one of a field that has an open one takes its place and keeps what was before it.
///
/// # Errors
/// [`StoreError`].
pub async fn note(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    run: Option<RunId>,
    drifts: &[Drift],
) -> Result<(), StoreError> {
    let now = tx.now();
    for drift in drifts {
        let cores: Vec<String> = drift.core_fields.iter().cloned().collect();
        sqlx::query!(
            "
            insert into drifts as known
                (id, connection_id, stream, field, kind, before, after, core_fields, message, state,
                 found_at, run_id)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open', $10, $11)
            on conflict (tenant_id, connection_id, stream, field) where state = 'open' do update
            set kind = excluded.kind,
                after = excluded.after,
                core_fields = excluded.core_fields,
                message = excluded.message
            ",
            DriftId::fresh().0,
            connection.0,
            stream,
            drift.field,
            drift.kind.as_str(),
            drift.before.as_ref().map(Json) as _,
            drift.after.as_ref().map(Json) as _,
            &cores,
            drift.message,
            now,
            run.map(|run| run.0),
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Ends open drifts: of these fields because the system took them back, or all of them because a
/// mapping was put in force that answers them.
///
/// # Errors
/// [`StoreError`].
pub async fn end(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    recovered: Option<&[String]>,
    by: Option<PublicationId>,
) -> Result<u64, StoreError> {
    let now = tx.now();
    let ended = sqlx::query!(
        "
        update drifts
        set state = case when $3::text[] is null then 'decided' else 'recovered' end,
            ended_at = $4, publication_id = $5
        where connection_id = $1 and stream = $2 and state = 'open'
          and ($3::text[] is null or field = any($3))
        ",
        connection.0,
        stream,
        recovered as Option<&[String]>,
        now,
        by.map(|by| by.0) as Option<Uuid>,
    )
    .execute(tx.conn())
    .await?;
    Ok(ended.rows_affected())
}

/// Keeps the description of a stream, where there is a new one, and what stands still by the drifts
/// that are open.
///
/// # Errors
/// [`StoreError`].
pub async fn keep(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    described: Option<&Described>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "
        update streams
        set description = coalesce($3, description),
            description_mark = coalesce($4, description_mark),
            described_at = case when $4::text is null then described_at else $5 end,
            held_fields = array(
                select distinct unnest(core_fields) from drifts
                where connection_id = $1 and stream = $2 and state = 'open'
                order by 1
            ),
            holds_creates = exists (
                select from drifts
                where connection_id = $1 and stream = $2 and state = 'open'
                  and core_fields = '{}'
            )
        where connection_id = $1 and stream = $2
        ",
        connection.0,
        stream,
        described.map(|described| Json(&described.stream)) as _,
        described.map(|described| described.mark.as_str()),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
