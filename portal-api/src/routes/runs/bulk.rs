use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::permissions::needs::{RunsOperate, RunsRead};
use engine::ids::ConnectionId;
use engine::runtime::{BulkInput, BulkRuns};
use engine::store::runs::{self, BulkFilter, BulkOperation, NewRun, RunState, StartOptions};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RunStateName, StartedRun};
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Json;

/// What is to be done to all runs that match.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BulkRuns)]
pub(crate) struct Bulk {
    /// For the history.
    name: String,
    operation: Operation,
    filter: Filter,
}

/// What would be done to all runs that match.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlanBulkRuns)]
pub(crate) struct Plan {
    operation: Operation,
    filter: Filter,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BulkOperation)]
pub(crate) enum Operation {
    Cancel,
    /// From the step that failed.
    Retry,
    /// From the start.
    Restart,
}

/// Which runs are meant; what is left out does not restrict.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BulkFilter)]
pub(crate) struct Filter {
    workflow: Option<String>,
    #[serde(default)]
    states: Vec<RunStateName>,
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    error_class: Option<String>,
    key_prefix: Option<String>,
    /// Started at this time or later.
    created_from: Option<DateTime<Utc>>,
    /// Started before this time.
    created_before: Option<DateTime<Utc>>,
}

/// How many runs it is about.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkPlan)]
pub(crate) struct Counted {
    /// Runs it would be done to.
    eligible: u64,
    /// Runs that match, but are in a state that it is not for.
    skipped: u64,
}

impl From<Operation> for BulkOperation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Cancel => Self::Cancel,
            Operation::Retry => Self::Retry,
            Operation::Restart => Self::Restart,
        }
    }
}

impl Filter {
    fn read(self) -> Result<BulkFilter, ApiError> {
        let state = |(index, name)| match name {
            RunStateName::Queued => Ok(RunState::Queued),
            RunStateName::Running => Ok(RunState::Running),
            RunStateName::Waiting => Ok(RunState::Waiting),
            RunStateName::Succeeded => Ok(RunState::Succeeded),
            RunStateName::Failed => Ok(RunState::Failed),
            RunStateName::Cancelled => Ok(RunState::Cancelled),
            RunStateName::Parked => Ok(RunState::Parked),
            RunStateName::Partial => Err(ApiError::invalid(
                format!("/filter/states/{index}"),
                "partial is for lists only; succeeded includes it",
            )),
        };
        Ok(BulkFilter {
            states: self
                .states
                .into_iter()
                .enumerate()
                .map(state)
                .collect::<Result<_, _>>()?,
            workflow: self.workflow,
            connection_id: self.connection_id,
            error_class: self.error_class,
            key_prefix: self.key_prefix,
            created_from: self.created_from,
            created_before: self.created_before,
        })
    }
}

/// Counts the runs that a bulk operation would be done to
///
/// By the same condition that the operation uses.
#[utoipa::path(
    post, path = "/runs/bulk/plan", operation_id = "plan_bulk_runs", tag = "runs",
    request_body = Plan, responses((status = 200, description = "As of now", body = Counted)),
)]
pub(super) async fn plan(
    caller: May<RunsRead>,
    Json(body): Json<Plan>,
) -> Result<axum::Json<Counted>, ApiError> {
    let filter = body.filter.read()?;
    let mut tx = caller.begin().await?;
    let plan = runs::plan_bulk(&mut tx, body.operation.into(), &filter, None).await?;
    Ok(axum::Json(Counted {
        eligible: plan.eligible,
        skipped: plan.skipped,
    }))
}

/// Cancels, retries or restarts all runs that match
///
/// A run of its own does it in parts and shows how far it is; its output says what came of it.
#[utoipa::path(
    post, path = "/runs/bulk", operation_id = "bulk_runs", tag = "runs",
    request_body = Bulk, responses((status = 202, description = "Started", body = StartedRun)),
)]
pub(super) async fn start(
    caller: May<RunsOperate>,
    Json(body): Json<Bulk>,
) -> Result<(StatusCode, axum::Json<StartedRun>), ApiError> {
    let input = BulkInput {
        name: body.name,
        operation: body.operation.into(),
        filter: body.filter.read()?,
    };
    let new = NewRun::of::<BulkRuns>(&input, StartOptions::default())?;
    let mut tx = caller.begin().await?;
    let run_id = runs::start(&mut tx, new).await?.id();
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, axum::Json(StartedRun { run_id })))
}
