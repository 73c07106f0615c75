use axum::Json;
use domain::permissions::needs::TeamsRead;
use domain::teams;

use super::Partner;
use crate::caller::May;
use crate::error::ApiError;
use crate::page::Page;

/// Lists partner organisations
#[utoipa::path(
    get, path = "/partners", operation_id = "list_partners", tag = "partners",
    responses((status = 200, description = "All, by name", body = Page<Partner>)),
)]
pub(super) async fn list(caller: May<TeamsRead>) -> Result<Json<Page<Partner>>, ApiError> {
    let mut tx = caller.begin().await?;
    let partners = teams::partners(&mut tx).await?;
    let partners = partners.into_iter().map(Partner::from).collect();
    Ok(Json(Page::whole(partners)))
}
