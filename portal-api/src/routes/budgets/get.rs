use engine::budget;

use super::Budget;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// One budget
///
/// Its ETag is of what one sets, not of what is left.
#[utoipa::path(
    get, path = "/budgets/{name}", operation_id = "get_budget", tag = "budgets",
    params(("name" = String, Path)),
    responses((status = 200, description = "The budget", body = Budget)),
)]
pub(super) async fn get(
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Tagged<Budget>, ApiError> {
    let mut tx = caller.begin().await?;
    let budget = Budget::from(budget::get(&mut tx, &name).await?);
    Ok(Tagged(budget.version(), budget))
}
