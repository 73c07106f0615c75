//! Where each value of an entity came from.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{ConnectionId, RunId, UserId};
use crate::merge::{Rule, Winner};

/// Who set a value, when, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// When the hub took it over or the person set it.
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub by: By,
    /// Why it stands, where a merge or a resolution decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

/// The decision a value stands by; [`crate::merge::Decision::sentence`] makes a sentence of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    #[serde(flatten)]
    pub rule: Rule,
    pub winner: Winner,
}

/// Who set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum By {
    Connection {
        connection: ConnectionId,
        run: RunId,
        mapping_version: i32,
        /// When the system says the record changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changed_at: Option<DateTime<Utc>>,
    },
    User {
        user: UserId,
    },
    /// Somebody had a run undone: the value is the one before it.
    Undo {
        run: RunId,
        undoes: RunId,
        user: UserId,
    },
}

/// Origins of an entity's fields. Most fields of an entity come from few places, so each origin is
/// kept once and fields point at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    #[serde(default, rename = "o")]
    origins: Vec<Origin>,
    #[serde(default, rename = "f")]
    fields: BTreeMap<String, usize>,
}

impl Provenance {
    pub fn of(&self, field: &str) -> Option<&Origin> {
        self.fields.get(field).and_then(|at| self.origins.get(*at))
    }

    /// Every origin that a field points at, and perhaps others that none does any more.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// Names of the fields that have an origin.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// When the field last changed, by the clock of whoever changed it, for policies that ask
    /// which is newer.
    pub fn changed_at(&self, field: &str) -> Option<DateTime<Utc>> {
        self.of(field).map(|origin| match origin.by {
            By::Connection {
                changed_at: Some(at),
                ..
            } => at,
            _ => origin.at,
        })
    }

    pub fn set(&mut self, field: &str, origin: &Origin) {
        let at = self
            .origins
            .iter()
            .position(|known| known == origin)
            .unwrap_or_else(|| {
                self.origins.push(origin.clone());
                self.origins.len() - 1
            });
        match self.fields.get_mut(field) {
            Some(place) => *place = at,
            None => drop(self.fields.insert(field.to_owned(), at)),
        }
    }

    /// Drops origins that no field points at any more; called before storing.
    pub fn compact(&mut self) {
        let mut used: Vec<Option<usize>> = vec![None; self.origins.len()];
        let mut kept = Vec::new();
        for place in self.fields.values_mut() {
            let Some(slot) = used.get_mut(*place) else {
                continue;
            };
            *place = *slot.get_or_insert_with(|| {
                kept.push(self.origins[*place].clone());
                kept.len() - 1
            });
        }
        self.origins = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        let why = Why {
            rule: Rule::OneSideMoved,
            winner: Winner::Remote,
        };
        let by = By::User {
            user: UserId::fresh(),
        };
        Origin {
            at: DateTime::UNIX_EPOCH,
            by,
            why: Some(why),
        }
    }

    #[test]
    fn origins_are_kept_once_and_dropped_when_nothing_points_at_them() {
        let (first, second) = (origin(), origin());
        let mut provenance = Provenance::default();
        for field in ["a", "b", "c"] {
            provenance.set(field, &first);
        }
        provenance.set("b", &second);
        assert_eq!(provenance.origins.len(), 2);
        provenance.set("b", &first);
        provenance.compact();
        assert_eq!(provenance.origins, std::slice::from_ref(&first));
        assert_eq!(provenance.of("b"), Some(&first));
        let json = serde_json::to_string(&provenance).unwrap();
        assert_eq!(
            serde_json::from_str::<Provenance>(&json).unwrap(),
            provenance
        );
    }
}
