//! Spans of requests, runs and steps, sent to an OpenTelemetry collector where the standard variables
//! name one: `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, over HTTP with
//! protobuf. The other standard ones count too (headers, time limit, sampler, batches, names).
//!
//! Without them nothing is set up, and no span is made.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use connector_sdk::{Http, HttpOptions};
use engine::Clock;
use engine::trace::{self, Recorder, TraceContext, TraceParent};
use http::{Request, Response};
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// What the hub is called where nobody says otherwise (`OTEL_SERVICE_NAME`).
const NAME: &str = "syncline";

/// Sends spans until it is shut down.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// As the environment says; `None`: spans are not wanted.
    ///
    /// # Errors
    /// The variables make no sense.
    pub fn from_environment(runtime: &Handle) -> Result<Option<Self>> {
        if !wanted(variable) {
            return Ok(None);
        }
        Self::start(runtime, None).map(Some)
    }

    /// To the collector at this URL, with its path; `None`: where the environment says.
    ///
    /// # Errors
    /// The URL, or what the environment says, makes no sense.
    pub fn start(runtime: &Handle, endpoint: Option<&str>) -> Result<Self> {
        let clock = Clock::system();
        let limits = HttpOptions {
            timeout: Duration::from_secs(10),
            max_body: 1 << 20,
            ..HttpOptions::default()
        };
        let http = Http::new(&limits, move || clock.system_time())?;
        let client = Sender {
            http,
            runtime: runtime.clone(),
        };
        let mut exporter = SpanExporter::builder().with_http().with_http_client(client);
        if let Some(endpoint) = endpoint {
            exporter = exporter.with_endpoint(endpoint);
        }
        let exporter = exporter.build().context("cannot send traces")?;
        let mut resource = Resource::builder();
        if variable("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(NAME);
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        trace::install(Recorder { adopt, parent });
        Ok(Self(provider))
    }

    pub(crate) fn tracer(&self) -> Tracer {
        self.0.tracer(NAME)
    }

    /// Sends what is left. Blocks: not to be called on the runtime's threads.
    pub fn shutdown(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "names of the OpenTelemetry standard, whose library reads the others by itself"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the environment asks for spans to be sent.
fn wanted(value: impl Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, wanted: &str| {
        value(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted))
    };
    let is_set = |name: &str| value(name).is_some_and(|value| !value.trim().is_empty());
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return false;
    }
    is_set("OTEL_EXPORTER_OTLP_ENDPOINT") || is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
}

fn adopt(span: &Span, came: &TraceContext) {
    let state = came.state.as_ref();
    let state = state.and_then(|state| state.as_str().parse::<TraceState>().ok());
    let context = SpanContext::new(
        TraceId::from_bytes(came.parent.trace.to_be_bytes()),
        SpanId::from_bytes(came.parent.span.to_be_bytes()),
        TraceFlags::new(came.parent.flags),
        true,
        state.unwrap_or_default(),
    );
    let context = opentelemetry::Context::new().with_remote_span_context(context);
    // Fails for a span that nobody records, or that has begun: then it stays where it is.
    drop(span.set_parent(context));
}

fn parent(span: &Span) -> Option<TraceParent> {
    let context = span.context();
    let here = context.span().span_context().clone();
    here.is_valid().then(|| TraceParent {
        trace: u128::from_be_bytes(here.trace_id().to_bytes()),
        span: u64::from_be_bytes(here.span_id().to_bytes()),
        flags: here.trace_flags().to_u8(),
    })
}

/// The hub's own HTTP client, for an exporter that runs on a thread of its own.
struct Sender {
    http: Http,
    runtime: Handle,
}

impl fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sender")
    }
}

impl HttpClient for Sender {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let http = self.http.clone();
        let sent = self
            .runtime
            .spawn(async move { send(&http, request).await });
        Box::pin(async move { sent.await? })
    }
}

async fn send(http: &Http, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (parts, body) = request.into_parts();
    let url = parts.uri.to_string().parse::<url::Url>()?;
    let asked = http
        .request(parts.method, url)
        .headers(parts.headers)
        .body(body);
    let reply = http.send(asked).await?;
    let mut response = Response::new(reply.body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_sent_only_where_somebody_said_where_to() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1/t");
        for (set, expected) in [
            (vec![], false),
            (vec![endpoint], true),
            (vec![traces], true),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], false),
            (vec![endpoint, ("OTEL_SDK_DISABLED", "TRUE")], false),
            (vec![endpoint, ("OTEL_SDK_DISABLED", "false")], true),
            (vec![endpoint, ("OTEL_TRACES_EXPORTER", "none")], false),
        ] {
            let value = |name: &str| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(wanted(value), expected, "{set:?}");
        }
    }
}
