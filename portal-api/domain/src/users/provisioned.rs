//! Users whom a tenant's identity provider makes: active, without a password.

use engine::ids::UserId;
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;

use super::{PersonWish, people};

/// The tenant's user with this address, however it is written.
pub(crate) async fn find_by_email(tx: &mut Tx, email: &str) -> Result<Option<UserId>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select id as "id: UserId" from users where lower(email) = lower($1)"#,
        email
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Makes a user; `None` where the address signs in to another tenant, or somebody who had it was
/// forgotten.
pub(crate) async fn make(
    tx: &mut Tx,
    email: &str,
    wish: &PersonWish,
) -> Result<Option<UserId>, StoreError> {
    if super::erase::is_forgotten(tx, email).await? {
        return Ok(None);
    }
    let (id, now) = (UserId::fresh(), tx.now());
    let made = sqlx::query!(
        "insert into users (id, email, name, role, state, created_at)
         values ($1, $2, $3, $4, 'active', $5) on conflict do nothing",
        id.0,
        email,
        wish.name,
        wish.role.as_str(),
        now,
    )
    .execute(tx.conn())
    .await?;
    if made.rows_affected() == 0 {
        return Ok(None);
    }
    people::set_extras(tx, id, wish).await?;
    tx.audit(Entry::new("provision_user", "user", id).after(json!({
        "email": email,
        "name": wish.name,
        "role": wish.role,
        "groups": wish.groups,
    })));
    tx.changed("user", id);
    Ok(Some(id))
}

/// Lets somebody in who was invited and has come by another way than the invitation.
pub(crate) async fn activate(tx: &mut Tx, id: UserId) -> Result<(), StoreError> {
    sqlx::query!(
        "update users set state = 'active', version = version + 1
         where id = $1 and state = 'invited'",
        id.0
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!("delete from user_links where user_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    tx.changed("user", id);
    Ok(())
}
