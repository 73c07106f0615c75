//! Is a value one of the field's kind? Gives it back in the one form it is stored in.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use connector_sdk::{Value, ValueError};
use rust_decimal::Decimal;

use super::{Field, FieldKind};

/// Longest text of any field, in bytes. Systems hold at most a fraction of it (the longest text
/// of Salesforce is 131,072 characters), so what is longer came by mistake.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// Most entries of a list.
pub const MAX_CHOICES: usize = 1000;

/// Why a value is none of the field's. Never holds the value itself: it may be personal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    #[error("expected {}, found {found}", .expected.noun())]
    Kind {
        expected: FieldKind,
        found: &'static str,
    },
    #[error("the text cannot be read as {}", .expected.noun())]
    Unreadable { expected: FieldKind },
    #[error("the number has a fraction, and the field holds whole numbers")]
    Fraction,
    #[error("the number is outside what the field can hold")]
    Range,
    #[error("{length} characters where the field holds {max}")]
    TooLong { length: usize, max: usize },
    #[error("{length} entries where a list holds {max}")]
    TooMany { length: usize, max: usize },
    #[error("not one of the {choices} choices of the field")]
    NotAChoice { choices: usize },
    #[error("{0}")]
    Storage(ValueError),
}

/// The value as the field stores it: numbers as numbers, dates and instants in the one spelling of
/// [`Value`], choices spelt as the catalogue spells them, texts as they came. Null is a value of
/// every kind, and so is an empty text, which means null where the kind has no empty text.
///
/// # Errors
/// The value is none of the field's kind, too long, not one of its choices, or not storable.
pub fn typed(field: &Field, value: Value) -> Result<Value, TypeError> {
    match (field.kind, value) {
        (_, Value::Null) => Ok(Value::Null),
        (kind, Value::Text(text)) if text.is_empty() && !kind.holds_empty_text() => Ok(Value::Null),
        (FieldKind::Text | FieldKind::LongText, Value::Number(number)) => {
            Ok(Value::Text(number.normalize().to_string()))
        }
        (FieldKind::Text | FieldKind::LongText, Value::Bool(value)) => {
            Ok(Value::Text(value.to_string()))
        }
        (
            FieldKind::Text
            | FieldKind::LongText
            | FieldKind::Phone
            | FieldKind::Reference
            | FieldKind::User,
            Value::Text(text),
        ) => checked_text(field, text),
        (FieldKind::Email, Value::Text(text)) => email(field, text),
        (FieldKind::Url, Value::Text(text)) => web_address(field, text),
        (FieldKind::Integer, value) => integer(value),
        (FieldKind::Decimal | FieldKind::Currency, value) => {
            Ok(Value::Number(number(field.kind, value)?))
        }
        (FieldKind::Boolean, value) => boolean(value),
        (FieldKind::Date, Value::Text(text)) => date(&text),
        (FieldKind::Instant, Value::Text(text)) => instant(&text),
        (FieldKind::Choice, Value::Text(text)) => {
            storable(&text, field)?;
            Ok(Value::Text(choice(field, text)?))
        }
        (FieldKind::Choices, Value::List(values)) => choices(field, values),
        (expected, value) => Err(TypeError::Kind {
            expected,
            found: found(&value),
        }),
    }
}

/// What a value is, without saying what it says.
pub(crate) fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::Text(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "a compound value",
    }
}

fn storable(text: &str, field: &Field) -> Result<(), TypeError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(TypeError::TooLong {
            length: text.chars().count(),
            max: MAX_TEXT_BYTES,
        });
    }
    if let Some(max) = field.max_length {
        let max = max as usize;
        // Bytes are never fewer than characters: the count is needed only past the limit.
        if text.len() > max {
            let length = text.chars().count();
            if length > max {
                return Err(TypeError::TooLong { length, max });
            }
        }
    }
    if text.contains('\0') {
        return Err(TypeError::Storage(ValueError::NulCharacter));
    }
    Ok(())
}

fn checked_text(field: &Field, text: String) -> Result<Value, TypeError> {
    storable(&text, field)?;
    Ok(Value::Text(text))
}

/// One `@` with something on both sides and no blank: what every system accepts. More would refuse
/// addresses that exist.
fn email(field: &Field, text: String) -> Result<Value, TypeError> {
    storable(&text, field)?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(Value::Null);
    }
    let unreadable = TypeError::Unreadable {
        expected: FieldKind::Email,
    };
    let Some((local, host)) = trimmed.rsplit_once('@') else {
        return Err(unreadable);
    };
    let sound = !local.is_empty()
        && !host.is_empty()
        && !local.contains('@')
        && !trimmed.chars().any(|c| c.is_whitespace() || c.is_control());
    if sound {
        Ok(Value::Text(text))
    } else {
        Err(unreadable)
    }
}

