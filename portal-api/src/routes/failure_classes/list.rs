use axum::Json;
use domain::failures;
use engine::ids::ConnectionId;
use engine::store::failures::ClassQuery;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::FailureClass;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page};

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateFilter {
    Open,
    Closed,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    #[param(inline)]
    state: Option<StateFilter>,
    /// Only hidden ones, or only those that are not; both if it is left out.
    muted: Option<bool>,
    #[param(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists failures by their cause, those that failed last first
///
/// Counted now, of the records, writes and runs themselves.
#[utoipa::path(
    get, path = "/failure-classes", operation_id = "list_failure_classes",
    tag = "failure-classes", params(Params),
    responses((status = 200, description = "A page", body = Page<FailureClass>)),
)]
pub(super) async fn list(
    caller: Caller,
    Query(params): Query<Params>,
) -> Result<Json<Page<FailureClass>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-last_seen_at")?;
    let query = ClassQuery {
        is_open: params.state.map(|state| matches!(state, StateFilter::Open)),
        is_muted: params.muted,
        connection: params.connection_id,
    };
    let mut tx = caller.begin().await?;
    let slice = failures::list(&mut tx, query, limit, after.as_ref()).await?;
    tx.commit().await?;
    Ok(Json(Page::new(slice, "-last_seen_at", FailureClass::from)))
}
