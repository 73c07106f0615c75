use axum::Json;
use axum::extract::State;
use domain::sessions::Token;
use domain::tokens::{self, Refreshed};
use engine::store::audit::Actor;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::TokenPair;
use crate::caller::Anyone;
use crate::error::{ApiError, Slug};
use crate::extract;
use crate::portal::Portal;
use crate::routes::session::refuse_guessing;

/// What made-up tokens are counted by, beside the addresses of sign-in.
const UNKNOWN: &str = "a refresh token";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    /// It works this once: a second time ends the grant, for then somebody has a copy.
    #[schema(value_type = String, format = "password")]
    refresh_token: SecretString,
}

/// Exchanges a refresh token for the next pair
#[utoipa::path(
    post, path = "/tokens/refresh", operation_id = "refresh_tokens", tag = "tokens",
    request_body = Refresh,
    responses((status = 200, description = "The next pair", body = TokenPair)),
)]
pub(super) async fn refresh(
    anyone: Anyone,
    State(portal): State<Portal>,
    extract::Json(body): extract::Json<Refresh>,
) -> Result<Json<TokenPair>, ApiError> {
    let token = Token::of(body.refresh_token.expose_secret());
    let Some(bearer) = tokens::bearer(&portal.store, &token).await? else {
        refuse_guessing(&portal, anyone.address, UNKNOWN)?;
        portal.throttle().failed(anyone.address, UNKNOWN);
        return Err(refused());
    };
    let mut tx = portal.store.begin(bearer.tenant).await?;
    tx.act_as(anyone.acting(Actor::Key {
        id: bearer.grant.0,
        name: "a program with a refresh token".to_owned(),
    }));
    let vault = &portal.factors.vault;
    let refreshed = tokens::refresh(&mut tx, vault, bearer.grant, &token).await?;
    tx.commit().await?;
    match refreshed {
        Refreshed::Pair(pair) => Ok(Json(pair.into())),
        Refreshed::Ended => Err(refused()),
        Refreshed::Reused => {
            metrics::counter!("syncline_refresh_tokens_reused_total").increment(1);
            tracing::warn!(
                tenant.id = %bearer.tenant,
                grant.id = %bearer.grant,
                "a refresh token came twice: its grant was ended"
            );
            Err(refused())
        }
    }
}

/// Whatever is wrong is answered alike.
fn refused() -> ApiError {
    ApiError::new(
        Slug::Unauthenticated,
        "this refresh token is none, was used before, or its grant has ended",
    )
}
