//! Keys of programs. A key acts for the user who made it, with those of its permissions that the user
//! still has; the database holds hashes of its secrets.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use engine::ids::{KeyId, TenantId, UserId};
use engine::store::audit::Entry;
use engine::{StoreError, SystemTx, Tx};
use serde_json::json;

use crate::permissions::Permissions;
use crate::sessions::{Program, Session, Token};
use crate::users::{Role, Scope, User};

/// What every key begins with, for people and scanners to recognise one.
pub const PREFIX: &str = "slk_";
/// Characters of a key that are shown.
const SHOWN: usize = 12;
/// Calls of a key in a minute unless it says otherwise.
pub const CALLS_PER_MINUTE: i32 = 600;
/// Use is written down at most this often.
const TOUCH: TimeDelta = TimeDelta::minutes(1);

/// A key, without its secret.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: KeyId,
    pub name: String,
    /// For whom it acts.
    pub user: UserId,
    pub permissions: Permissions,
    /// How it begins.
    pub shown: String,
    pub calls_per_minute: Option<i32>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// To the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// Until when the secret before the last rotation works too.
    pub old_until: Option<DateTime<Utc>>,
    pub version: i64,
}

/// A key to make.
#[derive(Clone, Debug)]
pub struct KeyWish {
    pub name: String,
    pub permissions: Permissions,
    pub expires_at: Option<DateTime<Utc>>,
    pub calls_per_minute: Option<i32>,
}

/// Makes a key that acts for `user`.
///
/// # Errors
/// [`StoreError`].
pub async fn create(
    tx: &mut Tx,
    user: UserId,
    wish: &KeyWish,
    secret: &Token,
) -> Result<KeyId, StoreError> {
    let (id, now) = (KeyId::fresh(), tx.now());
    sqlx::query!(
        "insert into api_keys (id, name, user_id, permissions, token_hash, shown,
                               calls_per_minute, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id.0,
        wish.name,
        user.0,
        &wish.permissions.names(),
        secret.hash(),
        shown(secret),
        wish.calls_per_minute,
        now,
        wish.expires_at,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("create_key", "key", id).after(json!({
        "name": wish.name,
        "permissions": wish.permissions.names(),
        "expires_at": wish.expires_at,
        "calls_per_minute": wish.calls_per_minute,
    })));
    Ok(id)
}

fn shown(secret: &Token) -> String {
    secret.expose().chars().take(SHOWN).collect()
}

/// All keys of the tenant, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Key>, StoreError> {
    let now = tx.now();
    let rows = sqlx::query!(
        r#"
        select id as "id: KeyId", name, user_id as "user: UserId", permissions, shown,
               calls_per_minute, created_at, expires_at, last_used_at, revoked_at, old_until, version
        from api_keys order by id desc
        "#
    )
    .fetch_all(tx.conn())
    .await?;
    let keys = rows.into_iter().map(|row| Key {
        id: row.id,
        name: row.name,
        user: row.user,
        permissions: Permissions::of_names(&row.permissions),
        shown: row.shown,
        calls_per_minute: row.calls_per_minute,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
        old_until: row.old_until.filter(|until| *until > now),
        version: row.version,
    });
    Ok(keys.collect())
}

/// A key.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: KeyId) -> Result<Key, StoreError> {
    let keys = list(tx).await?;
    let found = keys.into_iter().find(|key| key.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("key {id}")))
}

/// Gives a key another secret; the one it had works on for `overlap`.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when it was revoked.
pub async fn rotate(
    tx: &mut Tx,
    id: KeyId,
    secret: &Token,
    overlap: TimeDelta,
) -> Result<(), StoreError> {
    let key = get(tx, id).await?;
    let until = tx.now() + overlap;
    let changed = sqlx::query!(
        "update api_keys set old_token_hash = token_hash, old_until = $3, token_hash = $2,
                shown = $4, version = version + 1
         where id = $1 and revoked_at is null",
        id.0,
        secret.hash(),
        until,
        shown(secret),
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Conflict("this key was revoked".to_owned()));
    }
    tx.audit(
        Entry::new("rotate_key", "key", id)
            .before(json!({"shown": key.shown}))
            .after(json!({"shown": shown(secret), "old_until": until})),
    );
    Ok(())
}

