//! What a tenant asks of its people: how long sessions last, what passwords are like, how many
//! mistakes lock an account, how long the audit trail is kept.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde::{Deserialize, Serialize};

/// A tenant's rules; without any said, [`Policy::default`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// A session ends this long after its last use.
    pub idle_minutes: i32,
    /// A session ends this long after sign-in, used or not.
    pub absolute_minutes: i32,
    /// Fewest characters of a password.
    pub password_shortest: i32,
    /// How many of: lower case, upper case, digits, other characters.
    pub password_kinds: i32,
    /// Earlier passwords that may not be taken again.
    pub password_remembered: i32,
    /// A password must be changed after this long.
    pub password_days: Option<i32>,
    /// Wrong passwords in a row, from wherever, that lock an account.
    pub lockout_failures: i32,
    pub lockout_minutes: i32,
    /// How long an invitation holds.
    pub set_up_hours: i32,
    /// How long audit entries are kept at least; `None` for ever.
    pub audit_days: Option<i32>,
    /// Calls of the whole tenant in a minute.
    pub calls_per_minute: i32,
    /// How long password or second factor count as just shown, for sensitive actions.
    pub step_up_minutes: i32,
    /// How long a browser is remembered and asked for no second factor; 0: none is.
    pub device_days: i32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            idle_minutes: 30,
            absolute_minutes: 720,
            password_shortest: 10,
            password_kinds: 1,
            password_remembered: 5,
            password_days: None,
            lockout_failures: 20,
            lockout_minutes: 15,
            set_up_hours: 72,
            audit_days: None,
            calls_per_minute: 60_000,
            step_up_minutes: 15,
            device_days: 30,
        }
    }
}

impl Policy {
    /// Bounds of each value, as the table has them.
    fn parts(&self) -> [(&'static str, Option<i32>, RangeInclusive<i32>); 13] {
        [
            ("idle_minutes", Some(self.idle_minutes), 1..=1440),
            ("absolute_minutes", Some(self.absolute_minutes), 5..=43_200),
            ("password_shortest", Some(self.password_shortest), 8..=128),
            ("password_kinds", Some(self.password_kinds), 1..=4),
            (
                "password_remembered",
                Some(self.password_remembered),
                0..=24,
            ),
            ("password_days", self.password_days, 1..=3650),
            ("lockout_failures", Some(self.lockout_failures), 3..=1000),
            ("lockout_minutes", Some(self.lockout_minutes), 1..=1440),
            ("set_up_hours", Some(self.set_up_hours), 1..=720),
            ("audit_days", self.audit_days, 90..=36_500),
            (
                "calls_per_minute",
                Some(self.calls_per_minute),
                60..=1_000_000,
            ),
            ("step_up_minutes", Some(self.step_up_minutes), 1..=1440),
            ("device_days", Some(self.device_days), 0..=365),
        ]
    }

    /// The values that are out of bounds: name and why.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let outside = |(name, value, bounds): (&'static str, Option<i32>, RangeInclusive<i32>)| {
            let value = value?;
            let (least, most) = (bounds.start(), bounds.end());
            (!bounds.contains(&value))
                .then(|| (name, format!("{name} must be between {least} and {most}")))
        };
        self.parts().into_iter().filter_map(outside).collect()
    }

    pub(crate) fn absolute(&self) -> TimeDelta {
        TimeDelta::minutes(self.absolute_minutes.into())
    }

    /// Until when a password or factor that was shown now counts as just shown.
    pub fn fresh_until(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::minutes(self.step_up_minutes.into())
    }

    pub(crate) fn locked_until(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::minutes(self.lockout_minutes.into())
    }

    /// Until when an invitation of now holds.
    pub fn set_up_until(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::hours(self.set_up_hours.into())
    }
}

/// A tenant's rules with the version of their row; 0 while there is none.
#[derive(Clone, Debug)]
pub struct Current {
    pub policy: Policy,
    pub version: i64,
}

/// The rules that hold.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn current(tx: &mut Tx) -> Result<Current, StoreError> {
    let row = sqlx::query!(
        "select idle_minutes, absolute_minutes, password_shortest, password_kinds,
                password_remembered, password_days, lockout_failures, lockout_minutes, set_up_hours,
                audit_days, calls_per_minute, step_up_minutes, device_days, version
         from security_policies"
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map_or_else(
        || Current {
            policy: Policy::default(),
            version: 0,
        },
        |row| Current {
            version: row.version,
            policy: Policy {
                idle_minutes: row.idle_minutes,
                absolute_minutes: row.absolute_minutes,
                password_shortest: row.password_shortest,
                password_kinds: row.password_kinds,
                password_remembered: row.password_remembered,
                password_days: row.password_days,
                lockout_failures: row.lockout_failures,
                lockout_minutes: row.lockout_minutes,
                set_up_hours: row.set_up_hours,
                audit_days: row.audit_days,
                calls_per_minute: row.calls_per_minute,
                step_up_minutes: row.step_up_minutes,
                device_days: row.device_days,
            },
        },
    ))
}

/// Sets the rules; they count from the next request on. `version` is the one that was read.
///
/// # Errors
/// [`StoreError::Stale`]; [`StoreError::Conflict`] where [`Policy::problems`] has any.
pub async fn change(tx: &mut Tx, version: i64, policy: &Policy) -> Result<(), StoreError> {
    if let Some((_name, problem)) = policy.problems().into_iter().next() {
        return Err(StoreError::Conflict(problem));
    }
    let before = current(tx).await?;
    let changed = sqlx::query!(
        "insert into security_policies
             (idle_minutes, absolute_minutes, password_shortest, password_kinds,
              password_remembered, password_days, lockout_failures, lockout_minutes, set_up_hours,
              audit_days, calls_per_minute, step_up_minutes, device_days)
         select $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
         where $1::bigint = 0 or exists (select from security_policies where version = $1)
         on conflict (tenant_id) do update
         set idle_minutes = excluded.idle_minutes,
             absolute_minutes = excluded.absolute_minutes,
             password_shortest = excluded.password_shortest,
             password_kinds = excluded.password_kinds,
             password_remembered = excluded.password_remembered,
             password_days = excluded.password_days,
             lockout_failures = excluded.lockout_failures,
             lockout_minutes = excluded.lockout_minutes,
             set_up_hours = excluded.set_up_hours,
             audit_days = excluded.audit_days,
             calls_per_minute = excluded.calls_per_minute,
             step_up_minutes = excluded.step_up_minutes,
             device_days = excluded.device_days,
             version = security_policies.version + 1
         where security_policies.version = $1",
        version,
        policy.idle_minutes,
        policy.absolute_minutes,
        policy.password_shortest,
        policy.password_kinds,
        policy.password_remembered,
        policy.password_days,
        policy.lockout_failures,
        policy.lockout_minutes,
        policy.set_up_hours,
        policy.audit_days,
        policy.calls_per_minute,
        policy.step_up_minutes,
        policy.device_days,
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Stale("security policy".to_owned()));
    }
    let shown = |policy: &Policy| serde_json::to_value(policy).map_err(StoreError::Encode);
    let entry = Entry::new("set_security_policy", "security", "policy")
        .before(shown(&before.policy)?)
        .after(shown(policy)?);
    tx.audit(entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_within_bounds_and_what_is_not_is_named() {
        assert!(Policy::default().problems().is_empty());
        let policy = Policy {
            idle_minutes: 0,
            audit_days: Some(10),
            ..Policy::default()
        };
        let names: Vec<_> = policy
            .problems()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["idle_minutes", "audit_days"]);
    }
}
