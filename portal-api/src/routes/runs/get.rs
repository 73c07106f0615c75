use axum::Json;
use chrono::{DateTime, Utc};
use domain::permissions::needs::RunsRead;
use domain::runs::{self, StepKind, StepState};
use engine::ids::RunId;
use engine::store::lanes;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Failure, RunRow, Subjects};
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;
use crate::routes::lanes::Lane;

/// A run with its steps.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Run {
    #[serde(flatten)]
    row: RunRow,
    /// As it was started with.
    #[schema(value_type = Value)]
    input: serde_json::Value,
    #[schema(value_type = Value)]
    output: Option<serde_json::Value>,
    #[schema(value_type = Option<String>)]
    parent_id: Option<RunId>,
    /// How many runs it started.
    children: i64,
    /// Whether somebody asked it to stop.
    cancel_requested: bool,
    /// The lanes that keep it from going, while it is queued.
    held_by: Vec<Lane>,
    /// The trace it belongs to: a W3C `traceparent`.
    trace: Option<String>,
    steps: Vec<Step>,
}

/// One recorded unit of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunStep)]
pub(crate) struct Step {
    seq: i32,
    name: String,
    /// Tells repeats of one step apart.
    key: String,
    #[schema(value_type = StepKindName)]
    kind: StepKind,
    #[schema(value_type = StepStateName)]
    state: StepState,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    took_ms: Option<i64>,
    attempts: Vec<Attempt>,
    /// JSON; null where it is too long to show.
    #[schema(value_type = Value)]
    output: Option<serde_json::Value>,
    /// Whether the output is longer than 16 KB and left out.
    truncated: bool,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of kinds")]
pub(crate) enum StepKindName {
    Step,
    Tx,
    Sleep,
    Signal,
    Child,
    Start,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of states")]
pub(crate) enum StepStateName {
    Done,
    Failed,
    Running,
    Waiting,
}

/// One try of a step.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunAttempt)]
pub(crate) struct Attempt {
    /// From 1.
    attempt: i32,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    error: Option<Failure>,
    /// When the next one is due.
    next_at: Option<DateTime<Utc>>,
}

/// One run with its steps
#[utoipa::path(
    get, path = "/runs/{id}", operation_id = "get_run", tag = "runs",
    params(("id" = String, Path)),
    responses((status = 200, description = "The run", body = Run)),
)]
pub(super) async fn get(
    caller: May<RunsRead>,
    Path(id): Path<RunId>,
) -> Result<Json<Run>, ApiError> {
    let mut tx = caller.begin().await?;
    let story = runs::story(&mut tx, id).await?;
    let held_by = lanes::holding(&mut tx, &story.run).await?;
    let now = tx.now();
    let subjects = Subjects::of(&mut tx, std::slice::from_ref(&story.run)).await?;
    Ok(Json(Run {
        input: story.input,
        output: story.output,
        parent_id: story.run.parent_id,
        children: story.children,
        cancel_requested: story.run.cancel_requested,
        held_by: held_by.into_iter().map(|row| Lane::new(row, now)).collect(),
        trace: story
            .run
            .trace
            .as_ref()
            .map(|trace| trace.parent.to_string()),
        steps: story.steps.into_iter().map(Step::from).collect(),
        row: RunRow::new(story.run, &subjects),
    }))
}

impl From<runs::Step> for Step {
    fn from(step: runs::Step) -> Self {
        Self {
            took_ms: step
                .finished_at
                .map(|at| (at - step.started_at).num_milliseconds()),
            seq: step.seq,
            name: step.name,
            key: step.key,
            kind: step.kind,
            state: step.state,
            started_at: step.started_at,
            finished_at: step.finished_at,
            attempts: step.attempts.into_iter().map(Attempt::from).collect(),
            output: step.output,
            truncated: step.truncated,
        }
    }
}

impl From<runs::Attempt> for Attempt {
    fn from(attempt: runs::Attempt) -> Self {
        Self {
            attempt: attempt.attempt,
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            error: attempt.error.as_ref().and_then(Failure::read),
            next_at: attempt.next_at,
        }
    }
}
