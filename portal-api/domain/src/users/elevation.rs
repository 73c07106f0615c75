//! Nobody gives more than they have, nor changes what they themselves may do.

use engine::ids::UserId;

use super::{Person, PersonWish};
use crate::permissions::Permissions;

/// Who changes somebody.
#[derive(Clone, Copy, Debug)]
pub struct Editor {
    pub id: UserId,
    pub permissions: Permissions,
}

/// Why a change would be an elevation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Elevation {
    #[error("nobody changes their own role, groups, permissions or scope")]
    Own,
    #[error("this user may do what you may not: {}", .0.join(", "))]
    Above(Vec<String>),
    #[error("you cannot give what you do not have: {}", .0.join(", "))]
    Beyond(Vec<String>),
    #[error("somebody of a customer's organisation cannot have: {}", .0.join(", "))]
    NotACustomers(Vec<String>),
    #[error("this user looks after all tenants: only the command line changes them")]
    Operator,
}

impl Editor {
    /// Whether the editor may change anything of this person.
    ///
    /// # Errors
    /// [`Elevation::Above`].
    pub fn may_change(self, person: &Person) -> Result<(), Elevation> {
        if person.is_operator && person.user.id != self.id {
            return Err(Elevation::Operator);
        }
        let above = person.permissions.beyond(self.permissions);
        if above.is_empty() {
            return Ok(());
        }
        Err(Elevation::Above(above.names()))
    }

    /// Whether the editor may give these to somebody.
    ///
    /// # Errors
    /// [`Elevation::Beyond`].
    pub fn may_give(self, permissions: Permissions) -> Result<(), Elevation> {
        let beyond = permissions.beyond(self.permissions);
        if beyond.is_empty() {
            return Ok(());
        }
        Err(Elevation::Beyond(beyond.names()))
    }

    /// Whether the editor may make `person` what is wished; `groups` is what the wished groups give.
    ///
    /// # Errors
    /// [`Elevation`].
    pub fn may_make(
        self,
        person: &Person,
        wish: &PersonWish,
        groups: Permissions,
    ) -> Result<(), Elevation> {
        let is_same = person.user.role == wish.role
            && person.grants == wish.grants
            && person.groups == wish.groups
            && person.scope_set == wish.scope
            && person.account == wish.account
            && person.partner == wish.partner;
        if is_same {
            return self.may_change(person);
        }
        if person.user.id == self.id {
            return Err(Elevation::Own);
        }
        self.may_change(person)?;
        self.may_give(wish.role.permissions().and(wish.grants).and(groups))
    }
}
