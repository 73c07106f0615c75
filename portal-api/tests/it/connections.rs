use axum::http::Method;
use serde_json::{Value as Json, json};

use crate::world::World;

const SECRET: &str = "very-secret-value";

fn config(url: &str) -> Json {
    json!({
        "login_url": url,
        "auth": {"kind": "client_credentials", "client_id": "id", "client_secret": SECRET},
    })
}

fn new(name: &str) -> Json {
    json!({"system": "salesforce", "name": name, "config": config("http://127.0.0.1:1")})
}

#[tokio::test]
async fn a_connection_is_made_read_renamed_and_removed() {
    let world = World::new().await;
    let answer = world.admin.post("/connections", &new(" CRM ")).await;
    let etag = answer.etag();
    let made = answer.expect(201);
    assert_eq!(
        (made["name"].as_str(), made["state"].as_str()),
        (Some("CRM"), Some("new"))
    );
    let path = format!("/connections/{}", made["id"].as_str().unwrap());
    assert_eq!(world.admin.get(&path).await.expect(200), made);
    let list = world.admin.get("/connections").await.expect(200);
    assert_eq!((&list["items"][0], &list["total"]), (&made, &json!(1)));

    let rename = json!({"name": "Sales"});
    world
        .admin
        .send(Method::PATCH, &path, None, Some(&rename))
        .await
        .problem(428, "precondition-required");
    let renamed = world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&rename))
        .await;
    let newer = renamed.etag();
    assert_eq!(renamed.expect(200)["name"], "Sales");
    let stale = world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&rename))
        .await;
    assert_eq!(stale.problem(412, "stale")["current"]["name"], "Sales");
    for odd in ["1", "W/\"1\"", "\"x\"", ""] {
        world
            .admin
            .send(Method::PATCH, &path, Some(odd), Some(&rename))
            .await
            .problem(412, "stale");
    }

    world
        .admin
        .send(Method::DELETE, &path, None, None)
        .await
        .problem(428, "precondition-required");
    world
        .admin
        .send(Method::DELETE, &path, Some(&etag), None)
        .await
        .problem(412, "stale");
    world
        .admin
        .send(Method::DELETE, &path, Some(&newer), None)
        .await
        .expect(204);
    world.admin.get(&path).await.problem(404, "not-found");
}

#[tokio::test]
async fn secrets_are_sealed_never_shown_and_kept_when_left_out() {
    let world = World::new().await;
    let made = world.admin.post("/connections", &new("CRM")).await;
    let (etag, text) = (made.etag(), String::from_utf8(made.bytes.to_vec()).unwrap());
    assert!(!text.contains(SECRET), "{text}");
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let mut changed = config("http://127.0.0.1:2");
    changed["auth"]
        .as_object_mut()
        .unwrap()
        .remove("client_secret");
    let body = json!({"config": changed});
    let path = format!("/connections/{id}");
    let answer = world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&body))
        .await
        .expect(200);
    assert!(
        answer["config"]["login_url"]
            .as_str()
            .unwrap()
            .contains("127.0.0.1:2")
    );
    // Whether the kept secret is whole: the connection still opens with it.
    let id = id.parse().unwrap();
    world.peers.open(world.tenant, id).await.map(drop).unwrap();
    let sealed: Vec<u8> = {
        let mut tx = world.store.begin(world.tenant).await.unwrap();
        engine::store::connections::opening(&mut tx, id)
            .await
            .unwrap()
            .secrets
            .unwrap()
    };
    assert!(
        !sealed
            .windows(SECRET.len())
            .any(|window| window == SECRET.as_bytes())
    );
}

