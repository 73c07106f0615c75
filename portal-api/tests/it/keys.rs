//! Programs that call with a key.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use domain::users::Role;
use engine::Clock;
use serde_json::{Value as Json, json};

use crate::world::{Answer, World};

async fn call(world: &World, secret: &str, method: Method, path: &str, body: &Json) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {secret}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    world.stranger().raw(request).await
}

async fn get(world: &World, secret: &str, path: &str) -> Answer {
    call(world, secret, Method::GET, path, &json!({})).await
}

async fn make(world: &World, changes: Json) -> (Json, String) {
    let mut body = json!({"name": "CI", "permissions": ["records.read", "records.write"]});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = world.admin.post("/keys", &body).await.expect(201);
    let secret = made["secret"].as_str().unwrap().to_owned();
    (made["key"].clone(), secret)
}

#[tokio::test]
async fn a_key_does_what_it_was_given_for_whom_it_acts_and_is_shown_once() {
    let world = World::new().await;
    let (key, secret) = make(&world, json!({})).await;
    assert!(secret.starts_with("slk_") && secret.len() == 47, "{secret}");
    assert_eq!(key["shown"], secret[..12]);
    let account = json!({"fields": {"name": "Acme"}});
    let made = call(&world, &secret, Method::POST, "/accounts", &account).await;
    made.expect(201);
    get(&world, &secret, "/runs")
        .await
        .problem(403, "forbidden");
    // Nothing of a person's own.
    for (method, path) in [
        (Method::DELETE, "/session"),
        (Method::GET, "/sessions"),
        (Method::POST, "/session/password"),
    ] {
        let body = json!({"current": "x", "new": "y"});
        call(&world, &secret, method, path, &body)
            .await
            .problem(403, "forbidden");
    }
    let list = world.admin.get("/keys").await;
    assert!(!String::from_utf8_lossy(&list.bytes).contains(&secret));
    assert!(list.expect(200)["items"][0]["last_used_at"].is_string());
    let entries = world
        .admin
        .get("/audit?action=create_account")
        .await
        .expect(200);
    assert_eq!(entries["items"][0]["actor"]["kind"], "key");
    assert_eq!(entries["items"][0]["actor"]["id"], key["id"]);
    assert_eq!(entries["items"][0]["actor"]["name"], "CI of admin");
}

#[tokio::test]
async fn a_key_ends_when_it_expires_is_revoked_or_its_user_goes() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let (_, brief) = make(&world, json!({"expires_at": "2026-11-20T08:10:00Z"})).await;
    let (key, revoked) = make(&world, json!({})).await;
    get(&world, &brief, "/accounts").await.expect(200);
    let path = format!("/keys/{}", key["id"].as_str().unwrap());
    world
        .admin
        .send(Method::DELETE, &path, None, None)
        .await
        .expect(204);
    get(&world, &revoked, "/accounts")
        .await
        .problem(401, "unauthenticated");
    clock.advance(Duration::from_secs(601));
    get(&world, &brief, "/accounts")
        .await
        .problem(401, "unauthenticated");

    let second = world
        .user(world.tenant, "second@one.example", Role::Admin)
        .await;
    let body = json!({"name": "Theirs", "permissions": ["records.read", "runs.read"]});
    let theirs = second.post("/keys", &body).await.expect(201)["secret"].clone();
    let theirs = theirs.as_str().unwrap();
    get(&world, theirs, "/runs").await.expect(200);
    let id = second.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/users/{}", id.as_str().unwrap());
    // What the user loses the key loses too.
    let etag = world.admin.get(&path).await.etag();
    let role = json!({"role": "partner"});
    let change = world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&role));
    change.await.expect(200);
    get(&world, theirs, "/runs").await.problem(403, "forbidden");
    let path = format!("{path}/deactivate");
    world.admin.post(&path, &json!({})).await.expect(200);
    get(&world, theirs, "/accounts")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn rotation_lets_both_secrets_work_for_a_while() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let (key, first) = make(&world, json!({})).await;
    let path = format!("/keys/{}/rotate", key["id"].as_str().unwrap());
    let rotate = async |minutes: i64| {
        let body = json!({"overlap_minutes": minutes});
        world.admin.post(&path, &body).await
    };
    rotate(-1).await.invalid("/overlap_minutes");
    let second = rotate(10).await.expect(200)["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    get(&world, &first, "/accounts").await.expect(200);
    get(&world, &second, "/accounts").await.expect(200);
    clock.advance(Duration::from_secs(601));
    get(&world, &first, "/accounts")
        .await
        .problem(401, "unauthenticated");
    get(&world, &second, "/accounts").await.expect(200);
    let other = world
        .user(world.tenant, "second@one.example", Role::Admin)
        .await;
    let body = json!({"overlap_minutes": 0});
    other.post(&path, &body).await.problem(403, "forbidden");
}

