//! Groups: named sets of permissions that their members have beyond their roles.

use chrono::{DateTime, Utc};
use engine::ids::{AccountId, GroupId};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;

use crate::permissions::Permissions;

/// Longest name, in characters.
const LONGEST: usize = 80;

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    pub id: GroupId,
    /// The customer's organisation whose group it is; `None` for those of the tenant's own people.
    pub account: Option<AccountId>,
    pub name: String,
    pub permissions: Permissions,
    pub members: i64,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

/// What a group shall be.
#[derive(Clone, Debug)]
pub struct GroupWish {
    pub name: String,
    pub permissions: Permissions,
}

/// A name as it is stored.
///
/// # Errors
/// Why it cannot be one.
pub fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match name.chars().count() {
        0 => Err("name must not be empty".to_owned()),
        1..=LONGEST => Ok(name.to_owned()),
        _ => Err(format!("name must not have more than {LONGEST} characters")),
    }
}

/// All groups, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Group>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id as "id: GroupId", account_id as "account: AccountId", name, permissions, version, created_at,
               (select count(*) from group_members m where m.group_id = g.id) as "members!"
        from user_groups g order by lower(name)
        "#
    )
    .fetch_all(tx.conn())
    .await?;
    let groups = rows.into_iter().map(|row| Group {
        id: row.id,
        account: row.account,
        name: row.name,
        permissions: Permissions::of_names(&row.permissions),
        members: row.members,
        version: row.version,
        created_at: row.created_at,
    });
    Ok(groups.collect())
}

/// A group.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: GroupId) -> Result<Group, StoreError> {
    let groups = list(tx).await?;
    let found = groups.into_iter().find(|group| group.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("group {id}")))
}

/// Makes a group, of a customer's organisation or of the tenant's own people.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken.
pub async fn create(
    tx: &mut Tx,
    account: Option<AccountId>,
    wish: &GroupWish,
) -> Result<GroupId, StoreError> {
    let (id, now) = (GroupId::fresh(), tx.now());
    sqlx::query!(
        "insert into user_groups (id, name, permissions, created_at, account_id)
         values ($1, $2, $3, $4, $5)",
        id.0,
        wish.name,
        &wish.permissions.names(),
        now,
        account.map(|account| account.0),
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    tx.audit(Entry::new("create_group", "group", id).after(shown(wish)));
    Ok(id)
}

/// Changes a group; what its members may do changes with their next request.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`]; [`StoreError::Conflict`] when the name is taken.
pub async fn change(
    tx: &mut Tx,
    id: GroupId,
    version: i64,
    wish: &GroupWish,
) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    let changed = sqlx::query!(
        "update user_groups set name = $3, permissions = $4, version = version + 1
         where id = $1 and version = $2",
        id.0,
        version,
        wish.name,
        &wish.permissions.names(),
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("group {id}")));
    }
    let before = shown(&GroupWish {
        name: before.name,
        permissions: before.permissions,
    });
    tx.audit(
        Entry::new("update_group", "group", id)
            .before(before)
            .after(shown(wish)),
    );
    Ok(())
}

/// Removes a group; its members keep what they have otherwise.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`].
pub async fn delete(tx: &mut Tx, id: GroupId, version: i64) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    let gone = sqlx::query!(
        "delete from user_groups where id = $1 and version = $2",
        id.0,
        version
    )
    .execute(tx.conn())
    .await?;
    if gone.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("group {id}")));
    }
    let before = shown(&GroupWish {
        name: before.name,
        permissions: before.permissions,
    });
    tx.audit(Entry::new("delete_group", "group", id).before(before));
    Ok(())
}

fn shown(wish: &GroupWish) -> serde_json::Value {
    json!({"name": wish.name, "permissions": wish.permissions.names()})
}

fn taken(error: sqlx::Error) -> StoreError {
    match StoreError::from(error) {
        error if error.is_unique_violation() => {
            StoreError::Conflict("a group has this name already".to_owned())
        }
        error => error,
    }
}
