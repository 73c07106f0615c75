//! A small identity provider that says whatever a test wants it to, also what none should.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Form, Json as Body};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::ecdsa::SigningKey;
use p256::pkcs8::EncodePrivateKey as _;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::world::{Answer, Client, World};

pub(crate) const SECRET: &str = "s3cret & more";

/// A key of the provider, with its name.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) kid: String,
    secret: EncodingKey,
    public: Json,
}

impl Key {
    pub(crate) fn fresh(kid: &str, seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let der = key.to_pkcs8_der().unwrap();
        let point = key.verifying_key().to_encoded_point(false);
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Self {
            kid: kid.to_owned(),
            secret: EncodingKey::from_ec_der(der.as_bytes()),
            public: json!({
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
                "x": part(point.x().unwrap()), "y": part(point.y().unwrap()),
            }),
        }
    }

    /// Signs claims, with what the header shall say beside the algorithm.
    pub(crate) fn sign(&self, claims: &Json, kind: Option<&str>) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        header.typ = kind.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.secret).unwrap()
    }
}

struct Inner {
    keys: Vec<Json>,
    discovery: Json,
    /// How often the keys were read.
    key_reads: usize,
    token: Json,
    challenge: String,
    user_info: Json,
    refresh: Option<Json>,
}

/// The provider.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) issuer: String,
    pub(crate) key: Key,
    inner: Arc<Mutex<Inner>>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = Key::fresh("one", 7);
        let inner = Inner {
            keys: vec![key.public.clone()],
            discovery: json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/keys"),
                "userinfo_endpoint": format!("{issuer}/me"),
                "end_session_endpoint": format!("{issuer}/end"),
                "authorization_response_iss_parameter_supported": true,
                "code_challenge_methods_supported": ["S256"],
            }),
            key_reads: 0,
            token: Json::Null,
            challenge: String::new(),
            user_info: Json::Null,
            refresh: None,
        };
        let provider = Self {
            issuer,
            key,
            inner: Arc::new(Mutex::new(inner)),
        };
        let app = axum::Router::new()
            .route("/.well-known/openid-configuration", get(Self::discovery))
            .route(
                "/organizations/v2.0/.well-known/openid-configuration",
                get(Self::discovery),
            )
            .route("/keys", get(Self::keys))
            .route("/token", post(Self::token))
            .route("/me", get(Self::me))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        provider
    }

    async fn discovery(State(this): State<Self>) -> Body<Json> {
        Body(this.inner.lock().unwrap().discovery.clone())
    }

    async fn keys(State(this): State<Self>) -> Body<Json> {
        let mut inner = this.inner.lock().unwrap();
        inner.key_reads += 1;
        Body(json!({"keys": inner.keys}))
    }

    async fn token(
        State(this): State<Self>,
        headers: HeaderMap,
        Form(form): Form<BTreeMap<String, String>>,
    ) -> (StatusCode, Body<Json>) {
        let expected = format!("Basic {}", STANDARD.encode("hub:s3cret+%26+more"));
        let refused = |code: &str| (StatusCode::BAD_REQUEST, Body(json!({"error": code})));
        if headers["authorization"] != expected.as_str() {
            return refused("invalid_client");
        }
        let mut inner = this.inner.lock().unwrap();
        if form["grant_type"] == "refresh_token" {
            return match &inner.refresh {
                Some(answer) => (StatusCode::OK, Body(answer.clone())),
                None => refused("invalid_grant"),
            };
        }
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
        if form["code"] != "the-code" || challenge != inner.challenge {
            return refused("invalid_grant");
        }
        // Once.
        inner.challenge.clear();
        (StatusCode::OK, Body(inner.token.clone()))
    }

    async fn me(State(this): State<Self>) -> Body<Json> {
        Body(this.inner.lock().unwrap().user_info.clone())
    }

    pub(crate) fn describe(&self, change: impl FnOnce(&mut Json)) {
        change(&mut self.inner.lock().unwrap().discovery);
    }

    pub(crate) fn publish(&self, keys: &[&Key]) {
        self.inner.lock().unwrap().keys = keys.iter().map(|key| key.public.clone()).collect();
    }

    pub(crate) fn key_reads(&self) -> usize {
        self.inner.lock().unwrap().key_reads
    }

    pub(crate) fn say_of_user(&self, claims: Json) {
        self.inner.lock().unwrap().user_info = claims;
    }

    pub(crate) fn refresh_with(&self, answer: Option<Json>) {
        self.inner.lock().unwrap().refresh = answer;
    }

    /// The body that sets this provider up.
    pub(crate) fn body(&self) -> Json {
        json!({
            "name": "Company",
            "oidc": {"issuer": self.issuer, "client_id": "hub", "client_secret": SECRET},
            "provision": true,
            "default_role": "viewer",
            "role_rules": [{"value": "ops", "role": "operator"}],
            "ceiling": "operator",
        })
    }

    /// What it says of Ada.
    pub(crate) fn claims(&self, nonce: &str) -> Json {
        let now = engine::Clock::system().now().timestamp();
        json!({
            "iss": self.issuer, "aud": "hub", "sub": "ada-1", "nonce": nonce,
            "iat": now, "exp": now + 300, "email": "ada@one.example", "email_verified": true,
            "name": "Ada", "groups": ["ops"], "sid": "there-1",
        })
    }
}

