//! SQL about users. Sign-in knows an address only, so it works over all tenants.

use std::collections::HashMap;

use engine::ids::{TenantId, UserId};
use engine::{StoreError, SystemTx, Tx};
use sqlx::types::Uuid;

use super::{Role, User};

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

/// Makes a user.
///
/// # Errors
/// [`StoreError::Conflict`] when the address is taken, in whatever tenant.
pub async fn insert(tx: &mut SystemTx, new: &NewUser) -> Result<UserId, StoreError> {
    let id = UserId::fresh();
    let now = tx.now();
    sqlx::query!(
        "insert into users
             (tenant_id, id, email, name, role, password_hash, must_change_password, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.tenant.0,
        id.0,
        new.email,
        new.name,
        new.role.as_str(),
        new.password_hash,
        new.must_change_password,
        now,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| match StoreError::from(error) {
        error if error.is_unique_violation() => {
            StoreError::Conflict("this address signs in already".to_owned())
        }
        error => error,
    })?;
    Ok(id)
}

/// A user with the stored hash of the password.
#[derive(Debug)]
pub struct Credentials {
    pub user: User,
    pub password_hash: String,
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
               password_hash, must_change_password
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
    Ok(Some(Credentials {
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

/// The stored hash of a user's password.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn credentials(tx: &mut Tx, id: UserId) -> Result<String, StoreError> {
    sqlx::query_scalar!("select password_hash from users where id = $1", id.0)
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| StoreError::NotFound(format!("user {id}")))
}

/// Sets a user's password and ends all sessions but the one with `keep`.
///
/// # Errors
/// [`StoreError`].
pub async fn change_password(
    tx: &mut Tx,
    id: UserId,
    password_hash: &str,
    must_change: bool,
    keep: Option<&[u8]>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update users set password_hash = $2, must_change_password = $3 where id = $1",
        id.0,
        password_hash,
        must_change,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "delete from sessions where user_id = $1 and token_hash is distinct from $2",
        id.0,
        keep,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
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
