//! Removals that begin in the hub, and their restoration.
//!
//! *Unlinked*: the entity stays and its links end. *Archived*: the entity goes, and each stream's policy
//! says whether its record over there is deleted or left alone with its link ended. Ended links stay as
//! history and are the ones that a restoration takes up again.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::context::{Invalid, Neighbourhood, SyncError};
use super::edit::{Answer, Edited};
use super::effects::{Effects, moved_on};
use crate::entity::{CoreTables, Entity};
use crate::ids::{ConnectionId, EntityId, UserId};
use crate::mapping::Values;
use crate::provenance::{By, Origin};
use crate::store::changes::{Actor, Change, FieldChange};
use crate::store::records::{self, Link};
use crate::store::{StoreError, Tx, conflicts, removals, streams};

/// How something is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removing {
    /// It stays here and is synchronised no more.
    Unlink,
    /// It goes here, and over there where the stream says so.
    Archive,
}

/// What a removal does to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub link: Link,
    pub is_deleted: bool,
}

/// What removing an entity would do to its records now.
///
/// # Errors
/// [`StoreError::NotFound`] inside [`SyncError::Store`], also for one that was removed.
pub async fn plan(
    tx: &mut Tx,
    tables: &CoreTables,
    kind: &str,
    id: EntityId,
    how: Removing,
) -> Result<Vec<Place>, SyncError> {
    let around = Neighbourhood::of(tx, tables, kind, None).await?;
    present(tx, &around, id).await?;
    places(tx, &around, id, how).await
}

async fn present(tx: &mut Tx, around: &Neighbourhood, id: EntityId) -> Result<Entity, StoreError> {
    let entity = around.kind.load(tx, &[id]).await?.pop();
    entity
        .filter(|entity| entity.removed_at.is_none())
        .ok_or_else(|| StoreError::NotFound(around.kind.shown(id)))
}

async fn places(
    tx: &mut Tx,
    around: &Neighbourhood,
    id: EntityId,
    how: Removing,
) -> Result<Vec<Place>, SyncError> {
    let deleting = streams::deleting(tx).await?;
    let place = |link: Link| {
        let stream = around.stream(link.connection, &link.stream).ok();
        let can_delete = stream
            .and_then(|stream| stream.plan.description.as_ref())
            .is_some_and(|description| description.can_delete);
        let is_wanted = deleting
            .iter()
            .any(|(connection, stream)| *connection == link.connection && *stream == link.stream);
        Place {
            is_deleted: how == Removing::Archive && can_delete && is_wanted,
            link,
        }
    };
    let links = records::links(tx, &[id]).await?;
    Ok(links.into_iter().map(place).collect())
}

/// Removes an entity on behalf of a person.
///
/// # Errors
/// [`StoreError::NotFound`] inside [`SyncError::Store`], [`SyncError::Stale`] when it is past
/// `expected_version`.
pub async fn remove(
    tx: &mut Tx,
    tables: &CoreTables,
    (kind, id): (&str, EntityId),
    expected_version: i64,
    how: Removing,
    user: UserId,
) -> Result<Edited, SyncError> {
    let around = Neighbourhood::of(tx, tables, kind, None).await?;
    let mut entity = present(tx, &around, id).await?;
    if entity.version != expected_version {
        return Err(SyncError::Stale {
            entity: around.kind.shown(id),
        });
    }
    let places = places(tx, &around, id, how).await?;
    let mut effects = Effects::default();
    let mut ended = Vec::new();
    for Place { link, is_deleted } in places {
        if is_deleted {
            let stream = around.stream(link.connection, &link.stream)?;
            effects.owe_deletion(stream, around.kind.name, id);
        } else {
            ended.push((link.connection, link.stream));
        }
    }
    let what = match how {
        Removing::Unlink => "unlinked",
        Removing::Archive => {
            entity.removed_at = Some(tx.now());
            "removed"
        }
    };
    log(&mut effects, &around, id, what);
    let edited = store(tx, &around, effects, entity, (user, None)).await?;
    removals::end_links(tx, id, &ended, user).await?;
    Ok(edited)
}

/// Brings back an entity that was removed or unlinked here: with the links it had. A record that is gone
/// over there is made again where the stream makes records.
///
/// # Errors
/// [`StoreError::NotFound`] inside [`SyncError::Store`]; [`SyncError::Stale`] as [`remove`].
pub async fn restore(
    tx: &mut Tx,
    tables: &CoreTables,
    (kind, id): (&str, EntityId),
    expected_version: i64,
    user: UserId,
) -> Result<Edited, SyncError> {
    let around = Neighbourhood::of(tx, tables, kind, None).await?;
    let entity = around.kind.load(tx, &[id]).await?.pop();
    let mut entity = entity.ok_or_else(|| StoreError::NotFound(around.kind.shown(id)))?;
    if entity.version != expected_version {
        return Err(SyncError::Stale {
            entity: around.kind.shown(id),
        });
    }
    let was_removed = entity.removed_at.take().is_some();
    removals::drop_deletions(tx, id).await?;
    let let_in: BTreeSet<(ConnectionId, String)> =
        removals::let_in(tx, id).await?.into_iter().collect();
    if !was_removed && let_in.is_empty() {
        return Err(StoreError::Conflict("it is neither removed nor unlinked".to_owned()).into());
    }
    let mut effects = Effects::default();
    let linked: BTreeSet<(ConnectionId, String)> = records::links(tx, &[id])
        .await?
        .into_iter()
        .map(|link| (link.connection, link.stream))
        .collect();
    for stream in &around.streams {
        let place = (stream.plan.connection, stream.plan.stream.clone());
        // What the hub holds is owed to a record that was not looked after, or is to be made.
        if let_in.contains(&place) || (was_removed && !linked.contains(&place)) {
            let is_made = linked.contains(&place) || stream.plan.mapping.create;
            if is_made {
                let names = entity.values.keys().cloned();
                effects.owe(stream, around.kind.name, id, names);
            }
        }
    }
    log(&mut effects, &around, id, "restored");
    store(tx, &around, effects, entity, (user, None)).await
}

