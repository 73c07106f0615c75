//! Values in and out: reading what a client sends for a field, writing it as JSON or CSV.

use std::fmt::Write as _;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value as Json;

use super::clock::{parse_date, parse_datetime, push_date, push_datetime, push_time};
use super::errors::RowError;
use super::ids::Id;
use super::schema::{Field, FieldType, Normalise, Source};
use super::store::{Row, Value};

/// Reads a JSON value (or a CSV cell, given as text) for a field, normalising as the API does.
pub(crate) fn read(field: &Field, json: &Json) -> Result<Value, RowError> {
    match json {
        Json::Null if field.kind == FieldType::Boolean => {
            Err(mismatch(field, "boolean", "VALUE_NULL null"))
        }
        Json::Null => Ok(Value::Null),
        Json::String(text) => read_text(field, text),
        Json::Bool(value) if field.kind == FieldType::Boolean => Ok(Value::Bool(*value)),
        Json::Number(number) if field.kind.is_number() => read_number(field, &number.to_string()),
        Json::Number(number) if field.kind.is_text() => read_text(field, &number.to_string()),
        Json::Bool(value) if field.kind.is_text() => read_text(field, &value.to_string()),
        other => Err(mismatch(field, soap_short(field), &json_token(other))),
    }
}

fn read_text(field: &Field, text: &str) -> Result<Value, RowError> {
    let trimmed = text.trim();
    match field.kind {
        FieldType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err(mismatch(
                field,
                "boolean",
                &format!("VALUE_STRING {trimmed}"),
            )),
        },
        _ if trimmed.is_empty() => Ok(Value::Null),
        kind if kind.is_number() => read_number(field, trimmed),
        FieldType::Date => parse_date(
            trimmed
                .get(..10)
                .filter(|_| trimmed.len() == 10)
                .unwrap_or(trimmed),
        )
        .map(Value::Date)
        .ok_or_else(|| mismatch(field, "date", &format!("VALUE_STRING {trimmed}"))),
        FieldType::DateTime => parse_datetime(trimmed)
            .or_else(|| parse_date(trimmed).map(|days| i64::from(days) * 86_400_000))
            .map(|ms| Value::DateTime(ms.div_euclid(1000) * 1000))
            .ok_or_else(|| mismatch(field, "datetime", &format!("VALUE_STRING {trimmed}"))),
        FieldType::Time => parse_time(trimmed)
            .map(Value::Time)
            .ok_or_else(|| mismatch(field, "time", &format!("VALUE_STRING {trimmed}"))),
        FieldType::Id | FieldType::Reference => {
            Id::parse(trimmed).map(Value::Id).ok_or_else(|| {
                let message = format!("{}: id value of incorrect type: {trimmed}", field.label);
                RowError::new("MALFORMED_ID", message).on(&field.name)
            })
        }
        FieldType::MultiPicklist => read_choices(field, trimmed),
        FieldType::Picklist => read_choice(field, trimmed).map(|value| Value::text(&value)),
        FieldType::Address => Err(not_writeable(&field.name)),
        _ => read_string(field, trimmed),
    }
}

fn read_string(field: &Field, text: &str) -> Result<Value, RowError> {
    let mut text = match field.normalise {
        Some(Normalise::Lower) => text.to_lowercase(),
        Some(Normalise::Upper) => text.to_uppercase(),
        Some(Normalise::Digits) => {
            let keep = |(at, c): &(usize, char)| c.is_ascii_digit() || (*at == 0 && *c == '+');
            text.char_indices().filter(keep).map(|(_, c)| c).collect()
        }
        Some(Normalise::Truncate) => text.chars().take(field.length).collect(),
        None => text.to_owned(),
    };
    if field.kind == FieldType::TextArea && text.contains('\n') {
        text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    if text.chars().count() > field.length {
        let shown: String = text.chars().take(255).collect();
        let message = format!(
            "{}: data value too large: {shown} (max length={})",
            field.label, field.length
        );
        return Err(RowError::new("STRING_TOO_LONG", message).on(&field.name));
    }
    if field.kind == FieldType::Email && !plausible_email(&text) {
        let message = format!("{}: invalid email address: {text}", field.label);
        return Err(RowError::new("INVALID_EMAIL_ADDRESS", message).on(&field.name));
    }
    Ok(Value::text(&text))
}

fn plausible_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| {
        let dotted =
            domain.split('.').count() > 1 && domain.split('.').all(|part| !part.is_empty());
        !local.is_empty() && dotted && !text.contains(char::is_whitespace) && !domain.contains('@')
    })
}

