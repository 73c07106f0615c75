//! Signing in, in two stages. The first is a password, a passkey, or the word of an outside provider;
//! whoever has a second factor owes it, and has no session until it was shown. Every way to sign in
//! ends in [`proceed`].

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::{SessionId, TenantId, UserId};
use engine::store::audit::Entry;
use engine::{Store, StoreError, Tx};
use serde_json::json;

use super::{From, Token, open};
use crate::factors::{Factor, FactorError, devices};
use crate::security::Policy;
use crate::users::User;

/// How long the second stage may take.
pub const SECOND_STAGE: TimeDelta = TimeDelta::minutes(10);

/// How somebody passed the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Password,
    /// A passkey that checked its owner: both stages in one.
    Passkey,
    /// An outside provider vouched for the user.
    Provider {
        /// It says that it asked for a second factor, and the tenant takes its word.
        with_second_factor: bool,
    },
}

/// Where a sign-in stands after a stage.
pub enum Stage {
    Open(Opened),
    /// A second factor is owed.
    Second(Ticket),
}

/// A session that was opened.
pub struct Opened {
    pub session: SessionId,
    /// For the cookie.
    pub token: Token,
    /// How long the cookie may hold, in seconds.
    pub seconds: i64,
}

/// What stands for the first stage until the second is passed. It is no session.
pub struct Ticket {
    /// For the cookie.
    pub token: Token,
    pub until: DateTime<Utc>,
}

/// Ends a sign-in whose first stage was passed by `user`, who is active and not locked: opens a session,
/// or asks for the second factor. `device` is the browser's token if it says it is remembered.
///
/// # Errors
/// [`FactorError`].
pub async fn proceed(
    tx: &mut Tx,
    user: &User,
    policy: &Policy,
    first: First,
    device: Option<&Token>,
    from: &From,
) -> Result<Stage, FactorError> {
    let has_factor = sqlx::query_scalar!("select has_factor from users where id = $1", user.id.0)
        .fetch_one(tx.conn())
        .await?;
    let factor = match first {
        First::Passkey => Some(Factor::Passkey),
        First::Provider {
            with_second_factor: true,
        } => Some(Factor::Provider),
        First::Password | First::Provider { .. } => None,
    };
    if factor.is_some() || !has_factor {
        return Ok(Stage::Open(enter(tx, user, policy, from, factor).await?));
    }
    if let Some(device) = device
        && devices::is_known(tx, user.id, policy, device).await?
    {
        let opened = enter(tx, user, policy, from, Some(Factor::Device)).await?;
        return Ok(Stage::Open(opened));
    }
    let (token, until) = (Token::fresh()?, tx.now() + SECOND_STAGE);
    let now = tx.now();
    sqlx::query!(
        "delete from sign_in_tickets where user_id = $1 and expires_at <= $2",
        user.id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    let name = match first {
        First::Provider { .. } => "provider",
        First::Password | First::Passkey => "password",
    };
    sqlx::query!(
        "insert into sign_in_tickets (token_hash, user_id, first, created_at, expires_at)
         values ($1, $2, $3, $4, $5)",
        token.hash(),
        user.id.0,
        name,
        now,
        until,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("begin_sign_in", "user", user.id).after(json!({"first": name})));
    Ok(Stage::Second(Ticket { token, until }))
}

/// Whose second stage a ticket stands for.
#[derive(Clone, Debug)]
pub struct Holder {
    pub user: User,
    pub until: DateTime<Utc>,
}

/// The holder of a ticket, while it holds.
///
/// # Errors
/// [`StoreError`].
pub async fn holder(store: &Store, ticket: &Token) -> Result<Option<Holder>, StoreError> {
    let mut tx = store.begin_system().await?;
    let now = tx.now();
    let row = sqlx::query!(
        r#"
        select t.tenant_id as "tenant: TenantId", t.user_id as "user: UserId", u.name, u.email,
               u.role, u.must_change_password, t.expires_at as until
        from sign_in_tickets t
        join users u on u.tenant_id = t.tenant_id and u.id = t.user_id
        join tenants n on n.tenant_id = t.tenant_id
        where t.token_hash = $1 and t.expires_at > $2 and u.state = 'active' and n.state = 'active'
        "#,
        ticket.hash(),
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let role = row.role.parse();
    let user = User {
        tenant: row.tenant,
        id: row.user,
        email: row.email,
        name: row.name,
        role: role.map_err(|error| StoreError::corrupt("role of a user", error))?,
        must_change_password: row.must_change_password,
    };
    Ok(Some(Holder {
        user,
        until: row.until,
    }))
}

/// Ends the second stage after `factor` was shown: uses the ticket up and opens the session. `None`
/// where the ticket was used or ended meanwhile.
///
/// # Errors
/// [`FactorError`].
pub async fn complete(
    tx: &mut Tx,
    ticket: &Token,
    user: &User,
    policy: &Policy,
    factor: Factor,
    from: &From,
) -> Result<Option<Opened>, FactorError> {
    let now = tx.now();
    let used = sqlx::query!(
        "delete from sign_in_tickets where token_hash = $1 and user_id = $2 and expires_at > $3",
        ticket.hash(),
        user.id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    if used.rows_affected() == 0 {
        return Ok(None);
    }
    Ok(Some(enter(tx, user, policy, from, Some(factor)).await?))
}

async fn enter(
    tx: &mut Tx,
    user: &User,
    policy: &Policy,
    from: &From,
    factor: Option<Factor>,
) -> Result<Opened, FactorError> {
    let token = Token::fresh()?;
    let session = open(tx, user, policy, &token, from, factor).await?;
    Ok(Opened {
        session,
        token,
        seconds: i64::from(policy.absolute_minutes) * 60,
    })
}
