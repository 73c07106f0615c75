//! A worker's side of a run: claim, load, record, give back. Every write names the lease it is made
//! under and changes nothing when that is no longer the run's.

use serde_json::Value as Json;

use super::steps::StepRow;
use super::{Store, StoreError, SystemTx};
use crate::ids::{ProcessId, RunId, TenantId};

/// Claims of all processes are serial under this lock: that makes one run a key exact. The plan must
/// not depend on statistics (a queue is empty at one moment and full at the next), hence no
/// sequential scans and one plan for all parameters. A lost claim is only a run that is queued
/// again, hence no wait for the disk.
const BEGIN_CLAIM: &str = "begin; set local role syncline_system; \
    set local synchronous_commit = off; set local enable_seqscan = off; \
    set local plan_cache_mode = force_generic_plan; \
    set local idle_in_transaction_session_timeout = '5s'; \
    select pg_advisory_xact_lock(7311002024)";

const BEGIN_RECORD: &str = "begin; set local role syncline_system; \
    set local enable_seqscan = off; set local plan_cache_mode = force_generic_plan; \
    set local idle_in_transaction_session_timeout = '5s'";

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
}

/// What a claim found.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    pub(crate) runs: Vec<Claimed>,
    /// Due runs that were looked at; more than `runs` when some wait for their key.
    pub(crate) looked_at: usize,
}

/// A key that a run no longer holds.
pub(crate) type FreedKey = (TenantId, String);

/// Begins the transaction for [`free`] and [`claim`], which must run in one like this.
pub(crate) async fn begin_claim(store: &Store) -> Result<SystemTx, StoreError> {
    store.system(BEGIN_CLAIM).await
}

/// Begins the transaction for [`record`](super::journal::record).
pub(crate) async fn begin_record(store: &Store) -> Result<SystemTx, StoreError> {
    store.system(BEGIN_RECORD).await
}

/// Claims up to `limit` due runs for `owner`.
pub(crate) async fn claim(
    tx: &mut SystemTx,
    owner: ProcessId,
    limit: i64,
) -> Result<Claim, StoreError> {
    let now = tx.now();
    let rows = sqlx::query_file!("src/store/claim.sql", owner.0, now, limit,)
        .fetch_all(tx.conn())
        .await?;
    let mut claim = Claim::default();
    for row in rows {
        claim.looked_at = usize::try_from(row.looked_at).unwrap_or(0);
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
        });
    }
    Ok(claim)
}

/// Lets the first run behind each of these keys be claimed. Wrongly freed ones are put behind again
/// by the next claim.
pub(crate) async fn free(tx: &mut SystemTx, keys: &[FreedKey]) -> Result<u64, StoreError> {
    let tenants: Vec<_> = keys.iter().map(|(tenant, _)| tenant.0).collect();
    let names: Vec<_> = keys.iter().map(|(_, key)| key.clone()).collect();
    let freed = sqlx::query!(
        r#"
        update runs
        set behind = false
        where ctid = any(array(
            select first.place
            from unnest($1::uuid[], $2::text[]) as k(tenant_id, key)
            cross join lateral (
                select r.ctid as place
                from runs r
                where r.tenant_id = k.tenant_id and r.key = k.key
                  and r.state = 'queued' and r.behind
                order by r.priority desc, r.due_at, r.id
                limit 1
                for update
            ) first))
        "#,
        &tenants,
        &names,
    )
    .execute(tx.conn())
    .await?;
    Ok(freed.rows_affected())
}

/// Keys that runs are behind of and nobody holds: their holder ended in a process that died before
/// it could free them, or was cancelled while it waited. Up to 10,000 keys are looked at.
pub(crate) async fn forgotten_keys(tx: &mut SystemTx) -> Result<Vec<FreedKey>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with recursive keys(tenant_id, key, number) as (
            (select tenant_id, key, 1 from runs
             where state = 'queued' and behind
             order by tenant_id, key limit 1)
            union all
            select next.tenant_id, next.key, k.number + 1
            from keys k
            cross join lateral (
                select r.tenant_id, r.key from runs r
                where r.state = 'queued' and r.behind
                  and (r.tenant_id, r.key) > (k.tenant_id, k.key)
                order by r.tenant_id, r.key limit 1
            ) next
            where k.number < 10000
        )
        select k.tenant_id as "tenant_id!", k.key as "key!"
        from keys k
        where not exists (select from runs h
                          where h.tenant_id = k.tenant_id and h.key = k.key and h.holds_key)
        "#
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (TenantId(row.tenant_id), row.key))
        .collect())
}

/// What a run did in earlier activations.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// By seq, without gaps from zero.
    pub(crate) steps: Vec<StepRow>,
    /// Of the step after them.
    pub(crate) attempts: PastAttempts,
}

/// Failed attempts of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PastAttempts {
    /// The number of the last one.
    pub(crate) last: u32,
    /// How many use up what the step's retry allows.
    pub(crate) counted: u32,
}

/// The histories of these runs, in their order. To be called after the claim has committed: then
/// no earlier owner can add to them.
pub(crate) async fn histories(
    tx: &mut SystemTx,
    leases: &[Lease],
) -> Result<Vec<History>, StoreError> {
    let tenants: Vec<_> = leases.iter().map(|lease| lease.tenant.0).collect();
    let ids: Vec<_> = leases.iter().map(|lease| lease.id.0).collect();
    let mut histories: Vec<_> = leases.iter().map(|_| History::default()).collect();
    let rows = sqlx::query!(
        r#"
        select t.place as "place!", s.seq, s.name, s.key, s.kind, s.attempt, s.output, s.error,
               s.started_at, s.finished_at
        from unnest($1::uuid[], $2::uuid[]) with ordinality as t(tenant_id, run_id, place)
        join steps s on s.tenant_id = t.tenant_id and s.run_id = t.run_id
        order by t.place, s.seq
        "#,
        &tenants,
        &ids,
    )
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
               count(*) filter (where a.counts) as "counted!"
        from unnest($1::uuid[], $2::uuid[]) with ordinality as t(tenant_id, run_id, place)
        join attempts a on a.tenant_id = t.tenant_id and a.run_id = t.run_id
        group by t.place, a.seq
        "#,
        &tenants,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        if let Some(history) = place(&mut histories, row.place)
            && usize::try_from(row.seq) == Ok(history.steps.len())
        {
            history.attempts = PastAttempts {
                last: u32::try_from(row.last).unwrap_or(0),
                counted: u32::try_from(row.counted).unwrap_or(u32::MAX),
            };
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

/// Queues runs again whose owner is no process: it claimed them after it was taken for dead, or the
/// server came to the claim's commit after it had died. Nobody would bury it once more.
pub(crate) async fn release_orphans(tx: &mut SystemTx) -> Result<u64, StoreError> {
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
    let now = tx.now();
    sqlx::query!("delete from run_dedupe where expires_at < $1", now)
        .execute(tx.conn())
        .await?;
    Ok(())
}
