//! The system's values to ours and back, by the type of the field.
//!
//! An empty text is null: the system stores none, and bulk results cannot tell them apart.

use chrono::{DateTime, NaiveDateTime, Utc};
use connector_sdk::{ConnectorError, ErrorKind, FieldType, Result, Value};
use serde_json::value::{RawValue, to_raw_value};

use crate::{ids, soql};

/// A value of a JSON answer.
///
/// What does not fit its type stays text, so that it is seen where it is mapped, and one odd
/// value does not hold up a page.
pub(crate) fn from_json(raw: &RawValue, kind: FieldType) -> Value {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't' | b'f') if is_open(kind) || kind == FieldType::Boolean => {
            Value::Bool(text == "true")
        }
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(text) => from_text(&text, kind),
            // Half a surrogate pair: not to be had as text.
            Err(_) => Value::Text(text.to_owned()),
        },
        Some(b'{' | b'[') => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        _ if is_open(kind) => number(text),
        _ => from_text(text, kind),
    }
}

/// Whether the value itself tells what it is.
fn is_open(kind: FieldType) -> bool {
    kind == FieldType::Other
}

/// A value of a bulk result's cell.
pub(crate) fn from_text(text: &str, kind: FieldType) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    match kind {
        FieldType::Boolean if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        FieldType::Boolean if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        FieldType::Integer | FieldType::Decimal => number(text),
        FieldType::Instant => match parse_instant(text) {
            Some(at) => Value::Text(soql::instant(at)),
            None => Value::from(text),
        },
        FieldType::Choices => {
            let choices = text.split(';').filter(|choice| !choice.is_empty());
            Value::List(choices.map(Value::from).collect())
        }
        FieldType::Reference => match ids::canonical(text) {
            Some(id) => Value::Text(id.into_owned()),
            None => Value::from(text),
        },
        _ => Value::from(text),
    }
}

fn number(text: &str) -> Value {
    Value::number(text).unwrap_or_else(|_| Value::from(text))
}

/// `2026-05-01T22:51:36.000+0000` of queries, `….000Z` of bulk results, epoch milliseconds.
pub(crate) fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    if let Some(plain) = text
        .strip_suffix("+0000")
        .or_else(|| text.strip_suffix('Z'))
    {
        let parsed = NaiveDateTime::parse_from_str(plain, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
        return Some(parsed.and_utc());
    }
    if let Ok(millis) = text.parse::<i64>() {
        return DateTime::from_timestamp_millis(millis);
    }
    let offset = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z").ok()?;
    Some(offset.to_utc())
}

/// A value for the body of a write.
///
/// # Errors
/// `Rejected` naming the field when the value cannot stand there.
pub(crate) fn to_json(value: &Value, field: &str, kind: FieldType) -> Result<Box<RawValue>> {
    let text = |text: &str| Ok(to_raw_value(text).expect("text is always json"));
    let literal = |text: String| {
        Ok(RawValue::from_string(text).expect("a decimal or a literal is always json"))
    };
    match value {
        Value::Null => literal("null".to_owned()),
        Value::Bool(value) => literal(value.to_string()),
        Value::Number(number) => match kind {
            FieldType::Integer | FieldType::Decimal | FieldType::Other => {
                literal(number.normalize().to_string())
            }
            _ => text(&number.normalize().to_string()),
        },
        Value::Text(given) => match kind {
            FieldType::Integer | FieldType::Decimal => match Value::number(given) {
                Ok(Value::Number(number)) => literal(number.normalize().to_string()),
                _ if given.is_empty() => literal("null".to_owned()),
                _ => Err(misfit(field, "is a number in salesforce")),
            },
            _ => text(given),
        },
        Value::List(values) => text(&join(values, field)?),
        Value::Map(_) => Err(misfit(field, "cannot be written as a whole, map its parts")),
    }
}

/// `A;B`: there is no way to write a choice that holds a semicolon.
fn join(values: &[Value], field: &str) -> Result<String> {
    let mut joined = String::new();
    for (at, value) in values.iter().enumerate() {
        let Value::Text(choice) = value else {
            return Err(misfit(field, "takes a list of texts"));
        };
        if choice.contains(';') {
            return Err(misfit(field, "takes no choice with a semicolon"));
        }
        if at > 0 {
            joined.push(';');
        }
        joined.push_str(choice);
    }
    Ok(joined)
}

