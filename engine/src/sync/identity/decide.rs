//! A person says whose a held record is.

use connector_sdk::Change;

use super::relink::check_target;
use crate::entity::CoreTables;
use crate::ids::{EntityId, MatchId, UserId};
use crate::store::links::{self, Known};
use crate::store::{Tx, matches};
use crate::sync::context::SyncError;
use crate::sync::page::{self, Applied, Origin, Page};

/// Answers a question: the record is `entity`, or, without one, one of its own. It is applied as it was
/// last seen, on behalf of the run that read it.
///
/// # Errors
/// [`StoreError::NotFound`](crate::store::StoreError::NotFound) for a question or an entity that is not there, `Stale` when the
/// question is past `version`, `Conflict` when it is answered already or the entity has another record in
/// the stream, or is being given one; all inside [`SyncError::Store`].
pub async fn decide(
    tx: &mut Tx,
    tables: &CoreTables,
    (id, version): (MatchId, i64),
    entity: Option<EntityId>,
    note: Option<&str>,
    by: UserId,
) -> Result<Applied, SyncError> {
    let kind = matches::kind_of(tx, id).await?;
    matches::in_turn(tx, &kind).await?;
    let open = matches::take(tx, id, version).await?;
    if let Some(entity) = entity {
        let place = (open.connection, open.stream.as_str());
        check_target(tx, tables, &open.entity, (None, entity), place).await?;
    }
    matches::decide(tx, id, entity, note, by).await?;
    let (stream, key) = (open.stream.clone(), open.record.key.clone());
    let page = Page {
        connection: open.connection,
        stream: open.stream,
        run: open.run,
        changes: vec![Change::Upsert(open.record)].into(),
        cursor: None,
        pass: None,
        origin: Origin::Hub,
    };
    let applied = page::apply(tx, tables, page).await?;
    // It was not seen anew: a page that was read before the answer may tell something newer.
    let known = Known {
        seen_at: open.seen_at,
        written_at: None,
        is_asked: false,
    };
    links::keep(tx, open.connection, &stream, &key, known).await?;
    Ok(applied)
}
