//! The journal of a run's steps.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::activations::Lease;
use super::{StoreError, Tx};
use crate::ids::RunId;

/// A finished step, as journaled.
#[derive(Clone, Debug)]
pub struct StepRow {
    /// The step's place in its run, from zero.
    pub seq: i32,
    pub name: Cow<'static, str>,
    /// Tells repeats of one step apart.
    pub key: String,
    /// `step`, `tx`, `sleep`, `start` or `call`.
    pub kind: Cow<'static, str>,
    /// The attempt that finished it, from one.
    pub attempt: i32,
    /// JSON.
    pub output: Option<Vec<u8>>,
    /// `{class, message, code?}` of a step that failed for good.
    pub error: Option<Json>,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
}

/// The finished steps of a run, in order.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn of_run(tx: &mut Tx, run: RunId) -> Result<Vec<StepRow>, StoreError> {
    Ok(sqlx::query_as!(
        StepRow,
        r#"
        select seq, name, key, kind, attempt, output, error, started_at, finished_at
        from steps
        where run_id = $1
        order by seq
        "#,
        run.0
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Writes steps in the transaction that holds the last one's effects, if the lease still stands:
/// returns whether it does. The row lock holds off a new owner until the commit, which follows at
/// once: a process that stands still before it is not waited for.
pub(crate) async fn insert_fenced(
    tx: &mut Tx,
    lease: &Lease,
    rows: &[StepRow],
) -> Result<bool, StoreError> {
    modelled!(tx, insert_fenced(lease, rows));
    let held = sqlx::query_scalar!(
        r#"
        select set_config('idle_in_transaction_session_timeout', '5s', true) from runs
        where id = $1 and epoch = $2 and owner is not distinct from $3
        for share
        "#,
        lease.id.0,
        lease.epoch,
        lease.owner.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    if held.is_none() {
        return Ok(false);
    }
    for row in rows {
        sqlx::query!(
            r#"
            insert into steps (run_id, seq, name, key, kind, attempt, output, error, started_at,
                               finished_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            "#,
            lease.id.0,
            row.seq,
            &*row.name,
            row.key,
            &*row.kind,
            row.attempt,
            row.output,
            row.error,
            row.started_at,
            row.finished_at,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(true)
}
