use axum::Json;
use axum::http::StatusCode;
use domain::permissions::needs::KeysManage;
use domain::tokens::{self, GrantWish, LONGEST_DAYS};
use engine::store::audit::Entry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Grant, TokenPair};
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::extract;
use crate::routes::groups::read_permissions;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGrant {
    name: String,
    /// As `permissions.md` lists them; none that the caller does not have.
    permissions: Vec<String>,
    /// How long it can be refreshed: 1 to 365 days; 30 unless said otherwise.
    days: Option<i64>,
}

/// A grant with its first tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Granted {
    grant: Grant,
    tokens: TokenPair,
}

/// Grants tokens to a program
///
/// It acts for the caller, with the permissions it is given as long as the caller has them.
#[utoipa::path(
    post, path = "/tokens", operation_id = "grant_tokens", tag = "tokens",
    request_body = NewGrant,
    responses((status = 201, description = "Granted", body = Granted)),
)]
pub(super) async fn grant(
    caller: Fresh<KeysManage>,
    extract::Json(body): extract::Json<NewGrant>,
) -> Result<(StatusCode, Json<Granted>), ApiError> {
    let wish = GrantWish {
        name: domain::groups::name(&body.name).map_err(|why| ApiError::invalid("/name", why))?,
        permissions: read_permissions("/permissions", &body.permissions)?,
        days: body.days.unwrap_or(30),
    };
    if !(1..=LONGEST_DAYS).contains(&wish.days) {
        let message = format!("days must be between 1 and {LONGEST_DAYS}");
        return Err(ApiError::invalid("/days", message));
    }
    if let Err(elevation) = caller.editor().may_give(wish.permissions) {
        let wished = serde_json::json!({"permissions": wish.permissions.names()});
        let entry = Entry::refused("grant_tokens", "grant", "").after(wished);
        return Err(caller.refuse(entry, &elevation.to_string()).await);
    }
    let (vault, user) = (&caller.portal().factors.vault, caller.session.user.id);
    let mut tx = caller.begin().await?;
    let (id, pair) = tokens::grant(&mut tx, vault, user, &wish).await?;
    let grant = tokens::get(&mut tx, id).await?;
    tx.commit().await?;
    let granted = Granted {
        grant: grant.into(),
        tokens: pair.into(),
    };
    Ok((StatusCode::CREATED, Json(granted)))
}
