//! References of the records of a page.

use std::collections::HashMap;

use super::{Incoming, Pass};
use crate::ids::EntityId;
use crate::store::Tx;
use crate::sync::context::SyncError;
use crate::sync::references::Targets;

impl Pass {
    /// Puts ids of linked entities in the place of the keys that references hold; the others wait.
    /// A record of this page is linked already: what it will be is known since [`Self::load`].
    pub(in crate::sync::page) async fn resolve_references(
        &self,
        tx: &mut Tx,
        incoming: &mut [Incoming],
    ) -> Result<(), SyncError> {
        let plan = &self.stream.plan;
        let here: HashMap<&str, EntityId> = incoming
            .iter()
            .map(|record| (record.patch.key.as_str(), record.entity_id))
            .collect();
        let references = incoming
            .iter()
            .flat_map(|record| record.patch.references.values());
        let targets = Targets::of(tx, plan.connection, references, |reference| {
            let found = here.get(reference.key.as_str()).copied();
            found.filter(|_| reference.stream.as_str() == plan.stream)
        })
        .await?;
        for record in incoming {
            targets.resolve(&mut record.patch);
            let waiting = &record.patch.references;
            record.unresolved = (!waiting.is_empty()).then(|| waiting.clone());
        }
        Ok(())
    }
}
