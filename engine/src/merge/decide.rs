//! The merge of an entity with one record, group by group.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use connector_sdk::Value;

use super::{
    Conflict, ConflictField, Context, Decision, FieldChange, FieldRule, GroupRule, MergeInput,
    Merged, Rule, Winner,
};
use crate::catalogue::{FieldKind, canonical_with, fingerprint, parse_instant, same};
use crate::mapping::{Direction, FirstContact, Patch, Policy, Side, Values};

static NULL: Value = Value::Null;

/// Merges an entity with a record; see the module for the order of decision.
pub fn merge(input: &MergeInput<'_>) -> Merged {
    let Some(core) = input.core else {
        return new_entity(input);
    };
    let mut merged = Merged {
        base: input.base.cloned().unwrap_or_default(),
        ..Merged::default()
    };
    for group in input.rules.groups() {
        if is_settled(group, input, core) {
            continue;
        }
        if let Some(rule) = blocked(group, input.patch) {
            merged.decide(group, rule, Winner::Neither);
            continue;
        }
        let case = Case::new(group, input, core, &mut merged);
        if group.direction == Direction::Out {
            case.owe(&mut merged);
        } else if case.fields.iter().all(|field| field.said.is_none()) {
            case.silent(&mut merged);
        } else {
            case.decide(&mut merged);
        }
    }
    merged
}

/// The first pull's path: everything the record says is new, nothing is compared.
fn new_entity(input: &MergeInput<'_>) -> Merged {
    let patch = input.patch;
    let mut merged = Merged::default();
    merged.decisions.push(Decision {
        group: None,
        rule: Rule::NewEntity,
        winner: Winner::Remote,
        lost: BTreeMap::new(),
    });
    for group in input
        .rules
        .groups()
        .iter()
        .filter(|group| group.direction.reads())
    {
        if let Some(rule) = blocked(group, patch) {
            merged.decide(group, rule, Winner::Neither);
            continue;
        }
        for field in &group.fields {
            let Some(value) = patch.values.get(&*field.name) else {
                continue;
            };
            merged.base.insert(field.name.to_string(), value.clone());
            if !value.is_null() {
                merged.changes.push(FieldChange {
                    field: field.name.clone(),
                    old: Value::Null,
                    new: value.clone(),
                });
            }
        }
    }
    merged
}

/// Most groups of most records: all three sides hold the very same and nothing of ours is under
/// way. Left without looking closer.
fn is_settled(group: &GroupRule, input: &MergeInput<'_>, core: &Values) -> bool {
    let patch = input.patch;
    let plain =
        input.context.echoes.is_empty() && patch.failed.is_empty() && patch.references.is_empty();
    plain
        && group.fields.iter().all(|field| {
            let Some(agreed) = input.base.and_then(|base| base.get(&*field.name)) else {
                return false;
            };
            core.get(&*field.name).unwrap_or(&NULL) == agreed
                && patch
                    .values
                    .get(&*field.name)
                    .is_none_or(|said| said == agreed)
        })
}

/// A group of which one field is unknown stands still as a whole: half of it would be invented.
fn blocked(group: &GroupRule, patch: &Patch) -> Option<Rule> {
    if patch.failed.is_empty() && patch.references.is_empty() {
        return None;
    }
    group.fields.iter().find_map(|field| {
        if patch
            .failed
            .iter()
            .any(|failure| *failure.core == *field.name)
        {
            return Some(Rule::Quarantined {
                field: field.name.clone(),
            });
        }
        let waits = patch.references.contains_key(&*field.name);
        waits.then(|| Rule::Waiting {
            field: field.name.clone(),
        })
    })
}

/// One field's three sides.
struct Sides<'a> {
    rule: &'a FieldRule,
    core: &'a Value,
    /// What was agreed, own writes that came back included.
    base: Option<&'a Value>,
    /// What the record says.
    said: Option<&'a Value>,
}

