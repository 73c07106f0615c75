use axum::Json;
use chrono::{DateTime, Utc};
use domain::overview::{self, FlowState};
use engine::ids::ConnectionId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::routes::runs::{RunRow, Subjects};

/// Everything at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// What needs somebody, in one sentence.
    sentence: String,
    connections: ConnectionCounts,
    runs: OverviewRuns,
    records: RecordCounts,
    conflicts_open: i64,
    writes: WriteCounts,
    oldest_pending_write_at: Option<DateTime<Utc>>,
    /// Processes of the hub that are alive.
    processes: i64,
    flows: Vec<Flow>,
    /// The eight newest.
    recent_runs: Vec<RunRow>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionCounts {
    total: i64,
    healthy: i64,
    attention: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OverviewRuns {
    running: i64,
    queued: i64,
    failed_24h: i64,
    succeeded_24h: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordCounts {
    accounts: i64,
    contacts: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WriteCounts {
    pending: i64,
    failed: i64,
}

/// One stream of one connection, kept in step.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Flow {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    connection_name: String,
    system: String,
    stream: String,
    entity: String,
    /// in, out or both; null without a published mapping
    direction: Option<String>,
    records: i64,
    last_read_at: Option<DateTime<Utc>>,
    next_at: Option<DateTime<Utc>>,
    #[schema(value_type = FlowStateName)]
    state: FlowState,
    sentence: String,
    pending_writes: i64,
    conflicts: i64,
    failures: i64,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of states")]
pub(crate) enum FlowStateName {
    OnTime,
    Late,
    Stopped,
    NeverRun,
}

/// Everything at a glance
#[utoipa::path(
    get, path = "/overview", operation_id = "get_overview", tag = "overview",
    responses((status = 200, description = "How things stand", body = Overview)),
)]
pub(super) async fn get(caller: Caller) -> Result<Json<Overview>, ApiError> {
    let mut tx = caller.begin().await?;
    let seen = overview::read(&mut tx).await?;
    let recent = overview::recent_runs(&mut tx).await?;
    let subjects = Subjects::of(&mut tx, &recent).await?;
    let recent_runs = recent
        .into_iter()
        .map(|row| RunRow::new(row, &subjects))
        .collect();
    Ok(Json(Overview::new(seen, recent_runs)))
}

impl Overview {
    fn new(seen: overview::Overview, recent_runs: Vec<RunRow>) -> Self {
        Self {
            sentence: seen.sentence(),
            connections: ConnectionCounts {
                total: seen.connections_total,
                healthy: seen.connections_healthy,
                attention: seen.connections_attention,
            },
            runs: OverviewRuns {
                running: seen.runs_running,
                queued: seen.runs_queued,
                failed_24h: seen.runs_failed_24h,
                succeeded_24h: seen.runs_succeeded_24h,
            },
            records: RecordCounts {
                accounts: seen.accounts,
                contacts: seen.contacts,
            },
            conflicts_open: seen.conflicts_open,
            writes: WriteCounts {
                pending: seen.writes_pending,
                failed: seen.writes_failed,
            },
            oldest_pending_write_at: seen.oldest_pending_write_at,
            processes: seen.processes,
            flows: seen.flows.into_iter().map(Flow::from).collect(),
            recent_runs,
        }
    }
}

impl From<overview::Flow> for Flow {
    fn from(flow: overview::Flow) -> Self {
        Self {
            sentence: flow.sentence(),
            connection_id: flow.connection_id,
            connection_name: flow.connection_name,
            system: flow.system,
            stream: flow.stream,
            entity: flow.entity,
            direction: flow.direction,
            records: flow.records,
            last_read_at: flow.last_read_at,
            next_at: flow.next_at,
            state: flow.state,
            pending_writes: flow.pending_writes,
            conflicts: flow.conflicts,
            failures: flow.failures,
        }
    }
}
