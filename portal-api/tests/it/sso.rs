//! Signing in through an identity provider: what is let in, and everything that is not.

use std::time::Duration;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value as Json, json};

use crate::domains::{ask, domain};
use crate::provider::{Begun, Key, Provider, begin, enabled, last_refusal, session};
use crate::world::World;

#[tokio::test]
async fn somebody_new_is_made_with_the_role_that_the_rules_give_and_goes_on_to_the_console() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let id = enabled(&world, &provider, &provider.body()).await;
    let options = world.stranger().get("/sign-in-options").await.expect(200);
    assert_eq!(
        options["providers"],
        json!([{"id": id, "name": "Company", "preset": "custom"}])
    );
    let begun = begin(&world, &provider, &id).await;
    assert_eq!(begun.query["code_challenge_method"], "S256");
    assert_eq!(
        begun.query["redirect_uri"],
        "http://hub.example/api/v1/sso/callback"
    );
    begun.admits(json!({}));
    let answer = begun.comes_back().await;
    assert_eq!(answer.headers["location"], "http://hub.example/runs");
    let ada = session(&world, &answer);
    let who = ada.get("/session").await.expect(200);
    assert_eq!(who["user"]["email"], "ada@one.example");
    assert_eq!(who["user"]["role"], "operator");
    assert_eq!(who["user"]["must_change_password"], false);
    // The rules count again with every sign-in, and never beyond the ceiling.
    for (groups, role) in [(json!([]), "viewer"), (json!(["ops"]), "operator")] {
        let begun = begin(&world, &provider, &id).await;
        begun.admits(json!({"groups": groups}));
        let again = session(&world, &begun.comes_back().await);
        assert_eq!(
            again.get("/session").await.expect(200)["user"]["role"],
            role
        );
    }
    let people = world.admin.get("/users?q=ada").await.expect(200);
    assert_eq!(people["items"].as_array().unwrap().len(), 1);
    for action in [
        "provision_user",
        "link_identity",
        "sign_in_by_provider",
        "enable_identity_provider",
    ] {
        let trail = world
            .admin
            .get(&format!("/audit?action={action}"))
            .await
            .expect(200);
        assert!(!trail["items"].as_array().unwrap().is_empty(), "{action}");
    }
    let all = world.admin.get("/audit?limit=200").await;
    let text = String::from_utf8(all.bytes.to_vec()).unwrap();
    for secret in [
        crate::provider::SECRET,
        "the-code",
        &begun.query["state"],
        &begun.query["nonce"],
    ] {
        assert!(!text.contains(secret), "the audit trail holds {secret}");
    }
}

#[tokio::test]
async fn what_the_id_token_leaves_out_is_asked_for_and_believed_of_the_same_user_only() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let id = enabled(&world, &provider, &provider.body()).await;
    let bare = json!({"email": null, "email_verified": null, "name": null, "groups": null});
    provider.say_of_user(json!({
        "sub": "ada-1", "email": "ada@one.example", "email_verified": true, "groups": ["ops"],
    }));
    let begun = begin(&world, &provider, &id).await;
    begun.admits(bare.clone());
    let ada = session(&world, &begun.comes_back().await);
    assert_eq!(
        ada.get("/session").await.expect(200)["user"]["role"],
        "operator"
    );
    provider
        .say_of_user(json!({"sub": "eve", "email": "admin@one.example", "email_verified": true}));
    let begun = begin(&world, &provider, &id).await;
    begun.admits(bare);
    begun.comes_back().await.problem(401, "unauthenticated");
    assert!(last_refusal(&world).await.contains("another user"));
    // That an address of somewhere else was verified says nothing of the one in the token.
    provider.say_of_user(json!({"sub": "new", "email": "x@y.example", "email_verified": true}));
    let begun = begin(&world, &provider, &id).await;
    begun.admits(
        json!({"sub": "new", "email": "new@one.example", "email_verified": null, "name": null}),
    );
    begun.comes_back().await.problem(401, "unauthenticated");
    assert!(last_refusal(&world).await.contains("verified"));
}

