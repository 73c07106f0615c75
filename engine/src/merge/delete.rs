//! A record is gone over there. What becomes of the entity?

use std::sync::Arc;

use connector_sdk::Removal;
use serde::{Deserialize, Serialize};

use super::{ConflictField, Rule, Rules, Values};
use crate::catalogue::same;
use crate::mapping::DeletePolicy;
use connector_sdk::Value;

/// A removal and the two sides it meets.
#[derive(Clone, Copy, Debug)]
pub struct DeleteInput<'a> {
    pub rules: &'a Rules,
    pub base: Option<&'a Values>,
    /// None when the entity is gone already.
    pub core: Option<&'a Values>,
    pub removal: &'a Removal,
}

/// What to do about a removal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "deletion")]
pub enum Deletion {
    /// There is no entity to remove.
    Nothing,
    /// The entity gets a tombstone, the identity link ends.
    Tombstone { rule: Rule },
    /// The identity link ends, the entity stays.
    Unlink { rule: Rule },
    /// The record lives on inside another, of this stream where none is named: the link moves there.
    Relink {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<String>,
        key: String,
    },
    /// A person decides between letting the entity go and bringing the record back. `edited` are
    /// the fields that moved in the hub since the last agreement; their remote value is null.
    Conflict {
        rule: Rule,
        edited: Vec<ConflictField>,
    },
}

/// Merges a removal. An edit in the hub that the peer had not been given yet stands against it.
pub fn merge_delete(input: &DeleteInput<'_>) -> Deletion {
    let Some(core) = input.core else {
        return Deletion::Nothing;
    };
    match input.removal {
        Removal::Deleted => {}
        Removal::MergedInto { key } => {
            return Deletion::Relink {
                stream: None,
                key: key.clone(),
            };
        }
        Removal::ConvertedInto { stream, key } => {
            return Deletion::Relink {
                stream: Some(stream.0.clone()),
                key: key.clone(),
            };
        }
    }
    let edited = edited(input.rules, input.base, core);
    if !edited.is_empty() {
        return Deletion::Conflict {
            rule: Rule::DeletedButEdited,
            edited,
        };
    }
    match input.rules.on_delete {
        DeletePolicy::Tombstone => Deletion::Tombstone {
            rule: Rule::Deleted,
        },
        DeletePolicy::Unlink => Deletion::Unlink {
            rule: Rule::Deleted,
        },
        DeletePolicy::Ask => Deletion::Conflict {
            rule: Rule::Deleted,
            edited,
        },
    }
}

/// Fields that the hub would have pushed and that differ from what was agreed.
fn edited(rules: &Rules, base: Option<&Values>, core: &Values) -> Vec<ConflictField> {
    let mut edited = Vec::new();
    for group in rules
        .groups()
        .iter()
        .filter(|group| group.direction.writes())
    {
        for field in &group.fields {
            let agreed = base.and_then(|base| base.get(&*field.name));
            let value = core.get(&*field.name).unwrap_or(&Value::Null);
            if same(
                &field.field,
                value,
                agreed.unwrap_or(&Value::Null),
                field.empty,
            ) {
                continue;
            }
            edited.push(ConflictField {
                field: Arc::clone(&field.name),
                base: agreed.cloned(),
                core: value.clone(),
                remote: Value::Null,
            });
        }
    }
    edited
}
