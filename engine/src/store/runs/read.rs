//! Reading runs for people.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{RunFilter, RunPage, RunRow, RunState, version_from_db};
use crate::ids::{ConnectionId, ProcessId, RunId, TenantId};
use crate::store::{StoreError, Tx};

/// The runs of a page, newest first, without input and output.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(
    tx: &mut Tx,
    filter: &RunFilter,
    page: RunPage,
) -> Result<Vec<RunRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "select tenant_id, id, workflow, version, state, key, priority, due_at, epoch, owner, \
         attempt, cancel_requested, parent_id, forked_from, forked_seq, deadline, trigger, \
         connection_id, stream, \
         null::bytea as input, null::bytea as output, error, progress, counts, \
         created_at, started_at, finished_at \
         from runs where true",
    );
    if !filter.states.is_empty() {
        let states: Vec<_> = filter.states.iter().map(|state| state.as_str()).collect();
        query.push(" and state = any(").push_bind(states).push(")");
    }
    if let Some(partial) = filter.partial {
        query
            .push(" and (coalesce((counts ->> 'failed')::bigint, 0) > 0) = ")
            .push_bind(partial);
    }
    let texts = [
        (" and workflow = ", &filter.workflow),
        (" and stream = ", &filter.stream),
        (" and trigger = ", &filter.trigger),
        (" and error_class = ", &filter.error_class),
        (" and key = ", &filter.key),
    ];
    for (clause, value) in texts {
        if let Some(value) = value {
            query.push(clause).push_bind(value);
        }
    }
    if let Some(connection) = filter.connection_id {
        query.push(" and connection_id = ").push_bind(connection.0);
    }
    if let Some(parent) = filter.parent_id {
        query.push(" and parent_id = ").push_bind(parent.0);
    }
    if let Some(from) = filter.created_from {
        query.push(" and created_at >= ").push_bind(from);
    }
    if let Some(before) = filter.created_before {
        query.push(" and created_at < ").push_bind(before);
    }
    if let Some((created_at, id)) = page.after {
        query
            .push(" and (created_at, id) < (")
            .push_bind(created_at)
            .push(", ")
            .push_bind(id.0)
            .push(")");
    }
    query
        .push(" order by created_at desc, id desc limit ")
        .push_bind(i64::from(page.limit.min(500)));
    let rows: Vec<Raw> = query.build_query_as().fetch_all(tx.conn()).await?;
    rows.into_iter().map(RunRow::try_from).collect()
}

/// One run with its input and output.
///
/// # Errors
/// [`StoreError::NotFound`], also for another tenant's run.
pub async fn get(tx: &mut Tx, id: RunId) -> Result<RunRow, StoreError> {
    sqlx::query_as!(
        Raw,
        r#"
        select tenant_id, id, workflow, version, state, key, priority, due_at, epoch, owner,
               attempt, cancel_requested, parent_id, forked_from, forked_seq, deadline, trigger,
               connection_id, stream,
               input as "input?", output, error, progress, counts,
               created_at, started_at, finished_at
        from runs
        where id = $1
        "#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| StoreError::NotFound(format!("run {id}")))?
    .try_into()
}

#[derive(sqlx::FromRow)]
struct Raw {
    tenant_id: Uuid,
    id: Uuid,
    workflow: String,
    version: i16,
    state: String,
    key: Option<String>,
    priority: i16,
    due_at: Option<DateTime<Utc>>,
    epoch: i64,
    owner: Option<Uuid>,
    attempt: i32,
    cancel_requested: bool,
    parent_id: Option<Uuid>,
    forked_from: Option<Uuid>,
    forked_seq: Option<i32>,
    deadline: Option<DateTime<Utc>>,
    trigger: String,
    connection_id: Option<Uuid>,
    stream: Option<String>,
    input: Option<Vec<u8>>,
    output: Option<Vec<u8>>,
    error: Option<Json>,
    progress: Option<Json>,
    counts: Option<Json>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl TryFrom<Raw> for RunRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: TenantId(raw.tenant_id),
            id: RunId(raw.id),
            workflow: raw.workflow,
            version: version_from_db(raw.version)?,
            state: RunState::parse(&raw.state)?,
            key: raw.key,
            priority: raw.priority,
            due_at: raw.due_at,
            activations: raw.epoch,
            owner: raw.owner.map(ProcessId),
            failed_attempts: raw.attempt,
            cancel_requested: raw.cancel_requested,
            parent_id: raw.parent_id.map(RunId),
            forked_from: raw.forked_from.map(RunId).zip(raw.forked_seq),
            deadline: raw.deadline,
            trigger: raw.trigger,
            connection_id: raw.connection_id.map(ConnectionId),
            stream: raw.stream,
            input: raw.input,
            output: raw.output,
            error: raw.error,
            progress: decode("progress of a run", raw.progress)?,
            counts: decode("counts of a run", raw.counts)?,
            created_at: raw.created_at,
            started_at: raw.started_at,
            finished_at: raw.finished_at,
        })
    }
}

fn decode<T: serde::de::DeserializeOwned>(
    what: &str,
    value: Option<Json>,
) -> Result<Option<T>, StoreError> {
    value
        .map(|value| {
            serde_json::from_value(value).map_err(|error| StoreError::corrupt(what, error))
        })
        .transpose()
}
