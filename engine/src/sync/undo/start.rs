//! Starting the workflow that undoes a run.

use serde::{Deserialize, Serialize};

use super::Undoing;
use crate::ids::{RunId, UserId};
use crate::store::runs::{self, Dedupe, DedupeMode, DedupeUntil, NewRun, RunRow, StartOptions};
use crate::store::{StoreError, Tx};

/// The workflow that undoes a run. Its code lives with the other workflows.
pub const UNDO_WORKFLOW: &str = "undo_run";

/// Input of [`UNDO_WORKFLOW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoInput {
    pub run: RunId,
    /// On whose behalf.
    pub user: UserId,
}

impl UndoInput {
    /// A run is undone by one at a time.
    pub fn key(&self) -> String {
        format!("undo/{}", self.run)
    }
}

impl Undoing {
    /// Of a run that is over.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for one that is not.
    pub fn of(run: &RunRow) -> Result<Self, StoreError> {
        let Some(to) = run.finished_at.filter(|_| run.state.is_final()) else {
            let message = "run is not over: cancel it or wait for its end, then undo it";
            return Err(StoreError::Conflict(message.into()));
        };
        Ok(Self {
            run: run.id,
            source: run.connection_id.zip(run.stream.clone()),
            from: run.started_at.unwrap_or(run.created_at),
            to,
        })
    }
}

/// Starts undoing a run, unless that is under way; returns the run that does it.
///
/// # Errors
/// [`StoreError`].
pub async fn start(tx: &mut Tx, run: &RunRow, user: UserId) -> Result<RunId, StoreError> {
    let input = UndoInput { run: run.id, user };
    let options = StartOptions {
        key: Some(input.key()),
        priority: 10,
        dedupe: Some(Dedupe {
            key: input.key(),
            until: DedupeUntil::Ended,
            mode: DedupeMode::Existing,
        }),
        trigger: "undo".to_owned(),
        connection_id: run.connection_id,
        stream: None,
        ..StartOptions::default()
    };
    let new = NewRun::named(UNDO_WORKFLOW, &input, options)?;
    Ok(runs::start(tx, new).await?.id())
}
