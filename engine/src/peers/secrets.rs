//! Which parts of a configuration are secret: those its JSON Schema marks `writeOnly`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Secret values by their place: property names from the top, joined by `/`.
pub(super) type Secrets = BTreeMap<String, Value>;

/// Schemas refer to each other; deeper than this none of ours goes.
const DEPTH: usize = 16;

/// Takes the secrets out of a configuration.
pub(super) fn split(schema: &Value, mut config: Value) -> (Value, Secrets) {
    let mut places = BTreeSet::new();
    collect(schema, schema, &mut Vec::new(), DEPTH, &mut places);
    let mut secrets = Secrets::new();
    for place in places {
        if let Some(value) = take(&mut config, &place)
            && !value.is_null()
        {
            secrets.insert(place.join("/"), value);
        }
    }
    (config, secrets)
}

/// Puts secrets where the configuration does not name them itself.
pub(super) fn join(mut config: Value, secrets: &Secrets) -> Value {
    for (place, value) in secrets {
        put(&mut config, &place.split('/').collect::<Vec<_>>(), value);
    }
    config
}

fn collect(
    root: &Value,
    schema: &Value,
    at: &mut Vec<String>,
    depth: usize,
    places: &mut BTreeSet<Vec<String>>,
) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    if schema.get("writeOnly").and_then(Value::as_bool) == Some(true) && !at.is_empty() {
        places.insert(at.clone());
        return;
    }
    if let Some(target) = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| root.pointer(pointer))
    {
        collect(root, target, at, depth, places);
    }
    for alternatives in ["oneOf", "anyOf", "allOf"] {
        for schema in schema
            .get(alternatives)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            collect(root, schema, at, depth, places);
        }
    }
    for (name, schema) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        at.push(name.clone());
        collect(root, schema, at, depth, places);
        at.pop();
    }
}

fn take(config: &mut Value, place: &[String]) -> Option<Value> {
    let (last, parents) = place.split_last()?;
    let mut at = config;
    for name in parents {
        at = at.get_mut(name)?;
    }
    at.as_object_mut()?.remove(last)
}

fn put(config: &mut Value, place: &[&str], value: &Value) {
    let Some((last, parents)) = place.split_last() else {
        return;
    };
    let mut at = config;
    for name in parents {
        // Without its parent the secret has no use: another way to sign in was chosen.
        let Some(inner) = at.get_mut(*name) else {
            return;
        };
        at = inner;
    }
    if let Some(fields) = at.as_object_mut() {
        fields
            .entry((*last).to_owned())
            .or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "properties": {
                "url": {"type": "string"},
                "auth": {"$ref": "#/$defs/Auth"},
            },
            "$defs": {"Auth": {"oneOf": [
                {"properties": {"id": {}, "secret": {"writeOnly": true}}},
                {"properties": {"key": {"writeOnly": true}}},
            ]}},
        })
    }

    #[test]
    fn secrets_leave_the_configuration_and_come_back() {
        let whole = json!({"url": "u", "auth": {"id": "i", "secret": "s"}});
        let (config, secrets) = split(&schema(), whole.clone());
        assert_eq!(config, json!({"url": "u", "auth": {"id": "i"}}));
        assert_eq!(join(config, &secrets), whole);
    }

    #[test]
    fn a_new_secret_wins_over_the_kept_one() {
        let (_, kept) = split(&schema(), json!({"auth": {"secret": "old"}}));
        let joined = join(json!({"auth": {"secret": "new"}}), &kept);
        assert_eq!(joined, json!({"auth": {"secret": "new"}}));
    }

    #[test]
    fn an_explicit_null_is_no_secret() {
        let (config, secrets) = split(&schema(), json!({"auth": {"secret": null}}));
        assert_eq!(config, json!({"auth": {}}));
        assert!(secrets.is_empty());
    }
}
