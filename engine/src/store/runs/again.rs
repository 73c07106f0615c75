//! Going on with a run, or with a copy of it, from a point of its journal.

use uuid::Uuid;

use super::{RunState, cascade, moves, version_to_db};
use crate::ids::{RunId, SignalId};
use crate::store::{StoreError, Tx};

/// Where a run, or its fork, goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The step that failed; of a map that failed, all its items that did. A run that no step
    /// failed in, such as a parked one, goes on where it was.
    Failed,
    /// A journaled step.
    Step(i32),
    Start,
}

/// What is different in a fork; the default is nothing.
#[derive(Clone, Debug, Default)]
pub struct Fork {
    /// JSON. Steps that the fork begins with were journaled under the old input.
    pub input: Option<Vec<u8>>,
    /// The way out for runs that their own version cannot go on with. Nobody checks here whether
    /// there is code of that version: [`Engine::fork`](crate::Engine::fork) does.
    pub version: Option<u16>,
}

/// The rows of a journal that go: those after `last`, and the failed ones from `first` on.
#[derive(Clone, Copy, Debug)]
struct Cut {
    first: i32,
    last: i32,
}

impl Cut {
    const NOTHING: Self = Self {
        first: i32::MAX,
        last: i32::MAX,
    };

    fn at(seq: i32) -> Self {
        Self {
            first: seq,
            last: seq - 1,
        }
    }
}

/// Queues a failed, cancelled or parked run again. What it did successfully stays journaled; it goes
/// on with the step that failed, with new attempts and without a deadline.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run is in another state.
pub async fn retry(tx: &mut Tx, id: RunId) -> Result<(), StoreError> {
    let run = moves::lock(tx, id).await?;
    check_ended_badly(id, run.state, "retried")?;
    let cut = cut(tx, id, From::Failed, run.failed_seq).await?;
    go_on(tx, id, cut).await
}

/// Makes a run go on from a point of its journal, in place, whatever became of it: the rows from
/// there on are dropped, what their steps did to others is not undone. Signals they took can be
/// taken again, runs they called go on as if nobody had called them; attempts stay for the reader
/// and no longer count. The run has no deadline any more.
///
/// # Errors
/// [`StoreError::NotFound`], also for a step that is not journaled; [`StoreError::Conflict`] when
/// the run is running, or from [`From::Failed`] when it has not ended badly.
pub async fn restart(tx: &mut Tx, id: RunId, from: From) -> Result<(), StoreError> {
    let run = moves::lock(tx, id).await?;
    check_stands(id, run.state, from, "restarted")?;
    let cut = cut(tx, id, from, run.failed_seq).await?;
    go_on(tx, id, cut).await
}

/// Starts a run that begins with a copy of another one's journal up to a point, and names it. The
/// other run stays as it is; signals that it has not taken by that point are sent to the fork too.
/// Nobody's parent waits for the fork.
///
/// # Errors
/// As [`restart`]; [`StoreError::TooLarge`].
pub async fn fork(tx: &mut Tx, id: RunId, from: From, fork: Fork) -> Result<RunId, StoreError> {
    let run = moves::lock(tx, id).await?;
    check_stands(id, run.state, from, "forked")?;
    if let Some(input) = &fork.input {
        tx.limits().check_input("input of the fork", input.len())?;
    }
    let cut = cut(tx, id, from, run.failed_seq).await?;
    let copy = RunId::fresh();
    let now = tx.now();
    // A run's first claim, to epoch 1, looks for no journal; this one has one.
    sqlx::query!(
        r#"
        insert into runs
            (id, workflow, version, state, key, priority, due_at, trigger, connection_id, stream,
             input, created_at, epoch, forked_from, forked_seq)
        select $2, workflow, coalesce($3, version), 'queued', key, priority, $5, 'fork',
               connection_id, stream, coalesce($4, input), $5, 1, id,
               (select count(*) from steps
                where run_id = $1 and not (seq > $7 or seq >= $6 and error is not null))::integer
        from all_runs
        where id = $1
        "#,
        id.0,
        copy.0,
        fork.version.map(version_to_db).transpose()?,
        fork.input,
        now,
        cut.first,
        cut.last,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        r#"
        insert into steps (run_id, seq, name, key, kind, attempt, output, error, started_at,
                           finished_at)
        select $2, seq, name, key, kind, attempt, output, error, started_at, finished_at
        from steps
        where run_id = $1 and not (seq > $4 or seq >= $3 and error is not null)
        "#,
        id.0,
        copy.0,
        cut.first,
        cut.last,
    )
    .execute(tx.conn())
    .await?;
    copy_signals(tx, id, copy, cut).await?;
    tx.ring();
    tx.changed("run", copy);
    Ok(copy)
}

