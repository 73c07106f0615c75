//! When are two values of a field the same? Values are compared in this form and stored as they
//! came: peers trim, re-case and re-format what they are given, and that is no change.

mod form;

pub use self::form::is_form_of;

use std::fmt;
use std::str::FromStr;

use connector_sdk::Value;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::catalogue::typed::{parse_instant, typed, write_instant};
use crate::catalogue::{Empty, Field, FieldKind, TypeError};

/// Digits of the second that count where an instant has no scale of its own: systems keep
/// milliseconds at best.
const INSTANT_SCALE: u32 = 3;

/// The form in which two values of the field are compared, an empty text being null.
///
/// # Errors
/// As [`typed`].
pub fn canonical(field: &Field, value: &Value) -> Result<Value, TypeError> {
    canonical_with(field, value, Empty::Null)
}

/// As [`canonical`], with a say on what an empty text means.
///
/// # Errors
/// As [`typed`].
pub fn canonical_with(field: &Field, value: &Value, empty: Empty) -> Result<Value, TypeError> {
    Ok(match typed(field, value.clone())? {
        Value::Text(text) => canonical_text(field, &text, empty),
        Value::Number(number) => Value::Number(at_scale(field, number)),
        Value::List(values) => sorted(field, values),
        value => value,
    })
}

/// Whether two values of the field mean the same. Values that are none of the field's kind are the
/// same only when they are equal.
pub fn same(field: &Field, one: &Value, other: &Value, empty: Empty) -> bool {
    if one == other {
        return true;
    }
    match (
        canonical_with(field, one, empty),
        canonical_with(field, other, empty),
    ) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// A short name of a value, the same for values that mean the same: what the hub remembers of a
/// value it wrote, to know it again without keeping it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// The fingerprint of a value of the field: 16 bytes of SHA-256 over its canonical form. A value
/// that is none of the field's kind is taken as it is.
pub fn fingerprint(field: &Field, value: &Value, empty: Empty) -> Fingerprint {
    let canonical = canonical_with(field, value, empty).unwrap_or_else(|_untyped| value.clone());
    let mut digest = Sha256::new();
    digest.update(field.name.as_bytes());
    digest.update([0]);
    feed(&mut digest, &canonical);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    Fingerprint(bytes)
}

/// Every value begins with a letter for its kind and ends by length, so no two values feed alike.
fn feed(digest: &mut Sha256, value: &Value) {
    let mut sized = |letter: u8, bytes: &[u8]| {
        digest.update([letter]);
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    match value {
        Value::Null => sized(b'0', &[]),
        Value::Bool(value) => sized(b'b', &[u8::from(*value)]),
        Value::Number(number) => sized(b'n', number.normalize().to_string().as_bytes()),
        Value::Text(text) => sized(b't', text.as_bytes()),
        Value::List(values) => {
            sized(b'l', &(values.len() as u64).to_be_bytes());
            values.iter().for_each(|value| feed(digest, value));
        }
        Value::Map(values) => {
            sized(b'm', &(values.len() as u64).to_be_bytes());
            for (key, value) in values {
                feed(digest, &Value::Text(key.clone()));
                feed(digest, value);
            }
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 32 hexadecimal digits")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(FingerprintError);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_digits| FingerprintError)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

fn canonical_text(field: &Field, text: &str, empty: Empty) -> Value {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        let kept = empty == Empty::Value && field.kind.holds_empty_text();
        return if kept {
            Value::Text(String::new())
        } else {
            Value::Null
        };
    }
    Value::Text(match field.kind {
        FieldKind::Email => nfc(&trimmed.to_lowercase()),
        FieldKind::Phone => phone(trimmed),
        FieldKind::Url => web_address(trimmed),
        FieldKind::Instant => cut_instant(field, trimmed),
        FieldKind::LongText if trimmed.contains('\r') => {
            nfc(trimmed).replace("\r\n", "\n").replace('\r', "\n")
        }
        _ => nfc(trimmed),
    })
}

fn nfc(text: &str) -> String {
    if text.is_ascii() || is_nfc(text) {
        text.to_owned()
    } else {
        text.nfc().collect()
    }
}

fn at_scale(field: &Field, number: Decimal) -> Decimal {
    let scaled = match field.scale {
        Some(digits) => {
            number.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
        }
        None => number,
    };
    // Minus zero is zero.
    if scaled.is_zero() {
        Decimal::ZERO
    } else {
        scaled.normalize()
    }
}

fn sorted(field: &Field, values: Vec<Value>) -> Value {
    let mut values: Vec<Value> = values
        .into_iter()
        .map(|value| match value {
            Value::Text(text) => canonical_text(field, &text, Empty::Null),
            value => value,
        })
        .filter(|value| !value.is_null())
        .collect();
    values.sort_unstable();
    values.dedup();
    if values.is_empty() {
        Value::Null
    } else {
        Value::List(values)
    }
}

fn cut_instant(field: &Field, text: &str) -> String {
    let Some(instant) = parse_instant(text) else {
        return text.to_owned();
    };
    let digits = u16::try_from(field.scale.unwrap_or(INSTANT_SCALE))
        .unwrap_or(9)
        .min(9);
    write_instant(chrono::SubsecRound::trunc_subsecs(instant, digits))
}

/// Digits with a leading `+` where the number says its country (`+` or `00`), an extension kept
/// apart. What holds other letters is no number (`1-800-FLOWERS`) and compared as text.
fn phone(text: &str) -> String {
    let lower = nfc(&text.to_lowercase());
    let (number, extension) = split_extension(&lower);
    if number.chars().any(char::is_alphabetic) {
        return lower;
    }
    let mut digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return lower;
    }
    // `+49 (0)30` writes the trunk zero that is not dialled from abroad.
    if number.trim_start().starts_with('+') {
        if number.contains("(0)") {
            let dialled = number.replacen("(0)", "", 1);
            digits = dialled.chars().filter(char::is_ascii_digit).collect();
        }
        digits.insert(0, '+');
    } else if let Some(abroad) = digits.strip_prefix("00") {
        digits = format!("+{abroad}");
    }
    if let Some(extension) = extension {
        digits.push_str(";ext=");
        digits.push_str(extension);
    }
    digits
}

fn split_extension(text: &str) -> (&str, Option<&str>) {
    for mark in [";ext=", "extension", "ext.", "ext", "x", "#"] {
        if let Some(at) = text.rfind(mark) {
            let extension = text[at + mark.len()..].trim();
            let number = text[..at].trim_end();
            let is_one = !extension.is_empty()
                && extension.bytes().all(|b| b.is_ascii_digit())
                && number.bytes().any(|b| b.is_ascii_digit());
            if is_one {
                return (number, Some(extension));
            }
        }
    }
    (text, None)
}

/// Scheme and host in lower case, no slash behind a bare host.
fn web_address(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => (None, text),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let path = if path == "/" { "" } else { path };
    let host = nfc(&host.to_lowercase());
    match scheme {
        Some(scheme) => format!("{scheme}://{host}{path}"),
        None => format!("{host}{path}"),
    }
}

#[cfg(test)]
mod tests;
