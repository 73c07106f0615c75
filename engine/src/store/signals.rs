//! Signals: named data for a run.

use chrono::{DateTime, Utc};

use super::{StoreError, Tx, runs};
use crate::ids::{RunId, SignalId};

/// A signal as an operator sees it, without its body.
#[derive(Clone, Debug)]
pub struct SignalRow {
    pub id: SignalId,
    pub name: String,
    pub dedupe: Option<String>,
    /// Of the body, in bytes.
    pub size: i32,
    pub sent_at: DateTime<Utc>,
    /// The step that took it.
    pub taken_seq: Option<i32>,
}

/// Sends a signal to a run and wakes it if it waits; returns false when one with this name and
/// dedupe key was sent before, taken or not. It may be sent before the run waits for it.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run has ended;
/// [`StoreError::TooLarge`].
pub async fn send(
    tx: &mut Tx,
    run: RunId,
    name: &str,
    body: &[u8],
    dedupe: Option<&str>,
) -> Result<bool, StoreError> {
    tx.limits().check_input("body of the signal", body.len())?;
    if !lock(tx, run).await? {
        let ended = runs::get(tx, run).await?.state.as_str();
        return Err(StoreError::Conflict(format!(
            "run {run} is {ended} and takes no signals"
        )));
    }
    let sent = insert(tx, run, name, body, dedupe).await?;
    if sent {
        wake(tx, run).await?;
        tx.ring();
        tx.changed("run", run);
    }
    Ok(sent)
}

/// Whether the run is open. The lock orders a sender against the run's going to wait and its end, and
/// against other senders.
async fn lock(tx: &mut Tx, run: RunId) -> Result<bool, StoreError> {
    modelled!(tx, lock_receiver(run));
    let open = sqlx::query_scalar!("select 1 from runs where id = $1 for no key update", run.0)
        .fetch_optional(tx.conn())
        .await?;
    Ok(open.is_some())
}

async fn insert(
    tx: &mut Tx,
    run: RunId,
    name: &str,
    body: &[u8],
    dedupe: Option<&str>,
) -> Result<bool, StoreError> {
    let (id, now) = (SignalId::fresh(), tx.now());
    modelled!(tx, insert_signal(run, id, name, body, dedupe));
    let inserted = sqlx::query!(
        r#"
        insert into signals (run_id, id, name, dedupe, body, sent_at)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (tenant_id, run_id, name, dedupe) where dedupe is not null do nothing
        "#,
        run.0,
        id.0,
        name,
        dedupe,
        body,
        now,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    Ok(inserted == 1)
}

/// Queues a run that waits; one that waits for something else looks and waits again.
async fn wake(tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
    let now = tx.now();
    modelled!(tx, wake_receiver(run));
    sqlx::query!(
        "update runs set state = 'queued', due_at = $2 where id = $1 and state = 'waiting'",
        run.0,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The signals of a run in the order of sending, the first 1,000.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn of_run(tx: &mut Tx, run: RunId) -> Result<Vec<SignalRow>, StoreError> {
    Ok(sqlx::query!(
        r#"
        select id, name, dedupe, length(body) as "size!", sent_at, taken_seq
        from signals
        where run_id = $1
        order by number
        limit 1000
        "#,
        run.0
    )
    .fetch_all(tx.conn())
    .await?
    .into_iter()
    .map(|row| SignalRow {
        id: SignalId(row.id),
        name: row.name,
        dedupe: row.dedupe,
        size: row.size,
        sent_at: row.sent_at,
        taken_seq: row.taken_seq,
    })
    .collect())
}

/// Removes a signal that no step has taken: one that its run cannot read, for instance.
///
/// # Errors
/// [`StoreError::NotFound`], also when a step has taken it.
pub async fn discard(tx: &mut Tx, run: RunId, id: SignalId) -> Result<(), StoreError> {
    let gone = sqlx::query!(
        "delete from signals where run_id = $1 and id = $2 and taken_seq is null",
        run.0,
        id.0
    )
    .execute(tx.conn())
    .await?;
    if gone.rows_affected() == 0 {
        return Err(StoreError::NotFound(format!("untaken signal {id}")));
    }
    tx.changed("run", run);
    Ok(())
}

/// The first signal of this name that no step has taken, with its body. The caller holds the run.
pub(crate) async fn first(
    tx: &mut Tx,
    run: RunId,
    name: &str,
) -> Result<Option<(SignalId, Vec<u8>)>, StoreError> {
    modelled!(tx, first_signal(run, name));
    let row = sqlx::query!(
        r#"
        select id, body
        from signals
        where run_id = $1 and name = $2 and taken_seq is null
        order by number
        limit 1
        "#,
        run.0,
        name
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (SignalId(row.id), row.body)))
}

/// Writes down which step has taken a signal.
pub(crate) async fn take(
    tx: &mut Tx,
    run: RunId,
    id: SignalId,
    seq: i32,
) -> Result<(), StoreError> {
    modelled!(tx, take_signal(run, id, seq));
    sqlx::query!(
        "update signals set taken_seq = $3 where run_id = $1 and id = $2",
        run.0,
        id.0,
        seq
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
