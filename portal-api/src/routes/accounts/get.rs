use domain::entities;
use domain::permissions::needs::RecordsRead;
use engine::ids::AccountId;

use super::Account;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// One account
#[utoipa::path(
    get, path = "/accounts/{id}", operation_id = "get_account", tag = "accounts",
    params(("id" = String, Path)),
    responses((status = 200, description = "The account", body = Account)),
)]
pub(super) async fn get(
    caller: May<RecordsRead>,
    Path(id): Path<AccountId>,
) -> Result<Tagged<Account>, ApiError> {
    let mut tx = caller.begin().await?;
    let detail = entities::detail(&mut tx, &caller.portal().tables, "account", id.into()).await?;
    Ok(Tagged(detail.version, detail.into()))
}
