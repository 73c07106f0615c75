//! Which roles need a second factor, and from when on.

use chrono::{DateTime, TimeDelta, Utc};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;

use crate::users::Role;

/// Longest time people get to set one up, in days.
pub const LONGEST_GRACE: i32 = 90;

/// The rule of a role whose people need a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub role: Role,
    /// Days to set one up, from the rule's first day or the person's.
    pub grace_days: i32,
    pub required_since: DateTime<Utc>,
}

/// Until when somebody must have a factor, by the rule of their role.
pub fn due(
    required_since: DateTime<Utc>,
    grace_days: i32,
    person_since: DateTime<Utc>,
) -> DateTime<Utc> {
    required_since.max(person_since) + TimeDelta::days(grace_days.into())
}

/// The rules; roles without one may do without.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Rule>, StoreError> {
    let rows =
        sqlx::query!("select role, grace_days, required_since from factor_rules order by role")
            .fetch_all(tx.conn())
            .await?;
    rows.into_iter()
        .map(|row| {
            let role = row.role.parse();
            let role = role.map_err(|error| StoreError::corrupt("role of a factor rule", error))?;
            Ok(Rule {
                role,
                grace_days: row.grace_days,
                required_since: row.required_since,
            })
        })
        .collect()
}

/// Sets which roles need a factor. Roles that needed one before keep the day from which their grace is
/// counted.
///
/// # Errors
/// [`StoreError`].
pub async fn set(tx: &mut Tx, rules: &[(Role, i32)]) -> Result<(), StoreError> {
    let before = list(tx).await?;
    let now = tx.now();
    let roles: Vec<String> = rules.iter().map(|(role, _)| role.to_string()).collect();
    let graces: Vec<i32> = rules.iter().map(|(_, grace)| *grace).collect();
    sqlx::query!("delete from factor_rules where role <> all($1)", &roles)
        .execute(tx.conn())
        .await?;
    sqlx::query!(
        "insert into factor_rules (role, grace_days, required_since)
         select role, grace, $3 from unnest($1::text[], $2::integer[]) as wished(role, grace)
         on conflict (tenant_id, role) do update set grace_days = excluded.grace_days",
        &roles,
        &graces,
        now,
    )
    .execute(tx.conn())
    .await?;
    let was: Vec<_> = before
        .iter()
        .map(|rule| json!({"role": rule.role, "grace_days": rule.grace_days}))
        .collect();
    let is: Vec<_> = rules
        .iter()
        .map(|(role, grace)| json!({"role": role, "grace_days": grace}))
        .collect();
    let entry = Entry::new("set_factor_rules", "security", "factors");
    tx.audit(entry.before(json!(was)).after(json!(is)));
    Ok(())
}
