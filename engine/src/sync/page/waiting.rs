//! Records that came before what they point at.

use connector_sdk::Change;
use serde::{Deserialize, Serialize};

use super::{Applied, Origin, Page, apply};
use crate::entity::CoreTables;
use crate::ids::{ConnectionId, RunId};
use crate::mapping::Reference;
use crate::store::{Tx, records};
use crate::sync::context::SyncError;
use crate::sync::references::Targets;

/// What looking at waiting records did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    pub applied: Applied,
    /// Where to look on; `None` when all were looked at.
    pub next: Option<String>,
}

/// Merges again the records whose references can be resolved by now: children that came before
/// their parents. Looks at `limit` waiting records from `after` on.
///
/// # Errors
/// [`SyncError`].
pub async fn apply_waiting(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    after: &str,
    limit: usize,
) -> Result<Waited, SyncError> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let waiting = records::waiting(tx, connection, stream, after, most).await?;
    let next = waiting
        .last()
        .filter(|_| waiting.len() == limit)
        .map(|(key, _)| key.clone());
    let keys = resolvable(tx, connection, waiting).await?;
    if keys.is_empty() {
        return Ok(Waited {
            applied: Applied::default(),
            next,
        });
    }
    let records = records::raw(tx, connection, stream, &keys).await?;
    let page = Page {
        connection,
        stream: stream.to_owned(),
        run,
        changes: records
            .into_iter()
            .map(Change::Upsert)
            .collect::<Vec<_>>()
            .into(),
        cursor: None,
        pass: None,
        origin: Origin::Hub,
    };
    let applied = apply(tx, tables, page).await?;
    Ok(Waited { applied, next })
}

/// Keys of those that wait for at least one record which is linked by now.
async fn resolvable(
    tx: &mut Tx,
    connection: ConnectionId,
    waiting: Vec<(String, records::Unresolved)>,
) -> Result<Vec<String>, SyncError> {
    let references = waiting
        .iter()
        .flat_map(|(_, unresolved)| unresolved.values());
    let targets = Targets::of(tx, connection, references, |_| None).await?;
    let is_there = |reference: &Reference| targets.contains(reference);
    let ready = waiting
        .into_iter()
        .filter(|(_, unresolved)| unresolved.values().any(is_there))
        .map(|(key, _)| key);
    Ok(ready.collect())
}
