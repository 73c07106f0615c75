//! Removals of accounts and contacts by people, and their restoration.

use engine::entity::CoreTables;
use engine::ids::{ConnectionId, EntityId, UserId};
use engine::store::connections;
use engine::sync::remove::{self, Place, Removing};
use engine::{StoreError, Tx};

use crate::entities::{self, Refusal};
use crate::show;

/// What a removal would do to one record.
#[derive(Clone, Debug)]
pub struct PlannedPlace {
    pub connection_id: ConnectionId,
    pub connection_name: String,
    pub stream: String,
    pub key: String,
    pub is_deleted: bool,
}

/// What removing an entity would do now, record by record.
///
/// # Errors
/// [`Refusal`].
pub async fn plan(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
    how: Removing,
) -> Result<Vec<PlannedPlace>, Refusal> {
    let places = remove::plan(tx, tables, kind, id, how).await?;
    let ids: Vec<ConnectionId> = places.iter().map(|place| place.link.connection).collect();
    let names = connections::names(tx, &ids).await?;
    let told = |place: Place| PlannedPlace {
        connection_name: names
            .get(&place.link.connection)
            .cloned()
            .unwrap_or_default(),
        connection_id: place.link.connection,
        stream: place.link.stream,
        key: place.link.key,
        is_deleted: place.is_deleted,
    };
    Ok(places.into_iter().map(told).collect())
}

/// Removes an entity, and starts what that owes.
///
/// # Errors
/// [`Refusal`].
pub async fn remove(
    tx: &mut Tx,
    tables: &CoreTables,
    (kind, id): (&str, EntityId),
    version: i64,
    how: Removing,
    user: UserId,
) -> Result<(), Refusal> {
    let removed = remove::remove(tx, tables, (kind, id), version, how, user).await?;
    entities::announce(tx, kind, &removed).await?;
    Ok(())
}

/// Brings back an entity that was removed or unlinked, and starts what that owes.
///
/// # Errors
/// [`Refusal`]; [`StoreError::Conflict`] for one that is neither.
pub async fn restore(
    tx: &mut Tx,
    tables: &CoreTables,
    (kind, id): (&str, EntityId),
    version: i64,
    user: UserId,
) -> Result<(), Refusal> {
    let restored = remove::restore(tx, tables, (kind, id), version, user).await?;
    entities::announce(tx, kind, &restored).await?;
    Ok(())
}

/// The version of an entity wherever it is, for those who bring it back.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn version(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
) -> Result<i64, StoreError> {
    let found = tables.kind(kind)?.load(tx, &[id]).await?.pop();
    found
        .map(|entity| entity.version)
        .ok_or_else(|| StoreError::NotFound(show::id(kind, id)))
}
