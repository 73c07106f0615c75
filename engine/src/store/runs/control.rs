//! Stopping a run.

use super::RunState;
use super::family::child_has_ended;
use crate::ids::RunId;
use crate::store::{StoreError, Tx};

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

pub(super) async fn not_in_state(
    tx: &mut Tx,
    id: RunId,
    wanted: &str,
) -> Result<StoreError, StoreError> {
    let state = sqlx::query_scalar!("select state from runs where id = $1", id.0)
        .fetch_optional(tx.conn())
        .await?;
    Ok(match state {
        None => StoreError::NotFound(format!("run {id}")),
        Some(state) => StoreError::Conflict(format!("run {id} is {state} and cannot be {wanted}")),
    })
}
