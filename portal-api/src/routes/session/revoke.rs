use axum::http::StatusCode;
use domain::sessions;
use engine::ids::SessionId;

use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::extract::Path;

/// Ends one of one's own sessions
#[utoipa::path(
    delete, path = "/sessions/{id}", operation_id = "revoke_session", tag = "session",
    params(("id" = String, Path)),
    responses((status = 204, description = "Ended")),
)]
pub(super) async fn revoke(
    signed_in: SignedIn,
    Path(id): Path<SessionId>,
) -> Result<StatusCode, ApiError> {
    signed_in.session_id()?;
    let mut tx = signed_in.begin().await?;
    sessions::close(&mut tx, signed_in.session.user.id, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
