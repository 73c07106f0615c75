//! Teams of users, and partner organisations.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use engine::ids::{PartnerId, TeamId, UserId};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;
use sqlx::types::Uuid;

/// Most members of a team.
pub const MOST_MEMBERS: usize = 1000;

/// A user in a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub user: UserId,
    pub is_lead: bool,
}

/// A team.
#[derive(Clone, Debug)]
pub struct Team {
    pub id: TeamId,
    pub name: String,
    /// By user.
    pub members: Vec<Member>,
    /// Accounts assigned to the team.
    pub accounts: i64,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

/// What a team shall be.
#[derive(Clone, Debug)]
pub struct TeamWish {
    pub name: String,
    /// Each user once.
    pub members: BTreeMap<UserId, bool>,
}

/// All teams, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Team>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select t.id as "id: TeamId", t.name, t.version, t.created_at,
               array(select m.user_id from team_members m
                     where m.team_id = t.id order by m.user_id) as "users!: Vec<Uuid>",
               array(select m.is_lead from team_members m
                     where m.team_id = t.id order by m.user_id) as "leads!: Vec<bool>",
               (select count(*) from account_assignments a
                where coalesce(a.user_id, a.team_id, a.partner_id) = t.id
                  and a.ended_at is null) as "accounts!"
        from teams t order by lower(t.name)
        "#
    )
    .fetch_all(tx.conn())
    .await?;
    let teams = rows.into_iter().map(|row| Team {
        id: row.id,
        name: row.name,
        members: row
            .users
            .into_iter()
            .zip(row.leads)
            .map(|(user, is_lead)| Member {
                user: UserId(user),
                is_lead,
            })
            .collect(),
        accounts: row.accounts,
        version: row.version,
        created_at: row.created_at,
    });
    Ok(teams.collect())
}

/// A team.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: TeamId) -> Result<Team, StoreError> {
    let teams = list(tx).await?;
    let found = teams.into_iter().find(|team| team.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("team {id}")))
}

/// Makes a team.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken, [`StoreError::NotFound`] for a member who is no
/// user.
pub async fn create(tx: &mut Tx, wish: &TeamWish) -> Result<TeamId, StoreError> {
    let (id, now) = (TeamId::fresh(), tx.now());
    sqlx::query!(
        "insert into teams (id, name, created_at) values ($1, $2, $3)",
        id.0,
        wish.name,
        now,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| taken(error, "a team"))?;
    set_members(tx, id, &wish.members).await?;
    tx.audit(Entry::new("create_team", "team", id).after(shown(wish)));
    Ok(id)
}

/// Changes a team; what its members see changes with their next request.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`]; [`StoreError::Conflict`] when the name is taken.
pub async fn change(
    tx: &mut Tx,
    id: TeamId,
    version: i64,
    wish: &TeamWish,
) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    let changed = sqlx::query!(
        "update teams set name = $3, version = version + 1 where id = $1 and version = $2",
        id.0,
        version,
        wish.name,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| taken(error, "a team"))?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("team {id}")));
    }
    set_members(tx, id, &wish.members).await?;
    // Who is in it now or was sees something else from now on.
    for user in before.members.iter().map(|member| member.user) {
        tx.changed("user", user);
    }
    for user in wish.members.keys() {
        tx.changed("user", user);
    }
    tx.audit(
        Entry::new("update_team", "team", id)
            .before(shown(&TeamWish::of(&before)))
            .after(shown(wish)),
    );
    Ok(())
}

/// Removes a team that no account is assigned to.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`]; [`StoreError::Conflict`] while accounts are assigned
/// to it.
pub async fn delete(tx: &mut Tx, id: TeamId, version: i64) -> Result<(), StoreError> {
    let before = get(tx, id).await?;
    if before.accounts > 0 {
        let accounts = before.accounts;
        return Err(StoreError::Conflict(format!(
            "{accounts} accounts are assigned to this team: transfer them first"
        )));
    }
    let gone = sqlx::query!(
        "delete from teams where id = $1 and version = $2",
        id.0,
        version
    )
    .execute(tx.conn())
    .await?;
    if gone.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("team {id}")));
    }
    for member in &before.members {
        tx.changed("user", member.user);
    }
    tx.audit(Entry::new("delete_team", "team", id).before(shown(&TeamWish::of(&before))));
    Ok(())
}

