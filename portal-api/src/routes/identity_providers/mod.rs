//! The tenant's identity providers, and whether only they let people in.

mod body;
mod create;
mod delete;
mod get;
mod list;
mod policy;
mod show;
mod state;
mod test;
mod update;

use utoipa_axum::router::OpenApiRouter;

use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update, delete::delete))
        .routes(routes!(test::test))
        .routes(routes!(state::enable))
        .routes(routes!(state::disable))
        .routes(routes!(policy::get, policy::put))
}