/// Decides a conflict over a removal. Gone over there and edited here: the entity goes, or the record is
/// made again with all the hub holds. Removed here and edited over there: the removal stands, or the
/// entity comes back with what the system holds.
pub(super) async fn decide(
    tx: &mut Tx,
    around: &Neighbourhood,
    mut entity: Entity,
    answer: &Answer,
    open: &conflicts::Open,
    user: UserId,
) -> Result<Edited, SyncError> {
    let (connection, name) = (open.connection, open.stream.as_str());
    let stream = around.stream(connection, name)?;
    let (kind, id) = (around.kind.name, entity.id);
    let mut effects = Effects::default();
    // Who holds the values already.
    let mut source = None;
    match (answer, entity.removed_at) {
        (Answer::Remote, None) => {
            entity.removed_at = Some(tx.now());
            log(&mut effects, around, id, "removed");
        }
        (Answer::Core, None) => {
            effects.owe(stream, kind, id, entity.values.keys().cloned());
            log(&mut effects, around, id, "restored");
        }
        (Answer::Core, Some(_)) => {
            let places = places(tx, around, id, Removing::Archive).await?;
            let is_here =
                |place: &&Place| place.link.connection == connection && place.link.stream == name;
            match places.iter().find(is_here) {
                Some(place) if place.is_deleted => effects.owe_deletion(stream, kind, id),
                Some(_) => {
                    removals::end_links(tx, id, &[(connection, name.to_owned())], user).await?;
                }
                None => {}
            }
            log(&mut effects, around, id, "resolved");
        }
        (Answer::Remote, Some(_)) => {
            entity.removed_at = None;
            removals::drop_deletions(tx, id).await?;
            let agreed = take_over(&mut effects, around, &mut entity, open, (tx.now(), user));
            records::agree(tx, connection, name, &open.record_key, &agreed).await?;
            // What was owed while it was gone was let go, also to the system that brings it back.
            let linked = records::by_entities(tx, connection, name, &[id]).await?;
            let behind = linked.get(&id);
            let behind = behind.map(|linked| moved_on(stream, &entity, &linked.base));
            if let Some(behind) = behind.filter(|behind| !behind.is_empty()) {
                effects.owe(stream, kind, id, behind);
            }
            effects.touch(entity.clone(), around.field_names().collect());
            source = Some((connection, name));
            log(&mut effects, around, id, "restored");
        }
        (Answer::Base | Answer::Values(_), _) => {
            return Err(SyncError::Invalid(vec![Invalid {
                field: "choice".to_owned(),
                reason: "a removal is decided by core or remote".to_owned(),
            }]));
        }
    }
    store(tx, around, effects, entity, (user, source)).await
}

/// Sets what the system holds of the fields in conflict; returns it.
fn take_over(
    effects: &mut Effects,
    around: &Neighbourhood,
    entity: &mut Entity,
    open: &conflicts::Open,
    (at, user): (DateTime<Utc>, UserId),
) -> Values {
    let origin = Origin {
        at,
        by: By::User { user },
        why: None,
    };
    let (mut fields, mut agreed) = (Vec::new(), Values::new());
    for (field, sides) in &open.fields {
        let new = sides.remote.clone();
        fields.push(FieldChange {
            field: field.clone(),
            old: entity.value(field),
            new: new.clone(),
            why: None,
            lost: None,
            kept: None,
            was: entity.provenance.of(field).cloned(),
        });
        entity.provenance.set(field, &origin);
        if new.is_null() {
            entity.values.remove(field);
        } else {
            entity.values.insert(field.clone(), new.clone());
        }
        agreed.insert(field.clone(), new);
    }
    effects.log(Change {
        entity: around.kind.name,
        entity_id: entity.id,
        kind: "resolved",
        fields,
    });
    agreed
}

fn log(effects: &mut Effects, around: &Neighbourhood, id: EntityId, kind: &'static str) {
    effects.log(Change {
        entity: around.kind.name,
        entity_id: id,
        kind,
        fields: Vec::new(),
    });
}

async fn store(
    tx: &mut Tx,
    around: &Neighbourhood,
    mut effects: Effects,
    mut entity: Entity,
    (user, source): (UserId, Option<(ConnectionId, &str)>),
) -> Result<Edited, SyncError> {
    // Other systems hear of a restoration by what it owes them, and of a removal by their policy.
    effects.touch(entity.clone(), BTreeSet::new());
    let actor = Actor {
        user: Some(user),
        ..Actor::default()
    };
    let stored = effects.store(tx, around, source, actor).await?;
    entity.version += 1;
    entity.updated_at = tx.now();
    Ok(Edited {
        entity,
        owed: stored.owed,
    })
}
