//! Which tenant a request is for: by domain, header and session. Nobody says it for somebody else.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use serde_json::{Value as Json, json};
use tokio::net::UdpSocket;

use crate::world::{Answer, Client, PASSWORD, World};

fn records() -> &'static Mutex<HashMap<String, String>> {
    static RECORDS: OnceLock<Mutex<HashMap<String, String>>> = OnceLock::new();
    RECORDS.get_or_init(Mutex::default)
}

/// A name server that knows what tests have written.
pub(crate) async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            socket
                .send_to(&answer(&bytes[..length]), from)
                .await
                .unwrap();
        }
    });
    address
}

fn answer(question: &[u8]) -> Vec<u8> {
    let mut at = 12;
    let mut labels = Vec::new();
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8(question[at + 1..at + 1 + length].to_vec()).unwrap());
        at += 1 + length;
    }
    let found = records().lock().unwrap().get(&labels.join(".")).cloned();
    let mut answer = question.to_vec();
    answer[2..4].copy_from_slice(&if found.is_some() {
        [0x81, 0x80]
    } else {
        [0x81, 0x83]
    });
    if let Some(text) = found {
        answer[7] = 1;
        answer.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
        answer.extend_from_slice(&u16::try_from(text.len() + 1).unwrap().to_be_bytes());
        answer.push(u8::try_from(text.len()).unwrap());
        answer.extend_from_slice(text.as_bytes());
    }
    answer
}

/// Makes a domain of the caller's tenant, shown to be theirs.
pub(crate) async fn domain(admin: &Client, host: &str) -> Json {
    let made = admin
        .post("/domains", &json!({"host": host}))
        .await
        .expect(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    records()
        .lock()
        .unwrap()
        .insert(text("record_name"), text("record_text"));
    let path = format!("/domains/{}/verify", text("id"));
    admin.post(&path, &json!({})).await.expect(200)
}

/// A request to a host, with further headers.
pub(crate) async fn ask(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Json>,
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 4000))));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = request.header("content-type", "application/json");
    client.raw(request.body(body).unwrap()).await
}

async fn get(client: &Client, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(client, Method::GET, path, headers, None).await
}

#[tokio::test]
async fn a_domain_leads_to_its_tenant_once_it_is_shown_to_be_theirs() {
    let world = World::new().await;
    let other = world.other_tenant().await;
    let made = world
        .admin
        .post("/domains", &json!({"host": "Portal.One-A.example"}))
        .await;
    let made = made.expect(201);
    assert_eq!(made["host"], "portal.one-a.example");
    assert_eq!(made["verified_at"], Json::Null);
    let host = [("host", "portal.one-a.example")];
    // Asked for by both; neither has shown anything.
    other
        .post("/domains", &json!({"host": "portal.one-a.example"}))
        .await
        .expect(201);
    get(&world.stranger(), "/sign-in-options", &host)
        .await
        .problem(404, "not-found");
    let path = format!("/domains/{}/verify", made["id"].as_str().unwrap());
    let refused = world
        .admin
        .post(&path, &json!({}))
        .await
        .problem(409, "conflict");
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("_syncline.portal.one-a.example")
    );

    domain(&world.admin, "www.one-a.example").await;
    let host = [("host", "www.one-a.example:8443")];
    let options = get(&world.stranger(), "/sign-in-options", &host)
        .await
        .expect(200);
    assert_eq!(options["password"], true);
    // A session of another tenant opens nothing there, and a password neither.
    get(&world.admin, "/session", &host).await.expect(200);
    get(&other, "/session", &host)
        .await
        .problem(401, "unauthenticated");
    let sign_in = json!({"email": "admin@two.example", "password": PASSWORD});
    let stranger = world.stranger();
    let theirs = ask(&stranger, Method::POST, "/session", &host, Some(&sign_in)).await;
    theirs.problem(401, "unauthenticated");
    let sign_in = json!({"email": "admin@one.example", "password": PASSWORD});
    ask(&stranger, Method::POST, "/session", &host, Some(&sign_in))
        .await
        .expect(200);

    // Nobody else gets it, nor what looks like it.
    for taken in [
        "www.one-a.example",
        "WWW.one-a.example.",
        "www.0ne-a.example",
    ] {
        let answer = other.post("/domains", &json!({"host": taken})).await;
        answer.problem(409, "conflict");
    }
    let list = world.admin.get("/domains").await.expect(200);
    let id = list["items"][1]["id"].as_str().unwrap().to_owned();
    let path = format!("/domains/{id}");
    world
        .admin
        .send(Method::DELETE, &path, None, None)
        .await
        .expect(204);
    get(&world.stranger(), "/sign-in-options", &host)
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_name_in_disguise_is_refused() {
    let world = World::new().await;
    let other = world.other_tenant().await;
    domain(&world.admin, "corpl.example").await;
    let ask = async |host: &str| other.post("/domains", &json!({"host": host})).await;
    // With the digit one in place of the letter.
    ask("corp1.example").await.problem(409, "conflict");
    for bad in [
        "pаypal.example",
        "xn--pypal-4ve.example",
        "аррӏе.example",
        "127.0.0.1",
        "localhost",
        "hub.example",
        "a b.example",
        "https://a.example",
        "",
    ] {
        ask(bad).await.invalid("/host");
    }
    let made = ask("BÜCHER.example").await.expect(201);
    assert_eq!(made["host"], "xn--bcher-kva.example");
    assert_eq!(made["shown"], "bücher.example");
}

