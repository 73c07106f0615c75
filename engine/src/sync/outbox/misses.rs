//! Values that were read back in another form than they were sent: counted by field, and towards
//! freezing a field that never stays as it was written.

use crate::catalogue::same;
use crate::entity::Kind;
use crate::ids::EntityId;
use crate::mapping::Patch;
use crate::store::Tx;
use crate::store::records::Place;
use crate::store::rewrites::{self, Rewrite};
use crate::sync::context::{Stream, SyncError};
use crate::sync::page::rewrite_counts;

use super::Outgoing;

/// What a batch met.
#[derive(Default)]
pub(super) struct Misses {
    fields: Vec<(String, EntityId)>,
    rewrites: Vec<Rewrite>,
}

impl Misses {
    /// Compares what was read back with what was sent.
    pub(super) fn note(&mut self, stream: &Stream, outgoing: &Outgoing, read_back: &Patch) {
        for (field, ours) in &outgoing.sent {
            let (Some(rule), Some(theirs)) =
                (stream.rules.field(field), read_back.values.get(field))
            else {
                continue;
            };
            if same(&rule.field, ours, theirs, rule.empty) {
                continue;
            }
            self.fields.push((field.clone(), outgoing.entity_id));
            if rewrite_counts(stream, field, (ours, theirs), outgoing.is_by_person) {
                self.rewrites.push(Rewrite {
                    entity_id: outgoing.entity_id,
                    field: field.clone(),
                    write: outgoing.id,
                    ours: ours.clone(),
                    theirs: theirs.clone(),
                });
            }
        }
    }

    pub(super) async fn store(
        self,
        tx: &mut Tx,
        place: Place<'_>,
        kind: &Kind,
    ) -> Result<(), SyncError> {
        let (connection, stream) = (place.connection, place.stream);
        rewrites::miss(tx, connection, stream, &self.fields).await?;
        rewrites::note(tx, connection, stream, kind.name, place.run, &self.rewrites).await?;
        Ok(())
    }
}
