//! Access and refresh tokens of programs.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::users::Role;
use engine::Clock;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value as Json, json};

use crate::world::{Answer, Client, PASSWORD, World};

const START: &str = "2026-11-20T08:00:00Z";

async fn bearer(world: &World, token: &str, path: &str) -> Answer {
    send(world, token, Method::GET, path, None).await
}

async fn send(
    world: &World,
    token: &str,
    method: Method,
    path: &str,
    body: Option<Json>,
) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    world.stranger().raw(request.body(body).unwrap()).await
}

async fn grant(client: &Client, permissions: &[&str]) -> (String, Json) {
    let body = json!({"name": "Warehouse", "permissions": permissions});
    let granted = client.post("/tokens", &body).await.expect(201);
    let id = granted["grant"]["id"].as_str().unwrap().to_owned();
    (id, granted["tokens"].clone())
}

fn text(pair: &Json, name: &str) -> String {
    pair[name].as_str().unwrap().to_owned()
}

async fn refresh(world: &World, token: &str) -> Answer {
    let body = json!({"refresh_token": token});
    world.stranger().post("/tokens/refresh", &body).await
}

#[tokio::test]
async fn an_access_token_may_what_its_grant_and_its_user_may_now_and_for_ten_minutes() {
    let clock = Clock::manual(START.parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let manager = world.user(world.tenant, "m@one.example", Role::Admin).await;
    let (_, pair) = grant(&manager, &["records.read", "records.write"]).await;
    let access = text(&pair, "access_token");
    bearer(&world, &access, "/accounts").await.expect(200);
    bearer(&world, &access, "/runs")
        .await
        .problem(403, "forbidden");
    // It is not a person: what is about oneself is not for it.
    for path in ["/factors", "/sessions", "/devices", "/passkeys"] {
        bearer(&world, &access, path)
            .await
            .problem(403, "forbidden");
    }
    let account = json!({"fields": {"name": "Acme"}});
    let write = send(
        &world,
        &access,
        Method::POST,
        "/accounts",
        Some(account.clone()),
    )
    .await;
    write.expect(201);
    // A change of role counts on the next request.
    let id = manager.get("/session").await.expect(200)["user"]["id"].clone();
    let path = format!("/users/{}", id.as_str().unwrap());
    let etag = world.admin.get(&path).await.etag();
    let viewer = json!({"role": "viewer"});
    world
        .admin
        .send(Method::PATCH, &path, Some(&etag), Some(&viewer))
        .await
        .expect(200);
    bearer(&world, &access, "/accounts").await.expect(200);
    send(&world, &access, Method::POST, "/accounts", Some(account))
        .await
        .problem(403, "forbidden");
    clock.advance(Duration::from_secs(599));
    bearer(&world, &access, "/accounts").await.expect(200);
    clock.advance(Duration::from_secs(1));
    bearer(&world, &access, "/accounts")
        .await
        .problem(401, "unauthenticated");
    // Nor does anything of a deactivated user.
    let pair = refresh(&world, &text(&pair, "refresh_token"))
        .await
        .expect(200);
    let gone = format!("{path}/deactivate");
    world.admin.post(&gone, &json!({})).await.expect(200);
    bearer(&world, &text(&pair, "access_token"), "/accounts")
        .await
        .problem(401, "unauthenticated");
    refresh(&world, &text(&pair, "refresh_token"))
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_its_grant() {
    let world = World::new().await;
    let (id, first) = grant(&world.admin, &["records.read"]).await;
    let stolen = text(&first, "refresh_token");
    let second = refresh(&world, &stolen).await.expect(200);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    bearer(&world, &text(&second, "access_token"), "/accounts")
        .await
        .expect(200);
    refresh(&world, &stolen)
        .await
        .problem(401, "unauthenticated");
    for pair in [&first, &second] {
        let access = text(pair, "access_token");
        bearer(&world, &access, "/accounts")
            .await
            .problem(401, "unauthenticated");
    }
    let next = text(&second, "refresh_token");
    refresh(&world, &next).await.problem(401, "unauthenticated");
    let grants = world.admin.get("/tokens").await.expect(200);
    assert_eq!(grants["items"][0]["id"], id);
    assert_eq!(grants["items"][0]["revoked_why"], "reused");
    let trail = world
        .admin
        .get("/audit?action=refused:refresh_tokens")
        .await
        .expect(200);
    assert_eq!(trail["items"][1]["after"]["why"], "reused");
    // The other grant of the same user goes on.
    let (_, other) = grant(&world.admin, &["records.read"]).await;
    bearer(&world, &text(&other, "access_token"), "/accounts")
        .await
        .expect(200);
}

#[tokio::test]
async fn of_two_refreshes_at_once_one_is_a_copy() {
    let world = World::new().await;
    let (_, pair) = grant(&world.admin, &["records.read"]).await;
    let token = text(&pair, "refresh_token");
    let (one, two) = tokio::join!(refresh(&world, &token), refresh(&world, &token));
    let mut both = [one.status, two.status];
    both.sort_unstable();
    assert_eq!(both, [200, 401]);
    let grants = world.admin.get("/tokens").await.expect(200);
    assert_eq!(grants["items"][0]["revoked_why"], "reused");
}

#[tokio::test]
async fn forged_tokens_are_strangers() {
    let world = World::new().await;
    let (_, pair) = grant(&world.admin, &["records.read"]).await;
    let access = text(&pair, "access_token");
    let parts: Vec<&str> = access.split('.').collect();
    let json_of = |part: &str| -> Json {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let (header, claims) = (json_of(parts[0]), json_of(parts[1]));
    assert_eq!(header["alg"], "HS256");
    let part = |value: &Json| URL_SAFE_NO_PAD.encode(value.to_string());
    let with = |value: &Json, name: &str, to: Json| {
        let mut value = value.clone();
        value[name] = to;
        value
    };
    let signed = |header: &Json, claims: &Json, key: &[u8]| {
        let mut made = Header::new(Algorithm::HS256);
        made.kid = header["kid"].as_str().map(str::to_owned);
        jsonwebtoken::encode(&made, claims, &EncodingKey::from_secret(key)).unwrap()
    };
    let (none, upper) = (
        with(&header, "alg", "none".into()),
        with(&header, "alg", "NONE".into()),
    );
    let rsa = with(&header, "alg", "RS256".into());
    let hs512 = with(&header, "alg", "HS512".into());
    let kid = header["kid"].as_str().unwrap();
    let far = with(&claims, "exp", 99_999_999_999_i64.into());
    let forged = [
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        // No signature, whatever the header says of it.
        format!("{}.{}.", part(&none), parts[1]),
        format!("{}.{}.", part(&upper), parts[1]),
        format!("{}.{}.{}", part(&none), parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        // Another algorithm with the same key and signature.
        format!("{}.{}.{}", part(&rsa), parts[1], parts[2]),
        format!("{}.{}.{}", part(&hs512), parts[1], parts[2]),
        // Claims that were not signed.
        format!("{}.{}.{}", parts[0], part(&far), parts[2]),
        // Signed with what an attacker knows.
        signed(&header, &claims, b""),
        signed(&header, &claims, kid.as_bytes()),
        signed(&json!({}), &claims, b"secret"),
        signed(&json!({"kid": "../../vault.key"}), &claims, b"secret"),
        signed(&json!({"kid": "' or 1=1 --"}), &claims, b"secret"),
        // A signature that is cut or longer.
        access[..access.len() - 2].to_owned(),
        format!("{access}AA"),
        format!("{access}.AA"),
        format!("{}.{}", parts[0], "x".repeat(5000)),
    ];
    for token in &forged {
        bearer(&world, token, "/accounts")
            .await
            .problem(401, "unauthenticated");
        world.forgive();
    }
    bearer(&world, &access, "/accounts").await.expect(200);
    // Neither is good in the other's place.
    let refresh_token = text(&pair, "refresh_token");
    bearer(&world, &refresh_token, "/accounts")
        .await
        .problem(401, "unauthenticated");
    refresh(&world, &access)
        .await
        .problem(401, "unauthenticated");
    let mut cookie = world.stranger();
    cookie.cookie = Some(format!("syncline_session={access}"));
    cookie
        .get("/accounts")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn refused_access_tokens_are_counted_and_noted_once_a_minute() {
    let clock = Clock::manual(START.parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let (id, pair) = grant(&world.admin, &["records.read"]).await;
    let access = text(&pair, "access_token");
    let refused = async || {
        bearer(&world, &access, "/accounts")
            .await
            .problem(401, "unauthenticated");
    };
    let noted = async || {
        let trail = world.admin.get("/audit?action=refused:access_token").await;
        trail.expect(200)["items"].as_array().unwrap().clone()
    };
    clock.advance(Duration::from_secs(600));
    for _ in 0..20 {
        refused().await;
    }
    let entries = noted().await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["after"]["why"], "expired");
    assert_eq!(entries[0]["subject_id"], id);
    assert!(!format!("{entries:?}").contains(&access));
    // In the next minute again, with the reason of then.
    let next = refresh(&world, &text(&pair, "refresh_token")).await;
    let next = text(&next.expect(200), "access_token");
    let path = format!("/tokens/{id}");
    world
        .admin
        .send(Method::DELETE, &path, None, None)
        .await
        .expect(204);
    clock.advance(Duration::from_secs(60));
    bearer(&world, &next, "/accounts")
        .await
        .problem(401, "unauthenticated");
    let entries = noted().await;
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[0]["after"]["why"], "ended");
    // The grant has its limit of calls still.
    let pool = world.db.pool().await.unwrap();
    sqlx::query("update rate_counts set calls = 600 where subject like 'grant/%'")
        .execute(&pool)
        .await
        .unwrap();
    bearer(&world, &next, "/accounts")
        .await
        .problem(429, "rate-limited");
    // What nobody here signed is a guess; who shows a right one is let in meanwhile.
    for _ in 0..8 {
        bearer(&world, "a.b.c", "/accounts")
            .await
            .problem(401, "unauthenticated");
    }
    let waiting = bearer(&world, "a.b.c", "/accounts").await;
    assert!(waiting.headers.contains_key("retry-after"));
    waiting.problem(429, "rate-limited");
    let (_, pair) = grant(&world.admin, &["records.read"]).await;
    bearer(&world, &text(&pair, "access_token"), "/accounts")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_token_of_one_tenant_shows_nothing_of_another_even_when_its_own_key_signs_it() {
    let world = World::new().await;
    let other = world.other_tenant().await;
    let (_, ours) = grant(&world.admin, &["records.read"]).await;
    let (theirs_id, theirs) = grant(&other, &["records.read", "keys.manage"]).await;
    world
        .admin
        .post("/accounts", &json!({"fields": {"name": "Ours"}}))
        .await
        .expect(201);
    let list = bearer(&world, &text(&theirs, "access_token"), "/accounts")
        .await
        .expect(200);
    assert_eq!(list["items"], json!([]));
    let path = format!("/tokens/{theirs_id}");
    world
        .admin
        .send(Method::DELETE, &path, None, None)
        .await
        .problem(404, "not-found");
    // The other tenant's claims under our key: the key signs for its own tenant only.
    let claims = |pair: &Json| -> Json {
        let token = text(pair, "access_token");
        let part = token.split('.').nth(1).unwrap().to_owned();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let mut mixed = claims(&theirs);
    let (ours, theirs) = (claims(&ours), claims(&theirs));
    assert_ne!(ours["tenant"], theirs["tenant"]);
    mixed["tenant"] = ours["tenant"].clone();
    let row: (sqlx::types::Uuid, Vec<u8>) =
        sqlx::query_as("select id, secret from token_keys where tenant_id = $1")
            .bind(world.tenant.0)
            .fetch_one(&world.db.pool().await.unwrap())
            .await
            .unwrap();
    let owner = format!("token-key/{}", row.0);
    let secret = world.vault.open(&owner, &row.1).unwrap();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(row.0.simple().to_string());
    let key = EncodingKey::from_secret(secrecy::ExposeSecret::expose_secret(&secret));
    let sign = |claims: &Json| jsonwebtoken::encode(&header, claims, &key).unwrap();
    bearer(&world, &sign(&ours), "/accounts").await.expect(200);
    bearer(&world, &sign(&theirs), "/accounts")
        .await
        .problem(401, "unauthenticated");
    bearer(&world, &sign(&mixed), "/accounts")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn what_an_earlier_key_signed_holds_until_it_expires() {
    let clock = Clock::manual(START.parse().unwrap());
    let world = World::with_clock(clock.clone()).await;
    let (_, pair) = grant(&world.admin, &["records.read"]).await;
    let first = text(&pair, "access_token");
    let keys = world
        .admin
        .post("/tokens/signing-keys", &json!({}))
        .await
        .expect(200);
    assert_eq!(keys["items"].as_array().unwrap().len(), 2);
    bearer(&world, &first, "/accounts").await.expect(200);
    clock.advance(Duration::from_secs(300));
    let next = refresh(&world, &text(&pair, "refresh_token"))
        .await
        .expect(200);
    let second = text(&next, "access_token");
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    assert_ne!(kid(&first), kid(&second));
    assert_eq!(kid(&second), keys["items"][0]["id"].as_str().unwrap());
    clock.advance(Duration::from_secs(301));
    bearer(&world, &first, "/accounts")
        .await
        .problem(401, "unauthenticated");
    bearer(&world, &second, "/accounts").await.expect(200);
    // A month later another key signs by itself.
    let body = json!({"name": "Long", "permissions": ["records.read"], "days": 60});
    let mut admin = world.stranger();
    admin
        .sign_in("admin@one.example", PASSWORD)
        .await
        .expect(200);
    let granted = admin.post("/tokens", &body).await.expect(201);
    clock.advance(Duration::from_secs(30 * 86_400));
    let token = text(&granted["tokens"], "refresh_token");
    let pair = refresh(&world, &token).await.expect(200);
    assert_ne!(kid(&text(&pair, "access_token")), kid(&second));
}

#[tokio::test]
async fn nobody_grants_more_than_they_have_and_bad_wishes_are_named() {
    let world = World::new().await;
    let post = async |body: Json| world.admin.post("/tokens", &body).await;
    post(json!({"name": "", "permissions": []}))
        .await
        .invalid("/name");
    post(json!({"name": "x", "permissions": ["nope"]}))
        .await
        .invalid("/permissions/0");
    post(json!({"name": "x", "permissions": [], "days": 0}))
        .await
        .invalid("/days");
    post(json!({"name": "x", "permissions": [], "days": 366}))
        .await
        .invalid("/days");
    let viewer = world
        .user(world.tenant, "v@one.example", Role::Viewer)
        .await;
    let body = json!({"name": "x", "permissions": ["records.write"]});
    viewer
        .post("/tokens", &body)
        .await
        .problem(403, "forbidden");
    let (id, pair) = grant(&world.admin, &["records.read"]).await;
    let path = format!("/tokens/{id}");
    viewer
        .send(Method::DELETE, &path, None, None)
        .await
        .problem(403, "forbidden");
    world
        .admin
        .send(Method::DELETE, &path, None, None)
        .await
        .expect(204);
    let access = text(&pair, "access_token");
    bearer(&world, &access, "/accounts")
        .await
        .problem(401, "unauthenticated");
}