#[tokio::test]
async fn tokens_that_are_not_in_order_let_nobody_in_and_each_reason_is_noted() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let id = enabled(&world, &provider, &provider.body()).await;
    let now = engine::Clock::system().now().timestamp();
    for (changes, why) in [
        (json!({"nonce": "another"}), "nonce"),
        (json!({"nonce": null}), "nonce"),
        (json!({"iss": "http://evil.example"}), "another issuer"),
        (json!({"iss": null}), "another issuer"),
        (json!({"aud": "somebody"}), "somebody else"),
        (json!({"aud": ["hub", "somebody"]}), "somebody else"),
        (json!({"aud": ["hub", "x"], "azp": "x"}), "somebody else"),
        (json!({"azp": "x"}), "somebody else"),
        (json!({"exp": now - 61}), "expired"),
        (json!({"exp": null}), "expired"),
        (json!({"exp": "soon"}), "expired"),
        (json!({"iat": now + 120}), "future"),
        (json!({"nbf": now + 120}), "future"),
        (json!({"sub": null}), "nobody"),
        (json!({"sub": ""}), "nobody"),
        (json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}), "access token"),
        (json!({"events": {}}), "another kind"),
    ] {
        let begun = begin(&world, &provider, &id).await;
        begun.admits(changes.clone());
        let answer = begun.comes_back().await;
        assert!(!answer.headers.contains_key("set-cookie"), "{changes}");
        let told = answer.problem(401, "unauthenticated");
        assert!(!told["detail"].as_str().unwrap().contains(why), "{told}");
        let noted = last_refusal(&world).await;
        assert!(noted.contains(why), "{changes}: {noted}");
        world.forgive();
    }
    // Within what clocks may differ, and with several readers of whom we asked.
    let good = json!({"exp": now - 30, "iat": now + 30, "aud": ["hub", "x"], "azp": "hub"});
    let begun = begin(&world, &provider, &id).await;
    begun.admits(good);
    session(&world, &begun.comes_back().await);
}

#[tokio::test]
async fn signatures_of_others_and_of_no_key_are_refused() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let id = enabled(&world, &provider, &provider.body()).await;
    type Forge = fn(&Provider, &Json) -> String;
    let forged: [(&str, Forge); 5] = [
        ("signature wrong", |_provider, claims| {
            Key::fresh("one", 9).sign(claims, None)
        }),
        ("key not known", |_provider, claims| {
            Key::fresh("two", 9).sign(claims, None)
        }),
        ("another kind", |provider, claims| {
            provider.key.sign(claims, Some("at+jwt"))
        }),
        ("not a signed token", |_provider, claims| {
            let part = |value: &Json| URL_SAFE_NO_PAD.encode(value.to_string());
            format!("{}.{}.", part(&json!({"alg": "none"})), part(claims))
        }),
        ("algorithm", |_provider, claims| {
            // The client's secret, which it knows, as a symmetric key.
            let key = EncodingKey::from_secret(crate::provider::SECRET.as_bytes());
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
        }),
    ];
    for (why, forge) in forged {
        let begun = begin(&world, &provider, &id).await;
        begun.answers(forge(&provider, &provider.claims(&begun.query["nonce"])));
        begun.comes_back().await.problem(401, "unauthenticated");
        let noted = last_refusal(&world).await;
        assert!(noted.contains(why), "{noted}");
        world.forgive();
    }
}

#[tokio::test]
async fn a_new_key_is_found_and_unknown_ones_do_not_make_us_ask_again_and_again() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let id = enabled(&world, &provider, &provider.body()).await;
    assert_eq!(provider.key_reads(), 1);
    let new = Key::fresh("two", 11);
    provider.publish(&[&provider.key, &new]);
    let begun = begin(&world, &provider, &id).await;
    begun.answers(new.sign(&provider.claims(&begun.query["nonce"]), None));
    session(&world, &begun.comes_back().await);
    assert_eq!(provider.key_reads(), 2);
    for _ in 0..5 {
        let begun = begin(&world, &provider, &id).await;
        let claims = provider.claims(&begun.query["nonce"]);
        begun.answers(Key::fresh("nine", 9).sign(&claims, None));
        begun.comes_back().await.problem(401, "unauthenticated");
    }
    assert_eq!(provider.key_reads(), 2);
}

