//! A record became one of another stream, as a lead becomes a contact: what people set here and it was
//! not given yet goes to the record that it is now.

use std::collections::BTreeSet;

use crate::catalogue::{Empty, same};
use crate::entity::Entity;
use crate::ids::{ConnectionId, EntityId};
use crate::merge::{Rule, Winner};
use crate::provenance::Why;
use crate::store::changes::{Actor, Change, FieldChange};
use crate::store::{Tx, links};
use crate::sync::context::{Neighbourhood, SyncError};
use crate::sync::effects::Effects;

/// Carries over what the record of `gone` was still to be given when it was converted. What its
/// successor holds otherwise than was agreed of it changed over there since, and stands, as does
/// whatever moves together with it. Doing it again changes nothing.
pub(super) async fn carry_over(
    tx: &mut Tx,
    around: &Neighbourhood,
    connection: ConnectionId,
    gone: &Entity,
    successor: EntityId,
) -> Result<BTreeSet<(ConnectionId, String)>, SyncError> {
    let Some((stream, base)) = links::converted(tx, connection, gone.id).await? else {
        return Ok(BTreeSet::new());
    };
    let rules = &around.stream(connection, &stream)?.rules;
    let Some(mut stays) = around.kind.load(tx, &[successor]).await?.pop() else {
        return Ok(BTreeSet::new());
    };
    let mut fields = Vec::new();
    for group in rules
        .groups()
        .iter()
        .filter(|group| group.direction.writes())
    {
        let mut moved = Vec::new();
        let mut is_changed_there = false;
        for rule in &group.fields {
            let agreed = base.get(&*rule.name).cloned().unwrap_or_default();
            let (value, own) = (gone.value(&rule.name), stays.value(&rule.name));
            let is = |other| same(&rule.field, &value, other, rule.empty);
            if is(&own) {
                continue;
            }
            is_changed_there |= !same(&rule.field, &own, &agreed, Empty::Null);
            let origin = gone.provenance.of(&rule.name).cloned();
            if let Some(origin) = origin.filter(|_| !is(&agreed)) {
                let change = FieldChange {
                    field: rule.name.to_string(),
                    old: own,
                    new: value,
                    why: Some(Why {
                        rule: Rule::OneSideMoved,
                        winner: Winner::Core,
                    }),
                    lost: None,
                    kept: None,
                    was: stays.provenance.of(&rule.name).cloned(),
                };
                moved.push((change, origin));
            }
        }
        if is_changed_there {
            continue;
        }
        for (change, origin) in moved {
            stays.provenance.set(&change.field, &origin);
            if change.new.is_null() {
                stays.values.remove(&change.field);
            } else {
                stays
                    .values
                    .insert(change.field.clone(), change.new.clone());
            }
            fields.push(change);
        }
    }
    if fields.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut effects = Effects::default();
    let moved = fields.iter().map(|change| change.field.clone()).collect();
    effects.log(Change {
        entity: around.kind.name,
        entity_id: stays.id,
        kind: "merged",
        fields,
    });
    effects.touch(stays, moved);
    let stored = effects.store(tx, around, None, Actor::default()).await?;
    Ok(stored.owed)
}
