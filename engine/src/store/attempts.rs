//! Attempts of steps that failed; the one that succeeded is the step's row.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::{StoreError, Tx};
use crate::ids::RunId;

/// A failed attempt.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    pub seq: i32,
    /// From one.
    pub attempt: i32,
    pub name: String,
    pub key: String,
    /// `{class, message, code?}`.
    pub error: Json,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    /// When the next attempt is due; `None` after the last.
    pub next_at: Option<DateTime<Utc>>,
    /// Whether it uses up one of the step's attempts.
    pub counts: bool,
}

/// The failed attempts of a run, in order.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn of_run(tx: &mut Tx, run: RunId) -> Result<Vec<AttemptRow>, StoreError> {
    Ok(sqlx::query_as!(
        AttemptRow,
        r#"
        select seq, attempt, name, key, error, started_at, finished_at, next_at, counts
        from attempts
        where run_id = $1
        order by seq, attempt
        "#,
        run.0
    )
    .fetch_all(tx.conn())
    .await?)
}
