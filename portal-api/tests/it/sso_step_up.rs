//! Showing who one is again at the provider one came from.

use std::time::Duration;

use engine::Clock;
use serde_json::{Value as Json, json};

use crate::factors::enrol;
use crate::provider::{Begun, Provider, begin, enabled, last_refusal, session};
use crate::world::{Answer, Client, World};

/// Somebody from a provider, long after they have signed in there.
struct Late {
    clock: Clock,
    world: World,
    provider: Provider,
    id: String,
    ada: Client,
}

impl Late {
    async fn new() -> Self {
        Self::with(json!({})).await
    }

    async fn with(rules: Json) -> Self {
        let clock = Clock::manual(Clock::system().now());
        let world = World::with_clock(clock.clone()).await;
        let provider = Provider::start().await;
        let mut body = provider.body();
        for (name, value) in rules.as_object().unwrap() {
            body[name] = value.clone();
        }
        let id = enabled(&world, &provider, &body).await;
        let begun = begin(&world, &provider, &id).await;
        begun.admits(json!({}));
        let ada = session(&world, &begun.comes_back().await);
        let late = Self {
            clock,
            world,
            provider,
            id,
            ada,
        };
        late.waits().await;
        late
    }

    /// So long that nobody has just shown who they are; not so long that sessions end.
    async fn waits(&self) {
        for client in [&self.ada, &self.world.admin] {
            client.get("/session").await.expect(200);
        }
        self.clock.advance(Duration::from_secs(16 * 60));
    }

