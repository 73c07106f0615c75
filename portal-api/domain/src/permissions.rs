//! What a user may do. A role is a named set of permissions; groups and single grants add to it.

use std::fmt;
use std::str::FromStr;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// One thing that can be allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// `records.write`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        /// The permissions as types, for what names one at compile time.
        pub mod needs {
            use super::{Needs, Permission};

            $(
                $(#[$doc])*
                pub struct $name;

                impl Needs for $name {
                    const PERMISSION: Permission = Permission::$name;
                }
            )*
        }
    };
}

/// A type that stands for a permission.
pub trait Needs: Send + Sync + 'static {
    const PERMISSION: Permission;
}

permissions! {
    /// See the overview, news, systems, lanes and budgets.
    HubRead = "hub.read";
    /// Set and pause lanes and budgets.
    HubOperate = "hub.operate";
    /// Set what holds for the whole tenant, such as how people sign in.
    HubConfigure = "hub.configure";
    /// See accounts and contacts, their fields and where values come from.
    RecordsRead = "records.read";
    /// Make and edit accounts and contacts.
    RecordsWrite = "records.write";
    /// Add fields.
    FieldsManage = "fields.manage";
    ConflictsRead = "conflicts.read";
    ConflictsResolve = "conflicts.resolve";
    ConnectionsRead = "connections.read";
    /// Check connections, ask what they have, start pulls.
    ConnectionsOperate = "connections.operate";
    /// Connect, change and remove systems; set up their streams.
    ConnectionsManage = "connections.manage";
    MappingsRead = "mappings.read";
    MappingsManage = "mappings.manage";
    SchedulesRead = "schedules.read";
    /// Start and skip schedules' turns.
    SchedulesOperate = "schedules.operate";
    SchedulesManage = "schedules.manage";
    RunsRead = "runs.read";
    /// Retry, cancel, undo, fork and signal runs.
    RunsOperate = "runs.operate";
    UsersRead = "users.read";
    /// Invite and deactivate users, give them roles, groups and permissions.
    UsersManage = "users.manage";
    AuditRead = "audit.read";
    /// Make keys for programs, within one's own permissions.
    KeysManage = "keys.manage";
    /// See teams, partner organisations and who is assigned to which account.
    TeamsRead = "teams.read";
    /// Make teams and partner organisations, assign and transfer accounts.
    TeamsManage = "teams.manage";
    /// Ask for erasures and for what is known of a person, and see how they stand.
    PrivacyManage = "privacy.manage";
    /// Let an erasure that somebody else asked for happen.
    PrivacyApprove = "privacy.approve";
    /// Look after the people and groups of the customer's organisation one belongs to.
    OrganisationManage = "organisation.manage";
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no permission")]
pub struct BadPermission(String);

impl FromStr for Permission {
    type Err = BadPermission;

    fn from_str(text: &str) -> Result<Self, BadPermission> {
        Self::ALL
            .iter()
            .copied()
            .find(|permission| permission.as_str() == text)
            .ok_or_else(|| BadPermission(text.chars().take(80).collect()))
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions(u64);

impl Permissions {
    pub const NONE: Self = Self(0);

    /// All there are.
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    pub fn has(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that are in both.
    #[must_use]
    pub fn within(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Those that are not in `others`.
    #[must_use]
    pub fn beyond(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .iter()
            .copied()
            .filter(move |permission| self.has(*permission))
    }

    /// Their names, in the order of [`Permission::ALL`].
    pub fn names(self) -> Vec<String> {
        self.iter()
            .map(|permission| permission.to_string())
            .collect()
    }

    /// The permissions of stored names. A name that this version does not know allows nothing.
    pub fn of_names<T: AsRef<str>>(names: &[T]) -> Self {
        names
            .iter()
            .filter_map(|name| name.as_ref().parse::<Permission>().ok())
            .collect()
    }
}

fn bit(permission: Permission) -> u64 {
    1 << (permission as u8)
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, next| set | bit(next)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_reads_back_what_it_prints_and_has_a_name_of_its_own() {
        for permission in Permission::ALL {
            assert_eq!(permission.to_string().parse(), Ok(*permission));
        }
        assert!("records".parse::<Permission>().is_err());
        assert!(Permission::ALL.len() < 64);
        assert_eq!(Permissions::all().iter().count(), Permission::ALL.len());
    }

    #[test]
    fn sets_are_joined_cut_and_compared() {
        let read = Permissions::from_iter([Permission::RecordsRead]);
        let both = Permissions::from_iter([Permission::RecordsRead, Permission::RecordsWrite]);
        assert!(read.beyond(both).is_empty());
        assert_eq!(both.beyond(read).names(), ["records.write"]);
        assert_eq!(both.within(read), read);
        assert_eq!(read.and(both), both);
        let named = Permissions::of_names(&["records.read", "gone.long.ago"]);
        assert_eq!(named, read);
    }
}
