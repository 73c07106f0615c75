use axum::http::Method;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_group_is_made_renamed_and_removed_with_its_name_taken_once() {
    let world = World::new().await;
    let body = |name: &str| json!({"name": name, "permissions": ["runs.read", "audit.read"]});
    let group = world
        .admin
        .post("/groups", &body(" Auditors "))
        .await
        .expect(201);
    assert_eq!(group["name"], "Auditors");
    assert_eq!(group["permissions"], json!(["runs.read", "audit.read"]));
    world
        .admin
        .post("/groups", &body("AUDITORS"))
        .await
        .problem(409, "conflict");
    world
        .admin
        .post("/groups", &body(" "))
        .await
        .invalid("/name");
    let unknown = json!({"name": "x", "permissions": ["everything"]});
    world
        .admin
        .post("/groups", &unknown)
        .await
        .invalid("/permissions/0");
    let path = format!("/groups/{}", group["id"].as_str().unwrap());
    let send = |method: Method, tag: &'static str| {
        let body = body("Reviewers");
        let (world, path) = (&world, &path);
        async move { world.admin.send(method, path, Some(tag), Some(&body)).await }
    };
    send(Method::PUT, "\"9\"").await.problem(412, "stale");
    assert_eq!(
        send(Method::PUT, "\"1\"").await.expect(200)["name"],
        "Reviewers"
    );
    send(Method::DELETE, "\"1\"").await.problem(412, "stale");
    send(Method::DELETE, "\"2\"").await.expect(204);
    assert_eq!(
        world.admin.get("/groups").await.expect(200)["items"],
        json!([])
    );
}
