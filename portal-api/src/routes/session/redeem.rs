use axum::extract::State;
use axum::http::StatusCode;
use domain::sessions::Token;
use domain::users::links;
use domain::{security, users};
use engine::store::audit::Actor;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::change_password::refuse;
use super::sign_in::refuse_guessing;
use crate::caller::Anyone;
use crate::error::ApiError;
use crate::extract::Json;
use crate::portal::Portal;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetPassword {
    /// From the link.
    #[schema(value_type = String, format = "password")]
    token: SecretString,
    /// As the tenant's security policy says; at least ten characters unless it says otherwise.
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// Sets a password with a link
///
/// The link of an invitation or of a reset works once. A password that is refused does not use it up.
/// All sessions of the user end.
#[utoipa::path(
    post, path = "/session/link", operation_id = "redeem_link", tag = "session",
    request_body = SetPassword,
    responses((status = 204, description = "Set; sign in with it")),
)]
pub(super) async fn redeem(
    anyone: Anyone,
    State(portal): State<Portal>,
    Json(body): Json<SetPassword>,
) -> Result<StatusCode, ApiError> {
    /// Counted beside the addresses of sign-in.
    const LINK: &str = "a link";
    refuse_guessing(&portal, anyone.address, LINK)?;
    let token = Token::of(body.token.expose_secret());
    let Some(link) = links::find(&portal.store, &token).await? else {
        portal.throttle().failed(anyone.address, LINK);
        return Err(gone());
    };
    let acting = anyone.acting(Actor::User {
        id: link.user.0,
        name: link.name.clone(),
    });
    let mut tx = portal.store.begin(link.tenant).await?;
    let policy = security::current(&mut tx).await?.policy;
    let had = users::password_hashes(&mut tx, link.user, policy.password_remembered).await?;
    drop(tx); // hashing takes a while
    let hash = portal
        .passwords
        .hash_chosen(body.password, &link.email, &policy, had)
        .await
        .map_err(|error| refuse("/password", error))?;
    let mut tx = portal.store.begin(link.tenant).await?;
    tx.act_as(acting);
    if !links::redeem(&mut tx, &link, &token, &hash).await? {
        return Err(gone());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn gone() -> ApiError {
    ApiError::invalid("/token", "this link was used or does not hold any more")
}
