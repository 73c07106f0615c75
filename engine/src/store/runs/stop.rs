//! Ending runs that nobody has ended by themselves: those past their deadline, those called by one that
//! was cancelled.

use serde_json::Value as Json;
use uuid::Uuid;

use super::{RunState, cascade};
use crate::ids::{RunId, TenantId};
use crate::store::lanes::Behind;
use crate::store::{StoreError, SystemTx};

/// What became of runs that are to stop.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    /// Ended, as they were not running.
    pub(crate) ended: Vec<(TenantId, RunId)>,
    /// Asked to stop.
    pub(crate) stopping: Vec<RunId>,
    pub(crate) freed: Vec<Behind>,
}

impl Stopped {
    pub(crate) fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.stopping.is_empty()
    }
}

/// Ends runs, which the caller has locked, in a final state; those that run are asked to stop instead.
/// Notes what they called, and tells the parents that wait for them. Rows are addressed by place
/// (ctid), which they keep under their lock: no plan depends on statistics.
pub(super) async fn all(
    tx: &mut SystemTx,
    places: &[String],
    state: RunState,
    error: Option<&Json>,
) -> Result<Stopped, StoreError> {
    let mut stopped = Stopped::default();
    if places.is_empty() {
        return Ok(stopped);
    }
    let now = tx.now();
    let rows = sqlx::query!(
        r#"
        with stopping as (
            update runs
            set cancel_requested = true
            where ctid = any($1::text[]::tid[]) and state = 'running'
            returning tenant_id, id
        ), ended as (
            delete from runs
            where ctid = any($1::text[]::tid[]) and state <> 'running'
            returning *
        ), kept as (
            insert into finished_runs
                (tenant_id, id, workflow, version, state, key, priority, epoch, attempt,
                 cancel_requested, parent_id, parent_seq, wakes_parent, deadline, forked_from,
                 forked_seq, trigger, connection_id, stream, input, error, error_class, progress,
                 counts, created_at, started_at, finished_at, trace)
            select tenant_id, id, workflow, version, $2, key, priority, epoch, attempt,
                   true, parent_id, parent_seq, wakes_parent, deadline, forked_from,
                   forked_seq, trigger, connection_id, stream, input, $3::jsonb,
                   $3::jsonb ->> 'class', progress, counts, created_at, started_at, $4, trace
            from ended
        )
        select tenant_id as "tenant_id!", id as "id!", true as "is_running!", null as key,
               null::uuid as parent
        from stopping
        union all
        select tenant_id, id, false, key, case when wakes_parent then parent_id end
        from ended
        "#,
        places,
        state.as_str(),
        error,
        now,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut all: Vec<(TenantId, RunId)> = Vec::with_capacity(rows.len());
    let mut tenants: Vec<Uuid> = Vec::new();
    let mut parents: Vec<Uuid> = Vec::new();
    for row in rows {
        let (tenant, id) = (TenantId(row.tenant_id), RunId(row.id));
        all.push((tenant, id));
        if row.is_running {
            stopped.stopping.push(id);
            continue;
        }
        stopped.ended.push((tenant, id));
        stopped
            .freed
            .extend(row.key.map(|key| Behind::key(tenant, &key)));
        if let Some(parent) = row.parent {
            tenants.push(row.tenant_id);
            parents.push(parent);
        }
    }
    cascade::note_all(tx, &all).await?;
    if !parents.is_empty() {
        sqlx::query!("select wake_parents($1, $2, $3)", &tenants, &parents, now)
            .execute(tx.conn())
            .await?;
    }
    Ok(stopped)
}
