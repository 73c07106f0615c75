use axum::Json as Answer;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use domain::providers;
use domain::providers::attempts::Purpose;
use engine::ids::ProviderId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::begin::{Beginning, begin, own_path};
use super::{options, refuse_flood};
use crate::caller::Anyone;
use crate::error::ApiError;
use crate::extract::{Json, Path};
use crate::portal::Portal;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SsoStart {
    /// A page of the console to go on to; its first page unless given.
    #[serde(default)]
    next: Option<String>,
}

/// Where the browser goes.
#[derive(Serialize, ToSchema)]
pub(crate) struct SsoRedirect {
    pub(crate) url: String,
}

/// Begins a sign-in through an identity provider
///
/// Sets a cookie: the sign-in can be ended by this browser only, within ten minutes, once.
#[utoipa::path(
    post, path = "/sso/{id}/start", operation_id = "start_sso", tag = "sso",
    params(
        ("id" = String, Path),
        ("X-Syncline-Tenant" = Option<String>, Header, description = "Id of the tenant"),
    ),
    request_body = SsoStart,
    responses((status = 200, description = "Where to go", body = SsoRedirect)),
)]
pub(super) async fn start(
    anyone: Anyone,
    State(portal): State<Portal>,
    Path(id): Path<ProviderId>,
    headers: HeaderMap,
    Json(body): Json<SsoStart>,
) -> Result<impl IntoResponse, ApiError> {
    refuse_flood(&portal, &anyone)?;
    let next = own_path(body.next.as_deref())?;
    let tenant = options::tenant(&portal, &anyone).await?;
    let mut tx = portal.store.begin(tenant).await?;
    let provider = providers::get(&mut tx, id).await?;
    drop(tx); // the provider may have to be asked
    if !provider.enabled {
        return Err(ApiError::not_found(format!("identity provider {id}")));
    }
    let beginning = Beginning {
        tenant,
        purpose: Purpose::SignIn,
        user: None,
        session: None,
        origin: anyone.place.origin.clone(),
        next,
    };
    let (headers, url) = begin(&portal, &provider, beginning, &headers).await?;
    Ok((headers, Answer(SsoRedirect { url })))
}
