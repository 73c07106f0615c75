//! A provider of SAML whose documents are JSON, and whose word is taken: signatures and XML are tried in the
//! crate `saml` and with pysaml2.

use std::sync::Mutex;

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
        let read: Json =
            serde_json::from_str(&text).map_err(|_error| refused("it cannot be read"))?;
        if read["signed_for"] != parties.slo_url.as_str() {
            return Err(refused("it is not signed rightly"));
        }
        Ok(read)
    }
}

pub(crate) fn text(value: &Json) -> String {
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
        let read: Json = serde_json::from_str(metadata).map_err(|_error| SamlError::Encoding)?;
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

pub(crate) fn body(sign_out: Option<&str>, single_logout: bool) -> Json {
    let metadata = json!({"issuer": "https://idp.example", "sign_out": sign_out}).to_string();
    json!({
        "name": "Company",
        "saml": {"metadata": metadata, "single_logout": single_logout},
        "provision": true, "default_role": "viewer", "trust_email": true, "ceiling": "operator",
    })
}

/// A hub with a provider of SAML.
pub(crate) struct There {
    pub(crate) world: World,
    pub(crate) clock: Clock,
    pub(crate) id: String,
}

impl There {
    pub(crate) async fn new(sign_out: Option<&str>, single_logout: bool) -> Self {
        let clock = Clock::manual(Clock::system().now());
        let world = Box::pin(World::with_saml(clock.clone())).await;
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
    pub(crate) async fn comes(&self, client: &Client, begun: &Answer, changes: Json) -> Answer {
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

    pub(crate) async fn signs_in(&self, changes: Json) -> Client {
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

    pub(crate) fn path(&self) -> String {
        format!("/sso/{}/slo", self.id)
    }

    /// A request that the provider has signed.
    pub(crate) fn request(&self, changes: Json) -> String {
        let mut request = json!({
            "signed_for": format!("http://hub.example/api/v1{}", self.path()),
            "id": "r-1", "name": "ada-1", "sessions": ["there-1"],
        });
        for (name, value) in changes.as_object().unwrap() {
            request[name] = value.clone();
        }
        request.to_string()
    }

    pub(crate) async fn refusals(&self) -> Vec<String> {
        let path = "/audit?action=refused:saml_sign_out";
        let trail = self.world.admin.get(path).await.expect(200);
        let items = trail["items"].as_array().unwrap().iter();
        items.map(|item| text(&item["after"]["reason"])).collect()
    }
}

pub(crate) fn query_of(url: &str) -> impl Fn(&str) -> String {
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
pub(crate) fn posted(path: &str, form: &[(&str, String)]) -> Request<Body> {
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

pub(crate) fn redirected(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{query}")
}
