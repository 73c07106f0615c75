//! Where a difference between a record and its snapshot comes from. Pure.
//!
//! A sweep reads a record directly and compares it with what the hub last saw of it. What differs is
//! mended by the ordinary merge; before that its cause is found, because only some causes are a loss:
//! a number that mixes them says nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::{Fields, Value};
use serde::{Deserialize, Serialize};

use crate::catalogue::same;
use crate::mapping::{Patch, Taken, Values};
use crate::merge::{FieldRule, Rules};

/// A change stamped later than this before the end of what is covered may still be on its way.
const ON_ITS_WAY: TimeDelta = TimeDelta::minutes(2);

/// What a difference comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It is on its way, in or out: the next read or push settles it.
    InFlight,
    /// The record changed over there and no read brought it.
    MissedChange,
    /// The system said it stored our write, and did not keep it.
    LostWrite,
    /// The same values in another form, or fields that are not mapped.
    Normalisation,
    /// The record is no longer one that the mapping takes.
    OutOfScope,
    /// The hub's user is shown less than before.
    Permission,
    /// The record is not there any more.
    Missing,
}

impl Cause {
    pub const ALL: [Self; 7] = [
        Self::InFlight,
        Self::MissedChange,
        Self::LostWrite,
        Self::Normalisation,
        Self::OutOfScope,
        Self::Permission,
        Self::Missing,
    ];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::MissedChange => "missed_change",
            Self::LostWrite => "lost_write",
            Self::Normalisation => "normalisation",
            Self::OutOfScope => "out_of_scope",
            Self::Permission => "permission",
            Self::Missing => "missing",
        }
    }

    /// Whether the hub was wrong about the record, and would have stayed so.
    pub fn is_drift(self) -> bool {
        !matches!(
            self,
            Self::InFlight | Self::Normalisation | Self::OutOfScope
        )
    }
}

/// The drift number: records of which the hub was wrong.
pub fn drift(differing: &BTreeMap<Cause, u64>) -> u64 {
    let drifted = differing.iter().filter(|(cause, _)| cause.is_drift());
    drifted.map(|(_, count)| count).sum()
}

/// What was sent to a record and said to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Core values as sent.
    pub values: Values,
    /// What the system was known to hold for them before.
    pub before: Values,
    pub sent_at: DateTime<Utc>,
}

/// What is known of a record that was read again.
pub struct Sides<'a> {
    pub rules: &'a Rules,
    /// The fields as last seen, and as mapped.
    pub seen: (&'a Fields, &'a Patch),
    /// The same of the record as it is.
    pub found: (&'a Fields, &'a Patch),
    pub base: &'a Values,
    /// What was written to it, newest first.
    pub written: &'a [Sent],
    /// Whether a write to it waits or is under way.
    pub is_owed: bool,
    /// Every change up to here should have been read.
    pub covered_to: Option<DateTime<Utc>>,
}

/// A difference with its cause and its core fields; remote ones where no core field differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub cause: Cause,
    pub fields: Vec<String>,
}

/// Finds out what a record differs in from what was last seen of it, and why.
pub fn classify(sides: &Sides<'_>) -> Option<Difference> {
    let difference = |cause, fields| Some(Difference { cause, fields });
    let lost = lost(sides);
    if !lost.is_empty() {
        return difference(Cause::LostWrite, lost);
    }
    if sides.seen.0 == sides.found.0 {
        return None;
    }
    let (seen, found) = (sides.seen.1, sides.found.1);
    let is_out = |patch: &Patch| matches!(patch.taken, Taken::No);
    if is_out(found) && !is_out(seen) {
        return difference(Cause::OutOfScope, Vec::new());
    }
    let moved = moved(sides);
    let is_late = sides
        .covered_to
        .zip(found.changed_at)
        .is_none_or(|(covered, changed)| changed > covered - ON_ITS_WAY);
    if sides.is_owed || (is_late && found.changed_at.is_some()) {
        return difference(Cause::InFlight, moved);
    }
    let hidden: Vec<String> = sides
        .seen
        .0
        .keys()
        .filter(|name| !sides.found.0.contains_key(*name))
        .cloned()
        .collect();
    let others = moved.is_empty();
    if !hidden.is_empty() && others {
        return difference(Cause::Permission, hidden);
    }
    if others {
        let changed = sides.found.0.iter();
        let changed = changed.filter(|(name, value)| sides.seen.0.get(*name) != Some(value));
        return difference(
            Cause::Normalisation,
            changed.map(|(name, _)| name.clone()).collect(),
        );
    }
    difference(Cause::MissedChange, moved)
}

/// The rules of all fields.
fn fields(rules: &Rules) -> impl Iterator<Item = &FieldRule> {
    rules.groups().iter().flat_map(|group| &group.fields)
}

fn is_same(rule: &FieldRule, one: Option<&Value>, other: Option<&Value>) -> bool {
    let (one, other) = (one.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null));
    same(&rule.field, one, other, rule.empty)
}

/// Core fields that mean something else than when they were last seen. What is not said has not moved.
fn moved(sides: &Sides<'_>) -> Vec<String> {
    let (seen, found) = (&sides.seen.1.values, &sides.found.1.values);
    let references = |name: &str| {
        sides.seen.1.references.get(name) != sides.found.1.references.get(name)
            && sides.found.1.references.contains_key(name)
    };
    fields(sides.rules)
        .filter(|rule| {
            let says = found.contains_key(&*rule.name);
            let differs = !is_same(rule, seen.get(&*rule.name), found.get(&*rule.name));
            says && differs || references(&rule.name)
        })
        .map(|rule| rule.name.to_string())
        .collect()
}

/// Fields of which the system said that it stored our value, both sides agreed on it since, and the
/// record holds what it held before, without having been touched since.
fn lost(sides: &Sides<'_>) -> Vec<String> {
    let found = sides.found.1;
    let held = |rule: &FieldRule| {
        let name = &*rule.name;
        let sent = sides
            .written
            .iter()
            .find(|sent| sent.values.contains_key(name))?;
        let (value, before) = (sent.values.get(name), sent.before.get(name));
        let agreed = sides.base.get(name)?;
        let is_back = is_same(rule, Some(found.values.get(name)?), before);
        let untouched = found.changed_at.is_none_or(|at| at <= sent.sent_at);
        let is_lost = is_same(rule, value, Some(agreed))
            && !is_same(rule, value, before)
            && is_back
            && untouched;
        is_lost.then(|| name.to_owned())
    };
    fields(sides.rules).filter_map(held).collect()
}

/// What a lost field of a record held before, as it was sent last: the base to merge it against.
pub fn before_lost(written: &[Sent], fields: &[String]) -> Values {
    let before = |name: &String| {
        let sent = written.iter().find(|sent| sent.values.contains_key(name))?;
        let value = sent.before.get(name).cloned().unwrap_or(Value::Null);
        Some((name.clone(), value))
    };
    fields.iter().filter_map(before).collect()
}

#[cfg(test)]
mod tests;
