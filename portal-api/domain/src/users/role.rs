//! Roles: named sets of permissions, for staff, partners and customers.

use std::fmt;
use std::str::FromStr;

use engine::StoreError;
use serde::{Deserialize, Serialize};

use crate::permissions::{Permission, Permissions};

/// What a user is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Connects systems, maps, schedules, manages users.
    Admin,
    /// Edits records and sees everything, the audit trail included.
    Manager,
    /// A success manager: works with accounts, contacts and their conflicts.
    Csm,
    /// Works with accounts and contacts.
    Agent,
    /// Retries, resolves, edits records.
    Operator,
    /// Reads.
    Viewer,
    /// Somebody of a partner organisation.
    Partner,
    /// Somebody of a customer, who looks after the others of it.
    CustomerAdmin,
    CustomerManager,
    CustomerUser,
}

/// Whose people have a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Staff,
    Partner,
    Customer,
}

impl Role {
    pub const ALL: [Self; 10] = [
        Self::Admin,
        Self::Manager,
        Self::Csm,
        Self::Agent,
        Self::Operator,
        Self::Viewer,
        Self::Partner,
        Self::CustomerAdmin,
        Self::CustomerManager,
        Self::CustomerUser,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Manager => "manager",
            Self::Csm => "csm",
            Self::Agent => "agent",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::Partner => "partner",
            Self::CustomerAdmin => "customer_admin",
            Self::CustomerManager => "customer_manager",
            Self::CustomerUser => "customer_user",
        }
    }

    pub fn side(self) -> Side {
        match self {
            Self::Partner => Side::Partner,
            Self::CustomerAdmin | Self::CustomerManager | Self::CustomerUser => Side::Customer,
            _ => Side::Staff,
        }
    }

    /// What everybody with this role may do.
    pub fn permissions(self) -> Permissions {
        use Permission::*;
        let reads = [
            HubRead,
            RecordsRead,
            ConflictsRead,
            ConnectionsRead,
            MappingsRead,
            SchedulesRead,
            RunsRead,
        ];
        let reads = Permissions::from_iter(reads);
        let more: &[Permission] = match self {
            Self::Admin => return Permissions::all(),
            Self::Manager => &[
                RecordsWrite,
                ConflictsResolve,
                UsersRead,
                AuditRead,
                TeamsRead,
                TeamsManage,
            ],
            Self::Operator => &[
                HubOperate,
                RecordsWrite,
                ConflictsResolve,
                ConnectionsOperate,
                SchedulesOperate,
                RunsOperate,
            ],
            Self::Viewer => &[],
            Self::Csm => {
                let own = [
                    HubRead,
                    RecordsRead,
                    RecordsWrite,
                    ConflictsRead,
                    ConflictsResolve,
                ];
                return Permissions::from_iter(own);
            }
            Self::Agent => {
                return Permissions::from_iter([HubRead, RecordsRead, RecordsWrite]);
            }
            // Their scope says which: those assigned to them, their own account.
            Self::CustomerAdmin => {
                return Permissions::from_iter([RecordsRead, OrganisationManage]);
            }
            Self::Partner | Self::CustomerManager | Self::CustomerUser => {
                return Permissions::from_iter([RecordsRead]);
            }
        };
        reads.and(more.iter().copied().collect())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no role: admin, manager, csm, agent, operator, viewer, partner, customer_admin, \
     customer_manager or customer_user"
)]
pub struct BadRole(String);

impl Role {
    /// A role as the database holds it.
    pub(crate) fn stored(text: &str) -> Result<Self, StoreError> {
        text.parse()
            .map_err(|error: BadRole| StoreError::corrupt("role of a user", error))
    }
}

impl FromStr for Role {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| BadRole(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::Scope;

    #[test]
    fn a_role_reads_back_what_it_prints() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            let json = serde_json::to_value(role).unwrap();
            assert_eq!(json, role.as_str());
        }
        assert!("root".parse::<Role>().is_err());
    }

    #[test]
    fn only_an_admin_manages_and_who_is_from_outside_reads_records_of_their_scope_only() {
        for role in Role::ALL {
            let may = role.permissions();
            assert_eq!(
                may.has(Permission::UsersManage),
                role == Role::Admin,
                "{role}"
            );
            if role.side() != Side::Staff {
                let more = Permissions::from_iter([Permission::OrganisationManage]);
                assert_eq!(may.beyond(more).names(), ["records.read"], "{role}");
                let is_admin = role == Role::CustomerAdmin;
                assert_eq!(may.has(Permission::OrganisationManage), is_admin, "{role}");
                assert_ne!(role.scope(), Scope::All, "{role}");
            }
        }
        let beyond = |role: Role, of: Role| role.permissions().beyond(of.permissions());
        assert!(beyond(Role::Viewer, Role::Operator).is_empty());
        assert!(beyond(Role::Agent, Role::Csm).is_empty());
    }
}
