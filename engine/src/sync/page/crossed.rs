//! Changes that may have come in another order than they happened: what happened before a removal must not
//! bring the record back, nor a removal take away what was changed after it.
//!
//! Stamps alone do not decide it, for a record may come back as it was, or by a clock that was set back.
//! Asking for the record itself does: such a change is left, and noted as a gap that names the record.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use connector_sdk::{Gap, Tombstone};

use super::Origin;
use super::ahead::Item;
use super::pass::Pass;
use crate::store::records::Linked;
use crate::sync::sweep::question;

/// Whether a record that is said to be there may be from before its removal, which is known.
fn is_before_removal(item: &Item, known: &Linked, origin: Origin) -> bool {
    let Some(removed_at) = known.removed_at else {
        return false;
    };
    let history_at = origin.history_at();
    match history_at {
        // It was there when it was asked for, which was after it had gone.
        Some(asked) if asked > removed_at => false,
        _ => match item.at().zip(known.gone_at.or(known.remote_changed_at)) {
            Some((this, gone)) => this <= gone,
            None => history_at.is_some(),
        },
    }
}

/// Whether a record was changed after what is said to be its removal.
fn is_changed_since(tombstone: &Tombstone, known: &Linked) -> bool {
    let told = tombstone.removed_at.zip(known.remote_changed_at);
    !known.is_removed() && told.is_some_and(|(gone, seen)| gone < seen)
}

impl Pass {
    /// Whether what comes is told by the system, and may have been told before what is known.
    fn is_told(&self) -> bool {
        self.origin != Origin::Hub
    }

    /// Leaves a record, or its removal, and asks how it is by now.
    pub(super) fn ask(&mut self, key: &str, from: Option<DateTime<Utc>>) {
        self.in_doubt.push(question(vec![key.to_owned()], from));
        self.counts.unchanged += 1;
    }

    /// Leaves a record that may be from before its removal.
    pub(super) fn leaves(&mut self, item: &Item, known: &Linked) -> bool {
        let leaves = self.is_told() && is_before_removal(item, known, self.origin);
        if leaves {
            self.ask(item.key(), item.at());
        }
        leaves
    }

    /// Leaves removals of records that were changed since.
    pub(super) fn leave_crossed(&mut self, gone: &mut Vec<(Tombstone, Linked)>) {
        if !self.is_told() {
            return;
        }
        let crossed = gone.extract_if(.., |(tombstone, known)| is_changed_since(tombstone, known));
        for (tombstone, _) in crossed {
            self.ask(&tombstone.key, tombstone.removed_at);
        }
    }
}

/// The newest change of each record in a page, removals apart, and questions about records of which
/// stamps say another end than the order does. Where stamps do not tell, the last one is the newest.
pub(super) fn newest(changes: Vec<Item>) -> (Vec<Item>, Vec<Tombstone>, Vec<Gap>) {
    let mut newest: HashMap<String, usize> = HashMap::with_capacity(changes.len());
    let mut questions = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let Some(best) = newest.get_mut(change.key()) else {
            newest.insert(change.key().to_owned(), at);
            continue;
        };
        let known = &changes[*best];
        let stamps = change.at().zip(known.at());
        if stamps.is_none_or(|(this, known)| this >= known) {
            *best = at;
        } else if change.is_removal() != known.is_removal() {
            questions.push(question(vec![change.key().to_owned()], change.at()));
        }
    }
    let (mut records, mut tombstones) = (Vec::new(), Vec::new());
    for (at, change) in changes.into_iter().enumerate() {
        if newest.get(change.key()) != Some(&at) {
            continue;
        }
        match change {
            Item::Delete(tombstone) => tombstones.push(tombstone),
            record => records.push(record),
        }
    }
    (records, tombstones, questions)
}