impl<'a> Sides<'a> {
    /// What the peer holds, as far as is known: what is not said stands where it was agreed.
    fn remote(&self) -> Option<&'a Value> {
        self.said.or(self.base)
    }

    fn same(&self, one: &Value, other: &Value) -> bool {
        same(&self.rule.field, one, other, self.rule.empty)
    }

    fn agreed(&self) -> &'a Value {
        self.base.unwrap_or(&NULL)
    }

    fn core_moved(&self) -> bool {
        !self.same(self.core, self.agreed())
    }

    fn remote_moved(&self) -> bool {
        self.said
            .is_some_and(|said| !self.same(said, self.agreed()))
    }

    fn differs(&self) -> bool {
        self.remote()
            .is_some_and(|remote| !self.same(self.core, remote))
    }
}

/// One group under decision.
struct Case<'a> {
    group: &'a GroupRule,
    fields: Vec<Sides<'a>>,
    patch: &'a Patch,
    context: &'a Context,
    /// Whether a field of the group was our own write coming back.
    echoed: bool,
}

impl<'a> Case<'a> {
    fn new(
        group: &'a GroupRule,
        input: &MergeInput<'a>,
        core: &'a Values,
        merged: &mut Merged,
    ) -> Self {
        let mut echoed = false;
        let sides = |rule: &'a FieldRule| {
            let mut sides = Sides {
                rule,
                core: core.get(&*rule.name).unwrap_or(&NULL),
                base: input.base.and_then(|base| base.get(&*rule.name)),
                said: input.patch.values.get(&*rule.name),
            };
            if let Some(said) = sides.said
                && hear_echo(rule, said, input, merged)
            {
                echoed = true;
                sides.base = Some(said);
                merged.base.insert(rule.name.to_string(), said.clone());
            }
            sides
        };
        let fields = group.fields.iter().map(sides).collect();
        Self {
            group,
            fields,
            patch: input.patch,
            context: input.context,
            echoed,
        }
    }

    /// Values that only go out: the peer is owed what moved.
    fn owe(&self, merged: &mut Merged) {
        if self.fields.iter().any(Sides::core_moved) && !self.is_under_way(merged) {
            self.push(merged);
            merged.decide(self.group, Rule::OneSideMoved, Winner::Core);
        }
    }

    /// The record says nothing of the group: it stands where it was agreed, and the peer is owed
    /// what moved here since. Nothing agreed means nothing known, so nothing is owed.
    fn silent(&self, merged: &mut Merged) {
        let moved = self
            .fields
            .iter()
            .any(|field| field.base.is_some() && field.core_moved());
        let writes = self.group.direction.writes() && self.group.owner != Some(Side::Remote);
        if moved && writes && !self.is_under_way(merged) {
            self.push(merged);
            merged.decide(self.group, Rule::OneSideMoved, Winner::Core);
        }
    }

    fn decide(&self, merged: &mut Merged) {
        let unknown = self.fields.iter().any(|field| field.remote().is_none());
        if unknown && !self.is_empty(Side::Core) {
            merged.decide(self.group, Rule::Incomplete, Winner::Neither);
            return;
        }
        let core_moved = self.fields.iter().any(Sides::core_moved);
        let remote_moved = self.fields.iter().any(Sides::remote_moved);
        if !self.fields.iter().any(Sides::differs) {
            self.agree(core_moved && remote_moved, merged);
            return;
        }
        let (rule, winner) = self.verdict(core_moved, remote_moved);
        match winner {
            Winner::Remote => self.take(rule, core_moved, merged),
            Winner::Core => self.keep(rule, remote_moved, merged),
            Winner::Both => self.unite(rule, merged),
            Winner::Neither => self.ask(rule, merged),
        }
    }

    /// The heart: who wins a group on which the sides differ.
    fn verdict(&self, core_moved: bool, remote_moved: bool) -> (Rule, Winner) {
        let only_in = self.group.direction == Direction::In;
        let pin = self.fields.iter().find_map(|field| {
            let pin = self.context.pins.get(&*field.rule.name)?;
            Some(Rule::Pinned {
                field: field.rule.name.clone(),
                reason: pin.reason.clone(),
            })
        });
        if only_in && remote_moved && pin.is_none() && self.is_agreed() {
            return (Rule::ReadOnly, Winner::Remote);
        }
        if let Some(side) = self.group.owner {
            return (Rule::Owner { side }, winner_of(side));
        }
        if let Some(rule) = pin {
            return (rule, Winner::Core);
        }
        if !self.is_agreed() {
            return self.first_contact(only_in);
        }
        match (core_moved, remote_moved) {
            (true, false) if only_in => (Rule::ReadOnly, Winner::Core),
            (true, false) => (Rule::OneSideMoved, Winner::Core),
            (false, true) => (Rule::OneSideMoved, Winner::Remote),
            _ => self.policy(),
        }
    }

    fn first_contact(&self, only_in: bool) -> (Rule, Winner) {
        if self.is_empty(Side::Remote) {
            return (Rule::OneSideEmpty, Winner::Core);
        }
        if self.is_empty(Side::Core) {
            return (Rule::OneSideEmpty, Winner::Remote);
        }
        if only_in {
            return (Rule::ReadOnly, Winner::Remote);
        }
        match self.group.first_contact {
            FirstContact::Remote => (Rule::FirstContact, Winner::Remote),
            FirstContact::Core => (Rule::FirstContact, Winner::Core),
            FirstContact::Ask => (Rule::FirstContactAsk, Winner::Neither),
        }
    }

    fn policy(&self) -> (Rule, Winner) {
        let policy = self.group.policy;
        let unfit = (Rule::DoesNotFit { policy }, Winner::Neither);
        match (policy, self.fields.as_slice()) {
            (Policy::Ask, _) => (Rule::Ask, Winner::Neither),
            (Policy::Newest, _) => self.newest(),
            (Policy::Union, [field]) if field.rule.field.kind == FieldKind::Choices => {
                (Rule::Union, Winner::Both)
            }
            (Policy::Max, [field]) => {
                extreme(field, Ordering::Greater).map_or(unfit, |winner| (Rule::Max, winner))
            }
            (Policy::Min, [field]) => {
                extreme(field, Ordering::Less).map_or(unfit, |winner| (Rule::Min, winner))
            }
            _ => unfit,
        }
    }

    fn newest(&self) -> (Rule, Winner) {
        let undecided = (Rule::ClocksDoNotTell, Winner::Neither);
        let (Some(core_at), Some(remote_at)) = (self.core_changed_at(), self.patch.changed_at)
        else {
            return undecided;
        };
        let apart = remote_at.signed_duration_since(core_at);
        if !self.context.clock.trusted || apart.abs() <= self.context.clock.skew {
            return undecided;
        }
        let remote_is_later = apart > chrono::TimeDelta::zero();
        let winner = if remote_is_later {
            Winner::Remote
        } else {
            Winner::Core
        };
        (Rule::Newest { core_at, remote_at }, winner)
    }

    /// When the hub's side of the group last moved; None as soon as one moved field has no stamp.
    fn core_changed_at(&self) -> Option<DateTime<Utc>> {
        let stamps = &self.context.core_changed_at;
        let moved = self.fields.iter().filter(|field| field.core_moved());
        let times: Option<Vec<_>> = moved
            .map(|field| stamps.get(&*field.rule.name).copied())
            .collect();
        times?.into_iter().max()
    }

    /// Whether anything was ever agreed about the group. A field that joined the group later counts
    /// as agreed to be empty.
    fn is_agreed(&self) -> bool {
        self.fields.iter().any(|field| field.base.is_some())
    }

    fn is_empty(&self, side: Side) -> bool {
        self.fields.iter().all(|field| {
            let value = match side {
                Side::Core => field.core,
                Side::Remote => field.remote().unwrap_or(&NULL),
            };
            field.same(value, &NULL)
        })
    }

    /// Both sides mean the same: the base moves to it, in the peer's spelling.
    fn agree(&self, both_moved: bool, merged: &mut Merged) {
        let first = !self.is_agreed();
        self.advance(merged);
        if first {
            merged.decide(self.group, Rule::FirstAgreement, Winner::Both);
        } else if both_moved {
            merged.decide(self.group, Rule::Converged, Winner::Both);
        } else if self.echoed {
            merged.decide(self.group, Rule::Echo, Winner::Both);
        }
    }

    /// The peer's values stand.
    fn take(&self, rule: Rule, core_moved: bool, merged: &mut Merged) {
        let first = !self.is_agreed();
        if first && self.is_empty(Side::Remote) {
            // An empty side does not erase what it never agreed to.
            let may_push = self.group.owner != Some(Side::Remote);
            self.stand(Rule::OneSideEmpty, may_push, merged);
            return;
        }
        let mut lost = BTreeMap::new();
        for field in self.fields.iter().filter(|field| field.differs()) {
            let new = field.remote().unwrap_or(&NULL);
            if (core_moved || first) && !field.same(field.core, &NULL) {
                lost.insert(field.rule.name.clone(), field.core.clone());
            }
            merged.changes.push(FieldChange {
                field: field.rule.name.clone(),
                old: field.core.clone(),
                new: new.clone(),
            });
        }
        self.advance(merged);
        let group = Some(self.group.name.clone());
        merged.decisions.push(Decision {
            group,
            rule,
            winner: Winner::Remote,
            lost,
        });
    }

    /// The hub's values stand and the peer is owed them.
    fn keep(&self, rule: Rule, remote_moved: bool, merged: &mut Merged) {
        let first = !self.is_agreed();
        let erases = first && self.is_empty(Side::Core);
        if !remote_moved && self.is_under_way(merged) {
            return;
        }
        let mut lost = BTreeMap::new();
        if remote_moved && !erases {
            for field in self.fields.iter().filter(|field| field.differs()) {
                let value = field.remote().unwrap_or(&NULL);
                if !value.is_null() {
                    lost.insert(field.rule.name.clone(), value.clone());
                }
            }
        }
        if self.group.direction.writes() && !erases {
            self.push(merged);
        }
        let group = Some(self.group.name.clone());
        merged.decisions.push(Decision {
            group,
            rule,
            winner: Winner::Core,
            lost,
        });
    }

    fn stand(&self, rule: Rule, may_push: bool, merged: &mut Merged) {
        if may_push && self.group.direction.writes() {
            self.push(merged);
        }
        merged.decide(self.group, rule, Winner::Core);
    }

    /// All entries of both lists.
    fn unite(&self, rule: Rule, merged: &mut Merged) {
        for field in &self.fields {
            let remote = field.remote().unwrap_or(&NULL);
            let union = union(field, remote);
            if field.same(&union, remote) {
                merged
                    .base
                    .insert(field.rule.name.to_string(), remote.clone());
            } else if self.group.direction.writes() {
                merged.push.insert(field.rule.name.to_string());
            }
            if !field.same(&union, field.core) {
                merged.changes.push(FieldChange {
                    field: field.rule.name.clone(),
                    old: field.core.clone(),
                    new: union,
                });
            }
        }
        merged.decide(self.group, rule, Winner::Both);
    }

    /// A person decides; the base stays and neither side is overwritten.
    fn ask(&self, rule: Rule, merged: &mut Merged) {
        let fields = self.fields.iter().map(|field| ConflictField {
            field: field.rule.name.clone(),
            base: field.base.cloned(),
            core: field.core.clone(),
            remote: field.remote().unwrap_or(&NULL).clone(),
        });
        merged.conflicts.push(Conflict {
            group: self.group.name.clone(),
            rule: rule.clone(),
            fields: fields.collect(),
        });
        merged.decide(self.group, rule, Winner::Neither);
    }

    /// The base moves to what the peer holds.
    fn advance(&self, merged: &mut Merged) {
        for field in &self.fields {
            if let Some(said) = field.said
                && merged.base.get(&*field.rule.name) != Some(said)
            {
                merged
                    .base
                    .insert(field.rule.name.to_string(), said.clone());
            }
        }
    }

    /// The whole group goes, so that the peer never holds half of it.
    fn push(&self, merged: &mut Merged) {
        merged
            .push
            .extend(self.fields.iter().map(|field| field.rule.name.to_string()));
    }

    /// Whether all that moved here was written already and has only not come back yet.
    fn is_under_way(&self, merged: &Merged) -> bool {
        if self.context.echoes.is_empty() {
            return false;
        }
        self.fields
            .iter()
            .filter(|field| field.core_moved())
            .all(|field| {
                let print = fingerprint(&field.rule.field, field.core, field.rule.empty);
                self.context.echoes.iter().enumerate().any(|(place, echo)| {
                    *echo.field == *field.rule.name
                        && echo.value == print
                        && !merged.consumed.contains(&place)
                        && !merged.retired.contains(&place)
                })
            })
    }
}

