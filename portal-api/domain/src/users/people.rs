//! Users as those who manage them see them.

use chrono::{DateTime, Utc};
use engine::ids::{AccountId, GroupId, PartnerId, TeamId, UserId};
use engine::store::audit::Entry;
use engine::store::keyset::{After, Slice, contains_pattern};
use engine::{StoreError, Tx};
use serde_json::json;
use sqlx::types::Uuid;
use sqlx::{Postgres, QueryBuilder};

use super::access::keep_an_admin;
use super::{Role, Scope, Side, User, erase};
use crate::groups;
use crate::permissions::Permissions;
use crate::providers::policy;

/// Whether somebody can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserState {
    /// Has not set a password yet.
    Invited,
    Active,
    /// Was here; what they did stays theirs.
    Deactivated,
}

impl UserState {
    pub const ALL: [Self; 3] = [Self::Invited, Self::Active, Self::Deactivated];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Deactivated => "deactivated",
        }
    }

    /// The state of this name.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A user, with all that is managed of them.
#[derive(Clone, Debug)]
pub struct Person {
    pub user: User,
    pub state: UserState,
    /// By id.
    pub groups: Vec<GroupId>,
    /// Given to this user alone.
    pub grants: Permissions,
    /// All in all, as far as the scope lets them be.
    pub permissions: Permissions,
    /// Which accounts the user sees.
    pub scope: Scope,
    /// What was set of it; `None` leaves it to the role.
    pub scope_set: Option<Scope>,
    pub account: Option<AccountId>,
    pub partner: Option<PartnerId>,
    /// Looks after all tenants.
    pub is_operator: bool,
    /// A second factor is set up.
    pub has_factor: bool,
    pub locked_until: Option<DateTime<Utc>>,
    pub last_sign_in_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub version: i64,
}

/// What a user shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonWish {
    pub name: String,
    pub role: Role,
    /// By id, each once.
    pub groups: Vec<GroupId>,
    pub grants: Permissions,
    /// `None` leaves it to the role.
    pub scope: Option<Scope>,
    /// The account of a customer's user.
    pub account: Option<AccountId>,
    /// The organisation of a partner's user.
    pub partner: Option<PartnerId>,
}

impl PersonWish {
    /// What a user is now.
    pub fn of(person: &Person) -> Self {
        Self {
            name: person.user.name.clone(),
            role: person.user.role,
            groups: person.groups.clone(),
            grants: person.grants,
            scope: person.scope_set,
            account: person.account,
            partner: person.partner,
        }
    }

    /// Which accounts the user would see.
    pub fn sees(&self) -> Scope {
        self.scope.unwrap_or_else(|| self.role.scope())
    }

    /// What does not go together: the field's name and why.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        let (role, side) = (self.role, self.role.side());
        if !self.role.can_have(self.sees()) {
            let why = format!("somebody with the role {role} cannot see {}", self.sees());
            return Some(("scope", why));
        }
        if self.account.is_some() && side != Side::Customer {
            return Some(("account_id", format!("the role {role} is not a customer's")));
        }
        if self.partner.is_some() && side != Side::Partner {
            return Some(("partner_id", format!("the role {role} is not a partner's")));
        }
        (self.sees() == Scope::Own && side != Side::Customer).then(|| {
            let why = format!("somebody with the role {role} has no own account");
            ("scope", why)
        })
    }
}

/// Which users; empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct PersonQuery {
    /// Part of the name or the address.
    pub q: Option<String>,
    pub role: Option<Role>,
    pub state: Option<UserState>,
    /// Its members.
    pub group: Option<GroupId>,
    /// Its members.
    pub team: Option<TeamId>,
    /// Who signs in for it.
    pub partner: Option<PartnerId>,
    /// A customer's people.
    pub account: Option<AccountId>,
    /// Those with a second factor, or those without.
    pub has_factor: Option<bool>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    email: String,
    name: String,
    role: String,
    state: String,
    must_change_password: bool,
    scope: Option<String>,
    account_id: Option<Uuid>,
    partner_id: Option<Uuid>,
    is_operator: bool,
    has_factor: bool,
    locked_until: Option<DateTime<Utc>>,
    last_sign_in_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    version: i64,
    /// By Postgres' rules of lower case, which need not be ours.
    sort_email: String,
    groups: Vec<Uuid>,
    grants: Vec<String>,
    by_groups: Vec<String>,
}

