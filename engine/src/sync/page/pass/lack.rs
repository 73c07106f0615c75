//! What a page may lack: our own writes, or parts of a record.

use chrono::{DateTime, Utc};
use connector_sdk::Record;

use super::Pass;
use crate::store::records::Linked;
use crate::sync::page::Origin;

impl Pass {
    /// Whether a record that differs from what is known of it may be older although its stamp does not
    /// say so. It is the same, which may tell no more than the second: a list may not show yet what we
    /// wrote or what was asked for by itself, and what was seen may have been read after this was asked
    /// for. Or it is newer, and a write whose answer told no stamp came after it. Asking for the record
    /// itself tells.
    pub(super) fn is_in_doubt(&self, known: &Linked, changed_at: Option<DateTime<Utc>>) -> bool {
        if known.is_removed() {
            return false;
        }
        let is_written = |since| known.written_at.is_some_and(|written| written > since);
        if self.origin.asked_at().is_some_and(is_written) {
            return true;
        }
        let is_tied = changed_at.is_some() && changed_at == known.remote_changed_at;
        let is_overtaken = |asked| known.seen_at > asked;
        let is_lacked = |until| is_written(until) || known.is_asked && is_overtaken(until);
        is_tied
            && (self.origin.shows_until().is_some_and(is_lacked)
                || self.origin.history_at().is_some_and(is_overtaken))
    }

    /// Whether a feed tells less of a record than is needed to make an entity of it, or to bring one
    /// back: some tell what changed only.
    pub(super) fn lacks_parts(&self, record: &Record, known: Option<&Linked>) -> bool {
        let is_there = known.is_some_and(|known| !known.is_removed());
        if is_there || !matches!(self.origin, Origin::Feed(_)) {
            return false;
        }
        let wanted = self.stream.plan.mapping.remote_fields();
        !wanted.iter().all(|field| record.fields.contains_key(field))
    }

    /// Whether a record is sure to show all that we wrote to it.
    pub(super) fn shows_writes(&self, known: Option<&Linked>) -> bool {
        let written = known.and_then(|known| known.written_at);
        let until = self.origin.shows_until();
        until.is_some_and(|until| written.is_none_or(|written| written <= until))
    }
}
