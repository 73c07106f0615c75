//! Sessions: who is signed in, by an opaque random token of which the database holds a hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::{TenantId, UserId};
use engine::{Store, StoreError, SystemTx};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::users::User;

/// A session ends this long after its last use.
pub const IDLE: TimeDelta = TimeDelta::minutes(30);
/// A session ends this long after sign-in, used or not.
pub const ABSOLUTE: TimeDelta = TimeDelta::hours(12);
/// Use is written down at most this often.
const TOUCH: TimeDelta = TimeDelta::minutes(1);

/// The secret a browser holds: 256 random bits.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    fn fresh() -> Result<Self, SessionError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_error| SessionError::NoRandomness)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// A token as a browser sent it.
    pub fn of(text: &str) -> Self {
        Self(text.into())
    }

    /// For the cookie, and nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What the database holds of it.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.expose().as_bytes()).to_vec()
    }
}

/// Why a session could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("system gives no random numbers")]
    NoRandomness,
}

/// A session that holds.
#[derive(Clone, Debug)]
pub struct Session {
    pub user: User,
    pub tenant_name: String,
    pub environment: String,
}

/// Opens a session for a user whose password was right. Sessions of the user that have ended go.
///
/// # Errors
/// [`SessionError`].
pub async fn open(store: &Store, user: &User) -> Result<Token, SessionError> {
    let token = Token::fresh()?;
    let mut tx = store.begin_system().await?;
    let now = tx.now();
    sqlx::query!(
        "delete from sessions
         where tenant_id = $1 and user_id = $2 and (expires_at <= $3 or last_seen_at <= $4)",
        user.tenant.0,
        user.id.0,
        now,
        now - IDLE,
    )
    .execute(tx.conn())
    .await
    .map_err(StoreError::from)?;
    sqlx::query!(
        "insert into sessions
             (tenant_id, token_hash, user_id, created_at, last_seen_at, expires_at)
         values ($1, $2, $3, $4, $4, $5)",
        user.tenant.0,
        token.hash(),
        user.id.0,
        now,
        now + ABSOLUTE,
    )
    .execute(tx.conn())
    .await
    .map_err(StoreError::from)?;
    tx.commit().await?;
    Ok(token)
}

/// The session of a token, if it holds; its use extends it.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, token: &Token) -> Result<Option<Session>, StoreError> {
    let mut tx = store.begin_system().await?;
    let (hash, now) = (token.hash(), tx.now());
    let row = sqlx::query!(
        r#"
        select s.tenant_id as "tenant: TenantId", s.user_id as "user: UserId", s.last_seen_at,
               u.email, u.name, u.role, u.must_change_password,
               t.name as tenant_name, t.environment
        from sessions s
        join users u on u.tenant_id = s.tenant_id and u.id = s.user_id
        join tenants t on t.tenant_id = s.tenant_id
        where s.token_hash = $1 and s.expires_at > $2 and s.last_seen_at > $3
        "#,
        hash,
        now,
        now - IDLE,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    if is_due_to_touch(row.last_seen_at, now) {
        touch(&mut tx, &hash).await?;
    }
    tx.commit().await?;
    let role = row
        .role
        .parse()
        .map_err(|error| StoreError::corrupt("role of a user", error))?;
    Ok(Some(Session {
        user: User {
            tenant: row.tenant,
            id: row.user,
            email: row.email,
            name: row.name,
            role,
            must_change_password: row.must_change_password,
        },
        tenant_name: row.tenant_name,
        environment: row.environment,
    }))
}

fn is_due_to_touch(seen: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - seen >= TOUCH
}

async fn touch(tx: &mut SystemTx, hash: &[u8]) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "update sessions set last_seen_at = $2 where token_hash = $1",
        hash,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends the session of a token; one that has ended is no error.
///
/// # Errors
/// [`StoreError`].
pub async fn close(store: &Store, token: &Token) -> Result<(), StoreError> {
    let mut tx = store.begin_system().await?;
    sqlx::query!("delete from sessions where token_hash = $1", token.hash())
        .execute(tx.conn())
        .await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_differ() {
        let (one, two) = (Token::fresh().unwrap(), Token::fresh().unwrap());
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one.expose(), two.expose());
        assert_eq!(Token::of(one.expose()).hash(), one.hash());
    }
}
