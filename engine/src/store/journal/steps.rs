//! Steps and failed attempts of many runs, each in one statement.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Entry, Recorded};
use crate::ids::RunId;
use crate::store::activations::Lease;
use crate::store::attempts::AttemptRow;
use crate::store::{StoreError, SystemTx};

/// Locks the runs of entries that go on, for as long as their leases stand, and writes their steps: one
/// statement, for this is what a step costs.
pub(super) async fn journal(
    tx: &mut SystemTx,
    entries: &[&Entry],
    recorded: &mut Recorded,
) -> Result<(), StoreError> {
    let leases = entries.iter().map(|entry| &entry.lease);
    let steps = StepColumns::of(entries.iter().copied());
    let rows = sqlx::query!(
        r#"
        with held as materialized (
            select r.tenant_id, r.id, r.cancel_requested
            from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[])
                as t(tenant_id, id, epoch, owner)
            join runs r on r.tenant_id = t.tenant_id and r.id = t.id
            where r.epoch = t.epoch and r.owner is not distinct from t.owner
            for share of r
        ), written as (
            insert into steps (tenant_id, run_id, seq, name, key, kind, attempt, output, error,
                               started_at, finished_at)
            select s.*
            from unnest($5::uuid[], $6::uuid[], $7::integer[], $8::text[], $9::text[],
                        $10::text[], $11::integer[], $12::bytea[], $13::jsonb[],
                        $14::timestamptz[], $15::timestamptz[])
                as s(tenant_id, run_id, seq, name, key, kind, attempt, output, error, started_at,
                     finished_at)
            where s.run_id = any(array(select id from held))
        )
        select id as "id!", cancel_requested as "cancel_requested!" from held
        "#,
        &leases
            .clone()
            .map(|lease| lease.tenant.0)
            .collect::<Vec<_>>(),
        &leases.clone().map(|lease| lease.id.0).collect::<Vec<_>>(),
        &leases.clone().map(|lease| lease.epoch).collect::<Vec<_>>(),
        &leases
            .clone()
            .map(|lease| lease.owner.0)
            .collect::<Vec<_>>(),
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
    )
    .fetch_all(tx.conn())
    .await?;
    let held = rows
        .into_iter()
        .map(|row| (RunId(row.id), row.cancel_requested));
    recorded.written.extend(held);
    Ok(())
}

/// Steps, one array per column.
#[derive(Default)]
struct StepColumns<'a> {
    tenants: Vec<Uuid>,
    runs: Vec<Uuid>,
    seqs: Vec<i32>,
    names: Vec<&'a str>,
    keys: Vec<&'a str>,
    kinds: Vec<&'a str>,
    attempts: Vec<i32>,
    outputs: Vec<Option<&'a [u8]>>,
    errors: Vec<Option<Json>>,
    started: Vec<DateTime<Utc>>,
    finished: Vec<DateTime<Utc>>,
}

impl<'a> StepColumns<'a> {
    fn of(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut columns = Self::default();
        for entry in entries {
            for step in &entry.steps {
                columns.tenants.push(entry.lease.tenant.0);
                columns.runs.push(entry.lease.id.0);
                columns.seqs.push(step.seq);
                columns.names.push(&step.name);
                columns.keys.push(&step.key);
                columns.kinds.push(&step.kind);
                columns.attempts.push(step.attempt);
                columns.outputs.push(step.output.as_deref());
                columns.errors.push(step.error.clone());
                columns.started.push(step.started_at);
                columns.finished.push(step.finished_at);
            }
        }
        columns
    }
}

/// Writes the last steps of runs that were given back or finished, whose rows are locked.
pub(super) async fn insert_steps(
    tx: &mut SystemTx,
    entries: &[Entry],
    recorded: &Recorded,
) -> Result<(), StoreError> {
    let over = entries
        .iter()
        .filter(|entry| entry.end.is_some() && recorded.written.contains_key(&entry.lease.id));
    let steps = StepColumns::of(over);
    if steps.runs.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        insert into steps (tenant_id, run_id, seq, name, key, kind, attempt, output, error,
                           started_at, finished_at)
        select * from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[],
                             $6::text[], $7::integer[], $8::bytea[], $9::jsonb[],
                             $10::timestamptz[], $11::timestamptz[])
        "#,
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
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn insert_attempts(
    tx: &mut SystemTx,
    entries: &[Entry],
    recorded: &Recorded,
) -> Result<(), StoreError> {
    let rows: Vec<(&Lease, &AttemptRow)> = entries
        .iter()
        .filter(|entry| recorded.written.contains_key(&entry.lease.id))
        .flat_map(|entry| entry.attempts.iter().map(|attempt| (&entry.lease, attempt)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        insert into attempts (tenant_id, run_id, seq, attempt, name, key, error, started_at,
                              finished_at, next_at, counts)
        select * from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::text[],
                             $6::text[], $7::jsonb[], $8::timestamptz[], $9::timestamptz[],
                             $10::timestamptz[], $11::boolean[])
        "#,
        &rows.iter().map(|row| row.0.tenant.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.0.id.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1.seq).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1.attempt).collect::<Vec<_>>(),
        &rows
            .iter()
            .map(|row| row.1.name.clone())
            .collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1.key.clone()).collect::<Vec<_>>(),
        &rows
            .iter()
            .map(|row| row.1.error.clone())
            .collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1.started_at).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1.finished_at).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1.next_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &rows.iter().map(|row| row.1.counts).collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
