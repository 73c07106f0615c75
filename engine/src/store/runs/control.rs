//! What a person does to a run, and what a parent and its child do to each other.

use serde_json::json;

use super::{Child, RunState, moves};
use crate::ids::RunId;
use crate::store::activations::Lease;
use crate::store::{StoreError, Tx};

/// Queues a failed, cancelled or parked run again. What it did successfully stays journaled; it goes
/// on with the step that failed, with new attempts.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run is in another state.
pub async fn retry(tx: &mut Tx, id: RunId) -> Result<(), StoreError> {
    let tenant = tx.tenant();
    let now = tx.now();
    let run = moves::lock(tx, id).await?;
    if !matches!(
        run.state,
        RunState::Failed | RunState::Cancelled | RunState::Parked
    ) {
        return Err(not_in_state(id, run.state, "retried"));
    }
    moves::take_back(tx, id).await?;
    sqlx::query!(
        r#"
        update runs
        set state = 'queued', due_at = $2, attempt = 0, error = null, error_class = null,
            cancel_requested = false, behind = false, asleep = false
        where id = $1
        "#,
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        r#"
        delete from steps
        where run_id = $1 and seq >= coalesce($2, (select min(seq) from steps where run_id = $1 and error is not null))
        "#,
        id.0,
        run.failed_seq,
    )
    .execute(tx.conn())
    .await?;
    // A call that failed starts a new child.
    sqlx::query!(
        r#"
        with loose as (
            select id from all_runs
            where tenant_id = $2 and parent_id = $1 and wakes_parent
              and parent_seq not in (select seq from steps where run_id = $1)
        ), open_ones as (
            update runs
            set parent_seq = null, wakes_parent = false
            where tenant_id = $2 and id = any(array(select id from loose))
        )
        update finished_runs
        set parent_seq = null, wakes_parent = false
        where tenant_id = $2 and id = any(array(select id from loose))
        "#,
        id.0,
        tenant.0,
    )
    .execute(tx.conn())
    .await?;
    // The attempts stay for the reader; those before this moment no longer count.
    sqlx::query!(
        "update attempts set counts = false where run_id = $1 and counts",
        id.0
    )
    .execute(tx.conn())
    .await?;
    tx.ring();
    tx.changed("run", id);
    Ok(())
}

/// Ends a run that is not running at once; asks a running one to stop at its next step.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run has ended.
pub async fn cancel(tx: &mut Tx, id: RunId) -> Result<RunState, StoreError> {
    // The lock keeps it from being claimed or given back meanwhile.
    let run = moves::lock(tx, id).await?;
    let state = if run.state.is_final() {
        return Err(not_in_state(id, run.state, "cancelled"));
    } else if run.state == RunState::Running {
        sqlx::query!(
            "update runs set cancel_requested = true where id = $1",
            id.0
        )
        .execute(tx.conn())
        .await?;
        RunState::Running
    } else {
        let error = json!({"class": "cancelled", "message": "run was cancelled"});
        if let Some(parent) = moves::end_idle(tx, id, RunState::Cancelled, &error).await? {
            wake(tx, parent).await?;
        }
        RunState::Cancelled
    };
    // A freed key lets another run go.
    tx.ring();
    tx.look();
    tx.changed("run", id);
    Ok(state)
}

/// Queues a parent whose child has ended, if it waits. Whatever its state its row is touched: it may
/// be just going to wait, which shows once its lock is free.
async fn wake(tx: &mut Tx, parent: RunId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        r#"
        update runs
        set state = case when state = 'waiting' then 'queued' else state end,
            due_at = case when state = 'waiting' then $2 else due_at end
        where id = $1
        "#,
        parent.0,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn not_in_state(id: RunId, state: RunState, wanted: &str) -> StoreError {
    let state = state.as_str();
    StoreError::Conflict(format!("run {id} is {state} and cannot be {wanted}"))
}

/// The child that the parent called at this step. One statement over both places: a child that
/// ends meanwhile is seen once. All days are looked into: a child need not have a later id than its
/// parent where clocks differ.
pub(crate) async fn child(
    tx: &mut Tx,
    parent: RunId,
    seq: i32,
) -> Result<Option<Child>, StoreError> {
    let tenant = tx.tenant();
    sqlx::query!(
        r#"
        select id as "id!", state as "state!", output, error
        from all_runs
        where tenant_id = $3 and parent_id = $1 and parent_seq = $2 and wakes_parent
        "#,
        parent.0,
        seq,
        tenant.0,
    )
    .fetch_optional(tx.conn())
    .await?
    .map(|row| {
        Ok(Child {
            id: RunId(row.id),
            state: RunState::parse(&row.state)?,
            output: row.output,
            error: row.error,
        })
    })
    .transpose()
}

/// Sends a run to wait for others to wake it, or, when somebody wants it to stop, to its end;
/// returns whether the lease still stands.
pub(crate) async fn wait(tx: &mut Tx, lease: &Lease) -> Result<bool, StoreError> {
    let now = tx.now();
    let waits = sqlx::query!(
        r#"
        update runs
        set state = case when cancel_requested then 'queued' else 'waiting' end,
            due_at = case when cancel_requested then $4::timestamptz end,
            owner = null
        where id = $1 and epoch = $2 and owner is not distinct from $3
        "#,
        lease.id.0,
        lease.epoch,
        lease.owner.0,
        now,
    )
    .execute(tx.conn())
    .await?
    .rows_affected()
        == 1;
    if waits {
        tx.ring();
        tx.changed("run", lease.id);
    }
    Ok(waits)
}
