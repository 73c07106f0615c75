//! References of records, from keys over there to ids here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::ids::{ConnectionId, EntityId};
use crate::mapping::{Patch, Reference};
use crate::store::{StoreError, Tx, records};

/// The entities that references point at, as far as they are known.
pub(super) struct Targets(HashMap<Reference, EntityId>);

impl Targets {
    /// Looks up what `references` of records of `connection` point at, except what is `known` already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn of(
        tx: &mut Tx,
        connection: ConnectionId,
        references: impl IntoIterator<Item = &Reference>,
        known: impl Fn(&Reference) -> Option<EntityId>,
    ) -> Result<Self, StoreError> {
        let (mut targets, mut wanted) = (HashMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for reference in references {
            if let Some(id) = known(reference) {
                targets.insert(reference.clone(), id);
            } else {
                let keys = wanted.entry(reference.stream.clone()).or_default();
                keys.insert(reference.key.clone());
            }
        }
        for (stream, keys) in wanted {
            let keys: Vec<String> = keys.into_iter().collect();
            let found = records::targets(tx, connection, stream.as_str(), &keys).await?;
            targets.extend(found.into_iter().map(|(key, id)| {
                let stream = stream.clone();
                (Reference { stream, key }, id)
            }));
        }
        Ok(Self(targets))
    }

    pub(super) fn contains(&self, reference: &Reference) -> bool {
        self.0.contains_key(reference)
    }

    /// Puts ids in the place of the keys that references hold; what is not known is left.
    pub(super) fn resolve(&self, patch: &mut Patch) {
        let known: Vec<(String, EntityId)> = patch
            .references
            .iter()
            .filter_map(|(field, reference)| Some((field.clone(), *self.0.get(reference)?)))
            .collect();
        for (field, id) in known {
            patch.resolve(&field, id.0.to_string());
        }
    }
}
