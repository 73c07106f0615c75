use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use domain::sessions;
use domain::users::{self, User};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Session, cookie};
use crate::error::{ApiError, Slug};
use crate::extract;
use crate::portal::Portal;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    email: String,
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// Signs in
///
/// A wrong address and a wrong password are answered alike.
#[utoipa::path(
    post, path = "/session", operation_id = "sign_in", tag = "session", request_body = SignIn,
    responses((status = 200, description = "Signed in; the cookie is set", body = Session)),
)]
pub(super) async fn sign_in(
    State(portal): State<Portal>,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    extract::Json(body): extract::Json<SignIn>,
) -> Result<impl IntoResponse, ApiError> {
    let caller = from.map(|Extension(ConnectInfo(address))| address.ip());
    let user = authenticate(&portal, caller, body).await?;
    let token = sessions::open(&portal.store, &user)
        .await
        .map_err(|error| ApiError::internal("the session cannot be opened", error))?;
    let session = sessions::find(&portal.store, &token).await?;
    let session = session.ok_or_else(ApiError::unauthenticated)?;
    let headers =
        HeaderMap::from_iter([(header::SET_COOKIE, cookie(token.expose(), portal.https))]);
    Ok((headers, Json(Session::from(session))))
}

async fn authenticate(
    portal: &Portal,
    caller: Option<IpAddr>,
    body: SignIn,
) -> Result<User, ApiError> {
    if let Some(wait) = portal.throttle().wait(caller, &body.email) {
        let error = ApiError::new(Slug::RateLimited, "too many failed attempts; wait a while");
        return Err(error.with_retry_after(wait.as_secs().max(1)));
    }
    let mut tx = portal.store.begin_system().await?;
    let found = users::find_by_email(&mut tx, body.email.trim()).await?;
    drop(tx); // checking takes a while
    let (user, hash) = found.map_or((None, None), |found| {
        (Some(found.user), Some(found.password_hash))
    });
    let right = portal
        .passwords
        .matches(body.password, hash)
        .await
        .map_err(|error| ApiError::internal("the password cannot be checked", error))?;
    match user {
        Some(user) if right => {
            portal.throttle().succeeded(caller, &body.email);
            Ok(user)
        }
        _ => {
            portal.throttle().failed(caller, &body.email);
            metrics::counter!("syncline_sign_in_failures_total").increment(1);
            Err(ApiError::new(
                Slug::Unauthenticated,
                "address or password is wrong",
            ))
        }
    }
}
