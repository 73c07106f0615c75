use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_field_of_the_tenants_own_joins_the_catalogue_and_takes_values() {
    let world = World::new().await;
    let field = json!({
        "key": "score", "label": "Score", "type": "decimal", "scale": 2,
    });
    let made = world
        .admin
        .post("/fields/account", &field)
        .await
        .expect(201);
    assert_eq!(
        (made["name"].as_str(), made["custom"].as_bool()),
        (Some("custom.score"), Some(true))
    );
    world
        .admin
        .post("/fields/account", &field)
        .await
        .problem(409, "conflict");
    let list = world.admin.get("/fields/account").await.expect(200);
    let names: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"name") && names.contains(&"custom.score"),
        "{names:?}"
    );
    let account = json!({"fields": {"name": "Acme", "custom.score": "12.50"}});
    let account = world.admin.post("/accounts", &account).await.expect(201);
    assert_eq!(account["fields"]["custom.score"], "12.5");
    let other = world.other_tenant().await;
    assert!(
        !other
            .get("/fields/account")
            .await
            .expect(200)
            .to_string()
            .contains("score")
    );
}

#[tokio::test]
async fn a_field_that_cannot_be_is_refused_where_it_is_wrong() {
    let world = World::new().await;
    let bad = [
        (
            json!({"key": "Bad Key", "label": "x", "type": "text"}),
            "/key",
        ),
        (json!({"key": "x", "label": "", "type": "text"}), "/label"),
        (json!({"key": "x", "label": "x", "type": "blob"}), "/type"),
        (
            json!({"key": "x", "label": "x", "type": "reference"}),
            "/type",
        ),
        (
            json!({"key": "x", "label": "x", "type": "choice"}),
            "/choices",
        ),
        (
            json!({"key": "x", "label": "x", "type": "decimal", "scale": 99}),
            "/scale",
        ),
        (
            json!({"key": "x", "label": "x", "type": "decimal", "scale": -1}),
            "/scale",
        ),
    ];
    for (body, pointer) in bad {
        world
            .admin
            .post("/fields/account", &body)
            .await
            .invalid(pointer);
    }
    world
        .admin
        .get("/fields/invoice")
        .await
        .problem(404, "not-found");
}
