use domain::tenants;
use engine::ids::TenantId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Tenant, shown};
use crate::caller::FreshPlatform;
use crate::error::{ApiError, Slug};
use crate::etag::Tagged;
use crate::extract::{Json, Path};

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

pub(super) fn read_reason(text: &str) -> Result<&str, ApiError> {
    let reason = text.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        let why = format!("a reason has 1 to {LONGEST_REASON} characters");
        return Err(ApiError::invalid("/reason", why));
    }
    Ok(reason)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suspension {
    /// For the tenant's own audit trail.
    reason: String,
}

/// Suspends a tenant
///
/// Sessions and keys stop with their next request, and no run begins. Nothing is lost.
#[utoipa::path(
    post, path = "/tenants/{id}/suspend", operation_id = "suspend_tenant", tag = "platform",
    params(("id" = String, Path)), request_body = Suspension,
    responses((status = 200, description = "As it is now", body = Tenant)),
)]
pub(super) async fn suspend(
    caller: FreshPlatform,
    Path(id): Path<TenantId>,
    Json(body): Json<Suspension>,
) -> Result<Tagged<Tenant>, ApiError> {
    let reason = read_reason(&body.reason)?;
    if id == caller.session.user.tenant {
        let why = "this is your own tenant: you could not let it go on again";
        return Err(ApiError::new(Slug::Conflict, why));
    }
    shown(&caller, id).await?;
    let mut tx = caller.begin_in(id).await?;
    tenants::suspend(&mut tx, reason).await?;
    tx.commit().await?;
    let (version, tenant) = shown(&caller, id).await?;
    Ok(Tagged(version, tenant))
}

/// Lets a suspended tenant go on
#[utoipa::path(
    post, path = "/tenants/{id}/resume", operation_id = "resume_tenant", tag = "platform",
    params(("id" = String, Path)),
    responses((status = 200, description = "As it is now", body = Tenant)),
)]
pub(super) async fn resume(
    caller: FreshPlatform,
    Path(id): Path<TenantId>,
) -> Result<Tagged<Tenant>, ApiError> {
    shown(&caller, id).await?;
    let mut tx = caller.begin_in(id).await?;
    if tenants::is_being_deleted(&mut tx).await? {
        let why = "this tenant is to be deleted: withdraw that";
        return Err(ApiError::new(Slug::Conflict, why));
    }
    tenants::resume(&mut tx).await?;
    tx.commit().await?;
    let (version, tenant) = shown(&caller, id).await?;
    Ok(Tagged(version, tenant))
}
