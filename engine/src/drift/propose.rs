//! What a mapping could say about fields that changed: edits of its text, for a person to look at and
//! preview. Nothing here is put in force by itself.

use connector_sdk::{FieldType, Stream};
use serde::Serialize;
use toml_edit::{DocumentMut, Item, Table, value};

use super::{Drift, Kind, noun};
use crate::catalogue::{Catalogue, FieldKind};
use crate::mapping::{Mapping, Severity, Transform, closest};

/// Pipes that may bring a changed type into a core field of this kind, tried in their order.
fn pipes(kind: FieldKind) -> &'static [&'static str] {
    match kind {
        FieldKind::Integer => &["number", "round(0)", "number | round(0)"],
        FieldKind::Decimal | FieldKind::Currency => &["number"],
        FieldKind::Boolean => &["boolean(\"true\", \"false\")"],
        FieldKind::Date => &["date"],
        FieldKind::Choices => &["split(\";\")"],
        FieldKind::Instant | FieldKind::Reference => &[],
        _ => &["text", "boolean_text(\"true\", \"false\")", "join(\";\")"],
    }
}

/// One edit, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// The remote field it answers.
    pub field: String,
    pub sentence: String,
}

/// A text of a mapping that fits the new description, with what was changed in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    pub text: String,
    pub edits: Vec<Edit>,
}

/// Proposes a text for these drifts: the text in force, with as little changed as makes it fit.
pub fn propose(text: &str, drifts: &[Drift], after: &Stream, catalogue: &Catalogue) -> Proposal {
    let mut proposal = Proposal {
        text: text.to_owned(),
        edits: Vec::new(),
    };
    for drift in drifts {
        let edited = match drift.kind {
            Kind::Removed => removed(&proposal.text, drift, after, catalogue),
            Kind::Type => retyped(&proposal.text, drift, after, catalogue),
            Kind::Choice => chosen(&proposal.text, drift),
            Kind::Required => required(&proposal.text, drift),
        };
        let sentence = match edited {
            Some((text, sentence)) => {
                proposal.text = text;
                sentence
            }
            None => format!("{}: the mapping can stay as it is", drift.message),
        };
        proposal.edits.push(Edit {
            field: drift.field.clone(),
            sentence,
        });
    }
    proposal
}

type Edited = Option<(String, String)>;

/// Whether a text has no errors about the rows of this remote field.
fn fits(text: &str, field: &str, after: &Stream, catalogue: &Catalogue) -> bool {
    let Ok(mapping) = Mapping::parse(text) else {
        return false;
    };
    let about: Vec<&str> = mapping
        .rows
        .iter()
        .filter(|row| super::reads(row, field))
        .map(|row| row.core.as_str())
        .collect();
    let errors = mapping.check(catalogue, Some(after));
    !errors.iter().any(|problem| {
        let core = problem.core.as_deref();
        problem.severity == Severity::Error && core.is_some_and(|core| about.contains(&core))
    })
}

/// Changes the rows that name this remote field.
fn edit_rows(text: &str, field: &str, mut edit: impl FnMut(&mut Table)) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let rows = document.get_mut("field")?.as_array_of_tables_mut()?;
    let mut edited = false;
    for row in rows.iter_mut().filter(|row| names(row, field)) {
        edit(row);
        edited = true;
    }
    edited.then(|| document.to_string())
}

fn names(row: &Table, field: &str) -> bool {
    match row.get("remote") {
        Some(item) if item.is_str() => item.as_str() == Some(field),
        Some(item) => item
            .as_array()
            .is_some_and(|names| names.iter().any(|name| name.as_str() == Some(field))),
        None => false,
    }
}

/// A field that is gone: one of the same type and almost the same name in its place, or no row.
fn removed(text: &str, drift: &Drift, after: &Stream, catalogue: &Catalogue) -> Edited {
    let field = drift.field.as_str();
    let kind = drift.before.as_ref().map(|before| before.kind);
    let mapping = Mapping::parse(text).ok()?;
    let is_free = |name: &str| !mapping.rows.iter().any(|row| super::reads(row, name));
    let alike = after
        .fields
        .iter()
        .filter(|other| Some(other.kind) == kind && is_free(&other.name))
        .map(|other| other.name.as_str());
    if let Some(other) = closest(field, alike) {
        let renamed = edit_rows(text, field, |row| {
            if row.get("remote").is_some_and(Item::is_str) {
                row["remote"] = value(other);
            }
        });
        if let Some(renamed) = renamed.filter(|text| fits(text, other, after, catalogue)) {
            let sentence = format!("{field} is gone: read {other} in its place");
            return Some((renamed, sentence));
        }
    }
    let mut document: DocumentMut = text.parse().ok()?;
    if let Some(rows) = document
        .get_mut("field")
        .and_then(Item::as_array_of_tables_mut)
    {
        rows.retain(|row| !names(row, field));
    }
    if let Some(constants) = document
        .get_mut("constants")
        .and_then(Item::as_table_like_mut)
    {
        constants.remove(field);
    }
    if let Some(link) = document.get_mut("link").and_then(Item::as_table_like_mut)
        && link.get("hub_id").and_then(Item::as_str) == Some(field)
    {
        link.remove("hub_id");
    }
    let sentence = format!("{field} is gone: leave it out; the hub keeps the values it has");
    Some((document.to_string(), sentence))
}

