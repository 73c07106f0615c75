//! Who wins a group on which the sides differ, and by which rule.

use std::cmp::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::Value;

use super::decide::Case;
use super::sides::{NULL, Sides, append, by_lines};
use super::{Rule, Winner};
use crate::catalogue::{FieldKind, canonical_with, parse_instant};
use crate::mapping::{Direction, FirstContact, Policy, Side};

impl Case<'_> {
    /// The heart: who wins a group on which the sides differ.
    pub(super) fn verdict(&self, core_moved: bool, remote_moved: bool) -> (Rule, Winner) {
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
            (Policy::Append, [field])
                if field.rule.field.kind == FieldKind::LongText
                    && append(field, field.remote().unwrap_or(&NULL)).is_some() =>
            {
                (Rule::Append, Winner::Both)
            }
            (Policy::TextMerge, [field])
                if field.rule.field.kind == FieldKind::LongText
                    && by_lines(field, field.remote().unwrap_or(&NULL)).is_some() =>
            {
                (Rule::TextMerge, Winner::Both)
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
        let remote_is_later = apart > TimeDelta::zero();
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
}

fn winner_of(side: Side) -> Winner {
    match side {
        Side::Core => Winner::Core,
        Side::Remote => Winner::Remote,
    }
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