    /// What Ada's provider says of her now.
    fn now(&self, more: Json) -> Json {
        let now = self.clock.now().timestamp();
        let mut claims = json!({"iat": now, "exp": now + 300, "auth_time": now});
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    async fn asks(&self, client: &Client) -> Begun {
        let next = json!({"next": "/keys"});
        let answer = client.post("/session/step-up/provider", &next).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Begun::of(client, &self.provider, &answer)
    }

    /// A sensitive action of one's own.
    async fn acts(client: &Client) -> Answer {
        client.post("/factors/totp", &json!({})).await
    }
}

#[tokio::test]
async fn somebody_without_a_password_shows_who_they_are_at_their_provider() {
    let late = Late::new().await;
    // A second session of the same user, which stays as it is.
    let begun = begin(&late.world, &late.provider, &late.id).await;
    begun.admits(late.now(json!({"sid": "there-2"})));
    let other = session(&late.world, &begun.comes_back().await);
    late.waits().await;
    for client in [&late.ada, &other] {
        Late::acts(client).await.problem(403, "step-up-required");
    }
    let factors = late.ada.get("/factors").await.expect(200);
    assert_eq!(factors["step_up_provider"], "Company");

    let begun = late.asks(&late.ada).await;
    assert_eq!(begun.query["prompt"], "login");
    assert_eq!(begun.query["max_age"], "0");
    begun.admits(late.now(json!({"sid": "there-9"})));
    let answer = begun.comes_back().await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(answer.headers["location"], "http://hub.example/keys");
    assert!(
        !answer.headers.contains_key("set-cookie"),
        "no other session"
    );
    Late::acts(&late.ada).await.expect(201);
    Late::acts(&other).await.problem(403, "step-up-required");
    let noted = late.world.admin.get("/audit?action=step_up").await;
    assert_eq!(noted.expect(200)["items"][0]["after"]["by"], "provider");
    // Used up.
    begun.comes_back().await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_provider_has_to_have_asked_the_same_person_just_now() {
    let late = Late::new().await;
    let now = late.clock.now().timestamp();
    for (claims, why) in [
        (json!({"auth_time": now - 120}), "did not ask"),
        (json!({"auth_time": null}), "does not say when"),
        (json!({"auth_time": "now"}), "does not say when"),
        (json!({"sub": "eve-1"}), "somebody else"),
        (json!({"nonce": "another"}), "nonce"),
    ] {
        let begun = late.asks(&late.ada).await;
        begun.admits(late.now(claims.clone()));
        begun.comes_back().await.problem(401, "unauthenticated");
        let noted = last_refusal(&late.world).await;
        assert!(noted.contains(why), "{claims}: {noted}");
        Late::acts(&late.ada).await.problem(403, "step-up-required");
        late.world.forgive();
    }
    // Within what clocks may differ.
    let begun = late.asks(&late.ada).await;
    begun.admits(late.now(json!({"auth_time": now - 20})));
    assert_eq!(begun.comes_back().await.status, 303);
    Late::acts(&late.ada).await.expect(201);
}

#[tokio::test]
async fn an_answer_counts_for_the_session_and_the_browser_that_asked_only() {
    let late = Late::new().await;
    let begun = begin(&late.world, &late.provider, &late.id).await;
    begun.admits(late.now(json!({})));
    let other = session(&late.world, &begun.comes_back().await);
    late.waits().await;
    // The state of one session, in the browser that holds another session of the same user.
    let asked = late.asks(&late.ada).await;
    asked.admits(late.now(json!({})));
    let browser = asked.client.cookie.clone().unwrap();
    let browser = browser
        .split("; ")
        .find(|it| it.starts_with("syncline_sso="))
        .unwrap()
        .to_owned();
    for cookies in [
        browser.clone(),
        format!("{browser}; {}", other.cookie.as_deref().unwrap()),
    ] {
        let asked = late.asks(&late.ada).await;
        asked.admits(late.now(json!({})));
        let own = asked.client.cookie.clone().unwrap();
        let own = own
            .split("; ")
            .find(|it| it.starts_with("syncline_sso="))
            .unwrap();
        let mut thief = late.world.stranger();
        thief.cookie = Some(cookies.replace(&browser, own));
        thief
            .get(&asked.path())
            .await
            .problem(401, "unauthenticated");
        assert!(
            last_refusal(&late.world)
                .await
                .contains("not signed in here")
        );
        late.world.forgive();
    }
    // Another browser altogether.
    let asked = late.asks(&late.ada).await;
    asked.admits(late.now(json!({})));
    other
        .get(&asked.path())
        .await
        .problem(401, "unauthenticated");
    assert!(last_refusal(&late.world).await.contains("browser"));
    for client in [&late.ada, &other] {
        Late::acts(client).await.problem(403, "step-up-required");
    }
    // A sign-in that was begun as one steps nobody up, and a step-up signs nobody in.
    late.world.forgive();
    let mut stranger = late.world.stranger();
    let asked = late.asks(&late.ada).await;
    asked.admits(late.now(json!({})));
    let own = asked.client.cookie.clone().unwrap();
    stranger.cookie = own
        .split("; ")
        .find(|it| it.starts_with("syncline_sso="))
        .map(str::to_owned);
    let answer = stranger.get(&asked.path()).await;
    assert!(!answer.headers.contains_key("set-cookie"));
    answer.problem(401, "unauthenticated");
}

#[tokio::test]
async fn who_has_a_second_factor_needs_a_provider_whose_word_stands_for_one() {
    let late = Late::new().await;
    let begun = late.asks(&late.ada).await;
    begun.admits(late.now(json!({})));
    begun.comes_back().await;
    enrol(&late.ada, &late.clock).await;
    late.waits().await;
    let factors = late.ada.get("/factors").await.expect(200);
    assert_eq!(factors["step_up_provider"], Json::Null);
    let start = late.ada.post("/session/step-up/provider", &json!({})).await;
    start.problem(409, "conflict");

    // By method: the provider has to name it each time.
    let path = format!("/identity-providers/{}", late.id);
    let mut body = late.provider.body();
    body["second_factor"] = json!({"vouched": "by_method", "methods": ["otp"]});
    let step_up = json!({"method": "password", "secret": crate::world::PASSWORD});
    late.world
        .admin
        .post("/session/step-up", &step_up)
        .await
        .expect(200);
    let etag = late.world.admin.get(&path).await.etag();
    let change = late
        .world
        .admin
        .send(axum::http::Method::PUT, &path, Some(&etag), Some(&body));
    change.await.expect(200);
    // It was changed, so it lets nobody in until it was tried.
    let start = late.ada.post("/session/step-up/provider", &json!({})).await;
    start.problem(409, "conflict");
    let answer = late
        .world
        .admin
        .post(&format!("{path}/test"), &json!({}))
        .await;
    let test = Begun::of(&late.world.admin, &late.provider, &answer);
    test.admits(late.now(json!({})));
    test.comes_back().await.expect(200);
    let etag = late.world.admin.get(&path).await.etag();
    let on = format!("{path}/enable");
    late.world
        .admin
        .send(axum::http::Method::POST, &on, Some(&etag), None)
        .await
        .expect(200);
    let begun = late.asks(&late.ada).await;
    begun.admits(late.now(json!({})));
    begun.comes_back().await.problem(401, "unauthenticated");
    assert!(last_refusal(&late.world).await.contains("second factor"));
    let begun = late.asks(&late.ada).await;
    begun.admits(late.now(json!({"amr": ["pwd", "otp"]})));
    assert_eq!(begun.comes_back().await.status, 303);
}

#[tokio::test]
async fn only_sessions_of_a_provider_are_sent_there_and_back_to_own_pages() {
    let late = Late::new().await;
    let path = "/session/step-up/provider";
    let admin = &late.world.admin;
    admin.post(path, &json!({})).await.problem(409, "conflict");
    let factors = admin.get("/factors").await.expect(200);
    assert_eq!(factors["step_up_provider"], Json::Null);
    for bad in ["https://evil.example", "//evil.example", "/api/v1/session"] {
        late.ada
            .post(path, &json!({"next": bad}))
            .await
            .invalid("/next");
    }
    let strange = json!({"session": "ses_x"});
    late.ada.post(path, &strange).await.invalid("/session");
    late.world
        .stranger()
        .post(path, &json!({}))
        .await
        .problem(401, "unauthenticated");
    // Who has signed out meanwhile has nothing to step up.
    let begun = late.asks(&late.ada).await;
    begun.admits(late.now(json!({})));
    late.ada
        .post("/session/sso-sign-out", &json!({}))
        .await
        .expect(200);
    begun.comes_back().await.problem(401, "unauthenticated");
}
