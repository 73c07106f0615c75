//! Runs that were called by one that was cancelled, or ran out of time, are cancelled too.
//!
//! Whoever ends the parent notes it, in the same transaction; the pulse of some process does the
//! rest ([`cancel_called`]). To lock the children while the parent is locked could wait in a circle
//! with a child that ends: that holds itself and waits for its parent.

use serde_json::json;
use uuid::Uuid;

use crate::ids::{RunId, TenantId};
use crate::store::lanes::Behind;
use crate::store::{StoreError, SystemTx, Tx, journal};

/// Notes that the open runs which this one called are to be cancelled. The caller has locked it.
pub(super) async fn note(tx: &mut Tx, parent: RunId) -> Result<(), StoreError> {
    let tenant = tx.tenant();
    sqlx::query!(
        r#"
        insert into cancelled_parents (run_id)
        select $1
        where exists (select from runs
                      where tenant_id = $2 and parent_id = $1 and wakes_parent)
        on conflict do nothing
        "#,
        parent.0,
        tenant.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// [`note`] for runs of several tenants.
pub(super) async fn note_all(
    tx: &mut SystemTx,
    parents: &[(TenantId, RunId)],
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into cancelled_parents (tenant_id, run_id)
        select p.tenant_id, p.id
        from unnest($1::uuid[], $2::uuid[]) as p(tenant_id, id)
        where exists (select from runs r
                      where r.tenant_id = p.tenant_id and r.parent_id = p.id and r.wakes_parent)
        on conflict do nothing
        "#,
        &parents.iter().map(|parent| parent.0.0).collect::<Vec<_>>(),
        &parents.iter().map(|parent| parent.1.0).collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets a note: the run goes on.
pub(super) async fn forget(tx: &mut Tx, parent: RunId) -> Result<(), StoreError> {
    sqlx::query!("delete from cancelled_parents where run_id = $1", parent.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What became of called runs.
#[derive(Debug, Default)]
pub(crate) struct Cascade {
    /// Ended, as they were not running.
    pub(crate) ended: Vec<(TenantId, RunId)>,
    /// Asked to stop.
    pub(crate) stopping: Vec<RunId>,
    pub(crate) freed: Vec<Behind>,
}

impl Cascade {
    /// Whether others may have been called by these.
    pub(crate) fn goes_on(&self) -> bool {
        !self.ended.is_empty() || !self.stopping.is_empty()
    }
}

/// Cancels the runs that noted ones called, one generation, at most 1,000 of each of 100 parents. A
/// run that somebody holds just now is left for the next call; the note stays until all are done.
pub(crate) async fn cancel_called(tx: &mut SystemTx) -> Result<Cascade, StoreError> {
    modelled!(tx, cancel_called());
    let now = tx.now();
    let error = json!({"class": "cancelled", "message": "run was cancelled with its parent"});
    let rows = sqlx::query!(
        r#"
        with parents as materialized (
            select tenant_id, run_id
            from cancelled_parents
            order by tenant_id, run_id
            limit 100
            for update skip locked
        ), called as materialized (
            select c.place, c.state
            from parents p
            cross join lateral (
                select ctid as place, state
                from runs r
                where r.tenant_id = p.tenant_id and r.parent_id = p.run_id and r.wakes_parent
                  and not r.cancel_requested
                limit 1000
                for update skip locked
            ) c
        ), stopping as (
            update runs
            set cancel_requested = true
            where ctid = any(array(select place from called where state = 'running'))
            returning tenant_id, id
        ), ended as (
            delete from runs
            where ctid = any(array(select place from called where state <> 'running'))
            returning *
        ), kept as (
            insert into finished_runs
                (tenant_id, id, workflow, version, state, key, priority, epoch, attempt,
                 cancel_requested, parent_id, parent_seq, wakes_parent, deadline, forked_from,
                 forked_seq, trigger, connection_id, stream, input, error, error_class, progress,
                 counts, created_at, started_at, finished_at, trace)
            select tenant_id, id, workflow, version, 'cancelled', key, priority, epoch, attempt,
                   true, parent_id, parent_seq, wakes_parent, deadline, forked_from,
                   forked_seq, trigger, connection_id, stream, input, $2::jsonb,
                   $2::jsonb ->> 'class', progress, counts, created_at, started_at, $1, trace
            from ended
        )
        select tenant_id as "tenant_id!", id as "id!", true as "is_running!", null as key,
               null::uuid as parent
        from stopping
        union all
        select tenant_id, id, false, key, parent_id
        from ended
        "#,
        now,
        error,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut cascade = Cascade::default();
    let mut all: Vec<(TenantId, RunId)> = Vec::with_capacity(rows.len());
    let mut parents: Vec<(TenantId, Uuid)> = Vec::new();
    for row in rows {
        let (tenant, id) = (TenantId(row.tenant_id), RunId(row.id));
        all.push((tenant, id));
        if row.is_running {
            cascade.stopping.push(id);
            continue;
        }
        cascade.ended.push((tenant, id));
        cascade
            .freed
            .extend(row.key.map(|key| Behind::key(tenant, &key)));
        parents.extend(row.parent.map(|parent| (tenant, parent)));
    }
    if !all.is_empty() {
        note_all(tx, &all).await?;
        journal::wake(tx, &parents).await?;
    }
    sqlx::query!(
        r#"
        delete from cancelled_parents p
        where not exists (select from runs r
                          where r.tenant_id = p.tenant_id and r.parent_id = p.run_id
                            and r.wakes_parent and not r.cancel_requested)
        "#
    )
    .execute(tx.conn())
    .await?;
    Ok(cascade)
}
