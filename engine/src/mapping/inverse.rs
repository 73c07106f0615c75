//! The way back: the pipe that undoes another, where there is one.

use rust_decimal::Decimal;

use super::pipe::Pipe;
use super::transform::Transform;

/// The pipe for the other way: what it makes of a core value, `pipe` turns into that value again
/// (for the values `pipe` makes).
///
/// # Errors
/// The name of the first step that has no way back.
pub(super) fn invert(pipe: &Pipe) -> Result<Pipe, &'static str> {
    let mut steps = Vec::new();
    for step in pipe.steps.iter().rev() {
        match step {
            // What they make is what they leave alone: the way back changes nothing.
            Transform::Trim
            | Transform::Lower
            | Transform::Upper
            | Transform::Collapse
            | Transform::Round(_)
            | Transform::NullIf(_)
            | Transform::Default(_) => {}
            Transform::Not => steps.push(Transform::Not),
            Transform::Split(separator) => {
                steps.push(Transform::Join {
                    separator: separator.clone(),
                    strict: true,
                });
            }
            Transform::Lookup {
                table,
                default: None,
            } if table.is_one_to_one() => {
                steps.push(Transform::LookupBack {
                    table: table.clone(),
                });
            }
            Transform::LookupBack { table } => {
                steps.push(Transform::Lookup {
                    table: table.clone(),
                    default: None,
                });
            }
            Transform::Prefix(text) => steps.push(Transform::StripPrefix(text.clone())),
            Transform::StripPrefix(text) => steps.push(Transform::Prefix(text.clone())),
            Transform::Number {
                point: '.',
                thousands: None,
            } => steps.push(Transform::Text),
            Transform::Multiply(by) if is_finite(*by) => {
                steps.push(Transform::Divide {
                    by: *by,
                    exact: true,
                });
            }
            Transform::Divide { by, .. } if is_finite(*by) => steps.push(Transform::Multiply(*by)),
            Transform::Boolean { yes, no } => {
                steps.push(Transform::BooleanText {
                    yes: yes.clone(),
                    no: no.clone(),
                });
            }
            Transform::BooleanText { yes, no } => {
                steps.push(Transform::Boolean {
                    yes: yes.clone(),
                    no: no.clone(),
                });
            }
            Transform::ParseDate(format) => steps.push(Transform::FormatDate(format.clone())),
            Transform::FormatDate(format) => steps.push(Transform::ParseDate(format.clone())),
            step => return Err(step.name()),
        }
    }
    Ok(Pipe { steps })
}

/// The first step that, though it has a way back, makes one of several values: a hub value it
/// would not have made comes back changed.
pub(super) fn narrows(pipe: &Pipe) -> Option<&'static str> {
    let narrowing = |step: &&Transform| {
        matches!(
            step,
            Transform::Lower | Transform::Upper | Transform::Round(_)
        )
    };
    pipe.steps.iter().find(narrowing).map(Transform::name)
}

/// Whether dividing by it ends after finitely many digits: it has no factor but 2 and 5.
fn is_finite(by: Decimal) -> bool {
    Decimal::ONE
        .checked_div(by)
        .and_then(|back| back.checked_mul(by))
        .is_some_and(|one| one == Decimal::ONE)
}
