//! Who looks after which account: users, teams and partner organisations, with history. What they see
//! of it follows from it where they do not see all ([`crate::users::Scope`]).

mod bulk;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use engine::ids::{AccountId, AssignmentId, PartnerId, TeamId, UserId};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;
use sqlx::types::Uuid;

pub use bulk::{MOST, Order, Plan, carry_out, plan};

/// Who can look after an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    User(UserId),
    Team(TeamId),
    Partner(PartnerId),
}

impl Holder {
    pub(crate) fn uuid(self) -> Uuid {
        match self {
            Self::User(id) => id.0,
            Self::Team(id) => id.0,
            Self::Partner(id) => id.0,
        }
    }

    fn columns(self) -> (Option<Uuid>, Option<Uuid>, Option<Uuid>) {
        match self {
            Self::User(id) => (Some(id.0), None, None),
            Self::Team(id) => (None, Some(id.0), None),
            Self::Partner(id) => (None, None, Some(id.0)),
        }
    }

    fn of(user: Option<Uuid>, team: Option<Uuid>, partner: Option<Uuid>) -> Option<Self> {
        let team = || team.map(|id| Self::Team(TeamId(id)));
        let partner = || partner.map(|id| Self::Partner(PartnerId(id)));
        user.map(|id| Self::User(UserId(id)))
            .or_else(team)
            .or_else(partner)
    }

    /// `user`, `team` or `partner`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Team(_) => "team",
            Self::Partner(_) => "partner",
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Team(id) => id.fmt(f),
            Self::Partner(id) => id.fmt(f),
        }
    }
}

/// A text that names nobody who can look after an account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a user (usr_…) nor a team (tea_…) nor a partner (ptn_…)")]
pub struct BadHolder(String);

impl FromStr for Holder {
    type Err = BadHolder;

    fn from_str(text: &str) -> Result<Self, BadHolder> {
        let user = text.parse().map(Self::User);
        let team = || text.parse().map(Self::Team);
        let partner = || text.parse().map(Self::Partner);
        user.or_else(|_| team())
            .or_else(|_| partner())
            .map_err(|_bad: engine::ids::BadId| BadHolder(text.chars().take(64).collect()))
    }
}

/// Somebody's looking after an account.
#[derive(Clone, Debug)]
pub struct Assignment {
    pub id: AssignmentId,
    pub account: AccountId,
    pub holder: Holder,
    /// Of the holder.
    pub name: String,
    pub assigned_at: DateTime<Utc>,
    pub assigned_by: UserId,
    pub ended_at: Option<DateTime<Utc>>,
    pub ended_by: Option<UserId>,
}

/// Who looks after an account and who did, newest first.
///
/// # Errors
/// [`StoreError::NotFound`] for an account that is not there.
pub async fn history(tx: &mut Tx, account: AccountId) -> Result<Vec<Assignment>, StoreError> {
    present(tx, account).await?;
    let rows = sqlx::query!(
        r#"
        select a.id as "id: AssignmentId", a.user_id, a.team_id, a.partner_id,
               coalesce(u.name, t.name, p.name, 'a team that is gone') as "name!",
               a.assigned_at, a.assigned_by as "assigned_by: UserId", a.ended_at,
               a.ended_by as "ended_by: UserId"
        from account_assignments a
        left join users u on u.id = a.user_id
        left join teams t on t.id = a.team_id
        left join partners p on p.id = a.partner_id
        where a.account_id = $1
        order by a.id desc
        "#,
        account.0,
    )
    .fetch_all(tx.conn())
    .await?;
    let assignments = rows.into_iter().filter_map(|row| {
        Some(Assignment {
            id: row.id,
            account,
            holder: Holder::of(row.user_id, row.team_id, row.partner_id)?,
            name: row.name,
            assigned_at: row.assigned_at,
            assigned_by: row.assigned_by,
            ended_at: row.ended_at,
            ended_by: row.ended_by,
        })
    });
    Ok(assignments.collect())
}

/// Who looks after an account, in a list.
#[derive(Clone, Debug)]
pub struct Assignee {
    pub holder: Holder,
    pub name: String,
}

/// Who looks after these accounts now.
pub(crate) async fn of_accounts(
    tx: &mut Tx,
    accounts: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Assignee>>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select a.account_id, a.user_id, a.team_id, a.partner_id,
               coalesce(u.name, t.name, p.name) as "name!"
        from unnest($1::uuid[]) as wanted (id)
        join account_assignments a on a.account_id = wanted.id and a.ended_at is null
        left join users u on u.id = a.user_id
        left join teams t on t.id = a.team_id
        left join partners p on p.id = a.partner_id
        where coalesce(u.name, t.name, p.name) is not null
        order by a.id
        "#,
        accounts,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut found: HashMap<Uuid, Vec<Assignee>> = HashMap::new();
    for row in rows {
        if let Some(holder) = Holder::of(row.user_id, row.team_id, row.partner_id) {
            let name = row.name;
            found
                .entry(row.account_id)
                .or_default()
                .push(Assignee { holder, name });
        }
    }
    Ok(found)
}

