//! Between the open runs and the finished ones. The end of a running run is in `record.sql`.

use serde_json::Value as Json;

use super::RunState;
use crate::ids::RunId;
use crate::store::{StoreError, Tx};

/// A run that nobody else changes until the transaction ends.
pub(super) struct Locked {
    pub(super) state: RunState,
    /// The step that failed it.
    pub(super) failed_seq: Option<i32>,
}

/// Locks a run wherever it is.
///
/// # Errors
/// [`StoreError::NotFound`].
pub(super) async fn lock(tx: &mut Tx, id: RunId) -> Result<Locked, StoreError> {
    // Open once more at the end: it may have come back between the first two looks.
    let locked = match lock_open(tx, id).await? {
        Some(locked) => Some(locked),
        None => match lock_finished(tx, id).await? {
            Some(locked) => Some(locked),
            None => lock_open(tx, id).await?,
        },
    };
    locked.ok_or_else(|| StoreError::NotFound(format!("run {id}")))
}

async fn lock_open(tx: &mut Tx, id: RunId) -> Result<Option<Locked>, StoreError> {
    let row = sqlx::query!(
        r#"
        select state, (error ->> 'seq')::integer as failed_seq
        from runs
        where id = $1
        for update
        "#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| {
        Ok(Locked {
            state: RunState::parse(&row.state)?,
            failed_seq: row.failed_seq,
        })
    })
    .transpose()
}

async fn lock_finished(tx: &mut Tx, id: RunId) -> Result<Option<Locked>, StoreError> {
    let row = sqlx::query!(
        r#"
        select state, (error ->> 'seq')::integer as failed_seq
        from finished_runs
        where id = $1
        for update
        "#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| {
        Ok(Locked {
            state: RunState::parse(&row.state)?,
            failed_seq: row.failed_seq,
        })
    })
    .transpose()
}

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
                 parent_id, parent_seq, wakes_parent, deadline, forked_from, forked_seq, trigger,
                 connection_id, stream, input, error, error_class, progress, counts, created_at,
                 started_at, finished_at, trace)
            select id, workflow, version, $2, key, priority, epoch, attempt, true,
                   parent_id, parent_seq, wakes_parent, deadline, forked_from, forked_seq, trigger,
                   connection_id, stream, input, $3::jsonb, $3::jsonb ->> 'class', progress, counts, created_at, started_at, $4, trace
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

/// Puts a finished run, which the caller has locked, among the open ones again: queued, due now,
/// without its output and error. An open run stays as it is.
pub(super) async fn take_back(tx: &mut Tx, id: RunId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        r#"
        with back as (
            delete from finished_runs
            where id = $1
            returning *
        )
        insert into runs
            (id, workflow, version, state, key, priority, due_at, epoch, parent_id, parent_seq,
             wakes_parent, deadline, forked_from, forked_seq, trigger, connection_id, stream, input,
             progress, counts, created_at, started_at, trace)
        select id, workflow, version, 'queued', key, priority, $2, epoch, parent_id, parent_seq,
               wakes_parent, deadline, forked_from, forked_seq, trigger, connection_id, stream, input,
               progress, counts, created_at, started_at, trace
        from back
        "#,
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