fn misfit(field: &str, why: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Rejected, format!("{field} {why}"))
        .with_fields(vec![field.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str, kind: FieldType) -> Value {
        from_json(&RawValue::from_string(text.to_owned()).unwrap(), kind)
    }

    fn back(value: &Value, kind: FieldType) -> String {
        to_json(value, "F", kind).unwrap().get().to_owned()
    }

    #[test]
    fn queries_and_bulk_results_give_the_same_values() {
        let value = |text: &str| Value::from(text);
        for (from_query, cell, kind, expected) in [
            ("null", "", FieldType::Text, Value::Null),
            ("\"\"", "", FieldType::Text, Value::Null),
            ("true", "true", FieldType::Boolean, Value::Bool(true)),
            (
                "3.5E8",
                "3.5E8",
                FieldType::Decimal,
                Value::from(350_000_000_i64),
            ),
            ("75.0", "75", FieldType::Integer, Value::from(75_i64)),
            (
                "123456789012345678.25",
                "123456789012345678.25",
                FieldType::Decimal,
                Value::number("123456789012345678.25").unwrap(),
            ),
            (
                "\"A;B\"",
                "A;B",
                FieldType::Choices,
                Value::List(vec![value("A"), value("B")]),
            ),
            (
                "\"2026-05-01T22:51:36.000+0000\"",
                "2026-05-01T22:51:36.000Z",
                FieldType::Instant,
                value("2026-05-01T22:51:36Z"),
            ),
            (
                "\"2028-02-29\"",
                "2028-02-29",
                FieldType::Date,
                value("2028-02-29"),
            ),
            (
                "\"001xx000003DGb2\"",
                "001xx000003DGb2AAG",
                FieldType::Reference,
                value("001xx000003DGb2AAG"),
            ),
            (
                "\"a\\r\\nb \\ud83d\\ude80\"",
                "a\r\nb \u{1f680}",
                FieldType::LongText,
                value("a\r\nb \u{1f680}"),
            ),
        ] {
            assert_eq!(json(from_query, kind), expected, "{from_query}");
            assert_eq!(from_text(cell, kind), expected, "{cell}");
        }
    }

    #[test]
    fn every_form_of_an_instant_is_the_same_instant() {
        let at = parse_instant("2026-05-01T22:51:36.000+0000");
        for text in [
            "2026-05-01T22:51:36Z",
            "2026-05-02T00:51:36.000+0200",
            "2026-05-02T00:51:36+02:00",
            "1777675896000",
        ] {
            assert_eq!(parse_instant(text), at, "{text}");
        }
        assert_eq!(parse_instant("yesterday"), None);
    }

    #[test]
    fn what_does_not_fit_stays_text() {
        assert_eq!(json("1e400", FieldType::Decimal), Value::from("1e400"));
        assert_eq!(from_text("soon", FieldType::Instant), Value::from("soon"));
        assert_eq!(
            from_text("perhaps", FieldType::Boolean),
            Value::from("perhaps")
        );
    }

    #[test]
    fn written_values_keep_their_digits_and_join_their_lists() {
        let long = Value::number("123456789012345678.25").unwrap();
        assert_eq!(back(&long, FieldType::Decimal), "123456789012345678.25");
        assert_eq!(back(&Value::from(7_i64), FieldType::Text), "\"7\"");
        assert_eq!(back(&Value::from("3.50"), FieldType::Decimal), "3.5");
        assert_eq!(back(&Value::Null, FieldType::Decimal), "null");
        let list = Value::List(vec![Value::from("A"), Value::from("B")]);
        assert_eq!(back(&list, FieldType::Choices), "\"A;B\"");
        for (value, kind) in [
            (Value::from("twelve"), FieldType::Integer),
            (Value::List(vec![Value::from("A;B")]), FieldType::Choices),
            (
                Value::Map(std::collections::BTreeMap::new()),
                FieldType::Other,
            ),
        ] {
            let error = to_json(&value, "F", kind).unwrap_err();
            assert_eq!(
                (error.kind, error.fields),
                (ErrorKind::Rejected, vec!["F".to_owned()])
            );
        }
    }
}
