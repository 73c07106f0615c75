use axum::response::IntoResponse;
use domain::permissions::needs::TeamsManage;
use domain::teams;

use super::{Partner, PartnerBody};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;

/// Makes a partner organisation
#[utoipa::path(
    post, path = "/partners", operation_id = "create_partner", tag = "partners",
    request_body = PartnerBody,
    responses((status = 201, description = "Made", body = Partner)),
)]
pub(super) async fn create(
    caller: May<TeamsManage>,
    Json(body): Json<PartnerBody>,
) -> Result<impl IntoResponse, ApiError> {
    let name = body.read()?;
    let mut tx = caller.begin().await?;
    let id = teams::create_partner(&mut tx, &name).await?;
    let partner = teams::partner(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Created(partner.version, Partner::from(partner)))
}
