//! The committed document is the interface.

#[test]
fn openapi_json_is_what_the_handlers_say() {
    let now = serde_json::to_string_pretty(&portal_api::document()).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == now, "openapi.json is not current: run `cargo x gen`");
}