fn read_number(field: &Field, text: &str) -> Result<Value, RowError> {
    let number: Decimal = text
        .parse()
        .or_else(|_| Decimal::from_scientific(text))
        .map_err(|_err| mismatch(field, soap_short(field), &format!("VALUE_STRING {text}")))?;
    let mut number = number.round_dp_with_strategy(
        field.scale,
        rust_decimal::RoundingStrategy::MidpointAwayFromZero,
    );
    number = number.normalize();
    let digits = field.precision.saturating_sub(field.scale).min(27);
    if number.abs() >= Decimal::from(10_u64.pow(digits.min(19))) {
        let message = format!(
            "{}: value outside of valid range on numeric field: {text}",
            field.label
        );
        return Err(RowError::new("NUMBER_OUTSIDE_VALID_RANGE", message).on(&field.name));
    }
    Ok(Value::Num(number))
}

/// The picklist's own spelling of a value; an unknown one passes unless the list is restricted.
fn read_choice(field: &Field, text: &str) -> Result<String, RowError> {
    let known = field
        .picklist
        .iter()
        .find(|pick| pick.value.eq_ignore_ascii_case(text));
    match known {
        Some(pick) if pick.active || !field.restricted => Ok(pick.value.clone()),
        _ if field.restricted => {
            let message = format!(
                "{}: bad value for restricted picklist field: {text}",
                field.label
            );
            Err(RowError::new("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message).on(&field.name))
        }
        _ => Ok(text.to_owned()),
    }
}

/// Choices without repeats, in the order of the definition.
fn read_choices(field: &Field, text: &str) -> Result<Value, RowError> {
    let place = |value: &str| field.picklist.iter().position(|pick| pick.value == value);
    let mut choices: Vec<String> = vec![];
    for part in text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let choice = read_choice(field, part)?;
        if !choices.contains(&choice) {
            choices.push(choice);
        }
    }
    choices.sort_by_key(|choice| place(choice).unwrap_or(usize::MAX));
    Ok(Value::text(&choices.join(";")))
}

pub(crate) fn parse_time(text: &str) -> Option<i32> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let time = chrono::NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
    i32::try_from((time - chrono::NaiveTime::MIN).num_milliseconds()).ok()
}

pub(crate) fn not_writeable(field: &str) -> RowError {
    let message = format!(
        "Unable to create/update fields: {field}. Please check the security settings of this field \
         and verify that it is read/write for your profile or permission set."
    );
    RowError::new("INVALID_FIELD_FOR_INSERT_UPDATE", message).on(field)
}

fn mismatch(field: &Field, wanted: &str, got: &str) -> RowError {
    let message = format!(
        "Cannot deserialize instance of {wanted} from {got} or request may be missing a required \
         field ({})",
        field.name
    );
    RowError::new("JSON_PARSER_ERROR", message).on(&field.name)
}

fn soap_short(field: &Field) -> &'static str {
    field
        .kind
        .soap()
        .split_once(':')
        .map_or("string", |(_, name)| name)
}

fn json_token(json: &Json) -> String {
    match json {
        Json::Bool(value) => format!("VALUE_{} {value}", value.to_string().to_uppercase()),
        Json::Number(number) => format!("VALUE_NUMBER {number}"),
        Json::Array(_) => "START_ARRAY [".to_owned(),
        _ => "START_OBJECT {".to_owned(),
    }
}