#[tokio::test]
async fn forged_and_misplaced_keys_are_strangers() {
    let world = World::new().await;
    let (_, secret) = make(&world, json!({})).await;
    let cookie = world.admin.cookie.clone().unwrap();
    let token = cookie.split_once('=').unwrap().1.to_owned();
    let changed = format!("{}x", &secret[..46]);
    for bad in [
        "",
        "slk_",
        "slk_x",
        &changed,
        &token,
        &secret.to_uppercase(),
    ] {
        get(&world, bad, "/accounts")
            .await
            .problem(401, "unauthenticated");
    }
    let mut client = world.stranger();
    client.cookie = Some(format!("syncline_session={secret}"));
    client
        .get("/accounts")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_more_than_they() {
    let world = World::new().await;
    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    let id = viewer.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/users/{}", id.as_str().unwrap());
    let etag = world.admin.get(&path).await.etag();
    let grant = json!({"grants": ["keys.manage"]});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&grant))
        .await
        .expect(200);
    let body = |permission: &str| json!({"name": "x", "permissions": [permission]});
    viewer
        .post("/keys", &body("records.write"))
        .await
        .problem(403, "forbidden");
    viewer
        .post("/keys", &body("records.read"))
        .await
        .expect(201);
    let (admins, _) = make(&world, json!({})).await;
    let path = format!("/keys/{}", admins["id"].as_str().unwrap());
    viewer
        .send(Method::DELETE, &path, None, None)
        .await
        .problem(403, "forbidden");
    world
        .admin
        .post("/keys", &json!({"name": "", "permissions": []}))
        .await
        .invalid("/name");
    let past = json!({"name": "x", "permissions": [], "expires_at": "2020-01-01T00:00:00Z"});
    world
        .admin
        .post("/keys", &past)
        .await
        .invalid("/expires_at");
    let none = json!({"name": "x", "permissions": [], "calls_per_minute": 0});
    world
        .admin
        .post("/keys", &none)
        .await
        .invalid("/calls_per_minute");
}

#[tokio::test]
async fn calls_over_the_limit_wait_for_the_next_minute_in_every_process() {
    let clock = Clock::manual("2026-11-20T08:00:10Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let (key, secret) = make(&world, json!({"calls_per_minute": 3})).await;
    for left in ["2", "1", "0"] {
        let answer = get(&world, &secret, "/accounts").await;
        assert_eq!(answer.headers["ratelimit-limit"], "3");
        assert_eq!(answer.headers["ratelimit-remaining"], left);
        assert_eq!(answer.headers["ratelimit-reset"], "50");
        answer.expect(200);
    }
    let over = get(&world, &secret, "/accounts").await;
    assert_eq!(over.headers["retry-after"], "50");
    assert_eq!(over.headers["ratelimit-remaining"], "0");
    over.problem(429, "rate-limited");
    // Another process has the same count: it is in the database.
    let mut tx = world.store.begin_system().await.unwrap();
    let most = 3;
    let id: engine::ids::KeyId = key["id"].as_str().unwrap().parse().unwrap();
    let subject = format!("key/{}", id.0.simple());
    let window = domain::rates::Window::Minute;
    let limit = domain::rates::Limit {
        subject,
        most,
        window,
    };
    let rate = domain::rates::count(&mut tx, &[limit])
        .await
        .unwrap()
        .unwrap();
    assert!(rate.is_over);
    drop(tx);
    // The limit is the key's own.
    world.admin.get("/accounts").await.expect(200);
    clock.advance(Duration::from_secs(50));
    get(&world, &secret, "/accounts").await.expect(200);
    let path = format!("/keys/{}/usage", key["id"].as_str().unwrap());
    let usage = world.admin.get(&path).await.expect(200);
    assert_eq!(
        usage["items"],
        json!([{"day": "2026-11-20", "operation": "list_accounts", "calls": 5, "refused": 1}])
    );
}

#[tokio::test]
async fn a_tenants_limit_is_for_all_its_callers_together_and_for_no_other_tenant() {
    let clock = Clock::manual("2026-11-20T08:00:10Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let other = world.other_tenant().await;
    let current = world.admin.get("/security").await;
    let tag = current.etag();
    let mut policy = current.expect(200);
    policy["calls_per_minute"] = json!(60);
    let put = world
        .admin
        .send(Method::PUT, "/security", Some(&tag), Some(&policy));
    put.await.expect(200);
    clock.advance(Duration::from_secs(60));
    let second = world
        .user(world.tenant, "second@one.example", Role::Viewer)
        .await;
    for _ in 0..30 {
        world.admin.get("/session").await.expect(200);
        second.get("/session").await.expect(200);
    }
    let over = second.get("/session").await;
    assert_eq!(over.headers["retry-after"], "50");
    over.problem(429, "rate-limited");
    other.get("/session").await.expect(200);
}
