//! What happens to all runs that match a filter: counted and done by the same condition.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::{From, RunState, cancel, moves, restart, retry};
use crate::ids::{ConnectionId, RunId};
use crate::store::{StoreError, Tx};

/// What is done to each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkOperation {
    /// [`cancel`].
    Cancel,
    /// [`retry`].
    Retry,
    /// [`restart`] from the start.
    Restart,
}

impl BulkOperation {
    /// The states a run must be in for it.
    fn states(self) -> &'static [RunState] {
        match self {
            Self::Cancel => &[
                RunState::Queued,
                RunState::Running,
                RunState::Waiting,
                RunState::Parked,
            ],
            Self::Retry => &[RunState::Failed, RunState::Cancelled, RunState::Parked],
            Self::Restart => &[
                RunState::Queued,
                RunState::Waiting,
                RunState::Parked,
                RunState::Succeeded,
                RunState::Failed,
                RunState::Cancelled,
            ],
        }
    }

    fn is_for(self, state: RunState) -> bool {
        self.states().contains(&state)
    }
}

/// Which runs of the tenant are meant; empty fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BulkFilter {
    pub workflow: Option<String>,
    pub states: Vec<RunState>,
    pub connection_id: Option<ConnectionId>,
    pub error_class: Option<String>,
    pub key_prefix: Option<String>,
    /// Started at this time or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Started before this time.
    pub created_before: Option<DateTime<Utc>>,
}

/// What an operation would do now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkPlan {
    /// Runs it is done to.
    pub eligible: u64,
    /// Runs that match, but are in a state that it is not for.
    pub skipped: u64,
}

/// What a part of an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BulkPart {
    pub(crate) acted: u64,
    pub(crate) skipped: u64,
    /// The last run that was looked at; `None`: there are no more.
    pub(crate) last: Option<RunId>,
}

/// Counts what the operation would act on now. `except` is left out: the run that asks.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn plan(
    tx: &mut Tx,
    operation: BulkOperation,
    filter: &BulkFilter,
    except: Option<RunId>,
) -> Result<BulkPlan, StoreError> {
    let states: Vec<_> = operation
        .states()
        .iter()
        .map(|state| state.as_str())
        .collect();
    let mut query = QueryBuilder::<Postgres>::new("select count(*) filter (where state = any(");
    query
        .push_bind(states)
        .push(")) as eligible, count(*) as matching from all_runs where tenant_id = ")
        .push_bind(tx.tenant().0);
    push_condition(&mut query, filter, except);
    let row = query.build().fetch_one(tx.conn()).await?;
    let count = |name| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
    let (eligible, matching) = (count("eligible")?, count("matching")?);
    Ok(BulkPlan {
        eligible,
        skipped: matching - eligible,
    })
}

/// Does it to the first `most` runs that match after the run `after`, in the order of their ids.
pub(crate) async fn part(
    tx: &mut Tx,
    operation: BulkOperation,
    filter: &BulkFilter,
    except: RunId,
    after: Option<RunId>,
    most: u16,
) -> Result<BulkPart, StoreError> {
    // Named although row security says the same: so that the planner knows the order of ids.
    let mut query = QueryBuilder::<Postgres>::new("select id from all_runs where tenant_id = ");
    query.push_bind(tx.tenant().0);
    push_condition(&mut query, filter, Some(except));
    if let Some(after) = after {
        query.push(" and id > ").push_bind(after.0);
    }
    query.push(" order by id limit ").push_bind(i64::from(most));
    let rows: Vec<Uuid> = query.build_query_scalar().fetch_all(tx.conn()).await?;
    let mut done = BulkPart {
        acted: 0,
        skipped: 0,
        last: None,
    };
    if rows.len() == usize::from(most) {
        done.last = rows.last().copied().map(RunId);
    }
    for id in rows.into_iter().map(RunId) {
        // Its state may have changed since, or its day been dropped; from here on it stands.
        let state = match moves::lock(tx, id).await {
            Ok(run) => Some(run.state),
            Err(StoreError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        if !state.is_some_and(|state| operation.is_for(state)) {
            done.skipped += 1;
            continue;
        }
        match operation {
            BulkOperation::Cancel => {
                cancel(tx, id).await?;
            }
            BulkOperation::Retry => retry(tx, id).await?,
            BulkOperation::Restart => restart(tx, id, From::Start).await?,
        }
        done.acted += 1;
    }
    Ok(done)
}

fn push_condition(query: &mut QueryBuilder<Postgres>, filter: &BulkFilter, except: Option<RunId>) {
    if let Some(except) = except {
        query.push(" and id <> ").push_bind(except.0);
    }
    if !filter.states.is_empty() {
        let states: Vec<_> = filter.states.iter().map(|state| state.as_str()).collect();
        query.push(" and state = any(").push_bind(states).push(")");
    }
    let texts = [
        (" and workflow = ", &filter.workflow),
        (" and error_class = ", &filter.error_class),
    ];
    for (clause, value) in texts {
        if let Some(value) = value {
            query.push(clause).push_bind(value.clone());
        }
    }
    if let Some(connection) = filter.connection_id {
        query.push(" and connection_id = ").push_bind(connection.0);
    }
    if let Some(prefix) = &filter.key_prefix {
        query
            .push(" and starts_with(key, ")
            .push_bind(prefix.clone())
            .push(")");
    }
    if let Some(from) = filter.created_from {
        query.push(" and created_at >= ").push_bind(from);
    }
    if let Some(before) = filter.created_before {
        query.push(" and created_at < ").push_bind(before);
    }
}
