//! What becomes of runs that had to have ended by now.

use uuid::Uuid;

use crate::ids::{RunId, TenantId};
use crate::store::activations::FreedKey;
use crate::store::{StoreError, SystemTx, journal};

/// What was done about them.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    /// Failed, as they were not running.
    pub(crate) failed: Vec<(TenantId, RunId)>,
    /// Asked to stop.
    pub(crate) stopping: Vec<RunId>,
    pub(crate) freed: Vec<FreedKey>,
}

/// Fails runs whose deadline has passed, and asks running ones to stop: they fail when they have.
/// Parked ones wait for a person, who is told why. At most 1,000 at a time.
pub(crate) async fn end_overdue(tx: &mut SystemTx) -> Result<Overdue, StoreError> {
    let now = tx.now();
    let rows = sqlx::query!(
        r#"
        update runs
        set cancel_requested = true,
            state = case when state = 'running' then state else 'failed' end,
            finished_at = case when state = 'running' then null else $1::timestamptz end,
            due_at = case when state = 'running' then due_at end,
            holds_key = state = 'running' and holds_key,
            behind = false,
            error = case when state = 'running' then error else $2::jsonb end,
            error_class = case when state = 'running' then error_class else 'deadline' end
        where ctid = any(array(
            select ctid from runs
            where deadline <= $1 and state in ('queued', 'running', 'waiting')
              and not cancel_requested
            order by deadline
            limit 1000
            for update skip locked))
        returning tenant_id, id, state, key, case when wakes_parent then parent_id end as parent
        "#,
        now,
        journal::End::overdue().error,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut overdue = Overdue::default();
    let mut parents: Vec<(TenantId, Uuid)> = Vec::new();
    for row in rows {
        let tenant = TenantId(row.tenant_id);
        if row.state == "running" {
            overdue.stopping.push(RunId(row.id));
            continue;
        }
        overdue.failed.push((tenant, RunId(row.id)));
        overdue.freed.extend(row.key.map(|key| (tenant, key)));
        parents.extend(row.parent.map(|parent| (tenant, parent)));
    }
    if !parents.is_empty() {
        journal::wake(tx, &parents).await?;
    }
    Ok(overdue)
}
