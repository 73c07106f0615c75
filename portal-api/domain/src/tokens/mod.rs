//! Tokens of programs: a short access token that is signed, and a refresh token that is exchanged for
//! the next pair, once. All that follow from one another are a grant; a refresh token that comes a
//! second time was copied by somebody, and ends its grant.
//!
//! An access token says who and until when. What its bearer may is asked at each request: of the grant
//! and of the user's role, groups and grants as they are now.

mod access;
pub mod signing;

use chrono::{DateTime, TimeDelta, Utc};
use engine::ids::{TenantId, TokenId, UserId};
use engine::store::audit::Entry;
use engine::vault::{Vault, VaultError};
use engine::{Store, StoreError, SystemTx, Tx};
use serde_json::json;

use crate::permissions::Permissions;
use crate::sessions::{Access, NoRandomness, Program, Session, Token};
use crate::users::{Role, Scope, User};

/// What every refresh token begins with, for people and scanners to recognise one.
pub const PREFIX: &str = "slr_";
/// How long an access token holds.
pub const ACCESS: TimeDelta = TimeDelta::minutes(10);
/// Longest life of a grant, in days.
pub const LONGEST_DAYS: i64 = 365;
/// Use is written down at most this often.
const TOUCH: TimeDelta = TimeDelta::minutes(1);

/// Why tokens could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a signing key cannot be sealed or opened")]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error("a token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl From<sqlx::Error> for TokensError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A grant of tokens.
#[derive(Clone, Debug)]
pub struct Grant {
    pub id: TokenId,
    pub name: String,
    /// For whom its bearer acts.
    pub user: UserId,
    pub permissions: Permissions,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// To the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// `revoked` by a person, or `reused`: a refresh token came twice.
    pub revoked_why: Option<String>,
}

/// A grant to make.
#[derive(Clone, Debug)]
pub struct GrantWish {
    pub name: String,
    pub permissions: Permissions,
    pub days: i64,
}

/// What a program gets.
pub struct Pair {
    pub access: Token,
    pub access_until: DateTime<Utc>,
    pub refresh: Token,
    /// Until when the grant can be refreshed.
    pub refresh_until: DateTime<Utc>,
}

/// Makes a grant that acts for `user`, with its first tokens.
///
/// # Errors
/// [`TokensError`].
pub async fn grant(
    tx: &mut Tx,
    vault: &Vault,
    user: UserId,
    wish: &GrantWish,
) -> Result<(TokenId, Pair), TokensError> {
    let (id, now) = (TokenId::fresh(), tx.now());
    let until = now + TimeDelta::days(wish.days);
    sqlx::query!(
        "insert into token_families (id, user_id, name, permissions, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6)",
        id.0,
        user.0,
        wish.name,
        &wish.permissions.names(),
        now,
        until,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("grant_tokens", "grant", id).after(json!({
        "name": wish.name,
        "permissions": wish.permissions.names(),
        "expires_at": until,
    })));
    let pair = issue(tx, vault, id, user, until).await?;
    Ok((id, pair))
}

