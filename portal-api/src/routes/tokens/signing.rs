use axum::Json;
use chrono::{DateTime, Utc};
use domain::permissions::needs::HubConfigure;
use domain::tokens::signing;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::{Admin, Fresh};
use crate::error::ApiError;
use crate::page::Page;

/// A key that signs access tokens. The key itself is never shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SigningKey {
    /// As `kid` in the tokens' header.
    id: String,
    created_at: DateTime<Utc>,
    /// Since when it signs no more.
    retired_at: Option<DateTime<Utc>>,
}

/// Lists the keys that sign access tokens
#[utoipa::path(
    get, path = "/tokens/signing-keys", operation_id = "list_signing_keys", tag = "tokens",
    responses((status = 200, description = "Those whose tokens may hold", body = Page<SigningKey>)),
)]
pub(super) async fn list(caller: Admin) -> Result<Json<Page<SigningKey>>, ApiError> {
    let mut tx = caller.begin().await?;
    let keys = signing::list(&mut tx).await?.into_iter();
    let keys = keys.map(|key| SigningKey {
        id: key.id.simple().to_string(),
        created_at: key.created_at,
        retired_at: key.retired_at,
    });
    Ok(Json(Page::whole(keys.collect())))
}

/// Signs access tokens with a new key
///
/// By itself this happens once a month. What earlier keys signed holds until it expires, ten minutes at
/// most.
#[utoipa::path(
    post, path = "/tokens/signing-keys", operation_id = "renew_signing_key", tag = "tokens",
    responses((status = 200, description = "Those whose tokens may hold", body = Page<SigningKey>)),
)]
pub(super) async fn renew(caller: Fresh<HubConfigure>) -> Result<Json<Page<SigningKey>>, ApiError> {
    let mut tx = caller.begin().await?;
    signing::renew(&mut tx, &caller.portal().factors.vault).await?;
    let keys = signing::list(&mut tx).await?.into_iter();
    let keys = keys.map(|key| SigningKey {
        id: key.id.simple().to_string(),
        created_at: key.created_at,
        retired_at: key.retired_at,
    });
    let keys = Page::whole(keys.collect());
    tx.commit().await?;
    Ok(Json(keys))
}
