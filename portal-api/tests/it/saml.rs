//! SAML as the routes see it: signing out both ways, and showing who one is again.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::provider::last_refusal;
use crate::saml_provider::{There, body, posted, query_of, redirected, text};

const SLO: Option<&str> = Some("https://idp.example/slo");

#[tokio::test]
async fn signing_out_here_signs_out_there_where_the_provider_is_set_up_so() {
    let there = There::new(SLO, true).await;
    let mut ada = there.signs_in(json!({})).await;
    let out = ada.post("/session/sso-sign-out", &json!({})).await;
    ada.keep(&out);
    let url = text(&out.expect(200)["url"]);
    assert!(url.starts_with("https://idp.example/slo?"), "{url}");
    let query = query_of(&url);
    assert_eq!(
        (query("name"), query("session")),
        ("ada-1".to_owned(), "there-1".to_owned())
    );
    assert_eq!(query("format"), "urn:format");
    ada.get("/session").await.problem(401, "unauthenticated");
    let answer = |id: &str, changes: Json| {
        let mut answer = json!({
            "signed_for": format!("http://hub.example/api/v1{}", there.path()),
            "id": id, "answers": query("id"),
        });
        for (name, value) in changes.as_object().unwrap() {
            answer[name] = value.clone();
        }
        answer.to_string()
    };
    let state = query("RelayState");
    let back = |document: &str, state: &str| {
        redirected(
            &there.path(),
            &[("SAMLResponse", document), ("RelayState", state)],
        )
    };
    let good = answer("a-1", json!({}));
    // Of no state, or of one that is not known.
    ada.get(&back(&good, "x"))
        .await
        .problem(401, "unauthenticated");
    let came = ada.get(&back(&good, &state)).await;
    assert_eq!(came.status, 303, "{}", came.body);
    assert_eq!(came.headers["location"], "http://hub.example/sign-in");
    let noted = there
        .world
        .admin
        .get("/audit?action=sign_out_at_provider")
        .await
        .expect(200);
    assert_eq!(noted["items"][0]["after"]["complete"], true);
    // Once.
    ada.get(&back(&good, &state))
        .await
        .problem(401, "unauthenticated");
    there.world.forgive();

    for (changes, why) in [
        (json!({"signed_for": "https://else.example"}), "signed"),
        (json!({"answers": "req-0"}), "another request"),
        (json!({"id": "a-1"}), "used before"),
    ] {
        let mut ada = there.signs_in(json!({})).await;
        let out = ada.post("/session/sso-sign-out", &json!({})).await;
        ada.keep(&out);
        let query = query_of(out.body["url"].as_str().unwrap());
        let mut document = json!({
            "signed_for": format!("http://hub.example/api/v1{}", there.path()),
            "id": "a-2", "answers": query("id"),
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        let came = ada
            .get(&back(&document.to_string(), &query("RelayState")))
            .await;
        came.problem(400, "invalid-body");
        assert!(there.refusals().await[0].contains(why), "{why}");
        there.world.forgive();
    }
    // In another browser, and with the state of a sign-in.
    let ada = there.signs_in(json!({})).await;
    let out = ada
        .post("/session/sso-sign-out", &json!({}))
        .await
        .expect(200);
    let query = query_of(out["url"].as_str().unwrap());
    let document = answer("a-3", json!({"answers": query("id")}));
    let stranger = there.world.stranger();
    let came = stranger.get(&back(&document, &query("RelayState"))).await;
    came.problem(400, "invalid-body");
    let begun = stranger
        .post(&format!("/sso/{}/start", there.id), &json!({}))
        .await;
    let query = query_of(begun.body["url"].as_str().unwrap());
    let came = stranger.get(&back(&document, &query("RelayState"))).await;
    came.problem(400, "invalid-body");
    assert!(there.refusals().await[0].contains("elsewhere"));
}

#[tokio::test]
async fn a_provider_is_left_alone_unless_it_is_set_up_to_be_asked() {
    let there = There::new(SLO, false).await;
    let ada = there.signs_in(json!({})).await;
    let out = ada
        .post("/session/sso-sign-out", &json!({}))
        .await
        .expect(200);
    assert_eq!(out["url"], Json::Null);
    let shown = there
        .world
        .admin
        .get(&format!("/identity-providers/{}", there.id))
        .await;
    let saml = &shown.expect(200)["saml"];
    assert_eq!(saml["sign_out_url"], "https://idp.example/slo");
    assert_eq!(saml["single_logout"], false);
    let slo = format!("http://hub.example/api/v1{}", there.path());
    assert_eq!(saml["slo_url"], slo.as_str());
    let mut nowhere = body(None, true);
    nowhere["name"] = json!("Nowhere");
    let refused = there
        .world
        .admin
        .post("/identity-providers", &nowhere)
        .await;
    refused.invalid("/saml/single_logout");
}

#[tokio::test]
async fn a_provider_ends_the_sessions_it_names_by_redirect_and_by_form() {
    let there = There::new(SLO, false).await;
    let (first, second) = (
        there.signs_in(json!({})).await,
        there.signs_in(json!({"session": "there-2"})).await,
    );
    let bob = json!({"name": "bob-1", "email": "bob@one.example"});
    let bob = there.signs_in(bob).await;
    let stranger = there.world.stranger();
    let by_redirect = redirected(
        &there.path(),
        &[
            ("SAMLRequest", &there.request(json!({}))),
            ("RelayState", "theirs"),
        ],
    );
    let came = stranger.get(&by_redirect).await;
    assert_eq!(came.status, 303, "{}", came.body);
    let to = came.headers["location"].to_str().unwrap();
    assert_eq!(to, "https://idp.example/slo?answers=r-1&RelayState=theirs");
    first.get("/session").await.problem(401, "unauthenticated");
    second.get("/session").await.expect(200);
    let noted = there
        .world
        .admin
        .get("/audit?action=sign_out_by_provider")
        .await
        .expect(200);
    assert_eq!(noted["items"].as_array().unwrap().len(), 1);
    // All of a user, by a form; a session whose name is not known is one of them.
    let unnamed = there.signs_in(json!({"session": null})).await;
    let field = STANDARD.encode(there.request(json!({"id": "r-2", "sessions": ["there-9"]})));
    let came = stranger
        .raw(posted(&there.path(), &[("SAMLRequest", field)]))
        .await;
    assert_eq!(came.status, 303, "{}", came.body);
    unnamed
        .get("/session")
        .await
        .problem(401, "unauthenticated");
    second.get("/session").await.expect(200);
    let field = STANDARD.encode(there.request(json!({"id": "r-3", "sessions": []})));
    stranger
        .raw(posted(&there.path(), &[("SAMLRequest", field)]))
        .await;
    second.get("/session").await.problem(401, "unauthenticated");
    bob.get("/session").await.expect(200);
}

#[tokio::test]
async fn a_request_that_is_not_in_order_ends_nothing_and_is_noted() {
    let there = There::new(SLO, false).await;
    let ada = there.signs_in(json!({})).await;
    let stranger = there.world.stranger();
    let used = there.request(json!({"id": "r-7", "name": "nobody"}));
    let once = redirected(&there.path(), &[("SAMLRequest", &used)]);
    assert_eq!(stranger.get(&once).await.status, 303);
    let again = there.request(json!({"id": "r-7"}));
    for (request, why) in [
        (there.request(json!({"signed_for": null})), "signed"),
        (
            there.request(json!({"signed_for": "https://else.example"})),
            "signed",
        ),
        (again, "used before"),
        ("no document".to_owned(), "cannot be read"),
    ] {
        let by_redirect = redirected(&there.path(), &[("SAMLRequest", &request)]);
        stranger
            .get(&by_redirect)
            .await
            .problem(400, "invalid-body");
        let form = [("SAMLRequest", STANDARD.encode(&request))];
        let told = stranger.raw(posted(&there.path(), &form)).await;
        let told = told.problem(400, "invalid-body");
        assert!(!told["detail"].as_str().unwrap().contains(why), "{told}");
        let noted = there.refusals().await;
        assert!(
            noted[0].contains(why) && noted[1].contains(why),
            "{noted:?}"
        );
        there.world.forgive();
    }
    let form = [("SAMLRequest", "%%%".to_owned())];
    stranger
        .raw(posted(&there.path(), &form))
        .await
        .problem(400, "invalid-body");
    stranger
        .get(&there.path())
        .await
        .problem(401, "unauthenticated");
    ada.get("/session").await.expect(200);

    // Another tenant's provider of the same name speaks of its own people only.
    let other = there.world.other_tenant().await;
    let made = other
        .post("/identity-providers", &body(SLO, true))
        .await
        .expect(201);
    let theirs = format!("/sso/{}/slo", text(&made["id"]));
    let request = there.request(json!({
        "id": "r-9", "signed_for": format!("http://hub.example/api/v1{theirs}"),
    }));
    let came = stranger
        .get(&redirected(&theirs, &[("SAMLRequest", &request)]))
        .await;
    assert_eq!(came.status, 303);
    ada.get("/session").await.expect(200);
    there.world.forgive();
    let nobody = format!("/sso/{}/slo", engine::ids::ProviderId::fresh());
    stranger.get(&nobody).await.problem(404, "not-found");
    let mut slowed = false;
    for _ in 0..10 {
        let bad = redirected(&there.path(), &[("SAMLRequest", "x")]);
        slowed |= stranger.get(&bad).await.status == 429;
    }
    assert!(slowed);
}

#[tokio::test]
async fn somebody_from_saml_shows_who_they_are_there() {
    let there = There::new(SLO, false).await;
    let ada = there.signs_in(json!({})).await;
    there.clock.advance(Duration::from_secs(16 * 60));
    let acts = async || ada.post("/factors/totp", &json!({})).await;
    acts().await.problem(403, "step-up-required");
    let now = there.clock.now().timestamp();
    for (changes, why) in [
        (json!({"at": now - 60}), "did not ask"),
        (json!({"at": null}), "does not say when"),
        (json!({"name": "eve-1"}), "somebody else"),
        (json!({"answers": "req-0"}), "another request"),
    ] {
        let begun = ada.post("/session/step-up/provider", &json!({})).await;
        assert!(begun.body["url"].as_str().unwrap().contains("&anew=true&"));
        let came = there.comes(&ada, &begun, changes).await;
        came.problem(401, "unauthenticated");
        assert!(last_refusal(&there.world).await.contains(why), "{why}");
        acts().await.problem(403, "step-up-required");
        there.world.forgive();
    }
    let begun = ada
        .post("/session/step-up/provider", &json!({"next": "/keys"}))
        .await;
    let came = there.comes(&ada, &begun, json!({})).await;
    assert_eq!(came.headers["location"], "http://hub.example/keys");
    acts().await.expect(201);
}
