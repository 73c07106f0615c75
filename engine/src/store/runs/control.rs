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
        cascade::note(tx, id).await?;
        RunState::Running
    } else {
        cascade::note(tx, id).await?;
        let error = json!({"class": "cancelled", "message": "run was cancelled"});
        if let Some(parent) = moves::end_idle(tx, id, RunState::Cancelled, &error).await? {
            child_has_ended(tx, parent.0).await?;
        }
        RunState::Cancelled
    };
    // A freed key lets another run go.
    tx.ring();
    tx.look();
    tx.changed("run", id);
    Ok(state)
}

fn not_in_state(id: RunId, state: RunState, wanted: &str) -> StoreError {
    let state = state.as_str();
    StoreError::Conflict(format!("run {id} is {state} and cannot be {wanted}"))
}
