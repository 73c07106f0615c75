//! What a system made of our writes: counted towards freezing a field.

use super::{Incoming, Pass};
use crate::catalogue::{is_form_of, same};
use crate::ids::EntityId;
use crate::mapping::Patch;
use crate::merge::Merged;
use crate::store::rewrites::{self, Rewrite, Written};
use crate::store::{StoreError, Tx};
use crate::sync::context::Stream;

impl Pass {
    /// Reads what is frozen, and the writes of the last minutes to these records.
    pub(super) async fn load_rewrites(
        &mut self,
        tx: &mut Tx,
        incoming: &[Incoming],
        ids: &[EntityId],
    ) -> Result<(), StoreError> {
        let (connection, stream) = (self.stream.plan.connection, &self.stream.plan.stream);
        self.frozen = rewrites::frozen(tx, connection, stream, ids).await?;
        let since = tx.now() - rewrites::WINDOW;
        let recent: Vec<EntityId> = incoming
            .iter()
            .filter_map(|record| record.linked.as_ref())
            .filter(|linked| linked.written_at.is_some_and(|written| written > since))
            .map(|linked| linked.entity_id)
            .collect();
        self.written = rewrites::written(tx, connection, stream, &recent, since).await?;
        Ok(())
    }

    /// Notes fields of which the record says something else than the last write of the last minutes.
    pub(super) fn note_rewrites(&mut self, entity: EntityId, patch: &Patch, merged: &Merged) {
        if merged.moved.is_empty() {
            return;
        }
        let Some(written) = self.written.get(&entity) else {
            return;
        };
        let moved = merged.moved.iter().map(|field| &**field);
        let rewrites: Vec<Rewrite> = moved
            .filter_map(|field| rewritten(&self.stream, entity, field, patch, written))
            .collect();
        self.made.beside.entity = self.around.kind.name;
        self.made.beside.rewrites.extend(rewrites);
    }
}

/// The last write that carried the field, where the record says something else than that.
fn rewritten(
    stream: &Stream,
    entity_id: EntityId,
    field: &str,
    patch: &Patch,
    written: &[Written],
) -> Option<Rewrite> {
    let (write, ours) = written
        .iter()
        .find_map(|write| Some((write, write.sent.get(field)?)))?;
    let theirs = patch.values.get(field)?;
    let rule = stream.rules.field(field)?;
    counts(stream, field, (ours, theirs), write.is_by_person).then(|| Rewrite {
        entity_id,
        field: rule.name.to_string(),
        write: write.write,
        ours: ours.clone(),
        theirs: theirs.clone(),
    })
}

/// Whether a value that a system shows in the place of ours counts. Its own form of what a person has
/// just entered does not, or whoever corrects a value five times would freeze it; its own form of what
/// the hub wrote by itself does, or two systems with two forms would go on for ever.
pub(in crate::sync) fn counts(
    stream: &Stream,
    field: &str,
    (ours, theirs): (&connector_sdk::Value, &connector_sdk::Value),
    is_by_person: bool,
) -> bool {
    let Some(rule) = stream.rules.field(field) else {
        return false;
    };
    let is_same = same(&rule.field, ours, theirs, rule.empty);
    !(is_same || is_by_person && is_form_of(ours, theirs))
}
