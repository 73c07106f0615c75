//! How long what is kept beside the records stays. A schedule of the tenant's takes away daily what is
//! older, and counts anew what the tenant uses.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use engine::runtime::cron::Timing;
use engine::store::audit::Entry;
use engine::store::quotas;
use engine::store::schedules::{self, CatchUp, Overlap, ScheduleError, ScheduleSpec};
use engine::{StoreError, Tx};
use serde_json::json;

/// The workflow that takes away.
pub const RETENTION_WORKFLOW: &str = "apply_retention";

/// Kinds of what is kept, with the statement that takes away what is older than a moment, at most so
/// many rows at once.
const KINDS: [(&str, &str); 8] = [
    (
        "history",
        "delete from changes where (entity_id, id) in
             (select entity_id, id from changes where at < $1 limit $2)",
    ),
    (
        "previews",
        "delete from preview_rows where (preview_id, number) in
             (select r.preview_id, r.number from preview_rows r
              join previews p on p.id = r.preview_id where p.asked_at < $1 limit $2)",
    ),
    (
        "withheld",
        "delete from withheld where id in
             (select id from withheld where state <> 'open' and ended_at < $1 limit $2)",
    ),
    (
        "conflicts",
        "delete from conflicts where id in
             (select id from conflicts where state = 'resolved' and resolved_at < $1 limit $2)",
    ),
    (
        "links",
        "delete from link_events where id in (select id from link_events where at < $1 limit $2)",
    ),
    (
        // What was said of a record holds for ever; what was compared does not stay with it.
        "matches",
        "update matches
         set candidates = '[]', candidate_ids = '{}', keys = '{}', raw = '{}', note = null
         where id in
             (select id from matches
              where state <> 'open' and decided_at < $1 and raw::text <> '{}' limit $2)",
    ),
    (
        "writes",
        "delete from writes where id in
             (select id from writes
              where state in ('settled', 'superseded') and coalesce(settled_at, created_at) < $1
              limit $2)",
    ),
    (
        "mails",
        "delete from outgoing_mails where id in
             (select id from outgoing_mails where sent_at < $1 limit $2)",
    ),
];

/// Days that each kind is kept; a kind that is not in it is kept for ever.
pub type Policy = BTreeMap<String, i32>;

/// Names of the kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}

/// What cannot be a policy: the kind and why.
pub fn problem(policy: &Policy) -> Option<(String, String)> {
    policy.iter().find_map(|(kind, days)| {
        if !kinds().any(|known| known == kind) {
            let known: Vec<_> = kinds().collect();
            let why = format!("nothing is kept under this name: {}", known.join(", "));
            return Some((kind.chars().take(40).collect(), why));
        }
        let is_within = (1..=36_500).contains(days);
        (!is_within).then(|| (kind.clone(), format!("{kind} is kept for 1 to 36500 days")))
    })
}

/// What the tenant said.
///
/// # Errors
/// [`StoreError`].
pub async fn current(tx: &mut Tx) -> Result<Policy, StoreError> {
    let rows = sqlx::query!("select kind, days from retention_policies order by kind")
        .fetch_all(tx.conn())
        .await?;
    Ok(rows.into_iter().map(|row| (row.kind, row.days)).collect())
}

/// Why a policy was not set.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// Sets the whole policy, and makes the schedule that applies it if there is none.
///
/// # Errors
/// [`Refusal`]; [`StoreError::Conflict`] where [`problem`] has one.
pub async fn set(tx: &mut Tx, policy: &Policy) -> Result<(), Refusal> {
    if let Some((_kind, why)) = problem(policy) {
        return Err(StoreError::Conflict(why).into());
    }
    let before = current(tx).await?;
    let kinds: Vec<String> = policy.keys().cloned().collect();
    let days: Vec<i32> = policy.values().copied().collect();
    sqlx::query!(
        "delete from retention_policies where kind <> all($1)",
        &kinds
    )
    .execute(tx.conn())
    .await
    .map_err(StoreError::from)?;
    sqlx::query!(
        "insert into retention_policies (kind, days)
         select kind, days from unnest($1::text[], $2::integer[]) as wished (kind, days)
         on conflict (tenant_id, kind) do update set days = excluded.days",
        &kinds,
        &days,
    )
    .execute(tx.conn())
    .await
    .map_err(StoreError::from)?;
    ensure_schedule(tx).await?;
    tx.audit(
        Entry::new("set_retention", "retention", "policy")
            .before(json!(before))
            .after(json!(policy)),
    );
    Ok(())
}

/// Makes the schedule that takes away and counts, if there is none.
///
/// # Errors
/// [`Refusal`].
pub async fn ensure_schedule(tx: &mut Tx) -> Result<(), Refusal> {
    let known = schedules::list(tx).await?;
    if !known
        .iter()
        .any(|schedule| schedule.spec.workflow == RETENTION_WORKFLOW)
    {
        let spec = ScheduleSpec {
            name: "Retention".to_owned(),
            workflow: RETENTION_WORKFLOW.to_owned(),
            workflow_version: 1,
            input: serde_json::Value::Null,
            key: Some("retention".to_owned()),
            connection_id: None,
            stream: None,
            timing: Timing::new("17 3 * * *", "UTC"),
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            catch_up_limit: crate::schedules::CATCH_UP_LIMIT,
            pause: None,
        };
        schedules::insert(tx, &spec).await?;
    }
    Ok(())
}

/// Takes away some of what is older than the policy keeps it; how many rows of each kind. Nothing more
/// is left of a kind that is not in the answer.
///
/// # Errors
/// [`StoreError`].
pub async fn take_away(tx: &mut Tx, most: i64) -> Result<BTreeMap<String, u64>, StoreError> {
    let (policy, now) = (current(tx).await?, tx.now());
    let mut gone = BTreeMap::new();
    for (kind, statement) in KINDS {
        let Some(days) = policy.get(kind) else {
            continue;
        };
        let before: DateTime<Utc> = now - TimeDelta::days((*days).into());
        let done = sqlx::query(statement)
            .bind(before)
            .bind(most)
            .execute(tx.conn())
            .await?;
        if done.rows_affected() > 0 {
            gone.insert(kind.to_owned(), done.rows_affected());
        }
    }
    let exports = sqlx::query!("delete from subject_exports where expires_at <= $1", now)
        .execute(tx.conn())
        .await?;
    if exports.rows_affected() > 0 {
        gone.insert("subject_exports".to_owned(), exports.rows_affected());
    }
    Ok(gone)
}

/// Counts anew what the tenant uses, and sets right what drifted. It reads whole indexes, and whoever
/// makes records meanwhile waits: for a run, or for whoever runs the hub.
///
/// # Errors
/// [`StoreError`].
pub async fn recount(tx: &mut Tx) -> Result<i64, StoreError> {
    quotas::hold_usage(tx).await?;
    let records = sqlx::query_scalar!(
        r#"select (select count(*) from accounts where removed_at is null)
                + (select count(*) from contacts where removed_at is null) as "records!""#
    )
    .fetch_one(tx.conn())
    .await?;
    quotas::recount(tx, records).await?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_kinds_that_there_are_and_days_that_make_sense() {
        let policy = |kind: &str, days| Policy::from([(kind.to_owned(), days)]);
        assert_eq!(problem(&policy("history", 365)), None);
        for (kind, days) in [
            ("accounts", 1),
            ("history", 0),
            ("history", 40_000),
            ("", 1),
        ] {
            assert!(problem(&policy(kind, days)).is_some(), "{kind} {days}");
        }
    }
}
