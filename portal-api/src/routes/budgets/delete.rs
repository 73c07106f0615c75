use axum::http::StatusCode;
use engine::budget;

use super::{Budget, note};
use crate::caller::Operator;
use crate::error::ApiError;
use crate::etag::{self, IfMatch};
use crate::extract::Path;

/// Removes a budget
///
/// Nothing limits its account then, until the system reports a limit of its own.
#[utoipa::path(
    delete, path = "/budgets/{name}", operation_id = "delete_budget", tag = "budgets",
    params(("name" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204, description = "Removed")),
)]
pub(super) async fn delete(
    caller: Operator,
    Path(name): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let current = budget::lock(&mut tx, &name).await?;
    let current = current.ok_or_else(|| ApiError::not_found(format!("budget {name}")))?;
    let current = Budget::from(current);
    if current.version() != version {
        return Err(ApiError::stale(&current));
    }
    let touched = budget::remove(&mut tx, &name).await?;
    tx.was(etag::shown(&current));
    tx.commit().await?;
    note(&caller, &name, "remove", touched);
    Ok(StatusCode::NO_CONTENT)
}
