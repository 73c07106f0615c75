use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use domain::sessions;

use super::cookie;
use crate::caller::SignedIn;
use crate::error::ApiError;

/// Signs out
#[utoipa::path(
    delete, path = "/session", operation_id = "sign_out", tag = "session",
    responses((status = 204, description = "Signed out; the cookie is gone")),
)]
pub(super) async fn sign_out(signed_in: SignedIn) -> Result<impl IntoResponse, ApiError> {
    let (session, id) = (&signed_in.session, signed_in.session_id()?);
    let mut tx = signed_in.begin().await?;
    sessions::close(&mut tx, session.user.id, id).await?;
    tx.commit().await?;
    Ok((
        StatusCode::NO_CONTENT,
        [(header::SET_COOKIE, cookie("", 0))],
    ))
}
