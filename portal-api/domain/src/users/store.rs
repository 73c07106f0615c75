//! SQL about users. Sign-in knows an address only, so it works over all tenants.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use engine::ids::{SessionId, TenantId, UserId};
use engine::store::audit::Entry;
use engine::{StoreError, SystemTx, Tx};
use serde_json::json;
use sqlx::PgConnection;
use sqlx::types::Uuid;

use super::{Role, User, UserState};
use crate::factors::devices;
use crate::sessions;

/// A user to make.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub tenant: TenantId,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub password_hash: String,
    pub must_change_password: bool,
}

/// Makes a user, for a hub that has nobody yet, and for tests.
///
/// # Errors
/// [`StoreError::Conflict`] when the address is taken, in whatever tenant.
pub async fn insert(tx: &mut SystemTx, new: &NewUser) -> Result<UserId, StoreError> {
    let now = tx.now();
    insert_on(tx.conn(), new, now).await
}

/// Makes a user.
///
/// # Errors
/// [`StoreError::Conflict`] when the address is taken, in whatever tenant.
pub async fn create(tx: &mut Tx, new: &NewUser) -> Result<UserId, StoreError> {
    let now = tx.now();
    let id = insert_on(tx.conn(), new, now).await?;
    let after = json!({"email": new.email, "name": new.name, "role": new.role});
    tx.audit(Entry::new("create_user", "user", id).after(after));
    Ok(id)
}

async fn insert_on(
    conn: &mut PgConnection,
    new: &NewUser,
    now: DateTime<Utc>,
) -> Result<UserId, StoreError> {
    let id = UserId::fresh();
    sqlx::query!(
        "insert into users
             (tenant_id, id, email, name, role, password_hash, password_set_at,
              must_change_password, created_at)
         values ($1, $2, $3, $4, $5, $6, $8, $7, $8)",
        new.tenant.0,
        id.0,
        new.email,
        new.name,
        new.role.as_str(),
        new.password_hash,
        new.must_change_password,
        now,
    )
    .execute(conn)
    .await
    .map_err(taken)?;
    Ok(id)
}

pub(super) fn taken(error: sqlx::Error) -> StoreError {
    match StoreError::from(error) {
        error if error.is_unique_violation() => {
            StoreError::Conflict("this address signs in already".to_owned())
        }
        error => error,
    }
}

/// A user with the stored hash of the password.
#[derive(Debug)]
pub struct Credentials {
    pub user: User,
    pub state: UserState,
    /// `None` until one was set.
    pub password_hash: Option<String>,
    /// Too many wrong passwords.
    pub locked_until: Option<DateTime<Utc>>,
    /// Whoever runs the hub lets nobody of the tenant in.
    pub is_suspended: bool,
}

impl Credentials {
    /// Whether the right password lets this user in now.
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        let is_in = self.state == UserState::Active && !self.is_suspended;
        is_in && self.locked_until.is_none_or(|until| until <= now)
    }
}

/// The user with this address, however it is written.
///
/// # Errors
/// [`StoreError`].
pub async fn find_by_email(
    tx: &mut SystemTx,
    email: &str,
) -> Result<Option<Credentials>, StoreError> {
    let row = sqlx::query!(
        r#"
        select tenant_id as "tenant: TenantId", id as "id: UserId", email, name, role,
               password_hash, must_change_password, state, locked_until,
               exists (select from tenants t
                       where t.tenant_id = users.tenant_id and t.state <> 'active')
                   as "is_suspended!"
        from users
        where lower(email) = lower($1)
        "#,
        email,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let role = row
        .role
        .parse()
        .map_err(|error| StoreError::corrupt("role of a user", error))?;
    let state = UserState::of(&row.state)
        .ok_or_else(|| StoreError::corrupt("state of a user", row.state))?;
    Ok(Some(Credentials {
        state,
        locked_until: row.locked_until,
        is_suspended: row.is_suspended,
        user: User {
            tenant: row.tenant,
            id: row.id,
            email: row.email,
            name: row.name,
            role,
            must_change_password: row.must_change_password,
        },
        password_hash: row.password_hash,
    }))
}

/// The stored hashes of a user's password and of as many before it, newest first.
///
/// # Errors
/// [`StoreError::NotFound`] where the user is not there or has no password.
pub async fn password_hashes(
    tx: &mut Tx,
    id: UserId,
    earlier: i32,
) -> Result<Vec<String>, StoreError> {
    let current = sqlx::query_scalar!("select password_hash from users where id = $1", id.0)
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| StoreError::NotFound(format!("user {id}")))?;
    let before = sqlx::query_scalar!(
        "select password_hash from old_passwords where user_id = $1 order by id desc limit $2",
        id.0,
        i64::from(earlier),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(current.into_iter().chain(before).collect())
}

/// Sets a user's password and ends all sessions but `keep`.
///
/// # Errors
/// [`StoreError`].
pub async fn change_password(
    tx: &mut Tx,
    id: UserId,
    password_hash: &str,
    must_change: bool,
    keep: Option<SessionId>,
) -> Result<(), StoreError> {
    set_password(tx, id, password_hash, must_change).await?;
    sessions::close_all(tx, id, keep).await?;
    let action = if must_change {
        "reset_password"
    } else {
        "change_password"
    };
    tx.audit(Entry::new(action, "user", id));
    Ok(())
}

/// The most earlier passwords a policy can ask for.
const REMEMBERED: i64 = 24;

/// Stores a password and remembers the one before it.
pub(crate) async fn set_password(
    tx: &mut Tx,
    id: UserId,
    password_hash: &str,
    must_change: bool,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "insert into old_passwords (user_id, id, password_hash)
         select id, $2, password_hash from users where id = $1 and password_hash is not null",
        id.0,
        engine::ids::fresh(),
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "delete from old_passwords where user_id = $1 and id not in
             (select id from old_passwords where user_id = $1 order by id desc limit $2)",
        id.0,
        REMEMBERED,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update users set password_hash = $2, must_change_password = $3, password_set_at = $4,
                failed_sign_ins = 0, locked_until = null
         where id = $1",
        id.0,
        password_hash,
        must_change,
        now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!("delete from user_links where user_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    // What was begun or remembered with the password before it.
    sqlx::query!("delete from sign_in_tickets where user_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    devices::forget_all(tx, id).await
}

/// Names of users, for sentences.
///
/// # Errors
/// [`StoreError`].
pub async fn names(tx: &mut Tx, ids: &[UserId]) -> Result<HashMap<UserId, String>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select id as "id: UserId", name from users where id = any($1)"#,
        &ids
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}
