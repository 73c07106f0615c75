//! Stopping a run.

use serde_json::json;

use super::family::child_has_ended;
use super::{RunState, cascade, moves};
use crate::ids::RunId;
use crate::store::{StoreError, Tx};

/// Ends a run that is not running at once; asks a running one to stop at its next step. So it goes
/// with the runs that it called and waits for, and with those that they called; runs that were
/// started on their own go on.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run has ended.
pub async fn cancel(tx: &mut Tx, id: RunId) -> Result<RunState, StoreError> {
    let state = stop(tx, id)
        .await?
        .map_err(|state| not_in_state(id, state, "cancelled"))?;
    // A freed key lets another run go.
    tx.ring();
    tx.look();
    tx.changed("run", id);
    Ok(state)
}

/// The state the run goes to; an error is the one it has ended in.
async fn stop(tx: &mut Tx, id: RunId) -> Result<Result<RunState, RunState>, StoreError> {
    modelled!(tx, stop(id));
    // The lock keeps it from being claimed or given back meanwhile.
    let run = moves::lock(tx, id).await?;
    Ok(if run.state.is_final() {
        Err(run.state)
    } else if run.state == RunState::Running {
        sqlx::query!(
            "update runs set cancel_requested = true where id = $1",
            id.0
        )
        .execute(tx.conn())
        .await?;
        cascade::note(tx, id).await?;
        Ok(RunState::Running)
    } else {
        cascade::note(tx, id).await?;
        let error = json!({"class": "cancelled", "message": "run was cancelled"});
        if let Some(parent) = moves::end_idle(tx, id, RunState::Cancelled, &error).await? {
            child_has_ended(tx, parent.0).await?;
        }
        Ok(RunState::Cancelled)
    })
}

fn not_in_state(id: RunId, state: RunState, wanted: &str) -> StoreError {
    let state = state.as_str();
    StoreError::Conflict(format!("run {id} is {state} and cannot be {wanted}"))
}
