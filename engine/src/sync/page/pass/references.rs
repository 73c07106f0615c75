//! References of records, from keys over there to ids here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Incoming, Pass};
use crate::store::{Tx, records};
use crate::sync::context::SyncError;

impl Pass {
    /// Puts ids of linked entities in the place of the keys that references hold; the others wait.
    /// A record of this page is linked already: what it will be is known since [`Self::load`].
    pub(in crate::sync::page) async fn resolve_references(
        &self,
        tx: &mut Tx,
        incoming: &mut [Incoming],
    ) -> Result<(), SyncError> {
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for reference in incoming
            .iter()
            .flat_map(|record| record.patch.references.values())
        {
            let keys = wanted.entry(reference.stream.0.clone()).or_default();
            keys.insert(reference.key.clone());
        }
        let mut found = HashMap::new();
        if let Some(keys) = wanted.get_mut(&self.stream.plan.stream) {
            for record in incoming.iter() {
                if let Some(key) = keys.take(&record.patch.key) {
                    found.insert((self.stream.plan.stream.clone(), key), record.entity_id);
                }
            }
        }
        wanted.retain(|_, keys| !keys.is_empty());
        for (stream, keys) in wanted {
            let keys: Vec<String> = keys.into_iter().collect();
            let targets = records::targets(tx, self.stream.plan.connection, &stream, &keys).await?;
            found.extend(
                targets
                    .into_iter()
                    .map(|(key, id)| ((stream.clone(), key), id)),
            );
        }
        for record in incoming {
            let references = record.patch.references.clone();
            for (field, reference) in references {
                if let Some(id) = found.get(&(reference.stream.0, reference.key)) {
                    record.patch.resolve(&field, id.0.to_string());
                }
            }
            let waiting = &record.patch.references;
            record.unresolved = (!waiting.is_empty()).then(|| waiting.clone());
        }
        Ok(())
    }
}