/// A field of another type: as it is, where that fits; else with a step that makes it fit; else left
/// out.
fn retyped(text: &str, drift: &Drift, after: &Stream, catalogue: &Catalogue) -> Edited {
    let field = drift.field.as_str();
    if fits(text, field, after, catalogue) {
        return None;
    }
    let mapping = Mapping::parse(text).ok()?;
    let mut rows = mapping.rows.iter();
    let row = rows.find(|row| super::reads(row, field));
    let kind = row.and_then(|row| catalogue.field(&row.core))?.kind;
    let is = drift
        .after
        .as_ref()
        .map_or(FieldType::Other, |now| now.kind);
    let piped = |pipe: &str, is_in: bool| {
        edit_rows(text, field, |row| {
            row["in"] = value(pipe);
            row.remove("out");
            if is_in {
                row["direction"] = value("in");
            }
        })
    };
    // Both ways rather than one.
    for is_in in [false, true] {
        for pipe in pipes(kind) {
            let edited = piped(pipe, is_in)?;
            if fits(&edited, field, after, catalogue) {
                let rest = if is_in { ", and write it no more" } else { "" };
                let is = noun(is);
                let sentence = format!("{field} is {is} now: read it through `{pipe}`{rest}");
                return Some((edited, sentence));
            }
        }
    }
    let (text, _) = removed(text, drift, after, catalogue)?;
    let sentence = format!(
        "{field} is {} now, which its core field cannot hold: leave it out",
        noun(is)
    );
    Some((text, sentence))
}

/// A new choice: an entry of its own in the table that the field is looked up in.
fn chosen(text: &str, drift: &Drift) -> Edited {
    let mapping = Mapping::parse(text).ok()?;
    let row = mapping
        .rows
        .iter()
        .find(|row| super::reads(row, &drift.field))?;
    let Some(Transform::Lookup { table, .. }) = row.inbound.steps.first() else {
        let sentence = format!(
            "{}: add the choice to {} in the hub, or correct it over there",
            drift.message, row.core
        );
        return Some((text.to_owned(), sentence));
    };
    let choices = drift.after.as_ref().map(|after| &after.choices);
    let missing: Vec<&String> = choices
        .into_iter()
        .flatten()
        .filter(|choice| !table.entries.contains_key(choice.trim()))
        .collect();
    let mut document: DocumentMut = text.parse().ok()?;
    let entries = document.get_mut("table")?.as_table_like_mut()?;
    let entries = entries.get_mut(&table.name)?.as_table_like_mut()?;
    for choice in &missing {
        entries.insert(choice, value(choice.as_str()));
    }
    let sentence = format!(
        "{}: {} further entries of table {}, each by its own name",
        drift.message,
        missing.len(),
        table.name
    );
    Some((document.to_string(), sentence))
}

/// A field that every new record needs: the first of its choices or a plain value, for a person to
/// correct; where there is none, nothing is made over there.
fn required(text: &str, drift: &Drift) -> Edited {
    let field = drift.after.as_ref()?;
    let mut document: DocumentMut = text.parse().ok()?;
    let constant = match field.kind {
        FieldType::Choice => field.choices.first().map(|choice| value(choice.as_str())),
        FieldType::Boolean => Some(value(false)),
        FieldType::Integer | FieldType::Decimal => Some(value(0)),
        FieldType::Text | FieldType::LongText => Some(value("unknown")),
        _ => None,
    };
    let name = &drift.field;
    match constant {
        Some(constant) => {
            let shown = constant.to_string().trim().to_owned();
            if document.get("constants").is_none() {
                document["constants"] = Item::Table(Table::new());
            }
            document["constants"][name] = constant;
            let sentence = format!("{name} is required: give every new record {shown}");
            Some((document.to_string(), sentence))
        }
        None => {
            document["create"] = value(false);
            let sentence = format!("{name} is required: make no records over there");
            Some((document.to_string(), sentence))
        }
    }
}
