use domain::entities;
use engine::ids::AccountId;

use super::Account;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::Path;
use crate::routes::records::removal;

/// Brings an account back that was removed or unlinked
///
/// With the links it had. A record that is gone over there is made again, where its stream makes records.
#[utoipa::path(
    post, path = "/accounts/{id}/restore", operation_id = "restore_account", tag = "accounts",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 200, description = "As it is now", body = Account)),
)]
pub(super) async fn restore(
    caller: Operator,
    Path(id): Path<AccountId>,
    IfMatch(version): IfMatch,
) -> Result<Tagged<Account>, ApiError> {
    removal::restore(&caller, ("account", id.into()), version).await?;
    let mut tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let detail = entities::detail(&mut tx, tables, "account", id.into()).await?;
    Ok(Tagged(detail.version, detail.into()))
}
