use axum::Json;
use chrono::Utc;
use domain::permissions::needs::ConnectionsOperate;
use engine::ids::ConnectionId;
use engine::peers::kind_name;
use engine::store::connections::{self, ConnectionFailure};
use serde::Serialize;
use utoipa::ToSchema;

use super::ConnectionError;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// How a check went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckResult {
    ok: bool,
    took_ms: u64,
    #[schema(value_type = Option<ConnectionError>)]
    error: Option<ConnectionFailure>,
}

/// Tries a connection's credentials
///
/// A refusal is an answer here, not a problem.
#[utoipa::path(
    post, path = "/connections/{id}/check", operation_id = "check_connection",
    tag = "connections", params(("id" = String, Path)),
    responses((status = 200, description = "How it went", body = CheckResult)),
)]
pub(super) async fn check(
    caller: May<ConnectionsOperate>,
    Path(id): Path<ConnectionId>,
) -> Result<Json<CheckResult>, ApiError> {
    let checked = caller
        .portal()
        .peers
        .check(caller.session.user.tenant, id)
        .await?;
    let at: chrono::DateTime<Utc> = caller.portal().store.clock().now();
    Ok(Json(CheckResult {
        ok: checked.error.is_none(),
        took_ms: u64::try_from(checked.took.as_millis()).unwrap_or(u64::MAX),
        error: checked.error.map(|error| connections::ConnectionFailure {
            kind: kind_name(error.kind),
            code: error.code.clone(),
            message: error.to_string(),
            at,
        }),
    }))
}
