//! One folder per noun, one file per operation.

mod accounts;
mod approvals;
mod assignments;
mod audit;
mod brands;
mod breakers;
mod budgets;
mod conflicts;
mod connections;
mod contacts;
mod domains;
mod factors;
mod failure_classes;
mod fields;
mod groups;
mod identity_providers;
mod keys;
mod lanes;
mod links;
mod live;
mod machine;
mod mappings;
mod matches;
mod organisation;
mod overview;
mod partners;
mod privacy;
mod records;
mod roles;
mod runs;
mod schedules;
mod security;
pub(crate) mod session;
mod settings;
mod sso;
mod systems;
mod teams;
mod tenants;
mod tokens;
mod usage;
mod users;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::error::{ApiError, Slug};
use crate::portal::Portal;

/// Every operation, with its description.
pub(crate) fn all() -> OpenApiRouter<Portal> {
    let api = OpenApiRouter::new()
        .merge(session::router())
        .merge(factors::router())
        .merge(overview::router())
        .merge(systems::router())
        .merge(connections::router())
        .merge(mappings::router())
        .merge(fields::router())
        .merge(schedules::router())
        .merge(runs::router())
        .merge(lanes::router())
        .merge(breakers::router())
        .merge(budgets::router())
        .merge(accounts::router())
        .merge(contacts::router())
        .merge(conflicts::router())
        .merge(matches::router())
        .merge(links::router())
        .merge(failure_classes::router())
        .merge(approvals::router())
        .merge(users::router())
        .merge(teams::router())
        .merge(partners::router())
        .merge(assignments::router())
        .merge(privacy::router())
        .merge(groups::router())
        .merge(organisation::router())
        .merge(roles::router())
        .merge(keys::router())
        .merge(brands::router())
        .merge(settings::router())
        .merge(usage::router())
        .merge(tenants::router())
        .merge(tokens::router())
        .merge(security::router())
        .merge(domains::router())
        .merge(identity_providers::router())
        .merge(sso::router())
        .merge(audit::router())
        .merge(live::router())
        .merge(machine::document());
    OpenApiRouter::with_openapi(crate::spec::Base::openapi())
        .nest("/api/v1", api)
        .merge(machine::router())
}

/// Paths of the interface that name nothing; other paths are the console's.
pub(crate) async fn nothing_here(request: Request) -> Response {
    ApiError::not_found(request.uri().path()).into_response()
}

pub(crate) async fn not_with_this_method(request: Request) -> Response {
    let detail = format!("{} does not work here", request.method());
    ApiError::new(Slug::MethodNotAllowed, detail).into_response()
}
