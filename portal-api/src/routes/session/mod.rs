//! Signing in and out.

mod change_password;
mod get;
mod list;
mod passkey;
mod redeem;
mod reset;
mod revoke;
mod second;
mod sign_in;
mod sign_out;
pub(crate) mod stage;
mod step_up;

use axum::http::HeaderValue;
use chrono::{DateTime, Utc};
use domain::users::Role;
use engine::ids::{TenantId, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

pub(super) use list::OpenSession;
pub(crate) use sign_in::refuse_guessing;

use crate::caller::COOKIE_NAME;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(sign_in::sign_in, get::get, sign_out::sign_out))
        .routes(routes!(second::get, second::second))
        .routes(routes!(second::send))
        .routes(routes!(second::ask))
        .routes(routes!(second::answer))
        .routes(routes!(passkey::ask))
        .routes(routes!(passkey::answer))
        .routes(routes!(step_up::step_up))
        .routes(routes!(step_up::send))
        .routes(routes!(step_up::ask))
        .routes(routes!(step_up::answer))
        .routes(routes!(change_password::change_password))
        .routes(routes!(redeem::redeem))
        .routes(routes!(reset::reset))
        .routes(routes!(list::list))
        .routes(routes!(revoke::revoke))
}

/// Who is signed in, and where.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    user: SessionUser,
    tenant: SessionTenant,
    /// What the user may do now, as `permissions.md` lists it.
    permissions: Vec<String>,
    /// Which accounts the user sees: all, team, assigned or own.
    scope: &'static str,
    /// Whether the user looks after all tenants.
    is_operator: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionUser {
    #[schema(value_type = String)]
    id: UserId,
    email: String,
    name: String,
    #[schema(value_type = RoleName)]
    role: Role,
    /// Nothing but setting a password works until it is changed.
    must_change_password: bool,
    has_factor: bool,
    /// Until when a second factor must be set up; null where there is one or none is needed.
    factor_due: Option<DateTime<Utc>>,
    /// That has passed: nothing but setting one up works.
    must_enrol: bool,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of roles")]
pub(crate) enum RoleName {
    Admin,
    Manager,
    Csm,
    Agent,
    Operator,
    Viewer,
    Partner,
    CustomerAdmin,
    CustomerManager,
    CustomerUser,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionTenant {
    #[schema(value_type = String)]
    id: TenantId,
    name: String,
    environment: String,
}

impl From<domain::sessions::Session> for Session {
    fn from(session: domain::sessions::Session) -> Self {
        let user = session.user;
        let proof = session.proof;
        Self {
            permissions: session.permissions.names(),
            scope: session.scope.as_str(),
            is_operator: session.is_operator,
            tenant: SessionTenant {
                id: user.tenant,
                name: session.tenant_name,
                environment: session.environment,
            },
            user: SessionUser {
                id: user.id,
                email: user.email,
                name: user.name,
                role: user.role,
                must_change_password: user.must_change_password,
                has_factor: proof.is_some_and(|proof| proof.has_factor),
                factor_due: proof.and_then(|proof| proof.factor_due),
                must_enrol: proof.is_some_and(|proof| proof.must_enrol),
            },
        }
    }
}

/// The cookie that carries a session for so long, or ends it where `token` is empty. Over https it is
/// marked secure on its way out, as all are.
pub(crate) fn cookie(token: &str, seconds: i64) -> HeaderValue {
    let text = format!("{COOKIE_NAME}={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age={seconds}");
    HeaderValue::from_str(&text).expect("a token is base64")
}
