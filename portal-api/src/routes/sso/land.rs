//! The second half of a sign-in through a provider, once it is known who came: the session, the link,
//! or what came of the test. What is refused is noted with its reason, and said without.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::providers::attempts::{Attempt, Purpose};
use domain::providers::sessions::{OtherSide, note};
use domain::providers::{self, Arrival, Provider, arrivals};
use domain::sessions;
use domain::sessions::stages::{First, Stage};
use domain::users::people;
use engine::ids::{SessionId, UserId};
use engine::store::audit::{Actor, Entry};
use serde_json::{Value as Json_, json};

use super::{COUNTED, begin, refused, seal, step_up, unknown};
use crate::caller::{Anyone, token};
use crate::error::ApiError;
use crate::portal::Portal;
use crate::routes::session::stage;

/// Somebody, with what came along.
pub(super) struct Landing {
    pub(super) arrival: Arrival,
    /// What the session has to know of its other side, by name; it is sealed.
    pub(super) kept: BTreeMap<&'static str, String>,
}

/// Whether the answer came to the browser and the address that asked.
///
/// # Errors
/// Refused and noted.
pub(super) async fn check_browser(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    attempt: &Attempt,
) -> Result<(), ApiError> {
    let is_same = begin::browser(headers).is_some_and(|it| it.hash() == attempt.browser_hash);
    let is_here = anyone.place.origin == attempt.origin
        && anyone
            .place
            .tenant
            .is_none_or(|tenant| tenant == attempt.tenant);
    if is_same && is_here {
        return Ok(());
    }
    let why = if is_here {
        "another browser began it"
    } else {
        "it was begun at another address"
    };
    Err(refuse(portal, anyone, attempt, why).await)
}

/// Whether who shall show who they are again has done so, and was not merely remembered there.
///
/// # Errors
/// Refused and noted.
pub(super) async fn check_fresh(
    portal: &Portal,
    anyone: &Anyone,
    attempt: &Attempt,
    arrival: &Arrival,
) -> Result<(), ApiError> {
    let why = match arrival.is_after(attempt.begun_at) {
        _ if attempt.purpose != Purpose::StepUp => return Ok(()),
        Some(true) => return Ok(()),
        Some(false) => "the provider did not ask the user again",
        None => "the provider does not say when it asked the user",
    };
    Err(refuse(portal, anyone, attempt, why).await)
}

/// The provider of a sign-in, as it was when that began.
///
/// # Errors
/// Refused and noted where it was changed or closed since.
pub(super) async fn provider_of(
    portal: &Portal,
    anyone: &Anyone,
    attempt: &Attempt,
) -> Result<Provider, ApiError> {
    let mut tx = portal.store.begin(attempt.tenant).await?;
    let provider = providers::get(&mut tx, attempt.provider).await?;
    drop(tx);
    let is_open = provider.enabled || attempt.purpose == Purpose::Test;
    if is_open && provider.config_version == attempt.config_version {
        return Ok(provider);
    }
    Err(refuse(
        portal,
        anyone,
        attempt,
        "the provider was changed meanwhile",
    )
    .await)
}

/// Notes why somebody is not let in, and says that they are not.
pub(super) async fn refuse(
    portal: &Portal,
    anyone: &Anyone,
    attempt: &Attempt,
    why: &str,
) -> ApiError {
    portal.throttle().failed(anyone.address, COUNTED);
    metrics::counter!("syncline_sso_refusals_total").increment(1);
    tracing::info!(tenant.id = %attempt.tenant, provider.id = %attempt.provider, why, "a sign-in through a provider was refused");
    let noted = async {
        let mut tx = portal.store.begin(attempt.tenant).await?;
        tx.act_as(anyone.acting(Actor::System {
            name: "stranger".to_owned(),
        }));
        if attempt.purpose == Purpose::Test {
            let outcome = json!({"accepted": false, "reason": why});
            providers::tested(&mut tx, attempt.provider, attempt.config_version, &outcome).await?;
        }
        let entry = Entry::refused("sso_sign_in", "identity_provider", attempt.provider);
        tx.audit(entry.after(json!({"purpose": attempt.purpose.as_str(), "reason": why})));
        tx.commit().await
    };
    match noted.await {
        Ok(()) => refused(),
        Err(error) => error.into(),
    }
}

