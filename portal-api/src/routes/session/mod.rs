//! Signing in and out.

mod change_password;
mod get;
mod sign_in;
mod sign_out;

use axum::http::HeaderValue;
use domain::users::Role;
use engine::ids::{TenantId, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::caller::COOKIE_NAME;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(sign_in::sign_in, get::get, sign_out::sign_out))
        .routes(routes!(change_password::change_password))
}

/// Who is signed in, and where.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    user: SessionUser,
    tenant: SessionTenant,
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
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of roles")]
pub(crate) enum RoleName {
    Admin,
    Operator,
    Viewer,
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
        Self {
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
            },
        }
    }
}

/// The cookie that carries a session, or ends it where `token` is empty.
fn cookie(token: &str, https: bool) -> HeaderValue {
    let age = if token.is_empty() {
        0
    } else {
        domain::sessions::ABSOLUTE.num_seconds()
    };
    let secure = if https { "; Secure" } else { "" };
    let text =
        format!("{COOKIE_NAME}={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age={age}{secure}");
    HeaderValue::from_str(&text).expect("a token is base64")
}
