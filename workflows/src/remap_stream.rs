//! Applies a version of a mapping that was put in force to the stored snapshots of its stream, part
//! by part; then reads the stream again, where the version asks for what the snapshots do not hold.
//! It is to the word what a preview showed, as long as nothing moved in between.

use domain::mappings::{REMAP_WORKFLOW, RemapInput};
use domain::pulls;
use engine::Tx;
use engine::ids::ConnectionId;
use engine::outcomes::{Part, Totals};
use engine::runtime::{Counts, Progress, Run, RunError, StepCx, StepError, TxStep, Workflow};
use engine::store::{plans, publications, snapshots};
use engine::sync::page::Ledger;
use engine::sync::preview;
use engine::sync::{SyncError, outbox};
use serde::{Deserialize, Serialize};

use crate::hub::{Hub, sync_error};

/// Records mapped in one transaction.
const PART: i64 = 1_000;

/// See the module.
pub struct RemapStream;

impl Workflow for RemapStream {
    const NAME: &'static str = REMAP_WORKFLOW;
    type Input = RemapInput;
    type Output = Totals;

    fn key(input: &RemapInput) -> Option<String> {
        Some(input.key())
    }

    async fn run(cx: &mut Run, input: RemapInput) -> Result<Totals, RunError> {
        let mut so_far = Done::default();
        for number in 0_u64.. {
            let before = (so_far.part.totals.clone(), so_far.withheld);
            let part = RemapPart {
                connection: input.connection,
                stream: input.stream.clone(),
                number,
                so_far,
            };
            so_far = cx.tx(part).await?;
            cx.counts(Counts {
                withheld: so_far.withheld - before.1,
                ..counts(&before.0, &so_far.part.totals)
            });
            cx.progress(Progress {
                done: so_far.part.totals.read,
                total: so_far.expected,
                unit: "records".to_owned(),
            });
            if so_far.part.next.is_none() {
                break;
            }
        }
        let part = so_far.part;
        let totals = part.totals.clone();
        cx.tx(EndRemap { input, part }).await?;
        Ok(totals)
    }
}

/// What was added since `before`.
fn counts(before: &Totals, now: &Totals) -> Counts {
    Counts {
        read: now.read - before.read,
        created: now.creates - before.creates,
        updated: now.updates - before.updates,
        unchanged: now.unchanged - before.unchanged,
        conflicts: now.conflicts - before.conflicts,
        failed: now.failed - before.failed,
        excluded: now.excluded - before.excluded,
        linked: now.links - before.links,
        held: now.holds - before.holds,
        ..Counts::default()
    }
}

/// How far it has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Done {
    part: Part,
    expected: Option<u64>,
    /// What is capped goes from part to part, as it does from page to page.
    #[serde(default)]
    ledger: Ledger,
    /// Changes beyond a cap, which wait for a person.
    #[serde(default)]
    withheld: u64,
}

struct RemapPart {
    connection: ConnectionId,
    stream: String,
    number: u64,
    so_far: Done,
}

impl TxStep for RemapPart {
    const NAME: &'static str = "remap_part";
    type Output = Done;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Done, StepError> {
        let hub = Hub::of(cx)?;
        let (connection, stream) = (self.connection, self.stream.as_str());
        let plan = plans::of_stream(tx, connection, stream).await?;
        let Some(plan) = plan else {
            let stream = self.stream.clone();
            return Err(sync_error(SyncError::NotEnabled { stream }));
        };
        let mut done = self.so_far.clone();
        if self.number == 0 {
            let version = plan.mapping_version;
            let count = snapshots::count_outdated(tx, connection, stream, version).await?;
            done.expected = u64::try_from(count).ok();
        }
        let after = done.part.next.take().unwrap_or_default();
        let applied = preview::apply(
            tx,
            &hub.tables,
            &plan,
            cx.run_id(),
            &after,
            PART,
            done.ledger,
        )
        .await
        .map_err(sync_error)?;
        outbox::start_pushes(tx, &applied.owed, "remap").await?;
        done.part.totals.add(applied.part.totals);
        done.part.digest.add(applied.part.digest);
        done.part.next = applied.part.next;
        done.ledger = applied.ledger;
        done.withheld += applied.withheld;
        Ok(done)
    }
}

/// Notes what was done, and reads the stream where that is needed.
struct EndRemap {
    input: RemapInput,
    part: Part,
}

impl TxStep for EndRemap {
    const NAME: &'static str = "end_remap";
    type Output = ();

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        if let Some(publication) = self.input.publication {
            publications::applied(tx, publication, &self.part).await?;
            tx.changed("publication", publication);
        }
        if self.input.read_again {
            pulls::start(tx, self.input.connection, &self.input.stream, true).await?;
        }
        Ok(())
    }
}
