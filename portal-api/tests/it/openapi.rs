//! The committed document is the interface.

use serde_json::Value;

#[test]
fn openapi_json_is_what_the_handlers_say() {
    let now = serde_json::to_string_pretty(&portal_api::document()).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == now,
        "openapi.json is not current: run `cargo x gen`"
    );
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let document = portal_api::document();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(at: &Value, found: &mut Vec<String>) {
    match at {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.push(reference.clone());
            }
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
