//! What of a run's work is there to be undone, found part by part.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use connector_sdk::Value;

use super::decide::{self, Did};
use super::item::{Act, Item};
use super::{Place, Undoing};
use crate::entity::{CoreTables, Entity};
use crate::ids::{EntityId, WriteId};
use crate::store::changes::Kept;
use crate::store::undo::{self as stored, MadeOf};
use crate::store::{Tx, records};
use crate::sync::context::{Neighbourhood, SyncError};

/// Items of one kind of entity with what they are about.
pub(super) struct Part {
    pub(super) around: Neighbourhood,
    pub(super) entities: HashMap<EntityId, Entity>,
    pub(super) items: Vec<Item>,
    /// Records whose entities go.
    pub(super) made: HashMap<EntityId, String>,
}

/// Items from `place` on, and where to look on.
pub(super) async fn parts(
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