#[tokio::test]
async fn only_a_trusted_proxy_says_the_host_and_the_address() {
    let world = World::new().await;
    domain(&world.admin, "www.one-b.example").await;
    let stranger = world.stranger();
    let spoofed = [
        ("host", "hub.example"),
        ("x-forwarded-host", "www.one-b.example"),
    ];
    get(&stranger, "/sign-in-options", &spoofed)
        .await
        .problem(403, "forbidden");
    let spoofed = [
        ("host", "hub.example"),
        ("forwarded", "host=www.one-b.example"),
    ];
    get(&stranger, "/sign-in-options", &spoofed)
        .await
        .problem(403, "forbidden");
    // What says the same does no harm.
    let same = [
        ("host", "www.one-b.example"),
        ("x-forwarded-host", "www.one-b.example"),
    ];
    get(&stranger, "/sign-in-options", &same).await.expect(200);
    for bad in [
        "evil.example",
        "www.one-b.example@evil.example",
        "a/b",
        "www.one-b.example#",
    ] {
        get(&stranger, "/sign-in-options", &[("host", bad)])
            .await
            .problem(404, "not-found");
    }
    let two = [("host", "hub.example"), ("host", "www.one-b.example")];
    get(&stranger, "/sign-in-options", &two)
        .await
        .problem(404, "not-found");

    let by_proxy = |headers: &[(&str, &str)]| {
        let mut request = Request::builder()
            .uri("/api/v1/sessions")
            .extension(ConnectInfo(SocketAddr::from(([10, 9, 0, 1], 4000))));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    };
    let forwarded = [
        ("host", "inside:8080"),
        ("x-forwarded-host", "www.one-b.example"),
    ];
    world.admin.raw(by_proxy(&forwarded)).await.expect(200);
    let elsewhere = [
        ("host", "inside:8080"),
        ("x-forwarded-host", "evil.example"),
    ];
    world
        .admin
        .raw(by_proxy(&elsewhere))
        .await
        .problem(404, "not-found");

    // The address that is noted and counted is the caller's, not the proxy's.
    let sign_in = json!({"email": "admin@one.example", "password": PASSWORD});
    let request = |peer: [u8; 4]| {
        Request::builder()
            .method(Method::POST)
            .uri("/api/v1/session")
            .header("host", "hub.example")
            .header("content-type", "application/json")
            .header("x-forwarded-for", "198.51.100.9, 203.0.113.5, 10.9.3.3")
            .extension(ConnectInfo(SocketAddr::from((peer, 4000))))
            .body(Body::from(sign_in.to_string()))
            .unwrap()
    };
    stranger.raw(request([10, 9, 0, 1])).await.expect(200);
    stranger.raw(request([192, 0, 2, 7])).await.expect(200);
    let sessions = world.admin.get("/sessions").await.expect(200);
    let noted: Vec<_> = sessions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["address"])
        .collect();
    assert!(noted.contains(&&json!("203.0.113.5")), "{noted:?}");
    assert!(noted.contains(&&json!("192.0.2.7")), "{noted:?}");
}

#[tokio::test]
async fn only_over_https_by_a_trusted_proxys_word_are_cookies_secure_and_browsers_told_to_stay() {
    let world = World::new().await;
    let sign_in = json!({"email": "admin@one.example", "password": PASSWORD});
    let trusted = [10, 9, 0, 1];
    for (peer, said, is_https) in [
        (trusted, Some(("x-forwarded-proto", "https")), true),
        (trusted, Some(("x-forwarded-proto", "http, HTTPS")), true),
        (
            trusted,
            Some(("forwarded", "for=192.0.2.1;proto=https")),
            true,
        ),
        (trusted, Some(("x-forwarded-proto", "https, http")), false),
        (trusted, None, false),
        ([192, 0, 2, 7], Some(("x-forwarded-proto", "https")), false),
    ] {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/api/v1/session")
            .header("host", "hub.example")
            .header("content-type", "application/json")
            .extension(ConnectInfo(SocketAddr::from((peer, 4000))));
        if let Some((name, value)) = said {
            request = request.header(name, value);
        }
        let body = Body::from(sign_in.to_string());
        let answer = world.stranger().raw(request.body(body).unwrap()).await;
        assert_eq!(answer.status, 200);
        let told = answer.headers.contains_key("strict-transport-security");
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        assert_eq!(
            (told, cookie.ends_with("; Secure")),
            (is_https, is_https),
            "{peer:?} {said:?}"
        );
    }
}

#[tokio::test]
async fn the_header_names_the_tenant_and_contradicts_nobody() {
    let world = World::new().await;
    let other = world.other_tenant().await;
    let stranger = world.stranger();
    // Of several tenants none is meant.
    stranger
        .get("/sign-in-options")
        .await
        .problem(404, "not-found");
    let (one, two) = (
        world.tenant.to_string(),
        other.get("/session").await.body["tenant"]["id"].clone(),
    );
    let two = two.as_str().unwrap();
    let named = async |client: &Client, tenant: &str, path: &str| {
        get(client, path, &[("x-syncline-tenant", tenant)]).await
    };
    named(&stranger, &one, "/sign-in-options").await.expect(200);
    for bad in ["", "one", "tnt_1", "tnt_00000000000000000000000000000000"] {
        named(&stranger, bad, "/sign-in-options")
            .await
            .problem(404, "not-found");
    }
    named(&world.admin, &one, "/session").await.expect(200);
    named(&world.admin, two, "/session")
        .await
        .problem(401, "unauthenticated");
    domain(&world.admin, "www.one-c.example").await;
    let both = [("host", "www.one-c.example"), ("x-syncline-tenant", two)];
    get(&stranger, "/sign-in-options", &both)
        .await
        .problem(404, "not-found");
}
