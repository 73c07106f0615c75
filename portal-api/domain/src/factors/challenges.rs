//! What a browser was asked to sign, kept between the two requests; each is answered once, in five
//! minutes.

use chrono::TimeDelta;
use engine::ids::UserId;
use engine::{Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::types::Uuid;

use super::FactorError;
use crate::sessions::Token;

const HOLDS: TimeDelta = TimeDelta::minutes(5);

/// What a challenge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Register,
    /// By whomever.
    SignIn,
    /// As second stage of a sign-in.
    Second,
    /// By somebody who is signed in.
    StepUp,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::SignIn => "sign_in",
            Self::Second => "second",
            Self::StepUp => "step_up",
        }
    }
}

/// Keeps what was asked; answers what the browser gives back with it.
pub(super) async fn keep(
    store: &Store,
    purpose: Purpose,
    user: Option<UserId>,
    state: &impl Serialize,
) -> Result<Token, FactorError> {
    let token = Token::fresh()?;
    let state = serde_json::to_value(state).map_err(FactorError::State)?;
    let mut tx = store.begin_system().await?;
    let now = tx.now();
    sqlx::query!("delete from passkey_challenges where expires_at <= $1", now)
        .execute(tx.conn())
        .await?;
    sqlx::query!(
        "insert into passkey_challenges (token_hash, purpose, user_id, state, expires_at)
         values ($1, $2, $3, $4, $5)",
        token.hash(),
        purpose.as_str(),
        user.map(|user| user.0),
        state,
        now + HOLDS,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(token)
}

/// What was asked, for this once; opaque.
pub struct Asked(Option<serde_json::Value>);

impl Asked {
    /// As it was kept; `None` where nothing was, or for another purpose or person.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<Option<T>, FactorError> {
        let state = self.0.map(serde_json::from_value).transpose();
        state.map_err(|error| StoreError::corrupt("state of a passkey challenge", error).into())
    }
}

/// Takes what was asked: right answer or wrong, it is gone. In a transaction of its own, so that a
/// failure afterwards does not bring it back.
///
/// # Errors
/// [`StoreError`].
pub async fn take(
    store: &Store,
    purpose: Purpose,
    user: Option<UserId>,
    token: &Token,
) -> Result<Asked, StoreError> {
    let mut tx = store.begin_system().await?;
    let now = tx.now();
    let user: Option<Uuid> = user.map(|user| user.0);
    let state = sqlx::query_scalar!(
        "delete from passkey_challenges
         where token_hash = $1 and purpose = $2 and user_id is not distinct from $3
           and expires_at > $4
         returning state",
        token.hash(),
        purpose.as_str(),
        user,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(Asked(state))
}
