//! Second factors: what somebody shows beside a password. Codes of an authenticator app, backup codes,
//! codes by SMS, passkeys; browsers that are remembered; who must have one.
//!
//! A factor counts once it is confirmed. Codes are taken once, counted when wrong, and close the
//! account for a while when there are too many ([`codes`]).

pub mod backup;
pub mod challenges;
pub mod codes;
pub mod devices;
pub mod passkeys;
pub mod rules;
pub mod sms;
pub mod totp;

use chrono::{DateTime, Utc};
use engine::ids::UserId;
use engine::store::audit::Entry;
use engine::vault::{Vault, VaultError};
use engine::{StoreError, Tx};
use serde_json::json;
use sqlx::postgres::PgQueryResult;

use crate::sessions::{NoRandomness, Token};

/// What a session was opened with beside the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// A code of an authenticator app.
    Totp,
    BackupCode,
    Sms,
    Passkey,
    /// A browser that showed a factor before and is remembered.
    Device,
    /// An outside provider, which says that it asked for one.
    Provider,
}

impl Factor {
    pub const ALL: [Self; 6] = [
        Self::Totp,
        Self::BackupCode,
        Self::Sms,
        Self::Passkey,
        Self::Device,
        Self::Provider,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::BackupCode => "backup_code",
            Self::Sms => "sms",
            Self::Passkey => "passkey",
            Self::Device => "device",
            Self::Provider => "provider",
        }
    }

    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|factor| factor.as_str() == text)
    }
}

/// Why something about factors did not work.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a factor's secret cannot be sealed or opened")]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error("the picture of the secret cannot be made")]
    Picture,
    #[error("a passkey's state cannot be read or written")]
    State(#[source] serde_json::Error),
}

impl From<sqlx::Error> for FactorError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What factors are made with in this process.
#[derive(Clone)]
pub struct Factors {
    pub vault: Vault,
    /// `None` where browsers reach the hub by an address, for which there are no passkeys.
    pub passkeys: Option<passkeys::RelyingParty>,
    /// `None` where nobody sends messages.
    pub sms: Option<std::sync::Arc<dyn sms::SmsSender>>,
}

/// The factors of a user.
#[derive(Clone, Debug)]
pub struct Owned {
    /// Since when codes of an app count.
    pub totp: Option<DateTime<Utc>>,
    /// How the number ends, and since when it counts.
    pub sms: Option<(String, DateTime<Utc>)>,
    pub passkeys: i64,
    pub backup_codes_left: i64,
}

impl Owned {
    pub fn is_empty(&self) -> bool {
        self.totp.is_none() && self.sms.is_none() && self.passkeys == 0
    }

    /// What the user can show now, as far as this process can ask for it.
    pub fn methods(&self, factors: &Factors) -> Vec<Factor> {
        let has = [
            (Factor::Totp, self.totp.is_some()),
            (
                Factor::Passkey,
                self.passkeys > 0 && factors.passkeys.is_some(),
            ),
            (Factor::Sms, self.sms.is_some() && factors.sms.is_some()),
            (Factor::BackupCode, self.backup_codes_left > 0),
        ];
        has.into_iter()
            .filter_map(|(factor, has)| has.then_some(factor))
            .collect()
    }
}

/// Ends setting up a factor: notes it, and answers backup codes where the user has none.
async fn added(tx: &mut Tx, user: UserId, action: &str) -> Result<Vec<Token>, FactorError> {
    tx.audit(Entry::new(action, "user", user));
    let codes = backup::first(tx, user).await?;
    changed(tx, user).await?;
    Ok(codes)
}

/// Notes a wrong code for a factor that is being set up.
fn not_added(tx: &mut Tx, user: UserId, action: &str) {
    tx.audit(Entry::refused(action, "user", user).after(json!({"why": "wrong"})));
}

/// Notes that a factor was taken away, if there was one.
async fn removed(
    tx: &mut Tx,
    user: UserId,
    gone: &PgQueryResult,
    (what, action): (&str, &str),
) -> Result<(), StoreError> {
    if gone.rows_affected() == 0 {
        return Err(StoreError::NotFound(what.to_owned()));
    }
    tx.audit(Entry::new(action, "user", user));
    changed(tx, user).await
}

/// The factors of a user.
///
/// # Errors
/// [`StoreError`].
pub async fn of_user(tx: &mut Tx, user: UserId) -> Result<Owned, StoreError> {
    let row = sqlx::query!(
        r#"
        select (select confirmed_at from totp_factors where user_id = $1) as totp,
               (select shown from sms_factors where user_id = $1 and confirmed_at is not null)
                   as sms_shown,
               (select confirmed_at from sms_factors where user_id = $1) as sms_since,
               (select count(*) from passkeys where user_id = $1) as "passkeys!",
               (select count(*) from backup_codes where user_id = $1 and used_at is null)
                   as "codes!"
        "#,
        user.0,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Owned {
        totp: row.totp,
        sms: row.sms_shown.zip(row.sms_since),
        passkeys: row.passkeys,
        backup_codes_left: row.codes,
    })
}

/// Notes whether the user has a factor, after one came or went. With the last one go backup codes and
/// remembered browsers, which stand for one.
pub(crate) async fn changed(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    let left = of_user(tx, user).await?;
    if left.is_empty() {
        backup::forget(tx, user).await?;
        devices::forget_all(tx, user).await?;
    }
    sqlx::query!(
        "update users set has_factor = $2 where id = $1",
        user.0,
        !left.is_empty(),
    )
    .execute(tx.conn())
    .await?;
    tx.changed("user", user);
    Ok(())
}

/// Takes all factors of a user away, for somebody who lost them: the next sign-in asks for none. Ends
/// all sessions and sign-ins under way.
///
/// # Errors
/// [`StoreError`].
pub async fn reset(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    let had = of_user(tx, user).await?;
    sqlx::query!("delete from totp_factors where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from sms_factors where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from sms_codes where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from passkeys where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from sign_in_tickets where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    changed(tx, user).await?;
    crate::sessions::close_all(tx, user, None).await?;
    tx.audit(Entry::new("reset_factors", "user", user).before(json!({
        "totp": had.totp.is_some(),
        "sms": had.sms.is_some(),
        "passkeys": had.passkeys,
    })));
    Ok(())
}