/// Ends a key; it stays in the list.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn revoke(tx: &mut Tx, id: KeyId) -> Result<(), StoreError> {
    let key = get(tx, id).await?;
    if key.revoked_at.is_some() {
        return Ok(());
    }
    let now = tx.now();
    sqlx::query!(
        "update api_keys set revoked_at = $2, old_token_hash = null, old_until = null,
                version = version + 1
         where id = $1",
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Entry::new("revoke_key", "key", id).before(json!({"name": key.name})));
    Ok(())
}

/// A key that holds, as who it acts for, and its own limit of calls in a minute.
pub(crate) async fn find(
    tx: &mut SystemTx,
    secret: &Token,
) -> Result<Option<(Session, i32)>, StoreError> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"
        select k.tenant_id as "tenant: TenantId", k.id as "id: KeyId", k.name as key_name,
               k.permissions, k.calls_per_minute, k.last_used_at, u.id as "user: UserId", u.email,
               u.name, u.role, u.scope, u.must_change_password, t.name as tenant_name, t.environment,
               p.calls_per_minute as "tenant_calls?", q.calls_per_day as "calls_per_day?",
               permissions_beyond_role(k.tenant_id, k.user_id) as "more!"
        from api_keys k
        join users u on u.tenant_id = k.tenant_id and u.id = k.user_id
        join tenants t on t.tenant_id = k.tenant_id
        left join security_policies p on p.tenant_id = k.tenant_id
        left join tenant_quotas q on q.tenant_id = k.tenant_id
        where (k.token_hash = $1 or (k.old_token_hash = $1 and k.old_until > $2))
          and k.revoked_at is null and (k.expires_at is null or k.expires_at > $2)
          and u.state = 'active' and t.state = 'active'
        "#,
        secret.hash(),
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.last_used_at.is_none_or(|used| now - used >= TOUCH) {
        sqlx::query!(
            "update api_keys set last_used_at = $3 where tenant_id = $1 and id = $2",
            row.tenant.0,
            row.id.0,
            now,
        )
        .execute(tx.conn())
        .await?;
    }
    let role = Role::stored(&row.role)?;
    let program = Program {
        scope: Scope::stored(role, row.scope.as_deref())?,
        user: User {
            tenant: row.tenant,
            id: row.user,
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
    Ok(Some((
        Session {
            key: Some((row.id, row.key_name)),
            ..program.session()
        },
        row.calls_per_minute.unwrap_or(CALLS_PER_MINUTE),
    )))
}

/// Calls of a key on a day by what was called.
#[derive(Clone, Debug)]
pub struct Usage {
    pub day: NaiveDate,
    /// Name of an operation.
    pub route: String,
    pub calls: i64,
    /// Of them over the limit.
    pub refused: i64,
}

/// What a key was used for since a day, newest first.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn usage(tx: &mut Tx, id: KeyId, since: NaiveDate) -> Result<Vec<Usage>, StoreError> {
    get(tx, id).await?;
    Ok(sqlx::query_as!(
        Usage,
        "select day, route, calls, refused from api_usage
         where key_id = $1 and day >= $2 order by day desc, calls desc, route",
        id.0,
        since,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Counts a call of a key.
pub(crate) async fn count(
    tx: &mut SystemTx,
    tenant: TenantId,
    id: KeyId,
    route: &str,
    refused: bool,
) -> Result<(), StoreError> {
    let day = tx.now().date_naive();
    sqlx::query!(
        "insert into api_usage (tenant_id, key_id, day, route, calls, refused)
         values ($1, $2, $3, $4, 1, $5)
         on conflict (tenant_id, key_id, day, route) do update
         set calls = api_usage.calls + 1, refused = api_usage.refused + excluded.refused",
        tenant.0,
        id.0,
        day,
        route,
        i64::from(refused),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
