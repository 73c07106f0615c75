//! A worker's side of a run: claim, load, record, give back. Every write names the lease it is made
//! under and changes nothing when that is no longer the run's.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use connector_sdk::trace::TraceContext;
use serde_json::Value as Json;
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use super::lanes::Behind;
use super::processes::UnknownRuns;
use super::steps::StepRow;
use super::{Store, StoreError, SystemTx};
use crate::ids::{ProcessId, RunId, TenantId};

/// A day of the journal is empty at midnight and full at noon: as with the claim, no statistics.
const BEGIN_LOAD: &str = "begin; set local role syncline_system; \
    set local synchronous_commit = off; set local enable_seqscan = off";

/// The right to write to a run: it stands while the run has this epoch and owner. Statements compare
/// the owner with `is not distinct from`, which uses no index: the run is found by its key, not among
/// everything the process holds or held. A run without an owner is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    pub(crate) tenant: TenantId,
    pub(crate) id: RunId,
    pub(crate) epoch: i64,
    pub(crate) owner: ProcessId,
}

/// A run as it was claimed.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) lease: Lease,
    pub(crate) workflow: String,
    pub(crate) version: i16,
    pub(crate) input: Vec<u8>,
    pub(crate) cancel_requested: bool,
    /// By when it must have ended.
    pub(crate) deadline: Option<DateTime<Utc>>,
    /// Who or what wanted it.
    pub(crate) trigger: String,
    /// Another run waits for what it returns.
    pub(crate) called: bool,
    /// Others may wait for its key.
    pub(crate) keyed: bool,
    /// Where what started it stands in a trace.
    pub(crate) trace: Option<TraceContext>,
    pub(crate) priority: i16,
    pub(crate) due_at: Option<DateTime<Utc>>,
}

/// Runs that a claim takes in the order of their due time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) tenant: TenantId,
    pub(crate) workflow: String,
    pub(crate) version: i16,
    pub(crate) priority: i16,
}

/// From where on a claim looks at a group: a due time, and of the runs that are due then the id.
pub(crate) type Floor = (DateTime<Utc>, RunId);

/// What a claim is asked for.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Most runs.
    pub(crate) runs: i64,
    /// Tenants are walked from here on.
    pub(crate) after: Option<TenantId>,
    /// Most tenants.
    pub(crate) tenants: i32,
    /// For so long a run waits at most for those of the next higher priority.
    pub(crate) ageing: Duration,
    /// `{tenant: [seconds used, seconds of one run]}`; `others` for those without an entry.
    pub(crate) used: &'a Json,
    /// Of these groups, what is below is not looked at.
    pub(crate) floors: &'a [(Group, Floor)],
}

/// What a claim found.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    pub(crate) runs: Vec<Claimed>,
    /// There may be more to claim of the tenants it looked at.
    pub(crate) more: bool,
    /// The last tenant it looked at, if others may come after it.
    pub(crate) last_tenant: Option<TenantId>,
    /// A limit was met: the end of a run may let another go.
    pub(crate) limited: bool,
    /// When the first of the runs is due that it put to sleep.
    pub(crate) wakes_at: Option<DateTime<Utc>>,
}

/// Begins the transaction for [`histories`].
pub(crate) async fn begin_load(store: &Store) -> Result<SystemTx, StoreError> {
    store.system(BEGIN_LOAD).await
}

/// What [`wake_sleepers`] did.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    /// When the first of those was due that it put in the claim's way.
    pub(crate) earliest: Option<DateTime<Utc>>,
    /// When the next one is due.
    pub(crate) next: Option<DateTime<Utc>>,
}

