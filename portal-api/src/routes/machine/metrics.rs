use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::caller::Anyone;
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
    (headers, portal.metrics.render())
}
