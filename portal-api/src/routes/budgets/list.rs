use axum::Json;
use engine::budget;
use engine::store::keyset::{After, Slice};
use uuid::Uuid;

use super::Budget;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page, Params};

/// Lists budgets by name
#[utoipa::path(
    get, path = "/budgets", operation_id = "list_budgets", tag = "budgets", params(Params),
    responses((status = 200, description = "A page", body = Page<Budget>)),
)]
pub(super) async fn list(
    caller: Caller,
    Query(params): Query<Params>,
) -> Result<Json<Page<Budget>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "budget")?;
    let after = after.as_ref().map(|after| after.value.as_str());
    let mut tx = caller.begin().await?;
    let limit_and_one = u16::try_from(limit + 1).unwrap_or(u16::MAX);
    let rows = budget::list(&mut tx, after, limit_and_one).await?;
    let slice = Slice::cut(rows, limit, |last| After {
        value: last.name.clone(),
        id: Uuid::nil(),
    });
    Ok(Json(Page::new(slice, "budget", Budget::from)))
}
