//! Our own writes: coming back, or still under way.

use connector_sdk::Value;

use super::decide::Case;
use super::{FieldRule, MergeInput, Merged};
use crate::catalogue::fingerprint;
use crate::ids::WriteId;

impl Case<'_> {
    /// Whether all that moved here was written already and has only not come back yet.
    pub(super) fn is_under_way(&self, merged: &Merged) -> bool {
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

/// Whether a value is one of our own writes coming back. The oldest matching write is used up; a
/// write the peer has moved past is retired, so that it cannot swallow a later edit to the same
/// value.
pub(super) fn hear_echo(
    rule: &FieldRule,
    said: &Value,
    input: &MergeInput<'_>,
    merged: &mut Merged,
) -> bool {
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

/// Whether the record was as it says before one of our own writes of the field, which has not come
/// back yet: then what it says of the field is what the write replaced. A page may have been read
/// before the write, and a list may lag behind it. Not where the record shows another value of the same
/// write: then somebody has set this one since, in the moment that its stamp does not tell apart.
pub(super) fn precedes_write(rule: &FieldRule, input: &MergeInput<'_>) -> bool {
    let Some(changed) = input.patch.changed_at else {
        return false;
    };
    if input.context.shows_writes {
        return false;
    }
    let mut ours = input.context.echoes.iter();
    ours.any(|echo| {
        *echo.field == *rule.name
            && echo.written_at.is_some_and(|written| changed < written)
            && !has_arrived(echo.write, input)
    })
}

/// Whether the record says a value that this write set.
fn has_arrived(write: WriteId, input: &MergeInput<'_>) -> bool {
    let mut parts = input
        .context
        .echoes
        .iter()
        .filter(|echo| echo.write == write);
    parts.any(|echo| {
        let said = input.patch.values.get(&echo.field);
        // Null is what two may have said without knowing of each other.
        let said = said.filter(|said| !said.is_null());
        let rule = input.rules.field(&echo.field);
        said.zip(rule)
            .is_some_and(|(said, rule)| fingerprint(&rule.field, said, rule.empty) == echo.value)
    })
}
