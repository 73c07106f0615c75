//! The portal: the REST interface under `/api/v1`, health and metrics, live news, and the console's
//! files. Handlers parse, call one function of `domain` or `engine`, and answer.
//!
//! Not here: SQL (engine, domain), any connector, the composition of a process (hub).

mod assets;
mod caller;
mod error;
mod etag;
mod extract;
mod frame;
mod origin;
mod page;
mod portal;
mod routes;
mod spec;
mod throttle;

pub use error::{FieldProblem, Problem, Slug};
pub use frame::ConnectedFrom;
pub use portal::{Portal, PortalParts};
pub use spec::document;

use axum::extract::DefaultBodyLimit;

/// Largest body taken, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// Everything that is served on one address.
pub fn router(portal: Portal) -> axum::Router {
    let (router, _document) = routes::all().split_for_parts();
    let api = router
        .fallback(routes::nothing_here)
        .method_not_allowed_fallback(routes::not_with_this_method)
        .layer(axum::middleware::from_fn(origin::guard));
    axum::Router::new()
        .merge(api)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(portal.clone(), frame::frame))
        .with_state(portal)
}
