//! What a mapping is to make of a record, pinned.

use std::collections::{BTreeMap, BTreeSet};

use connector_sdk::{Record, Value};
use serde::{Deserialize, Serialize};

use super::{MapError, Mapping, Patch, Reference, Values};
use crate::catalogue::{Catalogue, Empty, same};

/// What a record says in the entity's terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Core field to value; a field that is not in here is not said.
    #[serde(default)]
    pub values: Values,
    /// Core field to the record it points at.
    #[serde(default)]
    pub references: BTreeMap<String, Reference>,
    /// Core fields that cannot be taken over.
    #[serde(default)]
    pub failed: BTreeSet<String>,
}

impl From<Patch> for Expected {
    fn from(patch: Patch) -> Self {
        Self {
            values: patch.values,
            references: patch.references,
            failed: patch
                .failed
                .into_iter()
                .map(|failure| failure.core)
                .collect(),
        }
    }
}

/// A field of which a mapping makes something else than was pinned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    pub core: String,
    pub expected: Said,
    pub found: Said,
}

/// What is said about a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "said", content = "value")]
pub enum Said {
    Nothing,
    Value(Value),
    /// Stream and key.
    Reference(Reference),
    /// It cannot be taken over.
    Failure,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Value(Value::Null) => f.write_str("null"),
            Self::Value(Value::Text(text)) => {
                // Enough to be known again, not a whole description.
                let short: String = text.chars().take(40).collect();
                write!(f, "{short:?}")
            }
            Self::Value(value) => write!(f, "{value}"),
            Self::Reference(reference) => write!(f, "{} {}", reference.stream, reference.key),
            Self::Failure => f.write_str("a failure"),
        }
    }
}

impl Expected {
    fn said(&self, core: &str) -> Said {
        if self.failed.contains(core) {
            Said::Failure
        } else if let Some(reference) = self.references.get(core) {
            Said::Reference(reference.clone())
        } else if let Some(value) = self.values.get(core) {
            Said::Value(value.clone())
        } else {
            Said::Nothing
        }
    }

    fn fields(&self) -> impl Iterator<Item = &String> {
        self.values
            .keys()
            .chain(self.references.keys())
            .chain(&self.failed)
    }
}

impl Mapping {
    /// Where this mapping makes something else of a record than was pinned, by field.
    ///
    /// # Errors
    /// As [`Mapping::inbound`].
    pub fn differences(
        &self,
        catalogue: &Catalogue,
        record: &Record,
        expected: &Expected,
    ) -> Result<Vec<Difference>, MapError> {
        let found = Expected::from(self.inbound(catalogue, record)?);
        let fields: BTreeSet<&String> = expected.fields().chain(found.fields()).collect();
        let differs = |core: &String| {
            let (was, is) = (expected.said(core), found.said(core));
            let is_same = match (&was, &is, catalogue.field(core)) {
                (Said::Value(was), Said::Value(is), Some(field)) => {
                    same(field, was, is, Empty::Value)
                }
                (was, is, _) => was == is,
            };
            (!is_same).then(|| Difference {
                core: core.clone(),
                expected: was,
                found: is,
            })
        };
        Ok(fields.into_iter().filter_map(differs).collect())
    }
}
