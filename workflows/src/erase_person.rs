//! Forgets a person: waits for the end of the hold, has their records deleted where the streams say so,
//! waits for what is on its way to other systems, and destroys what is known.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::erasures::{self, ERASE_WORKFLOW, EraseInput, Erasure};
use domain::mails::{Letter, MailKind};
use domain::users::people;
use engine::Tx;
use engine::ids::ErasureId;
use engine::runtime::{Class, Run, RunError, StepCx, StepError, TxStep, Workflow};

use crate::hub::{Hub, sync_error};
use crate::send_mail::outbox_error;

/// How often it is looked whether the last write has settled, half a minute apart.
const LOOKS: u32 = 240;
const BETWEEN: Duration = Duration::from_secs(30);

/// See the module.
pub struct ErasePerson;

impl Workflow for ErasePerson {
    const NAME: &'static str = ERASE_WORKFLOW;
    type Input = EraseInput;
    /// How many rows of what were destroyed; nothing where it was withdrawn.
    type Output = BTreeMap<String, u64>;

    async fn run(cx: &mut Run, input: EraseInput) -> Result<BTreeMap<String, u64>, RunError> {
        let erasure = input.erasure;
        let Some(until) = cx.tx(Look { erasure }).await? else {
            return Ok(BTreeMap::new());
        };
        cx.sleep_until("hold", until).await?;
        match carry_out(cx, erasure).await {
            Ok(destroyed) => Ok(destroyed),
            Err(error) => {
                let class = error.class().as_str().to_owned();
                cx.tx(Fail { erasure, class }).await?;
                Err(error)
            }
        }
    }
}

async fn carry_out(cx: &mut Run, erasure: ErasureId) -> Result<BTreeMap<String, u64>, RunError> {
    cx.tx(Begin { erasure }).await?;
    for number in 0..LOOKS {
        if cx.tx(UnderWay { erasure, number }).await? == 0 {
            break;
        }
        cx.sleep("writes", BETWEEN).await?;
    }
    cx.tx(Destroy { erasure }).await
}

/// The request, while it is to be carried out.
async fn approved(tx: &mut Tx, id: ErasureId) -> Result<Option<Erasure>, StepError> {
    let erasure = erasures::get(tx, id).await?;
    // One that failed is tried again by its run.
    Ok(matches!(erasure.state.as_str(), "approved" | "failed").then_some(erasure))
}

struct Look {
    erasure: ErasureId,
}

impl TxStep for Look {
    const NAME: &'static str = "look";
    type Output = Option<DateTime<Utc>>;

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<Self::Output, StepError> {
        let erasure = approved(tx, self.erasure).await?;
        Ok(erasure.and_then(|erasure| erasure.hold_until))
    }
}

struct Begin {
    erasure: ErasureId,
}

impl TxStep for Begin {
    const NAME: &'static str = "begin";
    type Output = ();

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        let Some(erasure) = approved(tx, self.erasure).await? else {
            return Ok(());
        };
        let hub = Hub::of(cx)?;
        erasures::begin(tx, &hub.tables, &erasure)
            .await
            .map_err(sync_error)
    }
}

struct UnderWay {
    erasure: ErasureId,
    number: u32,
}

impl TxStep for UnderWay {
    const NAME: &'static str = "under_way";
    type Output = i64;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<i64, StepError> {
        match approved(tx, self.erasure).await? {
            Some(erasure) => Ok(erasures::under_way(tx, &erasure).await?),
            None => Ok(0),
        }
    }
}

struct Destroy {
    erasure: ErasureId,
}

impl TxStep for Destroy {
    const NAME: &'static str = "destroy";
    type Output = BTreeMap<String, u64>;

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Self::Output, StepError> {
        let Some(erasure) = approved(tx, self.erasure).await? else {
            return Ok(BTreeMap::new());
        };
        if erasures::under_way(tx, &erasure).await? > 0 {
            // Its answer would be stored after what is known is gone.
            let message = "a write about this person has not settled";
            return Err(StepError::permanent(Class::Conflict, message));
        }
        let hub = Hub::of(cx)?;
        let salt = domain::erasures::fresh_salt()
            .map_err(|error| StepError::permanent(Class::Config, error.to_string()))?;
        Ok(erasures::destroy(tx, &hub.tables, &erasure, &salt).await?)
    }
}

/// Says that it could not be carried out: to whoever watches the hub, in the log of what is done about
/// people's data, and to the admins.
struct Fail {
    erasure: ErasureId,
    class: String,
}

impl TxStep for Fail {
    const NAME: &'static str = "fail";
    type Output = ();

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        let erasure = erasures::get(tx, self.erasure).await?;
        erasures::failed(tx, &erasure, &self.class).await?;
        metrics::counter!("syncline_erasures_failed_total", "class" => self.class.clone())
            .increment(1);
        tracing::error!(
            tenant.id = %tx.tenant(),
            erasure.id = %self.erasure,
            class = self.class,
            "an erasure could not be carried out"
        );
        let hub = Hub::of(cx)?;
        let Some(mailer) = &hub.mailer else {
            return Ok(());
        };
        for (user, email) in people::admins(tx).await? {
            let letter = Letter::erasure_failed(&email, &self.erasure.to_string(), &self.class);
            mailer
                .outbox()
                .post(
                    tx,
                    MailKind::ErasureFailed,
                    user,
                    &letter,
                    Some(cx.run_id()),
                )
                .await
                .map_err(outbox_error)?;
        }
        Ok(())
    }
}