const COLUMNS: &str = "select id, email, name, role, state, must_change_password, scope, \
     account_id, partner_id, is_operator, has_factor, locked_until, \
     last_sign_in_at, created_at, version, lower(email) as sort_email, \
     array(select m.group_id from group_members m where m.user_id = u.id order by 1) as groups, \
     array(select g.permission from user_grants g where g.user_id = u.id order by 1) as grants, \
     array(select unnest(ug.permissions) from group_members m \
           join user_groups ug on ug.id = m.group_id where m.user_id = u.id) as by_groups \
     from users u where erased_at is null";

impl Row {
    fn person(self, tx: &Tx) -> Result<Person, StoreError> {
        let role: Role = self
            .role
            .parse()
            .map_err(|error| StoreError::corrupt("role of a user", error))?;
        let state = UserState::of(&self.state)
            .ok_or_else(|| StoreError::corrupt("state of a user", self.state.clone()))?;
        let grants = Permissions::of_names(&self.grants);
        let scope = Scope::stored(role, self.scope.as_deref())?;
        let may = role.permissions().and(grants);
        Ok(Person {
            permissions: scope.narrow(may.and(Permissions::of_names(&self.by_groups))),
            scope,
            scope_set: self.scope.as_ref().map(|_| scope),
            account: self.account_id.map(AccountId),
            partner: self.partner_id.map(PartnerId),
            is_operator: self.is_operator,
            user: User {
                tenant: tx.tenant(),
                id: UserId(self.id),
                email: self.email,
                name: self.name,
                role,
                must_change_password: self.must_change_password,
            },
            state,
            groups: self.groups.into_iter().map(GroupId).collect(),
            grants,
            has_factor: self.has_factor,
            locked_until: self.locked_until.filter(|until| *until > tx.now()),
            last_sign_in_at: self.last_sign_in_at,
            created_at: self.created_at,
            version: self.version,
        })
    }
}

/// A user.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: UserId) -> Result<Person, StoreError> {
    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(COLUMNS);
    sql.push(" and id = ").push_bind(id.0);
    let row: Option<Row> = sql.build_query_as().fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| StoreError::NotFound(format!("user {id}")))?
        .person(tx)
}

/// A page of users, by address.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    query: &PersonQuery,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Person>, StoreError> {
    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(COLUMNS);
    if let Some(q) = query.q.as_deref().map(str::trim).filter(|q| !q.is_empty()) {
        let pattern = contains_pattern(q);
        sql.push(" and (name ilike ").push_bind(pattern.clone());
        sql.push(" or email ilike ").push_bind(pattern).push(")");
    }
    if let Some(role) = query.role {
        sql.push(" and role = ").push_bind(role.as_str());
    }
    if let Some(state) = query.state {
        sql.push(" and state = ").push_bind(state.as_str());
    }
    if let Some(group) = query.group {
        sql.push(
            " and exists (select from group_members m where m.user_id = u.id and m.group_id = ",
        )
        .push_bind(group.0)
        .push(")");
    }
    if let Some(team) = query.team {
        sql.push(" and exists (select from team_members t where t.user_id = u.id and t.team_id = ")
            .push_bind(team.0)
            .push(")");
    }
    if let Some(partner) = query.partner {
        sql.push(" and partner_id = ").push_bind(partner.0);
    }
    if let Some(account) = query.account {
        sql.push(" and account_id = ").push_bind(account.0);
    }
    if let Some(has_factor) = query.has_factor {
        sql.push(" and has_factor = ").push_bind(has_factor);
    }
    if let Some(after) = after {
        sql.push(" and (lower(email), id) > (")
            .push_bind(after.value.clone())
            .push(", ")
            .push_bind(after.id)
            .push(")");
    }
    sql.push(" order by lower(email), id limit ")
        .push_bind(limit + 1);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    let Slice { items, next, total } = Slice::cut(rows, limit, |row| After {
        value: row.sort_email.clone(),
        id: row.id,
    });
    let people: Result<Vec<_>, _> = items.into_iter().map(|row| row.person(tx)).collect();
    Ok(Slice {
        items: people?,
        next,
        total,
    })
}

/// The active admins of the tenant with their addresses: who is told when something is wrong.
///
/// # Errors
/// [`StoreError`].
pub async fn admins(tx: &mut Tx) -> Result<Vec<(UserId, String)>, StoreError> {
    let rows = sqlx::query!(
        r#"select id as "id: UserId", email from users
           where role = 'admin' and state = 'active' order by id"#
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.email)).collect())
}

