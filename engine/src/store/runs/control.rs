//! What a person does to a run.

use super::RunState;
use super::family::child_has_ended;
use crate::ids::RunId;
use crate::store::{StoreError, Tx};

/// Queues a failed, cancelled or parked run again. What it did successfully stays journaled; it goes
/// on with the step that failed, with new attempts and without a deadline.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run is in another state.
pub async fn retry(tx: &mut Tx, id: RunId) -> Result<(), StoreError> {
    let now = tx.now();
    let failed = sqlx::query!(
        r#"
        update runs r
        set state = 'queued', due_at = $2, attempt = 0, error = null, error_class = null,
            cancel_requested = false, finished_at = null, output = null, behind = false,
            deadline = null
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
    // In a map only what failed runs again; elsewhere also what came after it.
    let dropped = sqlx::query_scalar!(
        r#"
        with failed as (
            select coalesce($2, (select min(seq) from steps
                                 where run_id = $1 and error is not null)) as seq
        ), map as (
            select s.seq + 1 as first, s.seq + convert_from(s.output, 'UTF8')::integer as last
            from steps s, failed f
            where s.run_id = $1 and s.kind in ('map', 'map_call') and s.seq < f.seq
              and s.seq + convert_from(s.output, 'UTF8')::integer >= f.seq
        )
        delete from steps
        using failed f left join map m on true
        where run_id = $1
          and (steps.seq >= f.seq and m.first is null
               or steps.seq > m.last
               or steps.seq >= m.first and error is not null)
        returning steps.seq
        "#,
        id.0,
        failed.seq,
    )
    .fetch_all(tx.conn())
    .await?;
    // A call that failed starts a new child.
    sqlx::query!(
        r#"
        update runs
        set parent_seq = null, wakes_parent = false
        where parent_id = $1 and wakes_parent
          and (parent_seq = any($2)
               or state in ('failed', 'cancelled')
                  and parent_seq not in (select seq from steps where run_id = $1))
        "#,
        id.0,
        &dropped
    )
    .execute(tx.conn())
    .await?;
    // The attempts stay for the reader; those before this moment no longer count.
    sqlx::query!(
        r#"
        update attempts
        set counts = false, next_at = least(next_at, $2)
        where run_id = $1 and (counts or next_at > $2)
        "#,
        id.0,
        now
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
