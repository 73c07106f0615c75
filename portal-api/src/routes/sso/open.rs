//! The one place where somebody whom a provider has recognised gets a session.

use axum::http::{HeaderMap, header};
use domain::security;
use domain::sessions::{self, From, Token};
use domain::users::User;
use engine::Tx;
use engine::ids::SessionId;

use super::fresh;
use crate::caller::Anyone;
use crate::error::ApiError;

/// A session that was opened in a transaction that is still open.
pub(super) struct Opened {
    pub(super) id: SessionId,
    pub(super) token: Token,
    /// How long the cookie holds.
    pub(super) seconds: i64,
}

/// Opens a session for a user.
pub(super) async fn open(
    tx: &mut Tx,
    anyone: &Anyone,
    headers: &HeaderMap,
    user: &User,
) -> Result<Opened, ApiError> {
    let token = fresh()?;
    let policy = security::current(tx).await?.policy;
    let agent = headers.get(header::USER_AGENT);
    let from = From {
        address: anyone.address.map(|address| address.to_string()),
        agent: agent.and_then(|agent| Some(agent.to_str().ok()?.to_owned())),
    };
    let id = sessions::open(tx, user, &policy, &token, from).await?;
    Ok(Opened {
        id,
        token,
        seconds: i64::from(policy.absolute_minutes) * 60,
    })
}
