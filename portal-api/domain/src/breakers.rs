//! Frozen fields and near misses, as people read them.

use std::collections::HashMap;

use engine::catalogue::Catalogue;
use engine::entity::CoreTables;
use engine::ids::{BreakerId, ConnectionId, RunId, UserId};
use engine::store::keyset::{After, Slice};
use engine::store::rewrites::{self, Frozen, NearMiss};
use engine::store::{connections, plans, streams};
use engine::sync::again;
use engine::{StoreError, Tx};
use serde_json::Value as Json;

use crate::show;

/// A field of a record that is frozen.
#[derive(Clone, Debug)]
pub struct Breaker {
    pub row: Frozen,
    /// As it is shown: `acc_…`
    pub entity_id: String,
    pub label: String,
    /// What the hub wrote, and what the system set in its place.
    pub ours: Json,
    pub theirs: Json,
    pub sentence: String,
}

fn shown(row: Frozen, catalogue: Option<&Catalogue>) -> Breaker {
    let field = catalogue.and_then(|catalogue| catalogue.field(&row.field));
    let label = field.map_or_else(|| row.field.clone(), |field| field.label.clone());
    Breaker {
        entity_id: show::id(&row.entity, row.entity_id),
        ours: show::value(field, &row.ours),
        theirs: show::value(field, &row.theirs),
        sentence: format!(
            "{} kept changing {label} after the hub had written it; nothing of it is read or written \
             until somebody lets it go.",
            row.connection_name
        ),
        label,
        row,
    }
}

/// A page of frozen fields, those frozen last first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: Option<ConnectionId>,
    limit: i64,
    after: Option<&After>,
) -> Result<Slice<Breaker>, StoreError> {
    let slice = rewrites::list(tx, connection, limit, after).await?;
    let mut catalogues: HashMap<String, Catalogue> = HashMap::new();
    for row in &slice.items {
        if !catalogues.contains_key(&row.entity) {
            let kind = tables.kind(&row.entity)?;
            catalogues.insert(row.entity.clone(), plans::catalogue(tx, &kind).await?);
        }
    }
    let show = |row: Frozen| {
        let catalogue = catalogues.get(&row.entity);
        shown(row, catalogue)
    };
    Ok(Slice {
        items: slice.items.into_iter().map(show).collect(),
        next: slice.next,
        total: slice.total,
    })
}

/// One frozen field.
///
/// # Errors
/// [`StoreError::NotFound`], also when it was let go meanwhile.
pub async fn get(tx: &mut Tx, tables: &CoreTables, id: BreakerId) -> Result<Breaker, StoreError> {
    let row = rewrites::get(tx, id).await?;
    let kind = tables.kind(&row.entity)?;
    let catalogue = plans::catalogue(tx, &kind).await?;
    Ok(shown(row, Some(&catalogue)))
}

/// Starts letting a field go: a run merges what both sides hold by then.
///
/// # Errors
/// [`StoreError::NotFound`], also when it was let go already.
pub async fn release(tx: &mut Tx, id: BreakerId, by: UserId) -> Result<RunId, StoreError> {
    let row = rewrites::get(tx, id).await?;
    again::start_release(tx, &row, by).await
}

/// How often a stream's system stored values in another form than it was given, by field.
///
/// # Errors
/// [`StoreError::NotFound`] for a stream that is not set up.
pub async fn near_misses(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Vec<NearMiss>, StoreError> {
    connections::get(tx, connection).await?;
    streams::get(tx, connection, stream).await?;
    rewrites::misses(tx, connection, stream).await
}
