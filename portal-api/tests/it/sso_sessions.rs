//! Sessions with another side at an identity provider: ended there and from there, and confirmed.

use std::time::Duration;

use axum::http::Method;
use domain::users::Role;
use engine::ids::ProviderId;
use serde_json::{Value as Json, json};

use crate::provider::{Key, Provider, begin, enabled, session};
use crate::world::World;

#[tokio::test]
async fn signing_out_reaches_the_provider_and_the_provider_signs_out() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let id = enabled(&world, &provider, &provider.body()).await;
    let sign_in = async || {
        let begun = begin(&world, &provider, &id).await;
        begun.admits(json!({}));
        session(&world, &begun.comes_back().await)
    };
    let ada = sign_in().await;
    let out = ada
        .post("/session/sso-sign-out", &json!({}))
        .await
        .expect(200);
    let url = out["url"].as_str().unwrap();
    assert!(
        url.starts_with(&format!("{}/end?id_token_hint=", provider.issuer)),
        "{url}"
    );
    ada.get("/session").await.problem(401, "unauthenticated");
    let plain = world
        .user(world.tenant, "plain@one.example", Role::Viewer)
        .await;
    let out = plain
        .post("/session/sso-sign-out", &json!({}))
        .await
        .expect(200);
    assert_eq!(out["url"], Json::Null);

    let ada = sign_in().await;
    let now = engine::Clock::system().now().timestamp();
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let token = |changes: Json| {
        let mut claims = json!({
            "iss": provider.issuer, "aud": "hub", "iat": now, "exp": now + 120, "jti": "j1",
            "sub": "ada-1", "sid": "there-1", "events": {event: {}},
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_name, value| !value.is_null());
        provider.key.sign(&claims, Some("logout+jwt"))
    };
    let send = async |token: String| {
        let request = axum::http::Request::builder()
            .method(Method::POST)
            .uri(format!("/api/v1/sso/{id}/backchannel-logout"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("logout_token={token}").into())
            .unwrap();
        world.stranger().raw(request).await
    };
    for bad in [
        json!({"nonce": "n"}),
        json!({"events": null}),
        json!({"events": {"x": {}}}),
        json!({"sub": null, "sid": null}),
        json!({"aud": "x"}),
        json!({"iat": now - 3600}),
        json!({"jti": null}),
    ] {
        send(token(bad.clone())).await.problem(400, "invalid-body");
        world.forgive();
    }
    send(Key::fresh("one", 9).sign(&json!({}), None))
        .await
        .problem(400, "invalid-body");
    // Of another session: nothing ends.
    send(token(json!({"sid": "there-2", "jti": "j0"})))
        .await
        .expect(200);
    ada.get("/session").await.expect(200);
    let right = token(json!({}));
    send(right.clone()).await.expect(200);
    ada.get("/session").await.problem(401, "unauthenticated");
    // Once.
    send(right).await.problem(400, "invalid-body");
    let unknown = format!("/sso/{}/metadata", ProviderId::fresh());
    world
        .stranger()
        .get(&unknown)
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_session_that_the_provider_has_to_confirm_holds_as_long_as_it_does() {
    let clock = engine::Clock::manual(engine::Clock::system().now());
    let world = World::with_clock(clock.clone()).await;
    let provider = Provider::start().await;
    let mut body = provider.body();
    body["session_minutes"] = json!(10);
    let id = enabled(&world, &provider, &body).await;
    let sign_in = async || {
        let begun = begin(&world, &provider, &id).await;
        let now = clock.now().timestamp();
        begun.admits(json!({"iat": now, "exp": now + 300}));
        session(&world, &begun.comes_back().await)
    };
    let refresh = "/session/sso-refresh";
    let ada = sign_in().await;
    clock.advance(Duration::from_secs(9 * 60));
    provider.refresh_with(Some(json!({"access_token": "at2", "refresh_token": "rt2"})));
    ada.post(refresh, &json!({})).await.expect(204);
    clock.advance(Duration::from_secs(9 * 60));
    ada.get("/session").await.expect(200);
    clock.advance(Duration::from_secs(61));
    ada.get("/session").await.problem(401, "unauthenticated");

    let ada = sign_in().await;
    provider.refresh_with(None);
    ada.post(refresh, &json!({}))
        .await
        .problem(401, "unauthenticated");
    ada.get("/session").await.problem(401, "unauthenticated");
    let plain = world
        .user(world.tenant, "plain@one.example", Role::Viewer)
        .await;
    plain
        .post(refresh, &json!({}))
        .await
        .problem(409, "conflict");
}
