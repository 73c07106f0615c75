//! The console's files, embedded at build time.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use memory_serve::CacheControl;

use crate::portal::Portal;

const INDEX: &str = "/index.html";

/// Serves the console: files by path, and its page for every path that is none.
pub(crate) fn router() -> axum::Router<Portal> {
    let files = memory_serve::load!();
    let is_built = files.manifest().get(INDEX).is_some();
    if !is_built {
        return axum::Router::new().fallback(not_built);
    }
    files
        .index_file(Some(INDEX))
        .fallback(Some(INDEX))
        .fallback_status(StatusCode::OK)
        .html_cache_control(CacheControl::NoCache)
        .cache_control(CacheControl::Long)
        .into_router()
        .layer(axum::middleware::from_fn(finish))
}

/// Where the names of files hold the hash of their content.
const HASHED: &str = "/assets/";

/// Says what may be kept, and does not pass the page off as a file.
///
/// Only hashed files are kept; the service worker above all must never be. A hashed file that is
/// not there belongs to another release: a page that is still open asks for it, and must not take
/// the page for a script.
async fn finish(request: Request, next: Next) -> Response {
    let is_hashed = request.uri().path().starts_with(HASHED);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let kind = headers.get(header::CONTENT_TYPE).cloned();
    if is_hashed && kind.as_ref().is_some_and(|kind| kind == "text/html") {
        return (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")]).into_response();
    }
    if !is_hashed {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    if let Some(kind) = kind.and_then(with_charset) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// All our text is UTF-8, which browsers do not guess for plain text.
fn with_charset(kind: HeaderValue) -> Option<HeaderValue> {
    let kind = kind.to_str().ok()?;
    let is_bare_text = kind.starts_with("text/") && !kind.contains(';');
    is_bare_text.then(|| HeaderValue::from_str(&format!("{kind}; charset=utf-8")).ok())?
}

async fn not_built() -> Response {
    let help = "This build has no console. Build it with `cargo x console`, then build the hub \
                again; the API is at /api/v1.\n";
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        help,
    )
        .into_response()
}
