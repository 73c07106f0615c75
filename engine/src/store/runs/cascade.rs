//! Runs that were called by one that was cancelled, or ran out of time, are cancelled too.
//!
//! Whoever ends the parent notes it, in the same transaction; the pulse of some process does the
//! rest ([`cancel_called`]). To lock the children while the parent is locked could wait in a circle
//! with a child that ends: that holds itself and waits for its parent.

use serde_json::json;

use super::RunState;
use super::stop::{self, Stopped};
use crate::ids::{RunId, TenantId};
use crate::store::{StoreError, SystemTx, Tx};

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

/// Cancels the runs that noted ones called, one generation, at most 1,000 of each of 100 parents. A
/// run that somebody holds just now is left for the next call; the note stays until all are done.
pub(crate) async fn cancel_called(tx: &mut SystemTx) -> Result<Stopped, StoreError> {
    modelled!(tx, cancel_called());
    let places = sqlx::query_scalar!(
        r#"
        with parents as materialized (
            select tenant_id, run_id
            from cancelled_parents
            order by tenant_id, run_id
            limit 100
            for update skip locked
        )
        select c.place as "place!"
        from parents p
        cross join lateral (
            select ctid::text as place
            from runs r
            where r.tenant_id = p.tenant_id and r.parent_id = p.run_id and r.wakes_parent
              and not r.cancel_requested
            limit 1000
            for update skip locked
        ) c
        "#
    )
    .fetch_all(tx.conn())
    .await?;
    let error = json!({"class": "cancelled", "message": "run was cancelled with its parent"});
    let stopped = stop::all(tx, &places, RunState::Cancelled, Some(&error)).await?;
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
    Ok(stopped)
}