#[tokio::test]
async fn a_state_is_used_once_by_the_browser_that_began_at_the_address_where_it_began() {
    let clock = engine::Clock::manual(engine::Clock::system().now());
    let world = World::with_clock(clock.clone()).await;
    let provider = Provider::start().await;
    let id = enabled(&world, &provider, &provider.body()).await;
    let begun = begin(&world, &provider, &id).await;
    begun.admits(json!({}));
    session(&world, &begun.comes_back().await);
    begun.comes_back().await.problem(401, "unauthenticated");

    // Somebody else's browser is not signed in with it, and it is used up by that.
    let begun = begin(&world, &provider, &id).await;
    begun.admits(json!({}));
    world
        .stranger()
        .get(&begun.path())
        .await
        .problem(401, "unauthenticated");
    assert!(last_refusal(&world).await.contains("browser"));
    begun.comes_back().await.problem(401, "unauthenticated");

    // Another tenant's address, and the tenant's own that it was not begun at.
    let other = world.other_tenant().await;
    domain(&other, "sso.two-d.example").await;
    domain(&world.admin, "sso.one-d.example").await;
    let named = [("x-syncline-tenant", world.tenant.to_string())];
    for host in ["sso.two-d.example", "sso.one-d.example"] {
        let path = format!("/sso/{id}/start");
        let named: Vec<_> = named
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let stranger = world.stranger();
        let answer = ask(&stranger, Method::POST, &path, &named, Some(&json!({}))).await;
        let begun = Begun::of(&stranger, &provider, &answer);
        begun.admits(json!({}));
        let answer = ask(
            &begun.client,
            Method::GET,
            &begun.path(),
            &[("host", host)],
            None,
        )
        .await;
        answer.problem(401, "unauthenticated");
        assert!(last_refusal(&world).await.contains("another address"));
    }
    // At its own domain it ends there.
    let host = [("host", "sso.one-d.example")];
    let stranger = world.stranger();
    let path = format!("/sso/{id}/start");
    let answer = ask(&stranger, Method::POST, &path, &host, Some(&json!({}))).await;
    let begun = Begun::of(&stranger, &provider, &answer);
    assert_eq!(
        begun.query["redirect_uri"],
        "http://sso.one-d.example/api/v1/sso/callback"
    );
    begun.admits(json!({}));
    let answer = ask(&begun.client, Method::GET, &begun.path(), &host, None).await;
    assert_eq!(answer.headers["location"], "http://sso.one-d.example/");
    // Another tenant's provider is none at this address.
    let two = [("host", "sso.two-d.example")];
    let answer = ask(&stranger, Method::POST, &path, &two, Some(&json!({}))).await;
    answer.problem(404, "not-found");

    world.forgive();
    let answer = ask(&stranger, Method::POST, &path, &host, Some(&json!({}))).await;
    let begun = Begun::of(&stranger, &provider, &answer);
    begun.admits(json!({}));
    clock.advance(Duration::from_secs(601));
    let answer = ask(&begun.client, Method::GET, &begun.path(), &host, None).await;
    answer.problem(401, "unauthenticated");
}

