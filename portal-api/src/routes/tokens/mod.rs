//! Tokens of programs: short access tokens, and refresh tokens to get the next.

mod grant;
mod list;
mod refresh;
mod signing;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::permissions::needs::KeysManage;
use domain::tokens::{self, Pair};
use engine::ids::{TokenId, UserId};
use engine::store::audit::Entry;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, grant::grant))
        .routes(routes!(revoke))
        .routes(routes!(refresh::refresh))
        .routes(routes!(signing::list, signing::renew))
}

/// A grant of tokens to a program. It acts for the user who made it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Grant {
    #[schema(value_type = String)]
    id: TokenId,
    name: String,
    #[schema(value_type = String)]
    user_id: UserId,
    /// Those of them count that the user has too.
    permissions: Vec<String>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    /// revoked by a person, or reused: a refresh token came twice, so somebody has a copy.
    revoked_why: Option<String>,
}

impl From<tokens::Grant> for Grant {
    fn from(grant: tokens::Grant) -> Self {
        Self {
            id: grant.id,
            name: grant.name,
            user_id: grant.user,
            permissions: grant.permissions.names(),
            created_at: grant.created_at,
            expires_at: grant.expires_at,
            last_used_at: grant.last_used_at,
            revoked_at: grant.revoked_at,
            revoked_why: grant.revoked_why,
        }
    }
}

/// An access token and the refresh token that gets the next, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenPair {
    /// For `Authorization: Bearer`.
    access_token: String,
    access_expires_at: DateTime<Utc>,
    /// Good once, for `POST /tokens/refresh`.
    refresh_token: String,
    refresh_expires_at: DateTime<Utc>,
}

impl From<Pair> for TokenPair {
    fn from(pair: Pair) -> Self {
        Self {
            access_token: pair.access.expose().to_owned(),
            access_expires_at: pair.access_until,
            refresh_token: pair.refresh.expose().to_owned(),
            refresh_expires_at: pair.refresh_until,
        }
    }
}

/// Ends a grant
///
/// Its tokens work no more from the next request on; it stays in the list.
#[utoipa::path(
    delete, path = "/tokens/{id}", operation_id = "revoke_tokens", tag = "tokens",
    params(("id" = String, Path)),
    responses((status = 204, description = "They work no more")),
)]
async fn revoke(caller: May<KeysManage>, Path(id): Path<TokenId>) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let grant = tokens::get(&mut tx, id).await?;
    if let Err(elevation) = caller.editor().may_give(grant.permissions) {
        let entry = Entry::refused("revoke_tokens", "grant", id);
        return Err(caller.refuse(entry, &elevation.to_string()).await);
    }
    tokens::revoke(&mut tx, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
