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
use crate::users::{Role, User};

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
        /// After so many minutes the session ends unless the provider says that it still holds.
        minutes: Option<i32>,
    },
}

/// Where a sign-in stands after a stage.
pub enum Stage {
    Open(Opened),
    /// A second factor is owed.
    Second(Ticket),
}

impl Stage {
    /// The session that was opened, or that will be after the second stage.
    pub fn session(&self) -> SessionId {
        match self {
            Self::Open(opened) => opened.session,
            Self::Second(ticket) => ticket.session,
        }
    }
}

/// A session that is to be opened.
struct Planned {
    id: SessionId,
    /// It ends after so many minutes, whatever the policy would allow beyond.
    minutes: Option<i32>,
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
    /// What the session will be called.
    pub session: SessionId,
    /// For the cookie.
    pub token: Token,
    pub until: DateTime<Utc>,
}

/// Ends a sign-in whose first stage was passed by `user`, who is active: opens a session, or asks for the
/// second factor. Whether the account is locked for wrong passwords is for whoever takes passwords and
/// passkeys to ask; a provider's word is no guess. `device` is the browser's token if it says it is
/// remembered.
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
            ..
        } => Some(Factor::Provider),
        First::Password | First::Provider { .. } => None,
    };
    let planned = Planned {
        id: SessionId::fresh(),
        minutes: match first {
            First::Provider { minutes, .. } => minutes,
            First::Password | First::Passkey => None,
        },
    };
    if factor.is_some() || !has_factor {
        let opened = enter(tx, user, policy, from, factor, planned).await?;
        return Ok(Stage::Open(opened));
    }
    if let Some(device) = device
        && devices::is_known(tx, user.id, policy, device).await?
    {
        let opened = enter(tx, user, policy, from, Some(Factor::Device), planned).await?;
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
        "insert into sign_in_tickets
             (token_hash, user_id, first, session_id, session_minutes, created_at, expires_at)
         values ($1, $2, $3, $6, $7, $4, $5)",
        token.hash(),
        user.id.0,
        name,
        now,
        until,
        planned.id.0,
        planned.minutes,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("begin_sign_in", "user", user.id).after(json!({"first": name})));
    Ok(Stage::Second(Ticket {
        session: planned.id,
        token,
        until,
    }))
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
    let user = User {
        tenant: row.tenant,
        id: row.user,
        email: row.email,
        name: row.name,
        role: Role::stored(&row.role)?,
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
        r#"delete from sign_in_tickets
           where token_hash = $1 and user_id = $2 and expires_at > $3
           returning session_id as "session: SessionId", session_minutes"#,
        ticket.hash(),
        user.id.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(used) = used else { return Ok(None) };
    let planned = Planned {
        id: used.session,
        minutes: used.session_minutes,
    };
    let opened = enter(tx, user, policy, from, Some(factor), planned).await?;
    Ok(Some(opened))
}

async fn enter(
    tx: &mut Tx,
    user: &User,
    policy: &Policy,
    from: &From,
    factor: Option<Factor>,
    planned: Planned,
) -> Result<Opened, FactorError> {
    let token = Token::fresh()?;
    let longest = policy.absolute();
    let longest = planned.minutes.map_or(longest, |minutes| {
        TimeDelta::minutes(minutes.into()).min(longest)
    });
    let until = tx.now() + longest;
    open(tx, user, policy, &token, from, factor, (planned.id, until)).await?;
    Ok(Opened {
        session: planned.id,
        token,
        seconds: longest.num_seconds(),
    })
}
