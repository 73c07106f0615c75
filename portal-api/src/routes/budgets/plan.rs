use axum::Json;
use engine::budget;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{BudgetFigures, BudgetPlan, check_name};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::{Json as Body, Path};

/// What is to be counted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanBudget {
    /// What it would be set to; null to remove it.
    figures: Option<BudgetFigures>,
}

/// Counts the runs that a change of a budget would touch
///
/// By the statement that does it; nothing is changed.
#[utoipa::path(
    post, path = "/budgets/{name}/plan", operation_id = "plan_budget", tag = "budgets",
    params(("name" = String, Path)), request_body = PlanBudget,
    responses((status = 200, description = "As of now", body = BudgetPlan)),
)]
pub(super) async fn plan(
    caller: Caller,
    Path(name): Path<String>,
    Body(body): Body<PlanBudget>,
) -> Result<Json<BudgetPlan>, ApiError> {
    check_name(&name)?;
    let spec = body.figures.map(BudgetFigures::read).transpose()?;
    let mut tx = caller.begin().await?;
    let touched = budget::plan(&mut tx, &name, spec.as_ref()).await?;
    Ok(Json(touched.into()))
}