/// Lets somebody in, links them, or notes what came of the test.
pub(super) async fn land(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    attempt: &Attempt,
    provider: &Provider,
    landing: Landing,
) -> Result<Response, ApiError> {
    match attempt.purpose {
        Purpose::SignIn => sign_in(portal, anyone, headers, attempt, provider, landing).await,
        Purpose::Test => test(portal, anyone, attempt, provider, &landing.arrival).await,
        Purpose::Link => link(portal, anyone, headers, attempt, provider, &landing.arrival).await,
        Purpose::StepUp => {
            step_up::land(portal, anyone, headers, attempt, provider, &landing.arrival).await
        }
        Purpose::SignOut => Err(refuse(portal, anyone, attempt, "nobody was to sign in").await),
    }
}

async fn sign_in(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    attempt: &Attempt,
    provider: &Provider,
    landing: Landing,
) -> Result<Response, ApiError> {
    let arrival = &landing.arrival;
    let mut tx = portal.store.begin(attempt.tenant).await?;
    let user = match arrivals::arrive(&mut tx, provider, arrival).await? {
        Ok(user) => user,
        Err(refusal) => {
            drop(tx);
            return Err(refuse(portal, anyone, attempt, &refusal.to_string()).await);
        }
    };
    tx.act_as(anyone.acting(Actor::User {
        id: user.id.0,
        name: user.name.clone(),
    }));
    let first = First::Provider {
        with_second_factor: provider.config.second_factor.is_vouched(&arrival.methods),
        minutes: provider.config.session_minutes,
    };
    let stage = stage::pass_first(&mut tx, anyone, headers, &user, first).await?;
    let tokens = seal_tokens(portal, stage.session(), &landing)?;
    let side = OtherSide {
        session: stage.session(),
        user: user.id,
        provider: provider.id,
        issuer: arrival.issuer.clone(),
        subject: arrival.subject.clone(),
        sid: arrival.session.clone(),
        tokens,
    };
    note(&mut tx, &side).await?;
    let entry = Entry::new("sign_in_by_provider", "identity_provider", provider.id);
    tx.audit(entry.after(json!({
        "provider": provider.name,
        "preset": provider.preset,
        "protocol": provider.protocol(),
        "user": user.id,
        "second_factor": matches!(stage, Stage::Second(_)),
    })));
    tx.commit().await?;
    metrics::counter!("syncline_sso_sign_ins_total").increment(1);
    let next = match &stage {
        Stage::Open(_) => attempt.next.clone(),
        Stage::Second(_) => second_page(&attempt.next),
    };
    let mut response = see(&format!("{}{next}", attempt.origin));
    let cookie = stage::cookie_for(&stage);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Where the console asks for the second factor, and goes on from there.
fn second_page(next: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("second", "true")
        .append_pair("next", next)
        .finish();
    format!("/sign-in?{query}")
}

fn seal_tokens(
    portal: &Portal,
    session: SessionId,
    landing: &Landing,
) -> Result<Option<Vec<u8>>, ApiError> {
    let kept = landing.kept.iter();
    let parts: BTreeMap<_, _> = kept.map(|(name, part)| (*name, part.as_str())).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    seal(&portal.factors.vault, &OtherSide::owner(session), &parts).map(Some)
}

async fn link(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    attempt: &Attempt,
    provider: &Provider,
    arrival: &Arrival,
) -> Result<Response, ApiError> {
    let session = match token(headers) {
        None => None,
        Some(token) => sessions::find(&portal.store, &token).await?,
    };
    let Some(session) = session.filter(|session| Some(session.user.id) == attempt.user) else {
        let why = "who began it is not signed in here any more";
        return Err(refuse(portal, anyone, attempt, why).await);
    };
    let mut tx = portal.store.begin(attempt.tenant).await?;
    tx.act_as(anyone.acting(Actor::User {
        id: session.user.id.0,
        name: session.user.name.clone(),
    }));
    match arrivals::link(&mut tx, provider, arrival, session.user.id).await? {
        Ok(()) => tx.commit().await?,
        Err(refusal) => {
            drop(tx);
            return Err(refuse(portal, anyone, attempt, &refusal.to_string()).await);
        }
    }
    Ok(see(&format!("{}{}", attempt.origin, attempt.next)))
}

async fn test(
    portal: &Portal,
    anyone: &Anyone,
    attempt: &Attempt,
    provider: &Provider,
    arrival: &Arrival,
) -> Result<Response, ApiError> {
    let mut tx = portal.store.begin(attempt.tenant).await?;
    let actor = actor(&mut tx, attempt.user).await?;
    tx.act_as(anyone.acting(actor));
    let decided = arrivals::preview(&mut tx, provider, arrival).await?;
    let outcome = shown(arrival, decided);
    providers::tested(&mut tx, provider.id, attempt.config_version, &outcome).await?;
    tx.commit().await?;
    Ok((StatusCode::OK, Json(outcome)).into_response())
}

async fn actor(tx: &mut engine::Tx, user: Option<UserId>) -> Result<Actor, ApiError> {
    let Some(id) = user else {
        return Ok(Actor::System {
            name: "stranger".to_owned(),
        });
    };
    let name = people::get(tx, id).await?.user.name;
    Ok(Actor::User { id: id.0, name })
}

/// What a test showed, for the admin who sets the provider up.
fn shown(arrival: &Arrival, decided: Result<providers::Standing, providers::Refusal>) -> Json_ {
    /// Groups shown; a directory may give hundreds.
    const GROUPS: usize = 50;
    let mut outcome = json!({
        "accepted": decided.is_ok(),
        "issuer": arrival.issuer,
        "subject": arrival.subject,
        "email": arrival.email,
        "email_verified": arrival.email_verified,
        "name": arrival.name,
        "provider_groups": arrival.groups.iter().take(GROUPS).collect::<Vec<_>>(),
    });
    match decided {
        Ok(standing) => {
            outcome["role"] = json!(standing.role);
            outcome["groups"] = json!(standing.groups);
        }
        Err(refusal) => outcome["reason"] = json!(refusal.to_string()),
    }
    outcome
}

/// Sends the browser to an address.
pub(super) fn see(address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(address) => (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
        Err(_not_a_header) => unknown().into_response(),
    }
}

/// Where a test ends: programs get what came of it, people go back to the provider's page, which shows it, also
/// where nobody would be let in. So do people who have not shown who they are: they are signed in as before.
pub(super) fn go_back(
    headers: &HeaderMap,
    attempt: &Attempt,
    result: Result<Response, ApiError>,
) -> Result<Response, ApiError> {
    // Other errors were not noted with the provider: its page could not tell them.
    let is_noted = match &result {
        Ok(_outcome) => true,
        Err(error) => error.slug() == refused().slug(),
    };
    let goes_back = matches!(attempt.purpose, Purpose::Test | Purpose::StepUp);
    if goes_back && is_noted && is_page(headers) {
        return Ok(see(&format!("{}{}", attempt.origin, attempt.next)));
    }
    result
}

/// Whether a person waits for the answer.
fn is_page(headers: &HeaderMap) -> bool {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// A page for people, a problem for programs.
pub(super) fn answer(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    result: Result<Response, ApiError>,
) -> Response {
    let error = match result {
        Ok(response) => return response,
        Err(error) => error,
    };
    if !is_page(headers) {
        return error.into_response();
    }
    let origin = match anyone.place.origin.as_str() {
        "" => portal.public_url.as_str(),
        origin => origin,
    };
    // Logs what is ours to mend; nobody sees the problem itself.
    let slug = error.slug().as_str();
    drop(error.into_response());
    see(&format!("{origin}/sign-in?refused={slug}"))
}
