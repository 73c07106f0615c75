//! Records outside of a mapping's condition.

use super::{Incoming, Pass, row};
use crate::mapping::{Patch, Taken};
use crate::store::records::Linked;

impl Pass {
    /// What a record is to be merged as: nothing for one that stays out. One that was taken before
    /// and is outside by now stands still (`true`); its snapshot is kept up, so that it is known
    /// here and where writes are claimed.
    pub(super) fn taken(&mut self, patch: Patch, known: Option<&Linked>) -> Option<(Patch, bool)> {
        let failure = match &patch.taken {
            Taken::Yes => return Some((patch, false)),
            Taken::Unknown if known.is_some() => return Some((patch, false)),
            Taken::No | Taken::Unknown => None,
            Taken::Failed(failure) => Some(failure.clone()),
        };
        self.counts.excluded += 1;
        if let Some(watch) = &mut self.watch {
            watch.excluded(&patch.key, failure.as_ref());
        }
        let is_here = known.is_some_and(|known| !known.is_removed());
        if !is_here {
            self.counts.failed += u64::from(failure.is_some());
            return None;
        }
        let left = Patch {
            failed: failure.into_iter().collect(),
            values: crate::mapping::Values::new(),
            references: std::collections::BTreeMap::new(),
            ..patch
        };
        Some((left, true))
    }

    /// Keeps the snapshot of a record that stands still.
    pub(super) fn leave(&mut self, record: Incoming) {
        let linked = record.linked.as_ref();
        let base = linked.map(|linked| linked.base.clone()).unwrap_or_default();
        self.made.known_rows.push(row(record, base, self.origin));
    }
}
