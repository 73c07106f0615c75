//! The OpenAPI document: what the handlers say about themselves, with what holds for all of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::permit::{Access, EXTENSION};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Syncline",
        version = "1",
        description = "Ids are texts with a prefix and 32 hexadecimal digits; instants are RFC 3339 in UTC; decimals and values of 64-bit fields are texts. Every answer that is an error is a problem (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(crate::error::Problem))
)]
pub(crate) struct Base;

/// The document of this build, as JSON with a stable order.
pub fn document() -> Value {
    let document = crate::routes::all().into_openapi();
    let mut document = serde_json::to_value(&document).expect("the document is JSON");
    secure(&mut document);
    answer_problems(&mut document);
    require_answered_fields(&mut document);
    document
}

fn operations(document: &mut Value) -> impl Iterator<Item = (String, &mut Value)> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    paths.into_iter().flatten().flat_map(|(path, item)| {
        let path = path.clone();
        let methods = item.as_object_mut().into_iter().flatten();
        methods.map(move |(_method, operation)| (path.clone(), operation))
    })
}

/// What is not open needs a session, and most of it a permission.
fn secure(document: &mut Value) {
    for (_path, operation) in operations(document) {
        if operation[EXTENSION] != Access::Open.as_str() {
            operation["security"] = json!([{ "session": [] }, { "key": [] }, { "access": [] }]);
        }
    }
    document["components"]["securitySchemes"] = json!({
        "session": { "type": "apiKey", "in": "cookie", "name": crate::caller::COOKIE_NAME },
        "key": { "type": "http", "scheme": "bearer", "description": "A key of a program: `slk_…`" },
        "access": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token, ten minutes long" },
    });
}

/// What is not described is a problem.
fn answer_problems(document: &mut Value) {
    for (path, operation) in operations(document) {
        if path.starts_with("/api/") {
            operation["responses"]["default"] = json!({
                "description": "A problem",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" }
                }},
            });
        }
    }
}

/// An answer always has all its fields, null where there is nothing; only what callers send may
/// leave fields out.
fn require_answered_fields(document: &mut Value) {
    let mut sent = BTreeSet::new();
    let schemas = document["components"]["schemas"].clone();
    for (_path, operation) in operations(document) {
        collect(&operation["requestBody"], &schemas, &mut sent);
    }
    sent.insert("Problem".to_owned());
    sent.insert("FieldProblem".to_owned());
    let all = document["components"]["schemas"].as_object_mut();
    for (name, schema) in all.into_iter().flatten() {
        if !sent.contains(name) {
            require_all(schema);
        }
    }
}

fn require_all(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                let names: Vec<Value> = properties.keys().cloned().map(Value::String).collect();
                fields.insert("required".to_owned(), Value::Array(names));
            }
            fields.values_mut().for_each(require_all);
        }
        Value::Array(values) => values.iter_mut().for_each(require_all),
        _ => {}
    }
}

fn collect(at: &Value, schemas: &Value, found: &mut BTreeSet<String>) {
    match at {
        Value::Object(fields) => {
            let name = fields
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| reference.strip_prefix("#/components/schemas/"));
            if let Some(name) = name
                && found.insert(name.to_owned())
            {
                collect(&schemas[name], schemas, found);
            }
            fields
                .values()
                .for_each(|value| collect(value, schemas, found));
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| collect(value, schemas, found)),
        _ => {}
    }
}
