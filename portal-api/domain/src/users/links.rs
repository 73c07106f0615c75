//! Links that let a person set a password: each works once, for a while.

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::{TenantId, UserId};
use engine::store::audit::Entry;
use engine::{Store, StoreError, Tx};

use crate::sessions::{self, Token};

/// How long a link to reset a password holds.
pub const RESET: TimeDelta = TimeDelta::hours(1);

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The first password, of somebody who was invited.
    SetUp,
    /// Another password.
    Reset,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "set_up",
            Self::Reset => "reset",
        }
    }
}

/// Whose password a link sets.
#[derive(Clone, Debug)]
pub struct Link {
    pub tenant: TenantId,
    pub user: UserId,
    pub name: String,
    pub email: String,
}

/// Makes a link; those that the user had do not work any more.
///
/// # Errors
/// [`StoreError`].
pub async fn issue(
    tx: &mut Tx,
    user: UserId,
    purpose: Purpose,
    token: &Token,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!("delete from user_links where user_id = $1", user.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!(
        "insert into user_links (token_hash, user_id, purpose, created_at, expires_at)
         values ($1, $2, $3, $4, $5)",
        token.hash(),
        user.0,
        purpose.as_str(),
        now,
        until,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(
        Entry::new("issue_link", "user", user)
            .after(serde_json::json!({"purpose": purpose.as_str(), "expires_at": until})),
    );
    Ok(())
}

/// Whose password the link sets, while it holds.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, token: &Token) -> Result<Option<Link>, StoreError> {
    let mut tx = store.begin_system().await?;
    let now = tx.now();
    Ok(sqlx::query_as!(
        Link,
        r#"
        select l.tenant_id as "tenant: TenantId", l.user_id as "user: UserId", u.name, u.email
        from user_links l
        join users u on u.tenant_id = l.tenant_id and u.id = l.user_id
        join tenants t on t.tenant_id = l.tenant_id and t.state <> 'deleting'
        where l.token_hash = $1 and l.expires_at > $2 and u.state <> 'deactivated'
        "#,
        token.hash(),
        now,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Uses the link up: sets the password, lets the invited in, ends all sessions. False where the link
/// was used meanwhile.
///
/// # Errors
/// [`StoreError`].
pub async fn redeem(
    tx: &mut Tx,
    link: &Link,
    token: &Token,
    password_hash: &str,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let purpose = sqlx::query_scalar!(
        "delete from user_links where token_hash = $1 and expires_at > $2 returning purpose",
        token.hash(),
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(purpose) = purpose else {
        return Ok(false);
    };
    super::set_password(tx, link.user, password_hash, false).await?;
    sqlx::query!(
        "update users set state = 'active' where id = $1 and state = 'invited'",
        link.user.0
    )
    .execute(tx.conn())
    .await?;
    sessions::close_all(tx, link.user, None).await?;
    let entry = Entry::new("set_password", "user", link.user);
    tx.audit(entry.after(serde_json::json!({"by": purpose})));
    tx.changed("user", link.user);
    Ok(true)
}

/// Whether the user was given a link to reset the password a moment ago: another one now would only
/// fill a mailbox.
///
/// # Errors
/// [`StoreError`].
pub async fn was_just_issued(tx: &mut Tx, user: UserId) -> Result<bool, StoreError> {
    let since = tx.now() - TimeDelta::minutes(2);
    let found = sqlx::query_scalar!(
        r#"select exists (select from user_links
                          where user_id = $1 and purpose = 'reset' and created_at > $2) as "yes!""#,
        user.0,
        since,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(found)
}
