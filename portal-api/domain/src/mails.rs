//! E-mail to users: stored with what it is about, sent by a run of its own. While a mail waits its text
//! is sealed, for it may hold a link that signs in; once sent, the text is gone.

use chrono::{DateTime, Utc};
use engine::ids::{MailId, RunId, UserId};
use engine::store::runs::{self, NewRun, StartOptions};
use engine::vault::Vault;
use engine::{StoreError, Tx};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

/// The workflow that sends a mail.
pub const MAIL_WORKFLOW: &str = "send_mail";

/// Its input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MailInput {
    pub mail: MailId,
}

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    Invitation,
    Reset,
    /// Many wrong passwords have closed the account for a while.
    Locked,
    /// How the user signs in has changed.
    SignIn,
    /// An erasure could not be carried out.
    ErasureFailed,
}

impl MailKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Reset => "reset",
            Self::Locked => "locked",
            Self::SignIn => "sign_in",
            Self::ErasureFailed => "erasure_failed",
        }
    }
}

/// A mail to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    pub recipient: String,
    pub subject: String,
    pub text: String,
}

impl Letter {
    pub fn invitation(recipient: &str, tenant: &str, link: &str, hours: i32) -> Self {
        Self {
            recipient: recipient.to_owned(),
            subject: format!("Your access to {tenant}"),
            text: format!(
                "You were invited to {tenant}.\n\nSet a password with this link; it works once, \
                 for {hours} hours:\n\n{link}\n"
            ),
        }
    }

    pub fn reset(recipient: &str, link: &str) -> Self {
        Self {
            recipient: recipient.to_owned(),
            subject: "Set a new password".to_owned(),
            text: format!(
                "Set a new password with this link; it works once, for an hour:\n\n{link}\n\n\
                 If you did not ask for it, there is nothing to do: your password stays.\n"
            ),
        }
    }

    /// Says which request it is, and nothing of whom it is about.
    pub fn erasure_failed(recipient: &str, request: &str, class: &str) -> Self {
        Self {
            recipient: recipient.to_owned(),
            subject: "An erasure could not be carried out".to_owned(),
            text: format!(
                "The request {request} to forget somebody was approved and could not be carried \
                 out ({class}). Nothing of it was done.\n\nLook at the request and its run in the \
                 console: the run can be tried again, the request withdrawn.\n"
            ),
        }
    }

    pub fn locked(recipient: &str, minutes: i32) -> Self {
        Self {
            recipient: recipient.to_owned(),
            subject: "Your account is locked for a while".to_owned(),
            text: format!(
                "Somebody gave a wrong password for your account many times. It takes none for \
                 {minutes} minutes now.\n\nIf that was not you, nobody got in; tell an admin of \
                 yours.\n"
            ),
        }
    }
}

/// What changed about how somebody signs in; whoever did it, its owner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInNotice {
    FactorAdded,
    FactorRemoved,
    BackupCodesRenewed,
    BackupCodeUsed,
    FactorsReset,
    /// Too many wrong codes, after a right password.
    CodesLocked,
}

impl SignInNotice {
    fn sentence(self) -> &'static str {
        match self {
            Self::FactorAdded => "A second factor was added to your account.",
            Self::FactorRemoved => "A second factor was removed from your account.",
            Self::BackupCodesRenewed => {
                "New backup codes were made for your account; earlier ones do not work any more."
            }
            Self::BackupCodeUsed => "Somebody signed in to your account with a backup code.",
            Self::FactorsReset => {
                "An admin removed all second factors of your account and ended its sessions."
            }
            Self::CodesLocked => {
                "Somebody knew your password and gave wrong codes many times. Your account takes \
                 none for a while now. If that was not you, change your password."
            }
        }
    }
}

impl Letter {
    pub fn sign_in(recipient: &str, notice: SignInNotice) -> Self {
        Self {
            recipient: recipient.to_owned(),
            subject: "How you sign in has changed".to_owned(),
            text: format!(
                "{}\n\nIf that was not you, tell an admin of yours.\n",
                notice.sentence()
            ),
        }
    }
}

/// Where mails wait to be sent.
#[derive(Clone)]
pub struct Outbox(Vault);

/// Why a mail could not be put there or taken out.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("mail cannot be sealed or opened")]
    Vault(#[from] engine::vault::VaultError),
}

impl Outbox {
    pub fn new(vault: Vault) -> Self {
        Self(vault)
    }

    /// Stores a mail and starts the run that sends it, if this transaction commits. `cause` is the run
    /// that asks for it, if one does.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn post(
        &self,
        tx: &mut Tx,
        kind: MailKind,
        user: UserId,
        letter: &Letter,
        cause: Option<RunId>,
    ) -> Result<MailId, OutboxError> {
        let (id, now) = (MailId::fresh(), tx.now());
        let sealed = self.0.seal(&owner(id), letter.text.as_bytes())?;
        sqlx::query!(
            "insert into outgoing_mails
                 (id, kind, user_id, recipient, subject, body, run_id, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
            id.0,
            kind.as_str(),
            user.0,
            letter.recipient,
            letter.subject,
            sealed,
            cause.map(|run| run.0),
            now,
        )
        .execute(tx.conn())
        .await
        .map_err(StoreError::from)?;
        let options = StartOptions {
            trigger: "mail".to_owned(),
            ..StartOptions::default()
        };
        let run = NewRun::named(MAIL_WORKFLOW, &MailInput { mail: id }, options)?;
        runs::start(tx, run).await?;
        Ok(id)
    }

    /// A mail that waits; `None` once it was sent.
    ///
    /// # Errors
    /// [`OutboxError`]; [`StoreError::NotFound`].
    pub async fn open(&self, tx: &mut Tx, id: MailId) -> Result<Option<Letter>, OutboxError> {
        let row = sqlx::query!(
            "select recipient, subject, body from outgoing_mails where id = $1",
            id.0
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(StoreError::from)?
        .ok_or_else(|| StoreError::NotFound(format!("mail {id}")))?;
        let Some(sealed) = row.body else {
            return Ok(None);
        };
        let text = self.0.open(&owner(id), &sealed)?;
        Ok(Some(Letter {
            recipient: row.recipient,
            subject: row.subject,
            text: String::from_utf8_lossy(text.expose_secret()).into_owned(),
        }))
    }
}

/// A mail that a run asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `invitation`, `erasure_failed` …
    pub kind: String,
    pub subject: String,
    pub asked_at: DateTime<Utc>,
    /// `None` while it waits.
    pub sent_at: Option<DateTime<Utc>>,
}

/// How many mails a run asked for, and the first `limit` of them.
///
/// # Errors
/// [`StoreError`].
pub async fn asked_by(
    tx: &mut Tx,
    run: RunId,
    limit: i64,
) -> Result<(u64, Vec<Asked>), StoreError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from outgoing_mails where run_id = $1"#,
        run.0
    )
    .fetch_one(tx.conn())
    .await?;
    let first = sqlx::query_as!(
        Asked,
        "select kind, subject, created_at as asked_at, sent_at
         from outgoing_mails where run_id = $1 order by id limit $2",
        run.0,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok((u64::try_from(count).unwrap_or(0), first))
}

/// Notes that a mail was sent; its text goes.
///
/// # Errors
/// [`StoreError`].
pub async fn sent(tx: &mut Tx, id: MailId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "update outgoing_mails set body = null, sent_at = $2 where id = $1",
        id.0,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn owner(id: MailId) -> String {
    format!("mail/{}", id.0)
}
