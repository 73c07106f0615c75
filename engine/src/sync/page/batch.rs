//! Part of a page on its way into the store.

use std::collections::BTreeSet;

use super::pass::Answered;
use crate::ids::{ConnectionId, EntityId, RunId};
use crate::store::changes::Actor;
use crate::store::withheld::{self, Withheld};
use crate::store::{Statement, StoreError, Tx, echoes, link_events, links, matches, records};
use crate::sync::context::{Neighbourhood, Stream, SyncError};
use crate::sync::effects::{Beside, Ready};
use crate::sync::identity::{FollowInput, start_follow};

/// Part of a page, ready to be stored.
pub(super) struct Batch {
    pub(super) rows: Vec<Statement>,
    pub(super) removed: Vec<(String, serde_json::Value)>,
    pub(super) withheld: Vec<Withheld>,
    pub(super) effects: Ready,
    pub(super) beside: Beside,
    pub(super) links: Vec<link_events::Made>,
    pub(super) answered: Vec<Answered>,
    pub(super) merges: Vec<FollowInput>,
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
        let linked: Vec<EntityId> = self.links.iter().map(|link| link.entity_id).collect();
        if !linked.is_empty() {
            echoes::drop_all(tx, connection, &linked).await?;
        }
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
        for merge in &self.merges {
            links::withdraw(tx, connection, name, merge.loser).await?;
            start_follow(tx, merge).await?;
        }
        let run = Some(run);
        if !self.removed.is_empty() {
            records::remove(tx, connection, name, run, &self.removed).await?;
        }
        link_events::note(tx, (connection, name), around.kind.name, run, &self.links).await?;
        matches::answered(tx, connection, name, &self.answered).await?;
        self.beside.store(tx, connection, name, run).await?;
        Ok(stored.owed)
    }
}
