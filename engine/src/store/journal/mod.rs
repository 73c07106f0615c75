//! The group commit: what many runs did, written by a handful of statements in one transaction.

mod steps;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use self::steps::{StepColumns, insert_attempts};
use crate::ids::{RunId, TenantId};
use crate::store::activations::Lease;
use crate::store::attempts::AttemptRow;
use crate::store::lanes::{self, Behind};
use crate::store::runs::RunState;
use crate::store::steps::StepRow;
use crate::store::{StoreError, SystemTx};

/// What one run did since its last write.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) lease: Lease,
    pub(crate) steps: Vec<StepRow>,
    pub(crate) attempts: Vec<AttemptRow>,
    /// How the activation ends; `None` while it goes on.
    pub(crate) end: Option<End>,
}

/// The state a run goes to.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) state: RunState,
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) output: Option<Vec<u8>>,
    pub(crate) error: Option<Json>,
    pub(crate) error_class: Option<&'static str>,
    /// Failed attempts of the step that backs off.
    pub(crate) attempt: i32,
    pub(crate) progress: Option<Json>,
    pub(crate) counts: Option<Json>,
    /// Why the run's lane is closed until `due_at`, if the other system asked for it.
    pub(crate) closes_lane: Option<String>,
    pub(crate) stays: Stays,
}

/// What stays of a run that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    /// All there is, until its day is dropped.
    All,
    /// Nothing; what was journaled of it before, if anything, goes too.
    Nothing { journaled: bool },
}

impl End {
    fn to(state: RunState) -> Self {
        Self {
            state,
            due_at: None,
            output: None,
            error: None,
            error_class: None,
            attempt: 0,
            progress: None,
            counts: None,
            closes_lane: None,
            stays: Stays::All,
        }
    }

    /// To be claimed again, from `due_at` on or, without it, at once.
    pub(crate) fn queued(due_at: Option<DateTime<Utc>>) -> Self {
        Self {
            due_at,
            ..Self::to(RunState::Queued)
        }
    }

    pub(crate) fn succeeded(output: Vec<u8>) -> Self {
        Self {
            output: Some(output),
            ..Self::to(RunState::Succeeded)
        }
    }

    /// With an error of the form `{class, message, code?, seq?}`.
    pub(crate) fn failed(class: &'static str, error: Json) -> Self {
        Self {
            error: Some(error),
            error_class: Some(class),
            ..Self::to(RunState::Failed)
        }
    }

    pub(crate) fn cancelled() -> Self {
        Self {
            error: Some(json!({"class": "cancelled", "message": "run was cancelled"})),
            error_class: Some("cancelled"),
            ..Self::to(RunState::Cancelled)
        }
    }

    /// For a run that had to have ended by now.
    pub(crate) fn overdue() -> Self {
        Self::failed(
            "deadline",
            json!({"class": "deadline", "message": "run did not end before its deadline"}),
        )
    }

    pub(crate) fn parked(message: &str) -> Self {
        Self {
            error: Some(json!({"class": "bug", "message": message, "code": "parked"})),
            error_class: Some("bug"),
            ..Self::to(RunState::Parked)
        }
    }
}

/// What became of the entries.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Runs whose entry was written, and whether somebody wants them to stop. Who is missing has
    /// lost the lease.
    pub(crate) written: HashMap<RunId, bool>,
    /// Lanes with room for another run.
    pub(crate) freed: Vec<Behind>,
    /// Parents were queued.
    pub(crate) woke: bool,
    /// When the first of those was due that are queued again and due at once.
    pub(crate) requeued: Option<DateTime<Utc>>,
}

/// Whether [`record`] writes these by one statement, which may then be its own transaction.
pub(crate) fn is_one_statement(entries: &[Entry]) -> bool {
    entries.iter().all(|entry| {
        entry.attempts.is_empty()
            && entry.end.as_ref().is_none_or(|end| {
                end.state.is_final() && end.stays != Stays::Nothing { journaled: true }
            })
    })
}