/// Puts due sleepers in the claim's way, at most 1,000.
pub(crate) async fn wake_sleepers(tx: &mut SystemTx) -> Result<Woken, StoreError> {
    modelled!(tx, wake_sleepers());
    let now = tx.now();
    Ok(sqlx::query_as!(
        Woken,
        r#"
        with due as materialized (
            select ctid as place, due_at
            from runs
            where state = 'queued' and asleep and not behind and due_at <= $1
            order by due_at
            limit 1000
            for update skip locked
        ), woken as (
            update runs set asleep = false where ctid = any(array(select place from due))
        )
        select (select min(due_at) from due) as earliest,
               case when (select count(*) from due) = 1000 then $1
               else (select due_at from runs
                     where state = 'queued' and asleep and not behind and due_at > $1
                     order by due_at
                     limit 1) end as next
        "#,
        now
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Claims due runs for `owner`.
pub(crate) async fn claim(
    tx: &mut SystemTx,
    owner: ProcessId,
    wanted: &Wanted<'_>,
) -> Result<Claim, StoreError> {
    modelled!(tx, claim(owner, wanted));
    let now = tx.now();
    let from = wanted.after.map_or(0, |after| after.0.as_u128() + 1);
    let ageing = i64::try_from(wanted.ageing.as_micros()).unwrap_or(i64::MAX);
    let (groups, floors): (Vec<&Group>, Vec<&Floor>) = wanted
        .floors
        .iter()
        .map(|(group, floor)| (group, floor))
        .unzip();
    let rows = sqlx::query_file!(
        "src/store/claim.sql",
        owner.0,
        now,
        wanted.runs,
        Uuid::from_u128(from),
        wanted.tenants,
        PgInterval {
            months: 0,
            days: 0,
            microseconds: ageing,
        },
        wanted.used,
        &groups
            .iter()
            .map(|group| group.tenant.0)
            .collect::<Vec<_>>(),
        &groups
            .iter()
            .map(|group| group.workflow.clone())
            .collect::<Vec<_>>(),
        &groups.iter().map(|group| group.version).collect::<Vec<_>>(),
        &groups
            .iter()
            .map(|group| group.priority)
            .collect::<Vec<_>>(),
        &floors.iter().map(|floor| floor.0).collect::<Vec<_>>(),
        &floors.iter().map(|floor| floor.1.0).collect::<Vec<_>>(),
    )
    .fetch_all(tx.conn())
    .await?;
    let mut claim = Claim::default();
    for row in rows {
        claim.more = row.more;
        claim.limited = row.limited;
        claim.last_tenant = row.last_tenant.map(TenantId);
        claim.wakes_at = row.wakes_at;
        let (Some(tenant), Some(id), Some(epoch), Some(workflow)) =
            (row.tenant_id, row.id, row.epoch, row.workflow)
        else {
            continue;
        };
        claim.runs.push(Claimed {
            lease: Lease {
                tenant: TenantId(tenant),
                id: RunId(id),
                epoch,
                owner,
            },
            workflow,
            version: row.version.unwrap_or_default(),
            input: row.input.unwrap_or_default(),
            cancel_requested: row.cancel_requested.unwrap_or_default(),
            deadline: row.deadline,
            trigger: row.trigger.unwrap_or_default(),
            called: row.called.unwrap_or_default(),
            keyed: row.keyed.unwrap_or_default(),
            trace: row.trace.as_deref().and_then(TraceContext::parse),
            priority: row.priority.unwrap_or_default(),
            due_at: row.due_at,
        });
    }
    // Sorted here: the server is what claims wait for.
    let rank = |run: &Claimed| {
        let ahead = ageing.saturating_mul(run.priority.into());
        let due = run.due_at.map(|due| due.timestamp_micros());
        due.map(|due| due.saturating_sub(ahead))
    };
    claim
        .runs
        .sort_unstable_by_key(|run| (rank(run), run.lease.id));
    Ok(claim)
}

/// What a run did in earlier activations.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// By seq from zero; only within a map may some be missing.
    pub(crate) steps: Vec<StepRow>,
    /// Of the steps that are not among them, by seq.
    pub(crate) attempts: BTreeMap<i32, PastAttempts>,
}

/// Failed attempts of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PastAttempts {
    /// The number of the last one.
    pub(crate) last: u32,
    /// How many use up what the step's retry allows.
    pub(crate) counted: u32,
    /// When the next one is due.
    pub(crate) next_at: Option<DateTime<Utc>>,
}

/// The histories of these runs, in their order. To be called after the claim has committed: then
/// no earlier owner can add to them.
pub(crate) async fn histories(
    tx: &mut SystemTx,
    leases: &[Lease],
) -> Result<Vec<History>, StoreError> {
    modelled!(tx, histories(leases));
    let tenants: Vec<_> = leases.iter().map(|lease| lease.tenant.0).collect();
    let ids: Vec<_> = leases.iter().map(|lease| lease.id.0).collect();
    let mut histories: Vec<_> = leases.iter().map(|_| History::default()).collect();
    let (Some(&first), Some(&last)) = (ids.iter().min(), ids.iter().max()) else {
        return Ok(histories);
    };
    let rows = sqlx::query_file!("src/store/histories.sql", &tenants, &ids, first, last)
        .fetch_all(tx.conn())
        .await?;
    for row in rows {
        if let Some(history) = place(&mut histories, row.place) {
            history.steps.push(StepRow {
                seq: row.seq,
                name: row.name.into(),
                key: row.key,
                kind: row.kind.into(),
                attempt: row.attempt,
                output: row.output,
                error: row.error,
                started_at: row.started_at,
                finished_at: row.finished_at,
            });
        }
    }
    let rows = sqlx::query!(
        r#"
        select t.place as "place!", a.seq, max(a.attempt) as "last!",
               count(*) filter (where a.counts) as "counted!", max(a.next_at) as next_at
        from unnest($1::uuid[], $2::uuid[]) with ordinality as t(tenant_id, run_id, place)
        join attempts a on a.tenant_id = t.tenant_id and a.run_id = t.run_id
        where a.run_id between $3 and $4
        group by t.place, a.seq
        "#,
        &tenants,
        &ids,
        first,
        last,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        if let Some(history) = place(&mut histories, row.place)
            && history
                .steps
                .binary_search_by_key(&row.seq, |step| step.seq)
                .is_err()
        {
            let past = PastAttempts {
                last: u32::try_from(row.last).unwrap_or(0),
                counted: u32::try_from(row.counted).unwrap_or(u32::MAX),
                next_at: row.next_at,
            };
            history.attempts.insert(row.seq, past);
        }
    }
    Ok(histories)
}

fn place(histories: &mut [History], ordinality: i64) -> Option<&mut History> {
    usize::try_from(ordinality - 1)
        .ok()
        .and_then(|index| histories.get_mut(index))
}

/// Queues runs again that are still held under these leases: at shutdown, or when it is unknown
/// what became of a write.
pub(crate) async fn release(tx: &mut SystemTx, leases: &[Lease]) -> Result<u64, StoreError> {
    modelled!(tx, release(leases));
    let released = sqlx::query!(
        r#"
        update runs r
        set state = 'queued', owner = null
        from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[])
            as t(tenant_id, id, epoch, owner)
        where r.tenant_id = t.tenant_id and r.id = t.id
          and r.epoch = t.epoch and r.owner is not distinct from t.owner
        "#,
        &leases
            .iter()
            .map(|lease| lease.tenant.0)
            .collect::<Vec<_>>(),
        &leases.iter().map(|lease| lease.id.0).collect::<Vec<_>>(),
        &leases.iter().map(|lease| lease.epoch).collect::<Vec<_>>(),
        &leases.iter().map(|lease| lease.owner.0).collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(released.rows_affected())
}

/// Queues everything again that a dead process held.
pub(crate) async fn release_all(tx: &mut SystemTx, owner: ProcessId) -> Result<u64, StoreError> {
    let released = sqlx::query!(
        "update runs set state = 'queued', owner = null where owner = $1 and state = 'running'",
        owner.0
    )
    .execute(tx.conn())
    .await?;
    Ok(released.rows_affected())
}

/// Parks due runs that nobody can run, at most 1,000; returns them with the lanes that they free.
pub(crate) async fn park_unknown(
    tx: &mut SystemTx,
    runs: &UnknownRuns,
    message: &str,
) -> Result<Vec<(RunId, Option<Behind>)>, StoreError> {
    modelled!(tx, park_unknown(runs, message));
    let rows = sqlx::query!(
        r#"
        update runs r
        set state = 'parked', due_at = null, holds_key = false, error_class = 'bug',
            error = jsonb_build_object('class', 'bug', 'message', $4::text, 'code', 'parked')
        where ctid = any(array(
            select ctid from runs
            where state = 'queued' and not behind and not asleep
              and tenant_id = $1 and workflow = $2 and version = $3
            limit 1000
            for update skip locked))
        returning id, key
        "#,
        runs.tenant.0,
        runs.workflow,
        runs.version,
        message,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let freed = row.key.map(|key| Behind::key(runs.tenant, &key));
            (RunId(row.id), freed)
        })
        .collect())
}

