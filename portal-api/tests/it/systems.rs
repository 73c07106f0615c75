use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn systems_describe_their_configuration_with_its_secrets_marked() {
    let world = World::new().await;
    let systems = world.admin.get("/systems").await.expect(200);
    let salesforce = systems
        .as_array()
        .unwrap()
        .iter()
        .find(|system| system["id"] == "salesforce")
        .unwrap();
    assert_eq!(salesforce["title"], "Salesforce");
    assert!(salesforce["write_batch"].as_u64().unwrap() > 0);
    let schema = salesforce["config_schema"].to_string();
    assert!(schema.contains("\"writeOnly\":true"), "{schema}");
}

#[tokio::test]
async fn the_overview_tells_what_was_read() {
    let world = World::new().await;
    assert_eq!(
        world.admin.get("/overview").await.expect(200)["sentence"],
        "Nothing is connected yet."
    );
    let connected = world.pulled().await;
    let overview = world.admin.get("/overview").await.expect(200);
    assert_eq!(overview["records"], json!({"accounts": 12, "contacts": 20}));
    assert_eq!(overview["connections"]["total"], 1);
    assert_eq!(overview["runs"]["failed_24h"], 0);
    let flow = &overview["flows"][0];
    assert_eq!(flow["connection_id"], connected.id.as_str());
    assert_eq!(
        (
            flow["state"].as_str(),
            flow["direction"].as_str(),
            flow["records"].as_i64()
        ),
        (Some("on_time"), Some("both"), Some(12)),
        "{flow}"
    );
    let recent = &overview["recent_runs"][0];
    assert_eq!(recent["state"], "succeeded", "{recent}");
    assert!(
        recent["subject"]
            .as_str()
            .unwrap()
            .starts_with("Salesforce · "),
        "{recent}"
    );
}
