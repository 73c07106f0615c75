use domain::permissions::needs::TeamsManage;
use domain::teams;
use engine::StoreError;
use engine::ids::PartnerId;

use super::{Partner, PartnerBody};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

/// Renames a partner organisation
#[utoipa::path(
    put, path = "/partners/{id}", operation_id = "update_partner", tag = "partners",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = PartnerBody,
    responses((status = 200, description = "As it is now", body = Partner)),
)]
pub(super) async fn update(
    caller: May<TeamsManage>,
    Path(id): Path<PartnerId>,
    IfMatch(version): IfMatch,
    Json(body): Json<PartnerBody>,
) -> Result<Tagged<Partner>, ApiError> {
    let name = body.read()?;
    let mut tx = caller.begin().await?;
    let current = teams::partner(&mut tx, id).await?;
    match teams::rename_partner(&mut tx, id, version, &name).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&Partner::from(current))),
        Err(error) => return Err(error.into()),
    }
    let partner = teams::partner(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Tagged(partner.version, partner.into()))
}