/// Writes entries of different runs. Row locks on the runs hold off a new owner until the commit.
pub(crate) async fn record(tx: &mut SystemTx, entries: &[Entry]) -> Result<Recorded, StoreError> {
    modelled!(tx, record(entries));
    let mut recorded = Recorded::default();
    let (over, not_over): (Vec<_>, Vec<_>) = entries
        .iter()
        .filter_map(|entry| Some((&entry.lease, entry.end.as_ref()?)))
        .partition(|(_, end)| end.state.is_final());
    if !not_over.is_empty() {
        give_back(tx, &not_over, &mut recorded).await?;
        close_lanes(tx, &not_over, &recorded).await?;
    }
    if not_over.len() < entries.len() || entries.iter().any(|entry| !entry.steps.is_empty()) {
        journal(tx, entries, &over, &mut recorded).await?;
    }
    insert_attempts(tx, entries, &recorded).await?;
    forget_journals(tx, &over, &recorded).await?;
    Ok(recorded)
}

/// What every end of a batch says, one array per column.
struct Columns<'a> {
    tenants: Vec<Uuid>,
    ids: Vec<Uuid>,
    epochs: Vec<i64>,
    owners: Vec<Uuid>,
    states: Vec<String>,
    errors: Vec<Option<Json>>,
    classes: Vec<Option<&'a str>>,
    progress: Vec<Option<Json>>,
    counts: Vec<Option<Json>>,
    attempts: Vec<i32>,
    stays: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn of(ends: &[(&Lease, &'a End)]) -> Self {
        let state = |end: &End| end.state.as_str().to_owned();
        Self {
            tenants: ends.iter().map(|(lease, _)| lease.tenant.0).collect(),
            ids: ends.iter().map(|(lease, _)| lease.id.0).collect(),
            epochs: ends.iter().map(|(lease, _)| lease.epoch).collect(),
            owners: ends.iter().map(|(lease, _)| lease.owner.0).collect(),
            states: ends.iter().map(|(_, end)| state(end)).collect(),
            errors: ends.iter().map(|(_, end)| end.error.clone()).collect(),
            classes: ends.iter().map(|(_, end)| end.error_class).collect(),
            progress: ends.iter().map(|(_, end)| end.progress.clone()).collect(),
            counts: ends.iter().map(|(_, end)| end.counts.clone()).collect(),
            attempts: ends.iter().map(|(_, end)| end.attempt).collect(),
            stays: ends
                .iter()
                .map(|(_, end)| end.stays == Stays::All)
                .collect(),
        }
    }
}

/// Writes the steps of all entries and moves runs that are over to the finished ones; `recorded`
/// holds the runs that were given back.
async fn journal(
    tx: &mut SystemTx,
    entries: &[Entry],
    over: &[(&Lease, &End)],
    recorded: &mut Recorded,
) -> Result<(), StoreError> {
    let now = tx.now();
    let going = || {
        let going = entries.iter().filter(|entry| entry.end.is_none());
        going.map(|entry| &entry.lease)
    };
    let ends = Columns::of(over);
    let steps = StepColumns::of(entries);
    let given_back: Vec<_> = recorded.written.keys().map(|run| run.0).collect();
    let rows = sqlx::query_file!(
        "src/store/record.sql",
        &going().map(|lease| lease.tenant.0).collect::<Vec<_>>(),
        &going().map(|lease| lease.id.0).collect::<Vec<_>>(),
        &going().map(|lease| lease.epoch).collect::<Vec<_>>(),
        &going().map(|lease| lease.owner.0).collect::<Vec<_>>(),
        &ends.tenants,
        &ends.ids,
        &ends.epochs,
        &ends.owners,
        &ends.states,
        &over
            .iter()
            .map(|(_, end)| end.output.as_deref())
            .collect::<Vec<_>>() as &[Option<&[u8]>],
        &ends.errors as &[Option<Json>],
        &ends.classes as &[Option<&str>],
        &ends.progress as &[Option<Json>],
        &ends.counts as &[Option<Json>],
        &ends.attempts,
        now,
        &steps.tenants,
        &steps.runs,
        &steps.seqs,
        &steps.names as &[&str],
        &steps.keys as &[&str],
        &steps.kinds as &[&str],
        &steps.attempts,
        &steps.outputs as &[Option<&[u8]>],
        &steps.errors as &[Option<Json>],
        &steps.started,
        &steps.finished,
        &given_back,
        &ends.stays,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        recorded.written.insert(RunId(row.id), row.cancel_requested);
        let freed = row.tenant_id.zip(row.key);
        let freed = freed.map(|(tenant, key)| Behind::key(TenantId(tenant), &key));
        recorded.freed.extend(freed);
        recorded.woke |= row.wakes;
    }
    Ok(())
}

/// Deletes what was journaled of runs of which nothing stays.
async fn forget_journals(
    tx: &mut SystemTx,
    over: &[(&Lease, &End)],
    recorded: &Recorded,
) -> Result<(), StoreError> {
    let (tenants, runs): (Vec<_>, Vec<_>) = over
        .iter()
        .filter(|(lease, end)| {
            end.stays == Stays::Nothing { journaled: true }
                && recorded.written.contains_key(&lease.id)
        })
        .map(|(lease, _)| (lease.tenant.0, lease.id.0))
        .unzip();
    if runs.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        with forgotten as materialized (
            select * from unnest($1::uuid[], $2::uuid[]) as t(tenant_id, run_id)
        ), without_steps as (
            delete from steps s using forgotten f
            where s.tenant_id = f.tenant_id and s.run_id = f.run_id
        ), without_attempts as (
            delete from attempts a using forgotten f
            where a.tenant_id = f.tenant_id and a.run_id = f.run_id
        )
        delete from signals s using forgotten f
        where s.tenant_id = f.tenant_id and s.run_id = f.run_id
        "#,
        &tenants,
        &runs,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives back runs that are not over. One that is to wait, sleep or be parked although somebody wants
/// it to stop is due at once instead: its next activation ends it.
async fn give_back(
    tx: &mut SystemTx,
    ends: &[(&Lease, &End)],
    recorded: &mut Recorded,
) -> Result<(), StoreError> {
    let now = tx.now();
    let columns = Columns::of(ends);
    let rows = sqlx::query!(
        r#"
        update runs r
        set state = case when r.cancel_requested and t.state in ('waiting', 'parked') then 'queued'
                    else t.state end,
            owner = null,
            asleep = t.state = 'queued' and not r.cancel_requested
                     and coalesce(t.due_at > $11, false),
            due_at = case when r.cancel_requested then $11
                     when t.state = 'queued' then coalesce(t.due_at, r.due_at)
                     else t.due_at end,
            holds_key = r.holds_key and t.state in ('queued', 'waiting'),
            error = t.error,
            error_class = t.error_class,
            attempt = t.attempt,
            progress = coalesce(t.progress, r.progress),
            counts = coalesce(t.counts, r.counts)
        from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[],
                    $6::timestamptz[], $7::jsonb[], $8::text[], $9::jsonb[], $10::jsonb[],
                    $12::integer[])
            as t(tenant_id, id, epoch, owner, state, due_at, error, error_class, progress,
                 counts, attempt)
        where r.tenant_id = t.tenant_id and r.id = t.id
          and r.epoch = t.epoch and r.owner is not distinct from t.owner
        returning r.tenant_id, r.id, r.cancel_requested, r.state, r.due_at,
                  case when not r.holds_key then r.key end as freed
        "#,
        &columns.tenants,
        &columns.ids,
        &columns.epochs,
        &columns.owners,
        &columns.states,
        &ends.iter().map(|(_, end)| end.due_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &columns.errors as &[Option<Json>],
        &columns.classes as &[Option<&str>],
        &columns.progress as &[Option<Json>],
        &columns.counts as &[Option<Json>],
        now,
        &columns.attempts,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let tenant = TenantId(row.tenant_id);
        recorded.written.insert(RunId(row.id), row.cancel_requested);
        recorded
            .freed
            .extend(row.freed.map(|key| Behind::key(tenant, &key)));
        if row.state == "queued"
            && let Some(due) = row.due_at.filter(|due| *due <= now)
        {
            recorded.requeued = Some(recorded.requeued.map_or(due, |first| first.min(due)));
        }
    }
    Ok(())
}

async fn close_lanes(
    tx: &mut SystemTx,
    ends: &[(&Lease, &End)],
    recorded: &Recorded,
) -> Result<(), StoreError> {
    let told: Vec<_> = ends
        .iter()
        .filter(|(lease, _)| recorded.written.contains_key(&lease.id))
        .filter_map(|(lease, end)| Some((**lease, end.due_at?, end.closes_lane.clone()?)))
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    lanes::close_after(tx, &told).await
}
