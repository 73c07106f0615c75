//! A request, the run it starts and that run's steps are one trace, and a collector gets it.
//!
//! A program of its own: who records spans is set once in a process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use connector_sdk::trace::{TraceContext, TraceParent, within};
use connector_sdk::{Http, HttpOptions, Reply};
use domain::tenants::NewTenant;
use engine::vault::Vault;
use http::Method;
use hub::{AdminWish, Hub, HubOptions, LogFormat, Traces};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value as Json, json};
use testdb::TestDb;

const EMAIL: &str = "admin@one.example";
const PASSWORD: &str = "correct horse battery";

/// What a collector was sent, with the name of who sent it.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<(String, Span)>>>);

impl Collected {
    async fn serve(&self) -> Result<String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1/traces", listener.local_addr()?);
        let into = self.clone();
        let take = move |body: Bytes| async move {
            match ExportTraceServiceRequest::decode(body) {
                Ok(sent) => {
                    into.take(sent);
                    StatusCode::OK
                }
                Err(_) => StatusCode::BAD_REQUEST,
            }
        };
        let router = axum::Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(url)
    }

    fn take(&self, sent: ExportTraceServiceRequest) {
        let mut all = self.0.lock().expect("nobody panics with it");
        for resource in sent.resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes);
            let name = attributes
                .into_iter()
                .flatten()
                .find(|attribute| attribute.key == "service.name");
            let name = format!("{:?}", name.and_then(|name| name.value));
            let spans = resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans);
            all.extend(spans.map(|span| (name.clone(), span)));
        }
    }

    /// The spans of a trace.
    fn of(&self, trace: u128) -> Vec<Span> {
        let all = self.0.lock().expect("nobody panics with it");
        let of_trace = all
            .iter()
            .filter(|(_, span)| span.trace_id == trace.to_be_bytes());
        of_trace.map(|(_, span)| span.clone()).collect()
    }
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key);
    format!("{:?}", found.and_then(|found| found.value.as_ref()))
}

/// A caller as the console is one.
struct Caller {
    http: Http,
    base: String,
    cookie: String,
}

impl Caller {
    async fn send(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Reply> {
        let url = format!("{}/api/v1{path}", self.base).parse()?;
        let mut request = self
            .http
            .request(method, url)
            .header("origin", &self.base)
            .header("cookie", &self.cookie);
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = self.http.send(request).await?;
        anyhow::ensure!(reply.status.is_success(), "{path}: {reply:?}");
        Ok(reply)
    }

    async fn sign_in(base: &str) -> Result<Self> {
        let clock = engine::Clock::system();
        let mut caller = Self {
            http: Http::new(&HttpOptions::default(), move || clock.system_time())?,
            base: base.to_owned(),
            cookie: String::new(),
        };
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let reply = caller.send(Method::POST, "/session", Some(&body)).await?;
        let cookie = reply.header("set-cookie").context("no cookie")?;
        caller.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(caller)
    }
}

async fn start(db: &TestDb) -> Result<Hub> {
    Hub::start(HubOptions {
        database_url: db.url().into(),
        vault: Vault::new(&Vault::fresh_key()?)?,
        listen: Some("127.0.0.1:0".parse()?),
        workers: 4,
        migrate: true,
        admin: Some(AdminWish {
            email: EMAIL.to_owned(),
            password: Some(PASSWORD.to_owned().into()),
            tenant: NewTenant {
                name: "One".to_owned(),
                environment: "test".to_owned(),
            },
        }),
        https: false,
        tls: None,
        public_url: None,
        mail: None,
        trusted_proxies: Vec::new(),
        private_providers: false,
        public_systems: false,
        passkey_domain: None,
        messages: None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_its_run_and_the_runs_steps_are_one_trace_that_a_collector_gets() -> Result<()> {
    let collected = Collected::default();
    let endpoint = collected.serve().await?;
    let traces = Traces::start(&tokio::runtime::Handle::current(), Some(&endpoint))?;
    hub::start_log(LogFormat::Text, Some(&traces));
    let db = TestDb::new().await?;
    let hub = start(&db).await?;
    let caller = Caller::sign_in(&hub.url().context("it serves")?).await?;
    let came = TraceContext::read(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ["rojo=00f067aa0ba902b7"],
    );
    let body = json!({
        "name": "traced", "operation": "cancel", "filter": {"workflow": "nobody_has_it"},
    });
    let started = caller.send(Method::POST, "/runs/bulk", Some(&body));
    let started: Json = within(came.clone(), started).await?.json()?;
    let id = started["run_id"].as_str().context("no run")?.to_owned();
    let path = format!("/runs/{id}");
    let run = testkit::until("ended run", Duration::from_secs(30), || async {
        let run: Json = caller.send(Method::GET, &path, None).await?.json()?;
        Ok((run["state"] == "succeeded").then_some(run))
    })
    .await?;
    hub.shutdown().await?;
    tokio::task::spawn_blocking(move || traces.shutdown()).await?;

    let came = came.context("a header")?.parent;
    let spans = collected.of(came.trace);
    let named = |name: &str| -> Result<Span> {
        let mut found = spans.iter().filter(|span| span.name == name);
        let one = found.next().with_context(|| {
            let all = collected.0.lock().expect("nobody panics with it");
            let names: Vec<_> = all
                .iter()
                .map(|(_, span)| (&span.name, &span.trace_id))
                .collect();
            format!("no span {name} in the trace among {names:?}")
        })?;
        anyhow::ensure!(found.next().is_none(), "several spans {name}");
        Ok(one.clone())
    };
    let request = named("request")?;
    assert_eq!(request.parent_span_id, came.span.to_be_bytes());
    assert_eq!(request.trace_state, "rojo=00f067aa0ba902b7");
    let of_run = named("run bulk_runs")?;
    assert_eq!(of_run.parent_span_id, request.span_id);
    for step in ["step plan", "step act"] {
        let step = named(step)?;
        assert_eq!(step.parent_span_id, of_run.span_id);
        assert!(attribute(&step, "step.attempt").contains('1'));
    }
    assert!(attribute(&of_run, "run.id").contains(&id));
    assert!(attribute(&of_run, "run.trigger").contains("manual"));
    assert!(attribute(&of_run, "run.state").contains("succeeded"));
    assert!(attribute(&of_run, "run.epoch").contains('1'));
    // The run keeps where it was started from: the request, as the hub recorded it.
    let kept = run["trace"]
        .as_str()
        .and_then(TraceParent::read)
        .context("no trace")?;
    assert_eq!(
        (kept.trace, kept.span.to_be_bytes().to_vec()),
        (came.trace, request.span_id)
    );
    let all = collected.0.lock().expect("nobody panics with it");
    assert!(all.iter().all(|(service, _)| service.contains("syncline")));
    Ok(())
}
