use axum::http::StatusCode;
use axum::response::IntoResponse;
use domain::sessions::Token;
use domain::tenant_domains;
use identity::host::HostName;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Domain;
use crate::caller::Admin;
use crate::error::{ApiError, Slug};
use crate::extract::Json;
use crate::portal::Portal;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DomainBody {
    /// Such as `portal.example.com`, in whatever script. Names that mix scripts, or look like one
    /// that is another tenant's, are refused.
    host: String,
}

/// Asks for a domain
///
/// It leads to the tenant once a record in the domain name system shows that it is theirs.
#[utoipa::path(
    post, path = "/domains", operation_id = "create_domain", tag = "domains",
    request_body = DomainBody,
    responses((status = 201, description = "Asked for; make the record, then verify", body = Domain)),
)]
pub(super) async fn create(
    caller: Admin,
    Json(body): Json<DomainBody>,
) -> Result<impl IntoResponse, ApiError> {
    let host = HostName::parse(&body.host)
        .map_err(|error| ApiError::invalid("/host", error.to_string()))?;
    if caller.portal().is_own_host(host.ascii()) {
        return Err(ApiError::invalid("/host", "this is the hub's own name"));
    }
    refuse_taken(caller.portal(), &caller, &host).await?;
    let challenge = Token::fresh()
        .map_err(|error| ApiError::internal("the challenge cannot be made", error))?;
    let mut tx = caller.begin().await?;
    let made =
        tenant_domains::claim(&mut tx, host.ascii(), host.looks_like(), challenge.expose()).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, axum::Json(Domain::from(made))))
}

/// Refuses a name that another tenant has shown to be theirs, or that looks like one.
pub(super) async fn refuse_taken(
    portal: &Portal,
    caller: &Admin,
    host: &HostName,
) -> Result<(), ApiError> {
    let mut tx = portal.store.begin_system().await?;
    let tenant = caller.session.user.tenant;
    if tenant_domains::is_taken(&mut tx, tenant, host.ascii(), host.looks_like()).await? {
        return Err(ApiError::new(
            Slug::Conflict,
            "this name is taken, or looks like one that is",
        ));
    }
    Ok(())
}
