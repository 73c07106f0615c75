//! Records that were gone before the hub heard that it made them.

use connector_sdk::{Gap, GapReason};

use crate::ids::{ConnectionId, RunId};
use crate::store::{Tx, coverage, doubts};
use crate::sync::context::SyncError;
use crate::sync::sweep::{self, SweepInput, What};

/// Has records looked at that were made, and whose removal was told before the answer to that.
pub(super) async fn look_again(
    tx: &mut Tx,
    (connection, stream): (ConnectionId, &str),
    run: RunId,
    made: &[String],
) -> Result<(), SyncError> {
    let keys = doubts::removed_early(tx, connection, stream, made).await?;
    if keys.is_empty() {
        return Ok(());
    }
    let gap = Gap {
        reason: GapReason::Gap,
        from: None,
        to: None,
        keys,
    };
    coverage::note(tx, connection, stream, run, &[gap]).await?;
    let input = SweepInput {
        connection,
        stream: stream.to_owned(),
        what: What::Gaps,
    };
    sweep::start(tx, input, "push").await?;
    Ok(())
}
