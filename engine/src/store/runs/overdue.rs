//! What becomes of runs that had to have ended by now.

use super::RunState;
use super::stop::{self, Stopped};
use crate::store::{StoreError, SystemTx, journal};

/// Fails runs whose deadline has passed, and asks running ones to stop: they fail when they have. The
/// runs they called are cancelled.
/// Parked ones wait for a person, who is told why. At most 1,000 at a time.
pub(crate) async fn end_overdue(tx: &mut SystemTx) -> Result<Stopped, StoreError> {
    modelled!(tx, end_overdue());
    let now = tx.now();
    let places = sqlx::query_scalar!(
        r#"
        select ctid::text as "place!"
        from runs
        where deadline <= $1 and state in ('queued', 'running', 'waiting')
          and not cancel_requested
        order by deadline
        limit 1000
        for update skip locked
        "#,
        now,
    )
    .fetch_all(tx.conn())
    .await?;
    let error = journal::End::overdue().error;
    stop::all(tx, &places, RunState::Failed, error.as_ref()).await
}
