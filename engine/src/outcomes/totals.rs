//! What the outcomes of many records add up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::{Act, Outcome};
use crate::ids::ConnectionId;
use crate::mapping::FailReason;

/// Causes of failure that are told apart; further ones are counted together.
pub const MAX_CAUSES: usize = 100;

/// What the outcomes of many records add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records looked at.
    pub read: u64,
    pub creates: u64,
    pub updates: u64,
    pub unchanged: u64,
    pub deletes: u64,
    pub excluded: u64,
    /// Records that a person has to say of whose they are.
    #[serde(default)]
    pub holds: u64,
    /// Records linked to entities that are here already.
    #[serde(default)]
    pub links: u64,
    /// Groups of fields, and removals, that a person has to decide.
    pub conflicts: u64,
    /// Records of which at least one field cannot be taken over.
    pub failed: u64,
    /// Records with values that change on the way out and back in.
    pub not_kept: u64,
    /// Records that wait for another one.
    pub waiting: u64,
    /// Values that change, by core field.
    #[serde(default)]
    pub fields: BTreeMap<String, u64>,
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// Failures of causes beyond [`MAX_CAUSES`].
    #[serde(default)]
    pub other_causes: u64,
    /// What would be written to systems.
    #[serde(default)]
    pub owed: Vec<Owed>,
}

/// Failures of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub core: String,
    pub remote: String,
    pub cause: FailReason,
    pub reason: String,
    pub records: u64,
    /// Key of one of the records.
    pub example: String,
}

/// Writes to one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    pub connection: ConnectionId,
    pub stream: String,
    pub writes: u64,
}

impl Totals {
    /// Adds what became of one record, but for what the page itself counts.
    pub(crate) fn note(&mut self, outcome: &Outcome) {
        match outcome.act {
            Act::Create => self.creates += 1,
            Act::Update => self.updates += 1,
            Act::Hold => self.holds += 1,
            Act::Unchanged | Act::Delete | Act::Exclude => {}
        }
        self.links += u64::from(outcome.link.is_some());
        self.not_kept += u64::from(!outcome.not_kept.is_empty());
        self.waiting += u64::from(!outcome.waiting.is_empty());
        for change in outcome.merged.iter().flat_map(|merged| &merged.changes) {
            *self.fields.entry(change.field.to_string()).or_default() += 1;
        }
        for failure in &outcome.failed {
            self.count(Cause {
                core: failure.core.clone(),
                remote: failure.remote.clone(),
                cause: failure.cause,
                reason: failure.reason.clone(),
                records: 1,
                example: outcome.key.clone(),
            });
        }
    }

    fn count(&mut self, one: Cause) {
        let is_same = |known: &&mut Cause| {
            (&known.core, known.cause, &known.reason) == (&one.core, one.cause, &one.reason)
        };
        if let Some(known) = self.causes.iter_mut().find(is_same) {
            known.records += one.records;
        } else if self.causes.len() < MAX_CAUSES {
            self.causes.push(one);
        } else {
            self.other_causes += one.records;
        }
    }

    /// Adds the totals of further records.
    pub fn add(&mut self, other: Self) {
        self.read += other.read;
        self.creates += other.creates;
        self.updates += other.updates;
        self.unchanged += other.unchanged;
        self.deletes += other.deletes;
        self.excluded += other.excluded;
        self.holds += other.holds;
        self.links += other.links;
        self.conflicts += other.conflicts;
        self.failed += other.failed;
        self.not_kept += other.not_kept;
        self.waiting += other.waiting;
        self.other_causes += other.other_causes;
        for (field, count) in other.fields {
            *self.fields.entry(field).or_default() += count;
        }
        for cause in other.causes {
            self.count(cause);
        }
        for owed in other.owed {
            let is_same = |known: &&mut Owed| {
                known.connection == owed.connection && known.stream == owed.stream
            };
            if let Some(known) = self.owed.iter_mut().find(is_same) {
                known.writes += owed.writes;
            } else {
                self.owed.push(owed);
            }
        }
        let place = |owed: &Owed| (owed.connection, owed.stream.clone());
        self.owed.sort_by_key(place);
    }
}

/// What many outcomes come to, whatever the order and the parts they came in: the SHA-256 of each
/// one's JSON, added without carry. Keys differ, so equal outcomes of two records do not cancel out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these outcomes.
    ///
    /// # Errors
    /// One of them is no JSON.
    pub fn of(outcomes: &[Outcome]) -> serde_json::Result<Self> {
        let mut digest = Self::default();
        for outcome in outcomes {
            let json = serde_json::to_vec(outcome)?;
            digest.add(Self(Sha256::digest(&json).into()));
        }
        Ok(digest)
    }

    /// Adds the digest of further outcomes.
    pub fn add(&mut self, other: Self) {
        for (byte, more) in self.0.iter_mut().zip(other.0) {
            *byte ^= more;
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Of what [`Self::as_bytes`] gave.
    ///
    /// # Errors
    /// There are not 32 of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, std::array::TryFromSliceError> {
        bytes.try_into().map(Self)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Digest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = "a digest has 64 hexadecimal digits";
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad);
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let digits = &text[at * 2..at * 2 + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_digits| bad)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_does_not_depend_on_the_parts_and_reads_back() {
        let outcome = |key: &str| -> Outcome {
            serde_json::from_value(serde_json::json!({"key": key, "act": "unchanged"})).unwrap()
        };
        let whole = Digest::of(&[outcome("1"), outcome("2"), outcome("3")]).unwrap();
        let mut parts = Digest::of(&[outcome("3")]).unwrap();
        parts.add(Digest::of(&[outcome("2"), outcome("1")]).unwrap());
        assert_eq!(whole, parts);
        assert_ne!(whole, Digest::of(&[outcome("1"), outcome("2")]).unwrap());
        assert_eq!(whole.to_string().parse::<Digest>(), Ok(whole));
        assert!("äx".repeat(16).parse::<Digest>().is_err());
    }

    #[test]
    fn causes_beyond_the_limit_are_counted_together() {
        let mut totals = Totals::default();
        for number in 0..MAX_CAUSES + 5 {
            totals.count(Cause {
                core: format!("field_{number}"),
                remote: "There".to_owned(),
                cause: FailReason::Type,
                reason: "is none".to_owned(),
                records: 2,
                example: "1".to_owned(),
            });
        }
        assert_eq!((totals.causes.len(), totals.other_causes), (MAX_CAUSES, 10));
    }
}