/// Writes a number as the API does: integers bare, others always with a point, and from ten million
/// on in the exponent form `3.5E8`.
pub(crate) fn push_number(out: &mut String, number: Decimal, kind: FieldType) {
    let number = number.normalize();
    let written = if kind == FieldType::Int {
        write!(out, "{number}")
    } else if number.abs() >= Decimal::from(10_000_000) {
        // The digits themselves, so that eighteen of them survive.
        let digits = number.mantissa().unsigned_abs().to_string();
        let exponent = digits.len() as i64 - 1 - i64::from(number.scale());
        let (first, rest) = digits.split_at(1);
        let rest = rest.trim_end_matches('0');
        let sign = if number.is_sign_negative() { "-" } else { "" };
        write!(
            out,
            "{sign}{first}.{}E{exponent}",
            if rest.is_empty() { "0" } else { rest }
        )
    } else if number.scale() == 0 {
        write!(out, "{number}.0")
    } else {
        write!(out, "{number}")
    };
    // Writing to a String cannot fail.
    debug_assert!(written.is_ok());
}

/// Writes text as a JSON string, quotes included.
pub(crate) fn push_json_text(out: &mut String, text: &str) {
    out.push('"');
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[clean..at]);
        clean = at + 1;
        if escape.is_empty() {
            out.push_str("\\u00");
            out.push(char::from(b'0' + (byte >> 4)));
            out.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[clean..]);
    out.push('"');
}

/// Writes a field of a row as JSON.
pub(crate) fn push_json(out: &mut String, field: &Field, row: &Row) {
    if let Source::Address(parts) = &field.source {
        return push_address(out, row, parts);
    }
    match field.read(row) {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Num(number) => push_number(out, number, field.kind),
        Value::Text(text) => push_json_text(out, &text),
        other => {
            out.push('"');
            push_plain(out, &other, "+0000");
            out.push('"');
        }
    }
}

fn push_address(out: &mut String, row: &Row, parts: &[usize; 7]) {
    if parts.iter().all(|slot| row.value(*slot).is_null()) {
        return out.push_str("null");
    }
    let names = ["street", "city", "state", "postalCode", "country"];
    out.push_str("{\"geocodeAccuracy\":null");
    for (name, slot) in names.iter().zip(parts) {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        match row.value(*slot).as_text() {
            Some(text) => push_json_text(out, text),
            None => out.push_str("null"),
        }
    }
    for (name, slot) in ["latitude", "longitude"].iter().zip(&parts[5..]) {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        match row.value(*slot) {
            Value::Num(number) => push_number(out, *number, FieldType::Double),
            _ => out.push_str("null"),
        }
    }
    out.push('}');
}

/// Dates, times and ids without quotes.
fn push_plain(out: &mut String, value: &Value, zone: &str) {
    match value {
        Value::Date(days) => push_date(out, i64::from(*days)),
        Value::DateTime(ms) => push_datetime(out, *ms, zone),
        Value::Time(ms) => {
            push_time(out, i64::from(*ms));
            out.push('Z');
        }
        Value::Id(id) => id.push_to(out),
        _ => {}
    }
}

/// Writes a value as a CSV cell of a Bulk result: always quoted, null and empty alike.
pub(crate) fn push_csv(out: &mut String, kind: FieldType, value: &Value) {
    out.push('"');
    match value {
        Value::Null => {}
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Num(number) => push_number(out, *number, kind),
        Value::Text(text) => push_csv_text(out, text),
        other => push_plain(out, other, "Z"),
    }
    out.push('"');
}

pub(crate) fn push_csv_text(out: &mut String, text: &str) {
    if text.contains('"') {
        out.push_str(&text.replace('"', "\"\""));
    } else {
        out.push_str(text);
    }
}

