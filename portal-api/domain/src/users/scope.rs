//! Which accounts somebody sees. A permission says what may be done, a scope to which accounts.

use std::fmt;
use std::str::FromStr;

use engine::ids::TenantId;
use engine::{Store, StoreError, Tx};
use serde::{Deserialize, Serialize};

use super::{Role, Side, User};
use crate::permissions::{Permission, Permissions};

/// Which accounts somebody sees, and what belongs to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The one account the user belongs to.
    Own,
    /// Those assigned to the user or the user's partner organisation.
    Assigned,
    /// Those assigned to the user's teams and to members of these, too.
    Team,
    /// All of the tenant.
    All,
}

/// What somebody may do at most who does not see all accounts. Everything else is about the whole
/// tenant: runs and their journals, failures, mappings with their samples, the audit trail. A
/// permission belongs in here only where row security narrows all that its operations show.
const WITHIN: [Permission; 4] = [
    Permission::RecordsRead,
    Permission::RecordsWrite,
    Permission::ConflictsRead,
    Permission::ConflictsResolve,
];

/// What the administrators of a customer's organisation may give to its people; policies of the
/// database hold the same list.
pub fn of_customers() -> Permissions {
    WITHIN.into_iter().collect()
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::All, Self::Team, Self::Assigned, Self::Own];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Team => "team",
            Self::Assigned => "assigned",
            Self::Own => "own",
        }
    }

    /// What is left of permissions within this scope.
    #[must_use]
    pub fn narrow(self, permissions: Permissions) -> Permissions {
        let within = Permissions::from_iter(WITHIN);
        match self {
            Self::All => permissions,
            Self::Team | Self::Assigned => permissions.within(within),
            // Only there is an organisation of their own.
            Self::Own => {
                let own = Permissions::from_iter([Permission::OrganisationManage]);
                permissions.within(within.and(own))
            }
        }
    }

    /// The scope of a stored user: what was set, or what the role says.
    pub(crate) fn stored(role: Role, set: Option<&str>) -> Result<Self, StoreError> {
        let set = set
            .map(|text| {
                text.parse()
                    .map_err(|error: BadScope| StoreError::corrupt("scope of a user", error))
            })
            .transpose()?;
        Ok(set.unwrap_or_else(|| role.scope()))
    }
}

impl Role {
    /// Which accounts people with this role see unless something else is set.
    pub fn scope(self) -> Scope {
        match self.side() {
            Side::Staff => Scope::All,
            Side::Partner => Scope::Assigned,
            Side::Customer => Scope::Own,
        }
    }

    /// Whether people with this role can have this scope: nobody from outside sees all.
    pub fn can_have(self, scope: Scope) -> bool {
        match self.side() {
            Side::Staff => true,
            Side::Partner => scope <= Scope::Team,
            Side::Customer => scope == Scope::Own,
        }
    }
}

/// Begins a transaction that sees what a user sees.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(store: &Store, user: &User, scope: Scope) -> Result<Tx, StoreError> {
    let tenant: TenantId = user.tenant;
    if scope == Scope::All {
        return store.begin(tenant).await;
    }
    store.begin_scoped(tenant, user.id, scope.as_str()).await
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope: all, team, assigned or own")]
pub struct BadScope(String);

impl FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| BadScope(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_back_what_it_prints() {
        for scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert!("everything".parse::<Scope>().is_err());
    }

    #[test]
    fn a_narrower_scope_leaves_nothing_that_is_about_the_whole_tenant() {
        let all = Permissions::all();
        assert_eq!(Scope::All.narrow(all), all);
        for scope in [Scope::Team, Scope::Assigned, Scope::Own] {
            let left = scope.narrow(all);
            assert!(left.has(Permission::RecordsRead));
            let own = left.has(Permission::OrganisationManage);
            assert_eq!(own, scope == Scope::Own, "{scope}");
            for whole in [
                Permission::HubRead,
                Permission::RunsRead,
                Permission::AuditRead,
                Permission::UsersManage,
                Permission::ConnectionsRead,
                Permission::MappingsRead,
                Permission::TeamsManage,
                Permission::PrivacyManage,
            ] {
                assert!(!left.has(whole), "{scope}: {whole}");
            }
        }
    }

    #[test]
    fn nobody_from_outside_sees_all() {
        for role in Role::ALL {
            assert!(role.can_have(role.scope()), "{role}");
            assert_eq!(
                role.can_have(Scope::All),
                role.side() == Side::Staff,
                "{role}"
            );
        }
    }
}
