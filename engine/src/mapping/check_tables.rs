//! Do the lookup tables of a mapping fit the picklists on both sides?

use std::collections::BTreeSet;

use connector_sdk::{Stream, Value};

use super::{Mapping, MappingProblem, Pipe, ProblemKind, Row, Severity, Table, Transform};
use crate::catalogue::{Catalogue, Field, FieldKind, typed};

/// Names in a message; more are counted.
const TOLD: usize = 5;

/// A table that gives what is none of the field's choices is a mistake; choices for which it has no
/// entry will be failures.
pub(super) fn unfit_tables(
    mapping: &Mapping,
    catalogue: &Catalogue,
    stream: Option<&Stream>,
) -> Vec<MappingProblem> {
    let mut found = Vec::new();
    for row in &mapping.rows {
        if let Some(field) = catalogue.field(&row.core) {
            found.extend(no_choice(row, field));
            found.extend(not_written(row, field));
        }
        if let Some(stream) = stream {
            found.extend(not_read(row, stream));
        }
    }
    found
}

fn problem(row: &Row, severity: Severity, kind: ProblemKind, message: String) -> MappingProblem {
    MappingProblem {
        place: row.place,
        severity,
        core: Some(row.core.clone()),
        kind,
        message,
    }
}

/// What the way in ends with, where that gives a value for every entry.
fn last_lookup(pipe: &Pipe) -> Option<(&Table, Option<&Value>)> {
    match pipe.steps.last()? {
        Transform::Lookup { table, default } => Some((table, default.as_ref())),
        _ => None,
    }
}

fn no_choice(row: &Row, field: &Field) -> Option<MappingProblem> {
    if field.choices.is_empty() || !row.direction.reads() {
        return None;
    }
    let (table, default) = last_lookup(&row.inbound)?;
    let is_choice = |value: &Value| {
        let value = match field.kind {
            FieldKind::Choices => Value::List(vec![value.clone()]),
            _ => value.clone(),
        };
        typed(field, value).is_ok()
    };
    let others: BTreeSet<String> = table
        .entries
        .values()
        .chain(default)
        .filter(|value| !is_choice(value))
        .map(ToString::to_string)
        .collect();
    let message = format!(
        "table {} gives {}, which {} does not offer",
        table.name,
        named(&others)?,
        row.core
    );
    let kind = ProblemKind::TypeMismatch;
    Some(problem(row, Severity::Error, kind, message))
}

/// Remote choices without an entry.
fn not_read(row: &Row, stream: &Stream) -> Option<MappingProblem> {
    let ([path], true) = (row.remote.as_slice(), row.direction.reads()) else {
        return None;
    };
    let remote = stream.fields.iter().find(|field| field.name == path.name)?;
    let Some(Transform::Lookup {
        table,
        default: None,
    }) = row.inbound.steps.first()
    else {
        return None;
    };
    let missing = |choice: &&String| !table.entries.contains_key(choice.trim());
    let missing: BTreeSet<String> = remote.choices.iter().filter(missing).cloned().collect();
    let message = format!(
        "table {} has no entry for {} of {}",
        table.name,
        named(&missing)?,
        remote.name
    );
    let kind = ProblemKind::TypeLoss;
    Some(problem(row, Severity::Warning, kind, message))
}

/// The hub's choices that cannot go out.
fn not_written(row: &Row, field: &Field) -> Option<MappingProblem> {
    let Some(Transform::LookupBack { table }) = row.outbound.as_ref()?.steps.first() else {
        return None;
    };
    let known: BTreeSet<String> = table.entries.values().map(ToString::to_string).collect();
    let missing = |choice: &&String| !known.contains(choice.as_str());
    let missing: BTreeSet<String> = field.choices.iter().filter(missing).cloned().collect();
    let message = format!(
        "table {} has no entry that is {}: it cannot be written",
        table.name,
        named(&missing)?
    );
    let kind = ProblemKind::TypeLoss;
    Some(problem(row, Severity::Warning, kind, message))
}

/// `"a", "b" and 3 more`; nothing for none.
fn named(names: &BTreeSet<String>) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let told: Vec<String> = names
        .iter()
        .take(TOLD)
        .map(|name| format!("{name:?}"))
        .collect();
    let told = told.join(", ");
    Some(match names.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told} and {more} more"),
    })
}
