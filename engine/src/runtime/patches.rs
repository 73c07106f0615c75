//! Small changes of a workflow under runs that are open.

use chrono::{DateTime, Utc};

use super::run::{Exit, Run};
use crate::store::runs;
use crate::store::steps::StepRow;

impl Run {
    /// Whether the run goes the way of a change of its workflow's code: false for a run that had
    /// already passed this place before the change, true for all others. The first answer holds
    /// for the rest of the run, wherever else it asks about the same change; a true one is
    /// journaled as a marker.
    ///
    /// A run has passed the place when its journal has a step that comes later, when an attempt of
    /// such a step has failed, or when it has called a run there. One that only waits there for a
    /// signal, or was in the middle of its first attempt when its process died, has not.
    ///
    /// Once no run without the marker is open, the question can go from the code: markers that
    /// nobody asks about are passed over. A bigger change is a new
    /// [`VERSION`](super::Workflow::VERSION).
    ///
    /// ```no_run
    /// # use engine::{Run, RunError, Step, StepCx, StepError};
    /// # struct Check;
    /// # impl Step for Check {
    /// #     const NAME: &'static str = "check";
    /// #     type Output = ();
    /// #     async fn run(&self, _cx: &StepCx) -> Result<(), StepError> { Ok(()) }
    /// # }
    /// # struct Send;
    /// # impl Step for Send {
    /// #     const NAME: &'static str = "send";
    /// #     type Output = ();
    /// #     async fn run(&self, _cx: &StepCx) -> Result<(), StepError> { Ok(()) }
    /// # }
    /// async fn run(cx: &mut Run) -> Result<(), RunError> {
    ///     if cx.patched("check before sending").await {
    ///         cx.step(Check).await?;
    ///     }
    ///     cx.step(Send).await
    /// }
    /// ```
    pub async fn patched(&mut self, change: &'static str) -> bool {
        self.check_goes_on().await;
        if let Some(answer) = self.patches.get(change) {
            return *answer;
        }
        let answer = self.takes_change(change).await;
        self.patches.insert(change, answer);
        answer
    }

    async fn takes_change(&mut self, change: &'static str) -> bool {
        let marker = self
            .history
            .iter()
            .take_while(|row| row.kind == MARKER)
            .position(|row| row.name == change);
        if let Some(index) = marker {
            for _ in 0..=index {
                self.pass_marker();
            }
            return true;
        }
        if !self.history.is_empty() || self.past.range(self.seq..).next().is_some() {
            return false;
        }
        if self.lease.epoch > 1 && self.has_called().await {
            return false;
        }
        let now = self.core.store.clock().now();
        self.pending.push(marker_row(self.seq, change, now));
        self.seq += 1;
        true
    }

    /// Whether a run is called at this place or later.
    async fn has_called(&mut self) -> bool {
        let (tenant, id, seq) = (self.lease.tenant, self.lease.id, self.seq);
        let store = self.core.store.clone();
        let looked = async {
            let mut tx = store.begin(tenant).await?;
            runs::has_called(&mut tx, id, seq).await
        };
        match looked.await {
            Ok(has) => has,
            Err(error) => {
                tracing::warn!(run.id = %id, %error, "run could not look for its children");
                self.leave(Exit::Unknown).await
            }
        }
    }

    /// Passes over a marker that is next.
    pub(super) fn pass_marker(&mut self) {
        if let Some(row) = self.history.pop_front() {
            self.seq = row.seq + 1;
        }
    }
}

/// The kind of a marker's row.
pub(super) const MARKER: &str = "patch";

fn marker_row(seq: i32, change: &'static str, now: DateTime<Utc>) -> StepRow {
    StepRow {
        seq,
        name: change.into(),
        key: String::new(),
        kind: MARKER.into(),
        attempt: 1,
        output: Some(b"null".to_vec()),
        error: None,
        started_at: now,
        finished_at: now,
    }
}
