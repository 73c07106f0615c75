use axum::Json as Answer;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use domain::providers;
use domain::providers::attempts::Purpose;
use engine::ids::{IdentityId, ProviderId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::begin::{Beginning, begin, own_path};
use super::start::SsoRedirect;
use crate::caller::{Proven, SignedIn};
use crate::error::ApiError;
use crate::extract::{Json, Path};
use crate::page::Page;

/// Who one is at an identity provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct Identity {
    #[schema(value_type = String)]
    id: IdentityId,
    #[schema(value_type = String)]
    provider_id: ProviderId,
    provider: String,
    /// As the provider said it when they were linked.
    email: Option<String>,
    linked_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkIdentity {
    #[schema(value_type = String)]
    provider_id: ProviderId,
    /// A page of the console to go on to.
    #[serde(default)]
    next: Option<String>,
}

/// Lists the identity providers that recognise one
#[utoipa::path(
    get, path = "/session/identities", operation_id = "list_identities", tag = "sso",
    responses((status = 200, description = "All, the oldest first", body = Page<Identity>)),
)]
pub(super) async fn list(signed_in: SignedIn) -> Result<Answer<Page<Identity>>, ApiError> {
    let mut tx = signed_in.begin().await?;
    let all = providers::identities::list(&mut tx, signed_in.session.user.id).await?;
    let all = all.into_iter().map(|identity| Identity {
        id: identity.id,
        provider_id: identity.provider,
        provider: identity.provider_name,
        email: identity.email,
        linked_at: identity.linked_at,
        last_used_at: identity.last_used_at,
    });
    Ok(Answer(Page::whole(all.collect())))
}

/// Begins to link oneself to who one is at an identity provider
///
/// The browser goes there and comes back. Whatever address the provider knows: being signed in at both
/// is what links them.
#[utoipa::path(
    post, path = "/session/identities", operation_id = "link_identity", tag = "sso",
    request_body = LinkIdentity,
    responses((status = 200, description = "Where to go", body = SsoRedirect)),
)]
pub(super) async fn link(
    signed_in: Proven,
    headers: HeaderMap,
    Json(body): Json<LinkIdentity>,
) -> Result<impl IntoResponse, ApiError> {
    let next = own_path(body.next.as_deref())?;
    let user = &signed_in.session.user;
    let mut tx = signed_in.begin().await?;
    let provider = providers::get(&mut tx, body.provider_id).await?;
    drop(tx); // the provider may have to be asked
    if !provider.enabled {
        let id = body.provider_id;
        return Err(ApiError::not_found(format!("identity provider {id}")));
    }
    let beginning = Beginning {
        tenant: user.tenant,
        purpose: Purpose::Link,
        user: Some(user.id),
        session: None,
        origin: signed_in.origin().to_owned(),
        next,
    };
    let (headers, url) = begin(signed_in.portal(), &provider, beginning, &headers).await?;
    Ok((headers, Answer(SsoRedirect { url })))
}

/// Forgets who one is at an identity provider
///
/// The last way in stays.
#[utoipa::path(
    delete, path = "/session/identities/{id}", operation_id = "unlink_identity", tag = "sso",
    params(("id" = String, Path)),
    responses((status = 204, description = "Forgotten")),
)]
pub(super) async fn unlink(
    signed_in: Proven,
    Path(id): Path<IdentityId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = signed_in.begin().await?;
    providers::identities::unlink(&mut tx, signed_in.session.user.id, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
