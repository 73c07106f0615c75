//! What a person's answer to a conflict does.

use std::collections::{BTreeMap, BTreeSet};

use connector_sdk::Value;
use serde::{Deserialize, Serialize};

use super::{Conflict, Decision, FieldChange, Rule, Rules, Values, Winner};
use crate::catalogue::{TypeError, same, typed};

/// What a person chose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "choice", content = "values")]
pub enum Choice {
    Core,
    Remote,
    /// Other values, for fields of the group; fields left out keep the hub's.
    Values(Values),
}

/// What to write for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    pub changes: Vec<FieldChange>,
    /// To be put over the stored base: the peer's values, which the person has seen and decided
    /// on. What the hub holds differently is owed to the peer from then on.
    pub base: Values,
    /// Core fields whose value the peer should be given.
    pub push: BTreeSet<String>,
    pub decision: Decision,
}

/// Why an answer cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("field {field} is not part of the conflict")]
    NotInConflict { field: String },
    #[error("field {field} is not mapped any more")]
    NotMapped { field: String },
    #[error("field {field}: {reason}")]
    Value { field: String, reason: TypeError },
}

impl Conflict {
    /// Applies a person's choice. The caller has made sure that the sides still hold the values of
    /// the conflict; after a later change it is another conflict.
    ///
    /// # Errors
    /// A chosen value that is none of the field's kind, or a field of another group.
    pub fn resolve(&self, rules: &Rules, choice: &Choice) -> Result<Resolved, ResolveError> {
        if let Choice::Values(values) = choice
            && let Some(field) = values
                .keys()
                .find(|name| !self.fields.iter().any(|field| *field.field == ***name))
        {
            return Err(ResolveError::NotInConflict {
                field: field.clone(),
            });
        }
        let winner = match choice {
            Choice::Core => Winner::Core,
            Choice::Remote => Winner::Remote,
            Choice::Values(_) => Winner::Both,
        };
        let decision = Decision {
            group: Some(self.group.clone()),
            rule: Rule::Resolved,
            winner,
            lost: BTreeMap::new(),
        };
        let mut resolved = Resolved {
            changes: Vec::new(),
            base: Values::new(),
            push: BTreeSet::new(),
            decision,
        };
        for field in &self.fields {
            let name = field.field.to_string();
            let rule = rules.field(&name).ok_or_else(|| ResolveError::NotMapped {
                field: name.clone(),
            })?;
            let chosen = match choice {
                Choice::Core => field.core.clone(),
                Choice::Remote => field.remote.clone(),
                Choice::Values(values) => values.get(&name).unwrap_or(&field.core).clone(),
            };
            let chosen = typed(&rule.field, chosen).map_err(|reason| ResolveError::Value {
                field: name.clone(),
                reason,
            })?;
            let alike = |one: &Value, other: &Value| same(&rule.field, one, other, rule.empty);
            if chosen != field.core {
                resolved.changes.push(FieldChange {
                    field: field.field.clone(),
                    old: field.core.clone(),
                    new: chosen.clone(),
                });
            }
            if !alike(&chosen, &field.remote) {
                resolved.push.insert(name.clone());
                resolved
                    .decision
                    .lost
                    .insert(field.field.clone(), field.remote.clone());
            } else if !alike(&chosen, &field.core) {
                resolved
                    .decision
                    .lost
                    .insert(field.field.clone(), field.core.clone());
            }
            resolved.base.insert(name, field.remote.clone());
        }
        Ok(resolved)
    }
}
