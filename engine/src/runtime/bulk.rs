//! Operations on everything that a filter matches, as runs: planned, resumable, shown as they go,
//! and kept in the history like any other run.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Progress, Run, RunError, StepCx, StepError, TxStep, Workflow};
use crate::ids::RunId;
use crate::store::Tx;
use crate::store::runs::{self, BulkFilter, BulkOperation, BulkPart, BulkPlan};

/// Runs one transaction acts on.
const PART: u16 = 500;

/// The workflow that cancels, retries or restarts all runs of its tenant that match a filter and
/// exist when it begins, itself excepted. Register it like any other.
///
/// ```no_run
/// use engine::runtime::{BulkInput, BulkRuns};
/// use engine::store::runs::{BulkFilter, BulkOperation, StartOptions};
///
/// # async fn retry_all(engine: &engine::Engine, tenant: engine::ids::TenantId)
/// #     -> Result<(), engine::StoreError> {
/// let input = BulkInput {
///     name: "retry what the outage failed".into(),
///     operation: BulkOperation::Retry,
///     filter: BulkFilter {
///         error_class: Some("transient".into()),
///         ..BulkFilter::default()
///     },
/// };
/// engine.start::<BulkRuns>(tenant, &input, StartOptions::default()).await?;
/// # Ok(())
/// # }
/// ```
pub struct BulkRuns;

/// What is to be done, and to which runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkInput {
    /// For people.
    pub name: String,
    pub operation: BulkOperation,
    pub filter: BulkFilter,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkOutcome {
    /// As counted before the first run was touched.
    pub plan: BulkPlan,
    pub acted: u64,
    /// Runs that were in another state by the time they were looked at, or from the start.
    pub skipped: u64,
}

impl Workflow for BulkRuns {
    const NAME: &'static str = "bulk_runs";
    type Input = BulkInput;
    type Output = BulkOutcome;

    async fn run(cx: &mut Run, input: BulkInput) -> Result<BulkOutcome, RunError> {
        let planned = cx.tx(Plan(input.clone())).await?;
        let filter = BulkFilter {
            created_before: Some(planned.before),
            ..input.filter
        };
        let mut outcome = BulkOutcome {
            plan: planned.plan,
            acted: 0,
            skipped: 0,
        };
        let total = planned.plan.eligible + planned.plan.skipped;
        let mut after = None;
        loop {
            let part = cx
                .tx(Act {
                    operation: input.operation,
                    filter: filter.clone(),
                    after,
                })
                .await?;
            outcome.acted += part.acted;
            outcome.skipped += part.skipped;
            cx.progress(Progress {
                done: outcome.acted + outcome.skipped,
                total: Some(total),
                unit: "runs".into(),
            });
            after = part.last;
            if after.is_none() {
                return Ok(outcome);
            }
        }
    }
}

/// Counts, and draws the line after which runs are too young.
struct Plan(BulkInput);

#[derive(Serialize, Deserialize)]
struct Planned {
    plan: BulkPlan,
    before: DateTime<Utc>,
}

impl TxStep for Plan {
    const NAME: &'static str = "plan";
    type Output = Planned;

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Planned, StepError> {
        let now = tx.now();
        let before = self.0.filter.created_before.map_or(now, |at| at.min(now));
        let filter = BulkFilter {
            created_before: Some(before),
            ..self.0.filter.clone()
        };
        let plan = runs::plan_bulk(tx, self.0.operation, &filter, Some(cx.run_id())).await?;
        Ok(Planned { plan, before })
    }
}

/// Acts on the next runs.
struct Act {
    operation: BulkOperation,
    filter: BulkFilter,
    after: Option<RunId>,
}

impl TxStep for Act {
    const NAME: &'static str = "act";
    type Output = BulkPart;

    fn key(&self) -> String {
        self.after
            .map_or_else(String::new, |after| after.to_string())
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<BulkPart, StepError> {
        let (operation, filter) = (self.operation, &self.filter);
        Ok(runs::act_in_bulk(tx, operation, filter, cx.run_id(), self.after, PART).await?)
    }
}
