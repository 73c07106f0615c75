//! The portal: the REST interface under `/api/v1`, health and metrics, live news, and the console's
//! files. Handlers parse, call one function of `domain` or `engine`, and answer.
//!
//! Not here: SQL (engine, domain), any connector, the composition of a process (hub).

mod assets;
mod caller;
mod cors;
mod counters;
mod error;
mod etag;
mod extract;
mod frame;
mod matrix;
mod origin;
mod page;
mod permit;
mod place;
mod portal;
mod routes;
mod spec;
mod throttle;

pub use error::{FieldProblem, Problem, Slug};
pub use matrix::permission_matrix;
pub use place::{BadNetwork, Network};
pub use portal::{Portal, PortalParts, Providers};
pub use spec::document;

use axum::extract::DefaultBodyLimit;
use axum::routing::any;

/// Largest body taken, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// Everything that is served on one address.
pub fn router(portal: Portal) -> axum::Router {
    counters::begin();
    let (operations, _document) = routes::all().split_for_parts();
    let nothing_here = || any(routes::nothing_here);
    operations
        .method_not_allowed_fallback(routes::not_with_this_method)
        // These names are ours: what is not there is a problem, not a page of the console.
        .route("/api", nothing_here())
        .route("/api/{*rest}", nothing_here())
        .route("/graphql", nothing_here())
        .route("/hooks/{*rest}", nothing_here())
        .layer(axum::middleware::from_fn(origin::guard))
        .layer(axum::middleware::from_fn_with_state(
            portal.clone(),
            cors::answer,
        ))
        .fallback_service(assets::router().with_state(portal.clone()))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(
            portal.clone(),
            place::find,
        ))
        .layer(axum::middleware::from_fn(frame::frame))
        .with_state(portal)
}
