//! Every way in, and the ways to be refused.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use connector_salesforce::sim::{SimOptions, Simulator};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Answer, Org, encoded, text};

/// A key pair made for this test; it opens nothing.
const PRIVATE_KEY: &str = include_str!("../../fixtures/jwt_test_key.pem");
const PUBLIC_KEY: &str = include_str!("../../fixtures/jwt_test_key.pub.pem");

async fn token(org: &Org, host: &str, form: &[(&str, &str)]) -> Answer {
    let body: Vec<String> = form
        .iter()
        .map(|(key, value)| format!("{key}={}", encoded(value)))
        .collect();
    let headers = [
        ("host", host),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    org.send(
        "POST",
        "/services/oauth2/token",
        &headers[1..],
        body.join("&"),
    )
    .await
}

fn client(sim: &Simulator) -> (String, String) {
    (sim.client_id(), sim.client_secret())
}

#[tokio::test]
async fn client_credentials_give_a_session() {
    let org = Org::new();
    let (id, secret) = client(&org.sim);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &id),
        ("client_secret", &secret),
    ];
    let answer = token(&org, "org.example", &form).await;
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["instance_url"]),
        (200, &json!("http://org.example"))
    );
    assert!(body["issued_at"].is_string() && body["signature"].is_string());
    assert!(body.get("expires_in").is_none() && body.get("refresh_token").is_none());
    assert!(
        text(&body["id"]).ends_with(&org.sim.user_id()),
        "the identity URL is always there"
    );
    let org = Org {
        token: text(&body["access_token"]),
        ..org
    };
    assert_eq!(org.get("/limits").await.status, 200);

    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let answer = org
        .send(
            "POST",
            "/services/oauth2/token",
            &[("authorization", &basic)],
            "grant_type=client_credentials".to_owned(),
        )
        .await;
    assert_eq!(answer.status, 200);
    for (field, value, error) in [
        ("client_id", "nobody", "invalid_client_id"),
        ("client_secret", "wrong", "invalid_client"),
        ("grant_type", "magic", "unsupported_grant_type"),
    ] {
        let wrong = form.map(|(key, old)| {
            if key == field {
                (key, value)
            } else {
                (key, old)
            }
        });
        let answer = token(&org, "org.example", &wrong).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &json!(error))
        );
        assert!(answer.json()["error_description"].is_string());
    }
}

#[tokio::test]
async fn the_login_host_refuses_client_credentials() {
    let org = Org::with(SimOptions {
        login_hosts: vec!["org.example".to_owned()],
        ..SimOptions::default()
    });
    let (id, secret) = client(&org.sim);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &id),
        ("client_secret", &secret),
    ];
    let answer = token(&org, "org.example", &form).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (400, &json!("invalid_grant"))
    );
}

/// Walks through the authorize page; the code.
async fn code(org: &Org, extra: &str) -> String {
    let id = encoded(&org.sim.client_id());
    let path = format!(
        "/services/oauth2/authorize?response_type=code&client_id={id}&state=s%201\
         &redirect_uri=http%3A%2F%2Fhub.example%2Fback&auto=1{extra}"
    );
    let answer = org.send("GET", &path, &[], String::new()).await;
    assert_eq!(answer.status, 302, "{}", answer.text);
    let location =
        url::Url::parse(answer.header("location").expect("a redirect")).expect("an address");
    assert_eq!(location.host_str(), Some("hub.example"));
    let of = |name: &str| {
        location
            .query_pairs()
            .find(|(key, _)| key == name)
            .expect("the answer has the field")
            .1
            .into_owned()
    };
    assert_eq!(of("state"), "s 1");
    of("code")
}

#[tokio::test]
async fn a_code_is_redeemed_once_with_its_verifier() {
    let org = Org::new();
    let (id, secret) = client(&org.sim);
    let verifier = "v".repeat(64);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let pkce = format!("&code_challenge={challenge}&code_challenge_method=S256");
    let form = |code: &str, verifier: &str| {
        [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("client_id", id.clone()),
            ("client_secret", secret.clone()),
            ("redirect_uri", "http://hub.example/back".to_owned()),
            ("code_verifier", verifier.to_owned()),
        ]
    };
    let send = async |form: [(&'static str, String); 6]| {
        let form = form.each_ref().map(|(key, value)| (*key, value.as_str()));
        token(&org, "org.example", &form).await
    };
    let first = code(&org, &pkce).await;
    let answer = send(form(&first, &verifier)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.json()["refresh_token"].is_string());
    assert_eq!(
        send(form(&first, &verifier)).await.json()["error"],
        "invalid_grant",
        "used"
    );
    let second = code(&org, &pkce).await;
    assert_eq!(
        send(form(&second, "wrong")).await.json()["error"],
        "invalid_grant"
    );
    // Without `auto` a person is asked.
    let path = format!(
        "/services/oauth2/authorize?response_type=code&client_id={}&redirect_uri=http%3A%2F%2Fh",
        encoded(&id)
    );
    let page = org.send("GET", &path, &[], String::new()).await;
    assert!(
        page.status == 200 && page.text.contains("<form method=\"post\""),
        "{}",
        page.text
    );
    let body = format!("{}&decision=deny", path.split_once('?').unwrap().1);
    let denied = org
        .send("POST", "/services/oauth2/authorize", &[], body)
        .await;
    assert!(
        denied
            .header("location")
            .unwrap()
            .contains("error=access_denied")
    );
}

#[tokio::test]
async fn reuse_of_a_rotated_refresh_token_revokes_the_family() {
    let org = Org::with(SimOptions {
        rotate_refresh_tokens: true,
        ..SimOptions::default()
    });
    let (id, secret) = client(&org.sim);
    let code = code(&org, "").await;
    let first = token(
        &org,
        "org.example",
        &[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("client_id", &id),
            ("client_secret", &secret),
            ("redirect_uri", "http://hub.example/back"),
        ],
    )
    .await
    .json();
    let refresh = async |refresh_token: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("client_id", &id),
        ];
        token(&org, "org.example", &form).await
    };
    let old = text(&first["refresh_token"]);
    let second = refresh(&old).await.json();
    let new = text(&second["refresh_token"]);
    assert!(!new.is_empty() && new != old);
    let session = Org {
        sim: org.sim.clone(),
        token: text(&second["access_token"]),
    };
    assert_eq!(session.get("/limits").await.status, 200);
    let reused = refresh(&old).await;
    let expected =
        json!({"error": "invalid_grant", "error_description": "expired access/refresh token"});
    assert_eq!((reused.status, reused.json()), (400, expected));
    assert_eq!(refresh(&new).await.status, 400, "the whole chain is dead");
    assert_eq!(session.get("/limits").await.status, 401);
}

