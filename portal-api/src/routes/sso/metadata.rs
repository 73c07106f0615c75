use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use domain::providers;
use engine::ids::ProviderId;

use super::begin::blocking;
use super::{as_saml, saml_of};
use crate::caller::Anyone;
use crate::error::ApiError;
use crate::extract::Path;
use crate::portal::Portal;

/// The hub's SAML metadata for one identity provider
///
/// To be given to the provider; there is nothing secret in it.
#[utoipa::path(
    get, path = "/sso/{id}/metadata", operation_id = "get_saml_metadata", tag = "sso",
    params(("id" = String, Path)),
    responses((status = 200, description = "The metadata", body = String,
               content_type = "application/samlmetadata+xml")),
)]
pub(super) async fn metadata(
    anyone: Anyone,
    State(portal): State<Portal>,
    Path(id): Path<ProviderId>,
) -> Result<impl IntoResponse, ApiError> {
    let gone = || ApiError::not_found(format!("identity provider {id}"));
    let mut tx = portal.store.begin_system().await?;
    let tenant = providers::tenant_of(&mut tx, id).await?.ok_or_else(gone)?;
    drop(tx);
    if anyone.place.tenant.is_some_and(|here| here != tenant) {
        return Err(gone());
    }
    let mut tx = portal.store.begin(tenant).await?;
    let provider = providers::get(&mut tx, id).await?;
    drop(tx);
    let parties = as_saml(&portal, &provider, &anyone.place.origin)?.ok_or_else(gone)?;
    let saml = saml_of(&portal)?;
    let xml = blocking(move || saml.our_metadata(&parties))
        .await?
        .map_err(|error| ApiError::internal("the metadata cannot be written", error))?;
    Ok((
        [(header::CONTENT_TYPE, "application/samlmetadata+xml")],
        xml,
    ))
}
