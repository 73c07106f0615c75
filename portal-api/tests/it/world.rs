//! A world for each test: a database, a portal on it, tenants with users, a simulated Salesforce.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use connector_salesforce::sim::SimOptions;
use domain::factors::Factors;
use domain::factors::passkeys::RelyingParty;
use domain::factors::sms::SmsSender;
use domain::mails::Outbox;
use domain::tenants::{self, NewTenant};
use domain::users::{self, NewUser, Passwords, Role};
use engine::ids::TenantId;
use engine::peers::Peers;
use engine::sdk::{Http, HttpOptions};
use engine::vault::Vault;
use engine::{Clock, Engine, Store};
use identity::dns::Resolver;
use identity::oidc::Oidc;
use identity::saml::Saml;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use portal_api::{Portal, PortalParts, Providers};
use serde_json::{Value as Json, json};
use testdb::TestDb;
use testkit::Salesforce;
use tower::ServiceExt as _;

/// Where browsers reach the hub: they make passkeys on encrypted pages only.
pub(crate) const ORIGIN: &str = "https://hub.example";
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) peers: Peers,
    pub(crate) router: axum::Router,
    portal: Portal,
    pub(crate) passwords: Passwords,
    pub(crate) admin: Client,
    mail: Option<(String, Outbox)>,
    pub(crate) vault: Vault,
    pub(crate) db: TestDb,
}

fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
        .clone()
}

