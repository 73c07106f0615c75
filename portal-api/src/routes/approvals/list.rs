use axum::Json;
use domain::approvals;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Approval;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page};

#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateFilter {
    Open,
    Decided,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    #[param(inline)]
    state: Option<StateFilter>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists what runs ask for, newest first
#[utoipa::path(
    get, path = "/approvals", operation_id = "list_approvals", tag = "approvals", params(Params),
    responses((status = 200, description = "A page", body = Page<Approval>)),
)]
pub(super) async fn list(
    caller: Caller,
    Query(params): Query<Params>,
) -> Result<Json<Page<Approval>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-asked_at")?;
    let is_open = params.state.map(|state| matches!(state, StateFilter::Open));
    let mut tx = caller.begin().await?;
    let slice = approvals::list(&mut tx, is_open, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "-asked_at", Approval::from)))
}
