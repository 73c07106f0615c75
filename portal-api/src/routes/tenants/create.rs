use axum::response::IntoResponse;
use domain::permissions::Permissions;
use domain::tenants;
use domain::users::links::Purpose;
use domain::users::{PersonWish, Role, people};
use engine::ids::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Tenant, read, shown};
use crate::caller::FreshPlatform;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;
use crate::routes::users::link::issue_in;
use crate::routes::users::{PasswordLink, read_name};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenantBody {
    name: String,
    /// Named on every page of the console: `production`, `demo`.
    environment: String,
    /// The first of its admins, who is invited.
    admin: FirstAdmin,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstAdmin {
    email: String,
    name: String,
}

/// A tenant that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeTenant {
    tenant: Tenant,
    /// For its admin.
    invitation: PasswordLink,
}

/// Makes a tenant and invites its first admin
#[utoipa::path(
    post, path = "/tenants", operation_id = "create_tenant", tag = "platform",
    request_body = NewTenantBody,
    responses((status = 201, description = "Made", body = MadeTenant)),
)]
pub(super) async fn create(
    caller: FreshPlatform,
    Json(body): Json<NewTenantBody>,
) -> Result<impl IntoResponse, ApiError> {
    let new = read(&body.name, &body.environment)?;
    let email = domain::users::email(&body.admin.email)
        .map_err(|error| ApiError::invalid("/admin/email", error.to_string()))?;
    let wish = PersonWish {
        name: read_name(&body.admin.name)?,
        role: Role::Admin,
        groups: Vec::new(),
        grants: Permissions::NONE,
        scope: None,
        account: None,
        partner: None,
    };
    let id = TenantId::fresh();
    let mut tx = caller.begin_in(id).await?;
    tenants::create(&mut tx, &new).await?;
    let admin = people::invite(&mut tx, &email, &wish).await?;
    let person = people::get(&mut tx, admin).await?;
    let invitation = issue_in(&caller, &mut tx, &person, Purpose::SetUp, &new.name).await?;
    tx.commit().await?;
    let (version, tenant) = shown(&caller, id).await?;
    Ok(Created(version, MadeTenant { tenant, invitation }))
}
