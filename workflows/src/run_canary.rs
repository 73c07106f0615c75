//! Applies a version of a mapping to the stored snapshots of the records it is tried on, part by part,
//! until all are mapped or the canary is over: that one takes them, `sync::page` knows of it.

use domain::canaries::{CANARY_WORKFLOW, CanaryInput};
use engine::Tx;
use engine::runtime::{Counts, Run, RunError, StepCx, StepError, TxStep, Workflow};
use engine::sdk::Change;
use engine::store::{canaries, snapshots};
use engine::sync::outbox;
use engine::sync::page::{self, Ledger, Origin, Page};
use serde::{Deserialize, Serialize};

use crate::hub::{Hub, sync_error};

/// Snapshots looked at in one transaction.
const PART: i64 = 1_000;

/// See the module.
pub struct RunCanary;

impl Workflow for RunCanary {
    const NAME: &'static str = CANARY_WORKFLOW;
    type Input = CanaryInput;
    type Output = page::Counts;

    fn key(input: &CanaryInput) -> Option<String> {
        Some(input.key())
    }

    async fn run(cx: &mut Run, input: CanaryInput) -> Result<page::Counts, RunError> {
        let mut done = Done::default();
        for number in 0_u64.. {
            let before = done.counts.clone();
            let part = CanaryPart {
                input: input.clone(),
                number,
                done,
            };
            done = cx.tx(part).await?;
            cx.counts(Counts {
                read: done.counts.read - before.read,
                created: done.counts.created - before.created,
                updated: done.counts.updated - before.updated,
                unchanged: done.counts.unchanged - before.unchanged,
                conflicts: done.counts.conflicts - before.conflicts,
                failed: done.counts.failed - before.failed,
                excluded: done.counts.excluded - before.excluded,
                withheld: done.counts.withheld - before.withheld,
                ..Counts::default()
            });
            if done.next.is_none() {
                break;
            }
        }
        Ok(done.counts)
    }
}

/// How far it has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Done {
    counts: page::Counts,
    ledger: Ledger,
    next: Option<String>,
}

struct CanaryPart {
    input: CanaryInput,
    number: u64,
    done: Done,
}

impl TxStep for CanaryPart {
    const NAME: &'static str = "canary_part";
    type Output = Done;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Done, StepError> {
        let hub = Hub::of(cx)?;
        let (connection, stream) = (self.input.connection, self.input.stream.as_str());
        let mut done = self.done.clone();
        let after = done.next.take().unwrap_or_default();
        let running = canaries::running(tx, connection, stream).await?;
        let Some(canary) = running.filter(|one| one.id == self.input.canary) else {
            // Stopped or promoted: what it did stands, and can be undone by this run.
            return Ok(done);
        };
        let records =
            snapshots::outdated(tx, connection, stream, canary.version, &after, PART).await?;
        let is_full = i64::try_from(records.len()).is_ok_and(|read| read >= PART);
        done.next = records
            .last()
            .filter(|_| is_full)
            .map(|record| record.key.clone());
        let taken = records
            .into_iter()
            .filter(|record| canary.takes(&record.key));
        let changes: Vec<Change> = taken.map(Change::Upsert).collect();
        if !changes.is_empty() {
            let page = Page {
                connection,
                stream: stream.to_owned(),
                run: cx.run_id(),
                changes: changes.into(),
                cursor: None,
                pass: None,
                origin: Origin::Hub,
            };
            let applied = page::apply_within(tx, &hub.tables, page, done.ledger)
                .await
                .map_err(sync_error)?;
            outbox::start_pushes(tx, &applied.owed, "canary").await?;
            done.counts.add(&applied.counts);
            done.ledger = applied.ledger;
        }
        if done.next.is_none() {
            canaries::applied(tx, canary.id).await?;
            tx.changed("canary", canary.id);
        }
        Ok(done)
    }
}
