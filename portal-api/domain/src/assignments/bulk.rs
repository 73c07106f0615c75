//! Many accounts at once: assign, transfer, let go. What is planned is what happens: the order names
//! the plan it was made from, and is refused where another one would be made by now.

use engine::ids::UserId;
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::types::Uuid;
use sqlx::{Postgres, QueryBuilder};

use super::{Holder, insert, known, moved};
use crate::accounts::list::{AccountQuery, filter};

/// Most accounts in one order.
pub const MOST: i64 = 50_000;

/// What shall happen to the accounts of a filter.
#[derive(Clone, Debug)]
pub struct Order {
    pub accounts: AccountQuery,
    /// Only accounts that are assigned to this one, whose assignments end.
    pub from: Option<Holder>,
    /// Who gets them.
    pub to: Option<Holder>,
}

/// What an order would do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Accounts it is about.
    pub accounts: i64,
    /// Assignments that would be made.
    pub made: i64,
    /// Assignments that would end.
    pub ended: i64,
    /// Of these very accounts and what would be done to each.
    pub digest: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    has_from: bool,
    has_to: bool,
}

/// Says what an order would do.
///
/// # Errors
/// [`StoreError::NotFound`] for a holder who is not there; [`StoreError::Conflict`] for an order that
/// does nothing or is about too many accounts.
pub async fn plan(tx: &mut Tx, order: &Order) -> Result<Plan, StoreError> {
    let rows = rows(tx, order).await?;
    Ok(made_of(&rows, order))
}

/// Carries out an order, if it is still the one that was planned.
///
/// # Errors
/// As [`plan`]; [`StoreError::Stale`] where it would do something else by now.
pub async fn carry_out(
    tx: &mut Tx,
    order: &Order,
    digest: &str,
    by: UserId,
) -> Result<Plan, StoreError> {
    let rows = rows(tx, order).await?;
    let plan = made_of(&rows, order);
    if plan.digest != digest {
        return Err(StoreError::Stale("what this order is about".to_owned()));
    }
    let accounts: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    if let Some(from) = order.from {
        let now = tx.now();
        sqlx::query!(
            "update account_assignments set ended_at = $3, ended_by = $4
             where account_id = any($1) and coalesce(user_id, team_id, partner_id) = $2
               and ended_at is null",
            &accounts,
            from.uuid(),
            now,
            by.0,
        )
        .execute(tx.conn())
        .await?;
        moved(tx, from).await?;
    }
    if let Some(to) = order.to {
        insert(tx, &accounts, to, by).await?;
        moved(tx, to).await?;
    }
    let action = match (order.from, order.to) {
        (Some(_), Some(_)) => "transfer_accounts",
        (None, _) => "assign_accounts",
        (Some(_), None) => "end_assignments",
    };
    let shown = |holder: Option<Holder>| holder.map(|holder| holder.to_string());
    tx.audit(Entry::new(action, "assignments", "").after(json!({
        "from": shown(order.from),
        "to": shown(order.to),
        "accounts": plan.accounts,
        "digest": plan.digest,
    })));
    tx.changed("overview", "assignments");
    Ok(plan)
}

async fn rows(tx: &mut Tx, order: &Order) -> Result<Vec<Row>, StoreError> {
    if order.from.is_none() && order.to.is_none() {
        let why = "say from whom the accounts are taken, to whom they go, or both";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    if order.from == order.to {
        let why = "the accounts would go to who has them";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    for holder in [order.from, order.to].into_iter().flatten() {
        known(tx, holder).await?;
    }
    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new("select id");
    for (holder, name) in [(order.from, "has_from"), (order.to, "has_to")] {
        match holder {
            None => sql.push(format!(", false as {name}")),
            Some(holder) => sql
                .push(
                    ", exists (select from account_assignments h where h.account_id = accounts.id ",
                )
                .push("and h.ended_at is null and coalesce(h.user_id, h.team_id, h.partner_id) = ")
                .push_bind(holder.uuid())
                .push(format!(") as {name}")),
        };
    }
    sql.push(" from accounts");
    filter(&mut sql, &order.accounts);
    if let Some(from) = order.from {
        sql.push(
            " and id in (select f.account_id from account_assignments f \
             where f.ended_at is null and coalesce(f.user_id, f.team_id, f.partner_id) = ",
        )
        .push_bind(from.uuid())
        .push(")");
    }
    sql.push(" order by id limit ").push_bind(MOST + 1);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(tx.conn()).await?;
    if i64::try_from(rows.len()).is_ok_and(|found| found > MOST) {
        return Err(StoreError::Conflict(format!(
            "this is about more than {MOST} accounts: narrow the filter"
        )));
    }
    Ok(rows)
}

fn made_of(rows: &[Row], order: &Order) -> Plan {
    let mut hash = Sha256::new();
    for holder in [order.from, order.to] {
        hash.update(holder.map_or_else(String::new, |holder| holder.to_string()));
        hash.update([0]);
    }
    for row in rows {
        hash.update(row.id.as_bytes());
        hash.update([u8::from(row.has_from), u8::from(row.has_to)]);
    }
    let count = |wanted: &dyn Fn(&&Row) -> bool| rows.iter().filter(wanted).count() as i64;
    Plan {
        accounts: rows.len() as i64,
        made: if order.to.is_some() {
            count(&|row| !row.has_to)
        } else {
            0
        },
        ended: count(&|row| row.has_from),
        digest: hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::ids::TeamId;

    #[test]
    fn a_plan_counts_what_changes_and_its_digest_is_of_these_accounts() {
        let order = Order {
            accounts: AccountQuery::default(),
            from: None,
            to: Some(Holder::Team(TeamId::fresh())),
        };
        let row = |has_to: bool| Row {
            id: engine::ids::fresh(),
            has_from: false,
            has_to,
        };
        let rows = [row(true), row(false), row(false)];
        let plan = made_of(&rows, &order);
        assert_eq!((plan.accounts, plan.made, plan.ended), (3, 2, 0));
        assert_eq!(made_of(&rows, &order), plan);
        assert_ne!(made_of(&rows[..2], &order).digest, plan.digest);
    }
}
