//! Values as they are shown outside: numbers as texts, so that no reader of JSON loses digits, and
//! references with the prefix of their kind.

use engine::catalogue::{Field, FieldKind};
use engine::ids::{AccountId, ContactId, EntityId};
use engine::sdk::Value;
use serde_json::Value as Json;
use sqlx::types::Uuid;

/// A text as a cell of a table of commas. One that a spreadsheet would take for a formula is made one
/// that it does not.
pub(crate) fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// An entity's id with its kind's prefix.
pub(crate) fn id(kind: &str, id: EntityId) -> String {
    match kind {
        "account" => AccountId(id.0).to_string(),
        "contact" => ContactId(id.0).to_string(),
        _ => id.to_string(),
    }
}

/// The kind and id of an entity as it is shown; `None` for any other text.
pub(crate) fn entity(text: &str) -> Option<(&'static str, EntityId)> {
    let account = text.parse::<AccountId>().map(|id| ("account", id.0));
    let found = account.or_else(|_| text.parse::<ContactId>().map(|id| ("contact", id.0)));
    found.ok().map(|(kind, id)| (kind, EntityId(id)))
}

/// A value of a field; `None` where the field is not in the catalogue any more.
pub(crate) fn value(field: Option<&Field>, value: &Value) -> Json {
    let reference = field
        .filter(|field| field.kind == FieldKind::Reference)
        .and_then(|field| field.references.as_deref());
    match (value, reference) {
        (Value::Text(text), Some(kind)) => match Uuid::try_parse(text) {
            Ok(uuid) => Json::String(id(kind, EntityId(uuid))),
            Err(_key) => Json::String(text.clone()),
        },
        (Value::Number(number), _) => Json::String(number.normalize().to_string()),
        (other, _) => other.to_json(),
    }
}

/// A value as a caller gave it: a reference may carry its kind's prefix.
///
/// # Errors
/// The reason, where it is the id of another kind.
pub(crate) fn read(field: &Field, given: Value) -> Result<Value, String> {
    let (FieldKind::Reference, Some(kind), Value::Text(text)) =
        (field.kind, field.references.as_deref(), &given)
    else {
        return Ok(given);
    };
    let uuid = match kind {
        "account" => text.parse::<AccountId>().map(|id| id.0),
        "contact" => text.parse::<ContactId>().map(|id| id.0),
        _ => return Ok(given),
    };
    uuid.map(|uuid| Value::Text(uuid.to_string()))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent() -> Field {
        let mut field = Field::new("parent", "Parent", FieldKind::Reference);
        field.references = Some("account".to_owned());
        field
    }

    #[test]
    fn a_reference_is_shown_with_its_prefix_and_read_back() {
        let id = AccountId::fresh();
        let stored = Value::Text(id.0.to_string());
        let shown = value(Some(&parent()), &stored);
        assert_eq!(shown, Json::String(id.to_string()));
        assert_eq!(read(&parent(), Value::Text(id.to_string())), Ok(stored));
        assert!(read(&parent(), Value::Text(ContactId::fresh().to_string())).is_err());
    }

    #[test]
    fn numbers_are_shown_as_texts() {
        let number = Value::number("12.50").unwrap();
        assert_eq!(value(None, &number), Json::String("12.5".to_owned()));
    }
}
