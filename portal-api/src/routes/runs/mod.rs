//! Runs: what was done, step by step.

mod bulk;
mod cancel;
mod children;
mod fork;
mod get;
mod list;
mod restart;
mod retry;
mod signal;
mod undo;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::runs::Wanted;
use engine::ids::{ConnectionId, RunId};
use engine::runtime::Class;
use engine::store::runs::{self, RunState};
use engine::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get))
        .routes(routes!(retry::retry))
        .routes(routes!(cancel::cancel))
        .routes(routes!(restart::restart))
        .routes(routes!(fork::fork))
        .routes(routes!(signal::signal))
        .routes(routes!(bulk::start))
        .routes(routes!(bulk::plan))
        .routes(routes!(children::children))
        .routes(routes!(undo::plan, undo::start))
}

/// A run that was started, or one under way that does the same.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StartedRun {
    #[schema(value_type = String)]
    pub(crate) run_id: RunId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RunState)]
pub(crate) enum RunStateName {
    Queued,
    Running,
    Waiting,
    Succeeded,
    /// Succeeded, but some records failed or conflict.
    Partial,
    Failed,
    Cancelled,
    Parked,
}

/// A run in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunRow {
    #[schema(value_type = String)]
    id: RunId,
    workflow: String,
    version: u16,
    state: RunStateName,
    /// What it is about: `Salesforce · Account`.
    subject: String,
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    stream: Option<String>,
    /// Runs with the same key run one at a time.
    key: Option<String>,
    /// schedule, manual, edit, child, start, fork
    trigger: String,
    /// The run that it began as a copy of.
    #[schema(value_type = Option<String>)]
    forked_from: Option<RunId>,
    /// By when it must have ended.
    deadline: Option<DateTime<Utc>>,
    /// Failed attempts of the step it is at, and one.
    attempt: i32,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    /// When it may go on, while it is queued.
    due_at: Option<DateTime<Utc>>,
    progress: Option<Progress>,
    error: Option<Failure>,
    counts: Option<Counts>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunProgress)]
pub(crate) struct Progress {
    done: u64,
    total: Option<u64>,
    /// What is counted: `records`.
    unit: String,
}

/// Why a run or an attempt failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunFailure)]
pub(crate) struct Failure {
    #[schema(value_type = FailureClass)]
    class: Class,
    message: String,
    /// The other system's code, or one of ours.
    code: Option<String>,
    who: Who,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of classes")]
pub(crate) enum FailureClass {
    Transient,
    RateLimited,
    Auth,
    Config,
    Rejected,
    Conflict,
    Bug,
    Cancelled,
    Deadline,
}

/// Who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    /// Nobody: time helps.
    Wait,
    /// An admin of the tenant: credentials, configuration.
    Tenant,
    /// Somebody who knows the data.
    Person,
    /// Whoever maintains the hub.
    Us,
}

/// What a run did to records.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunCounts)]
pub(crate) struct Counts {
    read: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    deleted: u64,
    conflicts: u64,
    failed: u64,
    written: u64,
    /// Records that are to stay out.
    excluded: u64,
    /// Changes beyond a cap, which wait for an approval.
    withheld: u64,
    /// Records of people who were forgotten; who is not told.
    suppressed: u64,
    /// Records that were linked with what was here already.
    linked: u64,
    /// Records that wait for a person to say whose they are.
    held: u64,
}

impl Failure {
    /// Of what is stored with runs and attempts.
    fn read(stored: &serde_json::Value) -> Option<Self> {
        let failure: engine::runtime::Failure = serde_json::from_value(stored.clone()).ok()?;
        Some(Self {
            class: failure.class,
            who: who(failure.class),
            message: failure.message,
            code: failure.code,
        })
    }
}

fn who(class: Class) -> Who {
    match class {
        Class::Transient | Class::RateLimited => Who::Wait,
        Class::Auth | Class::Config => Who::Tenant,
        Class::Rejected | Class::Conflict | Class::Cancelled | Class::Deadline => Who::Person,
        Class::Bug => Who::Us,
    }
}

/// Names of connections, for what runs are about.
pub(crate) struct Subjects(HashMap<ConnectionId, String>);

impl Subjects {
    pub(crate) async fn of(tx: &mut Tx, rows: &[runs::RunRow]) -> Result<Self, StoreError> {
        let mut ids: Vec<_> = rows.iter().filter_map(|row| row.connection_id).collect();
        ids.sort_unstable();
        ids.dedup();
        engine::store::connections::names(tx, &ids).await.map(Self)
    }

    fn subject(&self, row: &runs::RunRow) -> String {
        let name = row.connection_id.and_then(|id| self.0.get(&id));
        match (name, &row.stream) {
            (Some(name), Some(stream)) => format!("{name} · {stream}"),
            (Some(name), None) => name.clone(),
            (None, Some(stream)) => stream.clone(),
            (None, None) => row.workflow.replace('_', " "),
        }
    }
}

impl From<RunStateName> for Wanted {
    fn from(name: RunStateName) -> Self {
        Self::State(match name {
            RunStateName::Partial => return Self::Partial,
            RunStateName::Queued => RunState::Queued,
            RunStateName::Running => RunState::Running,
            RunStateName::Waiting => RunState::Waiting,
            RunStateName::Succeeded => RunState::Succeeded,
            RunStateName::Failed => RunState::Failed,
            RunStateName::Cancelled => RunState::Cancelled,
            RunStateName::Parked => RunState::Parked,
        })
    }
}

impl RunRow {
    pub(crate) fn new(row: runs::RunRow, subjects: &Subjects) -> Self {
        let spoiled = row.counts.is_some_and(|counts| counts.failed > 0);
        Self {
            subject: subjects.subject(&row),
            state: match row.state {
                RunState::Queued => RunStateName::Queued,
                RunState::Running => RunStateName::Running,
                RunState::Waiting => RunStateName::Waiting,
                RunState::Succeeded if spoiled => RunStateName::Partial,
                RunState::Succeeded => RunStateName::Succeeded,
                RunState::Failed => RunStateName::Failed,
                RunState::Cancelled => RunStateName::Cancelled,
                RunState::Parked => RunStateName::Parked,
            },
            progress: row.progress.map(|progress| Progress {
                done: progress.done,
                total: progress.total,
                unit: progress.unit,
            }),
            error: row.error.as_ref().and_then(Failure::read),
            counts: row.counts.map(|counts| Counts {
                read: counts.read,
                created: counts.created,
                updated: counts.updated,
                unchanged: counts.unchanged,
                deleted: counts.deleted,
                conflicts: counts.conflicts,
                failed: counts.failed,
                written: counts.written,
                excluded: counts.excluded,
                withheld: counts.withheld,
                suppressed: counts.suppressed,
                linked: counts.linked,
                held: counts.held,
            }),
            id: row.id,
            workflow: row.workflow,
            version: row.version,
            connection_id: row.connection_id,
            stream: row.stream,
            key: row.key,
            trigger: row.trigger,
            forked_from: row.forked_from.map(|(run, _)| run),
            deadline: row.deadline,
            attempt: row.failed_attempts + 1,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            due_at: row.due_at,
        }
    }
}