/// What the groups of these ids give together to somebody of this account.
///
/// # Errors
/// [`StoreError::NotFound`] where there is no such group, or it is that of another organisation.
pub async fn permissions_of(
    tx: &mut Tx,
    ids: &[GroupId],
    account: Option<AccountId>,
) -> Result<Permissions, StoreError> {
    let groups = groups::list(tx).await?;
    ids.iter().try_fold(Permissions::NONE, |sum, id| {
        let group = groups.iter().find(|group| group.id == *id);
        let group = group.filter(|group| group.account.is_none() || group.account == account);
        let group = group.ok_or_else(|| StoreError::NotFound(format!("group {id}")))?;
        Ok(sum.and(group.permissions))
    })
}

/// Makes a user who has no password yet.
///
/// # Errors
/// [`StoreError::Conflict`] when the address is taken, or somebody who had it was forgotten.
pub async fn invite(tx: &mut Tx, email: &str, wish: &PersonWish) -> Result<UserId, StoreError> {
    if erase::is_forgotten(tx, email).await? {
        let why = "somebody with this address was forgotten at their request";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    let (id, now) = (UserId::fresh(), tx.now());
    sqlx::query!(
        "insert into users (id, email, name, role, state, created_at, scope, account_id, partner_id)
         values ($1, $2, $3, $4, 'invited', $5, $6, $7, $8)",
        id.0,
        email,
        wish.name,
        wish.role.as_str(),
        now,
        wish.scope.map(Scope::as_str),
        wish.account.map(|account| account.0),
        wish.partner.map(|partner| partner.0),
    )
    .execute(tx.conn())
    .await
    .map_err(super::store::taken)?;
    set_extras(tx, id, wish).await?;
    let mut after = shown(wish);
    after["email"] = email.into();
    tx.audit(Entry::new("invite_user", "user", id).after(after));
    tx.changed("user", id);
    Ok(id)
}

/// Makes a user what is wished; it counts from their next request on. Whether it is allowed was
/// asked before ([`super::Editor::may_make`]).
///
/// # Errors
/// [`StoreError::Stale`]; [`StoreError::Conflict`] for the last admin.
pub async fn change(
    tx: &mut Tx,
    person: &Person,
    version: i64,
    wish: &PersonWish,
) -> Result<(), StoreError> {
    let id = person.user.id;
    if person.user.role == Role::Admin && wish.role != Role::Admin {
        keep_an_admin(tx, id).await?;
        policy::keep_a_fallback(tx, id).await?;
    }
    let changed = sqlx::query!(
        "update users set name = $3, role = $4, scope = $5, account_id = $6, partner_id = $7,
                version = version + 1
         where id = $1 and version = $2",
        id.0,
        version,
        wish.name,
        wish.role.as_str(),
        wish.scope.map(Scope::as_str),
        wish.account.map(|account| account.0),
        wish.partner.map(|partner| partner.0),
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("user {id}")));
    }
    set_extras(tx, id, wish).await?;
    let before = PersonWish::of(person);
    tx.audit(
        Entry::new("update_user", "user", id)
            .before(shown(&before))
            .after(shown(wish)),
    );
    tx.changed("user", id);
    Ok(())
}

pub(super) async fn set_extras(
    tx: &mut Tx,
    id: UserId,
    wish: &PersonWish,
) -> Result<(), StoreError> {
    let groups: Vec<Uuid> = wish.groups.iter().map(|group| group.0).collect();
    let (grants, now) = (wish.grants.names(), tx.now());
    sqlx::query!(
        "delete from group_members where user_id = $1 and group_id <> all($2)",
        id.0,
        &groups,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into group_members (user_id, group_id)
         select $1, wished from unnest($2::uuid[]) as wished on conflict do nothing",
        id.0,
        &groups,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "delete from user_grants where user_id = $1 and permission <> all($2)",
        id.0,
        &grants,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into user_grants (user_id, permission, granted_at)
         select $1, wished, $3 from unnest($2::text[]) as wished on conflict do nothing",
        id.0,
        &grants,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn shown(wish: &PersonWish) -> serde_json::Value {
    json!({
        "name": wish.name,
        "role": wish.role,
        "groups": wish.groups,
        "grants": wish.grants.names(),
        "scope": wish.scope,
        "account_id": wish.account,
        "partner_id": wish.partner,
    })
}