fn web_address(field: &Field, text: String) -> Result<Value, TypeError> {
    storable(&text, field)?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(Value::Null);
    }
    let rest = trimmed
        .split_once("://")
        .map_or(trimmed, |(_scheme, rest)| rest);
    let has_host = rest
        .chars()
        .next()
        .is_some_and(|c| !matches!(c, '/' | '?' | '#'));
    if !has_host || trimmed.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(TypeError::Unreadable {
            expected: FieldKind::Url,
        });
    }
    Ok(Value::Text(text))
}

fn number(expected: FieldKind, value: Value) -> Result<Decimal, TypeError> {
    match value {
        Value::Number(number) => Ok(number),
        Value::Text(text) => match Value::number(text.trim()) {
            Ok(Value::Number(number)) => Ok(number),
            _ => Err(TypeError::Unreadable { expected }),
        },
        value => Err(TypeError::Kind {
            expected,
            found: found(&value),
        }),
    }
}

fn integer(value: Value) -> Result<Value, TypeError> {
    let number = number(FieldKind::Integer, value)?;
    if !number.is_integer() {
        return Err(TypeError::Fraction);
    }
    // Ends at 64 bits, which is what a column for it holds.
    i64::try_from(number)
        .map(Value::from)
        .map_err(|_too_large| TypeError::Range)
}

fn boolean(value: Value) -> Result<Value, TypeError> {
    match value {
        Value::Bool(value) => Ok(Value::Bool(value)),
        Value::Text(text) if text.trim().eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Value::Text(text) if text.trim().eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        Value::Text(_) => Err(TypeError::Unreadable {
            expected: FieldKind::Boolean,
        }),
        value => Err(TypeError::Kind {
            expected: FieldKind::Boolean,
            found: found(&value),
        }),
    }
}

fn date(text: &str) -> Result<Value, TypeError> {
    let unreadable = || TypeError::Unreadable {
        expected: FieldKind::Date,
    };
    let day = parse_date(text).ok_or_else(unreadable)?;
    Ok(Value::Text(day.format("%Y-%m-%d").to_string()))
}

/// `2026-05-01`, years 1 to 9999, which is what every store holds.
pub(crate) fn parse_date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let part = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse::<u32>().ok())?
    };
    let year = part(0..4).filter(|year| *year > 0)?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, part(5..7)?, part(8..10)?)
}

fn instant(text: &str) -> Result<Value, TypeError> {
    let instant = parse_instant(text).ok_or(TypeError::Unreadable {
        expected: FieldKind::Instant,
    })?;
    Ok(Value::Text(write_instant(instant)))
}

/// RFC 3339, and the offset without a colon that some systems send (`+0000`).
pub(crate) fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let parsed = DateTime::parse_from_rfc3339(text)
        .or_else(|_not_rfc| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()?
        .with_timezone(&Utc);
    let year = chrono::Datelike::year(&parsed);
    (1..=9999).contains(&year).then_some(parsed)
}

pub(crate) fn write_instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The choice as the catalogue spells it; without declared choices anything is one.
fn choice(field: &Field, text: String) -> Result<String, TypeError> {
    if field.choices.is_empty() || field.choices.contains(&text) {
        return Ok(text);
    }
    let wanted = text.trim();
    field
        .choices
        .iter()
        .find(|choice| choice.eq_ignore_ascii_case(wanted))
        .cloned()
        .ok_or(TypeError::NotAChoice {
            choices: field.choices.len(),
        })
}

fn choices(field: &Field, values: Vec<Value>) -> Result<Value, TypeError> {
    if values.len() > MAX_CHOICES {
        return Err(TypeError::TooMany {
            length: values.len(),
            max: MAX_CHOICES,
        });
    }
    let mut seen = BTreeSet::new();
    let mut list = Vec::with_capacity(values.len());
    for value in values {
        let Value::Text(text) = value else {
            return Err(TypeError::Kind {
                expected: FieldKind::Choice,
                found: found(&value),
            });
        };
        storable(&text, field)?;
        let text = choice(field, text)?;
        if !text.trim().is_empty() && seen.insert(text.clone()) {
            list.push(Value::Text(text));
        }
    }
    Ok(Value::List(list))
}
