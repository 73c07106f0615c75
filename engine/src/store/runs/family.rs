//! What a parent and its children do to each other, and how a run goes to wait.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Child, NewRun, RunState, start};
use crate::ids::RunId;
use crate::store::activations::Lease;
use crate::store::{StoreError, Tx};

/// A child that has ended, as its parent has journaled it.
#[derive(Debug)]
pub(crate) struct Called {
    /// Its place in the parent.
    pub(crate) seq: i32,
    /// JSON.
    pub(crate) output: Option<Vec<u8>>,
    /// `{class, message, code?}` of one that did not succeed.
    pub(crate) error: Option<Json>,
}

/// Journals the children at these places that have ended and are not journaled. The caller holds the
/// parent.
pub(crate) async fn journal_called(
    tx: &mut Tx,
    parent: RunId,
    name: &str,
    places: &RangeInclusive<i32>,
) -> Result<Vec<Called>, StoreError> {
    modelled!(tx, journal_called(parent, name, places));
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        r#"
        insert into steps (run_id, seq, name, key, kind, attempt, output, error, started_at,
                           finished_at)
        select $1, r.parent_seq, $2, '', 'call', 1,
               case when r.state = 'succeeded' then r.output end,
               case when r.state <> 'succeeded'
                    then coalesce(r.error - 'seq', '{"class": "bug", "message": "run failed"}')
               end,
               r.created_at, r.finished_at
        from finished_runs r
        where r.tenant_id = $5 and r.parent_id = $1 and r.parent_seq between $3 and $4
          and r.wakes_parent
          and not exists (select from steps s where s.run_id = $1 and s.seq = r.parent_seq)
        returning seq, output, error
        "#,
        parent.0,
        name,
        places.start(),
        places.end(),
        tenant.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Called {
            seq: row.seq,
            output: row.output,
            error: row.error,
        })
        .collect())
}

/// The places of children that have not ended.
pub(crate) async fn open_called(
    tx: &mut Tx,
    parent: RunId,
    places: &RangeInclusive<i32>,
) -> Result<Vec<i32>, StoreError> {
    modelled!(tx, open_called(parent, places));
    Ok(sqlx::query_scalar!(
        r#"
        select parent_seq as "seq!"
        from runs
        where parent_id = $1 and parent_seq between $2 and $3 and wakes_parent
        "#,
        parent.0,
        places.start(),
        places.end(),
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Whether a run has called another one at this place or later.
pub(crate) async fn has_called(tx: &mut Tx, parent: RunId, seq: i32) -> Result<bool, StoreError> {
    modelled!(tx, has_called(parent, seq));
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        select exists (select from all_runs
                       where tenant_id = $3 and parent_id = $1 and parent_seq >= $2
                         and wakes_parent) as "has!"
        "#,
        parent.0,
        seq,
        tenant.0,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Starts children, each at its place in its parent, which will wait for them.
pub(crate) async fn start_called(
    tx: &mut Tx,
    new: &[(&NewRun, Option<i32>)],
) -> Result<(), StoreError> {
    for part in new.chunks(500) {
        start::start_called(tx, part).await?;
    }
    Ok(())
}

/// The child that the parent called at this step. One statement over both places: a child that
/// ends meanwhile is seen once. All days are looked into: a child need not have a later id than its
/// parent where clocks differ.
pub(crate) async fn child(
    tx: &mut Tx,
    parent: RunId,
    seq: i32,
) -> Result<Option<Child>, StoreError> {
    modelled!(tx, child(parent, seq));
    let tenant = tx.tenant();
    sqlx::query!(
        r#"
        select id as "id!", state as "state!", output, error
        from all_runs
        where tenant_id = $3 and parent_id = $1 and parent_seq = $2 and wakes_parent
        "#,
        parent.0,
        seq,
        tenant.0,
    )
    .fetch_optional(tx.conn())
    .await?
    .map(|row| {
        Ok(Child {
            id: RunId(row.id),
            state: RunState::parse(&row.state)?,
            output: row.output,
            error: row.error,
        })
    })
    .transpose()
}

/// Locks a run against everybody who would wake it, cancel it or take it over, until the end of the
/// transaction.
pub(crate) async fn hold(tx: &mut Tx, lease: &Lease) -> Result<Hold, StoreError> {
    modelled!(tx, hold(lease));
    let cancelled = sqlx::query_scalar!(
        r#"
        select cancel_requested from runs
        where id = $1 and epoch = $2 and owner is not distinct from $3
        for no key update
        "#,
        lease.id.0,
        lease.epoch,
        lease.owner.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(match cancelled {
        None => Hold::Lost,
        Some(true) => Hold::Cancelled,
        Some(false) => Hold::Held,
    })
}

/// Whether a run may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Held,
    /// Somebody wants it to stop: it must call no other run, since what it had called is cancelled.
    Cancelled,
    /// Another process has it.
    Lost,
}

/// What a run waits for.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    /// Until then at most.
    pub(crate) due_at: Option<DateTime<Utc>>,
    /// As many children have to end; none: it is woken by the first who comes.
    pub(crate) awaits: i32,
    pub(crate) progress: Option<Json>,
    pub(crate) counts: Option<Json>,
}

/// Sends a run that is held ([`hold`]) to wait for others to wake it, or, when somebody wants it to
/// stop, to its end.
pub(crate) async fn wait(tx: &mut Tx, lease: &Lease, wait: Wait) -> Result<(), StoreError> {
    tx.ring();
    tx.changed("run", lease.id);
    modelled!(tx, wait(lease, &wait));
    let now = tx.now();
    sqlx::query!(
        r#"
        update runs
        set state = case when cancel_requested then 'queued' else 'waiting' end,
            due_at = case when cancel_requested then $4::timestamptz else $5 end,
            owner = null, awaits = $6,
            progress = coalesce($7, progress), counts = coalesce($8, counts)
        where id = $1 and epoch = $2 and owner is not distinct from $3
        "#,
        lease.id.0,
        lease.epoch,
        lease.owner.0,
        now,
        wait.due_at,
        wait.awaits,
        wait.progress,
        wait.counts,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Counts a child's end for the parent and wakes that when it was the last it waits for. It touches
/// the row whatever its state: a parent that is just going to wait is locked, and its new state is
/// seen here once that has committed.
pub(super) async fn child_has_ended(tx: &mut Tx, parent: Uuid) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        r#"
        update runs
        set awaits = greatest(awaits - 1, 0),
            state = case when state = 'waiting' and awaits <= 1 then 'queued' else state end,
            due_at = case when state = 'waiting' and awaits <= 1 then $2 else due_at end
        where id = $1
        "#,
        parent,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
