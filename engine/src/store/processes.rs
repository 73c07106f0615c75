//! Processes of the hub, by incarnation: who lives, who has died.
//!
//! A process holds a session lock for as long as it lives; the server lets it go within
//! milliseconds of the process's end. The sign of life covers what a lock cannot see: a cut network,
//! a pooler. Times here are the server's, because those of several machines are compared.

use chrono::{DateTime, Utc};

use super::activations;
use super::{StoreError, SystemTx, Tx};
use crate::ids::{ProcessId, RunId, TenantId};

/// A process without a sign of life for this long has died. Seconds.
pub(crate) const SILENCE: f64 = 15.0;

/// A process that has registered.
#[derive(Clone, Debug)]
pub struct ProcessRow {
    pub id: ProcessId,
    pub host: String,
    pub started_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
}

/// The processes with a recent sign of life, oldest first.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn alive(tx: &mut Tx) -> Result<Vec<ProcessRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, host, started_at, seen_at
        from processes
        where seen_at > clock_timestamp() - make_interval(secs => $1)
        order by started_at
        "#,
        SILENCE
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ProcessRow {
            id: ProcessId(row.id),
            host: row.host,
            started_at: row.started_at,
            seen_at: row.seen_at,
        })
        .collect())
}

/// Enters this process, which holds the session lock `lock_key` already and can run the workflows
/// `knows` (`name/version`).
pub(crate) async fn register(
    tx: &mut SystemTx,
    id: ProcessId,
    host: &str,
    lock_key: i64,
    knows: &[String],
) -> Result<(), StoreError> {
    modelled!(tx, register(id, host, lock_key, knows));
    sqlx::query!(
        r#"
        insert into processes (id, host, lock_key, started_at, seen_at, knows)
        values ($1, $2, $3, clock_timestamp(), clock_timestamp(), $4)
        "#,
        id.0,
        host,
        lock_key,
        knows,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What a look at the database tells a process, once a second.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// False when the others have buried this process.
    pub(crate) alive: bool,
    /// Other processes whose lock is free or who have been silent for long. The locks are taken
    /// until the end of the transaction, so that one of us buries them.
    pub(crate) dead: Vec<ProcessId>,
    /// Our running runs that somebody wants to stop.
    pub(crate) cancelled: Vec<RunId>,
    /// Runs are due that a claim might take.
    pub(crate) ready: bool,
    /// When the first sleeping run is due.
    pub(crate) next_due: Option<DateTime<Utc>>,
    /// When the first waiting run has waited long enough.
    pub(crate) next_wait: Option<DateTime<Utc>>,
    pub(crate) next_schedule: Option<DateTime<Utc>>,
    /// When the first run must have ended.
    pub(crate) next_deadline: Option<DateTime<Utc>>,
    /// When the first closed lane opens.
    pub(crate) next_opening: Option<DateTime<Utc>>,
    /// Runs wait for room in their lane.
    pub(crate) behind: bool,
    /// Runs were called by ones that were cancelled.
    pub(crate) orphans: bool,
}

/// Gives a sign of life and looks around; at the table of runs only if `thorough`: while a snapshot is
/// held open that takes the longer the more has ended since.
pub(crate) async fn pulse(
    tx: &mut SystemTx,
    me: ProcessId,
    thorough: bool,
) -> Result<Pulse, StoreError> {
    modelled!(tx, pulse(me, thorough));
    let row = sqlx::query!(
        r#"
        with beat as (
            update processes set seen_at = clock_timestamp() where id = $1 returning id
        )
        select exists (select from beat) as "alive!",
               array(select id from processes
                     where id <> $1
                       and (pg_try_advisory_xact_lock(lock_key)
                            or seen_at < clock_timestamp() - make_interval(secs => $2)))
                   as "dead!",
               array(select id from runs
                     where owner = $1 and state = 'running' and cancel_requested)
                   as "cancelled!",
               $3 and exists (select from runs
                              where state = 'queued' and not behind and not asleep) as "ready!",
               case when $3 then
                   (select due_at from runs
                    where state = 'queued' and asleep and not behind
                    order by due_at limit 1) end as next_due,
               (select closed_until from lanes
                where closed_until is not null
                order by closed_until limit 1) as next_opening,
               case when $3 then
                   (select due_at from runs
                    where state = 'waiting' and due_at is not null
                    order by due_at limit 1) end as next_wait,
               (select next_at from schedules
                where not paused and next_at is not null
                order by next_at limit 1) as next_schedule,
               case when $3 then
                   (select deadline from runs
                    where deadline is not null and state in ('queued', 'running', 'waiting')
                      and not cancel_requested
                    order by deadline limit 1) end as next_deadline,
               $3 and exists (select from runs where state = 'queued' and behind) as "behind!",
               exists (select from cancelled_parents) as "orphans!"
        "#,
        me.0,
        SILENCE,
        thorough,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Pulse {
        alive: row.alive,
        dead: row.dead.into_iter().map(ProcessId).collect(),
        cancelled: row.cancelled.into_iter().map(RunId).collect(),
        ready: row.ready,
        next_due: row.next_due,
        next_wait: row.next_wait,
        next_schedule: row.next_schedule,
        next_opening: row.next_opening,
        next_deadline: row.next_deadline,
        behind: row.behind,
        orphans: row.orphans,
    })
}

/// Removes a process and queues its runs again; returns how many.
pub(crate) async fn bury(tx: &mut SystemTx, id: ProcessId) -> Result<u64, StoreError> {
    modelled!(tx, bury(id));
    sqlx::query!("delete from processes where id = $1", id.0)
        .execute(tx.conn())
        .await?;
    activations::release_all(tx, id).await
}

/// Due runs that no living process can run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UnknownRuns {
    pub(crate) tenant: TenantId,
    pub(crate) workflow: String,
    pub(crate) version: i16,
}

/// Which due runs no living process can run. Up to 10,000 tenants' workflows are looked at.
pub(crate) async fn unknown_runs(tx: &mut SystemTx) -> Result<Vec<UnknownRuns>, StoreError> {
    modelled!(tx, unknown_runs());
    let rows = sqlx::query!(
        r#"
        with recursive walk(tenant_id, workflow, version, hops) as (
            (select tenant_id, workflow, version, 1 from runs
             where state = 'queued' and not behind and not asleep
             order by tenant_id, workflow, version limit 1)
            union all
            select n.tenant_id, n.workflow, n.version, w.hops + 1
            from walk w
            cross join lateral (
                select r.tenant_id, r.workflow, r.version from runs r
                where r.state = 'queued' and not r.behind and not r.asleep
                  and (r.tenant_id, r.workflow, r.version) > (w.tenant_id, w.workflow, w.version)
                order by r.tenant_id, r.workflow, r.version limit 1
            ) n
            where w.hops < 10000
        )
        select w.tenant_id as "tenant_id!", w.workflow as "workflow!", w.version as "version!"
        from walk w
        where not exists (
            select from processes p
            where p.seen_at > clock_timestamp() - make_interval(secs => $1)
              and w.workflow || '/' || w.version = any(p.knows))
        "#,
        SILENCE
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| UnknownRuns {
            tenant: TenantId(row.tenant_id),
            workflow: row.workflow,
            version: row.version,
        })
        .collect())
}
