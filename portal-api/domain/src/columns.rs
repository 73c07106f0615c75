//! Between an entity's values and a core table's columns.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use engine::StoreError;
use engine::catalogue::CUSTOM_PREFIX;
use engine::entity::Entity;
use engine::mapping::Values;
use engine::sdk::Value;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use sqlx::types::Uuid;

/// Custom fields by key, as the `custom` column holds them.
pub(crate) type Custom = BTreeMap<String, Value>;

/// Values being read from a row.
pub(crate) struct Reading(Values);

/// Starts with the custom fields.
pub(crate) fn entity_values(custom: Custom) -> Reading {
    let named = custom
        .into_iter()
        .map(|(key, value)| (format!("{CUSTOM_PREFIX}{key}"), value));
    Reading(named.collect())
}

impl Reading {
    /// Takes a column over; null leaves the field out.
    pub(crate) fn put<T: IntoValue>(&mut self, field: &str, column: Option<T>) {
        if let Some(value) = column {
            self.0.insert(field.to_owned(), value.into_value());
        }
    }

    pub(crate) fn into_inner(self) -> Values {
        self.0
    }
}

/// A column's type as a value.
pub(crate) trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::Text(self)
    }
}

impl IntoValue for Decimal {
    fn into_value(self) -> Value {
        Value::Number(self.normalize())
    }
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::from(self)
    }
}

impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::Bool(self)
    }
}

impl IntoValue for Uuid {
    fn into_value(self) -> Value {
        Value::Text(self.to_string())
    }
}

impl IntoValue for sqlx::types::Json<Value> {
    fn into_value(self) -> Value {
        self.0
    }
}

/// Entities turned into one array per column, for a statement over all of them.
pub(crate) struct Columns<'a> {
    entities: &'a [&'a Entity],
    pub(crate) ids: Vec<Uuid>,
    pub(crate) versions: Vec<i64>,
    pub(crate) custom: Vec<String>,
    pub(crate) provenance: Vec<String>,
    pub(crate) created: Vec<DateTime<Utc>>,
    pub(crate) removed: Vec<Option<DateTime<Utc>>>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(entities: &'a [&'a Entity]) -> Result<Self, StoreError> {
        let custom = |entity: &&Entity| {
            let custom: BTreeMap<&str, &Value> = entity
                .values
                .range(CUSTOM_PREFIX.to_owned()..)
                .map_while(|(name, value)| Some((name.strip_prefix(CUSTOM_PREFIX)?, value)))
                .filter(|(_, value)| !value.is_null())
                .collect();
            serde_json::to_string(&custom).map_err(StoreError::Encode)
        };
        let provenance = |entity: &&Entity| {
            serde_json::to_string(&entity.provenance).map_err(StoreError::Encode)
        };
        Ok(Self {
            entities,
            ids: entities.iter().map(|entity| entity.id.0).collect(),
            versions: entities.iter().map(|entity| entity.version).collect(),
            custom: entities.iter().map(custom).collect::<Result<_, _>>()?,
            provenance: entities.iter().map(provenance).collect::<Result<_, _>>()?,
            created: entities.iter().map(|entity| entity.created_at).collect(),
            removed: entities.iter().map(|entity| entity.removed_at).collect(),
        })
    }

    /// One column; `read` says no where the value is of another type, which the catalogue's checks
    /// have ruled out before.
    fn column<T>(
        &self,
        field: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Vec<Option<T>>, StoreError> {
        let cell = |entity: &&'a Entity| match entity.values.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| {
                StoreError::Conflict(format!("value of {field} is of another type"))
            }),
        };
        self.entities.iter().map(cell).collect()
    }

    pub(crate) fn text(&self, field: &str) -> Result<Vec<Option<&'a str>>, StoreError> {
        self.column(field, Value::as_str)
    }

    /// A column that is never null: empty where there is no value. A record that lacks what the
    /// core wants must not hold up the others of its page.
    pub(crate) fn required_text(&self, field: &str) -> Result<Vec<&'a str>, StoreError> {
        let column = self.text(field)?;
        Ok(column.into_iter().map(Option::unwrap_or_default).collect())
    }

    pub(crate) fn decimal(&self, field: &str) -> Result<Vec<Option<Decimal>>, StoreError> {
        self.column(field, Value::as_decimal)
    }

    pub(crate) fn integer(&self, field: &str) -> Result<Vec<Option<i64>>, StoreError> {
        self.column(field, |value| {
            value
                .as_decimal()
                .filter(Decimal::is_integer)
                .and_then(|number| number.to_i64())
        })
    }

    pub(crate) fn boolean(&self, field: &str) -> Result<Vec<Option<bool>>, StoreError> {
        self.column(field, Value::as_bool)
    }

    pub(crate) fn uuid(&self, field: &str) -> Result<Vec<Option<Uuid>>, StoreError> {
        self.column(field, |value| {
            value.as_str().and_then(|text| Uuid::try_parse(text).ok())
        })
    }

    pub(crate) fn json(&self, field: &str) -> Result<Vec<Option<String>>, StoreError> {
        self.column(field, |value| Some(value.to_json().to_string()))
    }
}

/// The form in which text is looked up.
pub(crate) fn lower(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    (!text.is_empty()).then_some(text)
}

/// Living rows of `$table` of which `$column` is `$value`, which is made of `wanted.text`, and `$also`
/// holds; each text is looked up by itself. The column is compared as it is: row security keeps an
/// expression from using an index. Only the index that is meant has the order that is asked for: what is
/// equal to one value has no order by it, hence a range of one.
macro_rules! find {
    ($tx:ident, $texts:ident, $table:literal, $column:literal, $value:literal, $also:literal) => {{
        $tx.read_in_order(true).await?;
        let rows = sqlx::query!(
            r#"
            select wanted.text as "text!", e.id
            from unnest($1::text[]) as wanted (text)
            cross join lateral (
                select id from "#
                + $table
                + r#"
                where "#
                + $column
                + ">="
                + $value
                + " and "
                + $column
                + "<="
                + $value
                + " and "
                + $also
                + r#" and removed_at is null
                order by "#
                + $column
                + r#", id limit $2 offset 0
            ) e
            "#,
            $texts,
            engine::entity::MOST_FOUND,
        )
        .fetch_all($tx.conn())
        .await?;
        $tx.read_in_order(false).await?;
        let found = rows.into_iter().map(|row| (row.text, EntityId(row.id)));
        Ok(found.collect())
    }};
    ($tx:ident, $texts:ident, $table:literal, $column:literal, $value:literal) => {
        find!($tx, $texts, $table, $column, $value, "true")
    };
}
pub(crate) use find;
