use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;

use crate::caller::Anyone;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| crate::spec::document().to_string());

/// This document
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "machine",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
)]
pub(super) async fn openapi(_: Anyone) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.as_str(),
    )
}
