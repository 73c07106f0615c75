use axum::Json;

use super::Session;
use crate::caller::SignedIn;

/// Who is signed in
#[utoipa::path(
    get, path = "/session", operation_id = "get_session", tag = "session",
    responses((status = 200, description = "The session", body = Session)),
)]
pub(super) async fn get(signed_in: SignedIn) -> Json<Session> {
    Json(signed_in.session.into())
}
