//! What becomes of runs that had to have ended by now.

use uuid::Uuid;

use super::cascade;
use crate::ids::{RunId, TenantId};
use crate::store::lanes::Behind;
use crate::store::{StoreError, SystemTx, journal};

/// What was done about them.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    /// Failed, as they were not running.
    pub(crate) failed: Vec<(TenantId, RunId)>,
    /// Asked to stop.
    pub(crate) stopping: Vec<RunId>,
    pub(crate) freed: Vec<Behind>,
}

/// Fails runs whose deadline has passed, and asks running ones to stop: they fail when they have. The
/// runs they called are cancelled.
/// Parked ones wait for a person, who is told why. At most 1,000 at a time.
pub(crate) async fn end_overdue(tx: &mut SystemTx) -> Result<Overdue, StoreError> {
    modelled!(tx, end_overdue());
    let now = tx.now();
    let rows = sqlx::query!(
        r#"
        with due as materialized (
            select ctid as place, state
            from runs
            where deadline <= $1 and state in ('queued', 'running', 'waiting')
              and not cancel_requested
            order by deadline
            limit 1000
            for update skip locked
        ), stopping as (
            update runs
            set cancel_requested = true
            where ctid = any(array(select place from due where state = 'running'))
            returning tenant_id, id
        ), ended as (
            delete from runs
            where ctid = any(array(select place from due where state <> 'running'))
            returning *
        ), kept as (
            insert into finished_runs
                (tenant_id, id, workflow, version, state, key, priority, epoch, attempt,
                 cancel_requested, parent_id, parent_seq, wakes_parent, deadline, forked_from,
                 forked_seq, trigger, connection_id, stream, input, error, error_class, progress,
                 counts, created_at, started_at, finished_at, trace)
            select tenant_id, id, workflow, version, 'failed', key, priority, epoch, attempt,
                   true, parent_id, parent_seq, wakes_parent, deadline, forked_from,
                   forked_seq, trigger, connection_id, stream, input, $2::jsonb,
                   $2::jsonb ->> 'class', progress, counts, created_at, started_at, $1, trace
            from ended
        )
        select tenant_id as "tenant_id!", id as "id!", true as "is_running!", null as key,
               null::uuid as parent
        from stopping
        union all
        select tenant_id, id, false, key, case when wakes_parent then parent_id end
        from ended
        "#,
        now,
        journal::End::overdue().error,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut overdue = Overdue::default();
    let mut stopped: Vec<(TenantId, RunId)> = Vec::new();
    let mut parents: Vec<(TenantId, Uuid)> = Vec::new();
    for row in rows {
        let tenant = TenantId(row.tenant_id);
        stopped.push((tenant, RunId(row.id)));
        if row.is_running {
            overdue.stopping.push(RunId(row.id));
            continue;
        }
        overdue.failed.push((tenant, RunId(row.id)));
        overdue
            .freed
            .extend(row.key.map(|key| Behind::key(tenant, &key)));
        parents.extend(row.parent.map(|parent| (tenant, parent)));
    }
    if !stopped.is_empty() {
        cascade::note_all(tx, &stopped).await?;
    }
    if !parents.is_empty() {
        journal::wake(tx, &parents).await?;
    }
    Ok(overdue)
}
