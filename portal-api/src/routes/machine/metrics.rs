use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::caller::Anyone;
use crate::error::chain;
use crate::portal::Portal;

/// Figures in the Prometheus text format
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "machine",
    responses((status = 200, description = "Figures", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(_: Anyone, State(portal): State<Portal>) -> impl IntoResponse {
    let headers = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    portal.metrics.run_upkeep();
    let mut text = portal.metrics.render();
    match domain::coverage::figures(&portal.store).await {
        Ok(figures) => text.push_str(&figures),
        // What the process counted itself is told all the same.
        Err(error) => tracing::warn!(error = chain(&error), "figures of streams cannot be read"),
    }
    (headers, text)
}
