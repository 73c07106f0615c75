//! Undoing a run: values that are still as the run left them go back to what they were before and
//! are owed to every linked system; what somebody changed since stays, with the reason.
//!
//! [`look`] says what [`apply`] would do, by the same code. Both walk over what the run did in parts,
//! so that a run of any size can be undone, and a repeated part finds everything as before.

mod decide;
mod start;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use connector_sdk::Value;
use serde::{Deserialize, Serialize};

use self::decide::{Did, Source};
pub use self::start::{UNDO_WORKFLOW, UndoInput, start};
use super::context::{Neighbourhood, SyncError};
use super::effects::Effects;
use crate::entity::{CoreTables, Entity};
use crate::ids::{ConnectionId, EntityId, RunId, UserId, WriteId};
use crate::provenance::{By, Origin};
use crate::store::changes::{Actor, Change, FieldChange};
use crate::store::undo::{self as stored, MadeOf};
use crate::store::{Tx, records};

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

/// Items of one kind of entity with what they are about.
struct Part {
    around: Neighbourhood,
    entities: HashMap<EntityId, Entity>,
    items: Vec<Item>,
    /// Records whose entities go.
    made: HashMap<EntityId, String>,
}

async fn parts(
    tx: &mut Tx,
    tables: &CoreTables,
    undoing: &Undoing,
    place: &Place,
    limit: i64,
) -> Result<(Vec<Part>, Option<Place>), SyncError> {
    let full = |count: usize| i64::try_from(count).is_ok_and(|count| count >= limit);
    match place {
        Place::Changed(after) => {
            let ids = stored::changed(tx, undoing.run, *after, limit).await?;
            let logged = stored::logged(tx, undoing.run, &ids).await?;
            let mut kinds: BTreeMap<String, Vec<(EntityId, Did)>> = BTreeMap::new();
            for (id, rows) in logged {
                let Some(kind) = rows.first().map(|row| row.entity.clone()) else {
                    continue;
                };
                kinds.entry(kind).or_default().push((id, Did::of(&rows)));
            }
            let mut parts = Vec::new();
            for (kind, did) in kinds {
                parts.push(changed(tx, tables, undoing, &kind, did).await?);
            }
            let last = ids.last().filter(|_| full(ids.len()));
            let next = last.map_or_else(
                || Place::Sent(WriteId(uuid::Uuid::nil())),
                |last| Place::Changed(*last),
            );
            Ok((parts, Some(next)))
        }
        Place::Sent(after) => {
            let sent = stored::sent(tx, undoing.run, *after, limit).await?;
            let last = sent.last().map(|last| last.id).filter(|_| full(sent.len()));
            let next = last.map(Place::Sent).unwrap_or(Place::Made(String::new()));
            Ok((written(tx, tables, undoing, sent).await?, Some(next)))
        }
        Place::Made(after) => {
            let Some((connection, stream)) = undoing.source() else {
                return Ok((Vec::new(), None));
            };
            let within = (undoing.from, undoing.to);
            let made = stored::made(tx, connection, stream, within, after, limit).await?;
            let last = made.last().map(|last| last.key.clone());
            let next = last.filter(|_| full(made.len())).map(Place::Made);
            Ok((removals(tx, tables, undoing, made).await?, next))
        }
    }
}

impl Part {
    async fn of(
        tx: &mut Tx,
        tables: &CoreTables,
        kind: &str,
        ids: &[EntityId],
    ) -> Result<Self, SyncError> {
        let around = Neighbourhood::of(tx, tables, kind, None).await?;
        let entities = around.kind.load(tx, ids).await?;
        Ok(Self {
            around,
            entities: entities
                .into_iter()
                .map(|entity| (entity.id, entity))
                .collect(),
            items: Vec::new(),
            made: HashMap::new(),
        })
    }