/// The mappings that are shipped with the hub.
fn shipped() -> domain::mappings::Shipped {
    domain::mappings::Shipped::of(
        [
            include_str!("../../../mappings/salesforce/account.toml"),
            include_str!("../../../mappings/salesforce/contact.toml"),
        ]
        .map(str::to_owned),
    )
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_clock(Clock::system()).await
    }

    pub(crate) async fn with_clock(clock: Clock) -> Self {
        Self::with(clock, None, None, None).await
    }

    /// A hub that sends mail through this server.
    pub(crate) async fn with_mail(server: String) -> Self {
        Self::with(Clock::system(), Some(server), None, None).await
    }

    /// A hub that sends messages.
    pub(crate) async fn with_sms(clock: Clock, sms: Arc<dyn SmsSender>) -> Self {
        Self::with(clock, None, Some(sms), None).await
    }

    /// A hub that speaks SAML, of a plain kind.
    pub(crate) async fn with_saml(clock: Clock) -> Self {
        let saml = Arc::new(crate::saml_provider::Plain::default());
        Self::with(clock, None, None, Some(saml)).await
    }

    async fn with(
        clock: Clock,
        mail_server: Option<String>,
        sms: Option<Arc<dyn SmsSender>>,
        saml: Option<Arc<dyn Saml>>,
    ) -> Self {
        let db = TestDb::new().await.unwrap();
        let store = db.store(clock.clone()).await.unwrap();
        let vault = Vault::new(&Vault::fresh_key().unwrap()).unwrap();
        let http = Http::new(&HttpOptions::default(), move || clock.system_time()).unwrap();
        let registry = connector_registry::all().two_way::<crate::odd::Odd>();
        let outbox = Outbox::new(vault.clone());
        let providers = Providers {
            oidc: Oidc::new(http.clone(), true),
            saml,
            resolver: Resolver::at(vec![crate::domains::name_server().await]),
            plain: true,
        };
        let peers = Peers::new(registry, http, store.clone(), vault.clone());
        let passwords = Passwords::new().unwrap();
        let portal = Portal::new(PortalParts {
            store: store.clone(),
            peers: peers.clone(),
            tables: domain::core_tables(),
            shipped: shipped(),
            passwords: passwords.clone(),
            metrics: metrics(),
            https: false,
            tls: false,
            public_url: "http://hub.example".to_owned(),
            outbox: mail_server.is_some().then(|| outbox.clone()),
            providers,
            trusted_proxies: vec!["10.9.0.0/16".parse().unwrap()],
            only_known_hosts: true,
            factors: Factors {
                vault: vault.clone(),
                passkeys: Some(RelyingParty::new(ORIGIN, None).unwrap()),
                sms,
            },
        });
        let router = portal_api::router(portal.clone());
        let mut tx = store.begin_system().await.unwrap();
        let new = NewTenant {
            name: "One".to_owned(),
            environment: "test".to_owned(),
        };
        let tenant = tenants::insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        let admin = Client {
            router: router.clone(),
            cookie: None,
        };
        let mut world = Self {
            store,
            tenant,
            peers,
            router,
            portal,
            passwords,
            admin,
            mail: mail_server.map(|server| (server, outbox)),
            vault,
            db,
        };
        world.admin = world.user(tenant, "admin@one.example", Role::Admin).await;
        world
    }

    /// Makes a user and signs in.
    pub(crate) async fn user(&self, tenant: TenantId, email: &str, role: Role) -> Client {
        self.make_user(tenant, email, role, false).await;
        let mut client = self.stranger();
        client.sign_in(email, PASSWORD).await.expect(200);
        client
    }

    pub(crate) async fn make_user(
        &self,
        tenant: TenantId,
        email: &str,
        role: Role,
        must_change_password: bool,
    ) {
        let password_hash = self.passwords.hash(PASSWORD.into()).await.unwrap();
        let new = NewUser {
            tenant,
            email: email.to_owned(),
            name: email.split('@').next().unwrap().to_owned(),
            role,
            password_hash,
            must_change_password,
        };
        let mut tx = self.store.begin_system().await.unwrap();
        users::insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Forgets who has failed to sign in from where.
    pub(crate) fn forgive(&self) {
        self.portal.forget_failures();
    }

    /// An admin of another tenant.
    pub(crate) async fn other_tenant(&self) -> Client {
        let mut tx = self.store.begin_system().await.unwrap();
        let new = NewTenant {
            name: "Two".to_owned(),
            environment: "test".to_owned(),
        };
        let tenant = tenants::insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        self.user(tenant, "admin@two.example", Role::Admin).await
    }

    pub(crate) fn stranger(&self) -> Client {
        Client {
            router: self.router.clone(),
            cookie: None,
        }
    }

    /// Connects a simulated Salesforce with some accounts and contacts, both streams set up.
    pub(crate) async fn connected(&self) -> Connected {
        self.connected_to(SimOptions::default(), 12, 20).await
    }

    /// As [`World::connected`], to an organisation of another kind and size.
    pub(crate) async fn connected_to(
        &self,
        options: SimOptions,
        accounts: usize,
        contacts: usize,
    ) -> Connected {
        self.connected_as("Salesforce", options, accounts, contacts)
            .await
    }

    /// As [`World::connected_to`], by another name.
    pub(crate) async fn connected_as(
        &self,
        name: &str,
        options: SimOptions,
        accounts: usize,
        contacts: usize,
    ) -> Connected {
        let salesforce = Salesforce::start(options).await.unwrap();
        salesforce.sim.seed_accounts(accounts);
        salesforce.sim.seed_contacts(contacts);
        let mut config = salesforce.config();
        config["external_id_field"] = Json::Null;
        let body = json!({"system": "salesforce", "name": name, "config": config});
        let connection = self.admin.post("/connections", &body).await.expect(201);
        let id = connection["id"].as_str().unwrap().to_owned();
        for (stream, entity) in [("Account", "account"), ("Contact", "contact")] {
            let path = format!("/connections/{id}/streams/{stream}");
            let body = json!({"enabled": true, "entity": entity});
            self.admin
                .send(Method::PUT, &path, None, Some(&body))
                .await
                .expect(201);
        }
        self.pause_schedules().await;
        Connected { id, salesforce }
    }

    /// Reads happen when a test asks for them.
    pub(crate) async fn pause_schedules(&self) {
        let schedules = self.admin.get("/schedules").await.expect(200);
        for schedule in schedules["items"].as_array().unwrap() {
            let path = format!("/schedules/{}", schedule["id"].as_str().unwrap());
            let etag = format!("\"{}\"", schedule["version"]);
            let pause = json!({"paused": true});
            self.admin
                .send(Method::PATCH, &path, Some(&etag), Some(&pause))
                .await
                .expect(200);
        }
    }

    /// As [`World::connected`], with everything read.
    pub(crate) async fn pulled(&self) -> Connected {
        let connected = self.connected().await;
        for stream in ["Account", "Contact"] {
            let path = format!("/connections/{}/streams/{stream}/pull", connected.id);
            self.admin.post(&path, &json!({})).await.expect(202);
        }
        self.work_until_idle().await;
        connected
    }

    /// A page outside of the interface, as text.
    pub(crate) async fn text(&self, path: &str) -> String {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let answer = self.admin.raw(request).await;
        String::from_utf8(answer.bytes.to_vec()).unwrap()
    }

    /// A worker process, with a pool of its own.
    pub(crate) async fn worker(&self) -> Engine {
        let hub = workflows::Hub {
            peers: self.peers.clone(),
            tables: domain::core_tables(),
            vault: self.vault.clone(),
            mailer: self.mail.as_ref().map(|(server, outbox)| {
                let options = workflows::MailerOptions {
                    server: server.as_str().into(),
                    from: "hub@hub.example".to_owned(),
                };
                workflows::Mailer::new(&options, outbox.clone()).unwrap()
            }),
        };
        let store = self.db.store(self.store.clock().clone()).await.unwrap();
        Engine::builder(store)
            .service(Arc::new(hub))
            .register::<workflows::PreviewMapping>()
            .register::<workflows::PullStream>()
            .register::<workflows::PushWrites>()
            .register::<workflows::RetryFailures>()
            .register::<workflows::ApplyWithheld>()
            .register::<workflows::FollowMerge>()
            .register::<workflows::RemapStream>()
            .register::<workflows::RunCanary>()
            .register::<workflows::SweepStream>()
            .register::<workflows::UndoRun>()
            .register::<workflows::SendMail>()
            .register::<workflows::ErasePerson>()
            .register::<workflows::ExportPerson>()
            .register::<workflows::ApplyRetention>()
            .register::<engine::runtime::BulkRuns>()
            .grace(Duration::from_secs(5))
            .start()
    }

    /// Works off all runs.
    pub(crate) async fn work_until_idle(&self) {
        let engine = self.worker().await;
        let idle = testkit::until("idle engine", Duration::from_secs(30), || async {
            let overview = self.admin.get("/overview").await.expect(200);
            let open = |state: &str| overview["runs"][state].as_i64();
            Ok((open("running") == Some(0) && open("queued") == Some(0)).then_some(()))
        });
        if let Err(error) = idle.await {
            let runs = self.admin.get("/runs").await.expect(200);
            panic!("{error}; the last runs: {runs:#}");
        }
        engine.shutdown().await;
    }
}

