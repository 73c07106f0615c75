use std::collections::BTreeMap;

use axum::http::Method;
use engine::ids::AccountId;
use engine::sdk::Value;
use engine::store::conflicts::{self, Opened, Sides};
use serde_json::{Value as Json, json};

use crate::world::{Connected, World};

/// Opens a conflict over an account's phone; its id.
pub(crate) async fn opened(world: &World, connected: &Connected) -> String {
    let account = world.admin.get("/accounts").await.expect(200)["items"][0].clone();
    let id: AccountId = account["id"].as_str().unwrap().parse().unwrap();
    let sides = Sides {
        base: Some(Value::text("+1 555 0000")),
        core: Value::text(account["phone"].as_str().unwrap()),
        remote: Value::text("+1 555 7777"),
    };
    let conflict = Opened {
        entity: "account",
        entity_id: id.into(),
        record_key: account["links"][0]["key"].as_str().unwrap().to_owned(),
        group: "phone".to_owned(),
        kind: "edit",
        fields: BTreeMap::from([("phone".to_owned(), sides)]),
    };
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let connection = connected.id.parse().unwrap();
    conflicts::open(&mut tx, connection, "Account", None, &[conflict])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let list = world.admin.get("/conflicts?state=open").await.expect(200);
    list["items"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_conflict_is_shown_with_its_three_sides_and_decided_once() {
    let world = World::new().await;
    let connected = world.pulled().await;
    let id = opened(&world, &connected).await;
    let path = format!("/conflicts/{id}");
    let read = world.admin.get(&path).await;
    let etag = read.etag();
    let conflict = read.expect(200);
    let field = &conflict["fields"][0];
    assert_eq!(
        (&field["label"], &field["base"], &field["remote"]),
        (
            &json!("Phone"),
            &json!("+1 555 0000"),
            &json!("+1 555 7777")
        )
    );
    assert!(conflict["entity_id"].as_str().unwrap().starts_with("acc_"));
    assert_eq!(
        world.admin.get("/overview").await.expect(200)["conflicts_open"],
        1
    );
    for (query, expected) in [
        ("state=resolved".to_owned(), 0),
        ("entity=account".to_owned(), 1),
        ("entity=contact".to_owned(), 0),
        (format!("connection_id={}", connected.id), 1),
    ] {
        let found = world
            .admin
            .get(&format!("/conflicts?{query}"))
            .await
            .expect(200);
        assert_eq!(
            found["items"].as_array().unwrap().len(),
            expected,
            "{query}"
        );
    }

    let resolve = |etag: Option<&str>, body: Json| {
        let (admin, path, etag) = (
            world.admin.clone(),
            format!("{path}/resolve"),
            etag.map(str::to_owned),
        );
        async move {
            admin
                .send(Method::POST, &path, etag.as_deref(), Some(&body))
                .await
        }
    };
    resolve(None, json!({"choice": "core"}))
        .await
        .problem(428, "precondition-required");
    resolve(Some("\"7\""), json!({"choice": "core"}))
        .await
        .problem(412, "stale");
    resolve(Some(&etag), json!({"choice": "mine"}))
        .await
        .invalid("/choice");
    resolve(Some(&etag), json!({"choice": "value"}))
        .await
        .invalid("/values");
    resolve(Some(&etag), json!({"choice": "core", "values": {}}))
        .await
        .invalid("/values");
    let decided = resolve(
        Some(&etag),
        json!({"choice": "remote", "note": " as they say "}),
    )
    .await
    .expect(200);
    assert_eq!(decided["state"], "resolved");
    assert_eq!(
        (
            &decided["resolution"]["choice"],
            &decided["resolution"]["by"],
            &decided["resolution"]["note"]
        ),
        (&json!("remote"), &json!("admin"), &json!("as they say"))
    );
    let etag = world.admin.get(&path).await.etag();
    resolve(Some(&etag), json!({"choice": "core"}))
        .await
        .problem(409, "conflict");
    let account = format!("/accounts/{}", conflict["entity_id"].as_str().unwrap());
    assert_eq!(
        world.admin.get(&account).await.expect(200)["fields"]["phone"],
        "+1 555 7777"
    );
}
