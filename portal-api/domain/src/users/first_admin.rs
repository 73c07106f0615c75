//! The first admin: made once, when the hub starts on an empty database.

use engine::{Store, StoreError, SystemTx};
use secrecy::SecretString;

use super::{NewUser, PasswordError, Passwords, Role, fresh_password, store};
use crate::tenants::{self, NewTenant};

/// Who the first admin shall be.
#[derive(Clone, Debug)]
pub struct FirstAdminWish {
    pub tenant: NewTenant,
    /// A valid address.
    pub email: String,
    /// `None` makes one up, to be changed at the first sign-in.
    pub password: Option<SecretString>,
}

/// The first admin, just made.
#[derive(Debug)]
pub struct FirstAdmin {
    pub user: super::User,
    /// Made up by us; shown once, here.
    pub one_time_password: Option<SecretString>,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum FirstAdminError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Makes the first tenant with its admin if there is none; `None` when there is one. Safe to call
/// from several processes at once.
///
/// # Errors
/// [`FirstAdminError`].
pub async fn ensure_first_admin(
    store: &Store,
    passwords: &Passwords,
    wish: FirstAdminWish,
) -> Result<Option<FirstAdmin>, FirstAdminError> {
    let mut tx = store.begin_system().await?;
    if is_set_up(&mut tx).await? {
        return Ok(None);
    }
    drop(tx); // hashing takes a while
    let (password, one_time_password) = match wish.password {
        Some(password) => (password, None),
        None => {
            let made_up = fresh_password()?;
            (made_up.clone(), Some(made_up))
        }
    };
    let password_hash = passwords.hash(password).await?;

    let mut tx = store.begin_system().await?;
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('syncline first admin', 0))")
        .execute(tx.conn())
        .await
        .map_err(StoreError::from)?;
    if is_set_up(&mut tx).await? {
        return Ok(None);
    }
    let tenant = tenants::insert(&mut tx, &wish.tenant).await?;
    let new = NewUser {
        tenant,
        email: wish.email,
        name: "Admin".to_owned(),
        role: Role::Admin,
        password_hash,
        must_change_password: one_time_password.is_some(),
    };
    let id = store::insert(&mut tx, &new).await?;
    tx.commit().await?;
    let user = super::User {
        tenant,
        id,
        email: new.email,
        name: new.name,
        role: new.role,
        must_change_password: new.must_change_password,
    };
    Ok(Some(FirstAdmin {
        user,
        one_time_password,
    }))
}

async fn is_set_up(tx: &mut SystemTx) -> Result<bool, StoreError> {
    Ok(!tenants::list(tx).await?.is_empty())
}
