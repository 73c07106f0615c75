//! Do the conditions and computed values of a mapping name fields that the stream has?

use connector_sdk::Stream;

use super::place::{Place, hint};
use super::{Expression, Mapping, MappingProblem, ProblemKind, Row, Severity};

/// One problem for every field that an expression names and the stream does not have. What lies
/// behind a relation is described by another stream.
pub(super) fn unknown_fields(mapping: &Mapping, stream: &Stream) -> Vec<MappingProblem> {
    let rows = mapping.rows.iter().filter(|row| row.applies_to(stream));
    let of_rows = rows.flat_map(|row| {
        let expressions = row.value.iter().chain(&row.when);
        expressions.map(move |expression| (Some(row), expression))
    });
    let all = mapping.filter.iter().map(|filter| (None, filter));
    all.chain(of_rows)
        .flat_map(|(row, expression)| of_one(row, expression, stream))
        .collect()
}

fn of_one(row: Option<&Row>, expression: &Expression, stream: &Stream) -> Vec<MappingProblem> {
    let names = || stream.fields.iter().map(|field| field.name.as_str());
    let unknown = expression
        .fields()
        .into_iter()
        .filter(|path| path.parts.len() == 1 && !names().any(|name| name == path.name));
    unknown
        .map(|path| MappingProblem {
            place: row.map_or(Place { line: 1, column: 1 }, |row| row.place),
            severity: Severity::Error,
            core: row.map(|row| row.core.clone()),
            kind: ProblemKind::UnknownRemoteField,
            message: format!(
                "`{expression}` names {}, which {} does not have{}",
                path.name,
                stream.name,
                hint(&path.name, names())
            ),
        })
        .collect()
}
