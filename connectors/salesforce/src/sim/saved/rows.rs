//! A row and its values as a line of the file: short, and quick to write and read without
//! optimisation.

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::ids::Id;
use super::super::store::{Row, Value};

/// Id, created, by, modified, by, stamp, deleted, values.
type Parts<V> = (u64, i64, u64, i64, u64, i64, Option<i64>, V);

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let filled = self.values.iter().rposition(|value| !value.is_null());
        let parts: Parts<&[Value]> = (
            self.id.packed(),
            self.created,
            self.created_by.packed(),
            self.modified,
            self.modified_by.packed(),
            self.stamp,
            self.deleted,
            &self.values[..filled.map_or(0, |last| last + 1)],
        );
        parts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts: Parts<Box<[Value]>> = Deserialize::deserialize(deserializer)?;
        let (id, created, created_by, modified, modified_by, stamp, deleted, values) = parts;
        Ok(Self {
            id: Id::unpacked(id),
            created,
            created_by: Id::unpacked(created_by),
            modified,
            modified_by: Id::unpacked(modified_by),
            stamp,
            deleted,
            values,
        })
    }
}

/// A value is null, a boolean, a number (a point in time) or a text whose first letter is its type.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::DateTime(ms) => serializer.serialize_i64(*ms),
            Self::Num(number) => serializer.collect_str(&format_args!("n{number}")),
            Self::Date(days) => serializer.collect_str(&format_args!("d{days}")),
            Self::Time(ms) => serializer.collect_str(&format_args!("t{ms}")),
            Self::Id(id) => serializer.collect_str(&format_args!("i{}", id.packed())),
            Self::Text(text) => serializer.serialize_str(&format!("s{text}")),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl Visitor<'_> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a saved value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, ms: i64) -> Result<Value, E> {
        Ok(Value::DateTime(ms))
    }

    fn visit_u64<E: serde::de::Error>(self, ms: u64) -> Result<Value, E> {
        i64::try_from(ms).map(Value::DateTime).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        let mut rest = text.chars();
        let kind = rest.next();
        let rest = rest.as_str();
        match kind {
            Some('s') => Ok(Value::Text(rest.into())),
            Some('n') => rest.parse().map(Value::Num).map_err(E::custom),
            Some('d') => rest.parse().map(Value::Date).map_err(E::custom),
            Some('t') => rest.parse().map(Value::Time).map_err(E::custom),
            Some('i') => {
                let id = rest.parse().map(Id::unpacked);
                id.map(Value::Id).map_err(E::custom)
            }
            _ => Err(E::custom("a value of no known type")),
        }
    }
}
