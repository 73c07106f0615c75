//! Reading runs for people.

use chrono::{DateTime, Utc};
use connector_sdk::trace::TraceContext;
use serde_json::Value as Json;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{RunFilter, RunPage, RunRow, RunState, version_from_db};
use crate::ids::{ConnectionId, ProcessId, RunId, TenantId};
use crate::store::lanes::Lane;
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
         created_at, started_at, finished_at, trace, lane \
         from all_runs where tenant_id = ",
    );
    // Named although row security says the same: only so the planner knows that the rows of every
    // day come in the order of their keys.
    query.push_bind(tx.tenant().0);
    if !filter.states.is_empty() {
        // Not bound: indexes are for some states only.
        let mut states = query.push(" and state in (").separated(", ");
        for state in &filter.states {
            states
                .push("'")
                .push_unseparated(state.as_str())
                .push_unseparated("'");
        }
        query.push(")");
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
        query.push(" and id >= ").push_bind(RunId::floor(from).0);
    }
    if let Some(before) = filter.created_before {
        query.push(" and id < ").push_bind(RunId::floor(before).0);
    }
    if let Some(id) = page.after {
        query.push(" and id < ").push_bind(id.0);
    }
    query
        .push(" order by id desc limit ")
        .push_bind(i64::from(page.limit.min(500)));
    let rows: Vec<Raw> = query.build_query_as().fetch_all(tx.conn()).await?;
    rows.into_iter().map(RunRow::try_from).collect()
}

/// One run with its input and output.
///
/// # Errors
/// [`StoreError::NotFound`], also for another tenant's run.
pub async fn get(tx: &mut Tx, id: RunId) -> Result<RunRow, StoreError> {
    modelled!(tx, run_row(id));
    let tenant = tx.tenant();
    sqlx::query_as!(
        Raw,
        r#"
        select tenant_id as "tenant_id!", id as "id!", workflow as "workflow!",
               version as "version!", state as "state!", key, priority as "priority!", due_at,
               epoch as "epoch!", owner, attempt as "attempt!",
               cancel_requested as "cancel_requested!", parent_id, forked_from, forked_seq, deadline, trigger as "trigger!",
               connection_id, stream, input, output, error, progress, counts,
               created_at as "created_at!", started_at, finished_at, trace, lane
        from all_runs
        where tenant_id = $2 and id = $1
        "#,
        id.0,
        tenant.0,
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
    trace: Option<String>,
    lane: Option<String>,
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
            behind: raw.lane.as_deref().map(Lane::read).transpose()?,
            // What others wrote that is none is as good as none.
            trace: raw.trace.as_deref().and_then(TraceContext::parse),
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