/// Queues runs again whose owner is no process: it claimed them after it was taken for dead, or the
/// server came to the claim's commit after it had died. Nobody would bury it once more.
pub(crate) async fn release_orphans(tx: &mut SystemTx) -> Result<u64, StoreError> {
    modelled!(tx, release_orphans());
    let released = sqlx::query!(
        r#"
        with recursive owners(owner) as (
            (select owner from runs where state = 'running' order by owner limit 1)
            union all
            select (select r.owner from runs r
                    where r.state = 'running' and r.owner > o.owner
                    order by r.owner limit 1)
            from owners o
            where o.owner is not null
        )
        update runs
        set state = 'queued', owner = null
        where state = 'running' and owner = any(array(
            select o.owner from owners o
            where o.owner is not null
              and not exists (select from processes p where p.id = o.owner)))
        "#
    )
    .execute(tx.conn())
    .await?;
    Ok(released.rows_affected())
}

/// Queues waiting runs whose time is up.
pub(crate) async fn wake_overdue(tx: &mut SystemTx) -> Result<u64, StoreError> {
    modelled!(tx, wake_overdue());
    let now = tx.now();
    let woken = sqlx::query!(
        r#"
        update runs
        set state = 'queued'
        where ctid = any(array(
            select ctid from runs
            where state = 'waiting' and due_at <= $1
            order by due_at
            limit 1000
            for update skip locked))
        "#,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(woken.rows_affected())
}

/// Shows how far running runs are.
pub(crate) async fn show_progress(
    tx: &mut SystemTx,
    rows: &[(Lease, Option<Json>, Option<Json>)],
) -> Result<(), StoreError> {
    modelled!(tx, show_progress(rows));
    sqlx::query!(
        r#"
        update runs r
        set progress = coalesce(t.progress, r.progress), counts = coalesce(t.counts, r.counts)
        from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::jsonb[], $5::jsonb[], $6::uuid[])
            as t(tenant_id, id, epoch, progress, counts, owner)
        where r.tenant_id = t.tenant_id and r.id = t.id and r.epoch = t.epoch
          and r.owner is not distinct from t.owner
        "#,
        &rows.iter().map(|row| row.0.tenant.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.0.id.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.0.epoch).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1.clone()).collect::<Vec<_>>() as &[Option<Json>],
        &rows.iter().map(|row| row.2.clone()).collect::<Vec<_>>() as &[Option<Json>],
        &rows.iter().map(|row| row.0.owner.0).collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Drops dedupe keys that hold nothing any more.
pub(crate) async fn forget_expired_keys(tx: &mut SystemTx) -> Result<(), StoreError> {
    modelled!(tx, forget_expired_keys());
    let now = tx.now();
    sqlx::query!("delete from run_dedupe where expires_at < $1", now)
        .execute(tx.conn())
        .await?;
    Ok(())
}
