use axum::Json;
use chrono::{DateTime, Utc};
use domain::permissions::needs::RunsRead;
use domain::runs::{RunQuery, page as read};
use engine::ids::ConnectionId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{RunRow, RunStateName, Subjects};
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    #[param(inline)]
    state: Option<RunStateName>,
    workflow: Option<String>,
    #[param(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    key: Option<String>,
    error_class: Option<String>,
    /// Made at or after this instant.
    since: Option<DateTime<Utc>>,
    /// Made before this instant.
    until: Option<DateTime<Utc>>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists runs, newest first
#[utoipa::path(
    get, path = "/runs", operation_id = "list_runs", tag = "runs", params(Params),
    responses((status = 200, description = "A page", body = Page<RunRow>)),
)]
pub(super) async fn list(
    caller: May<RunsRead>,
    Query(params): Query<Params>,
) -> Result<Json<Page<RunRow>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-created_at")?;
    let query = RunQuery {
        state: params.state.map(Into::into),
        workflow: params.workflow,
        connection_id: params.connection_id,
        key: params.key,
        error_class: params.error_class,
        since: params.since,
        until: params.until,
        ..RunQuery::default()
    };
    let mut tx = caller.begin().await?;
    let slice = read(&mut tx, query, limit, after.as_ref()).await?;
    let subjects = Subjects::of(&mut tx, &slice.items).await?;
    Ok(Json(Page::new(slice, "-created_at", |row| {
        RunRow::new(row, &subjects)
    })))
}
