//! Sign-ins on their way through a provider. Each is used once, by the browser that began it.

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::{AttemptId, ProviderId, SessionId, TenantId, UserId};
use engine::{StoreError, SystemTx, Tx};

use crate::sessions::Token;

/// How long a sign-in may take there.
pub const LONGEST: TimeDelta = TimeDelta::minutes(10);

/// What somebody signs in at a provider for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    SignIn,
    /// To see whether it works, by an admin.
    Test,
    /// To be recognised by it from then on, by somebody who is signed in.
    Link,
    /// To show who one is again, for sensitive actions, by somebody who is signed in from there.
    StepUp,
    /// To be signed out there too; the session here has ended.
    SignOut,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Test => "test",
            Self::Link => "link",
            Self::StepUp => "step_up",
            Self::SignOut => "sign_out",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [
            Self::SignIn,
            Self::Test,
            Self::Link,
            Self::StepUp,
            Self::SignOut,
        ]
        .into_iter()
        .find(|one| one.as_str() == text)
    }
}

/// A sign-in on its way.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub tenant: TenantId,
    pub id: AttemptId,
    pub provider: ProviderId,
    pub purpose: Purpose,
    /// Who tests, links, or shows who they are again.
    pub user: Option<UserId>,
    /// Of a step-up: which session it is for.
    pub session: Option<SessionId>,
    pub config_version: i64,
    /// Nonce and code verifier, sealed.
    pub secrets: Option<Vec<u8>>,
    /// Of SAML.
    pub request_id: Option<String>,
    /// Where the hub is reached by this browser.
    pub origin: String,
    /// Where to go on in the console.
    pub next: String,
    /// Of SAML: who came, sealed.
    pub outcome: Option<Vec<u8>>,
    /// Of the browser's cookie.
    pub browser_hash: Vec<u8>,
    /// When it was begun: who shows who they are again does so after this.
    pub begun_at: DateTime<Utc>,
}

impl Attempt {
    /// Whose its sealed parts are.
    pub fn owner(&self) -> String {
        format!("sign_in_attempt/{}", self.id.0)
    }
}

/// Notes a sign-in that begins now; `state` comes back with it. What has expired goes.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(
    tx: &mut Tx,
    attempt: &Attempt,
    state: &Token,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!("delete from sign_in_attempts where expires_at <= $1", now)
        .execute(tx.conn())
        .await?;
    sqlx::query!("delete from used_assertions where expires_at <= $1", now)
        .execute(tx.conn())
        .await?;
    sqlx::query!(
        "insert into sign_in_attempts
             (id, state_hash, browser_hash, provider_id, purpose, user_id, config_version, secrets,
              request_id, origin, next, outcome, created_at, expires_at, session_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        attempt.id.0,
        state.hash(),
        attempt.browser_hash,
        attempt.provider.0,
        attempt.purpose.as_str(),
        attempt.user.map(|user| user.0),
        attempt.config_version,
        attempt.secrets,
        attempt.request_id,
        attempt.origin,
        attempt.next,
        attempt.outcome,
        attempt.begun_at,
        until,
        attempt.session.map(|session| session.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The sign-in of a state, which is used up by asking, whatever comes of it.
///
/// # Errors
/// [`StoreError`].
pub async fn take(tx: &mut SystemTx, state: &Token) -> Result<Option<Attempt>, StoreError> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"delete from sign_in_attempts where state_hash = $1
           returning tenant_id as "tenant: TenantId", id as "id: AttemptId",
                     provider_id as "provider: ProviderId", purpose, user_id as "user: UserId",
                     config_version, secrets, request_id, origin, next, outcome, browser_hash,
                     session_id as "session: SessionId", created_at, expires_at"#,
        state.hash(),
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row.filter(|row| row.expires_at > now) else {
        return Ok(None);
    };
    Ok(Some(Attempt {
        tenant: row.tenant,
        id: row.id,
        provider: row.provider,
        purpose: Purpose::of(&row.purpose)
            .ok_or_else(|| StoreError::corrupt("purpose of a sign-in", row.purpose))?,
        user: row.user,
        config_version: row.config_version,
        secrets: row.secrets,
        request_id: row.request_id,
        origin: row.origin,
        next: row.next,
        outcome: row.outcome,
        browser_hash: row.browser_hash,
        session: row.session,
        begun_at: row.created_at,
    }))
}

/// Notes that an assertion or a logout token was taken; `false` where it was before.
///
/// # Errors
/// [`StoreError`].
pub async fn use_once(
    tx: &mut Tx,
    provider: ProviderId,
    id: &str,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let noted = sqlx::query!(
        "insert into used_assertions (provider_id, id_hash, expires_at) values ($1, $2, $3)
         on conflict do nothing",
        provider.0,
        Token::of(id).hash(),
        until,
    )
    .execute(tx.conn())
    .await?;
    Ok(noted.rows_affected() == 1)
}
