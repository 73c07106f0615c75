//! Applies what was beyond a cap and is approved, part by part: each part is read again from its
//! system, with no transaction open, and what is found by now is applied.

use connector_sdk::StreamName;
use engine::Tx;
use engine::budget::Lane;
use engine::ids::WithheldId;
use engine::runtime::{
    Class, Counts, Progress, Run, RunError, StepCx, StepError, TxStep, Workflow,
};
use engine::store::{approvals, plans, withheld};
use engine::sync::approve::{self, APPLY_WORKFLOW, ApplyInput, Found};
use engine::sync::{outbox, page};
use serde::{Deserialize, Serialize};

use crate::handed::Handed;
use crate::hub::{Hub, sync_error};

/// Changes of one part: records that are asked for in one call.
const PART: u64 = 200;

/// See the module.
pub struct ApplyWithheld;

impl Workflow for ApplyWithheld {
    const NAME: &'static str = APPLY_WORKFLOW;
    type Input = ApplyInput;
    type Output = page::Counts;

    fn key(input: &ApplyInput) -> Option<String> {
        Some(input.key())
    }

    async fn run(cx: &mut Run, input: ApplyInput) -> Result<page::Counts, RunError> {
        let mut total = page::Counts::default();
        let (mut looked, mut place) = (0, Some(approve::begin()));
        for number in 0_u64.. {
            let left = input.most.saturating_sub(looked);
            let Some(after) = place.filter(|_| left > 0) else {
                break;
            };
            let part = ApplyPart {
                number,
                input: input.clone(),
                after,
                limit: left.min(PART),
                found: Handed::default(),
            };
            let done = cx.tx(part).await?;
            looked += done.looked;
            total.add(&done.counts);
            cx.counts(Counts {
                read: done.looked,
                created: done.counts.created,
                updated: done.counts.updated,
                unchanged: done.counts.unchanged,
                deleted: done.counts.deleted,
                conflicts: done.counts.conflicts,
                failed: done.counts.failed,
                ..Counts::default()
            });
            cx.progress(Progress {
                done: looked,
                total: Some(input.most),
                unit: "changes".to_owned(),
            });
            place = done.next;
        }
        cx.tx(Settle { input }).await?;
        Ok(total)
    }
}

/// What a part did.
#[derive(Debug, Serialize, Deserialize)]
struct PartDone {
    looked: u64,
    counts: page::Counts,
    next: Option<WithheldId>,
}

struct ApplyPart {
    number: u64,
    input: ApplyInput,
    after: WithheldId,
    limit: u64,
    /// Read by `prepare`, applied by `run`.
    found: Handed<Looked>,
}

struct Looked {
    found: Vec<Found>,
    next: Option<WithheldId>,
}

impl TxStep for ApplyPart {
    const NAME: &'static str = "apply_part";
    type Output = PartDone;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn prepare(&self, cx: &StepCx) -> Result<(), StepError> {
        let hub = Hub::of(cx)?;
        let ApplyInput {
            approval,
            connection,
            stream,
            ..
        } = &self.input;
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let mut tx = cx.begin().await?;
        let part = withheld::open_part(&mut tx, *approval, self.after, limit).await?;
        let plan = plans::of_stream(&mut tx, *connection, stream).await?;
        tx.commit().await?;
        let Some(plan) = plan else {
            let message = format!("stream {stream} is not enabled with a published mapping");
            return Err(StepError::permanent(Class::Config, message));
        };
        let is_full = part.len() as u64 == self.limit;
        let next = part.last().filter(|_| is_full).map(|(id, _)| *id);
        let keys: Vec<String> = part.into_iter().map(|(_, key)| key).collect();
        let mut records = Vec::new();
        if !keys.is_empty() {
            hub.spend(cx, *connection, Lane::Interactive, 1).await?;
            let opened = hub.open(cx.tenant(), *connection).await?;
            let name = StreamName(stream.clone());
            let found = opened.fetch(&name, &keys, &plan.remote_fields()).await;
            records = hub.noted(cx, *connection, opened.usage(), found).await?;
        }
        if records.len() != keys.len() {
            return Err(StepError::bug("a system answered for other records"));
        }
        let found = keys
            .into_iter()
            .zip(records)
            .map(|(key, record)| Found { key, record })
            .collect();
        self.found.put(Looked { found, next });
        Ok(())
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<PartDone, StepError> {
        let looked = self.found.take();
        let looked =
            looked.ok_or_else(|| StepError::bug("nothing was read before it is applied"))?;
        let hub = Hub::of(cx)?;
        let count = looked.found.len() as u64;
        let applied = approve::apply(tx, &hub.tables, &self.input, cx.run_id(), looked.found)
            .await
            .map_err(sync_error)?;
        outbox::start_pushes(tx, &applied.owed, "approval").await?;
        Ok(PartDone {
            looked: count,
            counts: applied.counts,
            next: looked.next,
        })
    }
}

/// What is left was not agreed to, and is asked for again.
struct Settle {
    input: ApplyInput,
}

impl TxStep for Settle {
    const NAME: &'static str = "settle";
    type Output = ();

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        approvals::settle(tx, self.input.approval, cx.run_id()).await?;
        Ok(())
    }
}