impl TeamWish {
    fn of(team: &Team) -> Self {
        let members = team.members.iter();
        Self {
            name: team.name.clone(),
            members: members.map(|one| (one.user, one.is_lead)).collect(),
        }
    }
}

async fn set_members(
    tx: &mut Tx,
    id: TeamId,
    members: &BTreeMap<UserId, bool>,
) -> Result<(), StoreError> {
    let users: Vec<Uuid> = members.keys().map(|user| user.0).collect();
    let leads: Vec<bool> = members.values().copied().collect();
    let now = tx.now();
    let known = sqlx::query_scalar!("select id from users where id = any($1)", &users)
        .fetch_all(tx.conn())
        .await?;
    if let Some(unknown) = members.keys().find(|user| !known.contains(&user.0)) {
        return Err(StoreError::NotFound(format!("user {unknown}")));
    }
    sqlx::query!(
        "delete from team_members where team_id = $1 and user_id <> all($2)",
        id.0,
        &users,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into team_members (team_id, user_id, is_lead, joined_at)
         select $1, wished.user_id, wished.is_lead, $4
         from unnest($2::uuid[], $3::boolean[]) as wished (user_id, is_lead)
         on conflict (tenant_id, team_id, user_id) do update set is_lead = excluded.is_lead",
        id.0,
        &users,
        &leads,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn shown(wish: &TeamWish) -> serde_json::Value {
    let members = wish.members.iter();
    let members: Vec<_> = members
        .map(|(user, is_lead)| json!({"user_id": user, "lead": is_lead}))
        .collect();
    json!({"name": wish.name, "members": members})
}

/// A partner organisation.
#[derive(Clone, Debug)]
pub struct Partner {
    pub id: PartnerId,
    pub name: String,
    /// People who sign in for it.
    pub users: i64,
    /// Accounts assigned to it.
    pub accounts: i64,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

/// All partner organisations, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn partners(tx: &mut Tx) -> Result<Vec<Partner>, StoreError> {
    Ok(sqlx::query_as!(
        Partner,
        r#"
        select p.id as "id: PartnerId", p.name, p.version, p.created_at,
               (select count(*) from users u where u.partner_id = p.id) as "users!",
               (select count(*) from account_assignments a
                where coalesce(a.user_id, a.team_id, a.partner_id) = p.id
                  and a.ended_at is null) as "accounts!"
        from partners p order by lower(p.name)
        "#
    )
    .fetch_all(tx.conn())
    .await?)
}

/// A partner organisation.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn partner(tx: &mut Tx, id: PartnerId) -> Result<Partner, StoreError> {
    let all = partners(tx).await?;
    let found = all.into_iter().find(|partner| partner.id == id);
    found.ok_or_else(|| StoreError::NotFound(format!("partner {id}")))
}

/// Makes a partner organisation.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken.
pub async fn create_partner(tx: &mut Tx, name: &str) -> Result<PartnerId, StoreError> {
    let (id, now) = (PartnerId::fresh(), tx.now());
    sqlx::query!(
        "insert into partners (id, name, created_at) values ($1, $2, $3)",
        id.0,
        name,
        now,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| taken(error, "a partner"))?;
    tx.audit(Entry::new("create_partner", "partner", id).after(json!({"name": name})));
    Ok(id)
}

/// Renames a partner organisation.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Stale`]; [`StoreError::Conflict`] when the name is taken.
pub async fn rename_partner(
    tx: &mut Tx,
    id: PartnerId,
    version: i64,
    name: &str,
) -> Result<(), StoreError> {
    let before = partner(tx, id).await?;
    let changed = sqlx::query!(
        "update partners set name = $3, version = version + 1 where id = $1 and version = $2",
        id.0,
        version,
        name,
    )
    .execute(tx.conn())
    .await
    .map_err(|error| taken(error, "a partner"))?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale(format!("partner {id}")));
    }
    tx.audit(
        Entry::new("update_partner", "partner", id)
            .before(json!({"name": before.name}))
            .after(json!({"name": name})),
    );
    Ok(())
}

fn taken(error: sqlx::Error, what: &str) -> StoreError {
    match StoreError::from(error) {
        error if error.is_unique_violation() => {
            StoreError::Conflict(format!("{what} has this name already"))
        }
        error => error,
    }
}
