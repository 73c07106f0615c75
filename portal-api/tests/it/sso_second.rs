//! Signing in through an identity provider by somebody who has, or must have, a second factor.

use std::time::Duration;

use axum::http::Method;
use engine::Clock;
use serde_json::{Value as Json, json};

use crate::factors::{App, enrol};
use crate::provider::{Provider, begin, enabled, session};
use crate::world::{Answer, Client, World};

struct Place {
    world: World,
    clock: Clock,
    provider: Provider,
    /// Of the provider.
    id: String,
}

impl Place {
    /// A hub with a provider whose body is changed like this.
    async fn with(changes: Json) -> Self {
        let clock = Clock::manual(Clock::system().now());
        let world = World::with_clock(clock.clone()).await;
        let provider = Provider::start().await;
        let mut body = provider.body();
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        let id = enabled(&world, &provider, &body).await;
        Self {
            world,
            clock,
            provider,
            id,
        }
    }

    /// Ada comes from the provider with this browser, with these changes of what it says.
    async fn comes(&self, browser: Option<&Client>, changes: Json) -> Answer {
        let mut begun = begin(&self.world, &self.provider, &self.id).await;
        if let Some(cookies) = browser.and_then(|browser| browser.cookie.as_ref()) {
            let own = begun.client.cookie.take().unwrap_or_default();
            begun.client.cookie = Some(format!("{own}; {cookies}"));
        }
        let now = self.clock.now().timestamp();
        let mut claims = json!({"iat": now, "exp": now + 300});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        begun.admits(claims);
        begun.comes_back().await
    }

    /// Ada, with an authenticator app.
    async fn ada(&self) -> App {
        let ada = session(&self.world, &self.comes(None, json!({})).await);
        let (app, _codes) = enrol(&ada, &self.clock).await;
        self.clock.advance(Duration::from_secs(60));
        app
    }

    /// Ada between the two stages.
    async fn waits(&self) -> Client {
        let answer = self.comes(None, json!({})).await;
        let mut ada = self.world.stranger();
        ada.keep(&answer);
        assert_eq!(answer.status, 303, "{}", answer.body);
        let to = answer.headers["location"].to_str().unwrap();
        assert!(to.ends_with("/sign-in?second=true&next=%2Fruns"), "{to}");
        ada
    }

    async fn entries(&self, action: &str) -> Vec<Json> {
        let path = format!("/audit?action={action}");
        let page = self.world.admin.get(&path).await.expect(200);
        page["items"].as_array().unwrap().clone()
    }
}

fn code(app: &App, clock: &Clock) -> Json {
    json!({"method": "totp", "code": app.code(clock, 0)})
}