#[tokio::test]
async fn a_connection_that_cannot_be_is_refused() {
    let world = World::new().await;
    let make = |body: Json| async move { body };
    let mut unknown = new("x");
    unknown["system"] = json!("nosuch");
    world
        .admin
        .post("/connections", &make(unknown).await)
        .await
        .invalid("/system");
    world
        .admin
        .post("/connections", &new("  "))
        .await
        .invalid("/name");
    world
        .admin
        .post("/connections", &new(&"x".repeat(81)))
        .await
        .invalid("/name");
    let mut malformed = new("x");
    malformed["config"] = json!({"login_url": 5});
    world
        .admin
        .post("/connections", &malformed)
        .await
        .invalid("/config");
    world
        .admin
        .post("/connections", &new("CRM"))
        .await
        .expect(201);
    world
        .admin
        .post("/connections", &new("crm"))
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn a_check_says_how_it_went_and_the_connection_remembers() {
    let world = World::new().await;
    let connected = world.connected().await;
    let path = format!("/connections/{}", connected.id);
    let checked = world
        .admin
        .post(&format!("{path}/check"), &json!({}))
        .await
        .expect(200);
    assert_eq!(
        (&checked["ok"], &checked["error"]),
        (&json!(true), &Json::Null)
    );
    let seen = world.admin.get(&path).await.expect(200);
    assert_eq!(
        (seen["state"].as_str(), seen["state_sentence"].as_str()),
        (Some("ok"), Some("Works."))
    );
    assert_eq!(seen["streams"], 2);

    let broken = world
        .admin
        .post("/connections", &new("Broken"))
        .await
        .expect(201);
    let path = format!("/connections/{}", broken["id"].as_str().unwrap());
    let checked = world
        .admin
        .post(&format!("{path}/check"), &json!({}))
        .await
        .expect(200);
    assert_eq!(
        (&checked["ok"], &checked["error"]["kind"]),
        (&json!(false), &json!("transient"))
    );
    let seen = world.admin.get(&path).await.expect(200);
    assert_eq!(seen["state"], "attention");
    let problem = world
        .admin
        .post(&format!("{path}/discover"), &json!({}))
        .await;
    assert_eq!(problem.problem(502, "peer-failed")["kind"], "transient");
}

#[tokio::test]
async fn refused_credentials_stop_the_connection_and_say_who_must_act() {
    let world = World::new().await;
    let connected = world.connected().await;
    let mut config = connected.salesforce.config();
    config["auth"]["client_secret"] = json!("wrong");
    let body = json!({"system": "salesforce", "name": "Wrong", "config": config});
    let made = world.admin.post("/connections", &body).await.expect(201);
    let path = format!("/connections/{}", made["id"].as_str().unwrap());
    let checked = world
        .admin
        .post(&format!("{path}/check"), &json!({}))
        .await
        .expect(200);
    assert_eq!(checked["error"]["kind"], "auth", "{checked}");
    let seen = world.admin.get(&path).await.expect(200);
    assert_eq!(seen["state"], "stopped");
    assert!(
        seen["state_sentence"]
            .as_str()
            .unwrap()
            .contains("credentials"),
        "{seen}"
    );
}

#[tokio::test]
async fn streams_are_discovered_set_up_with_the_shipped_mapping_and_changed() {
    let world = World::new().await;
    let connected = world.connected().await;
    let path = format!("/connections/{}", connected.id);
    let found = world
        .admin
        .post(&format!("{path}/discover"), &json!({}))
        .await
        .expect(200);
    let account = found["streams"]
        .as_array()
        .unwrap()
        .iter()
        .find(|stream| stream["name"] == "Account")
        .unwrap();
    assert_eq!(account["key_field"], "Id");
    assert!(
        account["fields"]
            .as_array()
            .unwrap()
            .iter()
            .any(|field| field["name"] == "Name")
    );

    let list = world
        .admin
        .get(&format!("{path}/streams"))
        .await
        .expect(200);
    let row = &list[0];
    assert_eq!(
        (row["stream"].as_str(), row["phase"].as_str()),
        (Some("Account"), Some("never"))
    );
    assert_eq!(row["mapping_version"], 1, "{row}");
    let stream = format!("{path}/streams/Account");
    let off = json!({"enabled": false, "entity": "account"});
    let put = |etag| world.admin.send(Method::PUT, &stream, etag, Some(&off));
    put(None).await.problem(428, "precondition-required");
    put(Some("\"9\"")).await.problem(412, "stale");
    assert_eq!(put(Some("\"1\"")).await.expect(200)["enabled"], false);
    world
        .admin
        .post(&format!("{stream}/pull"), &json!({}))
        .await
        .problem(409, "conflict");

    let bad = json!({"enabled": true, "entity": "invoice"});
    world
        .admin
        .send(Method::PUT, &stream, Some("\"2\""), Some(&bad))
        .await
        .invalid("/entity");
    let nosuch = format!("{path}/streams/Nosuch");
    let on = json!({"enabled": true, "entity": "account"});
    world
        .admin
        .send(Method::PUT, &nosuch, None, Some(&on))
        .await
        .problem(404, "not-found");
    world
        .admin
        .post(&format!("{nosuch}/pull"), &json!({}))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_pull_that_waits_is_not_started_twice() {
    let world = World::new().await;
    let connected = world.connected().await;
    let path = format!("/connections/{}/streams/Account/pull", connected.id);
    let first = world.admin.post(&path, &json!({})).await.expect(202);
    let second = world
        .admin
        .post(&path, &json!({"full": false}))
        .await
        .expect(202);
    assert_eq!(first, second);
    let full = world
        .admin
        .post(&path, &json!({"full": true}))
        .await
        .expect(202);
    assert_ne!(first, full);
}
