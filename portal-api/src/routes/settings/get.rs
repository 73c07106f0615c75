use domain::permissions::needs::HubConfigure;
use domain::tenants::settings;

use super::TenantSettings;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;

/// What the tenant set for itself
#[utoipa::path(
    get, path = "/settings", operation_id = "get_settings", tag = "tenant",
    responses((status = 200, description = "As it is", body = TenantSettings)),
)]
pub(super) async fn get(caller: May<HubConfigure>) -> Result<Tagged<TenantSettings>, ApiError> {
    let mut tx = caller.begin().await?;
    let current = settings::current(&mut tx).await?;
    Ok(Tagged(current.version, current.settings.into()))
}