/// How two values order; null first, text folded.
pub(crate) fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match (a, b) {
        (Value::Null, Value::Null) => Equal,
        (Value::Null, _) => Less,
        (_, Value::Null) => Greater,
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Num(a), Value::Num(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::DateTime(a), Value::DateTime(b)) => a.cmp(b),
        (Value::Id(a), Value::Id(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => fold(a).cmp(fold(b)),
        _ => Equal,
    }
}

fn fold(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// Converts stored values when a field changes its type; what does not fit becomes null.
pub(crate) fn convert(field: &Field, from: FieldType, value: &Value) -> Value {
    if value.is_null() && field.kind == FieldType::Boolean {
        return Value::Bool(false);
    }
    let mut text = String::new();
    match value {
        Value::Null => return Value::Null,
        Value::Text(already) => text.push_str(already),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Num(number) if !field.kind.is_number() => match number.to_i64() {
            Some(whole) if Decimal::from(whole) == *number => text.push_str(&whole.to_string()),
            _ => push_number(&mut text, *number, from),
        },
        Value::Num(number) => text.push_str(&number.to_string()),
        other => push_plain(&mut text, other, "Z"),
    }
    read_text(field, &text).unwrap_or(match field.kind {
        FieldType::Boolean => Value::Bool(false),
        _ => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str, kind: FieldType) -> String {
        let mut out = String::new();
        push_number(&mut out, text.parse().unwrap(), kind);
        out
    }

    #[test]
    fn numbers_have_the_apis_forms() {
        assert_eq!(number("350000000", FieldType::Currency), "3.5E8");
        assert_eq!(number("10000000", FieldType::Double), "1.0E7");
        assert_eq!(number("-12345678.5", FieldType::Double), "-1.23456785E7");
        assert_eq!(number("75", FieldType::Percent), "75.0");
        assert_eq!(number("0.25", FieldType::Double), "0.25");
        assert_eq!(number("42", FieldType::Int), "42");
        assert_eq!(
            number("123456789012345678", FieldType::Currency),
            "1.23456789012345678E17"
        );
    }

    #[test]
    fn text_is_trimmed_folded_to_null_and_measured() {
        let name = Field::new("Name", FieldType::String).length(5);
        assert_eq!(
            read(&name, &Json::from("  ab ")).unwrap(),
            Value::text("ab")
        );
        assert_eq!(read(&name, &Json::from("   ")).unwrap(), Value::Null);
        assert_eq!(
            read(&name, &Json::from("abcdef")).unwrap_err().code,
            "STRING_TOO_LONG"
        );
    }

    #[test]
    fn numbers_are_rounded_to_the_scale_and_bounded_by_the_precision() {
        let score = Field::new("Score__c", FieldType::Double).digits(5, 2);
        let read = |text: &str| read(&score, &Json::from(text));
        assert_eq!(
            read("12.345").unwrap(),
            Value::Num("12.35".parse().unwrap())
        );
        assert_eq!(read("1e2").unwrap(), Value::Num("100".parse().unwrap()));
        assert_eq!(read("1000").unwrap_err().code, "NUMBER_OUTSIDE_VALID_RANGE");
        assert_eq!(read("many").unwrap_err().code, "JSON_PARSER_ERROR");
    }

    #[test]
    fn choices_take_the_definitions_order_and_spelling() {
        let products = Field::new("P__c", FieldType::MultiPicklist).values(&["A", "B", "C"], true);
        assert_eq!(
            read(&products, &Json::from("c;a;C")).unwrap(),
            Value::text("A;C")
        );
        let error = read(&products, &Json::from("a;z")).unwrap_err();
        assert_eq!(error.code, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
    }

    #[test]
    fn a_string_escapes_what_json_forbids() {
        let mut out = String::new();
        push_json_text(&mut out, "a\"b\\c\r\n\u{1}😀");
        assert_eq!(
            serde_json::from_str::<String>(&out).unwrap(),
            "a\"b\\c\r\n\u{1}😀"
        );
    }
}
