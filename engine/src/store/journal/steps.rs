//! Steps and failed attempts of many runs, as columns.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Entry, Recorded};
use crate::store::activations::Lease;
use crate::store::attempts::AttemptRow;
use crate::store::{StoreError, SystemTx};

/// Steps, one array per column.
#[derive(Default)]
pub(super) struct StepColumns<'a> {
    pub(super) tenants: Vec<Uuid>,
    pub(super) runs: Vec<Uuid>,
    pub(super) seqs: Vec<i32>,
    pub(super) names: Vec<&'a str>,
    pub(super) keys: Vec<&'a str>,
    pub(super) kinds: Vec<&'a str>,
    pub(super) attempts: Vec<i32>,
    pub(super) outputs: Vec<Option<&'a [u8]>>,
    pub(super) errors: Vec<Option<Json>>,
    pub(super) started: Vec<DateTime<Utc>>,
    pub(super) finished: Vec<DateTime<Utc>>,
}

impl<'a> StepColumns<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Self {
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
