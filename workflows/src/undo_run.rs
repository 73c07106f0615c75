//! Takes back what a run did, part by part: each part is looked at and put back in one transaction,
//! and the pushes that carry it to the other systems start with it.

use engine::Tx;
use engine::ids::{RunId, UserId};
use engine::runtime::{
    Class, Counts, Progress, Run, RunError, StepCx, StepError, TxStep, Workflow,
};
use engine::store::runs;
use engine::sync::outbox;
use engine::sync::undo::{self, Place, UNDO_WORKFLOW, UndoInput, Undoing, Undone};

use crate::hub::{Hub, sync_error};

/// Things a run did that are taken back in one transaction.
const PART: i64 = 500;

/// See the module.
pub struct UndoRun;

impl Workflow for UndoRun {
    const NAME: &'static str = UNDO_WORKFLOW;
    type Input = UndoInput;
    type Output = undo::Counts;

    fn key(input: &UndoInput) -> Option<String> {
        Some(input.key())
    }

    async fn run(cx: &mut Run, input: UndoInput) -> Result<undo::Counts, RunError> {
        let undoing = cx.tx(Begin { run: input.run }).await?;
        let mut total = undo::Counts::default();
        let mut place = Some(Place::default());
        for number in 0_u64.. {
            let Some(from) = place else { break };
            let part = UndoPart {
                number,
                undoing: undoing.clone(),
                from,
                user: input.user,
            };
            let done = cx.tx(part).await?;
            total.add(&done.counts);
            cx.counts(Counts {
                updated: done.counts.restored,
                deleted: done.counts.removed,
                created: done.counts.revived,
                unchanged: done.counts.kept.values().sum(),
                ..Counts::default()
            });
            cx.progress(Progress {
                done: total.restored + total.removed + total.revived,
                total: None,
                unit: "records".to_owned(),
            });
            place = done.next;
        }
        Ok(total)
    }
}

struct Begin {
    run: RunId,
}

impl TxStep for Begin {
    const NAME: &'static str = "begin";
    type Output = Undoing;

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<Undoing, StepError> {
        let run = runs::get(tx, self.run).await?;
        Undoing::of(&run).map_err(|error| StepError::permanent(Class::Conflict, error.to_string()))
    }
}

struct UndoPart {
    number: u64,
    undoing: Undoing,
    from: Place,
    user: UserId,
}

impl TxStep for UndoPart {
    const NAME: &'static str = "undo_part";
    type Output = Undone;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Undone, StepError> {
        let hub = Hub::of(cx)?;
        let by = (cx.run_id(), self.user);
        let undone = undo::apply(tx, &hub.tables, &self.undoing, &self.from, PART, by)
            .await
            .map_err(sync_error)?;
        outbox::start_pushes(tx, &undone.owed, "undo").await?;
        Ok(undone)
    }
}
