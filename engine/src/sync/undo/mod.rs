//! Undoing a run: values that are still as the run left them go back to what they were before and
//! are owed to every linked system; what somebody changed since stays, with the reason.
//!
//! [`look`] says what [`apply`] would do, by the same code. Both walk over what the run did in parts,
//! so that a run of any size can be undone, and a repeated part finds everything as before.

mod decide;
mod gather;
mod start;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use connector_sdk::Value;
use serde::{Deserialize, Serialize};

use self::decide::Source;
use self::gather::{Part, parts};
pub use self::start::{UNDO_WORKFLOW, UndoInput, start};
use super::context::{Neighbourhood, SyncError};
use super::effects::Effects;
use crate::entity::{CoreTables, Entity};
use crate::ids::{ConnectionId, EntityId, RunId, UserId, WriteId};
use crate::provenance::{By, Origin};
use crate::store::Tx;
use crate::store::changes::{Actor, Change, FieldChange};
use crate::store::undo as stored;

/// A run that is over and is to be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoing {
    pub run: RunId,
    /// The stream it worked on, if it did.
    pub source: Option<(ConnectionId, String)>,
    /// From its first activation …
    pub from: DateTime<Utc>,
    /// … to its end.
    pub to: DateTime<Utc>,
}

impl Undoing {
    fn source(&self) -> Source<'_> {
        let (connection, stream) = self.source.as_ref()?;
        Some((*connection, stream))
    }
}

/// Where the walk over what a run did stands: after entities that it changed come writes that it
/// sent, then records of which it made entities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what", content = "after")]
pub enum Place {
    Changed(EntityId),
    Sent(WriteId),
    Made(String),
}

impl Default for Place {
    fn default() -> Self {
        Self::Changed(EntityId(uuid::Uuid::nil()))
    }
}

/// What undoing does to one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub entity: String,
    pub entity_id: EntityId,
    pub act: Act,
    /// The fields that the run changed.
    pub fields: Vec<ItemField>,
}

/// What is done to the entity itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Fields go back; none do if all of them are kept.
    Restore,
    /// The run made it: it goes.
    Remove,
    /// The run removed it: it comes back.
    Revive,
    /// It stays as it is.
    Keep(Kept),
}

/// One field on its way back.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemField {
    pub field: String,
    pub now: Value,
    pub before: Value,
    /// Why it does not go back.
    pub kept: Option<Kept>,
}

/// Why something is not undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It is as it was before: there is nothing to undo.
    AsBefore,
    /// Somebody changed it since.
    Changed,
    /// A field that moves together with it was changed since.
    GroupChanged,
    /// The system owns it and would set it again.
    OneWay,
    /// The field is in the catalogue no more.
    NoSuchField,
    /// The entity is gone since.
    Gone,
    /// The run made the entity, and other systems have it by now.
    Linked,
    /// The run brought it back because its record is there again.
    CameBack,
    /// The run made the record in the other system, where it must be deleted by hand.
    MadeThere,
}

impl Kept {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsBefore => "as_before",
            Self::Changed => "changed",
            Self::GroupChanged => "group_changed",
            Self::OneWay => "one_way",
            Self::NoSuchField => "no_such_field",
            Self::Gone => "gone",
            Self::Linked => "linked",
            Self::CameBack => "came_back",
            Self::MadeThere => "made_there",
        }
    }

    /// The reason in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::AsBefore => "it is as it was before",
            Self::Changed => "it was changed since",
            Self::GroupChanged => "a value that moves together with it was changed since",
            Self::OneWay => "the system owns it and would set it again",
            Self::NoSuchField => "the field is there no more",
            Self::Gone => "the record is gone",
            Self::Linked => "other systems have the record by now",
            Self::CameBack => "the record is there again in its system",
            Self::MadeThere => "the record was made in the other system and must be deleted there",
        }
    }
}

/// How much an undo does, or did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Entities of which fields go back.
    pub restored: u64,
    /// The fields of those.
    pub fields: u64,
    pub removed: u64,
    pub revived: u64,
    /// Fields and entities that stay as they are, by the reason.
    pub kept: BTreeMap<Kept, u64>,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.restored += other.restored;
        self.fields += other.fields;
        self.removed += other.removed;
        self.revived += other.revived;
        for (kept, count) in &other.kept {
            *self.kept.entry(*kept).or_default() += count;
        }
    }

    fn of(items: &[Item]) -> Self {
        let mut counts = Self::default();
        for item in items {
            let back = item.fields.iter().filter(|field| field.kept.is_none());
            let back = back.count() as u64;
            counts.fields += back;
            counts.restored += u64::from(back > 0);
            match item.act {
                Act::Restore => {}
                Act::Remove => counts.removed += 1,
                Act::Revive => counts.revived += 1,
                Act::Keep(kept) => *counts.kept.entry(kept).or_default() += 1,
            }
            for kept in item.fields.iter().filter_map(|field| field.kept) {
                *counts.kept.entry(kept).or_default() += 1;
            }
        }
        counts
    }
}

/// Part of what an undo would do.
#[derive(Clone, Debug)]
pub struct Looked {
    pub items: Vec<Item>,
    pub counts: Counts,
    /// Where to look on; `None` when all was looked at.
    pub next: Option<Place>,
}

/// Part of an undo, done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Undone {
    pub counts: Counts,
    pub next: Option<Place>,
    /// Streams that now have writes pending: somebody should push them.
    pub owed: BTreeSet<(ConnectionId, String)>,
}

