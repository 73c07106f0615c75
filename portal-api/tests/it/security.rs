use std::time::Duration;

use axum::http::Method;
use engine::Clock;
use serde_json::{Value as Json, json};

use crate::world::{Answer, PASSWORD, World};

async fn set(world: &World, changes: Json) -> Answer {
    let current = world.admin.get("/security").await;
    let tag = current.etag();
    let mut policy = current.expect(200);
    for (name, value) in changes.as_object().unwrap() {
        policy[name] = value.clone();
    }
    world
        .admin
        .send(Method::PUT, "/security", Some(&tag), Some(&policy))
        .await
}

#[tokio::test]
async fn the_rules_are_read_set_and_guarded_by_bounds_and_version() {
    let world = World::new().await;
    let answer = world.admin.get("/security").await;
    assert_eq!(answer.etag(), "\"0\"");
    let policy = answer.expect(200);
    assert_eq!(policy["idle_minutes"], 30);
    set(&world, json!({"idle_minutes": 0}))
        .await
        .invalid("/idle_minutes");
    set(&world, json!({"audit_days": 5}))
        .await
        .invalid("/audit_days");
    assert_eq!(
        set(&world, json!({"idle_minutes": 5})).await.expect(200)["idle_minutes"],
        5
    );
    world
        .admin
        .send(Method::PUT, "/security", Some("\"0\""), Some(&policy))
        .await
        .problem(412, "stale");
    set(&world, json!({"idle_minutes": 6})).await.expect(200);
    let entries = world
        .admin
        .get("/audit?action=set_security_policy")
        .await
        .expect(200);
    assert_eq!(entries["items"][0]["before"]["idle_minutes"], 5);
    assert_eq!(entries["items"][0]["after"]["idle_minutes"], 6);
}

#[tokio::test]
async fn a_session_ends_by_the_tenants_own_times() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let minutes = |count: u64| Duration::from_secs(60 * count);
    set(&world, json!({"idle_minutes": 5, "absolute_minutes": 12}))
        .await
        .expect(200);
    for _ in 0..2 {
        clock.advance(minutes(4));
        world.admin.get("/session").await.expect(200);
    }
    clock.advance(minutes(4));
    world
        .admin
        .get("/session")
        .await
        .problem(401, "unauthenticated");
    let mut client = world.stranger();
    client
        .sign_in("admin@one.example", PASSWORD)
        .await
        .expect(200);
    clock.advance(minutes(6));
    client.get("/session").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn ones_own_sessions_are_listed_and_ended() {
    let world = World::new().await;
    let mut other = world.stranger();
    other
        .sign_in("admin@one.example", PASSWORD)
        .await
        .expect(200);
    let list = world.admin.get("/sessions").await.expect(200);
    let list = list["items"].as_array().unwrap().clone();
    assert_eq!(list.len(), 2);
    let theirs = list
        .iter()
        .find(|session| session["current"] == false)
        .unwrap();
    let path = format!("/sessions/{}", theirs["id"].as_str().unwrap());
    let stranger = world.other_tenant().await;
    let end =
        async |client: &crate::world::Client| client.send(Method::DELETE, &path, None, None).await;
    end(&stranger).await.problem(404, "not-found");
    end(&world.admin).await.expect(204);
    other.get("/session").await.problem(401, "unauthenticated");
    end(&world.admin).await.problem(404, "not-found");
}

#[tokio::test]
async fn many_wrong_passwords_close_an_account_for_a_while_and_are_noted() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    set(
        &world,
        json!({"lockout_failures": 3, "lockout_minutes": 10}),
    )
    .await
    .expect(200);
    let mut client = world.stranger();
    for _ in 0..3 {
        client
            .sign_in("admin@one.example", "wrong")
            .await
            .problem(401, "unauthenticated");
    }
    let mut locked = client
        .sign_in("admin@one.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    let mut unknown = client
        .sign_in("nobody@one.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    locked["instance"].take();
    unknown["instance"].take();
    assert_eq!(locked, unknown);
    // Who is in stays in.
    let users = world.admin.get("/users").await.expect(200);
    assert!(users["items"][0]["locked_until"].is_string());
    let entries = world.admin.get("/audit?action=lock_user").await.expect(200);
    assert_eq!(entries["items"].as_array().unwrap().len(), 1);
    clock.advance(Duration::from_secs(11 * 60));
    client
        .sign_in("admin@one.example", PASSWORD)
        .await
        .expect(200);
}