/// A connection to a simulated Salesforce.
pub(crate) struct Connected {
    pub(crate) id: String,
    pub(crate) salesforce: Salesforce,
}

/// A caller of the interface.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) router: axum::Router,
    pub(crate) cookie: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Json,
    pub(crate) bytes: Bytes,
}

impl Answer {
    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Json {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        self.body
    }

    /// Asserts a problem of this kind, with all that each has.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, slug: &str) -> Json {
        let kind = self
            .headers
            .get("content-type")
            .map(|value| value.to_str().unwrap().to_owned());
        let body = self.expect(status);
        assert_eq!(kind.as_deref(), Some("application/problem+json"));
        assert_eq!(body["type"], format!("/problems/{slug}"), "{body}");
        assert_eq!(body["status"], status);
        assert!(
            body["instance"].as_str().unwrap().starts_with("req_"),
            "{body}"
        );
        assert!(!body["title"].as_str().unwrap().is_empty());
        body
    }

    /// Asserts an invalid value at this place.
    #[track_caller]
    pub(crate) fn invalid(self, pointer: &str) {
        let body = self.problem(422, "invalid-field");
        let pointers: Vec<_> = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        assert!(pointers.contains(&pointer), "{body}");
    }

    pub(crate) fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
}

impl Client {
    /// Keeps the cookies of an answer beside those it has, as a browser does.
    pub(crate) fn keep(&mut self, answer: &Answer) {
        let mut jar: Vec<(String, String)> = self
            .cookie
            .iter()
            .flat_map(|cookies| cookies.split("; "))
            .filter_map(|cookie| cookie.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            jar.retain(|(known, _)| known != name);
            if !value.is_empty() {
                jar.push((name.to_owned(), value.to_owned()));
            }
        }
        let jar: Vec<String> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        self.cookie = (!jar.is_empty()).then(|| jar.join("; "));
    }

    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        let answer = self.post("/session", &body).await;
        if let Some(cookie) = answer.headers.get("set-cookie") {
            let text = cookie.to_str().unwrap();
            self.cookie = Some(text.split(';').next().unwrap().to_owned());
        }
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Json) -> Answer {
        self.send(Method::POST, path, None, Some(body)).await
    }

    /// A request under `/api/v1`.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        if_match: Option<&str>,
        body: Option<&Json>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"));
        if let Some(if_match) = if_match {
            request = request.header("if-match", if_match);
        }
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        self.raw(request.body(body).unwrap()).await
    }

    /// Any request; the cookie and a page's own mark are added.
    pub(crate) async fn raw(&self, mut request: Request<Body>) -> Answer {
        let headers = request.headers_mut();
        if let Some(cookie) = &self.cookie {
            headers.insert("cookie", cookie.parse().unwrap());
            if !headers.contains_key("sec-fetch-site") && !headers.contains_key("origin") {
                headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
            }
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Json::Null);
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            bytes,
        }
    }
}
