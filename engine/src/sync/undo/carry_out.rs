//! Carrying an undo out: an ordinary change of the hub's side, with its origin and its log.

use std::collections::BTreeSet;

use connector_sdk::Value;

use super::Undoing;
use super::item::{Act, Item};
use super::parts::Part;
use crate::entity::Entity;
use crate::ids::{ConnectionId, EntityId, RunId, UserId};
use crate::provenance::{By, Origin};
use crate::store::Tx;
use crate::store::changes::{Actor, Change, FieldChange, Kept};
use crate::store::undo as stored;
use crate::sync::context::{Neighbourhood, SyncError};
use crate::sync::effects::Effects;

impl Part {
    /// Stores what the items say; returns the streams that are owed something.
    pub(super) async fn carry_out(
        mut self,
        tx: &mut Tx,
        undoing: &Undoing,
        (undo, user): (RunId, UserId),
    ) -> Result<BTreeSet<(ConnectionId, String)>, SyncError> {
        let origin = Origin {
            at: tx.now(),
            by: By::Undo {
                run: undo,
                undoes: undoing.run,
                user,
            },
            why: None,
        };
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
            let moved = put_back(&mut effects, &self.around, &mut entity, &item, &origin);
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
            user: Some(user),
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
            was: entity.provenance.of(&field.field).cloned(),
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
            was: None,
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
