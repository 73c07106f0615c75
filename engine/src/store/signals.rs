//! Signals: named data for a run.

use super::{StoreError, Tx, runs};
use crate::ids::{RunId, SignalId};

/// Sends a signal to a run and wakes it if it waits; returns false when one with this name and
/// dedupe key was sent before.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the run has ended.
pub async fn send(
    tx: &mut Tx,
    run: RunId,
    name: &str,
    body: &[u8],
    dedupe: Option<&str>,
) -> Result<bool, StoreError> {
    let now = tx.now();
    // The lock orders it against the run's going to wait and its end.
    let open = sqlx::query_scalar!("select 1 from runs where id = $1 for no key update", run.0)
        .fetch_optional(tx.conn())
        .await?;
    if open.is_none() {
        let ended = runs::get(tx, run).await?.state.as_str();
        return Err(StoreError::Conflict(format!(
            "run {run} is {ended} and takes no signals"
        )));
    }
    let sent = sqlx::query!(
        r#"
        insert into signals (run_id, id, name, dedupe, body, sent_at)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (tenant_id, run_id, name, dedupe) where dedupe is not null do nothing
        "#,
        run.0,
        SignalId::fresh().0,
        name,
        dedupe,
        body,
        now,
    )
    .execute(tx.conn())
    .await?
    .rows_affected()
        == 1;
    if sent {
        sqlx::query!(
            "update runs set state = 'queued', due_at = $2 where id = $1 and state = 'waiting'",
            run.0,
            now
        )
        .execute(tx.conn())
        .await?;
        tx.ring();
        tx.changed("run", run);
    }
    Ok(sent)
}
