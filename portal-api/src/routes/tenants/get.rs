use engine::ids::TenantId;

use super::{Tenant, shown};
use crate::caller::Platform;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// A tenant, with what it uses
#[utoipa::path(
    get, path = "/tenants/{id}", operation_id = "get_tenant", tag = "platform",
    params(("id" = String, Path)),
    responses((status = 200, description = "The tenant", body = Tenant)),
)]
pub(super) async fn get(
    caller: Platform,
    Path(id): Path<TenantId>,
) -> Result<Tagged<Tenant>, ApiError> {
    let (version, tenant) = shown(&caller, id).await?;
    Ok(Tagged(version, tenant))
}
