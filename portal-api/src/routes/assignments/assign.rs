use axum::Json;
use domain::assignments;
use domain::permissions::needs::TeamsManage;
use engine::ids::AccountId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Assignment, of_holder, read_holder};
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{self, Path};
use crate::page::Page;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignmentBody {
    /// Id of a user, a team or a partner.
    to: String,
}

/// Assigns an account
///
/// It counts with the next request of whoever gets it. Assigning it again changes nothing.
#[utoipa::path(
    post, path = "/accounts/{id}/assignments", operation_id = "assign_account", tag = "accounts",
    params(("id" = String, Path)), request_body = AssignmentBody,
    responses((status = 200, description = "All, newest first", body = Page<Assignment>)),
)]
pub(super) async fn assign(
    caller: May<TeamsManage>,
    Path(id): Path<AccountId>,
    extract::Json(body): extract::Json<AssignmentBody>,
) -> Result<Json<Page<Assignment>>, ApiError> {
    let holder = read_holder("/to", &body.to)?;
    let mut tx = caller.begin().await?;
    assignments::assign(&mut tx, id, holder, caller.session.user.id)
        .await
        .map_err(of_holder("/to"))?;
    let history = assignments::history(&mut tx, id).await?;
    tx.commit().await?;
    let history = history.into_iter().map(Assignment::from).collect();
    Ok(Json(Page::whole(history)))
}
