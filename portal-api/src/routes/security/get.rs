use domain::security;

use super::SecurityPolicy;
use crate::caller::Admin;
use crate::error::ApiError;
use crate::etag::Tagged;

/// How people sign in and how long sessions last
#[utoipa::path(
    get, path = "/security", operation_id = "get_security_policy", tag = "security",
    responses((status = 200, description = "The rules; ETag \"0\" while none were set", body = SecurityPolicy)),
)]
pub(super) async fn get(caller: Admin) -> Result<Tagged<SecurityPolicy>, ApiError> {
    let mut tx = caller.begin().await?;
    let current = security::current(&mut tx).await?;
    Ok(Tagged(current.version, current.policy.into()))
}