#[tokio::test]
async fn answers_without_a_code_of_another_issuer_or_to_nobody_are_refused_and_slowed_down() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let id = enabled(&world, &provider, &provider.body()).await;
    let begun = begin(&world, &provider, &id).await;
    let path = format!(
        "/sso/callback?state={}&error=access_denied&iss={}",
        begun.query["state"], provider.issuer
    );
    begun
        .client
        .get(&path)
        .await
        .problem(401, "unauthenticated");
    assert!(last_refusal(&world).await.contains("access_denied"));
    for iss in ["", "&iss=http://evil.example"] {
        let begun = begin(&world, &provider, &id).await;
        let path = format!(
            "/sso/callback?state={}&code=the-code{iss}",
            begun.query["state"]
        );
        begun
            .client
            .get(&path)
            .await
            .problem(401, "unauthenticated");
        assert!(last_refusal(&world).await.contains("another issuer"));
    }
    for path in [
        "/sso/callback",
        "/sso/callback?state=",
        "/sso/callback?state=x&code=y",
    ] {
        world
            .stranger()
            .get(path)
            .await
            .problem(401, "unauthenticated");
    }
    for bad in ["https://evil.example", "//evil.example", "/api/v1/session"] {
        let path = format!("/sso/{id}/start");
        let answer = world.stranger().post(&path, &json!({"next": bad})).await;
        answer.invalid("/next");
    }
    let mut slowed = false;
    for _ in 0..10 {
        slowed |= world.stranger().get("/sso/callback?state=x").await.status == 429;
    }
    assert!(slowed);
    // A page is sent to the sign-in page, a program gets the problem.
    world.forgive();
    let page = ask(
        &world.stranger(),
        Method::GET,
        "/sso/callback?state=x",
        &[("accept", "text/html")],
        None,
    )
    .await;
    assert_eq!(page.status, 303);
    assert_eq!(
        page.headers["location"],
        "http://hub.example/sign-in?refused=unauthenticated"
    );
}

#[tokio::test]
async fn a_provider_that_does_not_do_as_it_should_is_named_to_nobody_but_the_log() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let made = world
        .admin
        .post("/identity-providers", &provider.body())
        .await
        .expect(201);
    let path = format!("/identity-providers/{}/test", made["id"].as_str().unwrap());
    let broken: [fn(&mut Json); 4] = [
        |it| it["issuer"] = json!("http://evil.example"),
        |it| it["token_endpoint"] = json!("ftp://x.example/token"),
        |it| it["code_challenge_methods_supported"] = json!(["plain"]),
        |it| it["jwks_uri"] = json!("not an address"),
    ];
    for change in broken {
        let mut good = Json::Null;
        provider.describe(|it| {
            good = it.clone();
            change(it);
        });
        world
            .admin
            .post(&path, &json!({}))
            .await
            .problem(502, "peer-failed");
        provider.describe(|it| *it = good);
    }
    world.admin.post(&path, &json!({})).await.expect(200);
}

#[tokio::test]
async fn a_person_comes_back_from_a_test_to_the_providers_page_whatever_came_of_it() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let made = world
        .admin
        .post("/identity-providers", &provider.body())
        .await
        .expect(201);
    let path = format!("/identity-providers/{}", made["id"].as_str().unwrap());
    for (claims, accepted, reason) in [
        (json!({}), true, None),
        (json!({"email_verified": false}), false, Some("verified")),
        (json!({"nonce": "another"}), false, Some("nonce")),
    ] {
        let answer = world.admin.post(&format!("{path}/test"), &json!({})).await;
        let begun = Begun::of(&world.admin, &provider, &answer);
        begun.admits(claims);
        let html = [("accept", "text/html,application/xhtml+xml")];
        let page = ask(&begun.client, Method::GET, &begun.path(), &html, None).await;
        assert_eq!(page.status, 303, "{}", page.body);
        let location = page.headers["location"].to_str().unwrap();
        assert_eq!(location, format!("http://hub.example{path}"));
        let shown = world.admin.get(&path).await.expect(200);
        let outcome = &shown["last_test"]["outcome"];
        assert_eq!(outcome["accepted"], accepted, "{outcome}");
        let why = outcome["reason"].as_str();
        assert!(
            reason.is_none_or(|part| why.unwrap().contains(part)),
            "{outcome}"
        );
    }
}
