//! Part of a page on its way into the store.

use std::collections::BTreeSet;

use crate::ids::{ConnectionId, RunId};
use crate::store::changes::Actor;
use crate::store::withheld::{self, Withheld};
use crate::store::{Statement, StoreError, Tx, records};
use crate::sync::context::{Neighbourhood, Stream, SyncError};
use crate::sync::effects::{Beside, Ready};

/// Part of a page, ready to be stored.
pub(super) struct Batch {
    pub(super) rows: Vec<Statement>,
    pub(super) removed: Vec<(String, serde_json::Value)>,
    pub(super) withheld: Vec<Withheld>,
    pub(super) effects: Ready,
    pub(super) beside: Beside,
}

impl Batch {
    /// Stores the batch; says which streams are owed something.
    pub(super) async fn store(
        self,
        tx: &mut Tx,
        around: &Neighbourhood,
        stream: &Stream,
        run: RunId,
    ) -> Result<BTreeSet<(ConnectionId, String)>, SyncError> {
        let (connection, name) = (stream.plan.connection, stream.plan.stream.as_str());
        let actor = Actor {
            connection: Some(connection),
            run: Some(run),
            ..Actor::default()
        };
        let source = Some((connection, name));
        let stored = self.effects.store(tx, around, source, actor).await?;
        for rows in self.rows {
            rows.execute(tx).await.map_err(|error| {
                if error.is_unique_violation() {
                    // Linked by a transaction that has ended since this page looked.
                    StoreError::Stale("record".to_owned())
                } else {
                    error
                }
            })?;
        }
        withheld::withhold(tx, connection, name, run, &self.withheld).await?;
        let run = Some(run);
        if !self.removed.is_empty() {
            records::remove(tx, connection, name, run, &self.removed).await?;
        }
        self.beside.store(tx, connection, name, run).await?;
        Ok(stored.owed)
    }
}
