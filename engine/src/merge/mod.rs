//! What happens when two sides hold a value: the three-way merge of an entity with one record.
//!
//! Pure and total. [`Rules`] are compiled once from a mapping and a catalogue; [`merge`] takes the
//! values last agreed with the record (*base*), the entity's and the record's, and says group by
//! group what becomes of them, with a reason a person can read and with the value that lost.
//!
//! The order of decision, per group of fields:
//!
//! 1. *Read-only side.* A field that only comes in is never pushed, one that only goes out never
//!    changes the hub. Over a field the peer alone can write, the peer's move stands, unless a
//!    person pinned the hub's value.
//! 2. *Owner.* The declared owner's value stands; the other side's is recorded and put back.
//! 3. *Pin.* A value a person pinned stands until it is unpinned.
//! 4. *One side moved* since the base: its value is taken.
//! 5. *Both moved and mean the same*: nothing to do but to note the agreement.
//! 6. *Both moved*: the group's policy.
//! 7. *Nothing agreed yet*: first contact. One side empty: the other's value fills it. Else the
//!    mapping says who wins.
//!
//! A group with a frozen field ([`Context::frozen`]) stands still, like one that cannot be read.
//!
//! The base moves only on agreement: when the hub takes the peer's value, when both mean the same,
//! or when our own write came back ([`Echo`]). A value that is pushed becomes base when the write's
//! receipt says so, which is for the caller. Under an open conflict neither side is
//! overwritten and the base stays.
//!
//! Missing is not null: a field the record does not say stands where it was last agreed.

mod decide;
mod decision;
mod delete;
mod echo;
mod input;
mod resolve;
mod rules;
mod sides;
mod text;
mod verdict;

pub use decide::merge;
pub use decision::{Decision, Names, Rule, Winner};
pub use delete::{DeleteInput, Deletion, merge_delete};
pub use input::{Clock, Context, Echo, MergeInput, Pin};
pub use resolve::{Choice, ResolveError, Resolved};
pub use rules::{FieldRule, GroupRule, Rules};

use std::collections::BTreeSet;
use std::sync::Arc;

use connector_sdk::Value;
use serde::{Deserialize, Serialize};

pub use crate::mapping::Values;

/// What a merge decided. Applying it is the caller's: all of it in one transaction, or none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// Core fields that get another value, in the rules' order.
    pub changes: Vec<FieldChange>,
    /// The base from now on, whole; store it in place of the old one.
    pub base: Values,
    /// Why, one per group on which there was something to decide; a single one with no group when
    /// the whole entity is new.
    pub decisions: Vec<Decision>,
    /// Groups that wait for a person.
    pub conflicts: Vec<Conflict>,
    /// Core fields whose value (after `changes`) this peer should be given.
    pub push: BTreeSet<String>,
    /// Places in [`Context::echoes`] of own writes that came back: delete them.
    pub consumed: Vec<usize>,
    /// Places in [`Context::echoes`] of own writes that can no longer come back, because the peer
    /// has moved past them: delete them too.
    pub retired: Vec<usize>,
    /// Core fields of which the record says something else than was agreed, and than we wrote.
    #[serde(skip)]
    pub moved: BTreeSet<Arc<str>>,
}

impl Merged {
    /// Whether the merge found nothing to do but to remember the base.
    pub fn is_quiet(&self) -> bool {
        self.changes.is_empty() && self.conflicts.is_empty() && self.push.is_empty()
    }

    /// The decision that a field's value comes from.
    pub fn decision(&self, rules: &Rules, field: &str) -> Option<&Decision> {
        let group = rules.group_of(field).map(|group| &group.name);
        self.decisions
            .iter()
            .find(|decision| decision.group.is_none() || decision.group.as_ref() == group)
    }
}

/// A core field that gets another value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    pub field: Arc<str>,
    /// What was there; null when there was nothing.
    pub old: Value,
    pub new: Value,
}

/// A group of fields that nobody's rule decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    pub group: Arc<str>,
    pub rule: Rule,
    pub fields: Vec<ConflictField>,
}

/// The three values of a field under conflict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConflictField {
    pub field: Arc<str>,
    /// None where nothing was ever agreed.
    #[serde(default, with = "maybe", skip_serializing_if = "Option::is_none")]
    pub base: Option<Value>,
    pub core: Value,
    pub remote: Value,
}

/// A base that is null is not the same as no base, which JSON's null would make of both.
mod maybe {
    use connector_sdk::Value;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Value>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Value>, D::Error> {
        Value::deserialize(from).map(Some)
    }
}

#[cfg(test)]
mod tests;
