//! Starting to read a stream.

use engine::ids::{ConnectionId, RunId};
use engine::store::runs::{self, Dedupe, DedupeMode, DedupeUntil, NewRun, StartOptions};
use engine::store::streams;
use engine::{StoreError, Tx};
use serde::{Deserialize, Serialize};

/// Name of the workflow that reads a stream.
pub const PULL_WORKFLOW: &str = "pull_stream";

/// Its input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullInput {
    pub connection: ConnectionId,
    pub stream: String,
    /// Read everything again, as a comparison: what is unchanged stays untouched.
    #[serde(default)]
    pub full: bool,
}

impl PullInput {
    /// Streams are read one run at a time.
    pub fn key(&self) -> String {
        format!("pull/{}/{}", self.connection, self.stream)
    }
}

/// Starts a run that reads the stream; one of the same kind that waits to begin is taken instead.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the stream is switched off or has no
/// published mapping.
pub async fn start(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
    full: bool,
) -> Result<RunId, StoreError> {
    let row = streams::get(tx, connection, stream).await?;
    if !row.enabled {
        return Err(StoreError::Conflict(format!(
            "stream {stream:?} is switched off"
        )));
    }
    if row.mapping_version.is_none() {
        return Err(StoreError::Conflict(format!(
            "stream {stream:?} has no published mapping"
        )));
    }
    let input = PullInput {
        connection,
        stream: stream.to_owned(),
        full,
    };
    let key = input.key();
    let options = StartOptions {
        dedupe: Some(Dedupe {
            key: format!("{key}/{full}"),
            until: DedupeUntil::Begun,
            mode: DedupeMode::Existing,
        }),
        key: Some(key),
        trigger: "manual".to_owned(),
        connection_id: Some(connection),
        stream: Some(input.stream.clone()),
        ..StartOptions::default()
    };
    let new = NewRun::named(PULL_WORKFLOW, &input, options)?;
    Ok(runs::start(tx, new).await?.id())
}
