//! Starting the workflow that sends a stream's writes.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::ConnectionId;
use crate::store::runs::{self, Dedupe, DedupeMode, DedupeUntil, NewRun, StartOptions};
use crate::store::{StoreError, Tx, writes};

/// The workflow that sends a stream's writes. Its code lives with the other workflows; the name is
/// here because whoever owes a write starts it in the same transaction.
pub const PUSH_WORKFLOW: &str = "push_writes";

/// Input of [`PUSH_WORKFLOW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushInput {
    pub connection: ConnectionId,
    pub stream: String,
}

impl PushInput {
    /// Pushes of one stream run one at a time.
    pub fn key(&self) -> String {
        format!("push/{}/{}", self.connection, self.stream)
    }
}

/// Starts a push for each of these streams, unless one waits to begin and will see what this
/// transaction wrote.
///
/// # Errors
/// [`StoreError`].
pub async fn start_pushes(
    tx: &mut Tx,
    owed: &BTreeSet<(ConnectionId, String)>,
    trigger: &str,
) -> Result<(), StoreError> {
    for (connection, stream) in owed {
        let input = PushInput {
            connection: *connection,
            stream: stream.clone(),
        };
        let dedupe = Dedupe {
            key: input.key(),
            until: DedupeUntil::Begun,
            mode: DedupeMode::Existing,
        };
        start_push(tx, input, trigger, dedupe, None).await?;
    }
    Ok(())
}

/// Starts a push for when the next write of a stream is due, if it has one.
///
/// # Errors
/// [`StoreError`].
pub async fn start_push_when_due(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<(), StoreError> {
    let Some(due_at) = writes::next_due(tx, connection, stream).await? else {
        return Ok(());
    };
    let input = PushInput {
        connection,
        stream: stream.to_owned(),
    };
    if due_at <= tx.now() {
        let dedupe = Dedupe {
            key: input.key(),
            until: DedupeUntil::Begun,
            mode: DedupeMode::Existing,
        };
        return start_push(tx, input, "retry", dedupe, None).await;
    }
    // A key of its own: a push that is to begin later must not stand in for one that is due now.
    let dedupe = Dedupe {
        key: format!("{}/later", input.key()),
        until: DedupeUntil::Begun,
        mode: DedupeMode::Existing,
    };
    start_push(tx, input, "retry", dedupe, Some(due_at)).await
}

async fn start_push(
    tx: &mut Tx,
    input: PushInput,
    trigger: &str,
    dedupe: Dedupe,
    due_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let options = StartOptions {
        deadline: None,
        key: Some(input.key()),
        // An edit waits for nobody's backfill.
        priority: 10,
        due_at,
        dedupe: Some(dedupe),
        trigger: trigger.to_owned(),
        connection_id: Some(input.connection),
        stream: Some(input.stream.clone()),
    };
    let new = NewRun::named(PUSH_WORKFLOW, &input, options)?;
    runs::start(tx, new).await?;
    Ok(())
}
