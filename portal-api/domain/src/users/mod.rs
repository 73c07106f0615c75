//! Users: people who sign in, their roles and passwords.

pub mod access;
mod elevation;
pub mod erase;
mod first_admin;
pub mod links;
mod lockout;
mod password;
pub mod people;
pub(crate) mod provisioned;
mod role;
pub mod scope;
mod store;

use engine::ids::{TenantId, UserId};

pub use elevation::{Editor, Elevation};
pub use first_admin::{FirstAdmin, FirstAdminError, FirstAdminWish, ensure_first_admin};
pub use lockout::failed;
pub use password::{PasswordError, Passwords, fresh_password};
pub use people::{Person, PersonWish, UserState};
pub use role::{BadRole, Role, Side};
pub use scope::{BadScope, Scope};
pub(crate) use store::set_password;
pub use store::{
    Credentials, NewUser, change_password, create, find_by_email, insert, names, password_hashes,
};

/// A person who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub tenant: TenantId,
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub role: Role,
    /// The password was set by somebody else and is good for one thing: setting another.
    pub must_change_password: bool,
}

/// Why an address is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no e-mail address")]
pub struct BadEmail(String);

/// An e-mail address as it is stored: trimmed, with one `@` between two parts.
///
/// # Errors
/// [`BadEmail`].
pub fn email(text: &str) -> Result<String, BadEmail> {
    let trimmed = text.trim();
    let parts: Vec<&str> = trimmed.split('@').collect();
    let is_one = matches!(parts.as_slice(), [name, host] if !name.is_empty() && !host.is_empty())
        && trimmed.len() <= 254
        && !trimmed.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_one {
        Ok(trimmed.to_owned())
    } else {
        Err(BadEmail(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name_and_a_host() {
        assert_eq!(email(" ada@example.com "), Ok("ada@example.com".to_owned()));
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a@b@c",
            "a b@example.com",
            "a\0@example.com",
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }
}
