//! For machines that watch us and for those who read the interface's description.

mod health;
mod metrics;
mod openapi;
mod ready;

use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(ready::ready))
        .routes(routes!(metrics::metrics))
}

pub(super) fn document() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(openapi::openapi))
}
