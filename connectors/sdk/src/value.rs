//! The values that records, patches and entities carry.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One value of a field, as far as it can be told without knowing the field's type.
///
/// Dates and instants travel as text: `2026-05-01` and RFC 3339 in UTC (`2026-05-01T22:51:36Z`).
/// What is missing from a payload has no `Value` at all; that is not [`Value::Null`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    /// Exact decimal, up to 28 significant digits.
    Number(Decimal),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

/// Why a value could not be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("number has more digits than can be kept exactly")]
    NumberTooLong,
    #[error("text holds a NUL character, which Postgres cannot store")]
    NulCharacter,
}

impl Value {
    /// Text from anything that can be one.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// A number from its text, exponent forms (`3.5E8`) included.
    ///
    /// # Errors
    /// [`ValueError::NumberTooLong`] when 28 digits do not hold it exactly, or it is no number.
    pub fn number(text: &str) -> std::result::Result<Self, ValueError> {
        Decimal::from_str_exact(text)
            .or_else(|_plain| Decimal::from_scientific(text))
            .map(|number| Self::Number(number.normalize()))
            .map_err(|_exact| ValueError::NumberTooLong)
    }

    /// The first text in it that Postgres could not store, if any.
    ///
    /// # Errors
    /// [`ValueError::NulCharacter`].
    pub fn check_storable(&self) -> std::result::Result<(), ValueError> {
        match self {
            Self::Text(text) if text.contains('\0') => Err(ValueError::NulCharacter),
            Self::List(values) => values.iter().try_for_each(Self::check_storable),
            Self::Map(values) => values.iter().try_for_each(|(key, value)| {
                if key.contains('\0') {
                    return Err(ValueError::NulCharacter);
                }
                value.check_storable()
            }),
            _ => Ok(()),
        }
    }

    /// JSON of this value.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a value has only text keys")
    }
}

/// Shown to people: text as it is, lists joined by `; `, null as an empty text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
            Self::List(values) => {
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        f.write_str("; ")?;
                    }
                    write!(f, "{value}")?;
                }
                Ok(())
            }
            Self::Map(_) => f.write_str(&self.to_json().to_string()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(Decimal::from(value))
    }
}

impl From<Decimal> for Value {
    fn from(value: Decimal) -> Self {
        Self::Number(value)
    }
}

/// A number is written as a JSON number when every reader of JSON gets it back exactly (64-bit
/// float or integer), else as text: the field's type turns it back into a number.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => serialize_number(*number, serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            Self::Map(values) => {
                let mut map = serializer.serialize_map(Some(values.len()))?;
                for (key, value) in values {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// Integers past 2^53 do not survive readers that hold every number as a float.
const EXACT_INTEGER: i64 = 1 << 53;

fn serialize_number<S: Serializer>(
    number: Decimal,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    if number.is_integer() {
        if let Ok(integer) = i64::try_from(number)
            && integer.abs() <= EXACT_INTEGER
        {
            return serializer.serialize_i64(integer);
        }
        return serializer.serialize_str(&number.normalize().to_string());
    }
    let text = number.normalize().to_string();
    if let Ok(float) = f64::from_str(&text)
        && float.to_string() == text
    {
        return serializer.serialize_f64(float);
    }
    serializer.serialize_str(&text)
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> std::result::Result<Value, D::Error> {
        Value::deserialize(value)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(Value::Number(Decimal::from(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(Value::Number(Decimal::from(value)))
    }

    /// The shortest text that names this float is what the sender wrote, up to 15 digits.
    fn visit_f64<E: de::Error>(self, value: f64) -> std::result::Result<Value, E> {
        Value::number(&value.to_string()).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> std::result::Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Value, A::Error> {
        let mut values = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Value, A::Error> {
        let mut values = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            values.insert(key, value);
        }
        Ok(Value::Map(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        let value: Value = serde_json::from_str(text).unwrap();
        serde_json::to_string(&value).unwrap()
    }

    #[test]
    fn json_comes_back_as_it_was_within_what_every_reader_holds() {
        for text in [
            "null",
            "true",
            "42",
            "-7",
            "75.5",
            "\"a\"",
            "[1,\"b\",null]",
            "{\"a\":1}",
        ] {
            assert_eq!(round(text), text);
        }
        assert_eq!(round("3.5E8"), "350000000");
        assert_eq!(round("75.0"), "75");
    }

    #[test]
    fn a_number_that_a_float_cannot_hold_is_written_as_text() {
        let value = Value::number("9007199254740993").unwrap();
        assert_eq!(
            serde_json::to_string(&value).unwrap(),
            "\"9007199254740993\""
        );
        let value = Value::number("123456789012345678.25").unwrap();
        assert_eq!(
            serde_json::to_string(&value).unwrap(),
            "\"123456789012345678.25\""
        );
    }

    #[test]
    fn exponents_trailing_zeros_and_too_many_digits_are_told_apart() {
        assert_eq!(
            Value::number("3.5E8").unwrap(),
            Value::from(350_000_000_i64)
        );
        assert_eq!(Value::number("75.000").unwrap(), Value::from(75_i64));
        assert_eq!(Value::number("1e400"), Err(ValueError::NumberTooLong));
        assert_eq!(Value::number("twelve"), Err(ValueError::NumberTooLong));
    }

    #[test]
    fn a_nul_is_found_at_any_depth() {
        let value: Value = serde_json::from_str(r#"{"a":["ok","b\u0000"]}"#).unwrap();
        assert_eq!(value.check_storable(), Err(ValueError::NulCharacter));
    }
}
