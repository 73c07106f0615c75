//! Roles and what they allow.

mod list;

use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(list::list))
}
