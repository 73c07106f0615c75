//! What a page does instead of merging: removals, conflicts over them, and what is beyond a cap.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use connector_sdk::Tombstone;

use super::pass::{Incoming, Pass};
use crate::merge::{self, DeleteInput, Deletion, Merged};
use crate::store::approvals::Kind;
use crate::store::changes::FieldChange;
use crate::store::conflicts::{Opened, Sides};
use crate::store::records::Linked;
use crate::sync::effects::RECORD;
use crate::sync::identity::FollowInput;

impl Pass {
    /// Applies the removal of a record.
    pub(super) fn remove(&mut self, tombstone: &Tombstone, linked: &Linked, now: DateTime<Utc>) {
        let entity = self.entities.get(&linked.entity_id).cloned();
        let deletion = merge::merge_delete(&DeleteInput {
            rules: &self.stream.rules,
            base: Some(&linked.base),
            core: entity
                .as_ref()
                .filter(|entity| entity.removed_at.is_none())
                .map(|entity| &entity.values),
            removal: &tombstone.removal,
        });
        let removal = serde_json::json!({ "at": tombstone.removed_at, "how": tombstone.removal });
        self.made.removed.push((tombstone.key.clone(), removal));
        self.counts.deleted += 1;
        if let Some(watch) = &mut self.watch {
            watch.removed(&tombstone.key, entity.as_ref(), &deletion);
        }
        let Some(mut entity) = entity else { return };
        match deletion {
            Deletion::Tombstone { .. } => {
                entity.removed_at = Some(now);
                self.log(&entity, "removed", Vec::new());
                self.made.effects.touch(entity, BTreeSet::new());
            }
            Deletion::Conflict { edited, .. } => {
                self.counts.conflicts += 1;
                let sides = edited.into_iter().map(|field| {
                    let sides = Sides {
                        base: field.base,
                        core: field.core,
                        remote: field.remote,
                    };
                    (field.field.to_string(), sides)
                });
                self.made.beside.conflicts.push(Opened {
                    entity: self.around.kind.name,
                    entity_id: entity.id,
                    record_key: tombstone.key.clone(),
                    group: RECORD.to_owned(),
                    kind: "delete",
                    fields: sides.collect(),
                });
            }
            // The winner comes by itself, perhaps later: what is linked here goes over to it then.
            Deletion::Relink { stream, key } => {
                let plan = &self.stream.plan;
                self.made.merges.push(FollowInput {
                    connection: plan.connection,
                    is_conversion: stream.is_some(),
                    stream: stream.unwrap_or_else(|| plan.stream.clone()),
                    key,
                    entity: self.around.kind.name.to_owned(),
                    loser: entity.id,
                });
            }
            Deletion::Unlink { .. } | Deletion::Nothing => {}
        }
    }

    /// A record was edited over there whose entity was removed here, and whose deletion is not sent yet:
    /// a person decides. The record stays as it was last agreed on until then.
    pub(super) fn edited_but_removed(&mut self, record: &Incoming, merged: &Merged) {
        let base = record.linked.as_ref().map(|linked| &linked.base);
        let sides = merged.changes.iter().map(|change| {
            let sides = Sides {
                base: base.and_then(|base| base.get(&*change.field)).cloned(),
                core: change.old.clone(),
                remote: change.new.clone(),
            };
            (change.field.to_string(), sides)
        });
        self.counts.conflicts += 1;
        self.made.beside.conflicts.push(Opened {
            entity: self.around.kind.name,
            entity_id: record.entity_id,
            record_key: record.patch.key.clone(),
            group: RECORD.to_owned(),
            kind: "delete",
            fields: sides.collect(),
        });
    }

    /// Withholds a record that would write over more than the run may.
    pub(super) fn withhold(&mut self, record: &Incoming, merged: &Merged) {
        let field = |change: &merge::FieldChange| FieldChange {
            field: change.field.to_string(),
            old: change.old.clone(),
            new: change.new.clone(),
            why: None,
            lost: None,
            kept: None,
            was: None,
        };
        let fields = merged.changes.iter().map(field).collect();
        let withheld = record.withheld(Kind::Overwrite, self.kind(), Some(fields));
        self.made.withheld.push(withheld);
        self.counts.withheld += 1;
    }
}
