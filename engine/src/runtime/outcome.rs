//! Waiting for the end of a run from outside.

use std::time::Duration;

use super::{Class, Engine, Failure, RunError, Workflow};
use crate::ids::{RunId, TenantId};
use crate::store::StoreError;
use crate::store::runs::{self, RunState};

/// An end that no notice tells of is seen after so long.
const LOOK: Duration = Duration::from_millis(250);

impl Engine {
    /// Waits for the end of a run, wherever it runs, and returns what it returned. Other runs wait by
    /// [`Run::call`](super::Run::call), without holding anything.
    ///
    /// # Errors
    /// The failure of a run that failed or was cancelled, and of a parked one, which waits for a
    /// person; an output that is not the workflow's; [`StoreError`] as a failure.
    pub async fn outcome<W: Workflow>(
        &self,
        tenant: TenantId,
        run: RunId,
    ) -> Result<W::Output, RunError> {
        let mut notices = self.store().feed().subscribe();
        loop {
            let mut tx = self.store().begin(tenant).await?;
            let row = runs::get(&mut tx, run).await?;
            tx.commit().await?;
            let failed = || {
                let failure = row.error.clone().map(serde_json::from_value::<Failure>);
                let unknown = || Failure::new(Class::Bug, format!("run {run} failed"));
                RunError::from(failure.and_then(Result::ok).unwrap_or_else(unknown))
            };
            match row.state {
                RunState::Succeeded => {
                    let output = row.output.as_deref().unwrap_or(b"null");
                    return serde_json::from_slice(output).map_err(|error| {
                        let what = format!("output of run {run}");
                        StoreError::corrupt(what, error).into()
                    });
                }
                RunState::Failed | RunState::Cancelled | RunState::Parked => return Err(failed()),
                RunState::Queued | RunState::Running | RunState::Waiting => {}
            }
            // Whatever it tells, also that some were missed: a reason to look again.
            drop(tokio::time::timeout(LOOK, notices.recv()).await);
        }
    }
}
