use axum::response::IntoResponse;
use domain::entities;
use domain::permissions::needs::RecordsWrite;

use super::{Account, Change};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;

/// Makes an account
#[utoipa::path(
    post, path = "/accounts", operation_id = "create_account", tag = "accounts",
    request_body = Change,
    responses((status = 201, description = "Made", body = Account)),
)]
pub(super) async fn create(
    caller: May<RecordsWrite>,
    Json(body): Json<Change>,
) -> Result<impl IntoResponse, ApiError> {
    let (tables, user) = (&caller.portal().tables, caller.session.user.id);
    let mut tx = caller.begin().await?;
    let id = entities::create(&mut tx, tables, "account", body.fields, user).await?;
    let detail = entities::detail(&mut tx, tables, "account", id).await?;
    tx.commit().await?;
    Ok(Created(detail.version, Account::from(detail)))
}