async fn copy_signals(tx: &mut Tx, id: RunId, copy: RunId, cut: Cut) -> Result<(), StoreError> {
    let old = sqlx::query_scalar!(
        r#"
        select id from signals
        where run_id = $1 and (taken_seq is null or taken_seq > $2)
        order by number
        "#,
        id.0,
        cut.last,
    )
    .fetch_all(tx.conn())
    .await?;
    let new: Vec<Uuid> = old.iter().map(|_| SignalId::fresh().0).collect();
    sqlx::query!(
        r#"
        insert into signals (run_id, id, name, dedupe, body, sent_at)
        select $2, t.new, s.name, s.dedupe, s.body, s.sent_at
        from unnest($3::uuid[], $4::uuid[]) as t(old, new)
        join signals s on s.run_id = $1 and s.id = t.old
        order by s.number
        "#,
        id.0,
        copy.0,
        &old,
        &new,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn check_ended_badly(id: RunId, state: RunState, wanted: &str) -> Result<(), StoreError> {
    let badly = matches!(
        state,
        RunState::Failed | RunState::Cancelled | RunState::Parked
    );
    if badly {
        return Ok(());
    }
    Err(StoreError::Conflict(format!(
        "run {id} is {} and cannot be {wanted}",
        state.as_str()
    )))
}

fn check_stands(id: RunId, state: RunState, from: From, wanted: &str) -> Result<(), StoreError> {
    if from == From::Failed {
        let wanted = format!("{wanted} from a failed step");
        return check_ended_badly(id, state, &wanted);
    }
    if state == RunState::Running {
        return Err(StoreError::Conflict(format!(
            "run {id} is running and cannot be {wanted}"
        )));
    }
    Ok(())
}

async fn cut(tx: &mut Tx, id: RunId, from: From, failed: Option<i32>) -> Result<Cut, StoreError> {
    match from {
        From::Start => Ok(Cut::at(0)),
        From::Step(seq) => {
            let known = sqlx::query_scalar!(
                "select 1 from steps where run_id = $1 and seq = $2",
                id.0,
                seq
            )
            .fetch_optional(tx.conn())
            .await?;
            match known {
                Some(_) => Ok(Cut::at(seq)),
                None => Err(StoreError::NotFound(format!("step {seq} of run {id}"))),
            }
        }
        From::Failed => cut_at_failure(tx, id, failed).await,
    }
}

/// In a map only what failed runs again; elsewhere also what came after it.
async fn cut_at_failure(tx: &mut Tx, id: RunId, failed: Option<i32>) -> Result<Cut, StoreError> {
    let row = sqlx::query!(
        r#"
        with failed as (
            select coalesce($2, (select min(seq) from steps
                                 where run_id = $1 and error is not null)) as seq
        ), maps as (
            select seq + 1 as first,
                   seq + case when kind in ('map', 'map_call')
                              then convert_from(output, 'UTF8')::integer end as last
            from steps
            where run_id = $1 and kind in ('map', 'map_call')
        )
        select f.seq, m.first, m.last
        from failed f
        left join maps m on f.seq between m.first and m.last
        "#,
        id.0,
        failed,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(match (row.seq, row.first, row.last) {
        (Some(_), Some(first), Some(last)) => Cut { first, last },
        (Some(seq), ..) => Cut::at(seq),
        (None, ..) => Cut::NOTHING,
    })
}

/// Drops what is cut off and queues the run.
async fn go_on(tx: &mut Tx, id: RunId, cut: Cut) -> Result<(), StoreError> {
    let now = tx.now();
    let tenant = tx.tenant();
    moves::take_back(tx, id).await?;
    cascade::forget(tx, id).await?;
    let dropped = sqlx::query_scalar!(
        r#"
        delete from steps
        where run_id = $1 and (seq > $3 or seq >= $2 and error is not null)
        returning seq
        "#,
        id.0,
        cut.first,
        cut.last,
    )
    .fetch_all(tx.conn())
    .await?;
    // Calls that are dropped, and those that failed unseen, start new children.
    sqlx::query!(
        r#"
        with open_ones as (
            update runs
            set parent_seq = null, wakes_parent = false
            where tenant_id = $4 and parent_id = $1 and wakes_parent
              and (parent_seq > $3 or parent_seq = any($2))
        )
        update finished_runs
        set parent_seq = null, wakes_parent = false
        where tenant_id = $4 and parent_id = $1 and wakes_parent
          and (parent_seq > $3
               or parent_seq = any($2)
               or state <> 'succeeded'
                  and parent_seq not in (select seq from steps where run_id = $1))
        "#,
        id.0,
        &dropped,
        cut.last,
        tenant.0,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update signals set taken_seq = null where run_id = $1 and taken_seq > $2",
        id.0,
        cut.last
    )
    .execute(tx.conn())
    .await?;
    // They stay for the reader; those before this moment no longer count.
    sqlx::query!(
        r#"
        update attempts
        set counts = false, next_at = least(next_at, $2)
        where run_id = $1 and (counts or next_at > $2)
        "#,
        id.0,
        now
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        r#"
        update runs
        set state = 'queued', due_at = $2, attempt = 0, error = null, error_class = null,
            cancel_requested = false, behind = false, asleep = false, deadline = null, awaits = 0
        where id = $1
        "#,
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.ring();
    tx.changed("run", id);
    Ok(())
}
