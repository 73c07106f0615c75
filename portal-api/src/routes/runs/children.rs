use axum::Json;
use domain::permissions::needs::RunsRead;
use domain::runs::{RunQuery, page as read};
use engine::ids::RunId;
use engine::store::runs;

use super::{RunRow, Subjects};
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::page::{self, Page, Params};

/// The runs that a run started, newest first
#[utoipa::path(
    get, path = "/runs/{id}/children", operation_id = "list_run_children", tag = "runs",
    params(("id" = String, Path), Params),
    responses((status = 200, description = "A page", body = Page<RunRow>)),
)]
pub(super) async fn children(
    caller: May<RunsRead>,
    Path(id): Path<RunId>,
    Query(params): Query<Params>,
) -> Result<Json<Page<RunRow>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-created_at")?;
    let mut tx = caller.begin().await?;
    runs::get(&mut tx, id).await?;
    let query = RunQuery {
        parent_id: Some(id),
        ..RunQuery::default()
    };
    let slice = read(&mut tx, query, limit, after.as_ref()).await?;
    let subjects = Subjects::of(&mut tx, &slice.items).await?;
    Ok(Json(Page::new(slice, "-created_at", |row| {
        RunRow::new(row, &subjects)
    })))
}
