use axum::Json;
use domain::matches::{self, MatchQuery};
use domain::permissions::needs::ConflictsRead;
use engine::ids::ConnectionId;
use engine::store::matches::Why;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Match;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page};

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateFilter {
    Open,
    Same,
    Different,
    Gone,
}

impl StateFilter {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Same => "same",
            Self::Different => "different",
            Self::Gone => "gone",
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    #[param(inline)]
    state: Option<StateFilter>,
    /// possible, ambiguous, taken or being_made
    #[param(value_type = Option<String>)]
    why: Option<Why>,
    /// `account` or `contact`
    entity: Option<String>,
    #[param(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    stream: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists records of which it is not sure whose they are, newest first
#[utoipa::path(
    get, path = "/matches", operation_id = "list_matches", tag = "matches", params(Params),
    responses((status = 200, description = "A page", body = Page<Match>)),
)]
pub(super) async fn list(
    caller: May<ConflictsRead>,
    Query(params): Query<Params>,
) -> Result<Json<Page<Match>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-opened_at")?;
    let query = MatchQuery {
        state: params.state.map(StateFilter::as_str),
        why: params.why,
        entity: params.entity,
        connection_id: params.connection_id,
        stream: params.stream,
    };
    let mut tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let slice = matches::list(&mut tx, tables, &query, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "-opened_at", Match::from)))
}
