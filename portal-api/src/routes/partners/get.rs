use domain::permissions::needs::TeamsRead;
use domain::teams;
use engine::ids::PartnerId;

use super::Partner;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// A partner organisation
#[utoipa::path(
    get, path = "/partners/{id}", operation_id = "get_partner", tag = "partners",
    params(("id" = String, Path)),
    responses((status = 200, description = "The partner", body = Partner)),
)]
pub(super) async fn get(
    caller: May<TeamsRead>,
    Path(id): Path<PartnerId>,
) -> Result<Tagged<Partner>, ApiError> {
    let mut tx = caller.begin().await?;
    let partner = teams::partner(&mut tx, id).await?;
    Ok(Tagged(partner.version, partner.into()))
}
