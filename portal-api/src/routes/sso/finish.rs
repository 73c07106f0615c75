use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::providers::attempts::Attempt;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::callback::{read_arrival, take};
use super::land::{self, Landing, land};
use super::{NAME_FORMAT, refuse_flood, unknown, unseal};
use crate::caller::Anyone;
use crate::error::ApiError;
use crate::extract::Query;
use crate::portal::Portal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ticket {
    ticket: String,
}

/// Ends a sign-in through SAML
///
/// Where the browser is sent to once its provider's answer was accepted.
#[utoipa::path(
    get, path = "/sso/finish", operation_id = "finish_sso", tag = "sso",
    params(("ticket" = String, Query)),
    responses(
        (status = 303, description = "Signed in or linked; the cookie is set"),
        (status = 200, description = "What came of a test sign-in"),
    ),
)]
pub(super) async fn finish(
    anyone: Anyone,
    State(portal): State<Portal>,
    headers: HeaderMap,
    Query(Ticket { ticket }): Query<Ticket>,
) -> Response {
    let result = come(&portal, &anyone, &headers, &ticket).await;
    land::answer(&portal, &anyone, &headers, result)
}

async fn come(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    ticket: &str,
) -> Result<Response, ApiError> {
    refuse_flood(portal, anyone)?;
    let attempt = take(portal, anyone, Some(ticket)).await?;
    let result = let_in(portal, anyone, headers, &attempt).await;
    land::go_back(headers, &attempt, result)
}

async fn let_in(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    attempt: &Attempt,
) -> Result<Response, ApiError> {
    land::check_browser(portal, anyone, headers, attempt).await?;
    let provider = land::provider_of(portal, anyone, attempt).await?;
    // A state that went to a provider ends there, not here.
    let sealed = attempt.outcome.as_deref().ok_or_else(unknown)?;
    let parts = unseal(&portal.factors.vault, &attempt.owner(), sealed)?;
    let arrival = parts.get("arrival").ok_or_else(unknown)?;
    let format = parts.get(NAME_FORMAT);
    let format = format.map(|format| (NAME_FORMAT, format.expose_secret().to_owned()));
    let landing = Landing {
        arrival: read_arrival(arrival.expose_secret())?,
        kept: format.into_iter().collect(),
    };
    land(portal, anyone, headers, attempt, &provider, landing).await
}
