//! What passwords must be, and which may come back.

use std::time::Duration;

use axum::http::Method;
use engine::Clock;
use serde_json::{Value as Json, json};

use crate::world::{PASSWORD, World};

async fn set_policy(world: &World, changes: Json) {
    let current = world.admin.get("/security").await;
    let tag = current.etag();
    let mut policy = current.expect(200);
    for (name, value) in changes.as_object().unwrap() {
        policy[name] = value.clone();
    }
    let put = world
        .admin
        .send(Method::PUT, "/security", Some(&tag), Some(&policy));
    put.await.expect(200);
}

#[tokio::test]
async fn the_last_passwords_do_not_come_back_and_kinds_are_asked_for() {
    let world = World::new().await;
    set_policy(
        &world,
        json!({"password_remembered": 1, "password_kinds": 3}),
    )
    .await;
    let change = async |from: &str, to: &str| {
        let body = json!({"current": from, "new": to});
        world.admin.post("/session/password", &body).await
    };
    change(PASSWORD, "all lower case here")
        .await
        .invalid("/new");
    change(PASSWORD, "First Password 1").await.expect(204);
    change("First Password 1", "Second Password 2")
        .await
        .expect(204);
    change("Second Password 2", "First Password 1")
        .await
        .invalid("/new");
    change("Second Password 2", "Second Password 2")
        .await
        .invalid("/new");
    change("Second Password 2", "Third Password 3")
        .await
        .expect(204);
    change("Third Password 3", "First Password 1")
        .await
        .expect(204);
}

#[tokio::test]
async fn an_old_password_must_be_changed_before_anything_else() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    set_policy(&world, json!({"password_days": 30})).await;
    clock.advance(Duration::from_secs(31 * 86_400));
    let mut client = world.stranger();
    let session = client
        .sign_in("admin@one.example", PASSWORD)
        .await
        .expect(200);
    assert_eq!(session["user"]["must_change_password"], true);
    client.get("/overview").await.problem(403, "forbidden");
    let body = json!({"current": PASSWORD, "new": "a fresh password"});
    client.post("/session/password", &body).await.expect(204);
    client.get("/overview").await.expect(200);
}

#[tokio::test]
async fn a_link_holds_for_its_time_and_a_new_one_ends_it() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let id = world.admin.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/users/{}/link", id.as_str().unwrap());
    let link = async || {
        let link = world.admin.post(&path, &json!({})).await.expect(200);
        assert_eq!(link["purpose"], "reset");
        link["link"]
            .as_str()
            .unwrap()
            .split('#')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let redeem = async |token: &str| {
        let body = json!({"token": token, "password": "a fresh password"});
        world.stranger().post("/session/link", &body).await
    };
    let first = link().await;
    let second = link().await;
    redeem(&first).await.invalid("/token");
    clock.advance(Duration::from_secs(61 * 60));
    redeem(&second).await.invalid("/token");
    let mut client = world.stranger();
    client
        .sign_in("admin@one.example", PASSWORD)
        .await
        .expect(200);
}
