//! One field as the three sides see it.

use connector_sdk::Value;

use super::FieldRule;
use super::text::merge_lines;
use crate::catalogue::{MAX_TEXT_BYTES, canonical_with, same};

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

    /// A list's entries, each behind the form in which it is compared.
    fn entries<'v>(&self, value: &'v Value) -> Vec<(Value, &'v Value)> {
        let Value::List(values) = value else {
            return Vec::new();
        };
        let key = |entry: &Value| {
            let alone = Value::List(vec![entry.clone()]);
            canonical_with(&self.rule.field, &alone, self.rule.empty).unwrap_or(alone)
        };
        values.iter().map(|entry| (key(entry), entry)).collect()
    }

    pub(super) fn differs(&self) -> bool {
        self.remote()
            .is_some_and(|remote| !self.same(self.core, remote))
    }
}

/// The entries both sides hold and those that either added since the base: what one side removed
/// stays removed, or the peer's next read would bring it back and take it away in turn.
pub(super) fn union(field: &Sides<'_>, remote: &Value) -> Value {
    let (ours, theirs, agreed) = (
        field.entries(field.core),
        field.entries(remote),
        field.entries(field.agreed()),
    );
    let holds = |entries: &[(Value, &Value)], key: &Value| entries.iter().any(|(k, _)| k == key);
    let mut keys: Vec<&Value> = Vec::new();
    let mut union = Vec::new();
    for (entries, others) in [(&ours, &theirs), (&theirs, &ours)] {
        for (key, entry) in entries {
            let stays = holds(others, key) || !holds(&agreed, key);
            if stays && !keys.contains(&key) {
                keys.push(key);
                union.push((*entry).clone());
            }
        }
    }
    if union.is_empty() {
        Value::Null
    } else {
        Value::List(union)
    }
}

/// The hub's text with the lines below it that only the peer's text holds. Lines that were agreed and
/// that the hub took out stay out, so doing it again adds nothing. `None` where it would be longer
/// than the field, or a side is no text.
pub(super) fn append(field: &Sides<'_>, remote: &Value) -> Option<Value> {
    let (mut ours, theirs, agreed) = (text(field.core)?, text(remote)?, text(field.agreed())?);
    let known: std::collections::BTreeSet<String> = ours
        .lines()
        .chain(agreed.lines())
        .map(|line| line.trim().to_owned())
        .collect();
    for line in theirs.lines().filter(|line| !known.contains(line.trim())) {
        if !ours.is_empty() && !ours.ends_with('\n') {
            ours.push('\n');
        }
        ours.push_str(line);
    }
    fits(field, ours)
}

/// Both texts merged line by line. `None` where that would be longer than the field, takes too long, or
/// a side is no text.
pub(super) fn by_lines(field: &Sides<'_>, remote: &Value) -> Option<Value> {
    let (ours, theirs, agreed) = (text(field.core)?, text(remote)?, text(field.agreed())?);
    fits(field, merge_lines(&agreed, &ours, &theirs)?)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn fits(field: &Sides<'_>, text: String) -> Option<Value> {
    let longest = field.rule.field.max_length;
    let fits = longest.is_none_or(|longest| {
        u32::try_from(text.chars().count()).is_ok_and(|length| length <= longest)
    });
    (fits && text.len() <= MAX_TEXT_BYTES).then_some(Value::Text(text))
}
