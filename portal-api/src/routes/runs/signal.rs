use axum::http::StatusCode;
use domain::permissions::needs::RunsOperate;
use engine::StoreError;
use engine::ids::RunId;
use engine::store::signals;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{Json, Path};

/// Named data for a run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SendSignal)]
pub(crate) struct Send {
    /// What the run waits for under.
    name: String,
    /// Of the kind that the run wants; one that cannot be read parks it.
    #[schema(value_type = Object)]
    body: serde_json::Value,
    /// A second one with this key and name is not sent.
    dedupe_key: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SentSignal)]
pub(crate) struct Sent {
    /// False: one with this dedupe key was sent before.
    sent: bool,
}

/// Sends a run what it waits for
///
/// It may be sent before the run waits for it.
#[utoipa::path(
    post, path = "/runs/{id}/signals", operation_id = "signal_run", tag = "runs",
    params(("id" = String, Path)), request_body = Send,
    responses((status = 202, description = "Stored with the run", body = Sent)),
)]
pub(super) async fn signal(
    caller: May<RunsOperate>,
    Path(id): Path<RunId>,
    Json(signal): Json<Send>,
) -> Result<(StatusCode, axum::Json<Sent>), ApiError> {
    let body = serde_json::to_vec(&signal.body).map_err(StoreError::Encode)?;
    let dedupe = signal.dedupe_key.as_deref();
    let mut tx = caller.begin().await?;
    let sent = signals::send(&mut tx, id, &signal.name, &body, dedupe).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, axum::Json(Sent { sent })))
}
