//! Users: people who sign in, their roles and passwords.

mod first_admin;
mod password;
mod store;

use std::fmt;
use std::str::FromStr;

use engine::ids::{TenantId, UserId};
use serde::{Deserialize, Serialize};

pub use first_admin::{FirstAdmin, FirstAdminError, FirstAdminWish, ensure_first_admin};
pub use password::{PasswordError, Passwords, fresh_password};
pub use store::{Credentials, NewUser, change_password, credentials, find_by_email, insert, names};

/// What a user may do. Each role may what those after it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Connects systems, maps, schedules.
    Admin,
    /// Retries, resolves, edits records.
    Operator,
    /// Reads.
    Viewer,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// May connect and map.
    pub fn may_administer(self) -> bool {
        self == Self::Admin
    }

    /// May retry, resolve and edit.
    pub fn may_operate(self) -> bool {
        matches!(self, Self::Admin | Self::Operator)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role: admin, operator or viewer")]
pub struct BadRole(String);

impl FromStr for Role {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        match text {
            "admin" => Ok(Self::Admin),
            "operator" => Ok(Self::Operator),
            "viewer" => Ok(Self::Viewer),
            other => Err(BadRole(other.to_owned())),
        }
    }
}

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

    #[test]
    fn a_role_reads_back_what_it_prints() {
        for role in [Role::Admin, Role::Operator, Role::Viewer] {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
