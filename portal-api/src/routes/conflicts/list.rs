use axum::Json;
use domain::conflicts::{self, ConflictQuery};
use domain::permissions::needs::ConflictsRead;
use engine::ids::ConnectionId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Conflict;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page};

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateFilter {
    Open,
    Resolved,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    #[param(inline)]
    state: Option<StateFilter>,
    /// `account` or `contact`
    entity: Option<String>,
    #[param(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists conflicts, newest first
#[utoipa::path(
    get, path = "/conflicts", operation_id = "list_conflicts", tag = "conflicts", params(Params),
    responses((status = 200, description = "A page", body = Page<Conflict>)),
)]
pub(super) async fn list(
    caller: May<ConflictsRead>,
    Query(params): Query<Params>,
) -> Result<Json<Page<Conflict>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-opened_at")?;
    let query = ConflictQuery {
        is_open: params.state.map(|state| matches!(state, StateFilter::Open)),
        entity: params.entity,
        connection_id: params.connection_id,
    };
    let mut tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let slice = conflicts::list(&mut tx, tables, &query, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "-opened_at", Conflict::from)))
}
