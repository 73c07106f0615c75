use domain::permissions::needs::HubConfigure;
use domain::tenants::settings;
use engine::StoreError;

use super::TenantSettings;
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::Json;

/// Sets what holds for the tenant
#[utoipa::path(
    put, path = "/settings", operation_id = "put_settings", tag = "tenant",
    params(("If-Match" = String, Header)), request_body = TenantSettings,
    responses((status = 200, description = "As it is now", body = TenantSettings)),
)]
pub(super) async fn put(
    caller: Fresh<HubConfigure>,
    IfMatch(version): IfMatch,
    Json(body): Json<TenantSettings>,
) -> Result<Tagged<TenantSettings>, ApiError> {
    let wish = body.read()?;
    let mut tx = caller.begin().await?;
    match settings::change(&mut tx, version, &wish).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => {
            let current = settings::current(&mut tx).await?.settings;
            return Err(ApiError::stale(&TenantSettings::from(current)));
        }
        Err(error) => return Err(error.into()),
    }
    let current = settings::current(&mut tx).await?;
    tx.commit().await?;
    Ok(Tagged(current.version, current.settings.into()))
}