async fn issue(
    tx: &mut Tx,
    vault: &Vault,
    grant: TokenId,
    user: UserId,
    until: DateTime<Utc>,
) -> Result<Pair, TokensError> {
    let now = tx.now();
    let refresh = Token::fresh_with(PREFIX)?;
    sqlx::query!(
        "insert into refresh_tokens (token_hash, family_id, created_at) values ($1, $2, $3)",
        refresh.hash(),
        grant.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    let access_until = (now + ACCESS).min(until);
    let access = access::sign(tx, vault, grant, user, access_until).await?;
    Ok(Pair {
        access,
        access_until,
        refresh,
        refresh_until: until,
    })
}

/// Whose refresh token this is, whatever became of it.
#[derive(Clone, Copy, Debug)]
pub struct Bearer {
    pub tenant: TenantId,
    pub grant: TokenId,
}

/// The grant of a refresh token.
///
/// # Errors
/// [`StoreError`].
pub async fn bearer(store: &Store, refresh: &Token) -> Result<Option<Bearer>, StoreError> {
    let mut tx = store.begin_system().await?;
    Ok(sqlx::query_as!(
        Bearer,
        r#"select tenant_id as "tenant: TenantId", family_id as "grant: TokenId"
           from refresh_tokens where token_hash = $1"#,
        refresh.hash(),
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// What became of a refresh token.
pub enum Refreshed {
    Pair(Pair),
    /// It came a second time: the grant has ended.
    Reused,
    /// The grant has ended before, or its user or tenant is not active.
    Ended,
}

/// Exchanges a refresh token for the next pair.
///
/// # Errors
/// [`TokensError`].
pub async fn refresh(
    tx: &mut Tx,
    vault: &Vault,
    grant: TokenId,
    token: &Token,
) -> Result<Refreshed, TokensError> {
    let now = tx.now();
    // The grant first: two that come at once are told apart as one after the other.
    let family = sqlx::query!(
        r#"select f.user_id as "user: UserId", f.expires_at, f.revoked_at,
                  u.state = 'active' and t.state = 'active' as "is_active!"
           from token_families f
           join users u on u.tenant_id = f.tenant_id and u.id = f.user_id
           join tenants t on t.tenant_id = f.tenant_id
           where f.id = $1 for update of f"#,
        grant.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    let used = sqlx::query!(
        "update refresh_tokens set used_at = $2 where token_hash = $1 and used_at is null",
        token.hash(),
        now,
    )
    .execute(tx.conn())
    .await?;
    let refused =
        |why: &str| Entry::refused("refresh_tokens", "grant", grant).after(json!({"why": why}));
    let Some(family) = family else {
        return Ok(Refreshed::Ended);
    };
    if family.revoked_at.is_some() || family.expires_at <= now || !family.is_active {
        tx.audit(refused("ended"));
        return Ok(Refreshed::Ended);
    }
    if used.rows_affected() == 0 {
        tx.audit(refused("reused"));
        end(tx, grant, "reused").await?;
        return Ok(Refreshed::Reused);
    }
    sqlx::query!(
        "update token_families set last_used_at = $2 where id = $1",
        grant.0,
        now
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("refresh_tokens", "grant", grant));
    let pair = issue(tx, vault, grant, family.user, family.expires_at).await?;
    Ok(Refreshed::Pair(pair))
}

/// Ends a grant: its tokens work no more, from the next request on.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn revoke(tx: &mut Tx, id: TokenId) -> Result<(), StoreError> {
    let grant = get(tx, id).await?;
    if grant.revoked_at.is_none() {
        end(tx, id, "revoked").await?;
    }
    Ok(())
}

async fn end(tx: &mut Tx, id: TokenId, why: &str) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "update token_families set revoked_at = $2, revoked_why = $3 where id = $1",
        id.0,
        now,
        why,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("revoke_tokens", "grant", id).after(json!({"why": why})));
    Ok(())
}

/// All grants of the tenant, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Grant>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id as "id: TokenId", name, user_id as "user: UserId", permissions, created_at,
               expires_at, last_used_at, revoked_at, revoked_why
        from token_families order by id desc
        "#
    )
    .fetch_all(tx.conn())
    .await?;
    let grants = rows.into_iter().map(|row| Grant {
        id: row.id,
        name: row.name,
        user: row.user,
        permissions: Permissions::of_names(&row.permissions),
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
        revoked_why: row.revoked_why,
    });
    Ok(grants.collect())
}

/// A grant.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: TokenId) -> Result<Grant, StoreError> {
    let grants = list(tx).await?;
    let found = grants.into_iter().find(|grant| grant.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("grant {id}")))
}

/// The caller behind an access token.
pub(crate) async fn find(
    tx: &mut SystemTx,
    vault: &Vault,
    token: &Token,
) -> Result<Access, StoreError> {
    let Some(claims) = access::read(tx, vault, token).await? else {
        return Ok(Access::Unknown);
    };
    let refused = |why| Access::Refused {
        tenant: claims.tenant,
        grant: claims.grant,
        why,
    };
    if claims.has_expired {
        return Ok(refused("expired"));
    }
    let now = tx.now();
    let row = sqlx::query!(
        r#"
        select f.name as grant_name, f.permissions, f.last_used_at, u.email, u.name, u.role,
               u.scope, u.must_change_password, t.name as tenant_name, t.environment,
               p.calls_per_minute as "tenant_calls?", q.calls_per_day as "calls_per_day?",
               permissions_beyond_role(f.tenant_id, f.user_id) as "more!"
        from token_families f
        join users u on u.tenant_id = f.tenant_id and u.id = f.user_id
        join tenants t on t.tenant_id = f.tenant_id
        left join security_policies p on p.tenant_id = f.tenant_id
        left join tenant_quotas q on q.tenant_id = f.tenant_id
        where f.tenant_id = $1 and f.id = $2 and f.user_id = $3 and f.revoked_at is null
          and f.expires_at > $4 and u.state = 'active' and t.state = 'active'
        "#,
        claims.tenant.0,
        claims.grant.0,
        claims.user.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else {
        return Ok(refused("ended"));
    };
    if row.last_used_at.is_none_or(|used| now - used >= TOUCH) {
        sqlx::query!(
            "update token_families set last_used_at = $3 where tenant_id = $1 and id = $2",
            claims.tenant.0,
            claims.grant.0,
            now,
        )
        .execute(tx.conn())
        .await?;
    }
    let role = Role::stored(&row.role)?;
    let program = Program {
        scope: Scope::stored(role, row.scope.as_deref())?,
        user: User {
            tenant: claims.tenant,
            id: claims.user,
            email: row.email,
            name: row.name,
            role,
            must_change_password: row.must_change_password,
        },
        of_user: row.more,
        given: row.permissions,
        tenant_name: row.tenant_name,
        environment: row.environment,
        tenant_calls: row.tenant_calls,
        calls_per_day: row.calls_per_day,
    };
    Ok(Access::Session(Box::new(Session {
        grant: Some((claims.grant, row.grant_name)),
        ..program.session()
    })))
}
