//! Between the open runs and the finished ones. The end of a running run is in `journal.rs`.

use serde_json::Value as Json;

use super::RunState;
use crate::ids::RunId;
use crate::store::{StoreError, Tx};

/// Ends a run that is open and not running, which the caller has locked; returns the parent that
/// waits for its end.
pub(super) async fn end_idle(
    tx: &mut Tx,
    id: RunId,
    state: RunState,
    error: &Json,
) -> Result<Option<RunId>, StoreError> {
    let now = tx.now();
    let parent = sqlx::query_scalar!(
        r#"
        with ended as (
            delete from runs
            where id = $1
            returning *
        ), kept as (
            insert into finished_runs
                (id, workflow, version, state, key, priority, epoch, attempt, cancel_requested,
                 parent_id, parent_seq, wakes_parent, trigger, connection_id, stream, input, error,
                 error_class, progress, counts, created_at, started_at, finished_at)
            select id, workflow, version, $2, key, priority, epoch, attempt, true,
                   parent_id, parent_seq, wakes_parent, trigger, connection_id, stream, input,
                   $3::jsonb, $3::jsonb ->> 'class', progress, counts, created_at, started_at, $4
            from ended
        )
        select case when wakes_parent then parent_id end as parent from ended
        "#,
        id.0,
        state.as_str(),
        error,
        now,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(parent.map(RunId))
}

/// A run that is open again.
pub(super) struct Reopened {
    /// The step it failed with.
    pub(super) failed_seq: Option<i32>,
}

/// Queues a failed, cancelled or parked run, due now and without its error; `None` when it is in
/// another state.
pub(super) async fn reopen(tx: &mut Tx, id: RunId) -> Result<Option<Reopened>, StoreError> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"
        with back as (
            delete from finished_runs
            where id = $1 and state in ('failed', 'cancelled')
            returning *
        ), opened as (
            insert into runs
                (id, workflow, version, state, key, priority, due_at, epoch, parent_id, parent_seq,
                 wakes_parent, trigger, connection_id, stream, input, progress, counts, created_at,
                 started_at)
            select id, workflow, version, 'queued', key, priority, $2::timestamptz, epoch,
                   parent_id, parent_seq, wakes_parent, trigger, connection_id, stream, input,
                   progress, counts, created_at, started_at
            from back
        ), parked as (
            update runs r
            set state = 'queued', due_at = $2, attempt = 0, error = null, error_class = null,
                cancel_requested = false, behind = false
            from (select id, error from runs where id = $1 and state = 'parked' for update) as was
            where r.id = was.id
            returning was.error
        )
        select (error ->> 'seq')::integer as failed_seq from back
        union all
        select (error ->> 'seq')::integer from parked
        "#,
        id.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Reopened {
        failed_seq: row.failed_seq,
    }))
}
