//! What every request and answer has in common: an id, its place in a trace, a time limit, a log line, figures, security
//! headers, and the body of a problem.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::rates::Rate;
use engine::trace::{self, TraceContext};
use tracing::Instrument;

use crate::caller::{RateCell, RequestId};
use crate::error::{ApiError, Pending, Slug};

/// Longest time until an answer begins. Checks of slow systems are the slowest thing we do.
const LONGEST: Duration = Duration::from_secs(60);

/// Console pages load our own files only; the hash is of the one style element React Aria adds.
const CONTENT_POLICY: &str = "default-src 'self'; \
    style-src 'self' 'sha256-38RhXrc7EdReTKsOm23ZPOCUgniTUUcjky8QOOrQx6o='; \
    img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; frame-ancestors 'none'; \
    base-uri 'none'; object-src 'none'; form-action 'self'";

/// An answer of the interface is no page: it loads, frames and sends nothing.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'none'";

pub(crate) async fn frame(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = format!("req_{}", engine::ids::fresh().simple());
    request.extensions_mut().insert(RequestId(id.clone()));
    let rate = RateCell::default();
    request.extensions_mut().insert(rate.clone());
    let method = request.method().clone();
    // The route, not the path: a path holds ids and has no end of values.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let is_api = request.uri().path().starts_with("/api/");
    let span = tracing::info_span!("request", request.id = %id, %method, route);

    let came = traced(request.headers());
    let place = trace::join(&span, came);
    let answer = tokio::time::timeout(LONGEST, trace::within(place, next.run(request)))
        .instrument(span.clone())
        .await;
    let mut response = answer.unwrap_or_else(|_elapsed| {
        ApiError::new(Slug::Unavailable, "the answer took too long").into_response()
    });
    span.in_scope(|| {
        tracing::debug!(
            status = response.status().as_u16(),
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    });
    count(&method, &route, response.status(), started.elapsed());
    write_problem(&mut response, &id);
    write_headers(response.headers_mut(), &id, is_api);
    if let Some(rate) = rate.0.get() {
        write_rate(response.headers_mut(), *rate);
    }
    response
}

/// Where the caller stands in a trace.
fn traced(headers: &HeaderMap) -> Option<TraceContext> {
    let parent = headers.get("traceparent")?.to_str().ok()?;
    let states = headers.get_all("tracestate").iter();
    TraceContext::read(parent, states.filter_map(|state| state.to_str().ok()))
}

fn count(method: &axum::http::Method, route: &str, status: StatusCode, took: Duration) {
    let labels = [
        ("method", method.as_str().to_owned()),
        ("route", route.to_owned()),
        ("status", status.as_u16().to_string()),
    ];
    metrics::counter!("syncline_http_requests_total", &labels).increment(1);
    metrics::histogram!("syncline_http_request_seconds", "route" => route.to_owned())
        .record(took.as_secs_f64());
}

fn write_problem(response: &mut Response, id: &str) {
    let Some(Pending(mut problem)) = response.extensions_mut().remove::<Pending>() else {
        return;
    };
    id.clone_into(&mut problem.instance);
    let (status, retry_after) = (
        response.status(),
        response.headers().get(header::RETRY_AFTER).cloned(),
    );
    *response = (status, Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if let Some(value) = retry_after {
        headers.insert(header::RETRY_AFTER, value);
    }
}

/// How much more the caller may (draft-ietf-httpapi-ratelimit-headers-06): of the tightest limit.
fn write_rate(headers: &mut HeaderMap, rate: Rate) {
    let mut set = |name: &'static str, value: i64| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    };
    set("ratelimit-limit", rate.limit.into());
    set("ratelimit-remaining", rate.remaining.into());
    set("ratelimit-reset", rate.reset);
}

fn write_headers(headers: &mut HeaderMap, id: &str, is_api: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    let policy = if is_api { API_POLICY } else { CONTENT_POLICY };
    set(header::CONTENT_SECURITY_POLICY, policy);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    );
    if is_api {
        set(header::CACHE_CONTROL, "no-store");
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}
