//! Two entities turn out to be one: the one without records goes into the other.

use std::collections::{BTreeMap, BTreeSet};

use connector_sdk::Value;

use crate::catalogue::{Empty, same};
use crate::entity::{CoreTables, Entity, LookUp};
use crate::ids::{ConnectionId, EntityId, UserId};
use crate::merge::{Rule, Winner};
use crate::provenance::{By, Origin, Why};
use crate::store::changes::{Actor, Change, FieldChange};
use crate::store::{StoreError, Tx, conflicts};
use crate::sync::context::{Neighbourhood, SyncError};
use crate::sync::effects::Effects;

/// What went over from an entity to the one that it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// Fields in which the other had nothing.
    pub filled: BTreeSet<String>,
    /// Fields in which the other's value stands, and this one's is kept in its history.
    pub kept: BTreeSet<String>,
    /// Entities, by kind, that pointed at it and point at the other now.
    pub moved: BTreeMap<&'static str, u64>,
}

type Owed = BTreeSet<(ConnectionId, String)>;

/// Joins `loser`, which has no records left, into `winner`.
pub(super) async fn join(
    tx: &mut Tx,
    tables: &CoreTables,
    around: &Neighbourhood,
    (loser, winner): (EntityId, EntityId),
    by: Option<UserId>,
) -> Result<(Joined, Owed), SyncError> {
    let actor = Actor {
        user: by,
        ..Actor::default()
    };
    let mut joined = Joined::default();
    let mut owed = Owed::new();
    let mut both = around.kind.load(tx, &[loser, winner]).await?;
    let take = |both: &mut Vec<Entity>, id| {
        let place = both.iter().position(|entity| entity.id == id);
        place.map(|place| both.swap_remove(place))
    };
    let missing = || StoreError::NotFound(around.kind.shown(loser));
    let mut gone = take(&mut both, loser).ok_or_else(missing)?;
    let mut stays = take(&mut both, winner).ok_or_else(missing)?;
    let mut effects = Effects::default();
    let (filled, lost) = fill(around, &gone, &mut stays);
    joined.filled = filled.iter().map(|one| one.field.clone()).collect();
    joined.kept = lost.iter().map(|one| one.field.clone()).collect();
    let log = |entity: EntityId, kind, fields| Change {
        entity: around.kind.name,
        entity_id: entity,
        kind,
        fields,
    };
    effects.log(log(winner, "merged", filled));
    effects.log(log(winner, "kept", lost));
    effects.log(log(loser, "joined", Vec::new()));
    gone.removed_at = Some(tx.now());
    effects.touch(gone, BTreeSet::new());
    conflicts::join(tx, loser, winner).await?;
    if !joined.filled.is_empty() {
        effects.touch(stays, joined.filled.clone());
    }
    owed.extend(effects.store(tx, around, None, actor).await?.owed);
    for name in tables.names() {
        let (count, more) = repoint(tx, tables, name, around, (loser, winner), actor).await?;
        if count > 0 {
            joined.moved.insert(name, count);
        }
        owed.extend(more);
    }
    Ok((joined, owed))
}

/// Lets an entity go whose record went into one that is not taken here.
pub(super) async fn remove(
    tx: &mut Tx,
    around: &Neighbourhood,
    entity: Entity,
) -> Result<(), SyncError> {
    let mut effects = Effects::default();
    effects.log(Change {
        entity: around.kind.name,
        entity_id: entity.id,
        kind: "removed",
        fields: Vec::new(),
    });
    effects.touch(entity, BTreeSet::new());
    effects.store(tx, around, None, Actor::default()).await?;
    Ok(())
}

/// Gives an entity what the other has and it has not; returns that, and what it has otherwise.
fn fill(
    around: &Neighbourhood,
    gone: &Entity,
    stays: &mut Entity,
) -> (Vec<FieldChange>, Vec<FieldChange>) {
    let (mut filled, mut lost) = (Vec::new(), Vec::new());
    let itself = stays.id.0.to_string();
    for field in around.catalogue.fields() {
        let (value, own) = (gone.value(&field.name), stays.value(&field.name));
        let is_itself = value.as_str() == Some(&*itself);
        if value.is_null() || is_itself || same(field, &value, &own, Empty::Null) {
            continue;
        }
        let origin = gone.provenance.of(&field.name).cloned();
        let mut change = FieldChange {
            field: field.name.clone(),
            old: Value::Null,
            new: Value::Null,
            why: None,
            lost: None,
            kept: None,
            was: None,
        };
        if let Some(origin) = origin.filter(|_| own.is_null()) {
            stays.provenance.set(&field.name, &origin);
            stays.values.insert(field.name.clone(), value.clone());
            change.new = value;
            filled.push(change);
        } else {
            change.why = Some(Why {
                rule: Rule::FirstContact,
                winner: Winner::Core,
            });
            change.lost = Some(value);
            lost.push(change);
        }
    }
    (filled, lost)
}

/// Lets the entities of a kind that point at `loser` point at `winner`.
async fn repoint(
    tx: &mut Tx,
    tables: &CoreTables,
    name: &str,
    target: &Neighbourhood,
    (loser, winner): (EntityId, EntityId),
    actor: Actor,
) -> Result<(u64, Owed), SyncError> {
    let kind = tables.kind(name)?;
    let is_reference = |field: &&crate::catalogue::FieldDef| {
        field.references == Some(target.kind.name) && field.is_found
    };
    let fields: Vec<&str> = kind
        .fields()
        .iter()
        .filter(is_reference)
        .map(|field| field.name)
        .collect();
    let (mut count, mut owed) = (0, Owed::new());
    for field in fields {
        let around = Neighbourhood::of(tx, tables, name, None).await?;
        loop {
            // Each round moves what it found, so that the next finds others.
            let found = kind
                .find(tx, LookUp::Whole, field, &[loser.0.to_string()])
                .await?;
            let ids: Vec<EntityId> = found.into_values().flatten().collect();
            if ids.is_empty() {
                break;
            }
            let mut effects = Effects::default();
            for mut entity in kind.load(tx, &ids).await? {
                let was = entity.provenance.of(field).cloned();
                if let Some(origin) = moved_by(tx, actor, was.as_ref()) {
                    entity.provenance.set(field, &origin);
                }
                // What pointed at the one that it is now would point at itself.
                let is_itself = entity.id == winner;
                let old = entity.values.remove(field);
                let mut new = Value::Null;
                if !is_itself {
                    new = winner.0.to_string().into();
                    entity.values.insert(field.to_owned(), new.clone());
                }
                effects.log(Change {
                    entity: around.kind.name,
                    entity_id: entity.id,
                    kind: "relinked",
                    fields: vec![FieldChange {
                        field: field.to_owned(),
                        old: old.unwrap_or_default(),
                        new,
                        why: None,
                        lost: None,
                        kept: None,
                        was,
                    }],
                });
                effects.touch(entity, BTreeSet::from([field.to_owned()]));
                count += 1;
            }
            owed.extend(effects.store(tx, &around, None, actor).await?.owed);
        }
    }
    Ok((count, owed))
}

/// A reference that follows its target: by whom it was moved, or by whoever set it.
fn moved_by(tx: &Tx, actor: Actor, was: Option<&Origin>) -> Option<Origin> {
    let Some(user) = actor.user else {
        return was.cloned();
    };
    Some(Origin {
        at: tx.now(),
        by: By::User { user },
        why: None,
    })
}
