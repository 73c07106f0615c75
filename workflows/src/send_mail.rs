//! Sends a stored mail. A crash between sending and noting it sends it again, with the same
//! `Message-ID`.

use domain::mails::{self, MAIL_WORKFLOW, MailInput, OutboxError};
use engine::Tx;
use engine::ids::MailId;
use engine::runtime::{Class, Run, RunError, Step, StepCx, StepError, TxStep, Workflow};

use crate::hub::Hub;

/// See the module.
pub struct SendMail;

impl Workflow for SendMail {
    const NAME: &'static str = MAIL_WORKFLOW;
    type Input = MailInput;
    type Output = ();

    async fn run(cx: &mut Run, input: MailInput) -> Result<(), RunError> {
        cx.step(Send { mail: input.mail }).await?;
        cx.tx(Note { mail: input.mail }).await
    }
}

struct Send {
    mail: MailId,
}

impl Step for Send {
    const NAME: &'static str = "send";
    type Output = ();

    async fn run(&self, cx: &StepCx) -> Result<(), StepError> {
        let hub = Hub::of(cx)?;
        let Some(mailer) = &hub.mailer else {
            let message = "this process sends no mail: set SYNCLINE_SMTP_URL";
            return Err(StepError::permanent(Class::Config, message));
        };
        let mut tx = cx.begin().await?;
        let letter = mailer.outbox().open(&mut tx, self.mail).await;
        drop(tx); // none is open while the server is asked
        match letter.map_err(outbox_error)? {
            Some(letter) => mailer.send(self.mail, &letter, cx.clock().now()).await,
            None => Ok(()),
        }
    }
}

struct Note {
    mail: MailId,
}

impl TxStep for Note {
    const NAME: &'static str = "note";
    type Output = ();

    async fn run(&self, _cx: &StepCx, tx: &mut Tx) -> Result<(), StepError> {
        Ok(mails::sent(tx, self.mail).await?)
    }
}

pub(crate) fn outbox_error(error: OutboxError) -> StepError {
    match error {
        OutboxError::Store(error) => error.into(),
        OutboxError::Vault(_) => StepError::permanent(Class::Config, error.to_string()),
    }
}
