use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::factors::devices;
use engine::ids::DeviceId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::extract::Path;
use crate::page::Page;

/// A browser that is not asked for a second factor for a while.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Device {
    #[schema(value_type = String)]
    id: DeviceId,
    /// Where it was remembered from.
    address: Option<String>,
    /// What the browser calls itself.
    agent: Option<String>,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// Lists one's own remembered browsers
#[utoipa::path(
    get, path = "/devices", operation_id = "list_devices", tag = "factors",
    responses((status = 200, description = "All, last used first", body = Page<Device>)),
)]
pub(super) async fn list(signed_in: SignedIn) -> Result<Json<Page<Device>>, ApiError> {
    signed_in.session_id()?;
    let mut tx = signed_in.begin().await?;
    let rows = devices::list(&mut tx, signed_in.session.user.id).await?;
    let devices = rows.into_iter().map(|row| Device {
        id: row.id,
        address: row.address,
        agent: row.agent,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
    });
    Ok(Json(Page::whole(devices.collect())))
}

/// Forgets one of one's own browsers
#[utoipa::path(
    delete, path = "/devices/{id}", operation_id = "forget_device", tag = "factors",
    params(("id" = String, Path)),
    responses((status = 204, description = "It is asked again")),
)]
pub(super) async fn forget(
    signed_in: SignedIn,
    Path(id): Path<DeviceId>,
) -> Result<StatusCode, ApiError> {
    signed_in.session_id()?;
    let mut tx = signed_in.begin().await?;
    devices::forget(&mut tx, signed_in.session.user.id, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