/// A browser on its way through the provider.
pub(crate) struct Begun {
    pub(crate) client: Client,
    pub(crate) query: BTreeMap<String, String>,
    provider: Provider,
}

impl Begun {
    /// The browser that was sent to `url` by an answer.
    pub(crate) fn of(client: &Client, provider: &Provider, answer: &Answer) -> Self {
        let mut client = client.clone();
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        client.cookie = Some(match &client.cookie {
            Some(there) => format!("{there}; {cookie}"),
            None => cookie,
        });
        let url: Url = answer.body["url"].as_str().unwrap().parse().unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        provider.inner.lock().unwrap().challenge = query["code_challenge"].clone();
        Self {
            client,
            query,
            provider: provider.clone(),
        }
    }

    /// The provider will answer this token.
    pub(crate) fn answers(&self, token: String) {
        self.provider.inner.lock().unwrap().token =
            json!({"access_token": "at", "id_token": token, "refresh_token": "rt"});
    }

    /// The provider lets Ada in, with these changes of what it says.
    pub(crate) fn admits(&self, changes: Json) {
        let mut claims = self.provider.claims(&self.query["nonce"]);
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_name, value| !value.is_null());
        self.answers(self.provider.key.sign(&claims, None));
    }

    pub(crate) fn path(&self) -> String {
        let iss = url::form_urlencoded::byte_serialize(self.provider.issuer.as_bytes());
        let iss: String = iss.collect();
        format!(
            "/sso/callback?state={}&code=the-code&iss={iss}",
            self.query["state"]
        )
    }

    /// The browser comes back.
    pub(crate) async fn comes_back(&self) -> Answer {
        self.client.get(&self.path()).await
    }
}

/// The browser of a stranger, on its way.
pub(crate) async fn begin(world: &World, provider: &Provider, id: &str) -> Begun {
    let stranger = world.stranger();
    let answer = stranger
        .post(&format!("/sso/{id}/start"), &json!({"next": "/runs"}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    Begun::of(&stranger, provider, &answer)
}

/// Sets a provider up, tries it and enables it; answers its id.
pub(crate) async fn enabled(world: &World, provider: &Provider, body: &Json) -> String {
    let made = world
        .admin
        .post("/identity-providers", body)
        .await
        .expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    enable(world, provider, &id).await;
    id
}

/// Tries and enables a provider that is there.
pub(crate) async fn enable(world: &World, provider: &Provider, id: &str) {
    let path = format!("/identity-providers/{id}");
    let answer = world.admin.post(&format!("{path}/test"), &json!({})).await;
    let begun = Begun::of(&world.admin, provider, &answer);
    begun.admits(json!({}));
    let outcome = begun.comes_back().await.expect(200);
    assert_eq!(outcome["accepted"], true, "{outcome}");
    let etag = world.admin.get(&path).await.etag();
    let enable = format!("{path}/enable");
    let enabled = world
        .admin
        .send(axum::http::Method::POST, &enable, Some(&etag), None);
    enabled.await.expect(200);
}

/// The session that an answer opened.
pub(crate) fn session(world: &World, answer: &Answer) -> Client {
    assert_eq!(answer.status, 303, "{}", answer.body);
    let mut client = world.stranger();
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("syncline_session=") && cookie.contains("HttpOnly"),
        "{cookie}"
    );
    client.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    client
}

/// The newest refusal in the audit trail.
pub(crate) async fn last_refusal(world: &World) -> String {
    let trail = world
        .admin
        .get("/audit?action=refused:sso_sign_in")
        .await
        .expect(200);
    let entry = &trail["items"][0];
    entry["after"]["reason"]
        .as_str()
        .unwrap_or_else(|| panic!("{trail}"))
        .to_owned()
}
