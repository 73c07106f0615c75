//! What a change of a system's description means for a mapping: which fields it touches, and what the
//! mapping could say instead. Pure.
//!
//! A field that changed stands still, with its group, both ways, until somebody has looked; the others
//! go on. What changed on fields that nothing maps is taken over in silence.

mod propose;

use std::collections::{BTreeMap, BTreeSet};

use connector_sdk::{FieldType, Stream, StreamField};
use serde::{Deserialize, Serialize};

pub use self::propose::{Edit, Proposal, propose};
use crate::catalogue::{Catalogue, FieldKind};
use crate::mapping::{Mapping, Row, Transform};

/// What happened to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is of another type.
    Type,
    /// It is not there any more, or hidden from the hub's user.
    Removed,
    /// Nothing is made over there without it.
    Required,
    /// It has a choice that the mapping cannot take.
    Choice,
}

impl Kind {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Removed => "removed",
            Self::Required => "required",
            Self::Choice => "choice",
        }
    }
}

/// A change that touches what is mapped.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// The remote field.
    pub field: String,
    pub kind: Kind,
    pub before: Option<StreamField>,
    pub after: Option<StreamField>,
    /// Core fields that stand still for it; none where only making records rests.
    pub core_fields: BTreeSet<String>,
    /// For people.
    pub message: String,
}

/// What touches the mapping of what changed between two descriptions, by field.
pub fn drifts(
    before: &Stream,
    after: &Stream,
    mapping: &Mapping,
    catalogue: &Catalogue,
) -> Vec<Drift> {
    let (old, new) = (by_name(before), by_name(after));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let mut found = Vec::new();
    for name in names {
        let (old, new) = (old.get(name).copied(), new.get(name).copied());
        if old == new {
            continue;
        }
        let rows: Vec<&Row> = mapping.rows.iter().filter(|row| reads(row, name)).collect();
        let Some((kind, message)) = kind(mapping, catalogue, &rows, name, old, new) else {
            continue;
        };
        let core_fields = match kind {
            Kind::Required => BTreeSet::new(),
            _ => with_groups(mapping, catalogue, &rows),
        };
        found.push(Drift {
            field: name.to_owned(),
            kind,
            before: old.cloned(),
            after: new.cloned(),
            core_fields,
            message,
        });
    }
    found
}

fn by_name(stream: &Stream) -> BTreeMap<&str, &StreamField> {
    let fields = stream.fields.iter();
    fields.map(|field| (field.name.as_str(), field)).collect()
}

/// Whether a row is about this remote field, by name or in an expression.
fn reads(row: &Row, name: &str) -> bool {
    let expressions = row.value.iter().chain(&row.when);
    row.remote.iter().any(|path| path.name == name)
        || expressions
            .flat_map(|expression| expression.fields())
            .any(|path| path.name == name)
}

/// What happened, if it is any of the mapping's business.
fn kind(
    mapping: &Mapping,
    catalogue: &Catalogue,
    rows: &[&Row],
    name: &str,
    old: Option<&StreamField>,
    new: Option<&StreamField>,
) -> Option<(Kind, String)> {
    let is_constant = mapping.constants.contains_key(name);
    let Some(new) = new else {
        // A row that says it needs the field goes with it.
        let is_missed = rows.iter().any(|row| row.requires.as_deref() != Some(name));
        let is_known = mapping.link.hub_id.as_deref() == Some(name);
        return (is_missed || is_constant || is_known)
            .then(|| (Kind::Removed, format!("{name} is not there any more")));
    };
    if let Some(old) = old.filter(|_| !rows.is_empty() || is_constant) {
        if old.kind != new.kind {
            let (was, is) = (noun(old.kind), noun(new.kind));
            return Some((Kind::Type, format!("{name} was {was} and is {is}")));
        }
        let added: Vec<&String> = new
            .choices
            .iter()
            .filter(|choice| !old.choices.contains(choice))
            .collect();
        if let Some(choice) = added.iter().find(|choice| {
            let takes = |row: &&Row| takes(row, catalogue, choice);
            !rows.iter().all(takes)
        }) {
            let more = match added.len() {
                1 => String::new(),
                count => format!(", one of {count} new ones"),
            };
            let message = format!("{name} has the new choice {choice:?}{more}");
            return Some((Kind::Choice, message));
        }
    }
    let was_required = old.is_some_and(|old| old.required);
    let is_given = is_constant || rows.iter().any(|row| row.direction.writes());
    (mapping.create && new.required && !was_required && !is_given).then(|| {
        let message = format!("{name} is required, and the mapping gives it no value");
        (Kind::Required, message)
    })
}

/// Whether a row can take a choice: its table has an entry for it, and so has the core field.
fn takes(row: &Row, catalogue: &Catalogue, choice: &str) -> bool {
    if !row.direction.reads() || row.value.is_some() {
        return true;
    }
    if let Some(Transform::Lookup { table, default }) = row.inbound.steps.first() {
        return default.is_some() || table.entries.contains_key(choice.trim());
    }
    let Some(field) = catalogue.field(&row.core) else {
        return true;
    };
    let is_closed = matches!(field.kind, FieldKind::Choice | FieldKind::Choices);
    !is_closed || field.choices.is_empty() || field.choices.iter().any(|known| known == choice)
}

/// The core fields of these rows, with all that is decided together with them: half of a group would
/// be invented.
fn with_groups(mapping: &Mapping, catalogue: &Catalogue, rows: &[&Row]) -> BTreeSet<String> {
    let group = |row: &Row| {
        let field = catalogue.field(&row.core)?;
        row.group_in(field).map(str::to_owned)
    };
    let groups: BTreeSet<String> = rows.iter().filter_map(|row| group(row)).collect();
    let together = mapping
        .rows
        .iter()
        .filter(|row| group(row).is_some_and(|name| groups.contains(&name)));
    let own = rows.iter().copied();
    own.chain(together).map(|row| row.core.clone()).collect()
}

/// How a type is called in sentences.
pub(crate) fn noun(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Text => "text",
        FieldType::LongText => "long text",
        FieldType::Integer => "a whole number",
        FieldType::Decimal => "a number",
        FieldType::Boolean => "true or false",
        FieldType::Date => "a date",
        FieldType::Instant => "a date with time",
        FieldType::Email => "an e-mail address",
        FieldType::Phone => "a phone number",
        FieldType::Url => "a web address",
        FieldType::Choice => "a picklist",
        FieldType::Choices => "a picklist of several",
        FieldType::Reference => "a reference",
        FieldType::Other => "of an unknown type",
    }
}

#[cfg(test)]
mod tests;
