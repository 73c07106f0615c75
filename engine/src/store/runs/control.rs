//! What a person does to a run, and what a parent and its child do to each other.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Child, RunState};
use crate::ids::RunId;
use crate::store::activations::Lease;
use crate::store::{StoreError, Tx};

/// Queues a failed, cancelled or parked run again. What it did successfully stays journaled; it goes
/// on with the step that failed, with new attempts.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run is in another state.
pub async fn retry(tx: &mut Tx, id: RunId) -> Result<(), StoreError> {
    let now = tx.now();
    let failed = sqlx::query!(
        r#"
        update runs r
        set state = 'queued', due_at = $2, attempt = 0, error = null, error_class = null,
            cancel_requested = false, finished_at = null, output = null, behind = false
        from (select id, (error ->> 'seq')::integer as seq from runs where id = $1 for update) as was
        where r.id = was.id and r.state in ('failed', 'cancelled', 'parked')
        returning was.seq
        "#,
        id.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(failed) = failed else {
        return Err(not_in_state(tx, id, "retried").await?);
    };
    sqlx::query!(
        r#"
        delete from steps
        where run_id = $1 and seq >= coalesce($2, (select min(seq) from steps where run_id = $1 and error is not null))
        "#,
        id.0,
        failed.seq,
    )
    .execute(tx.conn())
    .await?;
    // A call that failed starts a new child.
    sqlx::query!(
        r#"
        update runs
        set parent_seq = null, wakes_parent = false
        where parent_id = $1 and wakes_parent
          and parent_seq not in (select seq from steps where run_id = $1)
        "#,
        id.0
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
    let now = tx.now();
    let row = sqlx::query!(
        r#"
        update runs
        set cancel_requested = true,
            state = case when state = 'running' then state else 'cancelled' end,
            finished_at = case when state = 'running' then null else $2::timestamptz end,
            due_at = case when state = 'running' then due_at end,
            holds_key = state = 'running' and holds_key,
            behind = false,
            error = case when state = 'running' then error
                    else '{"class": "cancelled", "message": "run was cancelled"}'::jsonb end,
            error_class = case when state = 'running' then error_class else 'cancelled' end
        where id = $1 and state in ('queued', 'running', 'waiting', 'parked')
        returning state, parent_id, wakes_parent
        "#,
        id.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else {
        return Err(not_in_state(tx, id, "cancelled").await?);
    };
    let state = RunState::parse(&row.state)?;
    if let (RunState::Cancelled, true, Some(parent)) = (state, row.wakes_parent, row.parent_id) {
        child_has_ended(tx, parent).await?;
    }
    // A freed key lets another run go.
    tx.ring();
    tx.look();
    tx.changed("run", id);
    Ok(state)
}

async fn not_in_state(tx: &mut Tx, id: RunId, wanted: &str) -> Result<StoreError, StoreError> {
    let state = sqlx::query_scalar!("select state from runs where id = $1", id.0)
        .fetch_optional(tx.conn())
        .await?;
    Ok(match state {
        None => StoreError::NotFound(format!("run {id}")),
        Some(state) => StoreError::Conflict(format!("run {id} is {state} and cannot be {wanted}")),
    })
}

/// The child that the parent called at this step.
pub(crate) async fn child(
    tx: &mut Tx,
    parent: RunId,
    seq: i32,
) -> Result<Option<Child>, StoreError> {
    sqlx::query!(
        r#"
        select id, state, output, error
        from runs
        where parent_id = $1 and parent_seq = $2 and wakes_parent
        "#,
        parent.0,
        seq
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

/// Locks a run against everybody who would wake it, cancel it or take it over, until the end of the
/// transaction; returns whether the lease still stands.
pub(crate) async fn hold(tx: &mut Tx, lease: &Lease) -> Result<bool, StoreError> {
    let held = sqlx::query_scalar!(
        r#"
        select 1 from runs
        where id = $1 and epoch = $2 and owner is not distinct from $3
        for no key update
        "#,
        lease.id.0,
        lease.epoch,
        lease.owner.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(held.is_some())
}

/// What a run waits for.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    /// Until then at most.
    pub(crate) due_at: Option<DateTime<Utc>>,
    /// As many children have to end; none: it is woken by the first who comes.
    pub(crate) awaits: i32,
    pub(crate) progress: Option<Json>,
    pub(crate) counts: Option<Json>,
}

/// Sends a run that is held ([`hold`]) to wait for others to wake it, or, when somebody wants it to
/// stop, to its end.
pub(crate) async fn wait(tx: &mut Tx, lease: &Lease, wait: Wait) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        r#"
        update runs
        set state = case when cancel_requested then 'queued' else 'waiting' end,
            due_at = case when cancel_requested then $4::timestamptz else $5 end,
            owner = null, awaits = $6,
            progress = coalesce($7, progress), counts = coalesce($8, counts)
        where id = $1 and epoch = $2 and owner is not distinct from $3
        "#,
        lease.id.0,
        lease.epoch,
        lease.owner.0,
        now,
        wait.due_at,
        wait.awaits,
        wait.progress,
        wait.counts,
    )
    .execute(tx.conn())
    .await?;
    tx.ring();
    tx.changed("run", lease.id);
    Ok(())
}

/// Counts a child's end for the parent and wakes that when it was the last it waits for. It touches
/// the row whatever its state: a parent that is just going to wait is locked, and its new state is
/// seen here once that has committed.
async fn child_has_ended(tx: &mut Tx, parent: Uuid) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        r#"
        update runs
        set awaits = greatest(awaits - 1, 0),
            state = case when state = 'waiting' and awaits <= 1 then 'queued' else state end,
            due_at = case when state = 'waiting' and awaits <= 1 then $2 else due_at end
        where id = $1
        "#,
        parent,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