#[tokio::test]
async fn who_has_a_second_factor_shows_it_after_the_provider_too() {
    let place = Place::with(json!({"session_minutes": 10})).await;
    let app = place.ada().await;
    let mut ada = place.waits().await;
    ada.get("/session").await.problem(401, "unauthenticated");
    ada.get("/accounts").await.problem(401, "unauthenticated");
    let stage = ada.get("/session/second").await.expect(200);
    assert_eq!(stage["methods"], json!(["totp", "backup_code"]));
    place
        .world
        .stranger()
        .get("/session/second")
        .await
        .problem(401, "unauthenticated");
    let wrong = json!({"method": "totp", "code": "000000"});
    ada.post("/session/second", &wrong)
        .await
        .problem(401, "unauthenticated");
    let answer = ada.post("/session/second", &code(&app, &place.clock)).await;
    ada.keep(&answer);
    let cookies = answer.headers.get_all("set-cookie").iter();
    let own = cookies
        .map(|cookie| cookie.to_str().unwrap())
        .find(|cookie| cookie.starts_with("syncline_session="));
    assert!(own.unwrap().contains("Max-Age=600"), "{own:?}");
    assert_eq!(answer.expect(200)["user"]["email"], "ada@one.example");
    ada.get("/session/second")
        .await
        .problem(401, "unauthenticated");
    let noted = &place.entries("sign_in_by_provider").await[0];
    assert_eq!(noted["after"]["second_factor"], true);
    assert_eq!(place.entries("sign_in").await[0]["after"]["factor"], "totp");

    // The session is the provider's: it ends when the provider says, and there too.
    place
        .provider
        .refresh_with(Some(json!({"access_token": "at2", "refresh_token": "rt2"})));
    place.clock.advance(Duration::from_secs(9 * 60));
    ada.post("/session/sso-refresh", &json!({}))
        .await
        .expect(204);
    place.clock.advance(Duration::from_secs(9 * 60));
    let out = ada
        .post("/session/sso-sign-out", &json!({}))
        .await
        .expect(200);
    assert!(out["url"].as_str().unwrap().contains("id_token_hint="));
    let mut ada = place.waits().await;
    place.clock.advance(Duration::from_secs(30));
    let answer = ada.post("/session/second", &code(&app, &place.clock)).await;
    ada.keep(&answer);
    answer.expect(200);
    place.clock.advance(Duration::from_secs(10 * 60 + 1));
    ada.get("/session").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_remembered_browser_is_not_asked_after_the_provider_either() {
    let place = Place::with(json!({})).await;
    let app = place.ada().await;
    let mut browser = place.waits().await;
    let mut body = code(&app, &place.clock);
    body["remember"] = true.into();
    let answer = browser.post("/session/second", &body).await;
    browser.keep(&answer);
    answer.expect(200);
    let again = session(&place.world, &place.comes(Some(&browser), json!({})).await);
    again.get("/accounts").await.expect(200);
    place.waits().await;
}

#[tokio::test]
async fn the_word_of_a_provider_counts_as_far_as_the_tenant_says() {
    let by_method = json!({"vouched": "by_method", "methods": ["mfa", "urn:two"]});
    let place = Place::with(json!({"second_factor": by_method})).await;
    place.ada().await;
    let shown = place.world.admin.get("/identity-providers").await;
    assert_eq!(shown.expect(200)["items"][0]["second_factor"], by_method);
    for said in [
        json!({}),
        json!({"amr": ["pwd"]}),
        json!({"amr": "pwd", "acr": "urn:one"}),
        json!({"amr": {"mfa": true}}),
        json!({"amr": null, "acr": ["urn:two"]}),
    ] {
        let answer = place.comes(None, said.clone()).await;
        let to = answer.headers["location"].to_str().unwrap();
        assert!(to.contains("/sign-in?second=true"), "{said}: {to}");
    }
    // What is not signed says nothing of it.
    let more = json!({"sub": "ada-1", "amr": ["mfa"], "name": "Ada"});
    place.provider.say_of_user(more);
    let answer = place.comes(None, json!({"name": null})).await;
    assert!(
        answer.headers["location"]
            .to_str()
            .unwrap()
            .contains("second")
    );
    for said in [
        json!({"amr": ["pwd", "mfa"]}),
        json!({"amr": "mfa"}),
        json!({"acr": "urn:two"}),
    ] {
        let answer = place.comes(None, said).await;
        let ada = session(&place.world, &answer);
        ada.get("/accounts").await.expect(200);
        let noted = &place.entries("sign_in").await[0];
        assert_eq!(noted["after"]["factor"], "provider");
    }
}

#[tokio::test]
async fn a_role_that_needs_a_factor_has_one_where_the_provider_vouches() {
    let place = Place::with(json!({"second_factor": {"vouched": "always"}})).await;
    let rules = json!({"required": [{"role": "operator", "grace_days": 0}]});
    place
        .world
        .admin
        .send(Method::PUT, "/security/factors", None, Some(&rules))
        .await
        .expect(200);
    let ada = session(&place.world, &place.comes(None, json!({})).await);
    ada.get("/accounts").await.expect(200);
    let path = format!("/identity-providers/{}", place.id);
    let etag = place.world.admin.get(&path).await.etag();
    let answer = place
        .world
        .admin
        .send(
            Method::PUT,
            &path,
            Some(&etag),
            Some(&place.provider.body()),
        )
        .await;
    assert_eq!(
        answer.expect(200)["second_factor"],
        json!({"vouched": "never", "methods": []})
    );
    crate::provider::enable(&place.world, &place.provider, &place.id).await;
    let ada = session(&place.world, &place.comes(None, json!({})).await);
    let who = ada.get("/session").await.expect(200);
    assert_eq!(who["user"]["must_enrol"], true);
    ada.get("/accounts").await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_setting_of_the_second_factor_that_makes_no_sense_is_refused_with_its_place() {
    let world = World::new().await;
    let provider = Provider::start().await;
    for (second_factor, pointer) in [
        (json!({"vouched": "by_method"}), "/second_factor/methods"),
        (
            json!({"vouched": "always", "methods": ["mfa"]}),
            "/second_factor/methods",
        ),
        (
            json!({"vouched": "by_method", "methods": [""]}),
            "/second_factor/methods",
        ),
        (
            json!({"vouched": "by_method", "methods": ["x".repeat(201)]}),
            "/second_factor/methods",
        ),
    ] {
        let mut body = provider.body();
        body["second_factor"] = second_factor;
        let answer = world.admin.post("/identity-providers", &body).await;
        answer.invalid(pointer);
    }
    let mut body = provider.body();
    body["second_factor"] = json!({"vouched": "sometimes"});
    let answer = world.admin.post("/identity-providers", &body).await;
    answer.invalid("/second_factor/vouched");
    // Anybody can have an account there, with or without a second factor.
    let mut google = json!({
        "name": "Google", "preset": "google", "ceiling": "viewer", "second_factor": {"vouched": "always"},
    });
    google["oidc"] = provider.body()["oidc"].clone();
    let answer = world.admin.post("/identity-providers", &google).await;
    answer.invalid("/second_factor/vouched");
}

#[tokio::test]
async fn signing_out_at_the_provider_ends_a_sign_in_that_waits_for_the_second_factor() {
    let place = Place::with(json!({})).await;
    let app = place.ada().await;
    let ada = place.waits().await;
    let now = Clock::system()
        .now()
        .timestamp()
        .max(place.clock.now().timestamp());
    let token = place.provider.key.sign(
        &json!({
            "iss": place.provider.issuer, "aud": "hub", "iat": now, "exp": now + 120, "jti": "j1",
            "sub": "ada-1", "sid": "there-1",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }),
        Some("logout+jwt"),
    );
    let request = axum::http::Request::builder()
        .method(Method::POST)
        .uri(format!("/api/v1/sso/{}/backchannel-logout", place.id))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("logout_token={token}").into())
        .unwrap();
    place.world.stranger().raw(request).await.expect(200);
    ada.get("/session/second")
        .await
        .problem(401, "unauthenticated");
    ada.post("/session/second", &code(&app, &place.clock))
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn changing_a_provider_asks_who_one_is_when_that_was_a_while_ago() {
    let place = Place::with(json!({})).await;
    place.clock.advance(Duration::from_secs(16 * 60));
    let admin = &place.world.admin;
    let path = format!("/identity-providers/{}", place.id);
    let read = admin.get(&path).await;
    let etag = read.etag();
    read.expect(200);
    let body = place.provider.body();
    let policy = json!({"sso_only": false, "fallback_admins": []});
    let rename = json!({"provider_id": place.id});
    for (method, path, body) in [
        (Method::POST, "/identity-providers".to_owned(), Some(&body)),
        (Method::PUT, path.clone(), Some(&body)),
        (Method::POST, format!("{path}/disable"), None),
        (Method::POST, format!("{path}/enable"), None),
        (Method::DELETE, path.clone(), None),
        (Method::PUT, "/sign-in-policy".to_owned(), Some(&policy)),
        (
            Method::POST,
            "/session/identities".to_owned(),
            Some(&rename),
        ),
    ] {
        let answer = admin.send(method, &path, Some(&etag), body).await;
        answer.problem(403, "step-up-required");
    }
    let password = json!({"method": "password", "secret": crate::world::PASSWORD});
    admin.post("/session/step-up", &password).await.expect(200);
    let disable = format!("{path}/disable");
    let answer = admin.send(Method::POST, &disable, Some(&etag), None).await;
    answer.expect(200);
}
