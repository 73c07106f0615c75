//! Follows records that became one over there: what is linked with the one that went goes to the one
//! that stays.

use engine::Tx;
use engine::runtime::{Run, RunError, StepCx, StepError, TxStep, Workflow};
use engine::sync::identity::{self, FOLLOW_WAITS, FOLLOW_WORKFLOW, FollowInput, Followed};
use engine::sync::outbox;

use crate::hub::{Hub, sync_error};

/// See the module.
pub struct FollowMerge;

impl Workflow for FollowMerge {
    const NAME: &'static str = FOLLOW_WORKFLOW;
    type Input = FollowInput;
    type Output = Followed;

    fn key(input: &FollowInput) -> Option<String> {
        Some(input.key())
    }

    async fn run(cx: &mut Run, input: FollowInput) -> Result<Followed, RunError> {
        for (number, wait) in FOLLOW_WAITS.into_iter().enumerate() {
            let step = Follow {
                number,
                input: input.clone(),
                is_last: false,
            };
            let followed = cx.tx(step).await?;
            if !followed.is_early {
                return Ok(followed);
            }
            cx.sleep("winner", wait).await?;
        }
        cx.tx(Follow {
            number: FOLLOW_WAITS.len(),
            input,
            is_last: true,
        })
        .await
    }
}

struct Follow {
    number: usize,
    input: FollowInput,
    is_last: bool,
}

impl TxStep for Follow {
    const NAME: &'static str = "follow";
    type Output = Followed;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Followed, StepError> {
        let hub = Hub::of(cx)?;
        let followed = identity::follow(tx, &hub.tables, cx.run_id(), &self.input, self.is_last)
            .await
            .map_err(sync_error)?;
        outbox::start_pushes(tx, &followed.owed, "merge").await?;
        Ok(followed)
    }
}
