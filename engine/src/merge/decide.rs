//! The merge of an entity with one record, group by group.

use std::collections::BTreeMap;

use connector_sdk::Value;

use super::echo::{hear_echo, precedes_write};
use super::sides::{NULL, Sides, append, by_lines, union};
use super::{
    Conflict, ConflictField, Context, Decision, FieldChange, FieldRule, GroupRule, MergeInput,
    Merged, Rule, Winner,
};
use crate::mapping::{Direction, Patch, Side, Values, WritePolicy};

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
        if let Some(rule) = frozen(group, input).or_else(|| blocked(group, input.patch)) {
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

/// A group of which one field is frozen stands still as a whole.
fn frozen(group: &GroupRule, input: &MergeInput<'_>) -> Option<Rule> {
    let frozen = &input.context.frozen;
    if frozen.is_empty() {
        return None;
    }
    let mut fields = group.fields.iter();
    let field = fields.find(|field| frozen.contains(&*field.name))?;
    Some(Rule::Frozen {
        field: field.name.clone(),
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

/// One group under decision.
pub(super) struct Case<'a> {
    pub(super) group: &'a GroupRule,
    pub(super) fields: Vec<Sides<'a>>,
    pub(super) patch: &'a Patch,
    pub(super) context: &'a Context,
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
            let Some(said) = sides.said else {
                return sides;
            };
            if hear_echo(rule, said, input, merged) {
                echoed = true;
                sides.base = Some(said);
                merged.base.insert(rule.name.to_string(), said.clone());
            } else if precedes_write(rule, input) {
                sides.said = None;
            } else if sides.base.is_some() && sides.remote_moved() {
                merged.moved.insert(rule.name.clone());
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
            self.push_moved(merged);
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
            self.push_moved(merged);
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

    /// Whether anything was ever agreed about the group. A field that joined the group later counts
    /// as agreed to be empty.
    pub(super) fn is_agreed(&self) -> bool {
        self.fields.iter().any(|field| field.base.is_some())
    }

    pub(super) fn is_empty(&self, side: Side) -> bool {
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
        if self.group.direction.writes() && !erases && !self.push(merged) {
            merged.decide(self.group, Rule::NotOverwritten, Winner::Neither);
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

    /// A list made of both.
    fn unite(&self, rule: Rule, merged: &mut Merged) {
        for field in &self.fields {
            let remote = field.remote().unwrap_or(&NULL);
            let union = match rule {
                // Whoever decided so has looked that there is one.
                Rule::Append => append(field, remote).unwrap_or_else(|| field.core.clone()),
                Rule::TextMerge => by_lines(field, remote).unwrap_or_else(|| field.core.clone()),
                _ => union(field, remote),
            };
            if field.same(&union, remote) {
                merged
                    .base
                    .insert(field.rule.name.to_string(), remote.clone());
            } else if self.group.direction.writes() && self.may_write() {
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

    /// Whether the peer may be given anything of the group.
    fn may_write(&self) -> bool {
        self.group.write == WritePolicy::Always || self.is_empty(Side::Remote)
    }

    /// The whole group goes, so that the peer never holds half of it. Says whether it may.
    fn push(&self, merged: &mut Merged) -> bool {
        let may_write = self.may_write();
        if may_write {
            let names = self.fields.iter().map(|field| field.rule.name.to_string());
            merged.push.extend(names);
        }
        may_write
    }

    /// The hub moved, the peer did not.
    fn push_moved(&self, merged: &mut Merged) {
        if self.push(merged) {
            merged.decide(self.group, Rule::OneSideMoved, Winner::Core);
        } else {
            merged.decide(self.group, Rule::NotOverwritten, Winner::Neither);
        }
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
