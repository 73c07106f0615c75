use axum::Json;
use domain::tenant_domains;
use engine::ids::DomainId;
use identity::host::HostName;

use super::Domain;
use super::create::refuse_taken;
use crate::caller::Admin;
use crate::error::{ApiError, Slug};
use crate::extract::Path;

/// Looks whether a domain is the tenant's
///
/// The TXT record is asked for now. Where it says what it has to, the domain leads to the tenant from
/// the next request on.
#[utoipa::path(
    post, path = "/domains/{id}/verify", operation_id = "verify_domain", tag = "domains",
    params(("id" = String, Path)),
    responses((status = 200, description = "It is", body = Domain)),
)]
pub(super) async fn verify(
    caller: Admin,
    Path(id): Path<DomainId>,
) -> Result<Json<Domain>, ApiError> {
    let mut tx = caller.begin().await?;
    let domain = tenant_domains::get(&mut tx, id).await?;
    drop(tx); // a name server is asked
    let resolver = &caller.portal().providers.resolver;
    let texts = resolver
        .texts(&domain.record_name())
        .await
        .map_err(|error| {
            ApiError::new(
                Slug::PeerFailed,
                format!("the record cannot be looked for: {error}"),
            )
        })?;
    if !texts.iter().any(|text| text.trim() == domain.record_text()) {
        return Err(ApiError::new(
            Slug::Conflict,
            format!(
                "there is no TXT record at {} that says {}",
                domain.record_name(),
                domain.record_text()
            ),
        ));
    }
    let host = HostName::parse(&domain.host)
        .map_err(|error| ApiError::internal("the name cannot be read", error))?;
    refuse_taken(caller.portal(), &caller, &host).await?;
    let mut tx = caller.begin().await?;
    let domain = tenant_domains::verified(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(domain.into()))
}
