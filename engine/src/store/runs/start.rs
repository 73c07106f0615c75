//! Starting runs, once each where a dedupe key says so.

use std::time::Duration;

use uuid::Uuid;

use super::{Dedupe, DedupeUntil, NewRun, RunState, Started, version_to_db};
use crate::failpoints::{self, Failpoint};
use crate::ids::RunId;
use crate::store::{StoreError, Tx};

/// Starts a run in the caller's transaction; workers see it once that has committed.
///
/// # Errors
/// [`StoreError::Database`]. A dedupe key that is taken is no error: [`Started::Existing`].
pub async fn start(tx: &mut Tx, new: NewRun) -> Result<Started, StoreError> {
    let id = RunId::fresh();
    start_as(tx, id, &new, Lineage::of(&new)).await
}

/// How a run hangs on its parent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lineage {
    pub(crate) parent_id: Option<RunId>,
    pub(crate) parent_seq: Option<i32>,
    pub(crate) wakes_parent: bool,
}

impl Lineage {
    fn of(new: &NewRun) -> Self {
        Self {
            parent_id: new.parent_id,
            ..Self::default()
        }
    }
}

/// [`start`] with an id that the caller has written down already.
pub(crate) async fn start_as(
    tx: &mut Tx,
    id: RunId,
    new: &NewRun,
    lineage: Lineage,
) -> Result<Started, StoreError> {
    let options = &new.options;
    if let Some(dedupe) = &options.dedupe
        && let Some(existing) = take_dedupe_key(tx, dedupe, id).await?
    {
        return Ok(Started::Existing(existing));
    }
    let now = tx.now();
    sqlx::query!(
        r#"
        insert into runs
            (id, workflow, version, state, key, priority, due_at, parent_id, parent_seq,
             wakes_parent, trigger, connection_id, stream, input, created_at)
        values ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        "#,
        id.0,
        new.workflow,
        version_to_db(new.version)?,
        options.key,
        options.priority,
        options.due_at.unwrap_or(now),
        lineage.parent_id.map(|id| id.0),
        lineage.parent_seq,
        lineage.wakes_parent,
        options.trigger,
        options.connection_id.map(|id| id.0),
        options.stream,
        new.input,
        now,
    )
    .execute(tx.conn())
    .await?;
    failpoints::reach(Failpoint::StartInserted);
    tx.ring();
    tx.changed("run", id);
    Ok(Started::New(id))
}

/// Starts many runs of which none has a dedupe key, in one statement.
///
/// # Errors
/// [`StoreError::Database`]; [`StoreError::Conflict`] when one has a dedupe key.
pub async fn start_many(tx: &mut Tx, new: &[NewRun]) -> Result<Vec<RunId>, StoreError> {
    if new.iter().any(|run| run.options.dedupe.is_some()) {
        return Err(StoreError::Conflict(
            "runs with a dedupe key are started one at a time".into(),
        ));
    }
    let now = tx.now();
    let ids: Vec<RunId> = new.iter().map(|_| RunId::fresh()).collect();
    let versions = new
        .iter()
        .map(|run| version_to_db(run.version))
        .collect::<Result<Vec<_>, _>>()?;
    sqlx::query!(
        r#"
        insert into runs
            (id, workflow, version, state, key, priority, due_at, parent_id, trigger,
             connection_id, stream, input, created_at)
        select id, workflow, version, 'queued', key, priority, due_at, parent_id, trigger,
               connection_id, stream, input, $12
        from unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::smallint[],
                    $6::timestamptz[], $7::uuid[], $8::text[], $9::uuid[], $10::text[],
                    $11::bytea[])
            as t(id, workflow, version, key, priority, due_at, parent_id, trigger,
                 connection_id, stream, input)
        "#,
        &ids.iter().map(|id| id.0).collect::<Vec<_>>(),
        &new.iter()
            .map(|run| run.workflow.clone())
            .collect::<Vec<_>>(),
        &versions,
        &new.iter()
            .map(|run| run.options.key.clone())
            .collect::<Vec<_>>() as &[Option<String>],
        &new.iter()
            .map(|run| run.options.priority)
            .collect::<Vec<_>>(),
        &new.iter()
            .map(|run| run.options.due_at.unwrap_or(now))
            .collect::<Vec<_>>(),
        &new.iter()
            .map(|run| run.parent_id.map(|id| id.0))
            .collect::<Vec<_>>() as &[Option<Uuid>],
        &new.iter()
            .map(|run| run.options.trigger.clone())
            .collect::<Vec<_>>(),
        &new.iter()
            .map(|run| run.options.connection_id.map(|id| id.0))
            .collect::<Vec<_>>() as &[Option<Uuid>],
        &new.iter()
            .map(|run| run.options.stream.clone())
            .collect::<Vec<_>>() as &[Option<String>],
        &new.iter().map(|run| run.input.clone()).collect::<Vec<_>>(),
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.ring();
    for id in &ids {
        tx.changed("run", id);
    }
    Ok(ids)
}

/// Puts the key down for `id`; returns the run that has it already.
async fn take_dedupe_key(
    tx: &mut Tx,
    dedupe: &Dedupe,
    id: RunId,
) -> Result<Option<RunId>, StoreError> {
    let now = tx.now();
    let expires_at = match dedupe.until {
        DedupeUntil::Elapsed(time) => now + time,
        // The run's state decides; the row only has to outlive it.
        DedupeUntil::Begun | DedupeUntil::Ended => now + Duration::from_secs(90 * 86_400),
    };
    loop {
        let taken = sqlx::query!(
            r#"
            insert into run_dedupe (key, run_id, expires_at)
            values ($1, $2, $3)
            on conflict (tenant_id, key) do nothing
            "#,
            dedupe.key,
            id.0,
            expires_at,
        )
        .execute(tx.conn())
        .await?;
        if taken.rows_affected() == 1 {
            return Ok(None);
        }
        let holder = sqlx::query!(
            "select run_id, expires_at from run_dedupe where key = $1 for update",
            dedupe.key
        )
        .fetch_optional(tx.conn())
        .await?;
        // Gone since: somebody dropped expired keys.
        let Some(holder) = holder else { continue };
        // The share lock keeps a waiting run from being begun before this transaction has committed
        // what it wants that run to see.
        let run = sqlx::query!(
            "select state, started_at from runs where id = $1 for share",
            holder.run_id
        )
        .fetch_optional(tx.conn())
        .await?;
        let holds = holder.expires_at > now
            && match (dedupe.until, run) {
                (DedupeUntil::Elapsed(_), _) => true,
                (DedupeUntil::Begun, Some(run)) => {
                    run.state == "queued" && run.started_at.is_none()
                }
                (DedupeUntil::Ended, Some(run)) => !RunState::parse(&run.state)?.is_final(),
                (DedupeUntil::Begun | DedupeUntil::Ended, None) => false,
            };
        if holds {
            return Ok(Some(RunId(holder.run_id)));
        }
        sqlx::query!(
            "update run_dedupe set run_id = $2, expires_at = $3 where key = $1",
            dedupe.key,
            id.0,
            expires_at,
        )
        .execute(tx.conn())
        .await?;
        return Ok(None);
    }
}
