use axum::Json;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use domain::providers;
use domain::providers::attempts::Purpose;
use engine::ids::ProviderId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Admin;
use crate::error::ApiError;
use crate::extract::Path;
use crate::routes::sso::{Beginning, begin};

/// Where to try it.
#[derive(Serialize, ToSchema)]
pub(crate) struct TestSignIn {
    /// Open it in this browser; what came of it is noted with the provider, whose page comes next. Programs are
    /// answered it.
    url: String,
}

/// Begins a test sign-in
///
/// Nobody is let in, linked or made by it.
#[utoipa::path(
    post, path = "/identity-providers/{id}/test", operation_id = "test_identity_provider",
    tag = "identity-providers", params(("id" = String, Path)),
    responses((status = 200, description = "Where to go", body = TestSignIn)),
)]
pub(super) async fn test(
    caller: Admin,
    Path(id): Path<ProviderId>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    caller.session_id()?;
    let user = &caller.session.user;
    let mut tx = caller.begin().await?;
    let provider = providers::get(&mut tx, id).await?;
    drop(tx); // the provider may have to be asked
    let beginning = Beginning {
        tenant: user.tenant,
        purpose: Purpose::Test,
        user: Some(user.id),
        session: None,
        origin: caller.origin().to_owned(),
        next: format!("/identity-providers/{id}"),
    };
    let (headers, url) = begin(caller.portal(), &provider, beginning, &headers).await?;
    Ok((headers, Json(TestSignIn { url })))
}
