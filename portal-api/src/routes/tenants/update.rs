use domain::tenants;
use engine::StoreError;
use engine::ids::TenantId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Tenant, read, shown};
use crate::caller::FreshPlatform;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantChange {
    name: Option<String>,
    environment: Option<String>,
}

/// Changes a tenant's name or environment
#[utoipa::path(
    patch, path = "/tenants/{id}", operation_id = "update_tenant", tag = "platform",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = TenantChange,
    responses((status = 200, description = "As it is now", body = Tenant)),
)]
pub(super) async fn update(
    caller: FreshPlatform,
    Path(id): Path<TenantId>,
    IfMatch(version): IfMatch,
    Json(body): Json<TenantChange>,
) -> Result<Tagged<Tenant>, ApiError> {
    let mut system = caller.portal().store.begin_system().await?;
    let before = tenants::get(&mut system, id).await?;
    drop(system);
    let name = body.name.as_deref().unwrap_or(&before.name);
    let environment = body.environment.as_deref().unwrap_or(&before.environment);
    let wish = read(name, environment)?;
    let mut tx = caller.begin_in(id).await?;
    match tenants::change(&mut tx, &before, version, &wish).await {
        Ok(()) => tx.commit().await?,
        Err(StoreError::Stale(_)) => {
            drop(tx);
            return Err(ApiError::stale(&shown(&caller, id).await?.1));
        }
        Err(error) => return Err(error.into()),
    }
    let (version, tenant) = shown(&caller, id).await?;
    Ok(Tagged(version, tenant))
}
