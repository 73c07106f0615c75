//! Programs that call: by a key, or by the access token of a grant. Both act for a user, with those of
//! their permissions that the user has too.

use engine::StoreError;
use engine::ids::{TenantId, TokenId};

use super::Session;
use crate::permissions::Permissions;
use crate::rates;
use crate::users::{Scope, User};

/// What the database says of a program's call.
pub(crate) struct Program {
    /// For whom it acts.
    pub(crate) user: User,
    /// What the user has beyond the role, by name.
    pub(crate) of_user: Vec<String>,
    /// What the program was given, by name.
    pub(crate) given: Vec<String>,
    pub(crate) tenant_name: String,
    pub(crate) environment: String,
    pub(crate) tenant_calls: Option<i32>,
    pub(crate) calls_per_day: Option<i64>,
    /// Which accounts the user sees, and so the program.
    pub(crate) scope: Scope,
}

impl Program {
    /// Who calls; which key or grant it is, is for who found it to say.
    pub(crate) fn session(self) -> Session {
        let role = self.user.role.permissions();
        let of_user = role.and(Permissions::of_names(&self.of_user));
        let of_user = self.scope.narrow(of_user);
        Session {
            id: None,
            key: None,
            grant: None,
            proof: None,
            permissions: Permissions::of_names(&self.given).within(of_user),
            user: self.user,
            tenant_name: self.tenant_name,
            environment: self.environment,
            scope: self.scope,
            is_operator: false,
            calls_per_minute: self.tenant_calls.unwrap_or(rates::TENANT),
            calls_per_day: self.calls_per_day,
        }
    }
}

/// An access token that we signed and that opens nothing any more.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    pub tenant: TenantId,
    pub grant: TokenId,
    /// `expired`, or `ended`: its grant or its user is no more.
    pub why: &'static str,
    /// Whether to note it: the first of a grant in each minute is, or a program that does not look at
    /// answers would fill the audit trail.
    pub is_first: bool,
}

/// What an access token opens.
pub(crate) enum Access {
    Session(Box<Session>),
    Refused {
        tenant: TenantId,
        grant: TokenId,
        why: &'static str,
    },
    /// None of ours.
    Unknown,
}

impl Access {
    /// The first call of a grant in a minute that is refused.
    pub(super) async fn refused(
        self,
        tx: &mut engine::SystemTx,
    ) -> Result<Option<Refused>, StoreError> {
        let Self::Refused { tenant, grant, why } = self else {
            return Ok(None);
        };
        let subject = format!("refused/{}", grant.0.simple());
        let counted = rates::count(
            tx,
            &[rates::Limit {
                subject,
                most: 1,
                window: rates::Window::Minute,
            }],
        )
        .await?;
        Ok(Some(Refused {
            tenant,
            grant,
            why,
            is_first: counted.is_some_and(|rate| !rate.is_over),
        }))
    }
}
