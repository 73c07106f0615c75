//! What a person agreed to of what was withheld. The records are read again before anything is done:
//! what the system shows by now is applied, so that approving a removal of what is there again removes
//! nothing.

use connector_sdk::{Change, Record, Removal, Tombstone};
use serde::{Deserialize, Serialize};

use super::context::SyncError;
use super::page::{self, Applied, Origin, Page};
use crate::entity::CoreTables;
use crate::ids::{ApprovalId, ConnectionId, RunId, UserId, WithheldId};
use crate::store::approvals::{ApprovalRow, Kind};
use crate::store::runs::{self, NewRun, StartOptions};
use crate::store::withheld::{self, End};
use crate::store::{StoreError, Tx};

/// The workflow that applies what was approved. Its code lives with the other workflows.
pub const APPLY_WORKFLOW: &str = "apply_withheld";

/// Input of [`APPLY_WORKFLOW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyInput {
    pub approval: ApprovalId,
    pub connection: ConnectionId,
    pub stream: String,
    pub kind: Kind,
    /// The most changes that were agreed to.
    pub most: u64,
    /// On whose behalf.
    pub user: UserId,
}

impl ApplyInput {
    pub fn key(&self) -> String {
        format!("apply/{}", self.approval)
    }
}

/// A withheld change, with the record as it was found by now.
#[derive(Clone, Debug)]
pub struct Found {
    pub key: String,
    /// `None` where the system says there is none.
    pub record: Option<Record>,
}

/// Applies changes that were looked at again, and ends them by what was found.
///
/// # Errors
/// [`SyncError`].
pub async fn apply(
    tx: &mut Tx,
    tables: &CoreTables,
    input: &ApplyInput,
    run: RunId,
    found: Vec<Found>,
) -> Result<Applied, SyncError> {
    let mut changes = Vec::new();
    let (mut applied, mut recovered, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for Found { key, record } in found {
        let end = match (input.kind, &record) {
            (Kind::Delete, None) | (Kind::Overwrite | Kind::Create, Some(_)) => &mut applied,
            (Kind::Delete, Some(_)) => &mut recovered,
            // Its removal comes by itself, and is capped as such.
            (Kind::Overwrite | Kind::Create, None) => &mut gone,
        };
        end.push(key.clone());
        match record {
            Some(record) => changes.push(Change::Upsert(record)),
            None if input.kind == Kind::Delete => {
                changes.push(Change::Delete(tombstone(tx, input, key).await?));
            }
            None => {}
        }
    }
    let page = Page {
        connection: input.connection,
        stream: input.stream.clone(),
        run,
        changes: changes.into(),
        cursor: None,
        pass: None,
        origin: Origin::Hub,
    };
    let done = page::apply(tx, tables, page).await?;
    for (keys, end) in [
        (applied, End::Applied),
        (recovered, End::Recovered),
        (gone, End::Gone),
    ] {
        withheld::end(tx, input.connection, &input.stream, &keys, end).await?;
    }
    Ok(done)
}

/// The removal as it was read; a plain one if it cannot be read any more.
async fn tombstone(tx: &mut Tx, input: &ApplyInput, key: String) -> Result<Tombstone, StoreError> {
    let change = withheld::change(tx, input.connection, &input.stream, &key).await?;
    let read = change.and_then(|change| serde_json::from_value(change).ok());
    Ok(read.unwrap_or(Tombstone {
        key,
        removed_at: None,
        removal: Removal::Deleted,
    }))
}

/// Where applying an approval begins.
pub fn begin() -> WithheldId {
    WithheldId(sqlx::types::Uuid::nil())
}

/// Starts applying at most `most` of what an approval holds; returns the run that does it.
///
/// # Errors
/// [`StoreError`].
pub async fn start(
    tx: &mut Tx,
    approval: &ApprovalRow,
    most: u64,
    user: UserId,
) -> Result<RunId, StoreError> {
    let input = ApplyInput {
        approval: approval.id,
        connection: approval.connection,
        stream: approval.stream.clone(),
        kind: approval.kind,
        most,
        user,
    };
    let options = StartOptions {
        key: Some(input.key()),
        priority: 10,
        trigger: "approval".to_owned(),
        connection_id: Some(input.connection),
        stream: Some(input.stream.clone()),
        ..StartOptions::default()
    };
    let new = NewRun::named(APPLY_WORKFLOW, &input, options)?;
    Ok(runs::start(tx, new).await?.id())
}
