//! Runs that no process can run: of a workflow or version that was taken out, or never was.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::core::Core;
use crate::feed::Changed;
use crate::store::processes::{self, UnknownRuns};
use crate::store::{StoreError, activations};

/// Since when this process has seen that nobody knows them: after a deploy, those who know an old
/// version may only be about to come up.
#[derive(Default)]
pub(super) struct Unknown(HashMap<UnknownRuns, Instant>);

impl Unknown {
    /// Parks runs that nobody has known for long enough.
    pub(super) async fn sweep(&mut self, core: &Arc<Core>) -> Result<(), StoreError> {
        let mut tx = core.store.begin_system().await?;
        let found = processes::unknown_runs(&mut tx).await?;
        tx.commit().await?;
        self.0.retain(|runs, _| found.contains(runs));
        let now = Instant::now();
        for runs in found {
            let since = *self.0.entry(runs.clone()).or_insert(now);
            if now.saturating_duration_since(since) >= core.pace.unknown {
                park(core, &runs).await?;
            }
        }
        Ok(())
    }
}

async fn park(core: &Arc<Core>, runs: &UnknownRuns) -> Result<(), StoreError> {
    let UnknownRuns {
        tenant,
        workflow,
        version,
    } = runs;
    let message = format!("workflow {workflow} version {version} is not known to any process");
    let mut tx = core.store.begin_system().await?;
    let parked = activations::park_unknown(&mut tx, runs, &message).await?;
    tx.commit().await?;
    tracing::warn!(
        workflow,
        version,
        runs = parked.len(),
        "runs of an unknown workflow are parked"
    );
    let changed = |(id, _): &(crate::ids::RunId, _)| Changed {
        tenant: *tenant,
        topic: "run".into(),
        id: Some(id.to_string()),
    };
    core.store
        .feed()
        .publish(parked.iter().map(changed).collect());
    core.add_freed(parked.into_iter().filter_map(|(_, freed)| freed));
    core.store.feed().ring();
    Ok(())
}
