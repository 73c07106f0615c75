use std::time::Duration;

use axum::http::Method;
use domain::users::Role;
use engine::Clock;
use serde_json::json;

use crate::world::{PASSWORD, World};

#[tokio::test]
async fn signing_in_gives_a_cookie_that_pages_cannot_read_and_signing_out_takes_it() {
    let world = World::new().await;
    let mut client = world.stranger();
    let answer = client.sign_in(" ADMIN@one.example", PASSWORD).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    for part in ["syncline_session=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let session = answer.expect(200);
    assert_eq!(session["user"]["email"], "admin@one.example");
    assert_eq!(session["user"]["role"], "admin");
    assert_eq!(session["tenant"]["name"], "One");
    assert_eq!(client.get("/session").await.expect(200), session);
    client
        .send(Method::DELETE, "/session", None, None)
        .await
        .expect(204);
    client.get("/session").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_told_alike() {
    let world = World::new().await;
    let mut client = world.stranger();
    let mut wrong = client
        .sign_in("admin@one.example", "wrong")
        .await
        .problem(401, "unauthenticated");
    let mut unknown = client
        .sign_in("nobody@one.example", "wrong")
        .await
        .problem(401, "unauthenticated");
    wrong["instance"].take();
    unknown["instance"].take();
    assert_eq!(wrong, unknown);
    assert!(client.cookie.is_none());
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let world = World::new().await;
    let mut client = world.stranger();
    for _ in 0..8 {
        client
            .sign_in("admin@one.example", "wrong")
            .await
            .problem(401, "unauthenticated");
    }
    let answer = client.sign_in("admin@one.example", PASSWORD).await;
    assert!(answer.headers.contains_key("retry-after"));
    answer.problem(429, "rate-limited");
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_activity_extends_it_up_to_a_limit() {
    let clock = Clock::manual("2026-11-20T08:00:00Z".parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let minutes = |count: u64| Duration::from_secs(60 * count);
    for _ in 0..3 {
        clock.advance(minutes(29));
        world.admin.get("/session").await.expect(200);
    }
    clock.advance(minutes(31));
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
    for _ in 0..28 {
        clock.advance(minutes(25));
        client.get("/session").await.expect(200);
    }
    clock.advance(minutes(25));
    client.get("/session").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_one_time_password_is_good_for_nothing_but_setting_another() {
    let world = World::new().await;
    world
        .make_user(world.tenant, "new@one.example", Role::Admin, true)
        .await;
    let mut client = world.stranger();
    client
        .sign_in("new@one.example", PASSWORD)
        .await
        .expect(200);
    client.get("/overview").await.problem(403, "forbidden");
    let change = |current: &str, new: &str| json!({"current": current, "new": new});
    client
        .post("/session/password", &change("wrong", "a new password"))
        .await
        .invalid("/current");
    client
        .post("/session/password", &change(PASSWORD, "short"))
        .await
        .invalid("/new");
    client
        .post("/session/password", &change(PASSWORD, PASSWORD))
        .await
        .invalid("/new");
    let mut other = world.stranger();
    other.sign_in("new@one.example", PASSWORD).await.expect(200);
    client
        .post("/session/password", &change(PASSWORD, "a new password"))
        .await
        .expect(204);
    client.get("/overview").await.expect(200);
    other.get("/session").await.problem(401, "unauthenticated");
    other
        .sign_in("new@one.example", PASSWORD)
        .await
        .problem(401, "unauthenticated");
    other
        .sign_in("new@one.example", "a new password")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_role_may_what_it_says_and_no_more() {
    let world = World::new().await;
    let viewer = world
        .user(world.tenant, "viewer@one.example", Role::Viewer)
        .await;
    let operator = world
        .user(world.tenant, "operator@one.example", Role::Operator)
        .await;
    let account = json!({"fields": {"name": "Acme"}});
    let field = json!({"key": "region", "label": "Region", "type": "text"});
    viewer.get("/accounts").await.expect(200);
    viewer
        .post("/accounts", &account)
        .await
        .problem(403, "forbidden");
    operator.post("/accounts", &account).await.expect(201);
    operator
        .post("/fields/account", &field)
        .await
        .problem(403, "forbidden");
    world
        .admin
        .post("/fields/account", &field)
        .await
        .expect(201);
}

#[tokio::test]
async fn a_made_up_cookie_is_a_stranger() {
    let world = World::new().await;
    let mut client = world.stranger();
    for cookie in ["syncline_session=", "syncline_session=abc", "other=1"] {
        client.cookie = Some(cookie.to_owned());
        client.get("/session").await.problem(401, "unauthenticated");
    }
}
