//! What is left to do after the last page of a read.

use engine::Tx;
use engine::ids::ConnectionId;
use engine::runtime::{StepCx, StepError, TxStep};
use engine::store::plans;
use engine::sync::outbox;
use engine::sync::page::{self, Applied};
use serde::{Deserialize, Serialize};

use crate::hub::{Hub, sync_error};

/// Records that wait for a reference, looked at in one step.
const WAITING: usize = 1_000;

/// Merges what waited for records that are here by now, and sees to writes that nobody sends:
/// stream by stream, some records at a time.
pub(super) struct ApplyWaiting {
    pub(super) connection: ConnectionId,
    pub(super) round: u64,
    /// Whether records are looked at, and not only writes.
    pub(super) looks: bool,
    pub(super) from: WaitingPlace,
}

/// How far the waiting records of a connection were looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct WaitingPlace {
    /// Names of streams that are done end here.
    stream: String,
    key: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WaitingDone {
    pub(super) applied: Applied,
    pub(super) next: Option<WaitingPlace>,
}

impl TxStep for ApplyWaiting {
    const NAME: &'static str = "apply_waiting";
    type Output = WaitingDone;

    fn key(&self) -> String {
        self.round.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<WaitingDone, StepError> {
        let hub = Hub::of(cx)?;
        let (connection, run) = (self.connection, cx.run_id());
        let streams = plans::streams(tx, connection).await?;
        let mut applied = Applied::default();
        let (mut done, mut next) = (Vec::new(), None);
        for stream in streams.iter().filter(|stream| **stream >= self.from.stream) {
            let after = if *stream == self.from.stream {
                self.from.key.as_str()
            } else {
                ""
            };
            if self.looks {
                let waited =
                    page::apply_waiting(tx, &hub.tables, connection, stream, run, after, WAITING)
                        .await
                        .map_err(sync_error)?;
                applied.counts.add(&waited.applied.counts);
                applied.owed.extend(waited.applied.owed);
                if let Some(key) = waited.next {
                    let stream = stream.clone();
                    next = Some(WaitingPlace { stream, key });
                    break;
                }
            }
            done.push(stream.clone());
        }
        if self.looks {
            plans::waited(tx, connection, &done).await?;
        }
        for stream in &done {
            outbox::start_push_when_due(tx, connection, stream).await?;
        }
        outbox::start_pushes(tx, &applied.owed, "pull").await?;
        Ok(WaitingDone { applied, next })
    }
}
