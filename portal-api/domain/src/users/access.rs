//! Taking somebody's access away and giving it back.

use engine::ids::UserId;
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;

use super::{Person, Role, UserState};
use crate::providers::policy;
use crate::sessions;

/// Ends somebody's access at once; what they did stays.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for the last admin.
pub async fn deactivate(tx: &mut Tx, person: &Person) -> Result<(), StoreError> {
    let id = person.user.id;
    if person.user.role == Role::Admin {
        keep_an_admin(tx, id).await?;
        policy::keep_a_fallback(tx, id).await?;
    }
    set_state(tx, person, UserState::Deactivated).await?;
    sessions::close_all(tx, id, None).await?;
    sqlx::query!("delete from user_links where user_id = $1", id.0)
        .execute(tx.conn())
        .await?;
    tx.audit(
        Entry::new("deactivate_user", "user", id)
            .before(json!({"state": person.state.as_str()}))
            .after(json!({"state": "deactivated"})),
    );
    Ok(())
}

/// Lets somebody in again, with the password they had.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn reactivate(tx: &mut Tx, person: &Person) -> Result<(), StoreError> {
    let id = person.user.id;
    let has_password = sqlx::query_scalar!(
        r#"select password_hash is not null as "has!" from users where id = $1"#,
        id.0
    )
    .fetch_one(tx.conn())
    .await?;
    let state = if has_password {
        UserState::Active
    } else {
        UserState::Invited
    };
    set_state(tx, person, state).await?;
    tx.audit(
        Entry::new("reactivate_user", "user", id)
            .before(json!({"state": person.state.as_str()}))
            .after(json!({"state": state.as_str()})),
    );
    Ok(())
}

/// Lets somebody sign in again who is locked out after too many wrong passwords or codes.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn unlock(tx: &mut Tx, person: &Person) -> Result<(), StoreError> {
    set_state(tx, person, person.state).await?;
    tx.audit(
        Entry::new("unlock_user", "user", person.user.id)
            .before(json!({"locked_until": person.locked_until})),
    );
    Ok(())
}

async fn set_state(tx: &mut Tx, person: &Person, state: UserState) -> Result<(), StoreError> {
    sqlx::query!(
        "update users set state = $2, failed_sign_ins = 0, locked_until = null,
                version = version + 1
         where id = $1",
        person.user.id.0,
        state.as_str(),
    )
    .execute(tx.conn())
    .await?;
    tx.changed("user", person.user.id);
    Ok(())
}

/// Refuses to take the last active admin away. Two who try to remove each other wait for one another.
pub(super) async fn keep_an_admin(tx: &mut Tx, but: UserId) -> Result<(), StoreError> {
    let admins = sqlx::query_scalar!(
        r#"select id as "id: UserId" from users
           where role = 'admin' and state = 'active' order by id for update"#
    )
    .fetch_all(tx.conn())
    .await?;
    if admins.iter().any(|id| *id != but) {
        return Ok(());
    }
    Err(StoreError::Conflict(
        "this is the last active admin: make another one first".to_owned(),
    ))
}