/// Assigns an account; one that is assigned to the holder already stays so.
///
/// # Errors
/// [`StoreError::NotFound`] for an account or a holder that is not there.
pub async fn assign(
    tx: &mut Tx,
    account: AccountId,
    holder: Holder,
    by: UserId,
) -> Result<(), StoreError> {
    present(tx, account).await?;
    known(tx, holder).await?;
    insert(tx, &[account.0], holder, by).await?;
    let entry = Entry::new("assign_account", "account", account);
    tx.audit(entry.after(json!({"holder": holder.to_string()})));
    moved(tx, holder).await?;
    tx.changed("account", account);
    Ok(())
}

/// Assigns an account to who is just making it, before it is there.
pub(crate) async fn keep_own(tx: &mut Tx, account: Uuid, by: UserId) -> Result<(), StoreError> {
    insert(tx, &[account], Holder::User(by), by).await?;
    Ok(())
}

/// Ends an assignment of an account; it stays in the history.
///
/// # Errors
/// [`StoreError::NotFound`] where the account has no such assignment that holds.
pub async fn end(
    tx: &mut Tx,
    account: AccountId,
    id: AssignmentId,
    by: UserId,
) -> Result<(), StoreError> {
    present(tx, account).await?;
    let now = tx.now();
    let row = sqlx::query!(
        "update account_assignments set ended_at = $3, ended_by = $4
         where account_id = $1 and id = $2 and ended_at is null
         returning user_id, team_id, partner_id",
        account.0,
        id.0,
        now,
        by.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("assignment {id}")))?;
    let entry = Entry::new("end_assignment", "account", account);
    if let Some(holder) = Holder::of(row.user_id, row.team_id, row.partner_id) {
        tx.audit(entry.before(json!({"holder": holder.to_string()})));
        moved(tx, holder).await?;
    }
    tx.changed("account", account);
    Ok(())
}

async fn insert(
    tx: &mut Tx,
    accounts: &[Uuid],
    holder: Holder,
    by: UserId,
) -> Result<u64, StoreError> {
    let now = tx.now();
    let (user, team, partner) = holder.columns();
    let ids: Vec<Uuid> = accounts.iter().map(|_| engine::ids::fresh()).collect();
    let made = sqlx::query!(
        "insert into account_assignments
             (id, account_id, user_id, team_id, partner_id, assigned_at, assigned_by)
         select new.id, new.account, $3, $4, $5, $6, $7
         from unnest($1::uuid[], $2::uuid[]) as new (id, account)
         on conflict do nothing",
        &ids,
        accounts,
        user,
        team,
        partner,
        now,
        by.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(made.rows_affected())
}

async fn present(tx: &mut Tx, account: AccountId) -> Result<(), StoreError> {
    let there = sqlx::query_scalar!(
        r#"select exists (select from accounts where id = $1) as "there!""#,
        account.0
    )
    .fetch_one(tx.conn())
    .await?;
    if there {
        return Ok(());
    }
    Err(StoreError::NotFound(format!("account {account}")))
}

/// Whether the holder is one of the tenant's.
async fn known(tx: &mut Tx, holder: Holder) -> Result<(), StoreError> {
    let there = sqlx::query_scalar!(
        r#"
        select exists (select from users where id = $1 and $2 = 'user')
            or exists (select from teams where id = $1 and $2 = 'team')
            or exists (select from partners where id = $1 and $2 = 'partner') as "there!"
        "#,
        holder.uuid(),
        holder.kind(),
    )
    .fetch_one(tx.conn())
    .await?;
    if there {
        return Ok(());
    }
    Err(StoreError::NotFound(format!("{} {holder}", holder.kind())))
}

/// Tells those who see something else from now on.
async fn moved(tx: &mut Tx, holder: Holder) -> Result<(), StoreError> {
    let users = sqlx::query_scalar!(
        r#"
        select u.id as "id!: UserId" from users u where u.id = $1 or u.partner_id = $1
        union
        select m.user_id from team_members m where m.team_id = $1
        "#,
        holder.uuid(),
    )
    .fetch_all(tx.conn())
    .await?;
    for user in users {
        tx.changed("user", user);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_reads_back_what_it_prints() {
        for holder in [
            Holder::User(UserId::fresh()),
            Holder::Team(TeamId::fresh()),
            Holder::Partner(PartnerId::fresh()),
        ] {
            assert_eq!(holder.to_string().parse(), Ok(holder));
        }
        for bad in ["", "me", "acc_01934f00000000000000000000000000", "usr_1"] {
            assert!(bad.parse::<Holder>().is_err(), "{bad}");
        }
    }
}
