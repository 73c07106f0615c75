use axum::http::Method;
use serde_json::{Value as Json, json};

use crate::world::World;

#[tokio::test]
async fn a_contact_hangs_on_an_account_and_is_found_by_it() {
    let world = World::new().await;
    let account = world
        .admin
        .post("/accounts", &json!({"fields": {"name": "Acme"}}))
        .await
        .expect(201);
    let account = account["id"].as_str().unwrap();
    let fields = json!({"first_name": "Ada", "last_name": "Lovelace", "email": "ada@acme.example", "account": account});
    let made = world
        .admin
        .post("/contacts", &json!({"fields": fields}))
        .await
        .expect(201);
    assert_eq!(made["fields"]["account"], account);
    let path = format!("/contacts/{}", made["id"].as_str().unwrap());
    assert_eq!(world.admin.get(&path).await.expect(200), made);
    for (query, expected) in [
        (format!("account_id={account}"), 1),
        ("q=ada%20love".to_owned(), 1),
        ("q=ACME.EX".to_owned(), 1),
        ("q=grace".to_owned(), 0),
        ("sort=-last_name".to_owned(), 1),
    ] {
        let found = world
            .admin
            .get(&format!("/contacts?{query}"))
            .await
            .expect(200);
        assert_eq!(
            found["items"].as_array().unwrap().len(),
            expected,
            "{query}"
        );
    }
    let row = world.admin.get("/contacts").await.expect(200)["items"][0].clone();
    assert_eq!(row["account"], json!({"id": account, "name": "Acme"}));

    let etag = world.admin.get(&path).await.etag();
    let patch = |fields: Json| {
        let (admin, path, etag) = (world.admin.clone(), path.clone(), etag.clone());
        async move {
            admin
                .send(
                    Method::PATCH,
                    &path,
                    Some(&etag),
                    Some(&json!({"fields": fields})),
                )
                .await
        }
    };
    patch(json!({"account": made["id"]}))
        .await
        .invalid("/fields/account");
    patch(json!({"last_name": null}))
        .await
        .invalid("/fields/last_name");
    patch(json!({"is_primary": "perhaps"}))
        .await
        .invalid("/fields/is_primary");
    assert_eq!(
        patch(json!({"is_primary": true})).await.expect(200)["fields"]["is_primary"],
        true
    );
    patch(json!({"is_primary": false}))
        .await
        .problem(412, "stale");
    let timeline = world
        .admin
        .get(&format!("{path}/timeline"))
        .await
        .expect(200);
    assert_eq!(
        timeline["items"][0]["changes"][0]["label"],
        "Primary contact"
    );
    let provenance = world
        .admin
        .get(&format!("{path}/provenance"))
        .await
        .expect(200);
    assert_eq!(provenance["connections"], json!([]));
}
