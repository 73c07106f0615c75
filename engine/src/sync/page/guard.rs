//! How much a run may do: what is beyond a stream's caps is withheld and asked for, the rest of the
//! page proceeds.
//!
//! Removals of a page are withheld together: a mass of them in one page is one decision, not ten
//! removals and a question. Of what is made and what is written over, the excess is withheld.

use std::collections::HashMap;

use connector_sdk::{Tombstone, Value};
use serde::{Deserialize, Serialize};

use super::ahead::Item;
use super::pass::{Incoming, Pass};
use crate::ids::{ConnectionId, RunId};
use crate::merge::Merged;
use crate::store::approvals::Kind;
use crate::store::caps::{self, Cap, Caps};
use crate::store::plans::Phase;
use crate::store::records::{self, Linked};
use crate::store::withheld::{self, End, Withheld};
use crate::store::{StoreError, Tx};
use crate::sync::context::Stream;

/// What a run did so far of what is capped; handed from page to page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    deletes: u64,
    overwrites: u64,
    creates: u64,
    /// Records of the stream when they were first asked for; counting them takes a while.
    records: Option<u64>,
    /// Removals that the whole run comes to, where that is known beforehand: they are one decision, in
    /// however many parts they come.
    #[serde(default)]
    expected_deletes: u64,
    /// Whether the stream had never been read to its end when the run began.
    is_first: Option<bool>,
}

impl Ledger {
    /// Of a run that is to remove so many in all.
    #[must_use]
    pub(in crate::sync) fn expecting(mut self, deletes: u64) -> Self {
        self.expected_deletes = deletes;
        self
    }
}

/// The caps of a run at one page.
pub(super) struct Guard {
    caps: Caps,
    ledger: Ledger,
    connection: ConnectionId,
    stream: String,
    run: RunId,
    /// Records that have a change withheld already.
    held: HashMap<String, Kind>,
}

/// How many more values a page may write over; counted down while its records are merged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    /// `None`: any number.
    left: Option<u64>,
    pub(super) used: u64,
}

impl Guard {
    pub(super) async fn new(
        tx: &mut Tx,
        stream: &Stream,
        mut ledger: Ledger,
        run: RunId,
        keys: &[String],
    ) -> Result<Self, StoreError> {
        let (connection, name) = (stream.plan.connection, stream.plan.stream.as_str());
        ledger
            .is_first
            .get_or_insert(stream.plan.phase != Phase::Incremental);
        let (caps, _) = caps::get(tx, connection, name).await?;
        Ok(Self {
            caps,
            ledger,
            connection,
            stream: name.to_owned(),
            run,
            held: withheld::open_of(tx, connection, name, keys).await?,
        })
    }

    /// Leaves out what is withheld already. A record that is there although its removal is withheld has
    /// recovered. Returns how many were left out.
    pub(super) async fn leave_out(
        &self,
        tx: &mut Tx,
        records: &mut Vec<Item>,
        tombstones: &mut Vec<Tombstone>,
    ) -> Result<u64, StoreError> {
        if self.held.is_empty() {
            return Ok(0);
        }
        let before = records.len() + tombstones.len();
        let is_removal = |key: &str| self.held.get(key).map(|kind| *kind == Kind::Delete);
        let back: Vec<String> = records
            .iter()
            .map(Item::key)
            .filter(|key| is_removal(key) == Some(true))
            .map(str::to_owned)
            .collect();
        let gone: Vec<String> = tombstones
            .iter()
            .filter(|tombstone| is_removal(&tombstone.key) == Some(false))
            .map(|tombstone| tombstone.key.clone())
            .collect();
        records.retain(|item| is_removal(item.key()) != Some(false));
        tombstones.retain(|tombstone| is_removal(&tombstone.key) != Some(true));
        self.end(tx, &back, End::Recovered).await?;
        self.end(tx, &gone, End::Gone).await?;
        Ok((before - records.len() - tombstones.len()) as u64)
    }

    async fn end(&self, tx: &mut Tx, keys: &[String], end: End) -> Result<(), StoreError> {
        withheld::end(tx, self.connection, &self.stream, keys, end).await
    }

    /// Withholds removals and new records beyond their caps; says how many, and how many values may be
    /// written over.
    pub(super) async fn withhold(
        &mut self,
        tx: &mut Tx,
        pass: &Pass,
        incoming: &mut Vec<Incoming>,
        gone: &mut Vec<(Tombstone, Linked)>,
    ) -> Result<(u64, Room), StoreError> {
        let mut excess = Vec::new();
        let here = self.ledger.deletes + gone.len() as u64;
        let removals = here.max(self.ledger.expected_deletes);
        if removals > self.most(tx, self.caps.deletes, removals).await? {
            for (tombstone, linked) in gone.drain(..) {
                excess.push(Withheld {
                    kind: Kind::Delete,
                    entity: pass.kind(),
                    entity_id: Some(linked.entity_id),
                    fields: None,
                    change: serde_json::to_string(&tombstone).map_err(StoreError::Encode)?,
                    key: tombstone.key,
                });
            }
        }
        self.ledger.deletes += gone.len() as u64;
        if self.ledger.is_first == Some(false) {
            let made = incoming.iter().filter(|record| pass.is_new(record)).count() as u64;
            let most = self
                .most(tx, self.caps.creates, self.ledger.creates + made)
                .await?;
            let mut room = most.saturating_sub(self.ledger.creates);
            incoming.retain(|record| {
                if !pass.is_new(record) {
                    return true;
                }
                let fits = room > 0;
                room = room.saturating_sub(1);
                self.ledger.creates += u64::from(fits);
                if !fits {
                    excess.push(record.withheld(Kind::Create, pass.kind(), None));
                }
                fits
            });
        }
        let fields = pass.fields() as u64;
        let known = incoming
            .iter()
            .filter(|record| !pass.is_new(record))
            .count() as u64;
        let perhaps = self.ledger.overwrites + known.saturating_mul(fields);
        let most = self.most(tx, self.caps.overwrites, perhaps).await?;
        let room = Room {
            left: Some(most.saturating_sub(self.ledger.overwrites)),
            used: 0,
        };
        withheld::withhold(tx, self.connection, &self.stream, self.run, &excess).await?;
        Ok((excess.len() as u64, room))
    }

    /// The most that a cap allows. Records are counted only where that decides.
    async fn most(&mut self, tx: &mut Tx, cap: Cap, wanted: u64) -> Result<u64, StoreError> {
        if wanted <= cap.count {
            return Ok(cap.count);
        }
        let records = match self.ledger.records {
            Some(records) => records,
            None => {
                let records = records::count(tx, self.connection, &self.stream).await?;
                *self.ledger.records.insert(records)
            }
        };
        Ok(cap.most(records))
    }

    /// What the run did once this page is applied.
    pub(super) fn ledger(mut self, room: Room) -> Ledger {
        self.ledger.overwrites += room.used;
        self.ledger
    }
}

impl Room {
    /// Whether there is room for what a merge writes over; takes it.
    pub(super) fn takes(&mut self, merged: &Merged) -> bool {
        let is_filled =
            |value: &Value| !value.is_null() && value.as_str().is_none_or(|text| !text.is_empty());
        let changes = merged.changes.iter();
        let over = changes.filter(|change| is_filled(&change.old)).count() as u64;
        match &mut self.left {
            Some(left) if *left < over => return false,
            Some(left) => *left -= over,
            None => {}
        }
        self.used += over;
        true
    }
}
