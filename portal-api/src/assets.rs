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
        .layer(axum::middleware::from_fn(revalidate))
}

/// Only what lies in `/assets` has its content's hash in its name; the service worker above all
/// must never be kept.
async fn revalidate(request: Request, next: Next) -> Response {
    let is_hashed = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    if !is_hashed {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
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
