//! A hub that ends TLS itself: what it shows, what it refuses, and how it takes another certificate.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where what it builds on is not there"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the hub is asked from outside, over TLS of its own"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::tenants::NewTenant;
use engine::vault::Vault;
use hub::{AdminWish, Hub, HubOptions, TlsFiles};
use reqwest::{Certificate, Client, Version};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use testdb::TestDb;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const PASSWORD: &str = "a long enough passphrase 7";

struct World {
    _db: TestDb,
    dir: TempDir,
    hub: Hub,
    files: TlsFiles,
    shown: rcgen::Certificate,
}

/// Puts a fresh certificate and its key there.
fn replace(files: &TlsFiles) -> rcgen::Certificate {
    let made = rcgen::generate_simple_self_signed(["hub.example".to_owned()]).unwrap();
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    made.cert
}

fn options(url: String, tls: TlsFiles) -> HubOptions {
    HubOptions {
        database_url: url.into(),
        vault: Vault::new(&Vault::fresh_key().unwrap()).unwrap(),
        listen: Some("127.0.0.1:0".parse().unwrap()),
        workers: 0,
        migrate: true,
        admin: Some(AdminWish {
            email: "admin@one.example".to_owned(),
            password: Some(PASSWORD.into()),
            tenant: NewTenant {
                name: "One".to_owned(),
                environment: "test".to_owned(),
            },
        }),
        https: false,
        tls: Some(tls),
        public_url: Some("https://hub.example".to_owned()),
        mail: None,
        trusted_proxies: Vec::new(),
        private_providers: false,
        public_systems: false,
        passkey_domain: None,
        messages: None,
    }
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: dir.path().join("hub.pem"),
            key: dir.path().join("hub.key"),
        };
        let shown = replace(&files);
        let db = TestDb::new().await.unwrap();
        let hub = Hub::start(options(db.url(), files.clone())).await.unwrap();
        Self {
            _db: db,
            dir,
            hub,
            files,
            shown,
        }
    }

    fn address(&self) -> SocketAddr {
        self.hub.addr.unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://hub.example:{}{path}", self.address().port())
    }

    /// Somebody who trusts this certificate and no other.
    fn client(&self, trusted: &rcgen::Certificate) -> Client {
        let trusted = Certificate::from_der(trusted.der()).unwrap();
        Client::builder()
            .tls_certs_only([trusted])
            .resolve("hub.example", self.address())
            .build()
            .unwrap()
    }

    /// Waits until a hub with another certificate is seen by a newcomer.
    async fn shows(&self, trusted: &rcgen::Certificate) {
        let asked = async {
            while self
                .client(trusted)
                .get(self.url("/health"))
                .send()
                .await
                .is_err()
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(30), asked).await;
        seen.expect("the certificate is shown");
    }
}

/// What a handshake with these versions and protocols agrees on.
async fn handshake(
    world: &World,
    versions: &[&'static rustls::SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> std::io::Result<(rustls::ProtocolVersion, Option<Vec<u8>>)> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(world.shown.der().to_vec()))
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let tcp = TcpStream::connect(world.address()).await?;
    let name = ServerName::try_from("hub.example").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?;
    let connection = stream.get_ref().1;
    let agreed = connection.protocol_version().unwrap();
    Ok((agreed, connection.alpn_protocol().map(<[u8]>::to_vec)))
}

#[tokio::test]
async fn browsers_speak_http_2_or_1_over_tls_and_are_told_to_stay_there() {
    let world = World::new().await;
    assert!(world.hub.url().unwrap().starts_with("https://"));
    let client = world.client(&world.shown);
    let answer = client.get(world.url("/health")).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (200, Version::HTTP_2)
    );
    let told = &answer.headers()["strict-transport-security"];
    assert_eq!(told, "max-age=31536000");
    // A page's own request, by the host of the first line.
    let session = client
        .post(world.url("/api/v1/session"))
        .header("origin", world.url(""))
        .json(&json!({"email": "admin@one.example", "password": PASSWORD}))
        .send()
        .await
        .unwrap();
    assert_eq!(session.status(), 200);
    let cookie = session.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.ends_with("; Secure") && cookie.contains("HttpOnly"),
        "{cookie}"
    );
    for (versions, protocols, expected) in [
        (
            &[&rustls::version::TLS13],
            &[b"http/1.1".as_slice()],
            &b"http/1.1"[..],
        ),
        (&[&rustls::version::TLS12], &[b"h2".as_slice()], &b"h2"[..]),
    ] {
        let (version, protocol) = handshake(&world, versions, protocols).await.unwrap();
        assert_eq!(
            (version, protocol.as_deref()),
            (versions[0].version, Some(expected))
        );
    }
    let (_version, none) = handshake(&world, &[&rustls::version::TLS13], &[])
        .await
        .unwrap();
    assert_eq!(none, None);
    assert!(
        handshake(&world, &[&rustls::version::TLS13], &[b"gopher"])
            .await
            .is_err()
    );
    // Whoever speaks http is not answered.
    let plain = Client::builder().build().unwrap();
    let plain = plain.get(format!("http://{}/health", world.address()));
    assert!(plain.send().await.is_err());
    world.hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn another_certificate_is_shown_without_a_restart_and_a_bad_one_is_not() {
    let world = World::new().await;
    // A connection that stays: it is used again below.
    let early = world.client(&world.shown);
    let health = world.url("/health");
    let ask = async |client: &Client| client.get(&health).send().await;
    ask(&early).await.unwrap();

    // A certificate without its key: the old one stays.
    let other = rcgen::generate_simple_self_signed(["hub.example".to_owned()]).unwrap();
    std::fs::write(&world.files.certificate, other.cert.pem()).unwrap();
    let next = world.dir.path().join("next.key");
    std::fs::write(&next, other.signing_key.serialize_pem()).unwrap();
    world.shows(&world.shown).await;
    // With it, the new one is shown; who was connected before does not notice.
    std::fs::rename(&next, &world.files.key).unwrap();
    world.shows(&other.cert).await;
    assert!(ask(&world.client(&world.shown)).await.is_err());
    ask(&early).await.unwrap();
    world.hub.shutdown().await.unwrap();
    assert!(ask(&early).await.is_err());
}

#[tokio::test]
async fn silent_callers_keep_nobody_waiting_and_a_stop_ends_them() {
    let world = World::new().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(world.address()).await.unwrap());
    }
    let client = world.client(&world.shown);
    let answer = client.get(world.url("/health")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let stopping = std::time::Instant::now();
    world.hub.shutdown().await.unwrap();
    assert!(stopping.elapsed() < Duration::from_secs(8));
    for stream in silent {
        let mut stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        let read = std::io::Read::read(&mut stream, &mut [0; 8]);
        assert!(!matches!(read, Ok(1..)));
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_said_before_anything_else_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let files = TlsFiles {
        certificate: dir.path().join("hub.pem"),
        key: dir.path().join("hub.key"),
    };
    let nowhere = "postgres://nobody@127.0.0.1:1/none".to_owned();
    let refusal = async || match Hub::start(options(nowhere.clone(), files.clone())).await {
        Ok(_hub) => panic!("should not start"),
        Err(error) => format!("{error:#}"),
    };
    let said = refusal().await;
    assert!(said.contains("cannot read the TLS certificate"), "{said}");
    assert!(said.contains("hub.pem"), "{said}");
    replace(&files);
    std::fs::write(&files.key, "").unwrap();
    let said = refusal().await;
    assert!(said.contains("hub.key holds no PEM private key"), "{said}");
}
