//! A customer's organisation as its own administrators look after it: the people who belong to the
//! account of the customer, and the groups they made for these. Row security holds them to it, too.

use engine::ids::{AccountId, GroupId, UserId};
use engine::{StoreError, Tx};

use crate::groups::{self, Group};
use crate::permissions::Permissions;
use crate::users::people;
use crate::users::scope::of_customers;
use crate::users::{Editor, Elevation, Person, PersonWish, Role, Side};

/// The account whose people this user belongs to.
///
/// # Errors
/// [`StoreError::NotFound`] for whoever belongs to none, such as the tenant's own people.
pub async fn own(tx: &mut Tx, user: UserId) -> Result<AccountId, StoreError> {
    let person = people::get(tx, user).await?;
    let account = person.account.filter(|_| is_customers(&person));
    account.ok_or_else(|| StoreError::NotFound("an organisation of yours".to_owned()))
}

fn is_customers(person: &Person) -> bool {
    person.user.role.side() == Side::Customer
}

/// Somebody of the organisation.
///
/// # Errors
/// [`StoreError::NotFound`] for everybody else.
pub async fn member(tx: &mut Tx, account: AccountId, id: UserId) -> Result<Person, StoreError> {
    let person = people::get(tx, id).await?;
    if is_customers(&person) && person.account == Some(account) {
        return Ok(person);
    }
    Err(StoreError::NotFound(format!("user {id}")))
}

/// The groups of the organisation, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn own_groups(tx: &mut Tx, account: AccountId) -> Result<Vec<Group>, StoreError> {
    let mut all = groups::list(tx).await?;
    all.retain(|group| group.account == Some(account));
    Ok(all)
}

/// A group of the organisation.
///
/// # Errors
/// [`StoreError::NotFound`] for every other.
pub async fn own_group(tx: &mut Tx, account: AccountId, id: GroupId) -> Result<Group, StoreError> {
    let groups = own_groups(tx, account).await?;
    let found = groups.into_iter().find(|group| group.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("group {id}")))
}

/// What somebody who looks after an organisation can give to its people: what a customer may have and
/// they themselves have.
pub fn givable(editor: Editor) -> Permissions {
    of_customers().within(editor.permissions)
}

/// Whether these may be given in an organisation by `editor`.
///
/// # Errors
/// [`Elevation`].
pub fn may_give(editor: Editor, permissions: Permissions) -> Result<(), Elevation> {
    editor.may_give(permissions)?;
    let beyond = permissions.beyond(of_customers());
    if beyond.is_empty() {
        return Ok(());
    }
    Err(Elevation::NotACustomers(beyond.names()))
}

/// Whether `editor` may make somebody of their organisation what is wished. `person` is who they are
/// now, nobody for one to be invited; `groups` is what those of the wished groups give that they are not
/// in yet.
///
/// # Errors
/// [`Elevation`].
pub fn may_make(
    editor: Editor,
    person: Option<&Person>,
    wish: &PersonWish,
    groups: Permissions,
) -> Result<(), Elevation> {
    let had = person.map_or(Permissions::NONE, |person| person.grants);
    if let Some(person) = person {
        let before = PersonWish::of(person);
        let is_renamed_only = before
            == PersonWish {
                name: before.name.clone(),
                ..wish.clone()
            };
        if !is_renamed_only && person.user.id == editor.id {
            return Err(Elevation::Own);
        }
        editor.may_change(person)?;
    }
    if wish.role.side() != Side::Customer {
        return Err(Elevation::NotACustomers(vec![wish.role.to_string()]));
    }
    editor.may_give(wish.role.permissions())?;
    may_give(editor, wish.grants.beyond(had).and(groups))
}

/// Refuses to leave the organisation without an active administrator. Two who try to remove each other
/// wait for one another.
///
/// # Errors
/// [`StoreError::Conflict`] for the last one.
pub async fn keep_an_administrator(
    tx: &mut Tx,
    account: AccountId,
    but: UserId,
) -> Result<(), StoreError> {
    let role = Role::CustomerAdmin.as_str();
    let admins = sqlx::query_scalar!(
        r#"select id as "id: UserId" from users
           where account_id = $1 and role = $2 and state = 'active' order by id for update"#,
        account.0,
        role,
    )
    .fetch_all(tx.conn())
    .await?;
    if admins.iter().any(|id| *id != but) {
        return Ok(());
    }
    Err(StoreError::Conflict(
        "this is the last active administrator of the organisation: make another one first"
            .to_owned(),
    ))
}

/// Takes the groups of organisations out of a list: whoever goes to another account leaves them.
///
/// # Errors
/// [`StoreError`].
pub async fn leave_groups(tx: &mut Tx, ids: &mut Vec<GroupId>) -> Result<(), StoreError> {
    let all = groups::list(tx).await?;
    ids.retain(|id| {
        let group = all.iter().find(|group| group.id == *id);
        group.is_some_and(|group| group.account.is_none())
    });
    Ok(())
}
