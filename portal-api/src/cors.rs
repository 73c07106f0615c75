//! Pages of other sites that call the interface with a key: those that the key's tenant named, and no
//! others. Cookies never cross sites ([`crate::origin`]).

use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::tenants::settings;

use crate::error::ApiError;
use crate::portal::Portal;

/// The site that may read the answer, in the extensions of a request: known once the caller is.
#[derive(Clone, Default)]
pub(crate) struct AllowedOrigin(pub(crate) Arc<OnceLock<HeaderValue>>);

/// What such pages may send and read beyond what every page may.
const SENT: &str = "authorization, content-type, if-match, traceparent, tracestate";
const READ: &str = "etag, location, retry-after, ratelimit-limit, ratelimit-remaining, \
    ratelimit-reset, x-request-id";
/// How long a browser need not ask again, in seconds.
const REMEMBERED: &str = "600";

pub(crate) async fn answer(
    State(portal): State<Portal>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return next.run(request).await;
    };
    if is_question(request.method(), request.headers()) {
        return match may_ask(&portal, &origin).await {
            Ok(true) => allow_asking(&origin),
            Ok(false) => ApiError::forbidden("pages of this site may not call").into_response(),
            Err(error) => ApiError::from(error).into_response(),
        };
    }
    let allowed = AllowedOrigin::default();
    request.extensions_mut().insert(allowed.clone());
    let mut response = next.run(request).await;
    if let Some(origin) = allowed.0.get() {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(READ),
        );
    }
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("origin"));
    response
}

fn is_question(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// A question carries no key, so it is not known whose it is: whether any tenant named the site.
async fn may_ask(portal: &Portal, origin: &HeaderValue) -> Result<bool, engine::StoreError> {
    let Ok(origin) = origin.to_str() else {
        return Ok(false);
    };
    let mut tx = portal.store.begin_system().await?;
    settings::is_any_origin(&mut tx, origin).await
}

fn allow_asking(origin: &HeaderValue) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        "GET, POST, PUT, PATCH, DELETE",
    );
    set(header::ACCESS_CONTROL_ALLOW_HEADERS, SENT);
    set(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    set(header::VARY, "origin");
    response
}

/// Whether a request comes from a page of the address it is sent to.
pub(crate) fn is_same_site(headers: &HeaderMap, origin: &str) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let named = origin.split_once("://").map(|(_scheme, host)| host);
    matches!((host, named), (Some(host), Some(named)) if host.eq_ignore_ascii_case(named))
}
