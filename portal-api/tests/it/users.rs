use axum::http::Method;
use domain::users::Role;
use serde_json::{Value as Json, json};

use crate::world::{Client, PASSWORD, World};

/// The token of a link.
fn token(link: &Json) -> String {
    let link = link["link"].as_str().unwrap();
    assert!(
        link.starts_with("http://hub.example/set-password#"),
        "{link}"
    );
    link.split('#').nth(1).unwrap().to_owned()
}

async fn invite(client: &Client, email: &str, role: &str) -> Json {
    let body = json!({"email": email, "name": "Ada", "role": role});
    client.post("/users", &body).await.expect(201)
}

async fn patch(client: &Client, id: &Json, body: Json) -> crate::world::Answer {
    let path = format!("/users/{}", id.as_str().unwrap());
    let etag = client.get(&path).await.etag();
    client
        .send(Method::PATCH, &path, Some(&etag), Some(&body))
        .await
}

/// The last entries of the audit trail: action and actor.
async fn noted(world: &World, action: &str) -> Vec<Json> {
    let page = world
        .admin
        .get(&format!("/audit?action={action}"))
        .await
        .expect(200);
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_invited_user_sets_a_password_once_and_signs_in() {
    let world = World::new().await;
    let invited = invite(&world.admin, "ada@one.example", "agent").await;
    assert_eq!(invited["user"]["state"], "invited");
    let token = token(&invited["invitation"]);
    let mut ada = world.stranger();
    ada.sign_in("ada@one.example", "")
        .await
        .problem(401, "unauthenticated");
    let set = |password: &str| json!({"token": token, "password": password});
    // What is refused does not use the link up.
    ada.post("/session/link", &set("short"))
        .await
        .invalid("/password");
    ada.post("/session/link", &set(PASSWORD)).await.expect(204);
    ada.post("/session/link", &set("another password"))
        .await
        .invalid("/token");
    let session = ada.sign_in("ada@one.example", PASSWORD).await.expect(200);
    assert_eq!(session["user"]["role"], "agent");
    let page = world
        .admin
        .get("/users?state=active&q=ADA")
        .await
        .expect(200);
    assert_eq!(page["items"][0]["email"], "ada@one.example");
    let entries = noted(&world, "invite_user").await;
    assert_eq!(entries[0]["subject_id"], invited["user"]["id"]);
    assert_eq!(entries[0]["actor"]["name"], "admin");
    assert_eq!(noted(&world, "set_password").await.len(), 1);
}

#[tokio::test]
async fn a_second_invitation_and_bad_values_are_refused() {
    let world = World::new().await;
    invite(&world.admin, "ada@one.example", "viewer").await;
    let body = |email: &str, role: &str| json!({"email": email, "name": "Ada", "role": role});
    world
        .admin
        .post("/users", &body("ADA@one.example", "viewer"))
        .await
        .problem(409, "conflict");
    world
        .admin
        .post("/users", &body("ada", "viewer"))
        .await
        .invalid("/email");
    world
        .admin
        .post("/users", &body("b@one.example", "root"))
        .await
        .invalid("/role");
    let mut grants = body("b@one.example", "viewer");
    grants["grants"] = json!(["records.read", "nothing.at_all"]);
    world
        .admin
        .post("/users", &grants)
        .await
        .invalid("/grants/1");
    let mut groups = body("b@one.example", "viewer");
    groups["groups"] = json!([format!("grp_{}", engine::ids::fresh().simple())]);
    world.admin.post("/users", &groups).await.invalid("/groups");
    let mut more = body("b@one.example", "viewer");
    more["tenant_id"] = json!("tnt_1");
    world
        .admin
        .post("/users", &more)
        .await
        .invalid("/tenant_id");
}

#[tokio::test]
async fn a_deactivated_user_is_out_at_once_and_comes_back_with_what_they_had() {
    let world = World::new().await;
    let mut ada = world
        .user(world.tenant, "ada@one.example", Role::Operator)
        .await;
    let id = ada.get("/session").await.expect(200)["user"]["id"].clone();
    let path = |verb: &str| format!("/users/{}/{verb}", id.as_str().unwrap());
    let gone = world
        .admin
        .post(&path("deactivate"), &json!({}))
        .await
        .expect(200);
    assert_eq!(gone["state"], "deactivated");
    ada.get("/session").await.problem(401, "unauthenticated");
    ada.sign_in("ada@one.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    world
        .admin
        .post(&path("link"), &json!({}))
        .await
        .problem(409, "conflict");
    let back = world
        .admin
        .post(&path("reactivate"), &json!({}))
        .await
        .expect(200);
    assert_eq!(
        (back["state"].as_str(), back["role"].as_str()),
        (Some("active"), Some("operator"))
    );
    ada.sign_in("ada@one.example", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let world = World::new().await;
    let id = world.admin.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/users/{}/deactivate", id.as_str().unwrap());
    world
        .admin
        .post(&path, &json!({}))
        .await
        .problem(409, "conflict");
    let second = world
        .user(world.tenant, "second@one.example", Role::Admin)
        .await;
    second.post(&path, &json!({})).await.expect(200);
    world
        .admin
        .get("/session")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn nobody_gets_or_gives_more_than_they_have_and_attempts_are_noted() {
    let world = World::new().await;
    let manager = world
        .user(world.tenant, "manager@one.example", Role::Manager)
        .await;
    let manager_id = manager.get("/session").await.expect(200)["user"]["id"].clone();
    let admin_id = world.admin.get("/session").await.expect(200)["user"]["id"].clone();
    patch(
        &world.admin,
        &manager_id,
        json!({"grants": ["users.manage"]}),
    )
    .await
    .expect(200);
    // One's own role, grants and groups.
    for own in [
        json!({"role": "admin"}),
        json!({"grants": ["runs.operate", "users.manage"]}),
    ] {
        patch(&manager, &manager_id, own)
            .await
            .problem(403, "forbidden");
    }
    patch(&world.admin, &admin_id, json!({"role": "viewer"}))
        .await
        .problem(403, "forbidden");
    patch(&manager, &manager_id, json!({"name": "Mia"}))
        .await
        .expect(200);
    // More than one has, to somebody else.
    let viewer = invite(&manager, "v@one.example", "viewer").await["user"]["id"].clone();
    patch(&manager, &viewer, json!({"role": "admin"}))
        .await
        .problem(403, "forbidden");
    patch(&manager, &viewer, json!({"grants": ["keys.manage"]}))
        .await
        .problem(403, "forbidden");
    patch(&manager, &viewer, json!({"role": "manager"}))
        .await
        .expect(200);
    let admin = json!({"email": "x@one.example", "name": "X", "role": "admin"});
    manager
        .post("/users", &admin)
        .await
        .problem(403, "forbidden");
    let group = json!({"name": "All", "permissions": ["runs.operate"]});
    manager
        .post("/groups", &group)
        .await
        .problem(403, "forbidden");
    // Somebody who may do more: their link would be theirs.
    for verb in ["deactivate", "link"] {
        let path = format!("/users/{}/{verb}", admin_id.as_str().unwrap());
        manager
            .post(&path, &json!({}))
            .await
            .problem(403, "forbidden");
    }
    patch(&manager, &admin_id, json!({"role": "viewer"}))
        .await
        .problem(403, "forbidden");
    let refused = noted(&world, "refused:update_user").await;
    assert_eq!(refused.len(), 6, "{refused:?}");
    for entry in &refused {
        assert_eq!(entry["actor"]["kind"], "user");
        assert!(
            entry["request"].as_str().unwrap().starts_with("req_"),
            "{entry}"
        );
    }
    for action in [
        "create_user",
        "create_group",
        "deactivate_user",
        "create_user_link",
    ] {
        assert_eq!(
            noted(&world, &format!("refused:{action}")).await.len(),
            1,
            "{action}"
        );
    }
}

#[tokio::test]
async fn a_change_of_what_moved_on_is_stale() {
    let world = World::new().await;
    let user = invite(&world.admin, "ada@one.example", "viewer").await["user"].clone();
    let path = format!("/users/{}", user["id"].as_str().unwrap());
    let rename = json!({"name": "Eva"});
    let send = |tag: &'static str| {
        world
            .admin
            .send(Method::PATCH, &path, Some(tag), Some(&rename))
    };
    send("\"7\"").await.problem(412, "stale");
    assert_eq!(send("\"1\"").await.expect(200)["name"], "Eva");
}