/// Says what undoing would do from `place` on, looking at `limit` things the run did. Rows of the
/// entities are locked until the transaction ends.
///
/// # Errors
/// [`SyncError`].
pub async fn look(
    tx: &mut Tx,
    tables: &CoreTables,
    undoing: &Undoing,
    place: &Place,
    limit: i64,
) -> Result<Looked, SyncError> {
    let (parts, next) = parts(tx, tables, undoing, place, limit).await?;
    let items: Vec<Item> = parts.into_iter().flat_map(|part| part.items).collect();
    Ok(Looked {
        counts: Counts::of(&items),
        items,
        next,
    })
}

/// Undoes what [`look`] says, as the run `undo`, on behalf of a person.
///
/// # Errors
/// [`SyncError`].
pub async fn apply(
    tx: &mut Tx,
    tables: &CoreTables,
    undoing: &Undoing,
    place: &Place,
    limit: i64,
    (undo, user): (RunId, UserId),
) -> Result<Undone, SyncError> {
    let (parts, next) = parts(tx, tables, undoing, place, limit).await?;
    let mut undone = Undone {
        next,
        ..Undone::default()
    };
    for part in parts {
        undone.counts.add(&Counts::of(&part.items));
        let origin = Origin {
            at: tx.now(),
            by: By::Undo {
                run: undo,
                undoes: undoing.run,
                user,
            },
            why: None,
        };
        undone
            .owed
            .extend(part.carry_out(tx, undoing, undo, &origin).await?);
    }
    Ok(undone)
}

impl Part {
    /// Stores what the items say; returns the streams that are owed something.
    async fn carry_out(
        mut self,
        tx: &mut Tx,
        undoing: &Undoing,
        undo: RunId,
        origin: &Origin,
    ) -> Result<BTreeSet<(ConnectionId, String)>, SyncError> {
        let revived: Vec<EntityId> = self
            .items
            .iter()
            .filter(|item| item.act == Act::Revive)
            .map(|item| item.entity_id)
            .collect();
        let let_in: BTreeSet<EntityId> = stored::let_in(tx, undoing.run, &revived)
            .await?
            .into_iter()
            .collect();
        let mut effects = Effects::default();
        let mut kept_out = Vec::new();
        for item in std::mem::take(&mut self.items) {
            let Some(mut entity) = self.entities.remove(&item.entity_id) else {
                continue;
            };
            let moved = put_back(&mut effects, &self.around, &mut entity, &item, origin);
            match item.act {
                Act::Remove => {
                    entity.removed_at = Some(origin.at);
                    kept_out.extend(self.made.remove(&entity.id));
                    log(&mut effects, &self.around, entity.id, "removed", Vec::new());
                    effects.touch(entity, moved);
                }
                Act::Revive => {
                    entity.removed_at = None;
                    log(
                        &mut effects,
                        &self.around,
                        entity.id,
                        "restored",
                        Vec::new(),
                    );
                    if !let_in.contains(&entity.id) {
                        self.owe_all(&mut effects, undoing, &entity);
                    }
                    effects.touch(entity, moved);
                }
                Act::Restore | Act::Keep(_) if moved.is_empty() => {}
                Act::Restore | Act::Keep(_) => effects.touch(entity, moved),
            }
        }
        let actor = Actor {
            run: Some(undo),
            user: match origin.by {
                By::Undo { user, .. } => Some(user),
                By::Connection { .. } | By::User { .. } => None,
            },
            ..Actor::default()
        };
        let stored = effects.store(tx, &self.around, None, actor).await?;
        if let Some((connection, stream)) = undoing.source()
            && !kept_out.is_empty()
        {
            stored::keep_out(tx, connection, stream, &kept_out, undo).await?;
        }
        Ok(stored.owed)
    }

    /// A record that is gone over there is made again with all the hub holds.
    fn owe_all(&self, effects: &mut Effects, undoing: &Undoing, entity: &Entity) {
        let source = undoing
            .source()
            .and_then(|(connection, stream)| self.around.stream(connection, stream).ok());
        if let Some(stream) = source {
            let names = entity.values.keys().cloned();
            effects.owe(stream, self.around.kind.name, entity.id, names);
        }
    }
}

/// Sets the fields of an item that go back, and logs those that do not; returns the first.
fn put_back(
    effects: &mut Effects,
    around: &Neighbourhood,
    entity: &mut Entity,
    item: &Item,
    origin: &Origin,
) -> BTreeSet<String> {
    let (mut back, mut kept) = (Vec::new(), Vec::new());
    for field in &item.fields {
        let change = FieldChange {
            field: field.field.clone(),
            old: field.now.clone(),
            new: field.before.clone(),
            why: None,
            lost: None,
            kept: field.kept,
        };
        match field.kept {
            None => {
                entity.provenance.set(&field.field, origin);
                if field.before.is_null() {
                    entity.values.remove(&field.field);
                } else {
                    entity
                        .values
                        .insert(field.field.clone(), field.before.clone());
                }
                back.push(change);
            }
            Some(Kept::AsBefore) => {}
            Some(_) => kept.push(change),
        }
    }
    if let Act::Keep(why) = item.act
        && why != Kept::AsBefore
    {
        kept.push(FieldChange {
            field: "record".to_owned(),
            old: Value::Null,
            new: Value::Null,
            why: None,
            lost: None,
            kept: Some(why),
        });
    }
    let moved = back.iter().map(|change| change.field.clone()).collect();
    for (kind, fields) in [("undone", back), ("undo_kept", kept)] {
        if !fields.is_empty() {
            log(effects, around, entity.id, kind, fields);
        }
    }
    moved
}

fn log(
    effects: &mut Effects,
    around: &Neighbourhood,
    entity_id: EntityId,
    kind: &'static str,
    fields: Vec<FieldChange>,
) {
    effects.log(Change {
        entity: around.kind.name,
        entity_id,
        kind,
        fields,
    });
}
