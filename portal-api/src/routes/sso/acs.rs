use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::TimeDelta;
use domain::providers::Provider;
use domain::providers::attempts::{self, Attempt};
use engine::ids::{AttemptId, ProviderId};
use identity::saml;
use serde::Deserialize;
use utoipa::ToSchema;

use super::begin::blocking;
use super::callback::take;
use super::land::{self, refuse, see};
use super::{NAME_FORMAT, as_saml, fresh, refuse_flood, saml_of, seal};
use crate::caller::Anyone;
use crate::error::{ApiError, Slug};
use crate::extract::{Form, Path};
use crate::portal::Portal;

/// The browser follows at once.
const TICKET: TimeDelta = TimeDelta::minutes(2);

#[derive(Deserialize, ToSchema)]
pub(crate) struct SamlAnswer {
    #[serde(rename = "SAMLResponse")]
    response: String,
    #[serde(rename = "RelayState")]
    relay_state: Option<String>,
}

/// Takes the answer of a SAML identity provider
///
/// Only answers to a sign-in that was begun here are taken, each once. The browser is sent on to the
/// place that its own cookie reaches, where the session is opened.
#[utoipa::path(
    post, path = "/sso/{id}/acs", operation_id = "saml_acs", tag = "sso",
    params(("id" = String, Path)),
    request_body(content = SamlAnswer, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "Accepted; the sign-in ends there")),
)]
pub(super) async fn acs(
    anyone: Anyone,
    State(portal): State<Portal>,
    Path(id): Path<ProviderId>,
    headers: HeaderMap,
    Form(answer): Form<SamlAnswer>,
) -> Response {
    let result = come(&portal, &anyone, &headers, id, answer).await;
    land::answer(&portal, &anyone, &headers, result)
}

async fn come(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    id: ProviderId,
    answer: SamlAnswer,
) -> Result<Response, ApiError> {
    refuse_flood(portal, anyone)?;
    let attempt = take(portal, anyone, answer.relay_state.as_deref()).await?;
    if attempt.provider != id || anyone.place.origin != attempt.origin {
        return Err(refuse(portal, anyone, &attempt, "it was begun at another address").await);
    }
    match accept(portal, anyone, &attempt, answer.response).await {
        Ok(onward) => Ok(onward),
        refused => land::go_back(headers, &attempt, refused),
    }
}

/// Sends the browser on, to where the sign-in ends.
async fn accept(
    portal: &Portal,
    anyone: &Anyone,
    attempt: &Attempt,
    response: String,
) -> Result<Response, ApiError> {
    let provider = land::provider_of(portal, anyone, attempt).await?;
    let arrival = match read(portal, attempt, &provider, response).await? {
        Ok(arrival) => arrival,
        Err(error) => return Err(refuse(portal, anyone, attempt, &error.to_string()).await),
    };
    let of = |name: &str| arrival.attributes.get(name).map(Vec::as_slice);
    let admission = &provider.config.admission;
    let name = &arrival.name_id;
    let mut person = admission.of_attributes(&arrival.issuer, &name.value, of);
    person.session.clone_from(&arrival.session_index);
    person.methods.extend(arrival.context.clone());
    person.authenticated_at = arrival.authenticated_at;
    land::check_fresh(portal, anyone, attempt, &person).await?;
    let text = serde_json::to_string(&person)
        .map_err(|error| ApiError::internal("the sign-in cannot be kept", error))?;
    let mut parts = BTreeMap::from([("arrival", text.as_str())]);
    if let Some(format) = &name.format {
        parts.insert(NAME_FORMAT, format);
    }
    let ticket = fresh()?;
    let mut end = Attempt {
        id: AttemptId::fresh(),
        request_id: None,
        ..attempt.clone()
    };
    end.outcome = Some(seal(&portal.factors.vault, &end.owner(), &parts)?);
    let mut tx = portal.store.begin(end.tenant).await?;
    let is_first = attempts::use_once(
        &mut tx,
        provider.id,
        &arrival.assertion_id,
        arrival.valid_until,
    )
    .await?;
    if !is_first {
        drop(tx);
        return Err(refuse(portal, anyone, &end, "the assertion was used before").await);
    }
    let until = tx.now() + TICKET;
    attempts::begin(&mut tx, &end, &ticket, until).await?;
    tx.commit().await?;
    Ok(see(&format!(
        "{}/api/v1/sso/finish?ticket={}",
        end.origin,
        ticket.expose()
    )))
}

async fn read(
    portal: &Portal,
    attempt: &Attempt,
    provider: &Provider,
    response: String,
) -> Result<Result<saml::Arrival, saml::SamlError>, ApiError> {
    let saml = saml_of(portal)?;
    let parties = as_saml(portal, provider, &attempt.origin)?
        .ok_or_else(|| ApiError::new(Slug::Conflict, "the provider does not speak SAML"))?;
    let Some(request_id) = attempt.request_id.clone() else {
        return Err(ApiError::new(
            Slug::Conflict,
            "this sign-in is not one of SAML",
        ));
    };
    let now = portal.store.clock().now();
    blocking(move || {
        let document = saml::decode(&response)?;
        saml.arrive(&parties, &document, &request_id, now)
    })
    .await
}
