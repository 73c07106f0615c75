//! SAML as the routes see it: signing out both ways, and showing who one is again. What signatures and XML
//! are is tried in the crate `saml` and with pysaml2; here a document is JSON, and its word is taken.

use std::sync::Mutex;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use engine::Clock;
use identity::saml::{
    Arrival, Begun, Facts, KeyPair, Message, Name, Parties, Saml, SamlError, SignOutRequest,
    SignedOut,
};
use serde_json::{Value as Json, json};

use crate::provider::last_refusal;
use crate::world::{Answer, Client, World};

/// Whose documents are JSON.
#[derive(Default)]
pub(crate) struct Plain {
    requests: Mutex<u32>,
}

fn refused(why: &str) -> SamlError {
    SamlError::NotAccepted(why.to_owned())
}

impl Plain {
    fn next(&self) -> String {
        let mut requests = self.requests.lock().unwrap();
        *requests += 1;
        format!("req-{requests}")
    }

    /// The document of a message, if it is signed and for us.
    fn read(parties: &Parties, message: &Message, name: &str) -> Result<Json, SamlError> {
        let text = match message {
            Message::Document(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            Message::Query(query) => url::form_urlencoded::parse(query.as_bytes())
                .find(|(is, _)| is == name)
                .map(|(_, value)| value.into_owned())
                .ok_or_else(|| refused("it has no message"))?,
        };
        let read: Json = serde_json::from_str(&text).map_err(|_| refused("it cannot be read"))?;
        if read["signed_for"] != parties.slo_url.as_str() {
            return Err(refused("it is not signed rightly"));
        }
        Ok(read)
    }
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Saml for Plain {
    fn fresh_keys(&self) -> Result<KeyPair, SamlError> {
        Ok(KeyPair {
            private_key: "key".into(),
            certificate: "certificate".to_owned(),
        })
    }

    fn facts(&self, metadata: &str) -> Result<Facts, SamlError> {
        let read: Json = serde_json::from_str(metadata).map_err(|_| SamlError::Encoding)?;
        Ok(Facts {
            entity_id: text(&read["issuer"]),
            sign_in_url: "https://idp.example/sso".to_owned(),
            sign_out_url: read["sign_out"].as_str().map(str::to_owned),
            certificates: 1,
        })
    }

    fn our_metadata(&self, parties: &Parties) -> Result<String, SamlError> {
        Ok(parties.slo_url.clone())
    }

    fn begin(&self, _: &Parties, relay_state: &str, anew: bool) -> Result<Begun, SamlError> {
        let request_id = self.next();
        let url =
            format!("https://idp.example/sso?id={request_id}&anew={anew}&RelayState={relay_state}");
        Ok(Begun { request_id, url })
    }

    fn arrive(
        &self,
        parties: &Parties,
        response: &[u8],
        request_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Arrival, SamlError> {
        let read: Json = serde_json::from_slice(response).unwrap();
        if read["answers"] != request_id {
            return Err(refused("it answers another request"));
        }
        Ok(Arrival {
            name_id: Name {
                value: text(&read["name"]),
                format: Some("urn:format".to_owned()),
            },
            issuer: self.facts(&parties.metadata)?.entity_id,
            attributes: [("email".to_owned(), vec![text(&read["email"])])].into(),
            assertion_id: format!("assertion-{request_id}"),
            valid_until: now + TimeDelta::minutes(5),
            session_index: read["session"].as_str().map(str::to_owned),
            context: None,
            authenticated_at: read["at"]
                .as_i64()
                .and_then(|at| DateTime::from_timestamp(at, 0)),
        })
    }

    fn sign_out(
        &self,
        parties: &Parties,
        name: &Name,
        session: Option<&str>,
        relay_state: &str,
        _: DateTime<Utc>,
    ) -> Result<Begun, SamlError> {
        let place = self.facts(&parties.metadata)?.sign_out_url;
        let place = place.ok_or_else(|| SamlError::Metadata("no address".to_owned()))?;
        let request_id = self.next();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("id", &request_id)
            .append_pair("name", &name.value)
            .append_pair("format", name.format.as_deref().unwrap_or_default())
            .append_pair("session", session.unwrap_or_default())
            .append_pair("RelayState", relay_state)
            .finish();
        let url = format!("{place}?{query}");
        Ok(Begun { request_id, url })
    }

    fn signed_out(
        &self,
        parties: &Parties,
        message: &Message,
        request_id: &str,
        now: DateTime<Utc>,
    ) -> Result<SignedOut, SamlError> {
        let read = Self::read(parties, message, "SAMLResponse")?;
        if read["answers"] != request_id {
            return Err(refused("it answers another request"));
        }
        Ok(SignedOut {
            id: text(&read["id"]),
            is_complete: read["complete"] != false,
            valid_until: now + TimeDelta::minutes(5),
        })
    }

    fn sign_out_request(
        &self,
        parties: &Parties,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<SignOutRequest, SamlError> {
        let read = Self::read(parties, message, "SAMLRequest")?;
        let sessions = read["sessions"].as_array().cloned().unwrap_or_default();
        Ok(SignOutRequest {
            id: text(&read["id"]),
            issuer: self.facts(&parties.metadata)?.entity_id,
            name_id: text(&read["name"]),
            sessions: sessions.iter().map(text).collect(),
            valid_until: now + TimeDelta::minutes(5),
        })
    }

    fn sign_out_answer(
        &self,
        parties: &Parties,
        request_id: &str,
        relay_state: Option<&str>,
        _: DateTime<Utc>,
    ) -> Result<String, SamlError> {
        let place = self.facts(&parties.metadata)?.sign_out_url;
        let place = place.ok_or_else(|| SamlError::Metadata("no address".to_owned()))?;
        Ok(format!(
            "{place}?answers={request_id}&RelayState={}",
            relay_state.unwrap_or("none")
        ))
    }
}

fn body(sign_out: Option<&str>, single_logout: bool) -> Json {
    let metadata = json!({"issuer": "https://idp.example", "sign_out": sign_out}).to_string();
    json!({
        "name": "Company",
        "saml": {"metadata": metadata, "single_logout": single_logout},
        "provision": true, "default_role": "viewer", "trust_email": true, "ceiling": "operator",
    })
}

/// A hub with a provider of SAML.
struct There {
    world: World,
    clock: Clock,
    id: String,
}

impl There {
    async fn new(sign_out: Option<&str>, single_logout: bool) -> Self {
        let clock = Clock::manual(Clock::system().now());
        let world = World::with_saml(clock.clone()).await;
        let made = world
            .admin
            .post("/identity-providers", &body(sign_out, single_logout))
            .await;
        let id = text(&made.expect(201)["id"]);
        let there = Self { world, clock, id };
        let path = format!("/identity-providers/{}", there.id);
        let answer = there
            .world
            .admin
            .post(&format!("{path}/test"), &json!({}))
            .await;
        let outcome = there.comes(&there.world.admin, &answer, json!({})).await;
        assert_eq!(outcome.expect(200)["accepted"], true);
        let etag = there.world.admin.get(&path).await.etag();
        let on = format!("{path}/enable");
        there
            .world
            .admin
            .send(Method::POST, &on, Some(&etag), None)
            .await
            .expect(200);
        there
    }

    /// The browser that was sent away by `begun` comes back with an answer, and is let on to where it ends.
    async fn comes(&self, client: &Client, begun: &Answer, changes: Json) -> Answer {
        let mut client = client.clone();
        client.keep(begun);
        let query = query_of(begun.body["url"].as_str().unwrap());
        let mut answer = json!({
            "answers": query("id"), "name": "ada-1", "email": "ada@one.example",
            "session": "there-1", "at": self.clock.now().timestamp(),
        });
        for (name, value) in changes.as_object().unwrap() {
            answer[name] = value.clone();
        }
        let field = STANDARD.encode(answer.to_string());
        let form = [("SAMLResponse", field), ("RelayState", query("RelayState"))];
        let came = self
            .world
            .stranger()
            .raw(posted(&format!("/sso/{}/acs", self.id), &form))
            .await;
        if came.status != 303 {
            return came;
        }
        let to = came.headers["location"].to_str().unwrap();
        client
            .get(to.strip_prefix("http://hub.example/api/v1").unwrap())
            .await
    }

    async fn signs_in(&self, changes: Json) -> Client {
        let mut client = self.world.stranger();
        let begun = client
            .post(&format!("/sso/{}/start", self.id), &json!({}))
            .await;
        client.keep(&begun);
        let came = self.comes(&client, &begun, changes).await;
        assert_eq!(came.status, 303, "{}", came.body);
        client.keep(&came);
        client
    }

    fn path(&self) -> String {
        format!("/sso/{}/slo", self.id)
    }

    /// A request that the provider has signed.
    fn request(&self, changes: Json) -> String {
        let mut request = json!({
            "signed_for": format!("http://hub.example/api/v1{}", self.path()),
            "id": "r-1", "name": "ada-1", "sessions": ["there-1"],
        });
        for (name, value) in changes.as_object().unwrap() {
            request[name] = value.clone();
        }
        request.to_string()
    }

    async fn refusals(&self) -> Vec<String> {
        let path = "/audit?action=refused:saml_sign_out";
        let trail = self.world.admin.get(path).await.expect(200);
        let items = trail["items"].as_array().unwrap().iter();
        items.map(|item| text(&item["after"]["reason"])).collect()
    }
}

fn query_of(url: &str) -> impl Fn(&str) -> String {
    let url: url::Url = url.parse().unwrap();
    move |name| {
        let mut pairs = url.query_pairs();
        let found = pairs.find(|(is, _)| is == name);
        found
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }
}

/// A form from another site.
fn posted(path: &str, form: &[(&str, String)]) -> Request<Body> {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    Request::builder()
        .method(Method::POST)
        .uri(format!("/api/v1{path}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .header("origin", "https://idp.example")
        .body(Body::from(body))
        .unwrap()
}

fn redirected(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{query}")
}

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
