//! Tries again what failed for one cause, part by part, at most as much as was agreed to; the pushes
//! that send what became due start with each part.

use engine::Tx;
use engine::runtime::{Counts, Progress, Run, RunError, StepCx, StepError, TxStep, Workflow};
use engine::sync::again::{self, RETRY_WORKFLOW, Retried, RetryInput};
use engine::sync::outbox;

use crate::hub::{Hub, sync_error};

/// Things that are tried again in one transaction.
const PART: u64 = 500;

/// See the module.
pub struct RetryFailures;

impl Workflow for RetryFailures {
    const NAME: &'static str = RETRY_WORKFLOW;
    type Input = RetryInput;
    /// How many things were tried again.
    type Output = u64;

    fn key(input: &RetryInput) -> Option<String> {
        Some(input.key())
    }

    async fn run(cx: &mut Run, input: RetryInput) -> Result<u64, RunError> {
        let (mut done, mut place) = (0, Some(String::new()));
        for number in 0_u64.. {
            let left = input.most.saturating_sub(done);
            let Some(after) = place.filter(|_| left > 0) else {
                break;
            };
            let part = RetryPart {
                number,
                input: input.clone(),
                after,
                limit: left.min(PART),
            };
            let retried = cx.tx(part).await?;
            done += retried.done;
            cx.counts(Counts {
                created: retried.counts.created,
                updated: retried.counts.updated,
                unchanged: retried.counts.unchanged,
                conflicts: retried.counts.conflicts,
                failed: retried.counts.failed,
                ..Counts::default()
            });
            cx.progress(Progress {
                done,
                total: Some(input.most),
                unit: "records".to_owned(),
            });
            place = retried.next;
        }
        Ok(done)
    }
}

struct RetryPart {
    number: u64,
    input: RetryInput,
    after: String,
    limit: u64,
}

impl TxStep for RetryPart {
    const NAME: &'static str = "retry_part";
    type Output = Retried;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Retried, StepError> {
        let hub = Hub::of(cx)?;
        let (input, run) = (&self.input, cx.run_id());
        let retried = again::apply(tx, &hub.tables, input, run, &self.after, self.limit)
            .await
            .map_err(sync_error)?;
        outbox::start_pushes(tx, &retried.owed, "retry").await?;
        Ok(retried)
    }
}
