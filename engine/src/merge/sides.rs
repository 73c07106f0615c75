//! One field as the three sides see it.

use connector_sdk::Value;

use super::FieldRule;
use crate::catalogue::same;

pub(super) static NULL: Value = Value::Null;

/// One field's three sides.
pub(super) struct Sides<'a> {
    pub(super) rule: &'a FieldRule,
    pub(super) core: &'a Value,
    /// What was agreed, own writes that came back included.
    pub(super) base: Option<&'a Value>,
    /// What the record says.
    pub(super) said: Option<&'a Value>,
}

impl<'a> Sides<'a> {
    /// What the peer holds, as far as is known: what is not said stands where it was agreed.
    pub(super) fn remote(&self) -> Option<&'a Value> {
        self.said.or(self.base)
    }

    pub(super) fn same(&self, one: &Value, other: &Value) -> bool {
        same(&self.rule.field, one, other, self.rule.empty)
    }

    pub(super) fn agreed(&self) -> &'a Value {
        self.base.unwrap_or(&NULL)
    }

    pub(super) fn core_moved(&self) -> bool {
        !self.same(self.core, self.agreed())
    }

    pub(super) fn remote_moved(&self) -> bool {
        self.said
            .is_some_and(|said| !self.same(said, self.agreed()))
    }

    pub(super) fn differs(&self) -> bool {
        self.remote()
            .is_some_and(|remote| !self.same(self.core, remote))
    }
}

/// The hub's entries, then those of the peer that mean none of them.
pub(super) fn union(field: &Sides<'_>, remote: &Value) -> Value {
    let mut entries: Vec<Value> = Vec::new();
    for side in [field.core, remote] {
        let Value::List(values) = side else {
            continue;
        };
        for value in values {
            if !entries.contains(value) {
                entries.push(value.clone());
            }
        }
    }
    if entries.is_empty() {
        Value::Null
    } else {
        Value::List(entries)
    }
}
