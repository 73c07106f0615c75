use axum::Json;
use domain::permissions::needs::UsersRead;
use domain::users::{Role, Side};
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::May;
use crate::error::ApiError;
use crate::page::Page;
use crate::routes::session::RoleName;

/// A named set of permissions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleInfo {
    #[schema(value_type = RoleName)]
    role: Role,
    /// Whose people have it: staff, partner or customer.
    side: &'static str,
    /// What everybody with this role may do.
    permissions: Vec<String>,
}

/// Lists roles
///
/// What each allows by itself; groups and single grants add to it.
#[utoipa::path(
    get, path = "/roles", operation_id = "list_roles", tag = "users",
    responses((status = 200, description = "All, from the one that may most", body = Page<RoleInfo>)),
)]
pub(super) async fn list(_caller: May<UsersRead>) -> Result<Json<Page<RoleInfo>>, ApiError> {
    let roles = Role::ALL.into_iter().map(|role| RoleInfo {
        role,
        side: match role.side() {
            Side::Staff => "staff",
            Side::Partner => "partner",
            Side::Customer => "customer",
        },
        permissions: role.permissions().names(),
    });
    Ok(Json(Page::whole(roles.collect())))
}