impl Merged {
    fn decide(&mut self, group: &GroupRule, rule: Rule, winner: Winner) {
        let group = Some(group.name.clone());
        self.decisions.push(Decision {
            group,
            rule,
            winner,
            lost: BTreeMap::new(),
        });
    }
}

fn winner_of(side: Side) -> Winner {
    match side {
        Side::Core => Winner::Core,
        Side::Remote => Winner::Remote,
    }
}

/// Whether a value is one of our own writes coming back. The oldest matching write is used up; a
/// write the peer has moved past is retired, so that it cannot swallow a later edit to the same
/// value.
fn hear_echo(rule: &FieldRule, said: &Value, input: &MergeInput<'_>, merged: &mut Merged) -> bool {
    let echoes = &input.context.echoes;
    if echoes.is_empty() {
        return false;
    }
    let print = fingerprint(&rule.field, said, rule.empty);
    let mut heard = false;
    for (place, echo) in echoes.iter().enumerate() {
        if *echo.field != *rule.name {
            continue;
        }
        if echo.value == print && !heard {
            heard = true;
            merged.consumed.push(place);
        } else if let (Some(written), Some(changed)) = (echo.written_at, input.patch.changed_at)
            && changed > written
        {
            merged.retired.push(place);
        }
    }
    heard
}

/// The side whose value lies in the wanted direction of the other's; a value beats an empty side.
/// None for kinds without an order and for values that are none of the field's kind.
fn extreme(field: &Sides<'_>, wanted: Ordering) -> Option<Winner> {
    let kind = field.rule.field.kind;
    if !kind.is_ordered() {
        return None;
    }
    let canonical = |value: &Value| canonical_with(&field.rule.field, value, field.rule.empty).ok();
    let (core, remote) = (
        canonical(field.core)?,
        canonical(field.remote().unwrap_or(&NULL))?,
    );
    let order = match (&core, &remote) {
        (Value::Null, _) => return Some(Winner::Remote),
        (_, Value::Null) => return Some(Winner::Core),
        (Value::Text(core), Value::Text(remote)) if kind == FieldKind::Instant => {
            parse_instant(core)?.cmp(&parse_instant(remote)?)
        }
        _ => core.cmp(&remote),
    };
    Some(if order == wanted {
        Winner::Core
    } else {
        Winner::Remote
    })
}

/// The hub's entries, then those of the peer that mean none of them.
fn union(field: &Sides<'_>, remote: &Value) -> Value {
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
