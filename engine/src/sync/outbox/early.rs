//! Records that were gone before the hub heard that it made them, and what a list that lags shows instead.

use std::collections::HashMap;

use crate::ids::{ConnectionId, EntityId, RunId};
use crate::store::{Tx, doubts, records};
use crate::sync::context::SyncError;
use crate::sync::sweep;

/// Has records looked at that were made, and whose removal was told before the answer to that.
pub(super) async fn look_again(
    tx: &mut Tx,
    (connection, stream): (ConnectionId, &str),
    run: RunId,
    made: &[String],
) -> Result<(), SyncError> {
    let keys = doubts::removed_early(tx, connection, stream, made).await?;
    sweep::ask_for(tx, (connection, stream), run, keys, "push").await?;
    Ok(())
}

/// Makes way for records that were made: their entities may have been linked meanwhile with what an
/// earlier attempt had made, and somebody deleted, because a list that lags still showed that. It is
/// looked at.
pub(super) async fn make_way(
    tx: &mut Tx,
    (connection, stream): (ConnectionId, &str),
    run: RunId,
    made: &HashMap<EntityId, String>,
) -> Result<(), SyncError> {
    if made.is_empty() {
        return Ok(());
    }
    let entities: Vec<EntityId> = made.keys().copied().collect();
    let linked = records::by_entities(tx, connection, stream, &entities).await?;
    let others = linked
        .into_values()
        .map(|linked| (linked.entity_id, linked.key));
    let keys: Vec<String> = others
        .filter(|(entity, key)| made.get(entity) != Some(key))
        .map(|(_, key)| key)
        .collect();
    let how = serde_json::json!({ "how": { "kind": "deleted" } });
    let gone: Vec<_> = keys.iter().map(|key| (key.clone(), how.clone())).collect();
    if !gone.is_empty() {
        records::remove(tx, connection, stream, Some(run), &gone).await?;
    }
    sweep::ask_for(tx, (connection, stream), run, keys, "push").await?;
    Ok(())
}
