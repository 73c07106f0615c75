//! A page merged from one end to the other, and handed over in parts.

use chrono::{DateTime, Utc};
use connector_sdk::Tombstone;
use tokio::sync::mpsc;

use super::{Counts, Incoming, Pass, Stored};
use crate::mapping::Values;
use crate::store::StoreError;
use crate::store::records::{self, Linked, Place, Row};
use crate::sync::effects::Effects;
use crate::sync::page::Origin;
use crate::sync::page::batch::Batch;
use crate::sync::page::guard::Room;
use crate::sync::page::watch::Watch;

/// Records merged while those before them are stored.
const BATCH: usize = 500;

impl Pass {
    /// Merges everything, [`BATCH`] records at a time, and hands over what is to be stored.
    pub(in crate::sync::page) fn merge_all(
        mut self,
        incoming: Vec<Incoming>,
        gone: Vec<(Tombstone, Linked)>,
        now: DateTime<Utc>,
        to: &mpsc::Sender<Result<Batch, StoreError>>,
    ) -> (Counts, Room, Option<Watch>) {
        for record in incoming {
            self.merge(record, now);
            if self.made.rows.len() + self.made.known_rows.len() >= BATCH
                && to.blocking_send(self.batch(now)).is_err()
            {
                // Nobody stores batches any more.
                return (self.counts, self.room, self.watch);
            }
        }
        for (tombstone, linked) in gone {
            self.remove(&tombstone, &linked, now);
        }
        to.blocking_send(self.batch(now)).ok();
        (self.counts, self.room, self.watch)
    }

    /// Merges everything and hands over what became of it; nothing is to be stored.
    pub(in crate::sync::page) fn look_all(
        mut self,
        incoming: Vec<Incoming>,
        gone: Vec<(Tombstone, Linked)>,
        now: DateTime<Utc>,
    ) -> (Counts, Watch, Effects) {
        for record in incoming {
            self.merge(record, now);
        }
        for (tombstone, linked) in gone {
            self.remove(&tombstone, &linked, now);
        }
        let watch = self.watch.unwrap_or_default();
        (self.counts, watch, self.made.effects)
    }

    fn batch(&mut self, now: DateTime<Utc>) -> Result<Batch, StoreError> {
        let made = std::mem::take(&mut self.made);
        let plan = &self.stream.plan;
        let place = Place {
            connection: plan.connection,
            stream: &plan.stream,
            entity: self.around.kind.name,
            mapping_version: plan.mark(),
            run: Some(self.run),
        };
        let mut rows = Vec::with_capacity(2);
        for (stored, some) in [
            (Stored::Never, &made.rows),
            (Stored::Perhaps, &made.known_rows),
        ] {
            if !some.is_empty() {
                rows.push(records::save(place, stored, now, some)?);
            }
        }
        Ok(Batch {
            rows,
            removed: made.removed,
            withheld: made.withheld,
            effects: made.effects.ready(&self.around.kind, now)?,
            beside: made.beside,
            links: made.links,
            answered: made.answered,
            merges: made.merges,
        })
    }
}

pub(super) fn row(record: Incoming, base: Values, origin: Origin) -> Row {
    let problems = (!record.patch.failed.is_empty())
        .then(|| serde_json::to_value(&record.patch.failed).ok())
        .flatten();
    // What the hub kept was not seen anew.
    let kept = record.linked.as_ref().filter(|_| origin == Origin::Hub);
    let (is_kept_asked, seen_at) = kept.map(|linked| (linked.is_asked, linked.seen_at)).unzip();
    Row {
        key: record.patch.key,
        entity_id: record.entity_id,
        snapshot: record.snapshot,
        base,
        remote_version: record.patch.version,
        remote_changed_at: record.patch.changed_at,
        unresolved: record.unresolved,
        problems,
        link_method: match &record.link {
            Some(link) => link.method.as_str(),
            None if record.named.is_some() => "hub_id",
            None => "first_read",
        },
        is_asked: match origin {
            Origin::Records(_) => true,
            Origin::Feed(_) | Origin::Listing(_) => false,
            Origin::Hub => is_kept_asked.unwrap_or_default(),
        },
        seen_at,
    }
}
