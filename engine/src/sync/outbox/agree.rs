//! What both sides agree on once a write has been answered.

use std::collections::BTreeSet;

use connector_sdk::Value;

use crate::catalogue::{is_form_of, same};
use crate::entity::Entity;
use crate::mapping::{Patch, Values};
use crate::merge::{self, Context, MergeInput, Rule, Winner};
use crate::provenance::Why;
use crate::store::changes::FieldChange;
use crate::sync::context::Stream;

/// What became of the two sides after a write.
#[derive(Default)]
pub(super) struct Agreed {
    /// Where the hub takes over the system's form.
    pub(super) merged: Option<merge::Merged>,
    pub(super) lost: Vec<FieldChange>,
    /// Fields that hold something else already, and that are the hub's.
    pub(super) put_back: BTreeSet<String>,
}

/// What a record was given.
pub(super) struct Sent<'a> {
    /// By this attempt.
    pub(super) now: &'a Values,
    /// By those of which nobody knows whether they arrived, the last one last.
    pub(super) earlier: &'a [Values],
    /// One of these made the record, and nothing of this attempt arrived.
    pub(super) is_made_before: bool,
}

impl Sent<'_> {
    /// What the record held, of the fields that this attempt is about, when it had been written.
    fn arrived(&self) -> Values {
        if !self.is_made_before {
            return self.now.clone();
        }
        let before = |field: &String| {
            let given = |attempt: &Values| attempt.get(field).cloned();
            self.earlier.iter().rev().find_map(given)
        };
        let fields = self.now.keys();
        fields
            .map(|field| (field.clone(), before(field).unwrap_or_default()))
            .collect()
    }
}

/// Moves the base to what was sent and accepted. Where the system shows another form of a value
/// and the core has not moved on since, the system's form is merged in, so that both sides agree;
/// where the core has moved on, the system's form is the base that the next write starts from, and is
/// kept in mind: it may be somebody's value.
pub(super) fn agree(
    stream: &Stream,
    entity: &Entity,
    base: &mut Values,
    sent: Sent<'_>,
    read_back: Option<&Patch>,
) -> Agreed {
    base.extend(sent.arrived());
    let Sent {
        now: sent, earlier, ..
    } = sent;
    let Some(mut patch) = read_back.cloned() else {
        return Agreed::default();
    };
    patch.values.retain(|field, _| sent.contains_key(field));
    patch.references.clear();
    patch.failed.clear();
    let is_same = |field: &str, one: &Value, other: &Value| {
        let rule = stream.rules.field(field);
        rule.is_some_and(|rule| same(&rule.field, one, other, rule.empty))
    };
    let was_sent = |field: &str| sent.get(field).unwrap_or(&Value::Null);
    // A record that an earlier attempt made holds what that one carried: agreed, and behind by now.
    let is_form = |field: &str, given: &Value, stored: &Value| {
        is_same(field, given, stored) || is_form_of(given, stored)
    };
    let is_earlier = |field: &String, stored: &Value| {
        let mut earlier = earlier.iter().filter_map(|attempt| attempt.get(field));
        earlier.any(|given| is_form(field, given, stored))
            && !is_form(field, was_sent(field), stored)
    };
    let (made, rest): (Values, Values) = patch
        .values
        .into_iter()
        .partition(|(field, stored)| is_earlier(field, stored));
    base.extend(made);
    // What it holds is a form of what this attempt carries, whichever made it.
    let ours = rest
        .iter()
        .filter(|(field, stored)| is_form(field, was_sent(field), stored));
    base.extend(ours.map(|(field, _)| (field.clone(), was_sent(field).clone())));
    let (later, now): (Values, Values) = rest
        .into_iter()
        .partition(|(field, _)| !is_same(field, &entity.value(field), was_sent(field)));
    let lost = later
        .iter()
        .filter(|(field, stored)| {
            // A read that came before this answer may have taken the system's form over already.
            !is_same(field, stored, was_sent(field))
                && !is_same(field, stored, &entity.value(field))
        })
        .map(|(field, stored)| FieldChange {
            field: field.clone(),
            old: Value::Null,
            new: Value::Null,
            why: Some(Why {
                rule: Rule::MovedOn,
                winner: Winner::Core,
            }),
            lost: Some(stored.clone()),
            kept: None,
            was: None,
        })
        .collect();
    base.extend(later);
    patch.values = now;
    let merged = merge::merge(&MergeInput {
        rules: &stream.rules,
        base: Some(base),
        core: Some(&entity.values),
        patch: &patch,
        context: &Context::default(),
    });
    Agreed {
        put_back: merged.push.clone(),
        merged: (!merged.changes.is_empty()).then_some(merged),
        lost,
    }
}
