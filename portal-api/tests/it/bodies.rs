//! Bad input is answered with what is wrong, never with a failure of ours.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use crate::world::{Answer, World};

async fn post(world: &World, content_type: Option<&str>, body: impl Into<Body>) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/accounts");
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    world.admin.raw(request.body(body.into()).unwrap()).await
}

const JSON: Option<&str> = Some("application/json");

#[tokio::test]
async fn what_is_no_json_is_refused_with_its_place() {
    let world = World::new().await;
    for body in [
        "",
        "{",
        "nope",
        "{\"fields\":{}} more",
        "\u{feff}{}",
        "{'fields':{}}",
    ] {
        let problem = post(&world, JSON, body).await.problem(400, "invalid-body");
        assert!(
            problem["detail"].as_str().unwrap().contains("line 1"),
            "{problem}"
        );
    }
    post(&world, JSON, vec![b'"', 0xff, b'"'])
        .await
        .problem(400, "invalid-body");
    let deep = "[".repeat(100_000);
    post(&world, JSON, deep).await.expect(422);
    let deep = format!("{{\"fields\":{{\"name\":{}", "[".repeat(100_000));
    post(&world, JSON, deep).await.problem(400, "invalid-body");
}

#[tokio::test]
async fn wrong_types_and_unknown_fields_are_pointed_at() {
    let world = World::new().await;
    post(&world, JSON, r#"{"fields":[]}"#)
        .await
        .invalid("/fields");
    post(&world, JSON, r#"{"fields":{},"more":1}"#)
        .await
        .invalid("/more");
    post(&world, JSON, "{}").await.problem(422, "invalid-field");
    post(&world, JSON, r#"{"fields":{"name":"x","nope":1}}"#)
        .await
        .invalid("/fields/nope");
    post(&world, JSON, r#"{"fields":{"name":"a\u0000b"}}"#)
        .await
        .invalid("/fields/name");
    post(
        &world,
        JSON,
        r#"{"fields":{"name":"x","employees":"many"}}"#,
    )
    .await
    .invalid("/fields/employees");
    post(&world, JSON, r#"{"fields":{"name":null}}"#)
        .await
        .invalid("/fields/name");
}

#[tokio::test]
async fn a_large_body_and_another_media_type_are_refused() {
    let world = World::new().await;
    let large = json!({"fields": {"name": "x".repeat(2 << 20)}}).to_string();
    post(&world, JSON, large).await.problem(413, "too-large");
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        post(&world, content_type, "{}")
            .await
            .problem(415, "unsupported-media-type");
    }
    let spoken = Some("application/json; charset=utf-8");
    post(&world, spoken, r#"{"fields":{"name":"Acme"}}"#)
        .await
        .expect(201);
}

#[tokio::test]
async fn a_request_of_another_site_changes_nothing() {
    let world = World::new().await;
    let request = |name: &str, value: &str| {
        Request::builder()
            .method(Method::POST)
            .uri("/api/v1/accounts")
            .header("content-type", "application/json")
            .header("host", "hub.example")
            .header(name, value)
            .body(Body::from(r#"{"fields":{"name":"Acme"}}"#))
            .unwrap()
    };
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        world
            .admin
            .raw(request(name, value))
            .await
            .problem(403, "forbidden");
    }
    world
        .admin
        .raw(request("origin", "http://hub.example"))
        .await
        .expect(201);
    let accounts = world.admin.get("/accounts").await.expect(200);
    assert_eq!(accounts["total"], 1);
}

#[tokio::test]
async fn unknown_paths_methods_and_parameters_are_problems() {
    let world = World::new().await;
    world.admin.get("/nothing").await.problem(404, "not-found");
    world
        .admin
        .send(Method::PUT, "/accounts", None, None)
        .await
        .problem(405, "method-not-allowed");
    world.admin.get("/accounts?limit=0").await.invalid("/limit");
    world
        .admin
        .get("/accounts?limit=201")
        .await
        .invalid("/limit");
    world
        .admin
        .get("/accounts?limit=many")
        .await
        .invalid("/limit");
    world
        .admin
        .get("/accounts?sort=size")
        .await
        .invalid("/sort");
    world
        .admin
        .get("/accounts?cursor=abc")
        .await
        .invalid("/cursor");
    world
        .admin
        .get("/accounts?updated_since=yesterday")
        .await
        .invalid("/updated_since");
    world
        .admin
        .get("/accounts?connection_id=acc_1")
        .await
        .invalid("/connection_id");
    world
        .admin
        .get("/accounts?nope=1")
        .await
        .problem(422, "invalid-field");
    world
        .admin
        .get("/accounts?q=a%00b")
        .await
        .problem(422, "invalid-field");
    world.admin.get("/accounts?q=%25_%5C").await.expect(200);
}

#[tokio::test]
async fn ids_of_other_kinds_and_no_ids_at_all_name_nothing() {
    let world = World::new().await;
    let account = world
        .admin
        .post("/accounts", &json!({"fields": {"name": "Acme"}}))
        .await;
    let id = account.expect(201)["id"].as_str().unwrap().to_owned();
    let as_contact = id.replace("acc_", "ctc_");
    for path in [
        format!("/contacts/{id}"),
        format!("/contacts/{as_contact}"),
        format!("/accounts/{}", id.to_uppercase()),
        "/accounts/1".to_owned(),
        "/accounts/acc_".to_owned(),
        "/accounts/..%2Fcontacts".to_owned(),
        format!("/runs/{id}"),
        format!("/connections/{id}"),
        "/mappings/map_1/versions/x".to_owned(),
    ] {
        world.admin.get(&path).await.problem(404, "not-found");
    }
}
