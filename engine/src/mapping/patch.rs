//! What a record would change.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use connector_sdk::{StreamName, Value};
use serde::{Deserialize, Serialize};

use super::expression::ExpressionError;
use super::transform::TransformError;
use crate::catalogue::TypeError;

/// Core field name to value. A field that is not in here says nothing, which is not null.
pub type Values = BTreeMap<String, Value>;

/// A record in the entity's terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// The record's key in its system.
    pub key: String,
    pub version: Option<String>,
    /// When the system says the record last changed.
    pub changed_at: Option<DateTime<Utc>>,
    /// Typed values by core field. What the record did not say is not in here.
    pub values: Values,
    /// Core fields that point at another record, until [`Patch::resolve`] has turned its key into
    /// an entity's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub references: BTreeMap<String, Reference>,
    /// Fields whose value could not be mapped. Only they, and their group, stand still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FieldFailure>,
    /// Whether the mapping takes the record at all.
    #[serde(default, skip_serializing_if = "Taken::is_yes")]
    pub taken: Taken,
}

/// Whether a mapping takes a record, by its `where`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    #[default]
    Yes,
    No,
    /// The record does not say what the condition asks for: one that was taken before goes on.
    Unknown,
    /// The condition has no value.
    Failed(FieldFailure),
}

impl Taken {
    fn is_yes(&self) -> bool {
        *self == Self::Yes
    }
}

impl Patch {
    /// Puts the id of the entity a reference points at in its place. What is not resolved is not
    /// merged; it waits.
    pub fn resolve(&mut self, core: &str, entity_id: impl Into<String>) {
        if self.references.remove(core).is_some() {
            self.values
                .insert(core.to_owned(), Value::Text(entity_id.into()));
        }
    }
}

/// A record that a field points at, by its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reference {
    pub stream: StreamName,
    pub key: String,
}

/// A field that could not be mapped. Holds no value: it may be personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{remote} → {core}: {reason}")]
pub struct FieldFailure {
    pub core: String,
    pub remote: String,
    /// Stable, for folding equal failures: `type`, `lookup`, …
    pub cause: FailReason,
    /// For people: `the text cannot be read as a date`.
    pub reason: String,
}

/// Why a field could not be mapped, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// A transform refused the value.
    Transform,
    /// A table of the mapping has no such entry.
    Lookup,
    /// The value is none of the core field's kind, or not one of its choices.
    Type,
    /// It is longer than the field, or holds what no store takes.
    Size,
    /// A condition or a computed value has none: a division by zero, say.
    Expression,
}

impl FieldFailure {
    pub(super) fn of_transform(core: &str, remote: &str, error: &TransformError) -> Self {
        let cause = match error {
            TransformError::NotInTable { .. } => FailReason::Lookup,
            TransformError::TooLong { .. } => FailReason::Size,
            _ => FailReason::Transform,
        };
        Self::new(core, remote, cause, error.to_string())
    }

    pub(super) fn of_type(core: &str, remote: &str, error: &TypeError) -> Self {
        let cause = match error {
            TypeError::TooLong { .. } | TypeError::TooMany { .. } | TypeError::Storage(_) => {
                FailReason::Size
            }
            _ => FailReason::Type,
        };
        Self::new(core, remote, cause, error.to_string())
    }

    pub(super) fn of_expression(core: &str, remote: &str, error: &ExpressionError) -> Self {
        Self::new(core, remote, FailReason::Expression, error.to_string())
    }

    fn new(core: &str, remote: &str, cause: FailReason, reason: String) -> Self {
        Self {
            core: core.to_owned(),
            remote: remote.to_owned(),
            cause,
            reason,
        }
    }
}