    fn present(&self, id: EntityId) -> Option<&Entity> {
        let entity = self.entities.get(&id)?;
        entity.removed_at.is_none().then_some(entity)
    }

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

/// Entities that the run changed, removed or brought back.
async fn changed(
    tx: &mut Tx,
    tables: &CoreTables,
    undoing: &Undoing,
    kind: &str,
    did: Vec<(EntityId, Did)>,
) -> Result<Part, SyncError> {
    let ids: Vec<EntityId> = did.iter().map(|(id, _)| *id).collect();
    let mut part = Part::of(tx, tables, kind, &ids).await?;
    for (id, did) in did {
        let Some(entity) = part.entities.get(&id) else {
            part.items
                .push(decide::item(kind, id, Act::Keep(Kept::Gone)));
            continue;
        };
        let act = match (entity.removed_at.is_some(), did.removed) {
            (true, true) => Act::Revive,
            (false, true) => Act::Keep(Kept::AsBefore),
            (true, false) => Act::Keep(Kept::Gone),
            (false, false) if did.restored => Act::Keep(Kept::CameBack),
            (false, false) => Act::Restore,
        };
        let mut item = decide::item(kind, id, act);
        if act != Act::Keep(Kept::Gone) {
            item.fields = decide::fields(&part.around, undoing.source(), entity, &did.fields);
        }
        part.items.push(item);
    }
    Ok(part)
}

/// Entities whose values the run wrote to a system: they go back to what that held before.
async fn written(
    tx: &mut Tx,
    tables: &CoreTables,
    undoing: &Undoing,
    sent: Vec<stored::Sent>,
) -> Result<Vec<Part>, SyncError> {
    let ids: Vec<EntityId> = sent.iter().map(|sent| sent.entity_id).collect();
    let logged = stored::logged(tx, undoing.run, &ids).await?;
    let mut kinds: BTreeMap<String, Vec<stored::Sent>> = BTreeMap::new();
    for one in sent {
        kinds.entry(one.entity.clone()).or_default().push(one);
    }
    let mut parts = Vec::new();
    for (kind, sent) in kinds {
        let ids: Vec<EntityId> = sent.iter().map(|sent| sent.entity_id).collect();
        let mut part = Part::of(tx, tables, &kind, &ids).await?;
        let mut seen = BTreeSet::new();
        for one in sent {
            // The first write of an entity knows what was there before.
            if !seen.insert(one.entity_id) {
                continue;
            }
            let id = one.entity_id;
            let Some(entity) = part.present(id) else {
                part.items
                    .push(decide::item(&kind, id, Act::Keep(Kept::Gone)));
                continue;
            };
            let Some(before) = one.before else {
                let item = decide::item(&kind, id, Act::Keep(Kept::MadeThere));
                part.items.push(item);
                continue;
            };
            let normalised = logged.get(&id).into_iter().flatten();
            let normalised: BTreeMap<&str, &Value> = normalised
                .filter(|logged| logged.kind == "normalised")
                .flat_map(|logged| &logged.fields)
                .map(|change| (change.field.as_str(), &change.new))
                .collect();
            let did = one
                .sent
                .into_iter()
                .map(|(field, sent)| {
                    let left = normalised
                        .get(field.as_str())
                        .map_or(sent, |form| (*form).clone());
                    let before = before.get(&field).cloned().unwrap_or_default();
                    (field, (before, left))
                })
                .collect();
            let mut item = decide::item(&kind, id, Act::Restore);
            item.fields = decide::fields(&part.around, undoing.source(), entity, &did);
            part.items.push(item);
        }
        parts.push(part);
    }
    Ok(parts)
}

/// Entities that the run made.
async fn removals(
    tx: &mut Tx,
    tables: &CoreTables,
    undoing: &Undoing,
    made: Vec<MadeOf>,
) -> Result<Vec<Part>, SyncError> {
    let mut kinds: BTreeMap<String, Vec<MadeOf>> = BTreeMap::new();
    for one in made {
        kinds.entry(one.entity.clone()).or_default().push(one);
    }
    let mut parts = Vec::new();
    for (kind, made) in kinds {
        let ids: Vec<EntityId> = made.iter().map(|made| made.entity_id).collect();
        let mut links: HashMap<EntityId, usize> = HashMap::new();
        for link in records::links(tx, &ids).await? {
            *links.entry(link.entity_id).or_default() += 1;
        }
        let mut part = Part::of(tx, tables, &kind, &ids).await?;
        for one in made {
            let id = one.entity_id;
            let act = match part.present(id) {
                None => Act::Keep(Kept::Gone),
                Some(entity) if !decide::is_untouched(entity, undoing.run) => {
                    Act::Keep(Kept::Changed)
                }
                Some(_) if links.get(&id).is_some_and(|links| *links > 1) => {
                    Act::Keep(Kept::Linked)
                }
                Some(_) => Act::Remove,
            };
            part.made.insert(id, one.key);
            part.items.push(decide::item(&kind, id, act));
        }
        parts.push(part);
    }
    Ok(parts)
}