#[tokio::test]
async fn a_signed_assertion_logs_a_registered_user_in() {
    let org = Org::new();
    let user = org.sim.username();
    let id = org.sim.client_id();
    let assertion = |aud: &str, exp: i64| {
        let claims = json!({"iss": id, "sub": user, "aud": aud, "exp": exp});
        let key = EncodingKey::from_rsa_pem(PRIVATE_KEY.as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
    };
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let send = async |assertion: String| {
        token(
            &org,
            "org.example",
            &[("grant_type", grant), ("assertion", &assertion)],
        )
        .await
    };
    let soon = org.sim.clock.now().timestamp() + 170;
    let good = assertion("https://login.salesforce.com", soon);
    let refused = send(good.clone()).await.json();
    assert_eq!(
        refused["error_description"],
        "user hasn't approved this consumer"
    );
    org.sim.register_jwt_key(&user, PUBLIC_KEY);
    let answer = send(good.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert!(body.get("issued_at").is_none() && body.get("refresh_token").is_none());
    assert_eq!(
        send(assertion("http://org.example", soon)).await.status,
        200
    );
    let elsewhere = send(assertion("https://example.com", soon)).await.json();
    assert_eq!(elsewhere["error_description"], "Audience validation failed");
    assert_eq!(
        send(assertion("http://org.example", soon - 600))
            .await
            .status,
        400
    );
    let (head, _) = good.rsplit_once('.').unwrap();
    assert_eq!(
        send(format!("{head}.AAAA")).await.json()["error"],
        "invalid_grant"
    );
    assert_eq!(send("nonsense".to_owned()).await.status, 400);
}

#[tokio::test]
async fn older_ways_in_still_work() {
    let org = Org::new();
    let (id, secret) = client(&org.sim);
    let (user, password) = (org.sim.username(), org.sim.password());
    let mut form = [
        ("grant_type", "password"),
        ("client_id", &id),
        ("client_secret", &secret),
        ("username", &user),
        ("password", &password),
    ];
    assert_eq!(token(&org, "org.example", &form).await.status, 200);
    form[4].1 = "wrong";
    assert_eq!(
        token(&org, "org.example", &form).await.json()["error"],
        "invalid_grant"
    );

    let soap = |password: &str| {
        format!(
            "<e><b><n1:login><n1:username>{user}</n1:username><n1:password>{password}</n1:password></n1:login></b></e>"
        )
    };
    let answer = org
        .send("POST", "/services/Soap/u/62.0", &[], soap(&password))
        .await;
    assert!(
        answer.status == 200 && answer.text.contains("<sessionId>"),
        "{}",
        answer.text
    );
    let answer = org
        .send("POST", "/services/Soap/u/62.0", &[], soap("wrong"))
        .await;
    assert!(answer.status == 500 && answer.text.contains("<sf:exceptionCode>INVALID_LOGIN<"));
    let answer = org
        .send("POST", "/services/Soap/u/65.0", &[], soap(&password))
        .await;
    assert_eq!(answer.status, 500, "gone from 65.0 on");
}

#[tokio::test]
async fn a_session_ends_by_revoking_and_by_age() {
    let org = Org::new();
    let bearer = format!("Bearer {}", org.token);
    let headers = [("authorization", bearer.as_str())];
    let who = org
        .send("GET", "/services/oauth2/userinfo", &headers, String::new())
        .await;
    assert_eq!(who.json()["user_id"], org.sim.user_id());
    let form = format!("token={}", encoded(&org.token));
    let revoked = org.send("POST", "/services/oauth2/revoke", &[], form).await;
    assert_eq!(revoked.status, 200);
    let answer = org.get("/limits").await;
    let body: Json =
        json!([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]);
    assert_eq!((answer.status, answer.json()), (401, body));
    let org = Org {
        token: org.sim.access_token(),
        ..org
    };
    assert_eq!(org.get("/limits").await.status, 200);
    org.sim.clock.advance(chrono::Duration::hours(3));
    assert_eq!(org.get("/limits").await.status, 401);
}
