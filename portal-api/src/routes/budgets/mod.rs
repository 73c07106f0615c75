//! Budgets: what other systems' accounts let us do, and who may use how much of it.

mod delete;
mod get;
mod list;
mod plan;
mod put;

use engine::budget::{BudgetRow, BudgetSpec, BudgetTouched, Lane};
use engine::ids::ConnectionId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::caller::Operator;
use crate::error::{ApiError, FieldProblem};
use crate::etag;
use crate::permit::routes;
use crate::portal::Portal;

/// Longest name in bytes.
const LONGEST_NAME: usize = 200;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get, put::put, delete::delete))
        .routes(routes!(plan::plan))
}

/// On whose behalf a call is made, in the order of service.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the engine's names")]
pub(crate) enum BudgetLaneName {
    Interactive,
    Webhook,
    Incremental,
    Backfill,
    Reconcile,
}

/// A bucket of calls that an account at another system allows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Budget {
    /// The account: of a connection its id.
    name: String,
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    /// Calls that may be made at once after a quiet time.
    capacity: f64,
    /// Calls that come back each second.
    refill_per_second: f64,
    /// Whether both are what the other system reports, and follow it.
    reported: bool,
    /// Calls that are there now.
    tokens: f64,
    lanes: Vec<BudgetLane>,
}

/// Who may use how much of a budget.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetLane {
    #[schema(value_type = BudgetLaneName)]
    lane: &'static str,
    /// The part of the capacity that it leaves to those before it.
    reserve: f64,
    /// Calls that it may make now.
    available: f64,
}

impl From<BudgetRow> for Budget {
    fn from(row: BudgetRow) -> Self {
        let available = row.for_lanes();
        let lanes = Lane::ALL
            .into_iter()
            .zip(row.spec.reserve)
            .zip(available)
            .map(|((lane, reserve), available)| BudgetLane {
                lane: lane.as_str(),
                reserve,
                available,
            });
        Self {
            connection_id: row.name.parse().ok(),
            name: row.name,
            capacity: row.spec.capacity,
            refill_per_second: row.spec.refill,
            reported: row.reported,
            tokens: row.tokens,
            lanes: lanes.collect(),
        }
    }
}

impl Budget {
    /// Of what one sets; what is in it changes all the time.
    fn version(&self) -> i64 {
        let reserve: Vec<f64> = self.lanes.iter().map(|lane| lane.reserve).collect();
        let set = (
            self.capacity,
            self.refill_per_second,
            self.reported,
            reserve,
        );
        etag::version_of(&set)
    }
}

/// What is allowed.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetFigures {
    /// Over 0 and at most 10^12.
    capacity: f64,
    /// From 0 to 10^9.
    refill_per_second: f64,
    /// The usual parts unless said.
    reserve: Option<BudgetReserve>,
}

/// The part of the capacity that each lane leaves to those before it: from 0 to under 1, none smaller
/// than the one before.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetReserve {
    interactive: f64,
    webhook: f64,
    incremental: f64,
    backfill: f64,
    reconcile: f64,
}

impl BudgetFigures {
    fn read(self) -> Result<BudgetSpec, ApiError> {
        let mut spec = BudgetSpec::new(self.capacity, self.refill_per_second);
        if let Some(reserve) = self.reserve {
            spec.reserve = [
                reserve.interactive,
                reserve.webhook,
                reserve.incremental,
                reserve.backfill,
                reserve.reconcile,
            ];
        }
        let mut wrong = Vec::new();
        if !(spec.capacity > 0.0 && spec.capacity <= 1e12) {
            wrong.push(FieldProblem::new(
                "/capacity",
                "it is over 0 and at most 10^12",
            ));
        }
        if !(spec.refill >= 0.0 && spec.refill <= 1e9) {
            wrong.push(FieldProblem::new(
                "/refill_per_second",
                "it is from 0 to 10^9",
            ));
        }
        let fits = spec.reserve.iter().all(|part| (0.0..1.0).contains(part));
        if !fits || !spec.reserve.is_sorted() {
            let message = "parts are from 0 to under 1, none smaller than the one before";
            wrong.push(FieldProblem::new("/reserve", message));
        }
        if wrong.is_empty() {
            return Ok(spec);
        }
        Err(ApiError::invalid_all(wrong))
    }
}

/// The open runs that a change of a budget is about: those of the connection it is named after.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetPlan {
    /// Whether the budget is different afterwards.
    changes: bool,
    runs: u64,
}

impl From<BudgetTouched> for BudgetPlan {
    fn from(touched: BudgetTouched) -> Self {
        Self {
            changes: touched.changes,
            runs: touched.runs,
        }
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(ApiError::not_found("budget"))
}

/// For the log: who did what.
fn note(caller: &Operator, name: &str, action: &str, touched: BudgetTouched) {
    let user = &caller.session.user;
    tracing::info!(
        tenant.id = %user.tenant, user.id = %user.id, budget = name, action, runs = touched.runs,
        changes = touched.changes, "a person changed a budget"
    );
}
