use axum::http::Method;
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

#[tokio::test]
async fn a_field_is_classified_anew_and_the_masks_follow() {
    let world = World::new().await;
    let field = json!({"key": "nick", "label": "Nick", "type": "text"});
    let made = world.admin.post("/fields/contact", &field).await;
    assert_eq!(made.expect(201)["personal"], "no");
    let fields = json!({"fields": {"last_name": "Doe", "custom.nick": "Canarynick"}});
    let contact = world.admin.post("/contacts", &fields).await.expect(201);
    let path = format!("/contacts/{}", contact["id"].as_str().unwrap());
    let edit = async |nick: &str| {
        let etag = world.admin.get(&path).await.etag();
        let body = json!({"fields": {"custom.nick": nick}});
        world
            .admin
            .send(Method::PATCH, &path, Some(&etag), Some(&body))
            .await
            .expect(200);
    };
    edit("Canarytwo").await;
    let newest = async || {
        let page = world.admin.get("/audit?action=update_contact").await;
        page.expect(200)["items"].clone()
    };
    assert_eq!(newest().await[0]["after"]["custom.nick"], "Canarytwo");

    let one = "/fields/contact/custom.nick";
    let classify = async |path: &str, class: &str| {
        let body = json!({"personal": class});
        world
            .admin
            .send(Method::PATCH, path, None, Some(&body))
            .await
    };
    let now = classify(one, "identifying").await.expect(200);
    assert_eq!(now["personal"], "identifying");
    edit("Canarythree").await;
    let entries = newest().await;
    // What is noted from now on, and what was noted before.
    for entry in [&entries[0], &entries[1]] {
        assert_eq!(entry["after"]["custom.nick"], "•••", "{entry}");
    }
    let all = world.admin.get("/audit?limit=200").await.expect(200);
    assert!(!all.to_string().contains("Canary"), "{all}");
    let check = world.admin.get("/audit/verification").await.expect(200);
    assert_eq!(
        (&check["whole"], &check["redacted"]),
        (&json!(true), &json!(2))
    );
    let noted = world
        .admin
        .get("/audit?action=classify_field")
        .await
        .expect(200);
    let noted = &noted["items"][0];
    assert_eq!(noted["subject_id"], "contact/custom.nick");
    assert_eq!(noted["before"], json!({"personal": "no"}));
    assert_eq!(noted["after"], json!({"personal": "identifying"}));
    // And back: what comes is noted again, what was masked stays so.
    classify(one, "no").await.expect(200);
    edit("Plain").await;
    assert_eq!(newest().await[0]["after"]["custom.nick"], "Plain");
    assert_eq!(newest().await[1]["after"]["custom.nick"], "•••");

    classify(one, "secret").await.invalid("/personal");
    for nothing in ["/fields/contact/custom.gone", "/fields/contact/nope"] {
        classify(nothing, "no").await.problem(404, "not-found");
    }
    classify("/fields/nothing/custom.nick", "no")
        .await
        .problem(404, "not-found");
    classify("/fields/contact/email", "no")
        .await
        .problem(409, "conflict");
    let other = world.other_tenant().await;
    let body = json!({"personal": "no"});
    other
        .send(Method::PATCH, one, None, Some(&body))
        .await
        .problem(404, "not-found");
    let viewer = world
        .user(
            world.tenant,
            "viewer@one.example",
            domain::users::Role::Viewer,
        )
        .await;
    viewer
        .send(Method::PATCH, one, None, Some(&body))
        .await
        .problem(403, "forbidden");
}
